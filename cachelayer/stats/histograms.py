"""Histograms of log-spaced buckets, the same for times, ages and sizes: any two can be added up.

There are sixteen buckets to each power of ten, see `BOUNDS`: the middle of one, which is what a percentile is taken
for, is no further than 8 % from anything in it. Counts and sums are exact.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from cachelayer.counters import BOUNDS, bucket_of

#: How many are in each bucket, by the bucket's number; empty ones are left out.
Buckets = Mapping[int, int]


class Histogram(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counted values.

    Attributes:
        buckets: how many are in each bucket.
        sum: of all values.
    """

    buckets: Buckets = {}
    sum: float = 0.0

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    @property
    def mean(self) -> float | None:
        """The mean; None where there are none."""
        count = self.count
        return self.sum / count if count else None

    def percentile(self, share: float) -> float | None:
        """Return the value that `share` of all are not above, such as 0.95; None where there are none."""
        return percentile(self.buckets, share)

    def cumulative(self, bounds: Iterable[float]) -> list[tuple[float, int]]:
        """Return how many are not above each of `bounds`, which are rising and among `BOUNDS`."""
        return [(bound, self.below(bound)) for bound in bounds]

    def below(self, bound: float) -> int:
        """Return how many are not above `bound`, which is one of `BOUNDS`."""
        last = bucket_of(bound)
        return sum(count for number, count in self.buckets.items() if number <= last)


def percentile(buckets: Buckets, share: float) -> float | None:
    """Return the value that `share` of all are not above, such as 0.95; None where there are none."""
    rank, passed = share * sum(buckets.values()), 0
    for number in sorted(buckets):
        passed += buckets[number]
        if passed >= rank:
            return _middle(number)
    return None


def add(one: Buckets, other: Buckets) -> dict[int, int]:
    """Return both together."""
    if not one or not other:
        return dict(one or other)
    sums = dict(one)
    for number, count in other.items():
        sums[number] = sums.get(number, 0) + count
    return sums


def put_into(buckets: dict[int, int], values: Iterable[float]) -> None:
    """Count each of `values` in its bucket: in one go, for less than half of what each by itself would take."""
    rising = sorted(values)
    done, count = 0, len(rising)
    while done < count:
        number = bucket_of(rising[done])
        end = bisect_right(rising, BOUNDS[number], done) if number < len(BOUNDS) else count
        buckets[number] = buckets.get(number, 0) + end - done
        done = end


def _middle(number: int) -> float:
    """Return the value in the middle of a bucket, on a logarithmic scale: none in it is further off than a tenth."""
    if number >= len(BOUNDS):
        return BOUNDS[-1]
    return math.sqrt(BOUNDS[number - 1] * BOUNDS[number]) if number else BOUNDS[0] / 2


def coarse_bounds(first: float, last: float, *, steps: int = 4) -> list[float]:
    """Return those of `BOUNDS` from `first` to `last`, `steps` (a divisor of 16) to a power of ten: for exporters."""
    return [bound for bound in BOUNDS[:: 16 // steps] if first <= bound <= last]
