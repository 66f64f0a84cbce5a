"""Which entries of a space were used, gathered in memory: a read never waits for a write.

The order of use matters once something has to go, so it is kept while the space is at least half full: entries from
before then stand in the order in which they were added. Entries that are among the more recently used anyway are not
noted, so a hot entry costs nothing. The order is thus approximate: exact up to the eighth part of the entries, and
behind by what this process has noted and not written yet. Notes are written with the next eviction of this process,
and when there are 256.
"""

from __future__ import annotations

from typing import Final

from cachelayer.backends.disk.rows import Totals

#: Entries among this most recently used part (one in 8) are not noted.
_SHARE: Final = 8
#: Notes that are gathered before they are written.
_MOST: Final = 256
#: The part of the entries (one in 64) that is new before one looks again how full the space is.
_NEWS: Final = 64


class Recency:
    """The notes of one space.

    Args:
        max_entries: the space's bound, or None.
        max_size_bytes: the space's bound, or None.

    Attributes:
        kept: whether the order of use is kept.
        edge: a tick: entries used before it are noted when they are read.
        horizon: a tick: an entry used after it shows that others have written much since `learn`.
    """

    __slots__ = ("_bounds", "_last", "_noted", "edge", "horizon", "kept")

    def __init__(self, max_entries: int | None, max_size_bytes: int | None) -> None:
        self._bounds = max_entries, max_size_bytes
        self._noted: dict[int, None] = {}
        self._last = Totals(0, 0, 0)
        self.kept = False
        self.edge = self.horizon = 0

    def learn(self, now: Totals) -> None:
        """Take in how full the space is, and its tick."""
        self._last = now
        self.kept = any(
            bound is not None and 2 * amount >= bound
            for amount, bound in zip((now.entries, now.size), self._bounds, strict=True)
        )
        self.edge = now.tick - now.entries // _SHARE if self.kept else 0
        self.horizon = now.tick + now.entries // _NEWS

    def excess(self, now: Totals) -> tuple[int, int]:
        """Return how many entries and bytes there are beyond the bounds."""
        most, largest = self._bounds
        return max(0, now.entries - (most or now.entries)), max(0, now.size - (largest or now.size))

    def is_due(self, entries: int, size: int) -> bool:
        """Whether so many entries and bytes more may be too many, so that the notes should be written first."""
        last = self._last
        return bool(self._noted) and self.excess(Totals(last.entries + entries, last.size + size, 0)) != (
            0,
            0,
        )

    def note(self, row: int) -> bool:
        """Note that an entry was read; whether it is time to write the notes."""
        # Out and in again, so that the notes are in the order of use.
        self._noted.pop(row, None)
        self._noted[row] = None
        return len(self._noted) >= _MOST

    def take(self) -> list[int]:
        """Return the ids noted, least recently used first, and start anew."""
        noted, self._noted = self._noted, {}
        return list(noted)
