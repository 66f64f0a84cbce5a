"""What a store with a server or file behind it counts in this process: exact under threads, book-keeping left out."""

from __future__ import annotations

from collections.abc import Iterable

from cachelayer.backends.generations import BOOKKEEPING
from cachelayer.backends.stats import CacheStats
from cachelayer.counters import Counter


class StoreCounters:
    """Counts reads and writes of one backend.

    Attributes:
        corrupted: reads that found bytes which are no entry of ours; each is counted as a miss too.
    """

    def __init__(self) -> None:
        self.hits, self.misses, self.sets = Counter(), Counter(), Counter()
        self.deletes, self.evictions, self.corrupted = Counter(), Counter(), Counter()

    def note_read(self, key: str, *, found: bool) -> None:
        """Count one read."""
        if not key.startswith(BOOKKEEPING):
            (self.hits if found else self.misses).tick()

    def note_sets(self, keys: Iterable[str]) -> None:
        """Count one write for each key."""
        _tick(self.sets, keys)

    def note_deletes(self, keys: Iterable[str]) -> None:
        """Count one deletion for each key that was there."""
        _tick(self.deletes, keys)

    def snapshot(
        self,
        *,
        evictions: int | None = None,
        current_entries: int | None = None,
        current_size_bytes: int | None = None,
        max_size_bytes: int | None = None,
    ) -> CacheStats:
        """Return the counts, with what the store itself can tell."""
        return CacheStats(
            self.hits.value,
            self.misses.value,
            self.sets.value,
            self.deletes.value,
            evictions,
            current_entries,
            current_size_bytes,
            max_size_bytes,
            self.reset,
        )

    def reset(self) -> None:
        """Start again from zero."""
        for counter in (self.hits, self.misses, self.sets, self.deletes, self.evictions, self.corrupted):
            counter.reset()


def _tick(counter: Counter, keys: Iterable[str]) -> None:
    for key in keys:
        if not key.startswith(BOOKKEEPING):
            counter.tick()
