"""Computations behind the caller's back, where things go wrong: acceptance functions.md 25, 28, 31 to 33, 35."""

import asyncio
import gc
import os
import sys
import threading
import time

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.generations import flight_lease
from cachelayer.errors import ComputationTimeoutError, ConfigurationError
from cachelayer.flow import background, freshness
from tests.functions.support import Background, Calls, Gate, SixMethods, World, auntil, until, waiters


def aged(world, body, **options):
    """Return a cached function whose result of the first call has become stale."""
    function = world.cached(ttl=10, **{"stale_while_revalidate": 100, **options})(body)
    world.run(function())
    world.clock.advance(15)
    return function


# -- event loops ------------------------------------------------------------------------------------------------


def in_a_loop_that_closes(*steps):
    """Run the coroutine functions in a loop that is closed with whatever they began still pending."""
    loop = asyncio.new_event_loop()
    try:
        for step in steps:
            loop.run_until_complete(step())
    finally:
        loop.close()


def test_a_loop_that_closed_during_a_refresh_does_not_keep_the_next_from_it(store, caplog):
    """The refresh is begun anew in the next loop, and asyncio complains of no task that was destroyed (25, 32)."""
    world, calls = World("async", store), Calls()

    async def compute():
        if calls() == 2:
            await asyncio.Event().wait()
        return calls.count

    function = aged(world, compute)
    in_a_loop_that_closes(function, lambda: auntil(lambda: calls.count == 2))

    async def scenario():
        assert await function() == 1
        await background.ajoin()
        return await function()

    assert asyncio.run(scenario()) == 3
    assert len(world.cache.engine.flights) == 0
    assert not background._tasks
    gc.collect()
    assert "destroyed" not in caplog.text


def test_a_loop_that_closed_during_a_timed_computation_does_not_keep_the_next_from_it(store):
    """Nobody waits for a computation whose loop has been closed (28, 32)."""
    world, calls = World("async", store), Calls()

    async def compute():
        if calls() == 1:
            await asyncio.Event().wait()
        return calls.count

    # Long enough for the second computation, on a busy machine too.
    function = world.cached(hard_timeout=0.25)(compute)

    async def give_up():
        with pytest.raises(ComputationTimeoutError):
            await function()

    in_a_loop_that_closes(give_up)
    assert asyncio.run(function()) == 2
    assert len(world.cache.engine.flights) == 0


def test_a_loop_that_closed_leaves_the_turn_to_its_end():
    """A refresh that had its turn among processes cannot give it back any more: it runs out (30, 32)."""
    backend = SixMethods()
    calls = Calls()

    async def compute():
        if calls() == 1:
            await asyncio.Event().wait()
        return calls.count

    options = {"lock": "distributed", "lock_timeout": 0.05, "hard_timeout": 0.01}
    function = cached(cache=Cache(backend), name="app.f", **options)(compute)

    async def give_up():
        with pytest.raises(ComputationTimeoutError):
            await function()

    in_a_loop_that_closes(give_up)
    background.sweep()
    assert not background._tasks
    until(lambda: backend.acquire_lease(flight_lease("app.f()"), b"other", 1))


def test_a_refresh_that_is_cancelled_before_it_begins_leaves_nothing_under_way(store):
    """A task that never ran ends its flight too (25, 31)."""
    world, calls = World("async", store), Calls()
    function = aged(world, lambda: 0 + calls())

    async def scenario():
        assert await function() == 1
        for task in list(background._tasks):
            task.cancel()
        await background.ajoin()
        assert len(world.cache.engine.flights) == 0
        assert await function() == 1
        await background.ajoin()
        return await function()

    assert asyncio.run(scenario()) == 2


def test_the_end_of_asyncio_run_cancels_refreshes(store):
    """The next loop refreshes (25, 31, 32)."""
    world, calls = World("async", store), Calls()

    async def compute():
        if calls() == 2:
            await asyncio.sleep(1000)
        return calls.count

    function = aged(world, compute)

    async def begin():
        assert await function() == 1
        await auntil(lambda: calls.count == 2)

    asyncio.run(begin())
    assert len(world.cache.engine.flights) == 0

    async def scenario():
        await function()
        await background.ajoin()
        return await function()

    assert asyncio.run(scenario()) == 3


