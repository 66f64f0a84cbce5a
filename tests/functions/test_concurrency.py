"""Concurrent callers: acceptance functions.md 30 to 33.

One computation (30), errors and cancellation (31), several event loops (32), re-entry and deadlocks (33). Async
functions run in an event loop of each thread's own, so that what is shown for threads holds for loops too.
"""

import asyncio
import functools
import sys
import threading

import pytest

from cachelayer import Cache, cached
from cachelayer.testing.crowds import in_threads
from tests.functions.support import Calls, Gate, SixMethods, World, auntil, until, waiters

THREADS = 8
TASKS = 50


def a_cache(store):
    """Return a cache over this kind of storage."""
    return Cache() if store == "memory" else Cache(SixMethods())


# -- one computation --------------------------------------------------------------------------------------------


def test_threads_share_one_computation(world):
    """30, 32: of eight threads (or event loops) that want a cold key, one computes and the others get its result."""
    calls, gate = Calls(), Gate()

    @world.cached()
    def f(k):
        gate.hold()
        return [k, calls()]

    running = [world.background(f, 1) for _ in range(THREADS)]
    gate.wait_for_somebody()
    world.wait_for_waiters(THREADS - 1)
    gate.open()
    assert [each.result() for each in running] == [[1, 1]] * THREADS
    stats = f.stats()
    assert (stats.miss, stats.collapsed, stats.requests) == (1, THREADS - 1, THREADS)


@pytest.mark.parametrize(
    "options", [{}, {"tags": ["t"]}, {"condition": bool}], ids=["plain", "tags", "condition"]
)
def test_threads_that_race_for_a_cold_key_compute_once(world, options):
    """30: eight threads that start together, with nothing to hold them, compute once, round after round."""
    for _ in range(20):
        calls = Calls()

        @world.cached(**options)
        def f(k):
            return k + calls()  # noqa: B023 - each round has its own

        assert in_threads(THREADS, lambda _: world.run(f(1))) == [2] * THREADS
        assert f.stats().requests == THREADS


def test_threads_that_race_for_a_cold_method_compute_once(colour):
    """30: the first call on an instance gives it one number, whoever wins."""
    world = World(colour, "memory")
    for _ in range(30):
        calls = Calls()

        class Service:
            @world.cached()
            def method(self, k):
                return k + calls()  # noqa: B023

        service = Service()
        assert in_threads(THREADS, lambda _: world.run(service.method(1))) == [2] * THREADS  # noqa: B023


def test_who_landed_before_the_next_one_leads_is_seen():
    """30: a caller that found nothing, and leads only after another's result was stored, takes that result."""
    cache, calls = Cache(), Calls()

    @cached(cache=cache, tags=["t"])
    def f(k):
        return calls()

    f.key_for(1)
    flights, join, late = cache.engine.flights, cache.engine.flights.join, []

    def join_late(key):
        if not late:
            late.append(key)
            assert f(1) == 1  # between this caller's look at the store and its turn to lead
        return join(key)

    flights.join = join_late
    assert f(1) == 1
    assert calls.count == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
async def test_tasks_share_one_computation(store, options):
    """30: of 50 tasks that want a cold key, one computes and the others get its result."""
    cache, calls, go = a_cache(store), Calls(), asyncio.Event()

    @cached(cache=cache, name="f", **options)
    async def f(k):
        await go.wait()
        return [k, calls()]

    tasks = [asyncio.ensure_future(f(1)) for _ in range(TASKS)]
    await auntil(lambda: waiters(cache) == TASKS - 1)
    go.set()
    assert await asyncio.gather(*tasks) == [[1, 1]] * TASKS
    assert (f.stats().miss, f.stats().collapsed) == (1, TASKS - 1)


