"""Generations: what makes invalidating a tag or namespace one write, whatever the number of entries.

An entry remembers the generation of each of its tags at the time its computation began. Invalidating writes a new
one; an entry with an old one is dead. A generation that the store lost is created anew with a never-used value, so
losing one costs misses and never brings a dead entry back.
"""

from __future__ import annotations

import secrets
import time
from typing import Final

#: Prefix of the keys that belong to the library. No readable key starts with NUL.
BOOKKEEPING: Final = "\x00cachelayer:"
_SIZE: Final = 16  # bytes of a generation; one that was softened has as many more
_MARK: Final = "key:"
_FLIGHT: Final = "\x00key:"  # no lock of a user's has this name
_MARKS: Final = BOOKKEEPING + "gen:" + _MARK
_FLIGHTS: Final = BOOKKEEPING + "lock:" + _FLIGHT


def generation_key(name: str) -> str:
    """Return the book-keeping key that holds the generation of `name`."""
    return BOOKKEEPING + "gen:" + name


def lease_key(name: str) -> str:
    """Return the book-keeping key that holds the lease called `name`."""
    return BOOKKEEPING + "lock:" + name


def mark_key(key: str) -> str:
    """Return the book-keeping key that each invalidation of `key` changes: the fence of computations for it."""
    return generation_key(_MARK + key)


def flight_lease(key: str) -> str:
    """Return the name of the lease that the one process holds which computes `key`."""
    return _FLIGHT + key


def home_of(key: str) -> str:
    """Return the key beside which `key` belongs: that of a mark or flight is the key it is about, any other its own.

    A store of several servers keeps both on one, so that a fenced write is atomic there.
    """
    return key.removeprefix(_MARKS).removeprefix(_FLIGHTS)


def new_generation() -> bytes:
    """Return 16 bytes that were never used before and sort by time."""
    return time.time_ns().to_bytes(8, "big") + secrets.token_bytes(8)


def first_generation() -> bytes:
    """Return 16 bytes that were never used before, for a name that was not invalidated at any time yet."""
    return bytes(8) + secrets.token_bytes(8)


def changed_at(generation: bytes) -> int:
    """Return when the generation was made or softened last: epoch nanoseconds by the clock of who did it."""
    return int.from_bytes(generation[-_SIZE : 8 - _SIZE], "big")


def softened(generation: bytes) -> bytes:
    """Return a generation under which what carries `generation` is stale, and not dead."""
    return generation[:_SIZE] + new_generation()


def is_softened(generation: bytes, now: bytes | None) -> bool:
    """Whether an entry of `generation` is stale, and not dead, where its tag has the generation `now`."""
    # A user's own store may give what is no bytes.
    return isinstance(now, bytes) and len(now) > _SIZE and now[:_SIZE] == generation[:_SIZE]
