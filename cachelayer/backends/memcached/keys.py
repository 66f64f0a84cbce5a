"""Which key an entry has in Memcached, which takes at most 250 bytes without spaces and control characters.

    cl:<namespace>:=<key>      a key that is short plain ASCII, as it is
    cl:<namespace>:#<digest>   any other
    cl:<namespace>:/<id>.<n>   a part of a value that was split
    cl:<namespace>:@           the namespace's generation, one on each server

A namespace that is not short plain ASCII is a digest too, behind "~". No namespace contains ":", and what follows it
says what kind of key it is, so that no two keys can be made to collide by choosing strings.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

_PLAIN_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.-]{0,40}")
_PLAIN_KEY: Final = re.compile(r"[!-~]{1,180}")


class PhysicalKeys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        name = namespace if _PLAIN_NAMESPACE.fullmatch(namespace) else "~" + _digest(namespace, 16)
        self._readable = f"cl:{name}:=".encode()
        self._digested = f"cl:{name}:#".encode()
        self._part = f"cl:{name}:/".encode()
        #: That of the namespace's generation.
        self.generation = f"cl:{name}:@".encode()

    def of(self, key: str) -> bytes:
        """Return the physical key of `key`."""
        if _PLAIN_KEY.fullmatch(key):
            return self._readable + key.encode()
        return self._digested + _digest(key, 20).encode()

    def part(self, unique: bytes, number: int) -> bytes:
        """Return the physical key of part `number` of the value that was written as `unique`."""
        return b"%b%b.%d" % (self._part, unique, number)


def _digest(text: str, size: int) -> str:
    # A lone surrogate is a character of a key like any other.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
