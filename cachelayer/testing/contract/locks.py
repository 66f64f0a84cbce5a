"""Locks with leases."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.errors import BackendError
from cachelayer.testing.colours import Colour, in_colour
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_threads


class Locks(ContractBase):
    """Clause 20."""

    def test_a_lock_has_one_holder(self, ops: CacheBackend) -> None:
        """Without a timeout a lock that is held is refused at once; one that was freed is taken (20)."""
        first, second = ops.lock("name"), ops.lock("name")
        assert first.acquire() is True
        assert second.acquire() is False
        assert ops.lock("other name").acquire() is True
        assert first.release() is True
        assert second.acquire() is True

    def test_only_the_holder_frees_a_lock(self, ops: CacheBackend) -> None:
        """Releasing what one does not hold is harmless: before, after and while another one holds it (20)."""
        first, second = ops.lock("name"), ops.lock("name")
        assert first.release() is False
        first.acquire()
        second.acquire()
        assert second.release() is False
        assert ops.release_lease("name", b"another token") is False
        assert ops.lock("name").acquire() is False
        assert first.release() is True
        assert first.release() is False

    def test_a_lease_runs_out(self, ops: CacheBackend) -> None:
        """A lock that was not freed is free after its lease, and its late release does no harm (20)."""
        first, second = ops.lock("name", lease=self.tick), ops.lock("name", lease=4 * self.tick)
        assert first.acquire() is True
        self.advance(1.5 * self.tick)
        assert second.acquire() is True
        assert first.release() is False
        assert ops.lock("name").acquire() is False
        assert second.release() is True

    def test_releasing_an_expired_lock_is_harmless(self, ops: CacheBackend) -> None:
        """A release after the lease says False although nobody else took the lock (20)."""
        lock = ops.lock("name", lease=self.tick)
        lock.acquire()
        self.advance(1.5 * self.tick)
        assert lock.release() is False
        assert lock.acquire() is True

    def test_a_fence_stores_for_the_holder_alone(self, ops: CacheBackend) -> None:
        """With its lock's fence a holder stores while it holds the lock, and once it has released it no more (20)."""
        lock = ops.lock("name")
        assert lock.acquire() is True
        fence = lock.fence
        assert ops.compare_and_set("key", b"first", fence) is True
        assert ops.compare_and_set("key", b"second", {**fence, "key": b"first"}) is True
        assert lock.release() is True
        assert ops.compare_and_set("key", b"late", fence) is False
        assert ops.get("key") == b"second"

    def test_a_holder_whose_lease_ran_out_cannot_overwrite(self, ops: CacheBackend) -> None:
        """Its fence stores nothing more, before and after another one took the lock and stored (20)."""
        first, second = ops.lock("name", lease=self.tick), ops.lock("name", lease=20 * self.tick)
        assert first.acquire() is True
        fence = first.fence
        self.advance(1.5 * self.tick)
        assert ops.compare_and_set("key", b"late", fence) is False
        assert ops.exists("key") is False
        assert second.acquire() is True
        assert ops.compare_and_set("key", b"second's", second.fence) is True
        assert ops.compare_and_set("key", b"late", fence) is False
        assert ops.get("key") == b"second's"

    def test_a_lock_that_is_not_held_has_no_fence(self, ops: CacheBackend) -> None:
        """There is a fence from acquiring to releasing only (20)."""
        lock = ops.lock("name")
        with pytest.raises(BackendError, match="acquire"):
            _ = lock.fence
        lock.acquire()
        assert lock.fence
        lock.release()
        with pytest.raises(BackendError, match="acquire"):
            _ = lock.fence

    def test_waiting_for_a_lock_ends_at_the_timeout(self, ops: CacheBackend) -> None:
        """With a timeout one waits that long, and no longer (20)."""
        ops.lock("name").acquire()
        started = time.monotonic()
        assert ops.lock("name").acquire(timeout=0.05) is False
        assert 0.05 <= time.monotonic() - started < PATIENCE

    def test_waiting_for_a_lock_ends_when_it_is_freed(self, ops: CacheBackend) -> None:
        """A waiter gets the lock once its holder has released it (20)."""
        held, waiting = threading.Event(), threading.Event()

        def work(number: int) -> bool:
            lock = ops.lock("name")
            if number == 0:
                lock.acquire()
                held.set()
                waiting.wait(PATIENCE)
                return lock.release()
            held.wait(PATIENCE)
            refused = not lock.acquire()
            waiting.set()
            return refused and lock.acquire(timeout=PATIENCE)

        assert in_threads(2, work) == [True, True]

    def test_a_lock_excludes_threads(self, ops: CacheBackend) -> None:
        """Of eight threads one at a time is in the section that a lock guards (20)."""
        inside: list[int] = []

        def work(number: int) -> int:
            lock = ops.lock("name", lease=max(60.0, 10 * self.tick))
            assert lock.acquire(timeout=PATIENCE) is True
            inside.append(number)
            crowd = len(inside)
            ops.exists("anything")
            inside.remove(number)
            lock.release()
            return crowd

        assert in_threads(8, work) == [1] * 8

    def test_a_lock_excludes_processes(
        self, ops: CacheBackend, backend: CacheBackend, colour: Colour
    ) -> None:
        """Of four processes that take a lock at once, one gets it (20)."""
        self.needs(backend.shared, "each process has its own")
        taken = self.in_processes(colour, lambda own, _: own.lock("name", lease=600).acquire())
        assert sum(taken) == 1
        assert ops.lock("name").acquire() is False

    def test_a_lock_works_after_fork(self, backend: CacheBackend, colour: Colour) -> None:
        """A forked child takes locks of the store it inherited, and its parent's where processes share (20, 24)."""
        lock = backend.lock("parent", lease=600)
        assert lock.acquire() is True

        def work() -> tuple[bool, bool, bool]:
            with in_colour(backend, colour) as ops:
                own = ops.lock("child")
                return own.acquire(), own.release(), ops.lock("parent").acquire()

        acquired, released, stolen = in_a_child(work)
        assert acquired is True
        assert released is True
        assert not (stolen and backend.shared)
        assert lock.release() is True

    def test_a_lock_is_a_context_manager(self, ops: CacheBackend) -> None:
        """A with statement takes the lock and frees it, after an error too (20)."""
        with contextlib.suppress(KeyError), ops.lock("name"):
            assert ops.lock("name").acquire() is False
            raise KeyError
        assert ops.lock("name").acquire() is True

    @pytest.mark.parametrize("lease", [0, -1, float("nan")])
    def test_a_lease_is_longer_than_nothing(self, ops: CacheBackend, lease: float) -> None:
        """A lock needs a lease above 0 seconds (20)."""
        with pytest.raises(ValueError, match="lease"):
            ops.lock("name", lease=lease)
