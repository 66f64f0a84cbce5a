"""Reports: acceptance observability.md 1, 3, 8 to 10."""

import asyncio
import json

import msgspec
import pytest

from cachelayer import Cache, ConfigurationError, InMemoryBackend, Outcome, cached
from cachelayer.backends import TieredBackend
from cachelayer.stats import Report, make_report, shared_totals
from cachelayer.testing import FakeClock
from tests.stats.support import ROUTE, Office, SharedStore, count

HOUR = 3600.0


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def cache(clock):
    """A cache in memory that has begun its history."""
    made = Cache(InMemoryBackend(clock=clock), name="mine")
    make_report(made)
    return made


def test_a_report_is_ready_for_json(cache):
    """And comes back as it was [observability 3]."""
    count(cache, 3, 1)
    cache.invalidate_tags("t")
    report = make_report(cache)
    plain = json.loads(json.dumps(msgspec.to_builtins(report)))
    assert msgspec.convert(plain, Report) == report
    with pytest.raises(AttributeError):
        report.entries = 5


def test_a_route_has_every_figure(cache):
    """Outcomes, rates, bytes, times, and what the cache saved [observability 1]."""
    counters = cache.routes.counters(ROUTE)
    for _ in range(8):
        if counters.record(Outcome.HIT, seconds=0.001, size=100):
            counters.note_sample(Outcome.HIT, age=30.0)
    counters.record(Outcome.MISS, seconds=0.5)
    counters.note_store((1000, 60.0))
    counters.record(Outcome.COLLAPSED, seconds=0.2, size=100)
    counters.record(Outcome.UNCACHEABLE, seconds=0.3, reason="PRIVATE")
    counters.record(Outcome.ERROR, seconds=0.1)
    counters.note_refresh(seconds=0.1, failed=True)
    [route] = make_report(cache).routes
    assert (route.route, route.kind, route.methods) == (ROUTE, "route", ("GET",))
    assert (route.requests, route.served, route.errors, route.calls_avoided) == (12, 9, 1, 1)
    assert route.outcomes["hit"] == 8
    assert list(route.outcomes) == [outcome.value for outcome in Outcome]
    assert route.hit_rate == pytest.approx(9 / 12)
    assert route.coverage == pytest.approx(11 / 12)
    assert (route.bytes_served, route.bytes_stored, route.stores) == (900, 1000, 1)
    assert (route.refreshes, route.refresh_errors) == (1, 1)
    assert (route.reasons, route.top_reason) == ({"PRIVATE": 1}, "PRIVATE")
    assert route.hit.p50 == pytest.approx(0.001, rel=0.1)
    assert route.origin.p99 == pytest.approx(0.5, rel=0.1)
    assert route.origin.count == 4
    assert route.saved_seconds == pytest.approx(9 * (1.0 / 4 - 0.208 / 9))
    assert route.reuse.ttl == pytest.approx(60, rel=0.1)
    assert route.reuse.age_p50 == pytest.approx(30, rel=0.1)


def test_time_saved_is_known_where_the_origin_was_not_asked(cache, clock):
    """By what it took before the window [observability 1]."""
    count(cache, hits=1, misses=1)
    make_report(cache)
    clock.advance(2 * HOUR)
    count(cache, hits=10)
    assert make_report(cache).total.saved_seconds == pytest.approx(10 * 0.099)


def test_the_series_has_no_gaps_and_the_totals_are_its_sums(cache, clock):
    """Each step is there, and as long as the others [observability 8]."""
    for number in range(5):
        count(cache, number)
        make_report(cache)
        clock.advance(100)
    report = make_report(cache)
    starts = [bucket.start for bucket in report.series]
    assert starts == [report.start + 60 * place for place in range(60)]
    assert sum(bucket.requests for bucket in report.series) == report.total.requests == 10
    assert [spark.requests for spark in report.routes[0].spark] == [
        bucket.requests for bucket in report.series
    ]


