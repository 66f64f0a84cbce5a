"""fork() in the middle of anything leaves a child that works: acceptance functions.md 35."""

import threading

import pytest

from cachelayer import Cache, cached
from cachelayer import default as default_module
from cachelayer.changes import changing_cache
from cachelayer.stats import routes
from cachelayer.testing.crowds import in_a_child
from tests.functions.support import Background, Gate, SixMethods, World, until, waiters


@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("store", ["memory", "six methods"])
def test_fork_while_another_thread_computes(store, colour, options):
    """35: the child does not wait for a computation whose thread it does not have."""
    world, gate, forked = World(colour, store), Gate(), []

    @world.cached(lock_timeout=60, **options)
    def f(k):
        if not forked:
            gate.hold()
        return ["child" if forked else "parent", k]

    leader = world.background(f, 1)
    gate.wait_for_somebody()
    waiter = world.background(f, 1)
    until(lambda: waiters(world.cache) == 1)

    def child():
        forked.append(True)
        first = [world.run(f(1)), world.run(f(1))]
        world.run(f.invalidate(1))
        world.cache.invalidate_tags("t")
        return [*first, world.run(f(2)), f.stats().requests > 0, len(world.cache.engine.flights)]

    assert in_a_child(child) == [["child", 1], ["child", 1], ["child", 2], True, 0]
    gate.open()
    assert leader.result() == waiter.result() == ["parent", 1]


@pytest.mark.parametrize("store", ["memory", "six methods"])
def test_fork_inside_a_computation(store):
    """35: parent and child both end the computation that they are in."""
    world = World("sync", store)

    @world.cached(lock_timeout=60)
    def f(k):
        if k == 0:
            return in_a_child(lambda: [f(1), f(1), f.stats().requests])
        return k

    assert f(0)[:2] == [1, 1]
    assert f(1) == 1


LOCKS = {
    "statistics": lambda: routes.lock,
    "the default cache": lambda: changing_cache,
    "the table": lambda: CACHES[0].backend.table.lock,
    "the store's computations": lambda: CACHES[1].engine.storage._computing.lock,
}
#: The parent goes on only when these are free again.
WAITED_FOR = (LOCKS["the table"], LOCKS["statistics"])
CACHES = [Cache(name="memory"), Cache(SixMethods(), name="six methods")]


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_fork_while_another_thread_holds_a_lock(lock):
    """35: whatever another thread holds when the process forks is free in the child."""
    held, release = threading.Event(), threading.Event()
    functions = [cached(cache=cache, name=f"f in {cache.name}")(lambda k: k) for cache in CACHES]
    for f in functions:
        f(0)

    def hold():
        with lock():
            held.set()
            release.wait(0.2 if lock in WAITED_FOR else 20)

    holder = Background(hold)
    assert held.wait(20)

    def child():
        results = [[f(1), f.invalidate(1), f.stats().requests] for f in functions]
        default_module.default_cache()
        return results, [cache.stats().total.requests for cache in CACHES]

    try:
        assert in_a_child(child) == ([[1, True, 2]] * 2, [2, 2])
    finally:
        release.set()
        holder.result()
        for cache in CACHES:
            cache.clear()
            cache.reset_stats()
