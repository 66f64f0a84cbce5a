"""Locks and fork(): the thread that holds one in the parent does not go on in the child."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Protocol


class ProcessLock:
    """A lock of this process, for `with`, that a forked child finds free. One thread may take it several times."""

    def __init__(self) -> None:
        self.renew()
        _all.add(self)

    def renew(self) -> None:
        """Be free, whoever holds it."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()


_all: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_all):
        lock.renew()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Guarded(Protocol):
    """What is changed under a lock of its own."""

    lock: Any


class HeldForForks:
    """Lets a fork wait until nothing of these is half changed: the child has none of the threads that could finish it.

    One thread forks at a time, none of these is made meanwhile, and the locks are taken in the order in which they were
    made.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # A dictionary rather than a set, for its order.
        self._guarded: weakref.WeakKeyDictionary[Guarded, None] = weakref.WeakKeyDictionary()
        self._held: list[Guarded] = []
        os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._after)

    def add(self, each: Guarded) -> None:
        """Heed one more, for as long as it is there."""
        with self._lock:
            self._guarded[each] = None

    def _before(self) -> None:
        self._lock.acquire()
        self._held = list(self._guarded)
        for each in self._held:
            each.lock.acquire()

    def _after(self) -> None:
        # In the child too: its one thread is the one that took the locks.
        for each in self._held:
            each.lock.release()
        self._held = []
        self._lock.release()