def test_different_keys_do_not_wait_for_each_other(world):
    """30: a computation holds up nobody who wants another key."""
    gate = Gate()

    @world.cached()
    def f(k):
        if k == 1:
            gate.hold()
        return k

    slow = world.background(f, 1)
    gate.wait_for_somebody()
    assert world.run(f(2)) == 2
    gate.open()
    assert slow.result() == 1


def test_waiters_do_not_share_what_can_be_changed(world):
    """19, 30: each of the callers of one computation gets a value of its own, the leader included."""
    gate = Gate()

    @world.cached()
    def f():
        gate.hold()
        return {"items": [1]}

    running = [world.background(f) for _ in range(3)]
    gate.wait_for_somebody()
    world.wait_for_waiters(2)
    gate.open()
    results = [each.result() for each in running]
    for result in results:
        result["items"].append(2)
    assert results == [{"items": [1, 2]}] * 3
    assert world.run(f()) == {"items": [1]}


def test_waiters_share_a_result_that_is_not_stored(world):
    """18: where condition= leaves a result unstored, those who wait for it get it all the same."""
    calls, gate = Calls(), Gate()

    @world.cached(condition=lambda result: False)
    def f():
        gate.hold()
        return [calls()]

    running = [world.background(f) for _ in range(4)]
    gate.wait_for_somebody()
    world.wait_for_waiters(3)
    gate.open()
    assert [each.result() for each in running] == [[1]] * 4
    assert world.run(f()) == [2]
    assert f.stats().reasons == {"condition": 2}


def explode():
    """Fail, as unpickling."""
    raise ValueError("does not come back")


class Explodes:
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return explode, ()


def test_a_waiter_computes_what_does_not_come_back_from_its_kept_form(colour):
    """21: a value that cannot be decoded is never an exception, for those who waited for it neither."""
    world, gate, calls = World(colour, "memory"), Gate(), Calls()

    @world.cached()
    def f():
        gate.hold()
        calls()
        return Explodes()

    running = [world.background(f) for _ in range(2)]
    gate.wait_for_somebody()
    world.wait_for_waiters(1)
    gate.open()
    assert [type(each.result()) for each in running] == [Explodes] * 2
    assert calls.count == 2
    assert f.stats().requests == 2


# -- errors and cancellation ------------------------------------------------------------------------------------


class NotFoundError(Exception):
    pass


def test_an_error_reaches_everybody_who_waited_and_is_not_kept(world):
    """31: the leader raises: all waiters get that error, from one run; the next call computes."""
    calls, gate = Calls(), Gate()

    @world.cached()
    def f(k):
        gate.hold()
        if calls() == 1:
            raise NotFoundError(k)
        return k

    running = [world.background(f, 7) for _ in range(4)]
    gate.wait_for_somebody()
    world.wait_for_waiters(3)
    gate.open()
    for each in running:
        with pytest.raises(NotFoundError, match="7"):
            each.result()
    assert calls.count == 1
    assert world.run(f(7)) == 7
    assert (f.stats().error, f.stats().miss) == (4, 1)


def test_an_interrupted_leader_hands_over(store):
    """31: KeyboardInterrupt is the leader's own affair: a waiting thread is promoted and computes."""
    world, gate, calls = World("sync", store), Gate(), Calls()

    @world.cached()
    def f():
        gate.hold()
        if calls() == 1:
            raise KeyboardInterrupt
        return "computed"

    first = world.background(f)
    gate.wait_for_somebody()
    others = [world.background(f) for _ in range(3)]
    world.wait_for_waiters(3)
    gate.open()
    with pytest.raises(KeyboardInterrupt):
        first.result()
    assert [each.result() for each in others] == ["computed"] * 3
    assert calls.count == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
