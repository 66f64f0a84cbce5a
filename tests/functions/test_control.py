"""Control: acceptance functions.md 36, in both colours and on both kinds of storage."""

import functools
import inspect

import pytest

from cachelayer import Cache, EncodingError, InMemoryBackend, cached
from tests.functions.support import Calls


def counting(world, **options):
    """Return a cached function that counts its runs, and the count."""
    calls = Calls()
    return world.cached(**options)(lambda k, b=0: [k, b, calls()]), calls


AWAITABLE = ["invalidate", "invalidate_all", "refresh", "peek", "set", "uncached"]
PLAIN = ["key_for", "explain_key", "stats", "cache_info", "cache_parameters", "cache_clear"]


@pytest.mark.parametrize("name", AWAITABLE + PLAIN)
def test_what_is_awaitable_on_async_functions(world, name):
    """36: on async functions all but key_for, explain_key, stats and functools' own are awaitable; on sync none is."""
    f, _ = counting(world)
    args = {"set": ("value", 1), "invalidate_all": ()}.get(
        name, (1,) if name in [*AWAITABLE, *PLAIN[:2]] else ()
    )
    result = getattr(f, name)(*args)
    assert inspect.isawaitable(result) == (world.colour == "async" and name in AWAITABLE)
    world.run(result)


def test_invalidate_removes_one_call(world):
    """36: `invalidate` removes this call's entry, in any spelling, and says whether there was one."""
    f, calls = counting(world)
    for k in (1, 2):
        world.run(f(k))
    assert world.run(f.invalidate(b=0, k=1)) is True
    assert world.run(f.invalidate(1)) is False
    assert world.run(f(1)) == [1, 0, 3]
    assert world.run(f(2)) == [2, 0, 2]
    assert calls.count == 3


def test_invalidate_all_removes_every_entry_of_the_function(world):
    """36: `invalidate_all` leaves other functions alone."""
    f, _ = counting(world)
    g, _ = counting(world)
    for k in (1, 2):
        world.run(f(k))
        world.run(g(k))
    world.run(f.invalidate_all())
    assert world.run(f.peek(1)) is world.run(f.peek(2)) is None
    assert world.run(g(1)) == [1, 0, 1]
    assert world.run(f(1)) == [1, 0, 3]


def test_refresh_computes_and_stores(world):
    """36: `refresh` computes now, whatever is stored, returns the result and stores it; it is no lookup."""
    f, calls = counting(world)
    assert world.run(f.refresh(1)) == [1, 0, 1]
    assert world.run(f(1)) == [1, 0, 1]
    assert world.run(f.refresh(1)) == [1, 0, 2]
    assert world.run(f(1)) == [1, 0, 2]
    assert calls.count == 2
    assert f.stats().requests == 2


def test_a_refresh_that_fails_leaves_what_is_stored(world):
    """36: the error is raised, and the entry stays."""
    fail = []

    def body(k):
        if fail:
            raise LookupError(k)
        return k

    f = world.cached()(body)
    world.run(f(1))
    fail.append(True)
    with pytest.raises(LookupError):
        world.run(f.refresh(1))
    assert world.run(f(1)) == 1


def test_peek_neither_computes_nor_counts(world):
    """36: `peek` returns what is stored, or None."""
    f, calls = counting(world)
    assert world.run(f.peek(1)) is None
    world.run(f(1))
    assert world.run(f.peek(1)) == world.run(f.peek(k=1, b=0)) == [1, 0, 1]
    assert calls.count == 1
    assert f.stats().requests == 1
    if world.store == "memory":
        store = world.cache.backend.get_stats()
        assert (store.hits, store.misses) == (0, 1)


def test_peek_sees_no_expired_entry(world):
    """36: what has expired is not there."""
    f, _ = counting(world, ttl=10)
    world.run(f(1))
    world.clock.advance(10)
    assert world.run(f.peek(1)) is None


def test_set_stores_a_value(world):
    """36: `set(value, *args)` stores it as this call's result, under its ttl and tags."""
    f, calls = counting(world, ttl=10, tags=["k:{k}"])
    assert world.run(f.set(["set"], 1)) is True
    assert world.run(f(1)) == world.run(f(1, b=0)) == ["set"]
    world.cache.invalidate_tags("k:1")
    assert world.run(f(1)) == [1, 0, 1]
    world.run(f.set(["again"], k=1))
    assert world.run(f(1)) == ["again"]
    world.clock.advance(10)
    assert world.run(f(1)) == [1, 0, 2]
    assert calls.count == 2


