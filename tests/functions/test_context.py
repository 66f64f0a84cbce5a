"""Blocks that say how their code caches: not at all, or with invalidations that wait for their end."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from cachelayer import BackendError, bypass, deferred_invalidation
from cachelayer.context import bypasses, is_bypassed
from cachelayer.testing import FailingBackend
from tests.functions.support import SixMethods, World


def counted(world: World, **options):
    """Return a cached function of a number, and the list of what it was called with."""
    calls = []

    def compute(number):
        calls.append(number)
        return [number, len(calls)]

    return world.cached(**options)(compute), calls


def call_bypassed(world, function, *args):
    """Return what a call in a bypass block gives."""
    with bypass():
        return world.run(function(*args))


@pytest.mark.parametrize("options", [{}, {"ttl": 10, "stale_while_revalidate": 10}, {"tags": ["tag"]}])
def test_a_bypass_neither_reads_nor_writes_nor_counts(world, options):
    """Within the block every call computes, and what is stored and counted stays as it was (39)."""
    function, calls = counted(world, **options)
    assert world.run(function(1)) == [1, 1]
    assert world.run(function(1)) == [1, 1]
    before = function.stats(), world.cache.backend.get_stats()
    assert call_bypassed(world, function, 1) == [1, 2]
    assert call_bypassed(world, function, 2) == [2, 3]
    assert (function.stats(), world.cache.backend.get_stats()) == before
    assert world.run(function(1)) == [1, 1]
    assert world.run(function(2)) == [2, 4]
    assert calls == [1, 1, 2, 2]


def test_a_bypass_is_one_threads_own(store):
    """Other threads go on with the cache while one goes without (39)."""
    world = World("sync", store)
    function, calls = counted(world)
    function(1)
    inside, done = threading.Event(), threading.Event()

    def go_without():
        with bypass():
            inside.set()
            assert done.wait(20)
            function(1)

    thread = threading.Thread(target=go_without)
    thread.start()
    assert inside.wait(20)
    assert function(1) == [1, 1]
    assert len(calls) == 1
    done.set()
    thread.join()
    assert len(calls) == 2
    assert function.stats().hit == 1


def test_a_bypass_is_one_tasks_own(store):
    """Other tasks go on with the cache while one goes without (39)."""
    world = World("async", store)
    function, calls = counted(world)

    async def scenario():
        await function(1)
        inside, done = asyncio.Event(), asyncio.Event()

        async def go_without():
            with bypass():
                inside.set()
                await done.wait()
                return await function(1)

        task = asyncio.create_task(go_without())
        await inside.wait()
        assert await function(1) == [1, 1]
        done.set()
        assert await task == [1, 2]

    asyncio.run(scenario())
    assert len(calls) == 2


def test_blocks_within_blocks(world):
    """A block within a block changes nothing at its end (39)."""
    function, calls = counted(world)
    with bypass():
        with bypass():
            world.run(function(1))
        world.run(function(1))
    world.run(function(1))
    world.run(function(1))
    assert len(calls) == 3


def test_a_method_is_bypassed(world):
    """A bound method goes without too (39)."""
    calls = []

    class Thing:
        @world.cached(key="thing")
        def method(self):
            calls.append(None)

    thing = Thing()
    for _ in range(2):
        world.run(thing.method())
    call_bypassed(world, thing.method)
    assert len(calls) == 2


@pytest.mark.parametrize(("value", "calls"), [("1", 2), ("true", 2), ("0", 1), ("", 1)])
def test_the_environment_switches_caching_off(value, calls):
    """CACHELAYER_DISABLED=1 makes each call compute, in the whole process (39)."""
    code = (
        "from cachelayer import cached\n"
        "calls = []\n"
        "f = cached(lambda: calls.append(None))\n"
        "f(), f()\n"
        "print(len(calls), f.stats().requests)\n"
    )
    environment = {"CACHELAYER_DISABLED": value}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(calls), "0" if calls == 2 else "2"]


# -- deferred invalidation --------------------------------------------------------------------------------------


def in_block(world: World, body, **options):
    """Run `body` in a deferred block of the world's colour; its results are awaited within the block."""
    if world.colour == "sync":
        with deferred_invalidation():
            body(lambda result: result)
        return

    async def scenario():
        async with deferred_invalidation():
            results = []
            body(results.append)
            for result in results:
                if asyncio.iscoroutine(result):
                    await result

    asyncio.run(scenario())


def test_invalidations_wait_for_the_end_of_the_block(world):
    """Within the block what is stored stays; at its end it is gone: keys, tags, whole functions, everything (40)."""
    cache = world.cache
    verbs = {
        "key": lambda function: function.invalidate(1),
        "function": lambda function: function.invalidate_all(),
        "tag": lambda function: (
            cache.invalidate_tags("tag") if world.colour == "sync" else cache.ainvalidate_tags("tag")
        ),
        "clear": lambda function: cache.clear() if world.colour == "sync" else cache.aclear(),
    }
    for verb in verbs.values():
        function, calls = counted(world, tags=["tag"])
        world.run(function(1))
        seen = []

        def body(await_it, function=function, verb=verb, seen=seen):
            await_it(verb(function))
            if world.colour == "sync":
                seen.append(function.peek(1))

        in_block(world, body)
        assert seen in ([], [[1, 1]])
        assert world.run(function.peek(1)) is None
        assert calls == [1]


