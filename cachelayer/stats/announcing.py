"""Telling the other workers of invalidations, where each has entries in its own memory.

An announcement stands in a list that all of them read, with a number. Who finds that it has missed some, because the
list holds the latest only, removes everything it has: what it does not know of may have been any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from cachelayer.errors import BackendError
from cachelayer.stats.pages import Announcement, Announcements
from cachelayer.stats.shelf import Shelf

NAME: Final = "announcements"
#: Actions: everything; those keys; those tags, by the store's names of them; those that a purge names.
CLEAR: Final = "clear"
KEYS: Final = "keys"
TAGS: Final = "tags"
PURGE: Final = "purge"

_MOST_KEPT: Final = 1000
_MOST_WAITING: Final = 1000
_KEPT: Final = 86_400.0
_TRIES: Final = 8

#: Does what an announcement says: which action, of what, and whether softly.
Follow = Callable[[str, list[str], bool], object]


class Bulletin:
    """What one worker announces, and hears.

    Args:
        shelf: where the list is.
        worker: its id.
        follow: does what others have announced.
        ring: has `talk` called soon.

    Attributes:
        heard: the number of the last announcement that was followed; -1 before the first look at the list.
        last_sent: the number of the last announcement of this worker's own.
    """

    def __init__(self, shelf: Shelf, worker: str, follow: Follow, ring: Callable[[], None]) -> None:
        self._shelf, self._worker, self._follow, self._ring = shelf, worker, follow, ring
        self.heard = -1
        self.last_sent = 0
        self._waiting: list[tuple[str, list[str], bool]] = []
        self._guard = threading.Lock()
        #: The threads that do what must not be announced: it was already, or will be as a whole.
        self._quiet: set[int] = set()

    def announce(self, what: str, names: list[str], *, soft: bool = False) -> None:
        """Let the others do the same, soon. Asks nobody, and waits for nothing."""
        if threading.get_ident() in self._quiet:
            return
        with self._guard:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append((what, names, soft))
            else:
                self._waiting[:] = [(CLEAR, [], False)]
        self._ring()

    @contextmanager
    def quietly(self) -> Generator[None]:
        """Announce nothing of what this thread does in the block."""
        me = threading.get_ident()
        is_outermost = me not in self._quiet
        self._quiet.add(me)
        try:
            yield
        finally:
            if is_outermost:
                self._quiet.discard(me)

    def talk(self) -> bool:
        """Follow what others have announced, and announce what waits; whether there was anything."""
        found = self._shelf.get(NAME, Announcements) or Announcements()
        is_new = self._hear(found)
        return self._send() or is_new

    def _hear(self, found: Announcements) -> bool:
        if self.heard == found.last:
            return False
        if self.heard < 0:
            # What was announced before this worker began concerns nothing that it has.
            self.heard = found.last
            return True
        new = [each for each in found.kept if each.number > self.heard]
        # A list that begins anew was lost, and nobody knows what it said.
        is_whole = found.last >= self.heard and len(new) == found.last - self.heard
        with self.quietly():
            if is_whole:
                for each in new:
                    if each.worker != self._worker:
                        self._follow(each.what, each.names, each.soft)
            else:
                self._follow(CLEAR, [], False)
        self.heard = found.last
        return True

    def _send(self) -> bool:
        with self._guard:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return False
        try:
            self._append(waiting)
        except BaseException:
            with self._guard:
                self._waiting[:0] = waiting
            raise
        return True

    def _append(self, waiting: list[tuple[str, list[str], bool]]) -> None:
        for _ in range(_TRIES):
            page, before = self._shelf.get_raw(NAME, Announcements)
            found = page or Announcements()
            self._hear(found)
            last = found.last + len(waiting)
            mine = [
                Announcement(number, self._worker, *each)
                for number, each in enumerate(waiting, found.last + 1)
            ]
            kept = [*found.kept, *mine][-_MOST_KEPT:]
            if self._shelf.exchange(NAME, Announcements(last, kept), before, _KEPT):
                self.heard = self.last_sent = last
                return
        raise BackendError(
            f"{len(waiting)} invalidations could not be announced yet: too many others do so too"
        )
