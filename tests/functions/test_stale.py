"""How results age: spread, refreshed early, served stale, served after an error, and for want of time."""

import asyncio
import contextvars
import math
import random
import threading

import pytest

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.errors import ComputationTimeoutError, ConfigurationError, OptionTypeError
from cachelayer.flow import background, freshness
from cachelayer.flow.freshness import Freshness, State
from tests.functions.support import Gate, World, settled


class Source:
    """An origin that counts its calls, and fails when it is told to."""

    def __init__(self, world: World, **options):
        self.world, self.calls, self.failing = world, 0, False
        self.function = world.cached(**options)(self.compute)

    def compute(self, argument=1):
        """Return how often it was called."""
        self.calls += 1
        if self.failing:
            raise LookupError(f"call {self.calls} failed")
        return self.calls

    def __call__(self):
        """Call the function, and wait until what it began in the background has ended."""
        return settled(self.world, self.function)

    @property
    def stats(self):
        """How the lookups ended."""
        return self.function.stats()


# -- jitter -----------------------------------------------------------------------------------------------------


def test_jitter_spreads_lifetimes(world):
    """With jitter=0.5 results expire all over [ttl, 1.5 ttl], and none before or after (24)."""
    function = world.cached(ttl=100, jitter=0.5)(lambda number: number)
    for number in range(200):
        world.run(function(number))

    def alive() -> int:
        return sum(world.run(function.peek(number)) is not None for number in range(200))

    world.clock.advance(99.9)
    assert alive() == 200
    world.clock.advance(25)
    assert 50 < alive() < 150
    world.clock.advance(25.2)
    assert alive() == 0


# -- stale while revalidate -------------------------------------------------------------------------------------


def test_a_stale_result_is_returned_while_it_is_refreshed(world):
    """After its ttl the old result is returned at once, and the next caller gets the new one (25)."""
    source = Source(world, ttl=10, stale_while_revalidate=20)
    assert source() == 1
    world.clock.advance(15)
    assert source() == 1
    assert source.calls == 2
    assert source() == 2
    stats = source.stats
    assert (stats.miss, stats.stale_hit, stats.hit, stats.refreshes, stats.refresh_errors) == (1, 1, 1, 1, 0)


def test_after_the_window_a_result_is_computed(world):
    """Beyond ttl and window nobody gets the old result (25)."""
    source = Source(world, ttl=10, stale_while_revalidate=20)
    assert source() == 1
    world.clock.advance(30)
    assert source() == 2
    assert source.stats.miss == 2


def test_one_refresh_runs_at_a_time(store):
    """Of many callers that find the result stale each returns at once, and one computation runs (25)."""
    world = World("sync", store)
    gate, calls = Gate(), []

    def compute():
        calls.append(None)
        if len(calls) > 1:
            gate.hold()
        return len(calls)

    function = world.cached(ttl=10, stale_while_revalidate=20)(compute)
    assert function() == 1
    world.clock.advance(15)
    assert [function() for _ in range(20)] == [1] * 20
    gate.wait_for_somebody()
    assert [function() for _ in range(20)] == [1] * 20
    gate.open()
    assert background.join(20)
    assert (len(calls), function()) == (2, 2)


def test_one_refresh_runs_at_a_time_among_tasks(store):
    """Fifty tasks that find the result stale get it at once, and one task computes (25)."""
    world = World("async", store)
    calls = []

    async def compute():
        calls.append(None)
        await asyncio.sleep(0)
        return len(calls)

    function = world.cached(ttl=10, stale_while_revalidate=20)(compute)

    async def scenario():
        assert await function() == 1
        world.clock.advance(15)
        results = await asyncio.gather(*(function() for _ in range(50)))
        # Who reads the store after the refresh has ended is given the new one.
        assert results[0] == 1
        assert set(results) <= {1, 2}
        await background.ajoin()
        assert await function() == 2

    asyncio.run(scenario())
    assert len(calls) == 2


