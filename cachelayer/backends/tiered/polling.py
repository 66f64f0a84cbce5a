"""Hearing of changes by polling: for stores that send no messages.

Keys fall into groups. Each write through a tiered backend gives the key's group a new generation in the store, after
the write; a thread reads all the groups' generations with one `get_many` an interval, and drops the copies of every
key in a group whose generation changed. Only those writes are heard of. One's own count as well: that nobody else's
came between cannot be told from a generation that is written blindly.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from threading import Event
from typing import ClassVar, Final

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.generations import generation_key
from cachelayer.backends.operate import Operate
from cachelayer.backends.tiered.feeds import ChangeFeed, logger
from cachelayer.backends.tiered.near import Near
from cachelayer.flows import Flow
from cachelayer.forks import ProcessLock

_GROUPS: Final = 64
#: Names of generations. A user's tag never has NUL first.
_NAMES: Final = tuple(f"\x00near:{number:02}" for number in range(_GROUPS))
_KEYS: Final = {generation_key(name): name for name in _NAMES}
#: Seconds without any read after which polling stops, until the next one.
_IDLE: Final = 1.0


def group_of(key: str) -> str:
    """Return the name of the group that the key is in: the same in every process, whatever its hash seed."""
    return _NAMES[zlib.crc32(key.encode("utf-8", "surrogatepass")) % _GROUPS]


class PollingFeed(ChangeFeed):
    """Reads the groups' generations from the store.

    Args:
        near: the copies.
        store: where the generations are.
        interval: seconds between polls. A poll vouches for the copies for twice as long.
    """

    announces: ClassVar[bool] = True

    def __init__(self, near: Near, store: CacheBackend, *, interval: float) -> None:
        super().__init__(near)
        self.bound = 2 * interval
        self._store = store
        self._interval = interval
        self._owed: set[str] = set()
        self._owing = ProcessLock()
        self._wanted = Event()

    def wake(self) -> None:
        """Poll from now on, and at once if polling had stopped."""
        super().wake()
        if not self._wanted.is_set():
            self._wanted.set()

    def interrupt(self) -> None:
        """Wake the thread."""
        self._wanted.set()

    def forsake(self) -> None:
        """Make the event anew: the parent's may be held by a thread that does not go on here."""
        self._wanted = Event()

    # -- telling ----------------------------------------------------------------------------------------------

    def announce(self, keys: Iterable[str] | None) -> Flow[None]:
        """Give the keys' groups new generations. Where that fails the thread goes on trying."""
        names = _groups(keys)
        if not names:
            return
        try:
            yield Operate(self._store, "bump_generations", (names,))
        except BaseException as error:
            self._owe(names)
            if not isinstance(error, Exception):
                raise
            logger.warning("a write is not announced to other processes yet: %s", error)

    def owe(self, keys: Iterable[str] | None) -> None:
        """Let the thread announce it."""
        self._owe(_groups(keys))

    # -- hearing ----------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Poll until closed, or until nobody reads for a while."""
        known = self._poll()
        self.opened()
        reads, used = -1, time.monotonic()
        while not self.is_over:
            started = time.monotonic()
            heard = self._poll()
            self.near.drop_groups(name for key, name in _KEYS.items() if heard.get(key) != known.get(key))
            known = heard
            self.near.valid_until = started + self.bound
            if self._wanted.is_set() or self.near.reads != reads:
                self._wanted.clear()
                reads, used = self.near.reads, started
            if started - used > _IDLE:
                self._wanted.wait()
            else:
                self.pause(self._interval)

    def _poll(self) -> dict[str, bytes]:
        with self.busy:
            self._pay()
            return self._store.get_many(_KEYS)

    def _owe(self, names: Iterable[str]) -> None:
        with self._owing:
            self._owed.update(names)
        self.wake()

    def _pay(self) -> None:
        with self._owing:
            owed, self._owed = self._owed, set()
        if owed:
            try:
                self._store.bump_generations(owed)
            except BaseException:
                self._owe(owed)
                raise


def _groups(keys: Iterable[str] | None) -> list[str]:
    return list(_NAMES) if keys is None else sorted({group_of(key) for key in keys})
