"""Eviction policies of the memory store: a mapping of the entries that also knows which one goes next.

`"lru"` is the default, exact, and never a bad choice. `"arc"` is hardly ever worse than it and often better, for more
time an operation. `"s3fifo"` suits large caches; with room for only some tens of entries it can be far worse than LRU.

Rules:
- Reads take no lock: `get` and `touch` run while another thread, which holds the store's lock, changes anything else.
- ARC and S3-FIFO are published for pages of one size. Here entries differ in size, and all that these two count,
  compare and remember is a number of entries: the store asks for one victim after another until the bytes fit, and
  their capacity, `c` in the papers, is the number of entries there were when room was last made. With `max_entries`
  alone, that is the published algorithm. Bytes are bounded by the store whatever a policy chooses.
- What a policy remembers of entries that it has evicted, ghosts, is bounded by the entries there are, is no more than
  a hash each, and only of entries that would still be good: an entry that had expired, or was deleted, would not have
  been a hit in a larger cache either. (Of a ghost it is not known whether it has expired since, or lost its tags.)
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Final

from cachelayer.backends.policies.arc import ARC
from cachelayer.backends.policies.base import EvictionPolicy
from cachelayer.backends.policies.lru import LRU
from cachelayer.backends.policies.s3fifo import S3FIFO
from cachelayer.errors import ConfigurationError

__all__ = ["POLICIES", "EvictionPolicy", "make_policy"]

POLICIES: Final[dict[str, Callable[[RLock], EvictionPolicy]]] = {"arc": ARC, "lru": LRU, "s3fifo": S3FIFO}


def make_policy(name: str, lock: RLock) -> EvictionPolicy:
    """Return a new policy by name; raises ConfigurationError for one that is not there.

    Args:
        name: one of `POLICIES`.
        lock: the store's, which is held for every change.
    """
    try:
        policy = POLICIES[name]
    except (KeyError, TypeError):
        raise ConfigurationError(f"policy={name!r} is unknown: choose one of {sorted(POLICIES)}") from None
    return policy(lock)
