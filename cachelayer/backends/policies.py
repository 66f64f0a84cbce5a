"""Eviction policies of the memory store: a mapping of the entries that also knows which one goes next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from cachelayer.errors import ConfigurationError


class EvictionPolicy(Protocol):
    """What the memory store asks of a policy. All but `get` and `touch` are called under the store's lock."""

    def get(self, key: str, /) -> Any:
        """Return the entry or None; must be one atomic read, since hits take no lock."""
        ...

    def touch(self, key: str, /) -> object:
        """Note a hit. Called without the store's lock; raises KeyError where the key has just gone."""
        ...

    def evict(self) -> Any:
        """Remove and return the entry that goes next; never called on an empty store."""
        ...

    def __setitem__(self, key: str, entry: Any, /) -> None:
        """Store or replace; the entry is the most recent one."""
        ...

    def __len__(self) -> int: ...
    def pop(self, key: str, default: None, /) -> Any:
        """Remove and return the entry, or None."""
        ...

    def values(self) -> Iterable[Any]:
        """Return the entries. Hits go on meanwhile, so callers take them into a list before they look."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class LRU(OrderedDict[str, Any]):
    """Evicts the least recently used entry, exactly."""

    # The builtin itself: a hit calls it bound, with no Python frame of ours between.
    touch: Callable[..., object] = OrderedDict[str, Any].move_to_end

    def evict(self) -> Any:
        """Remove and return the least recently used entry: one C call, since hits take no lock."""
        return self.popitem(last=False)[1]


_POLICIES: Final[dict[str, Callable[[], EvictionPolicy]]] = {"lru": LRU}


def make_policy(name: str) -> EvictionPolicy:
    """Return a new policy by name; raises ConfigurationError for one that is not there."""
    try:
        return _POLICIES[name]()
    except (KeyError, TypeError):
        raise ConfigurationError(f"policy={name!r} is unknown: choose one of {sorted(_POLICIES)}") from None
