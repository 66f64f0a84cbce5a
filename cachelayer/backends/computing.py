"""Which keys are being computed right now, so that changing or removing a key can fence the computation off."""

from __future__ import annotations

import os
import weakref
from threading import RLock
from typing import Any, Protocol


class Computation(Protocol):
    """What is known here of a computation under way."""

    key: str
    #: Set when the key was changed or removed since the computation began: its result is not stored.
    broken: bool


class Computing:
    """The computations under way over one store, in this process.

    Args:
        lock: guards every change but `flying.setdefault`, which is atomic by itself.
    """

    def __init__(self, lock: RLock) -> None:
        self._lock: Any = lock
        #: By key, the one that others who want it join.
        self.flying: dict[str, Any] = {}
        self._lone: dict[str, list[Any]] = {}
        _all.add(self)

    def add_lone(self, computation: Computation) -> None:
        """Note a computation that nobody joins."""
        with self._lock:
            self._lone.setdefault(computation.key, []).append(computation)

    def remove(self, computation: Computation) -> None:
        """Forget a computation that has ended, or that nobody shall join any more."""
        key = computation.key
        if key not in self._lone and self.flying.get(key) is not computation:
            return
        with self._lock:
            self.finish(computation)
            left = [other for other in self._lone.pop(key, ()) if other is not computation]
            if left:
                self._lone[key] = left

    def finish(self, computation: Computation) -> None:
        """Forget one that others could join: called under the lock, where its result goes in."""
        if self.flying.get(computation.key) is computation:
            del self.flying[computation.key]

    def break_off(self, key: str) -> None:
        """Fence off the computations of `key`: called under the lock, by whatever changes the key."""
        flying = self.flying.pop(key, None)
        if flying is not None:
            flying.broken = True
        for lone in self._lone.get(key, ()):
            lone.broken = True

    def forget_all(self) -> None:
        """Forget every computation, without fencing it off."""
        self.flying.clear()
        self._lone.clear()

    def break_all(self) -> None:
        """Fence off every computation."""
        for key in [*self.flying, *self._lone]:
            self.break_off(key)


# Computations of other threads do not go on in a forked child.
_all: weakref.WeakSet[Computing] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for computing in list(_all):
        computing.forget_all()


os.register_at_fork(after_in_child=_after_fork_in_child)
