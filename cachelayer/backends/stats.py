"""What a store counts of its own reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class CacheStats:
    """A snapshot of a backend's counters. What a store cannot tell is None, not 0.

    `hits`, `misses`, `sets`, `deletes` and `evictions` count from the backend's start or its last
    `reset()`; the sizes are as of the snapshot, in bytes.
    """

    hits: int | None = 0
    misses: int | None = 0
    sets: int | None = 0
    deletes: int | None = 0
    evictions: int | None = 0
    current_entries: int | None = 0
    current_size_bytes: int | None = 0
    max_size_bytes: int | None = 0
    on_reset: Callable[[], None] | None = field(default=None, repr=False, compare=False)

    @property
    def hit_rate(self) -> float:
        """Hits / (hits + misses), 0.0 before the first read."""
        hits, misses = self.hits or 0, self.misses or 0
        return hits / (hits + misses) if hits + misses else 0.0

    @property
    def utilization(self) -> float:
        """current_size_bytes / max_size_bytes, 0.0 where there is no maximum."""
        return (self.current_size_bytes or 0) / self.max_size_bytes if self.max_size_bytes else 0.0

    def reset(self) -> None:
        """Zero the counters of this snapshot and of the backend it came from; entries and sizes stay."""
        for name in ("hits", "misses", "sets", "deletes", "evictions"):
            if getattr(self, name) is not None:  # what the store cannot tell stays unknown
                setattr(self, name, 0)
        if self.on_reset is not None:
            self.on_reset()

    def to_dict(self) -> dict[str, Any]:
        """The counters, sizes and both rates as plain values, ready for JSON."""
        names = ("hits", "misses", "sets", "deletes", "evictions")
        sizes = ("current_entries", "current_size_bytes", "max_size_bytes")
        counts = {name: getattr(self, name) for name in (*names, *sizes)}
        return {**counts, "hit_rate": self.hit_rate, "utilization": self.utilization}
