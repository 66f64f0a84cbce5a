"""The least that a backend can be."""

from __future__ import annotations

import threading
from typing import ClassVar

from cachelayer.backends.base import CacheBackend, CacheStats, Metadata, check_item, check_key
from cachelayer.clock import Clock, system_clock


class MinimalBackend(CacheBackend):
    """Six methods over a dict, everything else by the contract's defaults: for tests of what stands on them.

    It has no bounds, and keeps no metadata.

    Args:
        clock: returns epoch seconds.
    """

    shared: ClassVar[bool] = False
    #: None of its calls hangs: on a machine that is busy a test shall not take it for a store that does.
    timeout: float | None = 60.0

    def __init__(self, *, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._items: dict[str, tuple[bytes, float]] = {}
        self._stats = CacheStats(evictions=None, max_size_bytes=None)

    def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        check_key(key)
        with self._lock:
            item = self._living().get(key)
            if item is None:
                self._stats.misses = (self._stats.misses or 0) + 1
                return None
            self._stats.hits = (self._stats.hits or 0) + 1
            return item[0]

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store the value; `metadata` is dropped."""
        check_item(key, value)
        if ttl is not None and ttl <= 0:
            self.delete(key)
            return False
        with self._lock:
            expires = float("inf") if ttl is None else self._clock() + ttl
            self._items[key] = (value, expires)
            self._stats.sets = (self._stats.sets or 0) + 1
            return True

    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""
        check_key(key)
        with self._lock:
            found = self._living().pop(key, None) is not None
            self._stats.deletes = (self._stats.deletes or 0) + found
            return found

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        check_key(key)
        with self._lock:
            return key in self._living()

    def clear(self) -> int:
        """Remove everything; return how many, generations and locks included."""
        with self._lock:
            count = len(self._living())
            self._items.clear()
            return count

    def get_stats(self) -> CacheStats:
        """Return a snapshot of the counters."""
        with self._lock:
            values = [value for value, _ in self._living().values()]
            stats = self._stats
            return CacheStats(
                stats.hits,
                stats.misses,
                stats.sets,
                stats.deletes,
                evictions=None,
                current_entries=len(values),
                current_size_bytes=sum(map(len, values)),
                max_size_bytes=None,
                on_reset=self._reset,
            )

    def _living(self) -> dict[str, tuple[bytes, float]]:
        """Drop what has expired: a pass over everything at each call, which a test can afford."""
        now = self._clock()
        for key in [key for key, (_, expires) in self._items.items() if expires <= now]:
            del self._items[key]
        return self._items

    def _reset(self) -> None:
        with self._lock:
            self._stats = CacheStats(evictions=None, max_size_bytes=None)
