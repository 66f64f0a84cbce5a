"""A queue of keys, from whose middle keys may leave."""

from __future__ import annotations

from collections import deque
from typing import Final

#: Places that may be void however short the queue is.
_SLACK: Final = 64


class Line:
    """First in, first out, at 8 bytes a key. Every step takes constant time, taken over many.

    A key that leaves from the middle leaves its place behind, which is passed over later. The place of a key that has
    come again since is behind those it left.
    """

    __slots__ = ("_keys", "_left", "_voids")

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        #: How many of the foremost places of a key are void.
        self._left: dict[str, int] = {}
        self._voids = 0

    def __len__(self) -> int:
        return len(self._keys) - self._voids

    def push(self, key: str) -> None:
        """Add a key, which must not be here, at the end."""
        self._keys.append(key)

    def pop(self) -> str:
        """Remove and return the foremost key; IndexError where there is none."""
        key = self._keys.popleft()
        while self._left and self._is_void(key):
            key = self._keys.popleft()
        return key

    def leave(self, key: str) -> None:
        """Remove a key that is here, wherever it stands."""
        self._left[key] = self._left.get(key, 0) + 1
        self._voids += 1
        if self._voids > len(self) + _SLACK:
            self._keys = deque([other for other in self._keys if not self._is_void(other)])

    def clear(self) -> None:
        """Remove all."""
        self._keys.clear()
        self._left.clear()
        self._voids = 0

    def _is_void(self, key: str) -> bool:
        """Whether the place of this key that is passed right now is void."""
        voids = self._left.get(key)
        if voids is None:
            return False
        if voids == 1:
            del self._left[key]
        else:
            self._left[key] = voids - 1
        self._voids -= 1
        return True
