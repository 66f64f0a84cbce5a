"""Which keys of the memory store expire when, at a few bytes a key.

Keys wait in buckets by the time they expire. A bucket is as wide as 1/16 to 1/32 of the lifetime it was made for, so
there are few of them whatever the lifetimes, and reclaiming is late by at most that share. Entries that were
overwritten or removed stay queued until their bucket is due: whoever drains the buckets checks the entry itself.
"""

from __future__ import annotations

import heapq
import math


class ExpiryQueue:
    """Keys in the order of their expiry, by buckets."""

    __slots__ = ("_buckets", "_ends", "queued")

    def __init__(self) -> None:
        self._buckets: dict[float, list[str]] = {}
        self._ends: list[float] = []
        self.queued = 0

    def add(self, key: str, expires: float, now: float) -> None:
        """Queue `key`, which expires at `expires` (epoch seconds)."""
        width = math.ldexp(1.0, math.frexp(expires - now)[1] - 5)
        end = (expires // width + 1.0) * width
        bucket = self._buckets.get(end)
        if bucket is None:
            bucket = self._buckets[end] = []
            heapq.heappush(self._ends, end)
        bucket.append(key)
        self.queued += 1

    def due(self, now: float) -> list[str]:
        """Take out and return the keys of every bucket that has wholly passed."""
        keys: list[str] = []
        while self._ends and self._ends[0] <= now:
            keys += self._buckets.pop(heapq.heappop(self._ends))
        self.queued -= len(keys)
        return keys

    @property
    def next_due(self) -> float:
        """When the next bucket is due, infinity if there is none."""
        return self._ends[0] if self._ends else math.inf
