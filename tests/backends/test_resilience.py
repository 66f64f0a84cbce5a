"""The wrapper that keeps a store's failures small: acceptance line 30, on doubles and a clock that stands still."""

import asyncio
import gc
import logging
import threading
import time
import weakref

import pytest

from cachelayer.backends.base import BOOKKEEPING
from cachelayer.backends.generations import generation_key, lease_key, mark_key
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import ResilientBackend, State, resilient
from cachelayer.errors import (
    BackendClosedError,
    BackendError,
    ConfigurationError,
    OptionTypeError,
    UnsupportedOperationError,
)
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend, SlowBackend, WrappedBackend
from cachelayer.testing.colours import COLOURS, in_colour
from cachelayer.testing.contract import BackendContract
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_threads
from tests.backends.shared_backend import SQLiteBackend

# -- the contract -----------------------------------------------------------------------------------------------


class TestContractOverASharedStore(BackendContract):
    """Over a store that is well the wrapper changes nothing."""

    warns_when_not_closed = True

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        """Where the store is."""
        self.path = tmp_path / "store"

    def make_backend(self):
        """Return the backend under test."""
        return ResilientBackend(SQLiteBackend(self.path, clock=self.clock), deadline=PATIENCE)

    def make_neighbour(self):
        """Return one in another namespace."""
        return ResilientBackend(SQLiteBackend(self.path, namespace="other", clock=self.clock))

    def round_trips(self, backend):
        """Return how often the store was asked."""
        return backend.inner.round_trips


class TestContractOverMemory(BackendContract):
    """Also where it raises."""

    def make_backend(self):
        """Return the backend under test."""
        return ResilientBackend(InMemoryBackend(clock=self.clock), on_error="raise")


# -- a store that goes away -------------------------------------------------------------------------------------


class Away:
    """A resilient store over one that fails when told to, on a monotonic clock of its own."""

    def __init__(self, *, error=None, operations=None, inner=None, **options):
        self.now = FakeClock(1000.0)
        self.store = InMemoryBackend() if inner is None else inner
        self.failing = FailingBackend(self.store, error=error, operations=operations)
        self.failing.mend()
        self.backend = ResilientBackend(self.failing, clock=self.now, background=False, **options)

    @property
    def health(self):
        """What the wrapper knows."""
        return self.backend.health()

    def break_down(self):
        """Fail until the breaker has opened."""
        self.failing.break_down()
        while self.health.state is State.CLOSED:
            self.backend.exists("whatever")

    def come_back(self):
        """Work again, and let the pause be over."""
        self.failing.mend()
        self.now.advance(60)


@pytest.fixture(params=COLOURS)
def colour(request):
    """Both colours."""
    return request.param


@pytest.fixture
def away(colour):
    """A store with two entries that has gone away, and its operations in one colour."""
    it = Away()
    it.backend.set_many({"a": b"1", "b": b"2"})
    with in_colour(it.backend, colour) as ops:
        it.ops = ops
        it.break_down()
        yield it
        it.failing.mend()


FALLBACKS = {
    "get": (lambda ops: ops.get("a"), None),
    "get_many": (lambda ops: ops.get_many(["a", "b"]), {}),
    "get_entry": (lambda ops: ops.get_entry("a"), None),
    "exists": (lambda ops: ops.exists("a"), False),
    "set": (lambda ops: ops.set("a", b"x"), False),
    "set_many": (lambda ops: ops.set_many({"a": b"x"}), 0),
    "add": (lambda ops: ops.add("c", b"x"), False),
    "touch": (lambda ops: ops.touch("a", 5), False),
    "compare_and_set": (lambda ops: ops.compare_and_set("a", b"x", {}), False),
    "delete": (lambda ops: ops.delete("a"), False),
    "delete_many": (lambda ops: ops.delete_many(["a", "b"]), 0),
    "clear": (lambda ops: ops.clear(), 0),
    "bump_generations": (lambda ops: ops.bump_generations(["t"]), None),
    "soften_generations": (lambda ops: ops.soften_generations(["t"]), None),
    "acquire_lease": (lambda ops: ops.acquire_lease("l", b"token", 5), False),
    "release_lease": (lambda ops: ops.release_lease("l", b"token"), False),
    "lock": (lambda ops: ops.lock("l").acquire(), False),
}