async def test_a_cancelled_leader_hands_over(store, options):
    """31: the leader is cancelled: a waiter is promoted and computes, and nobody else sees the cancellation."""
    cache, calls, go, started = a_cache(store), Calls(), asyncio.Event(), asyncio.Event()

    @cached(cache=cache, name="f", **options)
    async def f(k):
        calls()
        started.set()
        await go.wait()
        return k

    leader = asyncio.ensure_future(f(1))
    await started.wait()
    others = [asyncio.ensure_future(f(1)) for _ in range(10)]
    await auntil(lambda: waiters(cache) == 10)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await auntil(lambda: calls.count == 2)
    go.set()
    assert await asyncio.gather(*others) == [1] * 10
    assert calls.count == 2
    assert f.stats().requests == 10


@pytest.mark.asyncio
async def test_when_all_are_cancelled_nothing_is_stored(store):
    """31: all cancelled: nothing is stored, nothing is left under way, and the next call computes."""
    cache, calls = a_cache(store), Calls()
    started = asyncio.Event()

    @cached(cache=cache, name="f")
    async def f(k):
        calls()
        started.set()
        await asyncio.Event().wait() if calls.count <= 3 else None
        return k

    tasks = [asyncio.ensure_future(f(1)) for _ in range(3)]
    await started.wait()
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError] * 3
    assert len(cache.engine.flights) == 0
    assert await f.peek(1) is None
    calls.count = 3
    assert await f(1) == 1


@pytest.mark.asyncio
async def test_a_cancelled_waiter_leaves_the_others_alone(store):
    """31: a waiter's own cancellation ends its wait and nothing else."""
    cache, go = a_cache(store), asyncio.Event()

    @cached(cache=cache, name="f")
    async def f(k):
        await go.wait()
        return k

    leader, waiter, other = (asyncio.ensure_future(f(1)) for _ in range(3))
    await auntil(lambda: waiters(cache) == 2)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    go.set()
    assert await asyncio.gather(leader, other) == [1, 1]


def test_a_waiter_whose_event_loop_closed_harms_nobody(store):
    """32: a leader lands although the event loop of one who waited is closed by then."""
    world, gate = World("async", store), Gate()

    @world.cached()
    def f(k):
        gate.hold()
        return k

    leader = world.background(f, 1)
    gate.wait_for_somebody()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(f(1), 0.01)

    asyncio.run(give_up())
    gate.open()
    assert leader.result() == 1
    assert asyncio.run(f(1)) == 1


def test_a_closed_event_loop_does_not_break_the_next(store):
    """32: a function that was first used in one event loop is served in another."""
    world, calls = World("async", store), Calls()

    @world.cached()
    def f(k):
        return k + calls()

    assert [asyncio.run(f(1)) for _ in range(3)] == [2, 2, 2]


# -- re-entry ---------------------------------------------------------------------------------------------------


def test_a_function_that_calls_itself_with_the_same_key_ends(world):
    """33: f(k) that calls f(k) computes it within itself, at once, rather than wait for itself."""
    depth = Calls()

    def body(k):
        return k if depth() >= 3 else f(k)

    f = world.cached()(body)
    assert world.run(f(1)) == 1
    assert depth.count == 3
    assert len(world.cache.engine.flights) == 0


@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
@pytest.mark.asyncio
async def test_a_task_that_a_computation_starts_does_not_wait_for_it(store, options):
    """33: f(k) that awaits a task which calls f(k) ends too."""
    cache, depth = a_cache(store), Calls()

    @cached(cache=cache, name="f", **options)
    async def f(k):
        return k if depth() >= 2 else await asyncio.ensure_future(f(k))

    assert await f(1) == 1


def test_a_recursive_function_is_cached_at_each_depth(world):
    """33: re-entry with other keys is a computation of its own."""
    calls = Calls()

    def body(n):
        calls()
        return _plus(world, f(n - 1), n) if n else 0

    f = world.cached()(body)
    assert world.run(f(10)) == 55
    assert world.run(f(9)) == 45
    assert calls.count == 11


def _plus(world, part, n):
    async def add():
        return await part + n

    return add() if world.colour == "async" else part + n


