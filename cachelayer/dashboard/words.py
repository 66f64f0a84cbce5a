"""What outcomes, reasons and states are called on the page, and how they are explained."""

from __future__ import annotations

from typing import Final

from cachelayer.http import Reason
from cachelayer.outcomes import Outcome

#: The outcomes from the bottom of a stack up: what was served, what went to the origin, and trouble on top.
ORDER: Final = (
    "hit", "collapsed", "stale_hit", "revalidated", "error_hit", "miss", "uncacheable", "bypass", "error",
)  # fmt: skip
NAMES: Final = {
    "hit": "hit",
    "collapsed": "collapsed",
    "stale_hit": "stale hit",
    "revalidated": "revalidated",
    "error_hit": "stale on error",
    "miss": "miss",
    "uncacheable": "uncacheable",
    "bypass": "bypass",
    "error": "error",
}
MEANINGS: Final = {
    Outcome.HIT: "a fresh entry was served",
    Outcome.COLLAPSED: "served from another caller's computation",
    Outcome.STALE_HIT: "a stale entry was served while it is refreshed",
    Outcome.REVALIDATED: "a stale entry was served after the origin confirmed it",
    Outcome.ERROR_HIT: "a stale entry was served because the origin failed",
    Outcome.MISS: "the origin computed it, and it may be stored",
    Outcome.UNCACHEABLE: "the origin computed it, and it may not be stored",
    Outcome.BYPASS: "the cache was not asked",
    Outcome.ERROR: "the origin failed, and nothing stale could be served",
}


_EXPLANATIONS: Final = {reason.value: reason.explanation for reason in Reason}


def explain(reason: str) -> str:
    """Return what a reason means, in a sentence; "" where nobody says."""
    return _EXPLANATIONS.get(reason, "")


def plural(number: float, one: str, many: str = "") -> str:
    """Return the word for so many."""
    return one if number == 1 else many or f"{one}s"