@pytest.mark.parametrize("name", FALLBACKS)
def test_a_failure_reads_as_nothing_there_and_nothing_stored(away, name):
    """Fail open: what can be done without an answer is done without; nothing raises (30)."""
    call, instead = FALLBACKS[name]
    assert call(away.ops) == instead
    assert away.health.swallowed > 0


def test_generations_of_a_store_that_is_away_are_never_used_ones(away):
    """Nothing that is stored can have them, so that nothing dead is served (30)."""
    first, second = away.ops.generations(["t"]), away.ops.generations(["t"])
    assert set(first) == {"t"}
    assert first != second


UNGUESSABLE = {
    "incr": lambda ops: ops.incr("n"),
    "keys": lambda ops: ops.keys(),
    "scan": lambda ops: list(ops.scan()),
}


@pytest.mark.parametrize("name", UNGUESSABLE)
def test_what_cannot_be_guessed_raises(away, name):
    """A count or a list of keys would be made up (30)."""
    with pytest.raises(BackendError, match="is away"):
        UNGUESSABLE[name](away.ops)


@pytest.mark.parametrize("name", [*FALLBACKS, *UNGUESSABLE])
def test_by_choice_every_failure_raises(colour, name):
    """`on_error="raise"`: BackendError, whether the store was asked or not (30)."""
    it = Away(on_error="raise", error=OSError("no route"))
    call = UNGUESSABLE[name] if name in UNGUESSABLE else FALLBACKS[name][0]
    with in_colour(it.backend, colour) as ops:
        it.failing.break_down()
        for asked in range(4):
            with pytest.raises(BackendError, match="no route") as caught:
                call(ops)
            assert isinstance(caught.value.__cause__, OSError) is (asked < 3)
        assert it.health.state is State.OPEN
        it.failing.mend()


def test_a_store_that_is_away_is_not_asked(away):
    """After some failures in a row operations fail without it (30)."""
    calls = away.failing.calls.total()
    for _ in range(100):
        assert away.ops.get("a") is None
    assert away.failing.calls.total() == calls
    assert away.health.refused == 100


def test_failures_that_are_not_in_a_row_leave_it_closed(colour):
    """A success in between starts the count anew (30)."""
    it = Away(operations=["get"], failures=3)
    with in_colour(it.backend, colour) as ops:
        it.failing.break_down()
        for _ in range(5):
            ops.get("a")
            ops.get("a")
            ops.exists("a")
        assert it.health.state is State.CLOSED
        assert it.health.failures == 10


def test_an_operation_about_nothing_proves_nothing(away):
    """Reading no keys asks no store, and so is no sign that it is back (7)."""
    away.now.advance(60)
    assert away.ops.get_many([]) == {}
    assert away.ops.delete_many([]) == 0
    assert away.health.state is State.OPEN


def test_statistics_prove_nothing(away):
    """A store that counts by itself answers while it is away (30)."""
    away.now.advance(60)
    stats = away.ops.get_stats()
    assert (stats.hits, stats.current_entries) == (None, None)
    assert away.health.state is State.OPEN


def test_it_recovers_by_itself(away):
    """Once it answers again it is used again, with no restart (22)."""
    away.failing.mend()
    assert away.ops.get("a") is None
    away.now.advance(1.5)
    assert away.ops.get("a") == b"1"
    assert away.ops.get("b") == b"2"
    assert (away.health.state, away.health.opened_at) == (State.CLOSED, None)


def test_the_pauses_between_probes_grow(away):
    """Each failed probe doubles the pause, up to ten seconds and a quarter (30)."""
    pauses = []
    for _ in range(6):
        calls, pause = away.failing.calls.total(), 0.0
        while away.failing.calls.total() == calls:
            away.now.advance(0.125)
            pause += 0.125
            away.ops.get("a")
        pauses.append(pause)
    for pause, least in zip(pauses, [1, 2, 4, 8, 10, 10], strict=True):
        assert least <= pause <= least * 1.25 + 0.25


