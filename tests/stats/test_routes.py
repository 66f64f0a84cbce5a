"""Counters of routes: acceptance observability.md 1 to 3."""

import pytest

from cachelayer import Outcome
from cachelayer.stats import RouteCounters, RouteRegistry
from cachelayer.stats.registry import MOST_LABELS
from cachelayer.stats.routes import MOST_PENDING, MOST_REASONS, OTHER
from cachelayer.testing.crowds import in_threads


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_has_a_field(outcome):
    """Obs 1: an outcome is counted in the field of its name, and in `requests`."""
    counters = RouteCounters("r")
    counters.record(outcome)
    counters.tick[outcome]()
    stats = counters.snapshot()
    assert getattr(stats, outcome.value) == stats.requests == 2
    assert sum(getattr(stats, each.value) for each in Outcome) == 2


def test_times_sizes_and_reasons_are_added_up():
    """Obs 1: origin time, hit time, bytes served, and why values were not stored."""
    counters = RouteCounters("r")
    counters.record(Outcome.MISS, seconds=2.0)
    counters.note_miss(4.0)
    counters.record(Outcome.UNCACHEABLE, seconds=3.0, reason="private")
    counters.record(Outcome.UNCACHEABLE, reason="private")
    counters.record(Outcome.HIT, seconds=0.5, size=100)
    counters.record(Outcome.STALE_HIT, seconds=0.5, size=50)
    stats = counters.snapshot()
    assert (stats.miss, stats.uncacheable, stats.hit, stats.stale_hit) == (2, 2, 1, 1)
    assert stats.origin_seconds == 9.0
    assert (stats.hit_calls, stats.hit_seconds, stats.bytes_served) == (2, 1.0, 150)
    assert stats.reasons == {"private": 2}


def test_shortcut_hits_are_hits():
    """Obs 2: what the decorator's shortcut counts is in `hit`."""
    counters = RouteCounters("r")
    for _ in range(3):
        counters.shortcut_hits.tick()
    assert counters.snapshot().hit == 3


def test_reasons_are_bounded():
    """Obs 2: beyond 50 reasons, new ones are counted together."""
    counters = RouteCounters("r")
    for number in range(200):
        counters.record(Outcome.UNCACHEABLE, reason=f"reason {number}")
    counters.record(Outcome.UNCACHEABLE, reason="reason 0")
    reasons = counters.snapshot().reasons
    assert len(reasons) == MOST_REASONS + 1
    assert reasons[OTHER] == 200 - MOST_REASONS
    assert reasons["reason 0"] == 2


def test_what_waits_to_be_summed_is_bounded():
    """Obs 2: nothing grows with the number of requests while nobody asks for the sums."""
    counters = RouteCounters("r")
    for _ in range(5 * MOST_PENDING):
        counters.record(Outcome.HIT, seconds=1.0, size=1)
        counters.record(Outcome.MISS, seconds=1.0)
        counters.record(Outcome.ERROR, seconds=1.0)
        counters.note_miss(1.0)
        counters.note_store((1, None))
        counters.settle_if_many()
        for waiting in ("_hits", "_sizes", "_took", "_missed", "_stored", "_others"):
            assert len(getattr(counters, waiting)) <= MOST_PENDING + 1
    stats = counters.snapshot()
    assert stats.hit_calls == stats.bytes_served == stats.stores == stats.error == 5 * MOST_PENDING
    assert stats.miss == 10 * MOST_PENDING
    assert stats.origin_calls == stats.origin_seconds == 15 * MOST_PENDING


def test_computations_in_the_background_wait_in_bounded_room_and_are_not_lost():
    """However many fail in a row, with no lookup and nothing stored between them."""
    counters = RouteCounters("r")
    for _ in range(3 * MOST_PENDING):
        counters.note_refresh(seconds=1.0, failed=True)
        assert len(counters._took) <= MOST_PENDING + 1
    stats = counters.snapshot()
    assert stats.refreshes == stats.refresh_errors == stats.origin_calls == 3 * MOST_PENDING


def test_a_snapshot_does_not_change_any_more():
    """Obs 3: a snapshot is of its moment."""
    counters = RouteCounters("r")
    counters.record(Outcome.UNCACHEABLE, reason="a")
    before = counters.snapshot()
    counters.record(Outcome.UNCACHEABLE, reason="a")
    counters.record(Outcome.HIT)
    assert (before.uncacheable, before.hit, before.reasons) == (1, 0, {"a": 1})
    with pytest.raises(AttributeError):
        before.hit = 5


def test_reset_starts_from_zero():
    """Obs 3: every count, sum and reason."""
    counters = RouteCounters("r")
    for outcome in Outcome:
        counters.record(outcome, seconds=1.0, reason="x", size=1)
    counters.note_miss(1.0)
    counters.shortcut_hits.tick()
    counters.reset()
    assert counters.snapshot() == RouteCounters("r").snapshot()
    counters.record(Outcome.HIT)
    assert counters.snapshot().hit == 1


def test_counting_is_exact_under_threads():
    """Obs 2: with snapshots taken meanwhile, nothing is lost and nothing counted twice."""
    counters = RouteCounters("r")
    rounds = 1500

    def work(number):
        for turn in range(rounds):
            counters.record(Outcome.MISS, seconds=1.0)
            counters.note_miss(1.0)
            counters.settle_if_many()
            counters.tick[Outcome.HIT]()
            counters.shortcut_hits.tick()
            if turn % 100 == 0:
                counters.snapshot()

    in_threads(8, work)
    stats = counters.snapshot()
    assert (stats.miss, stats.hit) == (16 * rounds, 16 * rounds)
    assert (stats.origin_calls, stats.origin_seconds) == (16 * rounds, 16 * rounds)


def test_labels_are_bounded():
    """Obs 2: 500 labels, then <other>; a known label keeps its own."""
    registry = RouteRegistry()
    for number in range(MOST_LABELS + 50):
        registry.counters(f"GET /{number}").record(Outcome.HIT)
    registry.counters("GET /0").record(Outcome.HIT)
    snapshots = registry.snapshots()
    assert len(snapshots) == MOST_LABELS + 1
    assert snapshots[OTHER].hit == 50
    assert snapshots["GET /0"].hit == 2
    assert registry.counters("GET /new") is registry.counters("GET /newer")


def test_one_label_has_one_set_of_counters_whoever_comes_first():
    """Obs 2: threads that ask for a new label at once get the same counters."""
    for _ in range(50):
        registry = RouteRegistry()
        found = in_threads(6, lambda _: registry.counters("r"))  # noqa: B023
        assert len(set(map(id, found))) == 1


def test_a_registry_resets_all():
    """Obs 3: every label starts from zero, and stays known."""
    registry = RouteRegistry()
    for label in ("a", "b"):
        registry.counters(label).record(Outcome.HIT)
    registry.reset()
    assert {label: stats.requests for label, stats in registry.snapshots().items()} == {"a": 0, "b": 0}
