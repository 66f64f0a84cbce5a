"""Locks that a forked child finds free: the thread that held one in the parent does not go on there."""

from __future__ import annotations

import os
import threading
import weakref


class ProcessLock:
    """A lock of this process, for `with`. One thread may take it several times."""

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
