"""ARC, after Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003.

Entries that were used once since they came are apart from those that were used again, each list in the order of use.
How much room each gets follows the ghosts: a key that comes back soon after it left one of the lists shows that this
one was too short.

In the paper's terms: `_recent` is T1, `_frequent` T2, `_left_recent` B1, `_left_frequent` B2, `_target` p,
`_capacity` c.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

from cachelayer.backends.policies.ghosts import Ghosts

_Entries = OrderedDict[str, Any]


class ARC:
    """Balances recency and frequency by itself. There are at most as many ghosts as entries."""

    def __init__(self, lock: RLock) -> None:
        self._recent: _Entries = OrderedDict()
        self._frequent: _Entries = OrderedDict()
        self._left_recent, self._left_frequent = Ghosts(), Ghosts()
        self._target = 0.0
        self._capacity = 0
        # Not the sum of the lists' lengths: an entry that moves is in both of them for a moment.
        self._count = 0
        #: The key that room is being made for, and the ghosts it was found among.
        self._incoming: str | None = None
        self._returns_to: Ghosts | None = None
        self.get = _make_get(self._recent, self._frequent)
        self.touch = _make_touch(self._recent, self._frequent, lock)

    def __len__(self) -> int:
        return self._count

    def __setitem__(self, key: str, entry: Any, /) -> None:
        if key in self._frequent:  # where the touch has put an entry that is replaced
            self._frequent[key] = entry
        else:
            if key != self._incoming:
                self._expect(key)
            (self._recent if self._returns_to is None else self._frequent)[key] = entry
            self._count += 1
        self._incoming = self._returns_to = None

    def evict(self, incoming: str, /) -> Any:
        """Remove and return the oldest entry of the list that is longer than it should be (the paper's REPLACE)."""
        if incoming != self._incoming:
            self._capacity = self._count
            self._expect(incoming)
        if self._is_recent_too_long(incoming):
            key, entry = self._recent.popitem(last=False)
            self._left_recent.add(key)
        else:
            key, entry = self._frequent.popitem(last=False)
            self._left_frequent.add(key)
        self._count -= 1
        self._drop_old_ghosts()
        return entry

    def forget(self, key: str, /) -> None:
        """Forget that the key was here."""
        self._left_recent.discard(key)
        self._left_frequent.discard(key)

    def pop(self, key: str, default: None, /) -> Any:
        """Remove and return the entry, or None; leaves no ghost."""
        entry = self._recent.pop(key, None)
        if entry is None:
            entry = self._frequent.pop(key, None)
        if entry is not None:
            self._count -= 1
        return entry

    def values(self) -> Iterable[Any]:
        """Return the entries, those used once first, each list in the order of use."""
        return [*self._recent.values(), *self._frequent.values()]

    def clear(self) -> None:
        """Forget everything that was learnt too."""
        for part in (self._recent, self._frequent, self._left_recent, self._left_frequent):
            part.clear()
        self._target, self._capacity, self._count = 0.0, 0, 0
        self._incoming = self._returns_to = None

    def _expect(self, key: str) -> None:
        """Look, once for each key that comes, whether it was here, and learn from that."""
        self._incoming, self._returns_to = key, None
        recent, frequent = self._left_recent, self._left_frequent
        if key in recent:
            self._returns_to = recent
            self._target = min(self._target + max(len(frequent) / len(recent), 1.0), self._capacity)
        elif key in frequent:
            self._returns_to = frequent
            self._target = max(self._target - max(len(recent) / len(frequent), 1.0), 0.0)
        if self._returns_to is not None:
            self._returns_to.discard(key)

    def _is_recent_too_long(self, incoming: str) -> bool:
        recent, frequent = self._recent, self._frequent
        if not recent:
            return False
        # An entry that grows is at the end of `frequent`, and stays.
        if not frequent or (len(frequent) == 1 and incoming in frequent):
            return True
        over = len(recent) - self._target
        return over > 0 or (over == 0 and self._returns_to is self._left_frequent)

    def _drop_old_ghosts(self) -> None:
        """Keep T1 + B1 within c and everything within 2c, the key included that comes next."""
        recent, frequent = self._left_recent, self._left_frequent
        most = self._capacity - (self._returns_to is None)
        while recent and len(self._recent) + len(recent) > most:
            recent.drop_oldest()
        while frequent and self._count + len(recent) + len(frequent) >= 2 * self._capacity:
            frequent.drop_oldest()


def _make_get(recent: _Entries, frequent: _Entries) -> Callable[[str], Any]:
    """Return `get`: a closure, since its cells cost less to read than attributes."""
    in_recent, in_frequent = recent.get, frequent.get

    def get(key: str, /) -> Any:
        entry = in_frequent(key)
        if entry is None:
            entry = in_recent(key)
            if entry is None:
                # It may have moved between the two looks. It never moves the other way.
                entry = in_frequent(key)
        return entry

    return get


def _make_touch(recent: _Entries, frequent: _Entries, lock: RLock) -> Callable[[str], None]:
    """Return `touch`: no lock for an entry that was used before, which most hits are of."""
    move_to_end = frequent.move_to_end

    def touch(key: str, /) -> None:
        if key in frequent:
            move_to_end(key)
            return
        with lock:
            if key in recent:
                # In this order, so that `get` finds it all the while.
                frequent[key] = recent[key]
                del recent[key]
            else:
                move_to_end(key)  # Another thread has moved it; KeyError if it has gone.

    return touch
