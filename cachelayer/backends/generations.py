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
_MARK: Final = "key:"


def generation_key(name: str) -> str:
    """Return the book-keeping key that holds the generation of `name`."""
    return BOOKKEEPING + "gen:" + name


def lease_key(name: str) -> str:
    """Return the book-keeping key that holds the lease called `name`."""
    return BOOKKEEPING + "lock:" + name


def mark_key(key: str) -> str:
    """Return the book-keeping key that each invalidation of `key` changes: the fence of computations for it."""
    return generation_key(_MARK + key)


def home_of(key: str) -> str:
    """Return the key beside which `key` belongs: that of a mark is the key it marks, any other its own.

    A store of several servers keeps both on one, so that a fenced write is atomic there.
    """
    prefix = BOOKKEEPING + "gen:" + _MARK
    return key.removeprefix(prefix)


def new_generation() -> bytes:
    """Return 16 bytes that were never used before and sort by time."""
    return time.time_ns().to_bytes(8, "big") + secrets.token_bytes(8)
