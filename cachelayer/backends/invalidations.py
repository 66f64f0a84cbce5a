"""Which names were invalidated while something was under way that does not know its names yet."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Final

#: Names that are noted at most: beyond, everything that is under way counts as invalidated.
_MOST: Final = 10_000


class Watch:
    """One computation whose names are known at its end only; nothing is noted where there is none."""

    __slots__ = ("__weakref__", "began")

    def __init__(self, began: int) -> None:
        self.began = began


class Invalidations:
    """The invalidations since the oldest watch began. Every call is made under the lock of the table that has it."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[str, int] = {}
        #: What was noted up to here has been forgotten.
        self._forgotten = 0
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self._last)

    def watch(self) -> Watch:
        """Note what is invalidated from now on, for as long as the watch is held."""
        watch = Watch(self._count)
        self._watches.add(watch)
        return watch

    def note(self, name: str) -> None:
        """Note that `name` was invalidated."""
        if not self._watches:
            self._last.clear()
            return
        self._count += 1
        if len(self._last) >= _MOST:
            self._last.clear()
            self._forgotten = self._count
        self._last[name] = self._count

    def have_met(self, names: Iterable[str], watch: Watch) -> bool:
        """Whether any of `names` was invalidated since the watch began."""
        began = watch.began
        return began < self._forgotten or any(self._last.get(name, 0) > began for name in names)
