"""Histograms of log-spaced buckets, the same for times, ages and sizes: any two can be added up.

There are twelve buckets to each power of ten, from a microsecond (or a millionth of a byte) to 100,000,000 of either. A
percentile is taken from within its bucket, whose ends are 21 % apart: it is right within 10 %. Counts are exact.
"""

from __future__ import annotations

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
    total = sum(buckets.values())
    if not total:
        return None
    rank, passed = share * total, 0
    for number in sorted(buckets):
        count = buckets[number]
        if passed + count >= rank:
            return _within(number, (rank - passed) / count)
        passed += count
    return _within(max(buckets), 1.0)


def add(one: Buckets, other: Buckets) -> dict[int, int]:
    """Return both together."""
    if not one or not other:
        return dict(one or other)
    sums = dict(one)
    for number, count in other.items():
        sums[number] = sums.get(number, 0) + count
    return sums


def _within(number: int, share: float) -> float:
    """Return the value at `share` of the way through a bucket, on a logarithmic scale."""
    if number >= len(BOUNDS):
        return BOUNDS[-1]
    upper = BOUNDS[number]
    if number == 0:
        return upper * share
    lower = BOUNDS[number - 1]
    return float(lower * (upper / lower) ** share)


def coarse_bounds(first: float, last: float, *, steps: int = 3) -> list[float]:
    """Return those of `BOUNDS` from `first` to `last`, `steps` (a divisor of 12) to a power of ten: for exporters."""
    return [bound for bound in BOUNDS[:: 12 // steps] if first <= bound <= last]