def test_many_loops_refresh_one_key_once(store):
    """Of event loops in several threads that find a result stale one computes it anew (25, 32)."""
    world, calls, gate = World("async", store), Calls(), Gate()
    barrier = threading.Barrier(6)

    async def compute():
        if calls() > 1:
            await asyncio.to_thread(gate.hold)
        return calls.count

    function = aged(world, compute)

    async def ask():
        barrier.wait(10)
        result = await function()
        if barrier.wait(10) == 0:
            gate.open()
        await background.ajoin()
        return result

    running = [Background(lambda: asyncio.run(ask())) for _ in range(6)]
    assert [each.result() for each in running] == [1] * 6
    assert calls.count == 2


def test_tasks_are_bounded(monkeypatch):
    """Beyond a number of refreshes under way stale results are served and not refreshed (25)."""
    world = World("async", "memory")
    monkeypatch.setattr(background, "MOST_WAITING", 5 - background.THREADS)
    calls = Calls()

    async def compute(number):
        calls()
        await asyncio.sleep(0)
        return number

    function = world.cached(ttl=10, stale_while_revalidate=100)(compute)

    async def scenario():
        for number in range(20):
            await function(number)
        world.clock.advance(15)
        results = await asyncio.gather(*(function(number) for number in range(20)))
        assert len(background._tasks) == 5
        await background.ajoin()
        return results

    assert asyncio.run(scenario()) == list(range(20))
    assert calls.count == 25
    assert len(world.cache.engine.flights) == 0


# -- what the function does -------------------------------------------------------------------------------------


def test_an_interrupt_in_a_refresh_leaves_the_next_one_free(store):
    """KeyboardInterrupt and SystemExit in the background end that refresh alone (25, 31)."""
    world, calls = World("sync", store), Calls()

    def compute():
        if calls() in {2, 3}:
            raise (KeyboardInterrupt, SystemExit)[calls.count - 2]
        return calls.count

    function = aged(world, compute)
    for _ in range(3):
        assert function() == 1
        assert background.join(20)
        assert len(world.cache.engine.flights) == 0
    assert function() == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_with_a_time_limit_an_interrupt_is_the_callers(store, error):
    """What the function raises reaches its caller as it is, although it ran in another thread (28, 31)."""

    def compute():
        raise error("mine")

    world = World("sync", store)
    function = world.cached(hard_timeout=20)(compute)
    with pytest.raises(error, match="mine"):
        function()
    assert len(world.cache.engine.flights) == 0


def test_a_coroutine_that_cancels_itself_does_so_with_a_time_limit_too(store):
    """Its CancelledError is its caller's (28, 31)."""

    async def compute():
        raise asyncio.CancelledError("mine")

    world = World("async", store)
    function = world.cached(hard_timeout=20)(compute)

    async def scenario():
        with pytest.raises(asyncio.CancelledError):
            await function()

    asyncio.run(scenario())
    assert len(world.cache.engine.flights) == 0


def test_with_a_time_limit_a_caller_who_is_cancelled_lets_it_go_on(store):
    """The computation ends in the background, and its result is there for the next caller (28, 31)."""
    world, calls = World("async", store), Calls()

    async def scenario():
        began, go_on = asyncio.Event(), asyncio.Event()

        async def compute():
            began.set()
            await go_on.wait()
            return calls()

        function = world.cached(ttl=10, stale_if_error=100, soft_timeout=20, hard_timeout=20)(compute)
        caller, waiter = (asyncio.create_task(function()) for _ in range(2))
        await began.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()
        assert await waiter == 1
        await background.ajoin()
        assert await function() == 1

    asyncio.run(scenario())
    assert len(world.cache.engine.flights) == 0


@pytest.mark.parametrize(
    "limits", [{"hard_timeout": 20}, {"hard_timeout": 20, "lock": "distributed"}], ids=str
)
def test_a_function_with_a_time_limit_may_call_itself(world, limits):
    """With the same key, in the thread or task that it runs in: it computes within itself, at once (28, 33)."""
    depth = Calls()

    def body(k):
        return k if depth() >= 3 else function(k)

    function = world.cached(**limits)(body)
    started = time.monotonic()
    assert world.run(function(1)) == 1
    assert time.monotonic() - started < 15
    assert len(world.cache.engine.flights) == 0