def test_functions_that_wait_for_each_other_go_on_after_lock_timeout(world):
    """33: f -> g in one thread with g -> f in another: bounded by lock_timeout, and both get their answer."""
    both = threading.Barrier(2)

    def f_body(k, nested):
        if not nested:
            both.wait(10)
        return "f" if nested else g(k, nested=True)

    def g_body(k, nested):
        if not nested:
            both.wait(10)
        return "g" if nested else f(k, nested=True)

    f = world.cached(lock_timeout=0.05, ignore=["nested"])(f_body)
    g = world.cached(lock_timeout=0.05, ignore=["nested"])(g_body)
    first = world.background(functools.partial(f, nested=False), 1)
    second = world.background(functools.partial(g, nested=False), 1)
    assert {first.result(), second.result()} <= {"f", "g"}
    assert len(world.cache.engine.flights) == 0


def test_lock_timeout_bounds_the_wait_for_another_caller(world):
    """33: who has waited lock_timeout computes by itself, and what it computed is stored."""
    gate, calls = Gate(), Calls()

    @world.cached(lock_timeout=0)
    def f(k):
        if calls() == 1:
            gate.hold()
        return calls.count

    slow = world.background(f, 1)
    gate.wait_for_somebody()
    assert world.run(f(1)) == 2
    assert world.run(f(1)) == 2
    gate.open()
    slow.result()


# -- nothing is left behind -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}], ids=["plain", "tags"])
def test_a_full_stack_leaves_no_computation_that_others_wait_for(store, options):
    """33: after a RecursionError in a cached function, other threads do not wait for what will never land."""
    world = World("sync", store)

    def body(n):
        return n if n < 0 else f(n + 1)

    f = world.cached(lock_timeout=60, **options)(body)
    limit = sys.getrecursionlimit()
    with pytest.raises(RecursionError):
        f(0)
    stuck = [
        f.key_for(n) for n in range(limit) if f.key_for(n) in world.cache.engine.flights.computing.flying
    ]
    for key in stuck:
        # Another function with the very keys, whose computation ends.
        other = cached(cache=world.cache, name="other", lock_timeout=60, key=lambda key: key)(lambda key: key)
        assert world.background(other, key).result() == key


def test_an_interrupt_while_a_result_is_stored_leaves_nothing_under_way(world, monkeypatch):
    """31: a signal handler may raise at any moment, also between the computation's end and its landing."""
    raised = []

    @world.cached()
    def f(k):
        return [k]

    world.run(f(0))
    clock = world.clock

    class Interrupting(type(clock)):
        def __call__(self):
            if not raised and len(world.cache.engine.flights):
                raised.append(True)
                raise KeyboardInterrupt
            return super().__call__()

    monkeypatch.setattr(clock, "__class__", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        world.run(f(1))
    assert len(world.cache.engine.flights) == 0
    assert world.background(f, 1).result() == [1]


def test_counts_are_exact_when_threads_race_for_the_first_use():
    """Obs 2: calls that bind the function at the same time are all counted."""
    for round_ in range(30):

        @cached(cache=Cache(), name=f"round {round_}")
        def f(k):
            return k

        in_threads(THREADS, lambda _: f(1))
        assert f.cache_info()[:2] == (THREADS - 1, 1)
        assert f.stats().requests == THREADS


def test_tasks_and_threads_share_a_computation_by_a_common_key(store):
    """32: a sync and an async function with one key= wait for each other."""
    cache, gate = a_cache(store), Gate()

    @cached(cache=cache, key="user:{k}")
    def f(k):
        gate.hold()
        return ["sync", k]

    @cached(cache=cache, key="user:{k}")
    async def g(k):
        return ["async", k]

    world = World("sync", store)
    leader = world.background(f, 1)
    gate.wait_for_somebody()
    waiter = world.background(lambda: asyncio.run(g(1)))
    until(lambda: waiters(cache) == 1)
    gate.open()
    assert leader.result() == waiter.result() == ["sync", 1]
