"""Counters that are exact under threads and cost about 40 ns a step.

`+=` on an attribute loses counts between threads, and a lock costs 150 to 200 ns. `next(itertools.count())` is one
C call, atomic under the GIL. On a free-threaded build the same call is guarded by a lock.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Final

#: Whether threads of this interpreter run at the same time, so that single C calls are not atomic by themselves.
FREE_THREADED: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Counter:
    """A count that only grows, until `reset()`. `tick()` adds one."""

    __slots__ = ("_base", "_count", "tick")

    tick: Callable[[], object]

    def __init__(self) -> None:
        self._count = itertools.count()
        self._base = 0
        self.tick = _LockedStep(self._count.__next__) if FREE_THREADED else self._count.__next__

    @property
    def value(self) -> int:
        """The count."""
        return self.total - self._base

    @property
    def total(self) -> int:
        """The count since the very beginning, whatever was reset."""
        # itertools.count shows its next value in its repr, "count(42)": the one way to read it without a step.
        return int(repr(self._count)[6:-1])

    def reset(self) -> None:
        """Start again from zero."""
        self._base = self.total


class _LockedStep:
    """One step at a time, where threads run at the same time."""

    __slots__ = ("__weakref__", "_step", "lock")

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step
        self.lock = threading.Lock()
        _locked_steps.add(self)

    def __call__(self) -> object:
        with self.lock:
            return self._step()


_locked_steps: weakref.WeakSet[_LockedStep] = weakref.WeakSet()


def _renew_locks() -> None:
    """Free, in a forked child, what other threads of the parent held."""
    for step in _locked_steps:
        step.lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)
