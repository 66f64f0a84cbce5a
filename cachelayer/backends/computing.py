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
        lock: guards every change but `flying.setdefault`, which is atomic by itself. None makes one, which is free
            in a forked child whoever held it.
    """

    def __init__(self, lock: RLock | None = None) -> None:
        self._owns_lock = lock is None
        self.lock: Any = lock or RLock()
        #: By key, the one that others who want it join.
        self.flying: dict[str, Any] = {}
        #: Grows with each one that ends: who sees it unchanged knows that nothing was stored by another meanwhile.
        self.landings = 0
        #: Grows with each key that is changed or removed: who sees it unchanged knows that no fence has been broken.
        self.changes = 0
        self.lone: dict[str, list[Any]] = {}
        _all.add(self)

    @property
    def under_way(self) -> bool:
        """Whether anything is being computed."""
        return bool(self.flying or self.lone)

    def add_lone(self, computation: Computation) -> None:
        """Note a computation that nobody joins."""
        with self.lock:
            self.lone.setdefault(computation.key, []).append(computation)

    def remove(self, computation: Computation) -> None:
        """Forget a computation that has ended, or that nobody shall join any more."""
        key = computation.key
        if key not in self.lone and self.flying.get(key) is not computation:
            return
        with self.lock:
            self.finish(computation)
            left = [other for other in self.lone.get(key, ()) if other is not computation]
            if left:
                self.lone[key] = left  # in one step: the look above takes no lock
            else:
                self.lone.pop(key, None)

    def finish(self, computation: Computation) -> None:
        """Forget one that others could join: called under the lock, where its result goes in."""
        if self.flying.get(computation.key) is computation:
            # Counted before the key is free: who leads next must see it, or it would compute again.
            self.landings += 1
            del self.flying[computation.key]

    def break_off(self, key: str) -> None:
        """Fence off the computations of `key`: called under the lock, by whatever changes the key."""
        self.changes += 1
        flying = self.flying.pop(key, None)
        if flying is not None:
            flying.broken = True
        for lone in self.lone.get(key, ()):
            lone.broken = True

    def start_anew(self) -> None:
        """Forget every computation, in a forked child: those of other threads do not go on there."""
        if self._owns_lock:
            self.lock = RLock()
        self.flying.clear()
        self.lone.clear()

    def break_all(self) -> None:
        """Fence off every computation."""
        self.changes += 1
        for key in [*self.flying, *self.lone]:
            self.break_off(key)


_all: weakref.WeakSet[Computing] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for computing in list(_all):
        computing.start_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