def test_a_refresh_has_the_callers_context(world):
    """Context variables are in the background what they are for the caller (25)."""
    variable = contextvars.ContextVar("variable", default="default")
    seen = []
    function = world.cached(ttl=10, stale_while_revalidate=20)(lambda: seen.append(variable.get()))

    def call():
        variable.set("the caller's")
        settled(world, function)

    settled(world, function)
    world.clock.advance(15)
    contextvars.copy_context().run(call)
    assert seen == ["default", "the caller's"]


def test_a_failed_refresh_is_counted_and_throttled(world):
    """A refresh that fails is tried again after a second, not at once; the old result stays meanwhile (25)."""
    source = Source(world, ttl=10, stale_while_revalidate=100)
    assert source() == 1
    source.failing = True
    world.clock.advance(15)
    assert [source() for _ in range(5)] == [1] * 5
    assert (source.calls, source.stats.refreshes, source.stats.refresh_errors) == (2, 1, 1)
    world.clock.advance(freshness.REST)
    assert source() == 1
    assert (source.calls, source.stats.refresh_errors) == (3, 2)
    source.failing = False
    world.clock.advance(freshness.REST)
    assert (source(), source()) == (1, 4)


def test_an_invalidation_during_a_refresh_wins(store):
    """What a refresh computes is not stored where the entry was invalidated meanwhile (25, 34)."""
    world = World("sync", store)
    gate, calls = Gate(), []

    def compute():
        calls.append(None)
        if len(calls) == 2:
            gate.hold()
        return len(calls)

    function = world.cached(ttl=10, stale_while_revalidate=20)(compute)
    assert function() == 1
    world.clock.advance(15)
    assert function() == 1
    gate.wait_for_somebody()
    function.invalidate()
    gate.open()
    assert background.join(20)
    assert function.peek() is None
    assert function() == 3


def test_a_full_pool_leaves_the_stale_result(monkeypatch):
    """Where no more refreshes can wait, callers go on being served, and a later one begins the refresh (25)."""
    world = World("sync", "memory")
    source = Source(world, ttl=10, stale_while_revalidate=20)
    assert source() == 1
    world.clock.advance(15)
    monkeypatch.setattr(background, "MOST_WAITING", -background.THREADS)
    assert (source(), source.calls) == (1, 1)
    monkeypatch.undo()
    assert (source(), source.calls) == (1, 2)


def test_refreshes_are_limited_to_some_threads():
    """A hundred stale keys are refreshed by few threads, and all of them are refreshed (25)."""
    world = World("sync", "memory")
    threads, lock = set(), threading.Lock()

    def compute(number):
        with lock:
            threads.add(threading.current_thread().name)
        return number

    function = world.cached(ttl=10, stale_while_revalidate=20)(compute)
    for number in range(100):
        function(number)
    world.clock.advance(15)
    for number in range(100):
        function(number)
    assert background.join(20)
    assert function.stats().refreshes == 100
    assert len(threads - {threading.current_thread().name}) <= background.THREADS


# -- stale if error ---------------------------------------------------------------------------------------------


def test_a_stale_result_is_returned_where_the_function_raises(world):
    """After its ttl the old result stands in for an error, is counted as error_hit, and rests for a second (26)."""
    source = Source(world, ttl=10, stale_if_error=100)
    assert source() == 1
    source.failing = True
    world.clock.advance(15)
    assert [source() for _ in range(5)] == [1] * 5
    assert source.calls == 2
    assert (source.stats.error_hit, source.stats.error) == (5, 0)
    world.clock.advance(freshness.REST)
    assert (source(), source.calls) == (1, 3)
    source.failing = False
    world.clock.advance(freshness.REST)
    assert source() == 4


def test_nothing_stale_raises_the_functions_own_error(world):
    """Without a result to fall back on the error has its own type, text and traceback (26)."""
    source = Source(world, ttl=10, stale_if_error=5)
    assert source() == 1
    source.failing = True
    world.clock.advance(15)
    with pytest.raises(LookupError, match="call 2 failed") as caught:
        source()
    assert any(frame.name == "compute" for frame in caught.traceback)
    assert source.stats.error == 1


