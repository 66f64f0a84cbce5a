"""Methods: telling instances apart without holding or confusing them.

An instance is known by a number that is never used again, for as long as it lives; a weak reference notices its end.
`id()` alone would not do: it is used again as soon as an instance is gone.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from typing import Any

from cachelayer.backends.table import Shortcut

_numbers = itertools.count(1)


class Receiver:
    """What is known of one living instance."""

    __slots__ = ("_reference", "number", "shortcut")

    def __init__(self, instance: Any, forget: Any) -> None:
        self._reference = weakref.ref(instance, forget)
        self.number = next(_numbers)
        self.shortcut = Shortcut()


class Receivers:
    """The living instances on which one cached method was called."""

    def __init__(self) -> None:
        #: By id, for the compiled hit path; an instance's end removes its item before its id is free again.
        self.shortcuts: dict[int, Shortcut] = {}
        self._known: dict[int, Receiver] = {}
        #: Shortcuts of instances that are gone, whose entries wait to be removed. Only appended to at an instance's
        #: end, which may come at any time and in any thread, also while a lock is held.
        self.ended: deque[Shortcut] = deque()

    def get(self, instance: Any) -> Receiver:
        """Return what is known of `instance`; raises TypeError where it takes no weak references."""
        place = id(instance)
        receiver = self._known.get(place)
        if receiver is None:
            receiver = Receiver(instance, lambda _: self._forget(place))
            self._known[place] = receiver
            self.shortcuts[place] = receiver.shortcut
        return receiver

    def _forget(self, place: int) -> None:
        self.shortcuts.pop(place, None)
        receiver = self._known.pop(place, None)
        if receiver is not None and receiver.shortcut:
            self.ended.append(receiver.shortcut)