def test_history_of_what_is_not_shared_begins_with_the_first_report(clock):
    """What was counted before is in the totals, and in no window [observability 4]."""
    cache = Cache(InMemoryBackend(clock=clock))
    count(cache, 5)
    first = make_report(cache)
    assert (first.scope, first.interval, first.total.requests) == ("process", None, 0)
    assert first.routes[0].requests == 0
    count(cache, 2)
    assert make_report(cache).total.requests == 2
    assert shared_totals(cache).total.requests == 7


def test_entries_and_sizes_are_counted_by_label(cache):
    """Of functions by their own tag, without looking anything up [observability 1]."""
    for name, calls in (("f", 3), ("g", 2)):
        call = cached(cache=cache, ttl=60, name=name)(lambda number: "x" * number)
        for number in range(calls):
            call(number)
    report = make_report(cache)
    found = {each.route: (each.entries, each.size_bytes) for each in report.functions}
    assert {name: entries for name, (entries, _) in found.items()} == {"f": 3, "g": 2}
    assert sum(size for _, size in found.values()) == report.size_bytes
    assert report.entries == 5


def test_evictions_are_counted_by_label(clock):
    """Exactly, of a memory store that is too small [observability 1]."""
    cache = Cache(InMemoryBackend(max_entries=10, clock=clock))
    make_report(cache)
    f = cached(cache=cache, ttl=60, name="f")(lambda number: number)
    g = cached(cache=cache, ttl=60, name="g")(lambda number: number)
    for number in range(10):
        f(number)
    for number in range(7):
        g(number)
    assert (f.stats().evictions, g.stats().evictions) == (7, 0)
    assert {each.route: each.evictions for each in make_report(cache).functions} == {"f": 7, "g": 0}


def test_stores_are_counted_with_their_size(clock):
    """Also where they go through the flow, and in a store of bytes [observability 1]."""
    for backend in (InMemoryBackend(clock=clock), SharedStore(clock=clock)):
        cache = Cache(backend)
        plain = cached(cache=cache, ttl=60, name="plain")(lambda number: "x" * 100)
        tagged = cached(cache=cache, ttl=lambda result, number: 30, name="tagged")(lambda number: "x" * 100)
        for function in (plain, tagged):
            for number in (1, 2, 1):
                function(number)
            stats = function.stats()
            assert stats.stores == 2
            assert stats.bytes_stored >= 200
            assert sum(stats.size_buckets.values()) == 2


def test_hits_from_a_shared_store_are_timed(clock):
    """Each of them [observability 1]."""
    cache = Cache(SharedStore(clock=clock))
    double = cached(cache=cache, ttl=60, name="double")(lambda number: 2 * number)
    for _ in range(5):
        double(1)
    stats = double.stats()
    assert (stats.hit, stats.hit_calls) == (4, 4)
    assert stats.hit_seconds > 0


def test_operations_of_a_shared_store_are_timed(clock):
    """By operation, and by how they ended [observability 6]."""
    cache = Cache(SharedStore(clock=clock))
    double = cached(cache=cache, ttl=60, name="double")(lambda number: 2 * number)
    double(1)
    double(1)
    operations = cache.stats().operations
    assert {status for _, status in operations} == {"ok"}
    assert operations["get_many", "ok"].count >= 2
    assert operations["compare_and_set", "ok"].count == 1
    json.dumps(cache.stats().to_dict())


def test_a_tiered_store_has_both_its_tiers(clock):
    """Lookups that memory answered, and those that went on [observability 3]."""
    backend = TieredBackend(InMemoryBackend(clock=clock), SharedStore(clock=clock), feed="poll")
    try:
        cache = Cache(backend, name="two")
        assert set(cache.stats().backends) == {"two", "two/l1", "two/l2"}
        reports = make_report(cache).backends
        assert [(each.name, each.tier) for each in reports] == [
            ("two", ""),
            ("two/l1", "l1"),
            ("two/l2", "l2"),
        ]
        assert [each.kind for each in reports] == ["TieredBackend", "InMemoryBackend", "SharedStore"]
    finally:
        backend.close()


