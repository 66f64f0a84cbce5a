"""What the memory store asks of an eviction policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class EvictionPolicy(Protocol):
    """The entries by key, and which one goes next. All but `get` and `touch` are called under the store's lock."""

    def get(self, key: str, /) -> Any:
        """Return the entry or None; takes no lock, and misses no entry that is there all the while."""
        ...

    def touch(self, key: str, /) -> object:
        """Note a hit. Called without the store's lock; may raise KeyError where the key has just gone."""
        ...

    def evict(self, incoming: str, /) -> Any:
        """Remove and return the entry that goes next, never that of `incoming`; there is at least one other.

        `incoming` is the key that room is made for. It may be asked for several victims before that key is stored.
        """
        ...

    def forget(self, key: str, /) -> None:
        """Forget what is remembered of a key that is not there any more."""
        ...

    def __setitem__(self, key: str, entry: Any, /) -> None:
        """Store an entry, or put it in the place of another with its key, which the store has touched before."""
        ...

    def __len__(self) -> int: ...
    def pop(self, key: str, default: None, /) -> Any:
        """Remove and return the entry, or None. That is no eviction: it says nothing about the key."""
        ...

    def values(self) -> Iterable[Any]:
        """Return the entries. Hits go on meanwhile, so callers take them into a list before they look."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...
