"""The doubles that are shipped: a fake clock, and backends that fail or answer late."""

import asyncio
import subprocess
import sys
import threading

import pytest

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.errors import BackendError
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend, SlowBackend, WrappedBackend
from cachelayer.testing.contract import BackendContract
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_processes, in_threads


class TestWrappedBackend(BackendContract):
    """A double that is told to do nothing changes nothing: what it wraps keeps the contract through it."""

    def make_backend(self) -> SlowBackend:
        """Return the backend under test."""
        failing = FailingBackend(InMemoryBackend(clock=self.clock))
        failing.mend()
        slow = SlowBackend(failing)
        slow.release()
        return slow


# -- the clock --------------------------------------------------------------------------------------------------


def test_a_fake_clock_moves_when_it_is_told():
    """It starts at a realistic time, stands still, and can be set forth and back."""
    clock = FakeClock()
    assert clock() == clock() == 1_750_000_000.0
    clock.advance(0.5)
    clock.advance(-1)
    assert clock() == 1_749_999_999.5
    assert FakeClock(5.0)() == 5.0
    assert repr(FakeClock(5.0)) == "FakeClock(5.0)"


# -- failing ----------------------------------------------------------------------------------------------------


def test_a_failing_backend_fails_until_it_is_mended():
    """Every operation raises; after mend() all work, after break_down() none."""
    backend = FailingBackend(InMemoryBackend())
    for call in (
        lambda: backend.get("a"),
        lambda: backend.set("a", b"1"),
        lambda: backend.generations(["a"]),
    ):
        with pytest.raises(BackendError):
            call()
    backend.mend()
    assert backend.set("a", b"1") is True
    backend.break_down()
    with pytest.raises(BackendError):
        backend.get("a")


def test_chosen_operations_fail_with_a_chosen_error():
    """Only the operations that were named fail, with the very error that was given."""
    error = OSError("connection reset")
    backend = FailingBackend(InMemoryBackend(), error=error, operations=["get", "get_many"])
    assert backend.set("a", b"1") is True
    assert backend.exists("a") is True
    for _ in range(3):
        with pytest.raises(OSError, match="connection reset") as caught:
            backend.get("a")
        assert caught.value is error
        assert len(caught.traceback) < 10
    with pytest.raises(OSError, match="connection reset"):
        backend.get_many(["a"])


@pytest.mark.asyncio
async def test_both_colours_fail():
    """The async twin of an operation fails with it."""
    backend = FailingBackend(InMemoryBackend(), operations=["get"])
    assert await backend.aset("a", b"1") is True
    with pytest.raises(BackendError):
        await backend.aget("a")
    backend.mend()
    assert await backend.aget("a") == b"1"


def test_calls_are_counted():
    """Each call is counted under its operation, failed ones too, whatever the colour or thread."""
    backend = FailingBackend(InMemoryBackend(), operations=["get"])
    for _ in range(2):
        with pytest.raises(BackendError):
            backend.get("a")
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, pytest.raises(BackendError):
        runner.run(backend.aget("a"))
    in_threads(8, lambda number: [backend.set(str(number), b"1") for _ in range(100)])
    assert backend.calls == {"get": 3, "set": 800}


def test_a_wrapper_is_as_shared_as_what_it_wraps():
    """`shared` is that of the inner backend."""

    class Shared(InMemoryBackend):
        shared = True

    assert WrappedBackend(InMemoryBackend()).shared is False
    assert WrappedBackend(Shared()).shared is True
    assert WrappedBackend.shared is True


# -- slow -------------------------------------------------------------------------------------------------------


def test_a_slow_backend_holds_calls_until_it_is_released():
    """A held call waits, others go on, and a release lets it go."""
    backend = SlowBackend(InMemoryBackend(), operations=["get"])
    backend.set("a", b"1")
    results: list[bytes | None] = []
    thread = threading.Thread(target=lambda: results.append(backend.get("a")))
    thread.start()
    backend.wait_for_call()
    assert results == []
    assert backend.exists("a") is True
    backend.release()
    thread.join(PATIENCE)
    assert results == [b"1"]
    assert backend.get("a") == b"1"


@pytest.mark.asyncio
async def test_a_held_task_does_not_hold_the_loop():
    """Many held tasks wait without a thread each; the loop and its threads are free meanwhile."""
    backend = SlowBackend(MinimalBackend(), operations=["get"])
    await backend.aset("a", b"1")
    tasks = [asyncio.create_task(backend.aget("a")) for _ in range(100)]
    for _ in range(100):
        await backend.await_call()
    assert await backend.aexists("a") is True
    assert not any(task.done() for task in tasks)
    backend.release()
    assert await asyncio.gather(*tasks) == [b"1"] * 100
    backend.hold()
    late = asyncio.create_task(backend.aget("a"))
    await backend.await_call()
    assert not late.done()
    backend.release()
    assert await late == b"1"


@pytest.mark.asyncio
async def test_a_held_task_can_be_cancelled():
    """Cancelling a held call ends it, and the store works on."""
    backend = SlowBackend(InMemoryBackend())
    task = asyncio.create_task(backend.aget("a"))
    await backend.await_call()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    backend.release()
    assert await backend.aget("a") is None


def test_a_test_that_forgets_to_release_ends(monkeypatch: pytest.MonkeyPatch):
    """Waiting is bounded: for a release, and for a call that never comes."""
    monkeypatch.setattr("cachelayer.testing.doubles.LONGEST_WAIT", 0.01)
    backend = SlowBackend(InMemoryBackend())
    with pytest.raises(TimeoutError, match="never released"):
        backend.get("a")
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, pytest.raises(TimeoutError):
        runner.run(backend.aget("a"))
    for _ in range(2):
        backend.wait_for_call()
    with pytest.raises(TimeoutError, match="no call came"):
        backend.wait_for_call()


# -- crowds -----------------------------------------------------------------------------------------------------


def test_a_crowd_gives_its_results_in_order():
    """Threads and processes return what they computed, by number."""
    assert in_threads(8, lambda number: number * number) == [number * number for number in range(8)]
    assert in_processes(4, lambda number: number * number) == [0, 1, 4, 9]


def test_an_error_in_a_crowd_is_raised():
    """A failed assertion in a thread or process fails the test."""

    def work(number: int) -> None:
        assert number != 1, "not one"

    with pytest.raises(AssertionError, match="not one"):
        in_threads(2, work)
    with pytest.raises(AssertionError, match=r"in a forked process:(.|\n)*not one"):
        in_processes(2, work)


def test_a_crowd_that_hangs_ends(monkeypatch: pytest.MonkeyPatch):
    """A deadlock is an error rather than a test run that never ends."""
    monkeypatch.setattr("cachelayer.testing.crowds.PATIENCE", 0.1)
    never = threading.Event()
    with pytest.raises(TimeoutError, match="deadlock"):
        in_threads(2, lambda number: never.wait(2) if number else None)
    with pytest.raises(TimeoutError, match="deadlock"):
        in_a_child(lambda: never.wait(60))
    never.set()


def test_the_doubles_need_no_pytest():
    """Only the contract suite imports pytest."""
    code = (
        "import sys, cachelayer.testing; assert 'pytest' not in sys.modules; import cachelayer.testing.crowds"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