def test_one_of_many_threads_probes():
    """Of eight threads that come when the pause is over, one asks the store, and the others do without (30)."""
    slow = SlowBackend(InMemoryBackend())
    slow.release()
    it = Away(inner=slow, operations=["exists"])
    it.backend.set("a", b"1")
    it.break_down()
    it.come_back()
    slow.hold()
    results = []
    threads = [threading.Thread(target=lambda: results.append(it.backend.get("a"))) for _ in range(8)]
    before = it.failing.calls["get"]
    for thread in threads:
        thread.start()
    slow.wait_for_call()
    while len(results) < 7:
        assert it.health.state is State.PROBING
        time.sleep(0.001)
    assert it.failing.calls["get"] == before + 1
    slow.release()
    for thread in threads:
        thread.join(PATIENCE)
    assert (results.count(b"1"), results.count(None)) == (1, 7)
    assert it.health.state is State.CLOSED


@pytest.mark.asyncio
async def test_one_of_many_tasks_probes():
    """The same for a hundred tasks (30)."""
    slow = SlowBackend(InMemoryBackend())
    slow.release()
    it = Away(inner=slow, operations=["exists"], deadline=PATIENCE)
    it.backend.set("a", b"1")
    it.break_down()
    it.come_back()
    slow.hold()
    tasks = [asyncio.create_task(it.backend.aget("a")) for _ in range(100)]
    await slow.await_call()
    done: set[asyncio.Task[bytes | None]] = set()
    while len(done) < 99:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert it.failing.calls["get"] == 1
    slow.release()
    assert sorted(await asyncio.gather(*tasks), key=str).count(b"1") == 1
    assert it.health.state is State.CLOSED


def test_a_verdict_that_comes_late_counts_for_nothing():
    """Who was admitted before the store went away can neither close the breaker nor open it again (30)."""
    it = Away()
    breaker = it.backend.core.breaker
    early = [breaker.admit() for _ in range(2)]
    it.break_down()
    assert breaker.succeeded(early[0]) is False
    assert it.health.state is State.OPEN
    it.come_back()
    assert it.backend.exists("a") is False
    for _ in range(5):
        breaker.failed(early[1])
    assert it.health.state is State.CLOSED


def test_a_probe_that_gives_no_verdict_is_not_waited_for_for_ever():
    """A prober whose thread hangs holds the others off for a minute, no longer (30)."""
    it = Away()
    it.break_down()
    it.come_back()
    breaker = it.backend.core.breaker
    assert breaker.admit() is not None
    it.now.advance(59)
    assert it.backend.get("a") is None
    assert it.health.state is State.PROBING
    it.now.advance(2)
    it.backend.get("a")
    assert it.health.state is State.CLOSED


# -- what is no failure of the store ----------------------------------------------------------------------------


