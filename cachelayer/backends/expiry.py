"""Which keys of the memory store expire when, at a few bytes a key.

Keys wait in buckets by the time they expire. A bucket is as wide as 1/16 to 1/32 of the lifetime it was made for, so
there are few of them whatever the lifetimes, and reclaiming is late by at most that share. Entries that were
overwritten or removed stay queued until their bucket is due: whoever drains the buckets checks the entry itself.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from math import frexp
from typing import Final

_SHIFT: Final = 40
#: By the binary exponent of a lifetime, from microseconds to some 30,000 years: 1/32 of the power of two above it.
_WIDTHS: Final = [math.ldexp(1.0, exponent - 5) for exponent in range(-_SHIFT, _SHIFT)]


class ExpiryQueue:
    """Keys in the order of their expiry, by buckets."""

    __slots__ = ("_append", "_buckets", "_end", "_ends", "_start", "next_due", "queued")

    def __init__(self) -> None:
        self._buckets: dict[float, list[str]] = {}
        self._ends: list[float] = []
        # The bucket that was added to last: with a constant lifetime the next key goes there too.
        self._start = self._end = 0.0
        self._append: Callable[[str], object] = _nowhere
        #: When the next bucket is due, infinity if there is none.
        self.next_due = math.inf
        self.queued = 0

    def add(self, key: str, expires: float, now: float) -> None:
        """Queue `key`, which expires at `expires` (epoch seconds)."""
        self.queued += 1
        # A narrow bucket may take a longer lifetime's key; a wide one would hold a shorter one's too long.
        if self._start <= expires < self._end and (self._end - self._start) * 16 <= expires - now:
            self._append(key)
            return
        _, exponent = frexp(expires - now)
        width = _WIDTHS[exponent + _SHIFT] if -_SHIFT <= exponent < _SHIFT else 1.0
        self._start = expires // width * width
        self._end = end = self._start + width
        bucket = self._buckets.get(end)
        if bucket is None:
            bucket = self._buckets[end] = []
            heapq.heappush(self._ends, end)
            self.next_due = self._ends[0]
        self._append = bucket.append
        bucket.append(key)

    def due(self, now: float) -> list[str]:
        """Take out and return the keys of every bucket that has wholly passed."""
        keys: list[str] = []
        self._start = self._end = 0.0
        while self._ends and self._ends[0] <= now:
            keys += self._buckets.pop(heapq.heappop(self._ends))
        self.queued -= len(keys)
        self.next_due = self._ends[0] if self._ends else math.inf
        return keys


def _nowhere(key: str) -> None:
    raise NotImplementedError
