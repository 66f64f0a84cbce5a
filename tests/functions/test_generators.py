"""Cached generator functions, plain and async."""

import asyncio
import dataclasses
import gc
from collections.abc import Iterator

import pytest

from cachelayer import bypass, cached
from cachelayer.functions import generators
from tests.functions.support import COLOURS, STORES, World


class Numbers:
    """A cached generator of numbers that counts its runs and how many items were made."""

    def __init__(self, colour, store, **options):
        self.world, self.runs, self.made, self.failing = World(colour, store), 0, 0, False

        def plain(count=3):
            self.runs += 1
            for number in range(count):
                self.make()
                yield [number, self.runs]
            return "end"

        async def coroutine(count=3):
            self.runs += 1
            for number in range(count):
                await asyncio.sleep(0)
                self.make()
                yield [number, self.runs]

        options = {"cache": self.world.cache, "name": f"numbers {id(self)}", **options}
        self.function = cached(**options)(plain if colour == "sync" else coroutine)

    def make(self):
        """Count an item, or fail."""
        self.made += 1
        if self.failing and self.made == 2:
            raise LookupError("the second fails")

    def take(self, *args, most=None):
        """Return the first items of a run, all of them by default; the run is closed then."""
        if self.world.colour == "sync":
            run = self.function(*args)
            items = [item for _, item in zip(range(10**9 if most is None else most), run, strict=False)]
            run.close()
            return items

        async def scenario():
            run, items = self.function(*args), []
            while most is None or len(items) < most:
                try:
                    items.append(await anext(run))
                except StopAsyncIteration:
                    break
            await run.aclose()
            return items

        return asyncio.run(scenario())

    def do(self, result):
        """Return the result, awaited if need be."""
        return self.world.run(result)


@pytest.fixture(params=[(colour, store) for colour in COLOURS for store in STORES], ids="-".join)
def numbers(request):
    """A cached generator of each colour over each kind of storage."""
    return Numbers(*request.param)


def test_a_hit_yields_the_items_again(numbers):
    """The second run takes its items from the cache (17)."""
    assert numbers.take() == [[0, 1], [1, 1], [2, 1]]
    assert numbers.take() == [[0, 1], [1, 1], [2, 1]]
    assert (numbers.runs, numbers.made) == (1, 3)
    stats = numbers.function.stats()
    assert (stats.miss, stats.hit, stats.requests) == (1, 1, 2)


def test_a_run_that_was_left_half_way_stores_nothing(numbers):
    """Who stops after one item leaves the next caller to compute; it is counted as uncacheable (17)."""
    assert numbers.take(most=1) == [[0, 1]]
    assert numbers.do(numbers.function.peek()) is None
    assert numbers.take() == [[0, 2], [1, 2], [2, 2]]
    stats = numbers.function.stats()
    assert (stats.uncacheable, stats.reasons["abandoned"], stats.miss) == (1, 1, 1)


def test_a_miss_yields_items_as_they_come(numbers):
    """The first item is there before the second is made (17)."""
    numbers.take(most=1)
    assert numbers.made == 1


def test_a_run_that_raises_stores_nothing(numbers):
    """The caller gets the items before, and the error; the next caller computes (17, 29)."""
    numbers.failing = True
    with pytest.raises(LookupError, match="the second fails"):
        numbers.take()
    assert numbers.take() == [[0, 2], [1, 2], [2, 2]]
    assert numbers.function.stats().error == 1


def test_callers_may_change_items(numbers):
    """What a caller does to an item of a miss or a hit is nobody else's (17, 19)."""
    for _ in range(3):
        items = numbers.take()
        assert items[0] == [0, 1]
        items[0].append("changed")


def test_arguments_have_runs_of_their_own(numbers):
    """Each call has its own entry, and spellings of one call share it (17, 1)."""
    assert len(numbers.take(2)) == 2
    assert len(numbers.take(3)) == 3
    assert numbers.runs == 2
    assert len(numbers.take()) == 3
    assert numbers.runs == 2


def test_what_a_generator_returns_is_kept():
    """The value of `yield from` is the generator's own, on a hit too (17)."""
    for store in STORES:
        numbers = Numbers("sync", store)

        def outer(function=numbers.function):
            return (yield from function())

        for _ in range(2):
            ended = []

            def outermost(ended=ended):
                ended.append((yield from outer()))

            assert len(list(outermost())) == 3
            assert ended == ["end"]


