"""What statistics look like: DESIGN (route hit rate, coverage), observability.md 1 and 3."""

import json

import pytest

from cachelayer import Cache, CacheStats, InMemoryBackend, Outcome, RouteStats, StatsSnapshot
from cachelayer.stats.snapshots import total_of

EACH = {outcome.value: 2**place for place, outcome in enumerate(Outcome)}


def test_the_rates_are_as_defined():
    """DESIGN: hit rate = served / (all - bypass); coverage = (all - bypass - uncacheable) / all."""
    stats = RouteStats(route="r", **EACH)
    served = sum(EACH[name] for name in ("hit", "stale_hit", "error_hit", "revalidated", "collapsed"))
    every = sum(EACH.values())
    assert stats.requests == every
    assert stats.served == served
    assert stats.hit_rate == served / (every - EACH["bypass"])
    assert stats.coverage == (every - EACH["bypass"] - EACH["uncacheable"]) / every


@pytest.mark.parametrize(
    ("counts", "rate", "coverage"), [({}, 0.0, 0.0), ({"bypass": 3}, 0.0, 0.0), ({"hit": 1}, 1.0, 1.0)]
)
def test_rates_of_little(counts, rate, coverage):
    """DESIGN: where there was no lookup a rate is 0.0, never an error."""
    stats = RouteStats(route="r", **counts)
    assert (stats.hit_rate, stats.coverage) == (rate, coverage)


def test_means_and_saved_time():
    """Obs 1: time saved is what served lookups would have taken, less what hits took; never below zero."""
    stats = RouteStats(
        route="r", hit=10, miss=2, origin_calls=2, origin_seconds=4.0, hit_calls=10, hit_seconds=1.0
    )
    assert (stats.origin_mean_seconds, stats.hit_mean_seconds) == (2.0, 0.1)
    assert stats.saved_seconds == pytest.approx(19.0)
    slow = RouteStats(route="r", hit=1, origin_calls=1, origin_seconds=0.1, hit_calls=1, hit_seconds=5.0)
    assert slow.saved_seconds == 0.0
    none = RouteStats(route="r")
    assert (none.origin_mean_seconds, none.hit_mean_seconds, none.saved_seconds) == (0.0, 0.0, 0.0)


def test_to_dict_is_ready_for_json():
    """Obs 3: every field, and every rate, as plain values."""
    stats = RouteStats(route="GET /", reasons={"private": 1}, **EACH)
    data = json.loads(json.dumps(stats.to_dict()))
    assert data["route"] == "GET /"
    assert {name: data[name] for name in EACH} == EACH
    assert data["reasons"] == {"private": 1}
    assert data["hit_rate"] == stats.hit_rate
    for name in ("requests", "coverage", "origin_mean_seconds", "saved_seconds", "bytes_served"):
        assert data[name] == getattr(stats, name)


def test_a_snapshot_of_everything_is_ready_for_json():
    """Obs 3: total, routes, functions, backends and backend errors."""
    part = RouteStats(route="f", hit=1, miss=1)
    snapshot = StatsSnapshot(total_of([part]), {}, {"f": part}, {"default": CacheStats(hits=3, misses=1)}, 2)
    data = json.loads(json.dumps(snapshot.to_dict()))
    parts = {"total", "routes", "functions", "backends", "backend_errors", "operations", "invalidations"}
    assert set(data) == parts
    assert data["functions"]["f"]["hit_rate"] == 0.5
    assert data["backends"]["default"]["hit_rate"] == 0.75
    assert data["backend_errors"] == 2


def test_a_snapshot_is_immutable():
    """Obs 3: nobody changes what another reads."""
    snapshot = Cache().stats()
    with pytest.raises(AttributeError):
        snapshot.backend_errors = 7
    with pytest.raises(AttributeError):
        snapshot.total.hit = 7


def test_the_total_is_the_sum_of_all():
    """Obs 3: every count, sum and reason of all parts."""
    one = RouteStats(route="a", reasons={"x": 1, "y": 1}, origin_seconds=1.5, **EACH)
    two = RouteStats(route="b", reasons={"x": 2}, origin_seconds=0.5, **EACH)
    total = total_of([one, two])
    assert {name: getattr(total, name) for name in EACH} == {name: 2 * count for name, count in EACH.items()}
    assert total.origin_seconds == 2.0
    assert total.reasons == {"x": 3, "y": 1}
    assert total_of([]).requests == 0


def test_a_caches_snapshot_names_its_store():
    """Obs 3: the store's own counters stand under the cache's name."""
    cache = Cache(InMemoryBackend(max_size_bytes=1000), name="mine")
    cache.backend.get("missing")
    stats = cache.stats().backends["mine"]
    assert (stats.misses, stats.max_size_bytes) == (1, 1000)
