"""What commands do and say alike: those of the command line, and those of frameworks, which need not have its extra."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cachelayer.cache import Cache
from cachelayer.cli.show import plain
from cachelayer.dashboard.actions import Purged
from cachelayer.stats import RouteStats

_COLUMNS: Final = (
    "requests",
    "hit_rate",
    "coverage",
    "hit",
    "stale_hit",
    "miss",
    "collapsed",
    "uncacheable",
    "bypass",
    "error",
)


def keys_of(cache: Cache, pattern: str, limit: int) -> tuple[list[str], bool]:
    """Return keys of the cache's namespace, without that, and whether there are more.

    Args:
        cache: the cache.
        pattern: a glob.
        limit: how many at most; 0: all.
    """
    space = cache.key("")
    scanned = cache.backend.scan(glob.escape(space) + pattern)
    found = [key.removeprefix(space) for key in itertools.islice(scanned, limit + 1 if limit else None)]
    return found[: limit or None], bool(limit) and len(found) > limit


def tell_purged(done: Purged, what: str, *, soft: bool, dry_run: bool) -> str:
    """Return what a purge has done, or would do, in a sentence."""
    about = "" if done.exact else "about "
    number = "an unknown number of" if done.count is None else f"{about}{done.count:,}"
    verb = "would purge" if dry_run else "made stale" if soft else "purged"
    return f"{verb} {number} {'entry' if done.count == 1 else 'entries'}: {plain(what)}"


def tell_cleared(count: int) -> str:
    """Return what clearing has done, in a sentence."""
    # A generation was changed, or the store counts nothing: nobody knows how many entries had the old one.
    return f"removed {count:,} entries" if count else "removed everything"


def tell_counted(first: str, rows: Iterable[tuple[str, RouteStats]]) -> Iterator[str]:
    """Yield the lines of a table, a row for each label.

    Args:
        first: the head of the first column.
        rows: labels, and what was counted under them.
    """
    named = [(plain(label), counted) for label, counted in rows]
    width = max(len(first), *(len(label) for label, _ in named)) if named else len(first)
    yield "  ".join([f"{first:<{width}}", *(f"{name:>8}" for name in _COLUMNS)])
    for label, counted in named:
        cells = (f"{_figure(getattr(counted, name)):>{max(len(name), 8)}}" for name in _COLUMNS)
        yield "  ".join([f"{label:<{width}}", *cells])


def _figure(value: Any) -> str:
    return f"{value:.0%}" if isinstance(value, float) else str(value)