def test_a_block_that_raises_invalidates_nothing(world):
    """Where the transaction failed what is stored is still right (40)."""
    function, _ = counted(world)
    world.run(function(1))

    def body(await_it):
        await_it(function.invalidate(1))
        raise LookupError

    if world.colour == "sync":
        with pytest.raises(LookupError):
            in_block(world, body)
    else:

        async def scenario():
            async with deferred_invalidation():
                await function.invalidate(1)
                raise LookupError

        with pytest.raises(LookupError):
            asyncio.run(scenario())
    assert world.run(function.peek(1)) == [1, 1]


def test_of_blocks_within_blocks_the_outermost_counts(store):
    """An inner block's end invalidates nothing yet (40)."""
    function, _ = counted(World("sync", store))
    function(1)
    with deferred_invalidation():
        with deferred_invalidation():
            assert function.invalidate(1) is False
        assert function.peek(1) == [1, 1]
    assert function.peek(1) is None


def test_other_threads_do_not_wait(store):
    """What another thread invalidates meanwhile is invalidated at once (40)."""
    function, _ = counted(World("sync", store))
    function(1)
    with deferred_invalidation():
        thread = threading.Thread(target=function.invalidate, args=(1,))
        thread.start()
        thread.join()
        assert function.peek(1) is None


def test_a_task_that_outlives_the_block_invalidates_at_once():
    """What a task invalidates after the end of the block that it was started in is not lost (40)."""
    function, _ = counted(World("sync", "memory"))
    function(1)

    async def scenario():
        ended = asyncio.Event()

        async def later():
            await ended.wait()
            function.invalidate(1)
            with deferred_invalidation():
                function.invalidate(1)

        async with deferred_invalidation():
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        ended.set()
        await task

    asyncio.run(scenario())
    assert function.peek(1) is None


def test_a_block_within_a_task_that_outlives_the_outer_one_counts():
    """Once the outer block has ended, what waits for the inner one's end is not done before that, nor lost (40)."""
    function, _ = counted(World("sync", "memory"))
    function(1)

    async def scenario():
        inside, ended = asyncio.Event(), asyncio.Event()

        async def later():
            async with deferred_invalidation():
                inside.set()
                await ended.wait()
                function.invalidate(1)
                assert function.peek(1) == [1, 1]

        async with deferred_invalidation():
            task = asyncio.create_task(later())
            await inside.wait()
        ended.set()
        await task

    asyncio.run(scenario())
    assert function.peek(1) is None


def test_one_that_fails_does_not_keep_the_others_from_being_done(world):
    """All invalidations of a block are tried, and the first error is raised (40)."""
    backend = FailingBackend(SixMethods(), operations=["compare_and_set"])
    failing = world.cache_over(backend, on_error="raise")
    backend.mend()
    broken, _ = counted(world, cache=failing)
    sound, _ = counted(world)
    world.run(sound(1))
    backend.break_down()

    def body(await_it):
        await_it(broken.invalidate(1))
        await_it(sound.invalidate(1))

    with pytest.raises(BackendError):
        in_block(world, body)
    assert world.run(sound.peek(1)) is None


@pytest.mark.parametrize("make", [bypass, deferred_invalidation])
def test_one_object_may_be_used_within_itself_and_by_several_threads(make):
    """A block that is kept in a variable is several where it is entered several times (39, 40)."""
    function, calls = counted(World("sync", "memory"))
    function(1)
    block, both = make(), threading.Barrier(2)

    def use():
        with block:
            both.wait(10)
            with block:
                function(1)
                function.invalidate(1)
            function(1)
            both.wait(10)

    thread = threading.Thread(target=use)
    thread.start()
    use()
    thread.join()
    assert len(calls) == (5 if make is bypass else 1)
    assert function.peek(1) is None
    assert not is_bypassed()


def test_a_block_may_be_left_in_another_context():
    """Frameworks may run a dependency's end elsewhere than its beginning (39, 40)."""
    function, _ = counted(World("sync", "memory"))
    function(1)
    without, deferred = bypass(), deferred_invalidation()

    def begin():
        without.__enter__()
        deferred.__enter__()
        function.invalidate(1)

    contextvars.copy_context().run(begin)
    assert function.peek(1) == [1, 1]
    deferred.__exit__(None, None, None)
    without.__exit__(None, None, None)
    assert function.peek(1) is None
    assert not bypasses


def test_verbs_in_a_bypass(world):
    """A peek reads nothing, set and refresh write nothing, and invalidations are done all the same (36, 39)."""
    function, calls = counted(world)
    world.run(function(1))
    with bypass():
        assert world.run(function.peek(1)) is None
        assert world.run(function.set("set", 1)) is False
        assert world.run(function.refresh(1)) == [1, 2]
    assert world.run(function.peek(1)) == [1, 1]
    with bypass():
        world.run(function.invalidate(1))
    assert world.run(function.peek(1)) is None
    assert len(calls) == 2