def test_functions_with_time_limits_may_call_each_other(world):
    """f(k) -> g(k) -> f(k) ends, each in a thread or task of its own (28, 33)."""
    depth = Calls()

    def f_body(k):
        return k if depth() >= 3 else g(k)

    f = world.cached(hard_timeout=20)(f_body)
    g = world.cached(hard_timeout=20)(lambda k: f(k=k))
    assert world.run(f(1)) == 1
    assert len(world.cache.engine.flights) == 0


def test_a_recursion_with_a_time_limit_does_not_run_out_of_threads():
    """Deeper than there are threads it goes on in the caller's (28, 33)."""
    world = World("sync", "memory")
    depth = background.MOST_TIMED + 20
    function = world.cached(hard_timeout=20)(lambda n: n and 1 + function(n - 1))
    assert function(depth) == depth
    assert background.join(20)


def test_computations_with_a_time_limit_do_not_wait_for_refreshes():
    """Slow refreshes take none of the time that a caller has (25, 28)."""
    world, gate = World("sync", "memory"), Gate()
    slow = world.cached(ttl=10, stale_while_revalidate=100)(
        lambda n: gate.hold() if world.clock() > late else n
    )
    late = world.clock() + 12
    for number in range(background.THREADS + 5):
        slow(number)
    world.clock.advance(15)
    for number in range(background.THREADS + 5):
        slow(number)
    assert world.cached(hard_timeout=20)(lambda: "done")() == "done"
    gate.open()
    assert background.join(20)


# -- limits -----------------------------------------------------------------------------------------------------


def test_with_something_stale_at_hand_the_hard_limit_gives_that(store):
    """Where only hard_timeout is given, a stale result is returned at it rather than waited past it (28)."""
    world, gate, calls = World("sync", store), Gate(), Calls()

    def compute():
        if calls() == 2:
            gate.hold()
        return calls.count

    function = world.cached(ttl=10, stale_if_error=100, hard_timeout=0.05)(compute)
    assert function() == 1
    world.clock.advance(15)
    assert function() == 1
    assert function.stats().reasons["hard timeout"] == 1
    gate.open()
    assert background.join(20)
    assert function() == 2


def test_who_has_waited_lock_timeout_computes_within_the_hard_limit(store):
    """A lock_timeout below the hard_timeout sends a waiter on by itself, as it does without one (28, 33)."""
    world, gate, calls = World("sync", store), Gate(), Calls()

    def compute():
        if calls() == 1:
            gate.hold()
        return calls.count

    function = world.cached(hard_timeout=20, lock_timeout=0)(compute)
    slow = Background(function)
    gate.wait_for_somebody()
    assert function() == 2
    gate.open()
    slow.result()
    assert len(world.cache.engine.flights) == 0


def test_waiters_at_the_hard_limit_get_its_error(store):
    """Who joined the computation gives up at its own limit, with an error that names the function (28)."""
    world, gate = World("sync", store), Gate()
    function = world.cached(hard_timeout=0.05, name=f"app.slow {store}")(gate.hold)
    running = [Background(function) for _ in range(4)]
    for each in running:
        with pytest.raises(ComputationTimeoutError, match=r"app\.slow .* hard_timeout of 0\.05 s"):
            each.result()
    gate.open()
    assert background.join(20)
    assert function.stats().error == 4


def test_threads_that_gave_up_are_not_held_by_the_computation(store):
    """While a function hangs, callers who have gone away leave nothing behind (28, DESIGN "bounded")."""
    world, gate = World("sync", store), Gate()
    function = world.cached(hard_timeout=0.002)(gate.hold)
    for _ in range(10):
        with pytest.raises(ComputationTimeoutError):
            function()
    assert waiters(world.cache) == 0
    gate.open()
    assert background.join(20)


