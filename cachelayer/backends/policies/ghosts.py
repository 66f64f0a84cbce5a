"""Which keys were evicted lately, by their hashes: first in, first out."""

from __future__ import annotations

from collections import OrderedDict


class Ghosts:
    """Remembers keys that have gone, at some 140 bytes each, however long they are.

    Where two keys share a hash, the one is taken for the other that was here: a worse guess, never a wrong answer.
    """

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._hashes

    def add(self, key: str) -> None:
        """Remember a key, as the latest."""
        self._hashes[hash(key)] = None

    def discard(self, key: str) -> None:
        """Forget a key, if it is there."""
        self._hashes.pop(hash(key), None)

    def drop_oldest(self) -> None:
        """Forget the key that has been here longest."""
        self._hashes.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._hashes.clear()
