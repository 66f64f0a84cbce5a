"""Soft invalidation: entries become stale, and are not gone."""

import pytest

from tests.functions.support import Background, Gate, World, settled


def counted(world: World, **options):
    """Return a cached function with the tag "tag", and the list of its calls."""
    calls = []

    def compute():
        calls.append(None)
        return len(calls)

    return world.cached(tags=["tag"], **options)(compute), calls


def soften(world: World) -> int:
    """Invalidate the tag softly, in the world's colour."""
    cache = world.cache
    if world.colour == "sync":
        return cache.invalidate_tags("tag", soft=True)
    return world.run(cache.ainvalidate_tags("tag", soft=True))


def test_a_softened_result_is_served_while_it_is_refreshed(world):
    """With a stale window the old result is returned once more, and the next caller gets a new one (38)."""
    function, calls = counted(world, ttl=100, stale_while_revalidate=100)
    assert settled(world, function) == 1
    soften(world)
    assert settled(world, function) == 1
    assert settled(world, function) == 2
    assert settled(world, function) == 2
    assert len(calls) == 2
    assert function.stats().stale_hit == 1


def test_a_softened_result_stands_in_for_an_error(world):
    """With stale_if_error the old result is a spare one (38)."""
    failing = []

    def compute():
        if failing:
            raise LookupError
        return "value"

    function = world.cached(tags=["tag"], ttl=100, stale_if_error=100)(compute)
    settled(world, function)
    soften(world)
    failing.append(None)
    assert settled(world, function) == "value"
    assert function.stats().error_hit == 1


def test_without_a_stale_window_it_is_computed_anew(world):
    """A function that serves nothing stale computes, as after a plain invalidation (38)."""
    function, _ = counted(world, ttl=100)
    settled(world, function)
    soften(world)
    assert world.run(function.peek()) is None
    assert settled(world, function) == 2
    assert settled(world, function) == 2


def test_a_function_without_tags_of_its_own_is_softened_as_a_whole(world):
    """What carries the function's own tag is found stale by the shortest path too (38)."""
    calls = []
    function = world.cached(ttl=100)(lambda: calls.append(None))
    settled(world, function)
    settled(world, function)
    world.run(function.invalidate_all())
    settled(world, function)
    assert len(calls) == 2


def test_a_hard_invalidation_afterwards_kills(world):
    """What was softened dies with its tag, and does not come back as stale (38)."""
    function, _ = counted(world, ttl=100, stale_while_revalidate=100)
    settled(world, function)
    soften(world)
    soften(world)
    world.cache.invalidate_tags("tag")
    assert settled(world, function) == 2
    assert function.stats().stale_hit == 0


def test_other_tags_stay_fresh(world):
    """Only what carries the tag becomes stale (38)."""
    function, _ = counted(world, ttl=100, stale_while_revalidate=100)
    other = world.cached(tags=["other"], ttl=100, stale_while_revalidate=100)(lambda: "value")
    settled(world, function)
    settled(world, other)
    soften(world)
    settled(world, other)
    assert (other.stats().hit, other.stats().stale_hit) == (1, 0)


def test_what_is_stored_afterwards_is_fresh(world):
    """A result that was computed after the softening is not stale (38)."""
    function, _ = counted(world, ttl=100, stale_while_revalidate=100)
    soften(world)
    settled(world, function)
    settled(world, function)
    assert function.stats().hit == 1


def test_a_computation_under_way_is_not_stored(store):
    """What began before the softening is not stored as fresh (34, 38)."""
    world = World("sync", store)
    gate = Gate()

    def compute():
        gate.hold()
        return "old"

    function = world.cached(tags=["tag"], ttl=100, stale_while_revalidate=100)(compute)
    call = Background(function)
    gate.wait_for_somebody()
    soften(world)
    gate.open()
    assert call.result() == "old"
    assert function.peek() is None


def test_it_tells_how_many_entries_where_the_store_can():
    """Memory counts what it softened (38)."""
    world = World("sync", "memory")
    function = world.cached(tags=["tag"], ttl=100)(lambda number: number)
    for number in range(3):
        function(number)
    assert soften(world) == 3
    assert world.cache.backend.get_stats().current_entries == 3


@pytest.mark.parametrize("times", [50])
def test_softening_again_and_again_keeps_nothing(times):
    """Tags that were softened leave nothing behind once their entries are gone (38)."""
    world = World("sync", "memory")
    function, _ = counted(world, ttl=100, stale_while_revalidate=100)
    for _ in range(times):
        settled(world, function)
        soften(world)
    world.cache.clear()
    table = world.cache.backend.table
    assert len(table._groups) <= 2
    assert not table._condemned