def test_tasks_that_gave_up_are_not_held_by_the_computation(store):
    """It is the same with tasks, those that are cancelled included (28, 31)."""
    world = World("async", store)

    async def scenario():
        gate = asyncio.Event()
        function = world.cached(hard_timeout=0.002)(gate.wait)
        for _ in range(5):
            with pytest.raises(ComputationTimeoutError):
                await function()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(function(), 0.001)
        assert waiters(world.cache) == 0
        gate.set()
        await background.ajoin()

    asyncio.run(scenario())


# -- races ------------------------------------------------------------------------------------------------------


def test_who_found_it_stale_before_it_was_refreshed_does_not_refresh_it_again(store):
    """Between the look at the store and the turn to refresh somebody else may have done it (25)."""
    world, calls = World("sync", store), Calls()
    function = aged(world, lambda: 0 + calls())
    flights, join, late = world.cache.engine.flights, world.cache.engine.flights.join, []

    def join_late(key):
        if not late:
            late.append(key)
            world.clock.advance(1)
            assert function() == 1
            assert background.join(20)
        return join(key)

    flights.join = join_late
    assert function() == 1
    assert background.join(20)
    assert calls.count == 2
    assert function.stats().refreshes == 1
    assert function() == 2


def test_a_softened_result_is_served_no_longer_than_its_window(world):
    """What was invalidated softly is no longer stale-while-revalidate once its own window has passed (25, 38)."""
    calls = Calls()
    function = aged(world, lambda: [calls()], stale_while_revalidate=10, stale_if_error=100, tags=["tag"])
    world.cache.invalidate_tags("tag", soft=True)
    world.clock.advance(10)
    assert world.run(function()) == [2]
    assert function.stats().stale_hit == 0


def test_a_fork_during_a_refresh_leaves_the_child_free(store):
    """The child refreshes by itself, with threads of its own, while the parent's refresh goes on (25, 35)."""
    world, gate, calls = World("sync", store), Gate(), Calls()

    def compute():
        if calls() == 2:
            gate.hold()
        return calls.count

    function = aged(world, compute)
    assert function() == 1
    gate.wait_for_somebody()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert len(world.cache.engine.flights) == 0
            assert function() == 1
            assert background.join(20)
            assert function() == 3
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gate.open()
    assert background.join(20)
    assert function() == 2


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio refuses a fork within a running loop there")
def test_a_fork_during_a_task_leaves_the_child_free(store):
    """The parent's tasks are nobody's in the child (25, 32, 35)."""
    world, calls = World("async", store), Calls()

    async def compute():
        if calls() == 2:
            await asyncio.sleep(0.01)
        return calls.count

    function = aged(world, compute)

    def in_child():
        status = 1
        try:
            assert len(world.cache.engine.flights) == 0
            assert not background._tasks
            status = 0
        finally:
            os._exit(status)

    async def scenario():
        assert await function() == 1
        await asyncio.sleep(0)
        child = os.fork()
        if child == 0:
            in_child()
        await background.ajoin()
        return child, await function()

    child, result = asyncio.run(scenario())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert result == 2


# -- generators -------------------------------------------------------------------------------------------------


def test_a_stale_run_is_replayed_while_it_is_refreshed(colour, store):
    """A generator's items are served stale, and its next run is collected in the background (17, 25, 27)."""
    world, runs = World(colour, store), Calls()

    def plain():
        yield runs()

    async def coroutine():
        yield runs()

    body = plain if colour == "sync" else coroutine
    function = cached(cache=world.cache, name="numbers", ttl=10, stale_while_revalidate=100)(body)

    def take():
        async def scenario():
            items = [item async for item in function()]
            await background.ajoin()
            return items

        items = list(function()) if colour == "sync" else asyncio.run(scenario())
        assert background.join(20)
        return items

    assert take() == [1]
    world.clock.advance(15)
    assert (take(), take()) == ([1], [2])
    stats = function.stats()
    assert (stats.stale_hit, stats.hit, stats.miss, stats.refreshes) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"stale_if_error": 5},
        {"stale_if_error": 5, "soft_timeout": 1},
        {"hard_timeout": 1},
        {"lock": "distributed"},
        {"cache_exceptions": LookupError, "negative_ttl": 1},
    ],
    ids=str,
)
def test_what_cannot_work_for_a_generator_is_refused(options):
    """Items that were given cannot be taken back: such options raise at decoration, and name the function (17)."""

    def numbers():
        yield 1

    with pytest.raises(ConfigurationError, match=r"numbers is a generator.*cannot work for it"):
        cached(**options)(numbers)


