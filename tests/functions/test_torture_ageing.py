"""Many threads at once over stale windows, switched every 10 us: acceptance functions.md 25, 34, 38, 40.

Readers that are served stale values never get one from before an invalidation that had returned before they called,
and counters add up exactly.
"""

import random
import threading
import time

import pytest

from cachelayer import cached, deferred_invalidation
from cachelayer.flow import background
from cachelayer.testing.crowds import in_threads
from tests.functions.support import STORES, World

READERS = 3
SECONDS = 0.3

#: Ways to invalidate f(1) after its row has changed.
WAYS = {
    "key": lambda world, f: world.run(f.invalidate(1)),
    "function": lambda world, f: world.run(f.invalidate_all()),
    "everything": lambda world, f: world.cache.clear(),
    "tag": lambda world, f: world.cache.invalidate_tags("t"),
    "result's tag": lambda world, f: world.cache.invalidate_tags("late"),
}
OPTIONS = {
    "stale": {"stale_while_revalidate": 1e6},
    "early": {"refresh_ahead": 0.5},
    "limits": {"stale_if_error": 1e6, "soft_timeout": 20, "hard_timeout": 20},
}


def sums_up(stats):
    """Whether the outcomes add up to the lookups."""
    outcomes = (stats.hit, stats.stale_hit, stats.error_hit, stats.miss, stats.collapsed, stats.error)
    return sum(outcomes) == stats.requests


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("way", list(WAYS))
def test_nothing_from_before_an_invalidation_is_served_after_it(kind, way, options):
    """25, 34: the clock runs, so that what is stored is stale all the time, and refreshed all the time."""
    world = World("sync", kind)
    row, known, stop = [0], [0], threading.Event()
    f = world.cached(ttl=1, tags=["t", lambda *_: "late"], **options)(lambda k: row[0])
    f(1)

    def write():
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            row[0] += 1
            WAYS[way](world, f)
            known[0] = row[0]
            for _ in range(10):
                world.clock.advance(0.4)
                time.sleep(0)
        stop.set()
        return 1, []

    def work(number):
        if number == 0:
            return write()
        calls, stale = 0, []
        while not stop.is_set():
            least = known[0]
            got = f(1)
            calls += 1
            if got < least:
                stale.append((got, least))
        return calls, stale

    results = in_threads(1 + READERS, work)
    assert [stale for _, stale in results if stale] == []
    assert background.join(20)
    stats = f.stats()
    assert stats.requests == sum(calls for calls, _ in results)
    assert sums_up(stats)
    assert len(world.cache.engine.flights) == 0
    assert not world.cache.engine.flights.computing.lone


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("way", ["key", "tag", "result's tag", "everything"])
def test_batches_serve_nothing_from_before_an_invalidation(kind, way):
    """34, 37: overlapping batches, some of whose items are invalidated, share computations and nothing older."""
    world = World("sync", kind)
    row, known, stop = [0], [0], threading.Event()

    def load(ids):
        return dict.fromkeys(ids, row[0])

    f = cached.batch(cache=world.cache, name="load", tags=["t", lambda *_: "late"])(load)

    def work(number):
        if number == 0:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                row[0] += 1
                WAYS[way](world, f)
                known[0] = row[0]
                time.sleep(0)
            stop.set()
            return 0, []
        chance, calls, stale = random.Random(number), 0, []
        while not stop.is_set():
            asked = {1, *chance.sample(range(6), 3)}
            least = known[0]
            got = f(asked)
            calls += len(asked)
            if got[1] < least:
                stale.append((got[1], least))
        return calls, stale

    results = in_threads(1 + READERS, work)
    assert [stale for _, stale in results if stale] == []
    stats = f.stats()
    assert stats.requests == sum(calls for calls, _ in results)
    assert sums_up(stats)
    assert len(world.cache.engine.flights) == 0
    assert not world.cache.engine.flights.computing.lone


def test_counters_add_up_exactly_while_a_function_fails_now_and_then():
    """25, 26: stale hits, error hits and refreshes are each counted once, whoever is the fastest."""
    world = World("sync", "memory")
    calls, lock = [0], threading.Lock()

    def body(k):
        with lock:
            calls[0] += 1
        if k % 3 == 0 and calls[0] % 2:
            raise LookupError(k)
        return k

    f = world.cached(ttl=1, stale_while_revalidate=2, stale_if_error=50)(body)
    rounds = 800

    def work(number):
        chance, errors = random.Random(number), 0
        for _ in range(rounds):
            if chance.random() < 0.05:
                world.clock.advance(0.5)
            try:
                k = chance.randrange(20)
                assert f(k) == k
            except LookupError:
                errors += 1
        return errors

    errors = sum(in_threads(8, work))
    assert background.join(20)
    stats = f.stats()
    assert stats.requests == 8 * rounds
    assert stats.error == errors
    assert sums_up(stats)
    assert len(world.cache.engine.flights) == 0


def test_deferred_blocks_in_many_threads_lose_nothing():
    """40: each block's invalidations are done by its end, whatever other blocks are under way."""
    world = World("sync", "memory")
    rows = [0] * 4
    f = world.cached()(lambda k: rows[k])
    shared = deferred_invalidation()

    def work(number):
        wrong = 0
        for _ in range(200):
            f(number)
            with shared:
                rows[number] += 1
                f.invalidate(number)
            wrong += f(number) != rows[number]
        return wrong

    assert in_threads(4, work) == [0] * 4