def test_control(numbers):
    """Verbs give lists of items: peek, refresh, set, invalidate, uncached (17, 36)."""
    function, do = numbers.function, numbers.do
    assert do(function.peek()) is None
    assert do(function.refresh()) == [[0, 1], [1, 1], [2, 1]]
    assert do(function.peek()) == [[0, 1], [1, 1], [2, 1]]
    assert do(function.set([[7, 7]])) is True
    assert numbers.take() == [[7, 7]]
    assert do(function.invalidate()) is True
    assert len(list(do(function.uncached()))) == 3
    assert do(function.peek()) is None
    numbers.take()
    do(function.invalidate_all())
    assert do(function.peek()) is None


def test_an_invalidation_during_a_run_wins(numbers):
    """What was begun before the invalidation is not stored (17, 34)."""
    if numbers.world.colour == "sync":
        run = numbers.function()
        next(run)
        numbers.function.invalidate()
        assert len(list(run)) == 2
    else:

        async def scenario():
            run = numbers.function()
            await anext(run)
            await numbers.function.invalidate()
            assert len([item async for item in run]) == 2

        asyncio.run(scenario())
    assert numbers.do(numbers.function.peek()) is None


def test_lifetimes(numbers):
    """A run expires as any result does (17, 23)."""
    numbers = Numbers(numbers.world.colour, numbers.world.store, ttl=10)
    numbers.take()
    numbers.world.clock.advance(11)
    numbers.take()
    assert numbers.runs == 2


def test_a_bypass_is_the_generator_itself(numbers):
    """In a bypass block runs are neither read nor stored (17, 39)."""
    with bypass():
        numbers.take()
    assert numbers.do(numbers.function.peek()) is None
    assert numbers.function.stats().requests == 0


def test_endless_runs_are_not_held_in_memory(numbers, monkeypatch):
    """Runs of too many items are yielded and not kept (17)."""
    monkeypatch.setattr(generators, "MOST_ITEMS", 2)
    assert len(numbers.take()) == 3
    assert numbers.do(numbers.function.peek()) is None
    assert numbers.function.stats().reasons["too many items"] == 1


def test_methods_yield_per_instance():
    """Two instances have two runs, for both kinds of generator (11, 17)."""
    world = World("sync", "memory")

    class Thing:
        def __init__(self, name):
            self.name, self.runs = name, 0

        @cached(cache=world.cache)
        def letters(self):
            self.runs += 1
            yield from self.name

    one, two = Thing("ab"), Thing("cd")
    assert [list(one.letters()), list(two.letters()), list(one.letters())] == [
        ["a", "b"],
        ["c", "d"],
        ["a", "b"],
    ]
    assert (one.runs, two.runs) == (1, 1)
    one.letters.invalidate()
    assert one.letters.peek() is None
    assert two.letters.peek() == ["c", "d"]
    del one
    gc.collect()


@dataclasses.dataclass
class Point:
    """Two numbers."""

    x: int
    y: int


def test_typed_items_come_back_through_bytes():
    """The annotation Iterator[T] tells the type of items to a store of bytes (17, 21)."""
    world = World("sync", "six methods")

    @cached(cache=world.cache, name="points")
    def points() -> Iterator[Point]:
        yield Point(1, 2)
        yield Point(3, 4)

    assert list(points()) == list(points()) == [Point(1, 2), Point(3, 4)]
    assert points.stats().hit == 1
    assert dataclasses.is_dataclass(points.peek()[0])


# -- one run for concurrent callers -----------------------------------------------------------------------------


def gated(world, **options):
    """Return a cached async generator that waits before its second item, and what holds and counts it."""
    state = {"gate": asyncio.Event(), "began": asyncio.Event(), "runs": 0, "closed": 0}

    @cached(cache=world.cache, name=f"gated {id(state)}", **options)
    async def numbers():
        state["runs"] += 1
        state["began"].set()
        try:
            yield [1]
            await state["gate"].wait()
            yield [2]
        finally:
            state["closed"] += 1

    return numbers, state


async def collect(run):
    """Return the items of a run."""
    return [item async for item in run]


def test_callers_of_one_loop_share_a_run(store):
    """Tasks that ask at the same time get the items of one run, each its own copies, whenever they come in (17)."""
    world = World("async", store)

    async def scenario():
        numbers, state = gated(world)
        first = numbers()
        item = await anext(first)
        item.append("changed")
        others = [asyncio.create_task(collect(numbers())) for _ in range(5)]
        state["gate"].set()
        assert await collect(first) == [[2]]
        assert await asyncio.gather(*others) == [[[1], [2]]] * 5
        assert (state["runs"], state["closed"]) == (1, 1)
        assert await collect(numbers()) == [[1], [2]]
        stats = numbers.stats()
        # Over a store with threads or I/O between, some come when the run has ended.
        assert (stats.miss, stats.collapsed + stats.hit) == (1, 6)
        assert stats.collapsed == 5 or store != "memory"

    asyncio.run(scenario())