def test_waiters_get_the_stale_result_too(store):
    """Who waits for a computation that fails falls back on the old result as its leader does (26)."""
    world = World("async", store)
    calls = []

    async def compute():
        calls.append(None)
        await asyncio.sleep(0)
        if len(calls) > 1:
            raise LookupError
        return "old"

    function = world.cached(ttl=10, stale_if_error=100)(compute)

    async def scenario():
        await function()
        world.clock.advance(15)
        assert await asyncio.gather(*(function() for _ in range(20))) == ["old"] * 20

    asyncio.run(scenario())
    assert (len(calls), function.stats().error_hit) == (2, 20)


def test_a_cached_exception_is_an_answer(world):
    """An exception that is cached is no failure: it is raised, rather than an old result returned (26, 29)."""
    options = {"cache_exceptions": LookupError, "negative_ttl": 5}
    source = Source(world, ttl=10, stale_if_error=100, **options)
    assert source() == 1
    source.failing = True
    world.clock.advance(15)
    for _ in range(2):
        with pytest.raises(LookupError, match="call 2 failed"):
            source()
    assert source.calls == 2


# -- early ------------------------------------------------------------------------------------------------------


def test_refresh_ahead_renews_before_the_end(world):
    """From 80 % of its ttl on a result is a hit and renewed behind it, so that it never expires (27)."""
    source = Source(world, ttl=100, refresh_ahead=0.8)
    assert source() == 1
    world.clock.advance(79)
    assert (source(), source.calls) == (1, 1)
    world.clock.advance(2)
    assert (source(), source.calls) == (1, 2)
    world.clock.advance(79)
    assert (source(), source.calls) == (2, 2)
    assert (source.stats.miss, source.stats.hit) == (1, 3)


@pytest.mark.parametrize("remaining", [0.5, 1.0, 3.0])
def test_xfetch_draws_with_its_probability(remaining):
    """A result is renewed with P = exp(-remaining / (beta * cost)) (27)."""
    record = InMemoryRecord(created=0.0, fresh_until=100.0, cost=0.5)
    made = Freshness(beta=2.0)
    now = 100.0 - remaining
    chosen = random.Random(1)
    early = sum(made.state(record, now, chosen.random) is State.EARLY for _ in range(20_000))
    assert early / 20_000 == pytest.approx(math.exp(-remaining / 1.0), abs=0.015)


class InMemoryRecord:
    """A record with times and no value."""

    softened = False

    def __init__(self, **times):
        vars(self).update(times)


def test_xfetch_renews_a_costly_result_through_the_decorator(monkeypatch, world):
    """Where the draw says so a hit renews the result, and far from its end there is no draw (27)."""
    source = Source(world, ttl=100, beta=1.0)
    ticks = iter(range(0, 1000, 3))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    draws = []

    def draw():
        draws.append(None)
        return 0.0

    monkeypatch.setattr(Freshness.state, "__defaults__", (draw,))
    assert source() == 1
    world.clock.advance(50)
    assert (source(), source.calls, len(draws)) == (1, 1, 0)
    world.clock.advance(45)
    assert (source(), source.calls) == (1, 2)
    assert len(draws) == 1
    assert source.stats.refreshes == 1


# -- timeouts ---------------------------------------------------------------------------------------------------


def test_a_slow_function_gives_way_to_the_stale_result(store):
    """After soft_timeout the old result is returned, and the new one is there when it is done (28)."""
    world = World("sync", store)
    gate, calls = Gate(), []

    def compute():
        calls.append(None)
        if len(calls) == 2:
            gate.hold()
        return len(calls)

    function = world.cached(ttl=10, stale_if_error=100, soft_timeout=0.01)(compute)
    assert function() == 1
    world.clock.advance(15)
    assert function() == 1
    assert function() == 1, "who joins the computation under way gives up too"
    gate.open()
    assert background.join(20)
    assert (function(), len(calls)) == (2, 2)
    stats = function.stats()
    assert (stats.stale_hit, stats.reasons["soft timeout"]) == (2, 2)