def test_a_refresh_that_failed_may_be_tried_at_once_where_it_is_invalidated(world):
    """An invalidation leaves nothing to serve meanwhile: a function that has just failed is called (25, 34)."""
    failing = []

    def compute():
        if failing:
            raise LookupError
        return "value"

    function = aged(world, compute, stale_while_revalidate=0, stale_if_error=100)
    failing.append(None)
    assert world.run(function()) == "value"
    failing.clear()
    world.run(function.invalidate())
    assert world.run(function()) == "value"
    assert function.stats().miss == 2
    assert freshness.REST > 0


# -- batches ----------------------------------------------------------------------------------------------------


def test_who_asks_after_an_invalidation_does_not_join_a_batch_from_before_it(store):
    """A batch that was begun before its tag was invalidated is left to those who had joined it (34, 37)."""
    world, gate, row = World("sync", store), Gate(), ["old"]

    def load(ids):
        seen = row[0]
        if seen == "old":
            gate.hold()
        return dict.fromkeys(ids, seen)

    function = cached.batch(cache=world.cache, name="load", tags=["tag"])(load)
    first = Background(lambda: function([1]))
    gate.wait_for_somebody()
    row[0] = "new"
    world.cache.invalidate_tags("tag")
    assert function([1]) == {1: "new"}
    gate.open()
    assert first.result() == {1: "old"}
    assert function([1]) == {1: "new"}


def test_of_many_who_wait_for_a_cancelled_batch_one_computes(store):
    """31, 37: the others wait for that one."""
    world = World("async", store)

    async def scenario():
        began, go_on, asked = asyncio.Event(), asyncio.Event(), []

        async def load(ids):
            asked.append(list(ids))
            began.set()
            await go_on.wait()
            return dict.fromkeys(ids, "value")

        function = cached.batch(cache=world.cache, name="load")(load)
        leader = asyncio.create_task(function([1]))
        await began.wait()
        others = [asyncio.create_task(function([1])) for _ in range(5)]
        await auntil(lambda: waiters(world.cache) == 5)
        leader.cancel()
        await auntil(lambda: len(asked) == 2 and waiters(world.cache) == 4)
        go_on.set()
        assert await asyncio.gather(*others) == [{1: "value"}] * 5
        assert len(asked) == 2

    asyncio.run(scenario())


def test_who_waits_for_an_item_that_is_left_out_learns_that(store):
    """What the function leaves out is not computed again by each who waited for it (30, 37)."""
    world, gate, asked = World("sync", store), Gate(), []

    def load(ids):
        asked.append(list(ids))
        gate.hold()
        return {}

    function = cached.batch(cache=world.cache, name="load")(load)
    running = [Background(lambda: function([1]))]
    gate.wait_for_somebody()
    running += [Background(lambda: function([1])) for _ in range(3)]
    world.wait_for_waiters(3)
    gate.open()
    assert [each.result() for each in running] == [{}] * 4
    assert asked == [[1]]
    assert function.stats().reasons == {"absent": 4}


def test_a_batch_takes_what_landed_before_it_came_to_lead(store):
    """Between its look at the store and its turn another caller may have computed an item (30, 37)."""
    world, asked, late = World("sync", store), [], []

    def load(ids):
        asked.append(list(ids))
        return dict.fromkeys(ids, "value")

    function = cached.batch(cache=world.cache, name="load")(load)
    join = world.cache.engine.flights.join

    def join_late(key):
        if not late:
            late.append(key)
            function([1])
        return join(key)

    world.cache.engine.flights.join = join_late
    assert function([1, 2]) == {1: "value", 2: "value"}
    assert asked == [[1], [2]]


def test_a_batch_takes_no_cache_exceptions():
    """An exception of a batch is about no single item, so that the option is refused (29, 37)."""
    with pytest.raises(ConfigurationError, match="takes no cache_exceptions"):
        cached.batch(cache_exceptions=LookupError, negative_ttl=5)