def test_the_run_goes_on_when_its_first_caller_leaves(store):
    """Who joined gets all items, and they are stored, though the one who began has gone (17, 31)."""
    world = World("async", store)

    async def scenario():
        numbers, state = gated(world)
        first = numbers()
        await anext(first)
        second = numbers()
        assert await anext(second) == [1]
        await first.aclose()
        state["gate"].set()
        assert await collect(second) == [[2]]
        assert await numbers.peek() == [[1], [2]]
        assert state["runs"] == 1

    asyncio.run(scenario())


def test_the_run_ends_when_everybody_has_left(store):
    """A run that nobody follows is closed, and stores nothing (17)."""
    world = World("async", store)

    async def scenario():
        numbers, state = gated(world)
        runs = [numbers(), numbers()]
        for run in runs:
            await anext(run)
        for run in runs:
            await run.aclose()
        assert state["closed"] == 1
        assert await numbers.peek() is None
        assert numbers.stats().reasons == {"abandoned": 2}

    asyncio.run(scenario())


def test_a_cancelled_caller_harms_nobody(store):
    """Cancelling the one who waits for an item leaves the others their run (17, 31)."""
    world = World("async", store)

    async def scenario():
        numbers, state = gated(world)
        tasks = [asyncio.create_task(collect(numbers())) for _ in range(3)]
        await state["began"].wait()
        tasks[0].cancel()
        state["gate"].set()
        assert await asyncio.gather(*tasks[1:]) == [[[1], [2]]] * 2
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    asyncio.run(scenario())


def test_who_comes_after_an_invalidation_gets_a_run_of_its_own(store):
    """A run that was begun before the invalidation is not joined after it (17, 34)."""
    world = World("async", store)

    async def scenario():
        numbers, state = gated(world)
        first = numbers()
        await anext(first)
        await numbers.invalidate()
        second = numbers()
        await anext(second)
        assert state["runs"] == 2
        state["gate"].set()
        assert await collect(first) == await collect(second) == [[2]]

    asyncio.run(scenario())


def test_an_error_is_raised_to_every_follower(store):
    """Followers get the items before the error, and the error (17, 31)."""
    world = World("async", store)

    async def scenario():
        gate = asyncio.Event()

        @cached(cache=world.cache, name="failing")
        async def failing():
            yield 1
            await gate.wait()
            raise LookupError("no more")

        async def follow():
            run = failing()
            seen = [await anext(run)]
            with pytest.raises(LookupError, match="no more"):
                await anext(run)
            return seen

        tasks = [asyncio.create_task(follow()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*tasks) == [[1]] * 3
        assert failing.stats().error == 3

    asyncio.run(scenario())


def test_a_generator_that_asks_for_itself_does_not_wait_for_itself(store):
    """Re-entry runs a generator of its own (17, 33)."""
    world = World("async", store)

    async def scenario():
        depth = []

        @cached(cache=world.cache, name="recursive")
        async def recursive():
            depth.append(None)
            if len(depth) < 3:
                async for item in recursive():
                    yield item
            yield len(depth)

        assert await collect(recursive()) == [3, 3, 3]

    asyncio.run(scenario())


def test_a_generator_may_hold_a_timeout_over_its_items(store):
    """It runs in one task from end to end, so that blocks which belong to a task may span its items (17)."""
    world = World("async", store)

    async def scenario():
        @cached(cache=world.cache, name="timed")
        async def timed():
            async with asyncio.timeout(60):
                for number in range(3):
                    await asyncio.sleep(0)
                    yield number

        assert await asyncio.gather(*(collect(timed()) for _ in range(3))) == [[0, 1, 2]] * 3

    asyncio.run(scenario())


def test_a_long_run_forgets_what_everybody_has_had(monkeypatch):
    """Beyond what can be stored, items are let go once all followers have had them (17)."""
    monkeypatch.setattr(generators, "MOST_ITEMS", 3)
    world = World("async", "memory")

    async def scenario():
        @cached(cache=world.cache, name="endless")
        async def endless():
            for number in range(1000):
                yield number

        held = []
        async for _ in endless():
            runs = [
                each for each in gc.get_objects() if type(each).__name__ == "SharedRun" and not each.ended
            ]
            held.append(max((len(each._items) for each in runs), default=0))
            if len(held) == 20:
                break
        assert max(held) <= 5

    asyncio.run(scenario())
