"""Counting and events of functions: acceptance observability.md 1 to 3 and 5."""

import dataclasses
import logging

import msgspec
import pytest

from cachelayer import Cache, CacheEvent, EventKind, InMemoryBackend, OptionTypeError, cached
from tests.functions.support import Calls, Gate, World


def test_every_lookup_ends_in_one_outcome(world):
    """Obs 1: hit, miss, uncacheable and error are counted once for each call, with what the origin took."""

    def body(k):
        if k == 0:
            raise LookupError
        return k

    f = world.cached(condition=lambda result: result != 1)(body)
    for k in (0, 1, 2, 2, 2, 0, 3):
        try:
            world.run(f(k))
        except LookupError:
            pass
    stats = f.stats()
    assert (stats.error, stats.uncacheable, stats.miss, stats.hit) == (2, 1, 2, 2)
    assert stats.requests == 7
    assert stats.origin_calls == 5
    assert stats.origin_seconds > 0
    assert stats.hit_rate == pytest.approx(2 / 7)
    assert stats.coverage == pytest.approx(6 / 7)


def test_a_cache_counts_its_functions_by_label(world):
    """Obs 3: `cache.stats()` has each function under its label, the total, the store and its errors."""
    f = world.cached(name="app.f")(lambda k: k)
    g = world.cached(name="app.g")(lambda k: k)
    for k in (1, 1, 2):
        world.run(f(k))
    world.run(g(1))
    stats = world.cache.stats()
    assert stats.functions["app.f"] == f.stats()
    assert stats.functions["app.g"].requests == 1
    assert (stats.total.requests, stats.total.hit, stats.total.miss) == (4, 1, 3)
    assert stats.backend_errors == 0
    assert stats.backends["default"].hits >= 1


def test_the_default_label_is_module_and_qualified_name():
    """DESIGN, vocabulary: a function's route is its `module.qualname`."""

    @cached(cache=Cache())
    def f():
        return 1

    f()
    assert f.stats().route == f"{__name__}.test_the_default_label_is_module_and_qualified_name.<locals>.f"


def test_labels_are_bounded():
    """Obs 2: at most 500 labels; what comes later is counted under <other>, and nothing is lost."""
    cache = Cache()
    for number in range(600):
        cached(cache=cache, name=f"f{number}")(lambda k: k)(1)
    functions = cache.stats().functions
    assert len(functions) == 501
    assert functions["<other>"].requests == 100
    assert cache.stats().total.requests == 600


def test_the_shortcut_counts_in_the_store_too(colour):
    """DESIGN: CacheStats counts reads, those of the decorator's shortcut included, once each."""
    world = World(colour, "memory")
    f = world.cached()(lambda k: k)
    for k in (1, 1, 1, 2, 2):
        world.run(f(k))
    store = world.cache.backend.get_stats()
    assert (store.hits, store.misses, store.sets) == (3, 2, 2)
    assert store.hit_rate == pytest.approx(0.6)
    store.reset()
    world.run(f(1))
    store = world.cache.backend.get_stats()
    assert (store.hits, store.misses) == (1, 0)
    assert f.stats().hit == 4


def test_reset_stats_zeroes_counters_and_keeps_entries(world):
    """Obs 3: everything starts at zero; what is stored stays."""
    calls = Calls()
    f = world.cached()(lambda k: calls())
    for _ in range(3):
        world.run(f(1))
    world.cache.reset_stats()
    stats = world.cache.stats()
    assert stats.total.requests == f.stats().requests == 0
    assert stats.backends["default"].hits == stats.backends["default"].sets == 0
    assert world.run(f(1)) == 1
    assert (f.stats().hit, f.stats().requests) == (1, 1)


# -- events -----------------------------------------------------------------------------------------------------


def listen(cache):
    """Return the list of the events from now on."""
    events = []
    cache.add_listener(events.append)
    return events


def kinds(events):
    """Return the kinds of events."""
    return [str(event.kind) for event in events]


def test_one_event_tells_what_happened(world):
    """Obs 5: stored and miss, hit, invalidated, refreshed: one frozen object each, with route, key and outcome."""
    events = listen(world.cache)
    f = world.cached(name="app.f", tags=["t"])(lambda k: k)
    world.run(f(1))
    assert kinds(events) == ["stored", "miss"]
    assert {event.key for event in events} == {f.key_for(1)}
    assert {event.route for event in events} == {"app.f"}
    assert events[1].outcome == "miss"
    assert events[1].seconds > 0
    for _ in range(2):
        world.run(f(1))
    assert kinds(events[2:]) == ["hit", "hit"]
    assert events[2].outcome == "hit"
    del events[:]
    world.run(f.invalidate(1))
    assert (kinds(events), events[0].key, events[0].route) == (["invalidated"], f.key_for(1), "app.f")
    del events[:]
    world.run(f.refresh(1))
    assert kinds(events) == ["stored", "refreshed"]
    del events[:]
    world.cache.invalidate_tags("t")
    assert kinds(events) == ["invalidated"]
    assert events[0].tags == ("t",)


