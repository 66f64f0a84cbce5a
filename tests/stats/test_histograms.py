"""Histograms: acceptance observability.md 1."""

import random
from itertools import pairwise

import pytest

from cachelayer.counters import BOUNDS, Timings, bucket_of
from cachelayer.stats.histograms import Histogram, add, coarse_bounds, percentile, put_into
from cachelayer.testing.crowds import in_threads


def histogram(values):
    """Return the histogram of these values."""
    buckets = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    return Histogram(buckets, sum(values))


@pytest.mark.parametrize("shape", ["lognormal", "uniform", "bimodal", "constant"])
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentiles_are_right_within_a_tenth(shape, share):
    """Whatever the times look like, from microseconds to seconds [observability 1]."""
    chance = random.Random(7)
    draw = {
        "lognormal": lambda: chance.lognormvariate(-4, 2),
        "uniform": lambda: chance.uniform(0.001, 0.5),
        "bimodal": lambda: chance.choice([2e-5, 2e-5, 2e-5, 0.3]) * chance.uniform(0.9, 1.1),
        "constant": lambda: 0.0042,
    }[shape]
    values = sorted(draw() for _ in range(20_000))
    exact = values[int(share * len(values))]
    assert histogram(values).percentile(share) == pytest.approx(exact, rel=0.1)


def test_counts_and_sums_are_exact():
    """Only the place within a bucket is an estimate [observability 1]."""
    found = histogram([0.5, 0.25, 2.0])
    assert (found.count, found.sum, found.mean) == (3, 2.75, 2.75 / 3)


def test_many_at_once_are_put_where_each_by_itself_is():
    """Whatever their order, on bounds and beyond them, beside what is there already [observability 1]."""
    chance = random.Random(7)
    values = [chance.lognormvariate(-4, 6) for _ in range(2000)]
    values += [0, 3, 0.0, 1e-9, 1e9, float("inf"), *BOUNDS]
    chance.shuffle(values)
    buckets = {3: 2}
    put_into(buckets, values)
    assert buckets == add(histogram(values).buckets, {3: 2})


def test_of_nothing_there_is_no_percentile():
    """Unknown is None, and not zero [observability 1]."""
    assert (Histogram().count, Histogram().mean, Histogram().percentile(0.5)) == (0, None, None)


@pytest.mark.parametrize("value", [0.0, 1e-9, 1e9, float("inf")])
def test_what_is_beyond_the_bounds_counts_too(value):
    """In the first bucket, or after the last [observability 1]."""
    found = histogram([value])
    assert found.count == 1
    assert 0 <= found.percentile(0.5) <= BOUNDS[-1]


def test_two_add_up_to_the_histogram_of_both():
    """So workers can be added up [observability 1]."""
    one, two = [0.1, 0.2, 0.5], [0.1, 7.0]
    assert add(histogram(one).buckets, histogram(two).buckets) == histogram([*one, *two]).buckets
    assert add({}, {3: 1}) == add({3: 1}, {}) == {3: 1}


def test_cumulative_buckets_are_what_exporters_want():
    """Rising counts under bounds that are among ours, the last of all below it [observability 6]."""
    values = [0.00005, 0.001, 0.0011, 0.2, 50.0, 500.0]
    bounds = coarse_bounds(0.0001, 100)
    found = dict(histogram(values).cumulative(bounds))
    assert bounds == sorted(bounds)
    assert set(bounds) <= set(BOUNDS)
    assert found == {bound: sum(value <= bound for value in values) for bound in bounds}


def test_bounds_are_a_seventh_apart():
    """Sixteen to a power of ten [observability 1]."""
    assert all(1.15 < upper / lower < 1.16 for lower, upper in pairwise(BOUNDS))
    assert {0.001, 1.0} <= set(BOUNDS)


def test_a_percentile_is_the_middle_of_its_bucket():
    """Whatever share of the bucket it is [observability 1]."""
    place = bucket_of(1.1)
    low, high = percentile({place: 100}, 0.01), percentile({place: 100}, 1.0)
    assert BOUNDS[place - 1] < low == high < BOUNDS[place]


def test_timings_are_exact_under_threads():
    """Of the store's operations, by operation and by how they ended [observability 2]."""
    timings = Timings()

    def work(number):
        for _ in range(3000):
            timings.note(("get", "ok", 0.001))
            timings.note(("set", "error" if number % 2 else "ok", 0.5))

    in_threads(4, work)
    found = timings.read()
    assert {name: sum(buckets.values()) for name, (buckets, _) in found.items()} == {
        ("get", "ok"): 12_000,
        ("set", "ok"): 6000,
        ("set", "error"): 6000,
    }
    assert found["set", "ok"][1] == 3000.0