MISTAKES = {
    "get": lambda ops: ops.get(5),
    "set": lambda ops: ops.set("k", "text"),
    "set_many": lambda ops: ops.set_many({"k": "text"}),
    "get_many": lambda ops: ops.get_many([5]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_the_caller_are_raised_whether_or_not_the_store_is_there(away, name):
    """They are bugs, which an outage must not hide (2)."""
    call = MISTAKES[name]
    with pytest.raises(OptionTypeError):
        call(away.ops)
    away.come_back()
    for _ in range(5):
        with pytest.raises(OptionTypeError):
            call(away.ops)
    away.ops.get("a")
    assert away.health.state is State.CLOSED
    assert away.health.pending == 0


def test_mistakes_open_nothing(colour):
    """Neither a value that is no integer nor an ability that the store lacks is a failure (30)."""
    it = Away(inner=MinimalBackend())
    with in_colour(it.backend, colour) as ops:
        for _ in range(5):
            with pytest.raises(UnsupportedOperationError):
                ops.keys()
        assert (it.health.state, it.health.failures) == (State.CLOSED, 0)


def test_use_after_close_raises_though_the_store_is_away(away):
    """A closed backend says so, whatever state the store is in (23)."""
    away.backend.close()
    with pytest.raises(BackendClosedError):
        away.ops.get("a")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_probe_leaves_the_breaker_consistent(error):
    """Ctrl-C in the one caller that probes: the next one probes (30)."""

    class Interrupted(WrappedBackend):
        interrupts = False

        def before(self, operation):
            if self.interrupts:
                raise error

    it = Away(inner=Interrupted(InMemoryBackend()))
    it.break_down()
    it.come_back()
    it.store.interrupts = True
    with pytest.raises(error):
        it.backend.get("a")
    with pytest.raises(error):
        it.backend.delete("a")
    assert it.health.state is State.OPEN
    assert it.health.pending == 1, "whether the delete got through nobody knows"
    it.store.interrupts = False
    it.backend.get("a")
    assert (it.health.state, it.health.pending) == (State.CLOSED, 0)


@pytest.mark.asyncio
async def test_a_cancelled_probe_leaves_the_breaker_consistent():
    """The same for a task that is cancelled (30)."""
    slow = SlowBackend(InMemoryBackend())
    slow.release()
    it = Away(inner=slow)
    it.break_down()
    it.come_back()
    slow.hold()
    for call in (it.backend.aget("a"), it.backend.aclear()):
        task = asyncio.create_task(call)
        await slow.await_call()
        assert it.health.state is State.PROBING
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.health.state is State.OPEN
    assert it.health.pending == 1
    slow.release()
    assert await it.backend.aget("a") is None
    assert (it.health.state, it.health.pending) == (State.CLOSED, 0)


# -- deadlines --------------------------------------------------------------------------------------------------


class Hanging(MinimalBackend):
    """Six methods, of which `get` hangs until it is let go."""

    shared, timeout = True, None

    def __init__(self):
        super().__init__()
        self.gate, self.hanging = threading.Event(), threading.Semaphore(0)
        self.gate.set()

    def get(self, key):
        """Hang."""
        self.hanging.release()
        assert self.gate.wait(PATIENCE)
        return super().get(key)


def test_a_hanging_store_costs_a_deadline(colour):
    """A call to a store without time limits ends within the deadline that was asked for, in both colours (30)."""
    it = Hanging()
    backend = ResilientBackend(it, deadline=0.1, failures=1, probe_interval=3600)
    backend.set("a", b"1")
    it.gate.clear()
    with in_colour(backend, colour) as ops:
        started = time.monotonic()
        while backend.health().state is State.CLOSED:
            assert ops.get("a") is None
        assert [ops.get("a") for _ in range(100)] == [None] * 100
        assert 0.1 <= time.monotonic() - started < 5.0
        health = backend.health()
        assert (health.timeouts, health.refused) == (1, 100)
        # An event loop that was held up by a busy machine gives no verdict, and loses a thread nevertheless.
        assert 1 <= health.lost_threads < 8
        it.gate.set()


def test_hung_threads_do_not_pile_up(colour):
    """Each probe of a store that hangs loses a thread, up to a bound; then calls fail at once, and recover (30)."""
    it, now = Hanging(), FakeClock()
    backend = ResilientBackend(it, deadline=0.02, clock=now)
    threads = threading.active_count()
    it.gate.clear()
    with in_colour(backend, colour) as ops:
        for _ in range(20):
            ops.get("a")
            now.advance(60)
        assert backend.health().lost_threads == 8
        assert threading.active_count() <= threads + 8
        it.gate.set()
        for _ in range(8):
            assert it.hanging.acquire(timeout=PATIENCE)
        while backend.health().lost_threads:
            time.sleep(0.001)
        backend.set("b", b"2")
        assert ops.get("b") == b"2"
        assert backend.health().state is State.CLOSED


def test_a_store_with_time_limits_is_called_in_the_callers_thread():
    """A hop would cost more than the call (30)."""

    class Own(MinimalBackend):
        shared, timeout = True, 0.3

        def get(self, key):
            return threading.current_thread().name.encode()

    mine = threading.current_thread().name.encode()
    assert ResilientBackend(Own()).get("k") == mine
    assert ResilientBackend(Own(), deadline=0.1).get("k") == mine
    assert ResilientBackend(Own()).timeout == 0.3
    Own.timeout = None
    assert ResilientBackend(Own()).get("k") == mine
    assert ResilientBackend(Own()).timeout is None
    assert ResilientBackend(Own(), deadline=1.0).get("k") != mine
    assert ResilientBackend(Own(), deadline=1.0).timeout == 1.0


@pytest.mark.asyncio
async def test_a_loop_that_is_held_up_is_not_the_stores_failure():
    """A timer that fires late says nothing about the store: the breaker stays as it is (30)."""
    slow = SlowBackend(InMemoryBackend())
    it = ResilientBackend(slow, deadline=0.05, failures=1)
    task = asyncio.create_task(it.aset("a", b"1"))
    await slow.await_call()
    time.sleep(0.2)  # noqa: ASYNC251 - what holds the loop up
    assert await task is False
    health = it.health()
    assert (health.state, health.failures, health.pending) == (State.CLOSED, 0, 1)
    slow.release()
    assert await it.aget("a") is None


@pytest.mark.parametrize(
    "error", [StopIteration("odd"), ValueError("odd"), TimeoutError("odd"), KeyError("odd")], ids=repr
)
def test_whatever_a_store_raises_in_a_thread_is_a_failure(colour, error):
    """Client libraries raise what they like (30)."""

    class Odd(MinimalBackend):
        shared, timeout = True, None

        def get(self, key):
            raise error

    backend = ResilientBackend(Odd(), deadline=PATIENCE, on_error="raise")
    with in_colour(backend, colour) as ops, pytest.raises(BackendError, match="odd"):
        ops.get("k")
    assert backend.health().failures == 1


# -- what it has missed -----------------------------------------------------------------------------------------


INVALIDATIONS = {
    "delete": lambda ops: ops.delete("a"),
    "delete_many": lambda ops: ops.delete_many(["a", "x"]),
    "clear": lambda ops: ops.clear(),
    "set": lambda ops: ops.set("a", b"new"),
    "set_many": lambda ops: ops.set_many({"a": b"new"}),
    "compare_and_set": lambda ops: ops.compare_and_set("a", b"new", {"other": None}),
    "touch": lambda ops: ops.touch("a", 0),
}


@pytest.mark.parametrize("name", INVALIDATIONS)
def test_what_was_invalidated_meanwhile_is_gone_when_the_store_is_back(away, name):
    """Deletes, and a delete for each write that failed, are done before anything else (16, 30)."""
    INVALIDATIONS[name](away.ops)
    assert away.health.pending > 0
    assert away.store.get("a") == b"1", "the store could not be reached"
    away.come_back()
    assert away.ops.get("a") is None
    assert away.store.get("a") is None
    assert away.health.pending == 0
    assert away.health.replayed > 0


def test_another_operation_delivers_it_too(away):
    """Whatever the store is asked first: other processes see the invalidation from then on (30)."""
    away.ops.delete("a")
    away.come_back()
    assert away.ops.exists("b") is True
    assert away.store.get("a") is None


HARMLESS = {
    "add": lambda ops: ops.add("a", b"new"),
    "touch": lambda ops: ops.touch("a", 60),
    "compare_and_set": lambda ops: ops.compare_and_set("a", b"new", {"a": b"1"}),
    "acquire_lease": lambda ops: ops.acquire_lease("a", b"token", 5),
    "get": lambda ops: ops.get("a"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_right_whether_the_call_got_through_or_not_is_left_alone(away, name):
    """Such as another holder's lease (30)."""
    HARMLESS[name](away.ops)
    assert away.health.pending == 0


@pytest.mark.parametrize("operation", ["bump_generations", "soften_generations"])
def test_a_generation_that_was_changed_meanwhile_is_a_new_one(away, operation):
    """What was stored under the old one is dead, and a fence with it refused (19, 30)."""
    away.come_back()
    old = away.ops.generations(["t"])["t"]
    away.break_down()
    getattr(away.ops, operation)(["t"])
    away.come_back()
    assert away.ops.compare_and_set("a", b"x", {generation_key("t"): old}) is False
    assert away.ops.generations(["t"])["t"] != old


def test_a_generation_that_could_not_be_exchanged_is_a_new_one(away):
    """Whatever it was to become: what was stored under the old one is not fresh any more (30)."""
    key = generation_key("t")
    away.store.set(key, b"old")
    away.ops.compare_and_set(key, b"new", {key: b"old"})
    away.come_back()
    assert away.ops.get(key) not in {None, b"old", b"new"}


def test_the_mark_of_a_key_is_written_again_and_runs_out(away):
    """A computation elsewhere that found no mark is fenced off (19, 30)."""
    mark = mark_key("a")
    away.ops.compare_and_set(mark, b"mark", {}, 3600.0)
    away.come_back()
    assert away.ops.compare_and_set("a", b"old", {mark: None}) is False
    entry = away.store.get_entry(mark)
    assert entry is not None
    assert 3500 < entry.ttl_remaining <= 3600
    assert entry.value != b"mark"


def test_a_process_that_asks_nothing_more_delivers_it():
    """It comes by itself once the store is back: others are not served what an idle process invalidated (30)."""
    store, others = InMemoryBackend(), set(threading.enumerate())
    failing = FailingBackend(store)
    backend = ResilientBackend(failing, probe_interval=0.01)
    store.set("a", b"1")
    assert backend.delete("a") is False
    failing.mend()
    end = time.monotonic() + PATIENCE
    while store.exists("a"):
        assert time.monotonic() < end, "it was never delivered"
        time.sleep(0.001)
    while set(threading.enumerate()) - others:
        assert time.monotonic() < end, "the thread does not end"
        time.sleep(0.001)
    assert (backend.health().pending, backend.health().replayed) == (0, 1)


def test_a_store_that_nobody_uses_any_more_is_not_kept():
    """The thread that is to deliver what was missed does not keep wrapper and store alive (30)."""
    backend = ResilientBackend(FailingBackend(InMemoryBackend()), probe_interval=3600)
    backend.delete("a")
    core = weakref.ref(backend.core)
    del backend
    end = time.monotonic() + PATIENCE
    while core() is not None:
        gc.collect()
        assert time.monotonic() < end, "it is kept"


def test_what_is_pending_is_kept_once(away):
    """A key that is deleted again and again takes one place (30)."""
    for _ in range(100):
        away.ops.delete("a")
    assert away.health.pending == 1


def test_too_much_becomes_one_clear(colour):
    """Beyond the limit everything is cleared: misses rather than memory, or stale values (30)."""
    it = Away(replay_limit=10)
    it.backend.set_many({f"k{number}": b"v" for number in range(20)})
    it.backend.bump_generations(["t"])
    with in_colour(it.backend, colour) as ops:
        it.break_down()
        ops.bump_generations(["t"])
        for number in range(15):
            ops.delete(f"k{number}")
        assert it.health.pending <= 11
        it.come_back()
        assert ops.get("k19") is None
        assert it.store.keys() == []
        assert not it.store.exists(generation_key("t"))


def test_a_clear_swallows_deletes_before_and_after_it_but_no_generation(away):
    """A generation fences computations off, which a clear does not (30)."""
    away.ops.delete("a")
    away.ops.bump_generations(["t"])
    away.ops.clear()
    away.ops.delete("b")
    assert away.health.pending == 2


def test_a_replay_that_fails_is_kept(away):
    """It stays pending, what was asked for fails, and nothing invalidated is served (30)."""
    away.ops.delete("a")
    deaf = FailingBackend(away.store, operations=["delete_many"])
    away.failing.inner = deaf
    away.come_back()
    for _ in range(4):
        assert away.ops.get("a") is None
        assert away.ops.get("b") is None
        away.now.advance(60)
    assert away.health.pending == 1
    deaf.mend()
    assert away.ops.get("b") == b"2"
    assert away.store.get("a") is None


def test_what_is_invalidated_while_it_is_replayed_stays_pending():
    """A delete that fails during the replay of the same key is done once more (30)."""
    slow = SlowBackend(InMemoryBackend(), operations=["delete_many"])
    slow.release()
    it = Away(inner=slow)
    it.backend.set("a", b"1")
    it.break_down()
    it.backend.delete("a")
    it.come_back()
    slow.hold()
    thread = threading.Thread(target=it.backend.get, args=("b",))
    thread.start()
    slow.wait_for_call()
    assert it.backend.delete("a") is False
    slow.release()
    thread.join(PATIENCE)
    assert it.health.pending == 1
    it.store.inner.set("a", b"by another process")
    assert it.backend.get("a") is None
    assert it.health.pending == 0


def test_others_wait_for_no_replay_that_does_not_concern_them():
    """While one caller replays, a key that is pending is not served, and other keys are (30)."""
    slow = SlowBackend(InMemoryBackend(), operations=["delete_many"])
    slow.release()
    it = Away(inner=slow, operations=["set"])
    it.backend.set_many({"a": b"1", "b": b"2"})
    it.failing.break_down()
    assert it.backend.set("a", b"new") is False
    assert (it.health.state, it.health.pending) == (State.CLOSED, 1)
    slow.hold()
    thread = threading.Thread(target=it.backend.exists, args=("c",))
    thread.start()
    slow.wait_for_call()
    assert it.backend.get("a") is None
    assert it.backend.get_many(["a", "b"]) == {}
    assert it.backend.get("b") == b"2"
    assert it.health.failures == 1
    slow.release()
    thread.join(PATIENCE)
    assert it.store.inner.get("a") is None


def test_closing_delivers_what_is_pending(colour):
    """What was missed is made good on the way out, if the store can be reached (30)."""
    it = Away(inner=MinimalBackend())
    it.backend.set("a", b"1")
    with in_colour(it.backend, colour) as ops:
        it.break_down()
        ops.delete("a")
        it.failing.mend()
        ops.close()
        assert it.store.get("a") is None


def test_closing_says_what_is_lost(away, caplog):
    """Where it cannot be reached the log says how much it has missed (30)."""
    away.ops.delete("a")
    with caplog.at_level(logging.WARNING, logger="cachelayer"):
        away.ops.close()
        away.ops.close()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "FailingBackend is closed and has missed 1 invalidations"
    ]


def test_a_forked_child_has_what_is_pending_and_probes_by_itself():
    """Its parent may never ask the store again; and whoever probed in the parent is not in the child (24)."""
    it = Away()
    it.backend.set("a", b"1")
    it.break_down()
    it.backend.delete("a")
    it.come_back()
    assert it.backend.core.breaker.admit() is not None  # somebody probes right now
    it.backend.core._replaying.acquire()

    def work():
        return it.backend.get("a"), it.health.state, it.health.pending

    assert in_a_child(work) == (None, State.CLOSED, 0)


def test_threads_that_invalidate_while_the_store_comes_and_goes_lose_nothing():
    """Once a delete has returned, the value that was there before is not read any more, in any thread (30)."""
    it = Away(failures=1)
    stop = threading.Event()

    def work(number):
        if number == 0:
            for _ in range(200):
                it.failing.break_down()
                time.sleep(0)
                it.failing.mend()
                it.now.advance(60)
            stop.set()
            return
        key = str(number)
        round_ = 0
        while not stop.is_set():
            round_ += 1
            it.backend.set(key, b"%d" % round_)
            it.backend.delete(key)
            assert it.backend.get(key) is None

    in_threads(4, work)


# -- sharing, options, telling ----------------------------------------------------------------------------------


def test_all_wrappers_of_one_store_share_what_is_known_of_it():
    """Whoever asks for a wrapper of a store gets the same breaker and the same pending invalidations (30)."""
    store = FailingBackend(InMemoryBackend())
    one, two = resilient(store), resilient(store, on_error="raise", deadline=3)
    for _ in range(3):
        one.get("k")
    one.delete("k")
    assert two.health() == one.health()
    assert two.health().state is State.OPEN
    with pytest.raises(BackendError):
        two.get("k")
    other = resilient(FailingBackend(InMemoryBackend()))
    assert other.health().state is State.CLOSED
    assert resilient(one).core is one.core


def test_it_says_once_that_the_store_went_away_and_once_that_it_is_back(away, caplog):
    """Not once for each request (30)."""
    away.come_back()
    away.ops.get("a")
    away.now.advance(60)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="cachelayer"):
        away.failing.break_down()
        for _ in range(50):
            away.ops.get("a")
            away.now.advance(1)
        away.come_back()
        for _ in range(50):
            away.ops.get("a")
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("FailingBackend failed in get, callers go on without it: BackendError(")
    assert told[1].startswith("FailingBackend is back after")


def test_a_store_that_fails_now_and_then_is_told_of_now_and_then(colour, caplog):
    """A store out of memory fails with each write, and works otherwise: a line in half a minute (30)."""
    it = Away(operations=["set"])
    it.failing.break_down()
    with in_colour(it.backend, colour) as ops, caplog.at_level(logging.INFO, logger="cachelayer"):
        for _ in range(60):
            ops.set("a", b"1")
            ops.get("a")
            it.now.advance(1)
    assert len(caplog.records) == 2
    assert it.health.failures == 60


def test_no_password_is_told(caplog):
    """What a client library says of a URL is masked (26)."""
    it = Away(error=OSError("cannot reach redis://user:secret@host:6379/0"))
    with caplog.at_level(logging.INFO, logger="cachelayer"):
        it.break_down()
    assert "secret" not in caplog.text + it.health.last_error + repr(it.backend)
    assert "redis://user:***@host" in caplog.text


@pytest.mark.asyncio
async def test_what_is_wrong_with_a_store_is_asked_whether_or_not_it_is_away():
    """`diagnose` goes past the breaker, which would only say what it was told before."""

    class Ill(FailingBackend):
        def before(self, operation):
            super().before(operation)
            assert operation in {"diagnose", "get"}

    class Full(InMemoryBackend):
        def diagnose(self):
            return ["it evicts nothing"]

        async def adiagnose(self):
            return self.diagnose()

    failing = Ill(Full())
    backend = ResilientBackend(failing)
    assert backend.diagnose() == await backend.adiagnose()
    assert backend.diagnose()[0].startswith("Ill does not answer: BackendError")
    while backend.health().state is State.CLOSED:
        backend.get("a")
    failing.mend()
    assert backend.diagnose() == await backend.adiagnose() == ["it evicts nothing"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"inner": "redis://"}, OptionTypeError),
        ({"deadline": 0}, ConfigurationError),
        ({"deadline": -1}, ConfigurationError),
        ({"failures": 0}, ConfigurationError),
        ({"replay_limit": 0}, ConfigurationError),
        ({"probe_interval": 0}, ConfigurationError),
        ({"on_error": "close"}, ConfigurationError),
    ],
    ids=repr,
)
def test_options_that_cannot_work_raise(options, error):
    """An error at the place of the mistake."""
    with pytest.raises(error, match=next(iter(options))):
        ResilientBackend(**{"inner": InMemoryBackend(), **options})


def test_book_keeping_passes_through_unseen():
    """Leases and generations are the store's own, where it hides them (30)."""
    it = Away()
    assert it.backend.lock("l", lease=5).acquire() is True
    it.backend.generations(["t"])
    assert it.store.exists(lease_key("l"))
    assert it.backend.keys() == []
    assert BOOKKEEPING not in "".join(it.backend.scan())


def test_what_was_missed_is_brought_soon_after_a_probe_that_failed():
    """Who brings it looks again soon while another probes, and not after as long as a probe may hang (30)."""
    store, clock = FailingBackend(MinimalBackend()), FakeClock()
    backend = ResilientBackend(store, clock=clock, background=False, failures=1, probe_interval=1)
    assert backend.get("key") is None
    breaker = backend.core.breaker
    assert 1 <= breaker.wait <= 1.25
    clock.advance(2)
    ticket = breaker.admit()
    assert (breaker.state, breaker.wait) == (State.PROBING, 0.0)
    breaker.failed(ticket)
    assert 2 <= breaker.wait <= 2.5