def test_an_error_is_an_event(world):
    """Obs 5: failed says what, and the lookup ends in a miss with the outcome error."""
    events = listen(world.cache)

    def body(k):
        raise LookupError("gone")

    f = world.cached()(body)
    with pytest.raises(LookupError):
        world.run(f(1))
    assert kinds(events) == ["failed", "miss"]
    assert "LookupError('gone')" in events[0].reason
    assert events[1].outcome == "error"


def test_what_is_not_stored_says_why(world):
    """Obs 5: the miss of an uncacheable result carries its reason."""
    events = listen(world.cache)
    f = world.cached(condition=bool)(lambda k: None)
    world.run(f(1))
    assert kinds(events) == ["miss"]
    assert (events[0].outcome, events[0].reason) == ("uncacheable", "condition")


def test_a_waiter_is_told_as_a_hit_that_collapsed(world):
    """Obs 5: who is served from another's computation is a hit with the outcome collapsed."""
    events, gate = listen(world.cache), Gate()

    def body(k):
        gate.hold()
        return k

    f = world.cached()(body)
    running = [world.background(f, 1) for _ in range(3)]
    gate.wait_for_somebody()
    world.wait_for_waiters(2)
    gate.open()
    for each in running:
        each.result()
    assert sorted(str(event.outcome) for event in events if event.outcome) == [
        "collapsed",
        "collapsed",
        "miss",
    ]


def test_an_eviction_is_an_event(colour):
    """Obs 5: what a bound of the store removes is told with its key."""
    world = World(colour, "memory")
    cache = world.cache_over(InMemoryBackend(max_entries=1, clock=world.clock))
    events = listen(cache)
    f = world.cached(cache=cache)(lambda k: k)
    world.run(f(1))
    world.run(f(2))
    assert [event.key for event in events if event.kind is EventKind.EVICTED] == [f.key_for(1)]


def test_a_listener_added_after_use_sees_every_hit(world):
    """Obs 5: hits that went by the shortcut until then are told from then on, methods included."""
    f = world.cached()(lambda k: k)
    g = world.cached()(lambda k: k)

    class Service:
        def __cache_key__(self):
            return "service"

        @world.cached()
        def method(self, k):
            return k

    service = Service()
    for _ in range(3):
        world.run(f(1))
        world.run(service.method(1))
    events = listen(world.cache)
    for _ in range(2):
        world.run(f(1))
        world.run(service.method(1))
        world.run(g(1))
    assert kinds(events) == ["hit", "hit", "stored", "miss", "hit", "hit", "hit"]


def test_events_cannot_be_changed():
    """Obs 5: an event is frozen: one listener cannot mislead the next."""
    event = CacheEvent(kind=EventKind.HIT)
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        event.key = "other"
    assert msgspec.structs.asdict(event)["tags"] == ()


def test_a_listener_that_raises_is_logged_and_harms_nobody(world, caplog):
    """Obs 5: the call goes on, and the other listeners are told."""

    def broken(event):
        raise ValueError("broken listener")

    world.cache.add_listener(broken)
    events = listen(world.cache)
    f = world.cached()(lambda k: k)
    with caplog.at_level(logging.ERROR, logger="cachelayer"):
        assert [world.run(f(1)), world.run(f(1))] == [1, 1]
    assert kinds(events) == ["stored", "miss", "hit"]
    assert [record.name for record in caplog.records] == ["cachelayer.events"] * 3
    assert "broken listener" in caplog.text


def test_a_listener_may_use_the_cache(world):
    """Obs 5: a listener that reads or invalidates does not deadlock."""
    seen = []

    def listener(event):
        if event.kind is EventKind.STORED and not seen:
            seen.append(world.cache.stats().total.requests)
            world.cache.invalidate_tags("t")

    world.cache.add_listener(listener)
    f = world.cached(tags=["t"])(lambda k: k)
    assert [world.run(f(1)), world.run(f(1))] == [1, 1]
    assert f.stats().miss == 2


@pytest.mark.parametrize("listener", [None, 7, "print"], ids=repr)
def test_a_listener_must_be_callable(listener):
    """Bad input: an error at once."""
    with pytest.raises(OptionTypeError, match="a listener must be callable"):
        Cache().add_listener(listener)


def test_counts_with_and_without_listeners_are_the_same(world):
    """Obs 2: the longer way counts as the shortcut does."""
    world.cache.add_listener(lambda event: None)
    f = world.cached()(lambda k: k)
    for k in (1, 1, 2, 1):
        world.run(f(k))
    assert (f.stats().hit, f.stats().miss, f.stats().requests) == (2, 2, 4)
    if world.store == "memory":
        store = world.cache.backend.get_stats()
        assert (store.hits, store.misses) == (2, 2)
