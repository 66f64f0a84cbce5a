"""The miss-ratio curve, against stores that really are of the other size: acceptance observability.md 10."""

import os
import random
import threading
from bisect import bisect_left
from itertools import accumulate

import pytest

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.stats import curve, make_report
from cachelayer.stats.curve import start_curve
from cachelayer.stats.making import curve_of
from cachelayer.testing import FakeClock
from tests.stats.support import Office

ROOM = 1000
VALUE = bytes(4000)


@pytest.fixture(autouse=True)
def restless(monkeypatch):
    """Looks follow each other without a rest, so that what they show does not go by the machine's speed."""
    monkeypatch.setattr(curve, "REST", 0.0)


def zipf(number, count):
    """Return requests for `number` keys, of which some are wanted far more often than others."""
    rng, sums = random.Random(7), list(accumulate(1 / (rank + 1) ** 0.9 for rank in range(number)))
    return [str(bisect_left(sums, rng.random() * sums[-1])) for _ in range(count)]


TRACE = zipf(20_000, 60_000)


def nothing(key):
    """A value without size."""
    return b""


def sized(key):
    """A value that is as large as its key says."""
    return VALUE[: 1 + int(key) * 7919 % 4000]


def replay(store, keys, value=nothing, ttl=None):
    """Read each key, and store it where it is missing."""
    for key in keys:
        if store.get(key) is None:
            store.set(key, value(key), ttl)


def rates(learned):
    """Return the hit rate by scale."""
    return {point.scale: point.hit_rate for point in curve_of([learned.read()])}


@pytest.mark.parametrize("bound", ["max_entries", "max_size_bytes"])
def test_the_curve_is_what_other_sizes_give(bound):
    """Half, twice, four times the size: within three points of a store of that size [observability 10]."""
    value = nothing if bound == "max_entries" else sized
    options = {"max_size_bytes": None, bound: ROOM if bound == "max_entries" else 2_000_000}
    store = InMemoryBackend(**options)
    learned = start_curve(store.table)
    replay(store, TRACE, value)
    predicted = rates(learned)
    assert predicted[1.0] == store.get_stats().hit_rate
    assert sorted(predicted) == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    for scale in (0.25, 0.5, 2.0, 4.0, 8.0):
        other = InMemoryBackend(**{**options, bound: int(options[bound] * scale)})
        replay(other, TRACE, value)
        assert predicted[scale] == pytest.approx(other.get_stats().hit_rate, abs=0.03), scale


def test_a_loop_that_does_not_fit_shows_where_it_would():
    """It has no hit until all of it fits [observability 10]."""
    store = InMemoryBackend(max_entries=100)
    learned = start_curve(store.table)
    replay(store, [str(number) for number in range(300)] * 50)
    predicted = rates(learned)
    assert predicted[1.0] == predicted[2.0] == 0.0
    assert predicted[4.0] == pytest.approx(49 / 50, abs=0.001)


