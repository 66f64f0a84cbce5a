"""S3-FIFO, after Yang, Zhang, Qiu, Yue and Vigfusson, "FIFO queues are all you need for cache eviction", SOSP 2023.

What comes goes through a small queue, a tenth of the entries, and from there into the main queue only if it was used
more than once meanwhile: what is wanted once passes by quickly. A key that comes back soon after it left the small
queue goes straight into the main one, whose entries get another round for each use, up to three. A hit moves nothing:
it raises a count that stops at three, so that the hottest keys only read it.

As in the authors' own implementation, entries go into both queues in proportion until the cache is first full: else all
that were there at the start would have to prove themselves in a queue that is far too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any, Final

from cachelayer.backends.policies.ghosts import Ghosts
from cachelayer.backends.policies.line import Line

#: The small queue's part of all entries is one in so many.
_SHARE: Final = 10
#: How often an entry must have been used in the small queue to go into the main one.
_PROMOTED: Final = 2
#: Uses that are counted at most.
_MOST: Final = 3


class S3FIFO:
    """Filters what is used once in a small queue. There are at most as many ghosts as entries in the main one.

    A hit takes no lock. Two at the same moment may count as one, and one on a key that has just gone may leave a count
    behind, which is swept away when there are more counts than entries.
    """

    def __init__(self, lock: RLock) -> None:
        self._entries: dict[str, Any] = {}
        self._small, self._main, self._ghosts = Line(), Line(), Ghosts()
        self._is_small: set[str] = set()
        #: How often each entry was used since it came into its queue; entries that were not used are not here.
        self._uses: dict[str, int] = {}
        self._was_full = False
        self.get = self._entries.get
        self.touch = _make_touch(self._uses)

    def __len__(self) -> int:
        return len(self._entries)

    def __setitem__(self, key: str, entry: Any, /) -> None:
        if key not in self._entries:
            self._uses.pop(key, None)
            if self._goes_to_main(key):
                self._main.push(key)
            else:
                self._small.push(key)
                self._is_small.add(key)
        self._entries[key] = entry

    def evict(self, incoming: str, /) -> Any:
        """Remove and return the entry that has passed through its queue unused."""
        self._was_full = True
        share = max(len(self._entries) // _SHARE, 1)
        victim = None
        while victim is None:
            from_small = len(self._small) >= share or not self._main
            victim = self._pass_small(incoming) if from_small else self._pass_main(incoming)
        entry = self._entries.pop(victim)
        self._drop_counts(victim)
        while len(self._ghosts) > max(len(self._main), 1):
            self._ghosts.drop_oldest()
        return entry

    def forget(self, key: str, /) -> None:
        """Forget that the key was here."""
        self._ghosts.discard(key)

    def pop(self, key: str, default: None, /) -> Any:
        """Remove and return the entry, or None; leaves no ghost."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            if key in self._is_small:
                self._is_small.remove(key)
                self._small.leave(key)
            else:
                self._main.leave(key)
            self._drop_counts(key)
        return entry

    def values(self) -> Iterable[Any]:
        """Return the entries, in no order that tells anything."""
        return self._entries.values()

    def clear(self) -> None:
        """Forget everything that was learnt too."""
        for part in (self._entries, self._small, self._main, self._ghosts, self._is_small, self._uses):
            part.clear()
        self._was_full = False

    def _goes_to_main(self, key: str) -> bool:
        if key in self._ghosts:
            self._ghosts.discard(key)
            return True
        return not self._was_full and len(self._small) * _SHARE > len(self._entries)

    def _pass_small(self, incoming: str) -> str | None:
        """Let the small queue move on until an entry falls out of it; None where all of them were promoted."""
        while self._small:
            key = self._small.pop()
            self._is_small.remove(key)
            if self._uses.get(key, 0) < _PROMOTED and key != incoming:
                self._ghosts.add(key)
                return key
            self._uses.pop(key, None)
            self._main.push(key)
        return None

    def _pass_main(self, incoming: str) -> str:
        """Let the main queue move on until an entry comes up that has no round left."""
        # By then nobody has, unless other threads' hits gave out new ones all the while.
        rounds = _MOST * len(self._main)
        while True:
            key = self._main.pop()
            uses = self._uses.pop(key, 0)
            if key != incoming and (not uses or rounds <= 0):
                return key
            if uses > 1:
                self._uses[key] = uses - 1
            self._main.push(key)
            rounds -= 1

    def _drop_counts(self, key: str) -> None:
        """Drop the count of a key that has gone, and those that late hits have left behind."""
        self._uses.pop(key, None)
        if len(self._uses) > len(self._entries):
            for other in list(self._uses):
                if other not in self._entries:
                    self._uses.pop(other, None)


def _make_touch(uses: dict[str, int]) -> Callable[[str], None]:
    """Return `touch`: a closure, since its cells cost less to read than attributes."""
    uses_of = uses.get

    def touch(key: str, /) -> None:
        count = uses_of(key, 0)
        if count < _MOST:
            uses[key] = count + 1

    return touch