def test_a_slow_coroutine_gives_way_to_the_stale_result(store):
    """Among tasks it is the same (28)."""
    world = World("async", store)
    calls = []

    async def scenario():
        gate = asyncio.Event()

        async def compute():
            calls.append(None)
            if len(calls) == 2:
                await gate.wait()
            return len(calls)

        function = world.cached(ttl=10, stale_if_error=100, soft_timeout=0.01)(compute)
        assert await function() == 1
        world.clock.advance(15)
        assert await asyncio.gather(function(), function()) == [1, 1]
        gate.set()
        await background.ajoin()
        assert await function() == 2

    asyncio.run(scenario())
    assert len(calls) == 2


def test_a_function_within_the_timeout_is_waited_for(world):
    """A function that is done in time gives its own result, as the miss that it is (28)."""
    source = Source(world, ttl=10, stale_if_error=100, soft_timeout=20, hard_timeout=20)
    assert source() == 1
    world.clock.advance(15)
    assert source() == 2
    assert (source.stats.miss, source.stats.stale_hit, source.stats.collapsed) == (2, 0, 0)


def test_a_caller_may_change_what_it_waited_for(world):
    """Also where the computation ran in the background is the result the caller's own (19, 28)."""
    function = world.cached(hard_timeout=20)(lambda: [1])
    settled(world, function).append(2)
    assert settled(world, function) == [1]


def test_nothing_stale_raises_at_the_hard_timeout(store):
    """With nothing to serve the caller gets an error that names function and limit, and the result lands later (28)."""
    world = World("sync", store)
    gate = Gate()

    def compute():
        gate.hold()
        return "late"

    function = world.cached(hard_timeout=0.01, name="app.slow")(compute)
    with pytest.raises(
        ComputationTimeoutError, match=r"app.slow took longer than its hard_timeout of 0.01 s"
    ):
        function()
    gate.open()
    assert background.join(20)
    assert function() == "late"
    stats = function.stats()
    assert (stats.error, stats.hit) == (1, 1)


def test_errors_within_the_timeout_are_the_functions_own(world):
    """A function that raises in the background raises for its caller (26, 28)."""
    source = Source(world, hard_timeout=20)
    source.failing = True
    with pytest.raises(LookupError, match="call 1 failed"):
        source()
    assert source.stats.error == 1


# -- bad options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"jitter": -0.1}, ConfigurationError, "jitter=-0.1"),
        ({"jitter": math.nan}, ConfigurationError, "jitter=nan"),
        ({"jitter": "0.1"}, OptionTypeError, "jitter must be a number"),
        ({"refresh_ahead": 1.0}, ConfigurationError, "refresh_ahead=1.0"),
        ({"refresh_ahead": True}, OptionTypeError, "refresh_ahead must be a number"),
        ({"beta": -1}, ConfigurationError, "beta=-1"),
        ({"stale_while_revalidate": -1}, ConfigurationError, "stale_while_revalidate"),
        ({"stale_if_error": "soon"}, ConfigurationError, "stale_if_error"),
        ({"soft_timeout": 1}, ConfigurationError, "soft_timeout= needs"),
        ({"hard_timeout": math.nan}, ConfigurationError, "hard_timeout"),
        ({"lock": "global"}, ConfigurationError, "lock='global'"),
    ],
)
def test_options_that_cannot_work_raise_at_decoration(options, error, told):
    """The error names the option (23)."""
    with pytest.raises(error, match=told):
        cached(**options)(lambda: None)


def test_a_function_pays_for_what_it_uses():
    """Without these options a hit looks at nothing that they need: its code has no word of them."""
    cache = Cache(InMemoryBackend())
    plain = cached(cache=cache)(lambda argument: argument)
    eager = cached(cache=cache, ttl=10, refresh_ahead=0.5)(lambda argument: argument)
    names = [set(type(function).__call__.__code__.co_names) for function in (plain, eager)]
    assert "created" not in names[0]
    assert "created" in names[1]
