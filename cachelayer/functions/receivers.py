"""Methods: telling instances apart without holding or confusing them.

An instance is known by a number that is never used again, for as long as it lives; a weak reference notices its end.
`id()` alone would not do: it is used again as soon as an instance is gone.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from cachelayer.backends.tags import Shortcut

_numbers = itertools.count(1)


class Receiver:
    """What is known of one living instance."""

    __slots__ = ("_reference", "name", "number", "shortcut")

    def __init__(self, instance: Any, forget: Any) -> None:
        self._reference = weakref.ref(instance, forget)
        self.number = next(_numbers)
        #: By which a class is known instead; see `note_class`.
        self.name = ""
        self.shortcut = Shortcut()


class Receivers:
    """The living instances on which one cached method was called."""

    def __init__(self) -> None:
        #: By id, for the compiled hit path: what looks a place up in the instance's shortcut. An instance's end
        #: removes its item before its id is free again.
        self.finders: dict[int, Callable[[Any], Any]] = {}
        self._known: dict[int, Receiver] = {}
        #: Shortcuts of instances that are gone, whose entries wait to be removed. Only appended to at an instance's
        #: end, which may come at any time and in any thread, also while a lock is held.
        self.ended: deque[Shortcut] = deque()

    def get(self, instance: Any) -> Receiver:
        """Return what is known of `instance`; raises TypeError where it takes no weak references."""
        place = id(instance)
        receiver = self._known.get(place)
        if receiver is None:
            # Of two threads that come first, one wins: the instance has one number.
            receiver = self._known.setdefault(place, Receiver(instance, partial(self._forget, place)))
            self.finders[place] = receiver.shortcut.get
        return receiver

    def note_class(self, kind: type, name: str) -> None:
        """Let a class have a shortcut, to the entries that it has under this name.

        A class gets another name when its module begins or ceases to lead to it: then its keys are others, and what
        would be invalidated by them is not what the shortcut leads to.
        """
        receiver = self.get(kind)
        if receiver.name != name:
            receiver.name = name
            receiver.shortcut.clear()

    def shortcut(self, instance: Any) -> Shortcut | None:
        """Return the instance's shortcut; None where it is not known."""
        receiver = self._known.get(id(instance))
        return None if receiver is None else receiver.shortcut

    def clear(self) -> None:
        """Empty every shortcut."""
        for receiver in list(self._known.values()):
            receiver.shortcut.clear()

    def renew(self) -> None:
        """Give every instance a new shortcut: whatever still leads to the old ones leads nowhere."""
        for place, receiver in list(self._known.items()):
            receiver.shortcut = Shortcut()
            # One that ended meanwhile is not to be found again: another instance may get its id.
            if self._known.get(place) is receiver:
                self.finders[place] = receiver.shortcut.get

    def _forget(self, place: int, _: Any) -> None:
        self.finders.pop(place, None)
        receiver = self._known.pop(place, None)
        if receiver is not None and receiver.shortcut:
            self.ended.append(receiver.shortcut)