def test_hits_by_a_functions_shortcut_are_in_it():
    """Though nobody looks at them, the order of the entries tells of them [observability 10]."""

    def measure(room):
        cache = Cache(InMemoryBackend(max_entries=room))
        make_report(cache)
        function = cached(cache=cache, ttl=None, name="f")(lambda number: number)
        for key in TRACE:
            function(key)
        return {point.scale: point.hit_rate for point in make_report(cache).curve}

    predicted, half = measure(ROOM), measure(ROOM // 2)
    assert predicted[1.0] > half[1.0] + 0.05
    assert predicted[0.5] == pytest.approx(half[1.0], abs=0.04)
    assert half[2.0] == pytest.approx(predicted[1.0], abs=0.03)


def test_only_so_many_ghosts_are_kept(monkeypatch):
    """The rate of sampling is lowered instead, and the curve stays what it is [observability 10]."""
    monkeypatch.setattr(curve, "MOST_GHOSTS", 500)
    store = InMemoryBackend(max_entries=ROOM)
    learned = start_curve(store.table)
    replay(store, TRACE)
    assert sum(len(band.ghosts) for band in learned._bands) <= 500
    assert learned.limit < curve.HASHES // 8
    larger = InMemoryBackend(max_entries=4 * ROOM)
    replay(larger, TRACE)
    assert rates(learned)[4.0] == pytest.approx(larger.get_stats().hit_rate, abs=0.06)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def full(clock):
    """A store of ten, from which ten keys were evicted, and its curve."""
    store = InMemoryBackend(max_entries=10, clock=clock)
    learned = start_curve(store.table)
    replay(store, map(str, range(20)), ttl=60)
    return store, learned


def extra(learned):
    """Return the hits that four times the size would have had more."""
    points = learned.read()
    return points["4"] - points["1"]


def test_what_was_evicted_would_have_been_a_hit(full):
    """In a store that is large enough [observability 10]."""
    store, learned = full
    replay(store, map(str, range(10)), ttl=60)
    assert extra(learned) == 10


def test_what_has_expired_is_a_miss_at_any_size(full, clock):
    """Ghosts remember when [observability 10]."""
    store, learned = full
    clock.advance(61)
    replay(store, map(str, range(10)), ttl=60)
    assert extra(learned) == 0


def test_what_was_deleted_is_a_miss_at_any_size(full):
    """One key, or all of them [observability 10]."""
    store, learned = full
    for key in range(5):
        store.delete(str(key))
    replay(store, map(str, range(5)), ttl=60)
    store.clear()
    replay(store, map(str, range(10)), ttl=60)
    assert extra(learned) == 0


def test_what_was_invalidated_is_a_miss_at_any_size():
    """Ghosts know their tags [observability 10]."""
    cache = Cache(InMemoryBackend(max_entries=10))
    make_report(cache)
    function = cached(cache=cache, ttl=60, tags=["t"])(lambda number: number)
    for number in range(20):
        function(number)
    cache.invalidate_tags("t")
    for number in range(10):
        function(number)
    assert {point.hit_rate for point in make_report(cache).curve} == {0.0}


def test_a_store_with_room_to_spare_needs_no_more():
    """All sizes that hold what there is are alike [observability 10]."""
    store = InMemoryBackend(max_entries=1000)
    learned = start_curve(store.table)
    replay(store, [str(number % 100) for number in range(1000)])
    assert set(rates(learned).values()) == {0.9}


def test_a_store_without_a_bound_has_no_curve():
    """There is no other size [observability 10]."""
    assert start_curve(InMemoryBackend(max_size_bytes=None).table) is None
    cache = Cache(InMemoryBackend(max_size_bytes=None))
    make_report(cache)
    cached(cache=cache)(len)("abc")
    assert make_report(cache).curve == ()


@pytest.mark.parametrize("policy", ["arc", "s3fifo"])
def test_another_order_tells_of_more_room_alone(policy):
    """Where entries are not in the order of their use, nobody knows what half would lose [observability 10]."""
    store = InMemoryBackend(max_entries=ROOM, policy=policy)
    learned = start_curve(store.table)
    replay(store, TRACE)
    predicted = rates(learned)
    assert sorted(predicted) == [1.0, 2.0, 4.0, 8.0]
    larger = InMemoryBackend(max_entries=2 * ROOM, policy=policy)
    replay(larger, TRACE)
    assert predicted[2.0] == pytest.approx(larger.get_stats().hit_rate, abs=0.06)


def test_nothing_is_sampled_until_somebody_asks():
    """The first report begins it [observability 10]."""
    cache = Cache(InMemoryBackend(max_entries=10))
    assert cache.backend.table.curve is None
    assert make_report(cache).curve == ()
    assert cache.backend.table.curve is not None


def test_a_reset_starts_it_from_zero(full):
    """As all counters do [observability 3]."""
    store, learned = full
    replay(store, map(str, range(10)), ttl=60)
    store.get_stats().reset()
    assert learned.read() == {}
    store.get("1")
    assert learned.read()["lookups"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_counts_for_itself(full):
    """What was counted before is the parent's [observability 4]."""
    store, learned = full
    child = os.fork()
    if not child:
        is_empty = learned.read() == {}
        store.get("19")
        os._exit(0 if is_empty and learned.read()["lookups"] == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert learned.read()["lookups"] == 20


def test_threads_count_each_lookup_once():
    """Hits and lookups are the store's own, whoever looks meanwhile [observability 2]."""
    store = InMemoryBackend(max_entries=100)
    learned = start_curve(store.table)
    threads = [threading.Thread(target=replay, args=(store, TRACE[:5000])) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        learned.read()
    points, stats = learned.read(), store.get_stats()
    assert (points["lookups"], points["1"]) == (20_000, stats.hits)
    assert (
        points["0.25"] <= points["0.5"] <= points["1"] <= points["2"] <= points["4"] <= points["8"] <= 20_000
    )


def test_workers_add_up():
    """By their lookups; one that has none says nothing [observability 4]."""
    points = curve_of([{"lookups": 100, "1": 50, "2": 80}, {"lookups": 300, "1": 0, "2": 0, "0.5": 0}, {}])
    assert [(point.scale, point.hit_rate) for point in points] == [(1.0, 0.125), (2.0, 0.2)]


def test_a_report_has_the_curve_of_all_workers(tmp_path):
    """Each with a memory of its own [observability 10]."""
    workers = [
        Cache(InMemoryBackend(max_entries=10), stats_dir=tmp_path, stats_interval=3600) for _ in range(2)
    ]
    for worker in workers:
        worker.recorder.flush()
    for worker, lookups in zip(workers, (30, 10), strict=True):
        function = cached(cache=worker, ttl=60, name="f")(lambda number: number)
        for number in range(lookups):
            function(number % 10)
        worker.recorder.flush()
    points = make_report(workers[0]).curve
    assert {point.scale: point.hit_rate for point in points}[1.0] == 0.5
    for worker in workers:
        worker.close()


def test_a_shared_store_has_no_curve():
    """It makes room by itself [observability 10]."""
    cache = Office().worker()
    cached(cache=cache, ttl=60)(len)("abc")
    assert make_report(cache).curve == ()