def test_set_of_what_is_not_to_be_kept_removes_the_entry(world):
    """36, 23: where the ttl is 0 for this value nothing is left under the key."""
    f = world.cached(ttl=lambda result, k: 0 if result is None else 10)(lambda k: k)
    world.run(f.set("value", 1))
    assert world.run(f.set(None, 1)) is False
    assert world.run(f.peek(1)) is None


def test_set_of_what_cannot_be_stored_raises(world):
    """36: who sets a value is told that it cannot be stored."""
    f, _ = counting(world)
    with pytest.raises(EncodingError):
        world.run(f.set(lambda: None, 1))


def test_uncached_calls_the_function_itself(world):
    """36: no reads, no writes, no counts."""
    f, calls = counting(world)
    world.run(f(1))
    assert world.run(f.uncached(1)) == [1, 0, 2]
    assert world.run(f(1)) == [1, 0, 1]
    assert calls.count == 2
    assert f.stats().requests == 2


def test_control_binds_arguments_as_the_function_does(world):
    """36: a wrong call raises TypeError, everywhere."""
    f, _ = counting(world)
    for call in (f.invalidate, f.refresh, f.peek, f.uncached, f.key_for, functools.partial(f.set, "value")):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'k'"):
            world.run(call())


def test_control_before_the_first_call(world):
    """36: nothing needs a call to have been made."""
    f, calls = counting(world)
    assert world.run(f.invalidate(1)) is False
    assert world.run(f.invalidate_all()) == 0
    assert f.cache_info()[:2] == (0, 0)
    assert f.stats().requests == 0
    f.cache_clear()
    assert calls.count == 0


# -- what functools has -----------------------------------------------------------------------------------------


def test_it_drops_in_for_lru_cache():
    """36: cache_info, cache_clear and cache_parameters answer as functools.lru_cache's do."""
    ours = cached(cache=Cache(InMemoryBackend(max_entries=100)), name="drop-in")(lambda k: k)
    theirs = functools.lru_cache(maxsize=100, typed=True)(lambda k: k)
    for call in (1, 2, 1, 3, 1):
        assert ours(call) == theirs(call)
        assert tuple(ours.cache_info()) == tuple(theirs.cache_info())
    assert ours.cache_info()._fields == theirs.cache_info()._fields
    assert set(theirs.cache_parameters()) <= set(ours.cache_parameters())
    assert ours.cache_parameters()["maxsize"] == 100
    assert ours.cache_parameters()["typed"] is True
    for f in (ours, theirs):
        f.cache_clear()
    assert tuple(ours.cache_info()) == tuple(theirs.cache_info()) == (0, 0, 100, 0)
    for call in (1, 1):
        assert ours(call) == theirs(call)
    assert tuple(ours.cache_info()) == tuple(theirs.cache_info())


def test_cache_clear_empties_and_starts_cache_info_anew(world):
    """36: `cache_clear` removes the entries and zeroes cache_info; the statistics go on."""
    f, _ = counting(world)
    for _ in range(3):
        world.run(f(1))
    assert f.cache_info()[:2] == (2, 1)
    f.cache_clear()
    assert f.cache_info()[:2] == (0, 0)
    assert world.run(f(1)) == [1, 0, 2]
    assert f.cache_info()[:2] == (0, 1)
    assert f.stats().requests == 4


def test_cache_info_of_a_store_that_cannot_tell(world):
    """36: maxsize is the store's bound on entries, and None, as currsize, where it has or knows none."""
    f, _ = counting(world)
    for k in (1, 2, 2):
        world.run(f(k))
    currsize = 2 if world.store == "memory" else None
    assert tuple(f.cache_info()) == (1, 2, None, currsize)


def test_an_entry_that_is_evicted_is_computed_anew(colour):
    """36: the store's bounds hold for functions, and shortcuts never outlive an entry."""
    from tests.functions.support import World

    world = World(colour, "memory")
    cache = world.cache_over(InMemoryBackend(max_entries=2, clock=world.clock))
    f, calls = counting(world, cache=cache)
    for k in (1, 2, 1, 3, 1, 2):
        world.run(f(k))
    assert calls.count == 4
    assert f.cache_info().currsize == 2
    assert cache.backend.get_stats().evictions == 2


def test_recency_is_refreshed_by_hits(colour):
    """36: what is asked for stays, what is not goes first."""
    from tests.functions.support import World

    world = World(colour, "memory")
    cache = world.cache_over(InMemoryBackend(max_entries=2, clock=world.clock))
    f, calls = counting(world, cache=cache)
    for k in (1, 2, 1, 1, 3):
        world.run(f(k))
    assert world.run(f.peek(1)) is not None
    assert world.run(f.peek(2)) is None
    assert calls.count == 3
