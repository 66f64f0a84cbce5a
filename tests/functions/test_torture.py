"""Many threads at once, switched every 10 us: acceptance functions.md 34, observability.md 2.

No stale value is served after an invalidation returned, and counters add up exactly.
"""

import random
import threading
import time

import pytest

from cachelayer import InMemoryBackend
from cachelayer.testing.crowds import in_threads
from tests.functions.support import World

READERS = 3
SECONDS = 0.2

#: Ways to invalidate f(1) after its row has changed.
WAYS = {
    "key": lambda world, f, row: world.run(f.invalidate(1)),
    "function": lambda world, f, row: world.run(f.invalidate_all()),
    "everything": lambda world, f, row: world.cache.clear(),
    "set": lambda world, f, row: world.run(f.set(row[0], 1)),
    "refresh": lambda world, f, row: world.run(f.refresh(1)),
    "tag": lambda world, f, row: world.cache.invalidate_tags("t"),
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
def test_no_stale_value_is_served_after_an_invalidation_returned(world, way, options):
    """34: whoever calls after an invalidation returned gets what was true then, or newer; and each call is counted."""
    if way == "tag" and not options:
        options = {"tags": ["t", "k:{k}"]}
    row, known, stop = [0], [0], threading.Event()
    f = world.cached(**options)(lambda k: row[0])
    world.run(f(1))

    def work(number):
        if number == 0:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                row[0] += 1
                WAYS[way](world, f, row)
                known[0] = row[0]
            stop.set()
            return 1, []
        calls, stale = 0, []
        while not stop.is_set():
            least = known[0]
            got = world.run(f(1))
            calls += 1
            if got < least:
                stale.append((got, least))
        return calls, stale

    results = in_threads(1 + READERS, work)
    assert [stale for _, stale in results if stale] == []
    stats = f.stats()
    assert stats.requests == sum(calls for calls, _ in results)
    assert stats.hit + stats.miss + stats.collapsed == stats.requests
    assert len(world.cache.engine.flights) == 0


@pytest.mark.parametrize("bound", [None, 40])
def test_counters_add_up_exactly(colour, bound):
    """Obs 2: hits, misses and the rest sum up to the calls, in the function, in the cache and in the store."""
    world = World(colour, "memory")
    backend = InMemoryBackend(max_entries=bound, clock=world.clock)
    cache = world.cache_over(backend)

    @world.cached(cache=cache, ttl=5)
    def f(k):
        if k % 17 == 0:
            raise LookupError(k)
        return {"k": k}

    rounds = 1500 if colour == "sync" else 150

    def work(number):
        chance = random.Random(number)
        errors = 0
        for _ in range(rounds):
            action, k = chance.random(), chance.randrange(100)
            if action < 0.02:
                world.run(f.invalidate(k))
            elif action < 0.03:
                world.clock.advance(1)
            try:
                assert world.run(f(k)) == {"k": k}
            except LookupError:
                errors += 1
        return errors

    errors = sum(in_threads(8, work))
    stats, info, store = f.stats(), f.cache_info(), backend.get_stats()
    assert stats.requests == 8 * rounds
    assert stats.error == errors
    assert stats.hit + stats.miss + stats.collapsed + stats.error == stats.requests
    assert stats.origin_calls >= stats.miss
    assert info.hits == stats.hit + stats.collapsed
    assert info.hits + info.misses == stats.requests
    assert cache.stats().total.requests == stats.requests
    # The store counts its reads: one for each call, and a second one for who came to lead after somebody had landed.
    assert store.hits == stats.hit
    assert store.hits + store.misses >= stats.requests
    assert store.sets <= stats.miss  # what was invalidated meanwhile is not stored
    assert store.current_entries <= (bound or 100)
    assert len(cache.engine.flights) == 0


def test_methods_of_instances_that_come_and_go_in_threads(colour):
    """11: instances made and dropped in several threads never get each other's results."""
    world = World(colour, "memory")

    class Service:
        def __init__(self, number):
            self.number = number

        @world.cached()
        def method(self, k):
            return self.number, k

    def work(thread):
        wrong = 0
        for turn in range(150):
            service = Service((thread, turn))
            wrong += [world.run(service.method(k)) for k in (1, 2, 1)] != [
                (service.number, k) for k in (1, 2, 1)
            ]
        return wrong

    assert in_threads(6, work) == [0] * 6


def test_invalidations_while_others_are_first_to_use_the_function(world):
    """34: binding a function, in many threads, while its cache is cleared, serves everybody and leaves nothing."""
    for _ in range(15):
        f = world.cached(tags=["t"])(lambda k: k)

        def work(number, f=f):
            if number % 2:
                world.cache.invalidate_tags("t")
                world.cache.clear()
            return world.run(f(number))

        assert in_threads(6, work) == list(range(6))
    assert len(world.cache.engine.flights) == 0