def test_the_stores_of_all_workers_are_one_report():
    """Counts are added up; of a shared store's entries there is one number [observability 3]."""
    office = Office()
    one, two = office.worker(), office.worker()
    for cache in (one, two):
        count(cache, 1)
        cache.recorder.flush()
    report = make_report(one)
    [backend] = report.backends
    assert backend.shared
    assert backend.current_entries == one.backend.get_stats().current_entries
    assert backend.health.state == "closed"


def test_what_was_invalidated_is_in_the_log(cache, clock):
    """Tags with their count, purges by whom they were asked for, the latest first [observability 10]."""
    double = cached(cache=cache, ttl=60, name="double", tags=["number:{number}"])(lambda number: 2 * number)
    double(1)
    cache.invalidate_tags("number:1")
    clock.advance(10)
    double(1)
    cache.purge(route="double")
    clock.advance(10)
    cache.clear()
    report = make_report(cache)
    assert [(each.action, each.what) for each in report.audit] == [
        ("clear", ""),
        ("purge", "route double"),
        ("invalidate_tags", "tag number:1"),
    ]
    assert [(each.at, each.count) for each in report.audit][1:] == [(clock() - 10, 1), (clock() - 20, 1)]
    [tag] = report.tags
    assert (tag.tag, tag.invalidations, tag.last, tag.entries) == ("number:1", 1, clock() - 20, 1)
    assert report.functions[0].last_purge == clock()
    assert cache.stats().invalidations == {"key": 0, "tags": 2, "clear": 1}


def test_a_dry_run_is_not_in_the_log(cache):
    """It has purged nothing [observability 11]."""
    cache.purge(route="double", dry_run=True)
    assert make_report(cache).audit == ()


def test_async_control_is_in_the_log_too(cache):
    """As its sync twin is [observability 10]."""

    async def control():
        await cache.ainvalidate_tags("a")
        await cache.apurge(tag="b")
        await cache.aclear()

    asyncio.run(control())
    assert {each.action for each in make_report(cache).audit} == {"clear", "purge", "invalidate_tags"}


@pytest.mark.parametrize("window", [0, -1, "soon", None])
def test_a_window_is_a_length_of_time(cache, window):
    """Anything else raises, and says so [observability 3]."""
    with pytest.raises(ConfigurationError):
        make_report(cache, window)


@pytest.mark.parametrize("window", [1, 60, "3h", "2d", 10**9])
def test_any_window_is_shown_in_bounded_steps(cache, window):
    """However long it is [observability 4]."""
    assert 1 <= len(make_report(cache, window).series) <= 745


def test_options_that_contradict_each_other(clock, tmp_path):
    """Raise where the cache is made, and say what to do [observability 4]."""
    for options in (
        {"shared_stats": True},
        {"stats_interval": 0},
        {"stats_interval": None},
        {"shared_stats": False, "stats_dir": tmp_path},
        {"stats_dir": tmp_path / "a" / "b"},
        {"shared_stats": 1},
        {"stats_dir": 5},
    ):
        with pytest.raises((ConfigurationError, TypeError)):
            Cache(InMemoryBackend(clock=clock), **options)


def test_a_directory_that_others_can_write_is_refused(tmp_path):
    """Whoever writes there could empty every worker's memory [observability 4]."""
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(ConfigurationError, match="0700"):
        Cache(stats_dir=directory)


def test_memory_alone_shares_nothing_and_starts_nothing():
    """No thread, no I/O, until somebody asks for a report [observability 4]."""
    cache = Cache()
    cached(cache=cache)(lambda number: number)(1)
    assert not cache.recorder.shared
    assert cache.recorder._thread is None


def test_a_shared_store_is_shared_by_default_and_not_under_a_tests_clock(clock):
    """Unless it is asked for [observability 4]."""

    class Store(SharedStore):
        def __init__(self):
            super().__init__(clock=clock)
            del self.clock

    assert Cache(Store()).recorder.shared
    assert not Cache(Store(), shared_stats=False).recorder.shared
    assert not Cache(SharedStore(clock=clock)).recorder.shared
    assert Cache(SharedStore(clock=clock), shared_stats=True).recorder.shared
