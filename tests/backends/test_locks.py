"""Locks: what goes beyond the contract suite, which runs them over every backend."""

import asyncio
import threading
import time

import pytest

from cachelayer.backends.locks import Lock, pauses
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.errors import BackendError, CacheLayerError, ConfigurationError, OptionTypeError
from cachelayer.testing import FakeClock, MinimalBackend, SlowBackend
from cachelayer.testing.crowds import PATIENCE


@pytest.fixture(params=[InMemoryBackend, MinimalBackend])
def backend(request: pytest.FixtureRequest):
    """A store with locks of its own, and one with the contract's defaults."""
    return request.param(clock=FakeClock())


def test_a_with_statement_gives_up_after_one_lease(backend):
    """Entering a lock that stays taken raises after the time of its lease, and says which lock."""
    backend.lock("name", lease=600).acquire()
    started = time.monotonic()
    with pytest.raises(BackendError, match=r"'name' was not free within its lease of 0\.02 s"):
        backend.lock("name", lease=0.02).__enter__()
    assert time.monotonic() - started >= 0.02


@pytest.mark.asyncio
async def test_an_async_with_statement_gives_up_after_one_lease(backend):
    """The same for `async with`."""
    backend.lock("name", lease=600).acquire()
    with pytest.raises(BackendError, match="was not free"):
        async with backend.lock("name", lease=0.02):
            pass
    async with backend.lock("other", lease=0.02) as lock:
        assert isinstance(lock, Lock)
        assert await backend.lock("other").aacquire() is False
    assert await backend.lock("other").aacquire() is True


@pytest.mark.asyncio
async def test_tasks_wait_for_a_lock_without_blocking_the_loop(backend):
    """Of many tasks of one loop one holds the lock at a time, and all get it."""
    inside = 0
    most = 0

    async def work() -> None:
        nonlocal inside, most
        lock = backend.lock("name")
        assert await lock.aacquire(timeout=PATIENCE) is True
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        assert await lock.arelease() is True

    await asyncio.gather(*(work() for _ in range(10)))
    assert most == 1


@pytest.mark.asyncio
async def test_a_cancelled_wait_takes_nothing(backend):
    """A task that is cancelled while it waits does not hold the lock afterwards."""
    holder = backend.lock("name")
    holder.acquire()
    waiting = asyncio.create_task(backend.lock("name").aacquire(timeout=PATIENCE))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    holder.release()
    assert backend.lock("name").acquire() is True


def test_a_lock_object_can_be_taken_again(backend):
    """After a release the same object takes the lock anew; while it holds it, it does not."""
    lock = backend.lock("name")
    assert lock.acquire() is True
    assert lock.acquire() is False
    assert lock.release() is True
    assert lock.acquire() is True
    assert lock.release() is True


def test_a_refused_lock_does_not_forget_that_it_holds(backend):
    """A second, refused acquire of a held lock does not make its release fail."""
    lock = backend.lock("name")
    lock.acquire()
    lock.acquire()
    assert lock.release() is True
    assert backend.lock("name").acquire() is True


def test_a_wait_ends_at_the_timeout_though_the_store_is_slow():
    """The last try is made at the deadline, not a pause after it."""
    slow = SlowBackend(InMemoryBackend(), operations=["acquire_lease"])
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(slow.lock("name").acquire(timeout=0.01)))
    thread.start()
    slow.wait_for_call()
    slow.release()
    thread.join(PATIENCE)
    assert results == [True]


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_a_timeout_there_is_one_try(timeout: float):
    """A timeout of 0 or below is one try and no pause."""
    assert list(pauses(timeout)) == [0.0]


def test_pauses_grow_and_end_with_a_last_try(monkeypatch: pytest.MonkeyPatch):
    """Pauses between tries grow to 50 ms, are spread, and never lead past the deadline."""
    now = [100.0]
    monkeypatch.setattr("cachelayer.backends.locks.time.monotonic", lambda: now[0])
    taken = []
    for pause in pauses(1.0):
        taken.append(pause)
        now[0] += pause
    assert taken[-1] == 0.0
    assert sum(taken) == pytest.approx(1.0)
    assert 0.0005 <= taken[0] <= 0.001
    assert max(taken) <= 0.05
    assert len(set(taken)) == len(taken)
    assert len(taken) < 60


@pytest.mark.parametrize(
    ("lease", "error"),
    [
        (0, ConfigurationError),
        (-1, ConfigurationError),
        (float("inf"), ConfigurationError),
        ([], OptionTypeError),
    ],
)
def test_a_lease_that_cannot_work_is_refused(backend, lease, error):
    """A lease that is no time above 0 raises where the lock is made."""
    with pytest.raises(error, match="lease") as caught:
        backend.lock("name", lease=lease)
    assert isinstance(caught.value, CacheLayerError)


def test_a_lease_may_be_a_text(backend):
    """A lease is a duration as anywhere else."""
    assert backend.lock("name", lease="1m").lease == 60.0


def test_releasing_what_was_never_taken_is_harmless(backend):
    """The store's own release says False for a name or token that it does not know."""
    assert backend.release_lease("name", b"") is False
    assert backend.release_lease("name", b"token") is False
    assert backend.acquire_lease("name", b"token", 1.0) is True
    assert backend.release_lease("name", b"") is False
    assert backend.release_lease("name", b"token") is True
