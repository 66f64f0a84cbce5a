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


def generation_key(name: str) -> str:
    """Return the book-keeping key that holds the generation of `name`."""
    return BOOKKEEPING + "gen:" + name


def new_generation() -> bytes:
    """Return 16 bytes that were never used before and sort by time."""
    return time.time_ns().to_bytes(8, "big") + secrets.token_bytes(8)
