"""How a lookup ends. Every lookup ends in exactly one outcome; statistics, headers and metrics use these words."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The end of one lookup."""

    HIT = "hit"
    """A fresh entry was served."""
    STALE_HIT = "stale_hit"
    """A stale one, with a refresh under way."""
    ERROR_HIT = "error_hit"
    """A stale one, because the origin failed."""
    REVALIDATED = "revalidated"
    """A stale one, after the origin confirmed it."""
    MISS = "miss"
    """The origin computed a value that may be stored."""
    COLLAPSED = "collapsed"
    """Served from another caller's computation."""
    UNCACHEABLE = "uncacheable"
    """The origin computed a value that may not be stored."""
    BYPASS = "bypass"
    """No lookup: unsafe method, disabled, or a bypass predicate."""
    ERROR = "error"
    """The origin raised and nothing stale could be served."""


#: Outcomes in which the caller was served without a computation of its own.
SERVED = frozenset(
    {Outcome.HIT, Outcome.STALE_HIT, Outcome.ERROR_HIT, Outcome.REVALIDATED, Outcome.COLLAPSED}
)
