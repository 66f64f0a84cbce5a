"""The least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import RLock
from typing import Any


class LRU(OrderedDict[str, Any]):
    """Evicts the least recently used entry, exactly."""

    # The builtin itself: a hit calls it bound, with no Python frame of ours between.
    touch: Callable[..., object] = OrderedDict[str, Any].move_to_end

    def __init__(self, lock: RLock) -> None:
        super().__init__()

    def evict(self, incoming: str, /) -> Any:
        """Remove and return the least recently used entry: one C call, since hits take no lock.

        It is not `incoming`'s, which was touched if it is there at all.
        """
        return self.popitem(last=False)[1]

    def forget(self, key: str, /) -> None:
        """Do nothing: only what is there is known."""
