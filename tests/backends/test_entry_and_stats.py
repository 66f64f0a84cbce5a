"""CacheEntry and CacheStats by themselves."""

import dataclasses
import json
import time

import pytest

from cachelayer.backends import CacheEntry, CacheStats
from cachelayer.testing import FakeClock


def test_an_entry_is_made_as_the_contract_says():
    """Key, value and created_at are required; all else has its default."""
    entry = CacheEntry("key", b"value", 1.0)
    assert (entry.expires_at, entry.size_bytes, entry.metadata) == (None, 0, None)
    entry = CacheEntry("key", b"value", 1.0, 2.0, 5, {"a": 1})
    assert (entry.expires_at, entry.size_bytes, entry.metadata) == (2.0, 5, {"a": 1})


def test_an_entry_cannot_be_changed():
    """An entry is a snapshot."""
    entry = CacheEntry("key", b"value", 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.value = b"other"


def test_an_entry_knows_when_it_expires():
    """is_expired turns True at expires_at, ttl_remaining shrinks to 0.0 and stays there."""
    clock = FakeClock()
    entry = CacheEntry("key", b"value", clock(), clock() + 10, clock=clock)
    seen = []
    for _ in range(4):
        seen.append((entry.is_expired, entry.ttl_remaining))
        clock.advance(5)
    assert seen == [(False, 10.0), (False, 5.0), (True, 0.0), (True, 0.0)]


def test_an_entry_goes_by_the_time_of_day():
    """Without a clock of its own an entry compares its epoch seconds with time.time()."""
    assert CacheEntry("key", b"value", 0.0, time.time() - 1).is_expired is True
    assert CacheEntry("key", b"value", 0.0, time.time() + 60).is_expired is False
    assert CacheEntry("key", b"value", 0.0).ttl_remaining is None


def test_equal_entries_are_equal_whatever_their_clock():
    """The clock is no part of what an entry is, nor of its repr."""
    assert CacheEntry("key", b"value", 1.0, clock=FakeClock()) == CacheEntry("key", b"value", 1.0)
    assert "clock" not in repr(CacheEntry("key", b"value", 1.0))


@pytest.mark.parametrize(
    ("stats", "hit_rate", "utilization"),
    [
        (CacheStats(), 0.0, 0.0),
        (CacheStats(hits=3, misses=1), 0.75, 0.0),
        (CacheStats(misses=5), 0.0, 0.0),
        (CacheStats(current_size_bytes=30, max_size_bytes=120), 0.0, 0.25),
        (CacheStats(current_size_bytes=30, max_size_bytes=0), 0.0, 0.0),
        (CacheStats(None, None, None, None, None, None, None, None), 0.0, 0.0),
        (CacheStats(hits=5, misses=None), 1.0, 0.0),
    ],
)
def test_rates_never_divide_by_zero(stats: CacheStats, hit_rate: float, utilization: float):
    """Rates are 0.0 where there is nothing to divide by, or where the store cannot tell."""
    assert (stats.hit_rate, stats.utilization) == (hit_rate, utilization)


def test_statistics_are_ready_for_json():
    """to_dict has every counter, size and rate by name; what is unknown is null."""
    stats = CacheStats(1, 2, 3, 4, None, 6, 70, 100)
    assert json.loads(json.dumps(stats.to_dict())) == {
        "hits": 1,
        "misses": 2,
        "sets": 3,
        "deletes": 4,
        "evictions": None,
        "current_entries": 6,
        "current_size_bytes": 70,
        "max_size_bytes": 100,
        "hit_rate": 1 / 3,
        "utilization": 0.7,
    }


def test_reset_tells_the_backend_and_keeps_the_sizes():
    """reset() zeroes the five counters here and calls the backend, once."""
    calls = []
    stats = CacheStats(1, 2, 3, 4, 5, 6, 7, 8, on_reset=lambda: calls.append("reset"))
    stats.reset()
    assert stats == CacheStats(0, 0, 0, 0, 0, 6, 7, 8)
    assert calls == ["reset"]
    CacheStats(hits=1).reset()


def test_reset_leaves_unknown_what_is_unknown():
    """A counter that the store cannot tell is None after a reset too."""
    stats = CacheStats(hits=5, evictions=None)
    stats.reset()
    assert (stats.hits, stats.evictions) == (0, None)
