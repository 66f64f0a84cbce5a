"""The bytes of one item in Memcached: the namespace's generation it was written under, and a frame.

    kind (1 byte) | generation (16 bytes) | frame

An item lives while its frame has not expired and the namespace still has its generation: that is how one write per
server clears a namespace. Book-keeping (generations of tags, leases) outlives a clear, and has the generation `BOOKS`.

A value above the item limit may be split. The frame then holds a manifest, and the value lies in parts under keys
with an id that no other write has, so that parts of two writes never mix. A part that is missing makes it a miss.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from cachelayer.backends.frame import Frame, pack_frame, unpack_frame
from cachelayer.backends.generations import BOOKKEEPING
from cachelayer.backends.memcached.keys import PhysicalKeys

WHOLE: Final = b"v"
SPLIT: Final = b"s"
_KINDS: Final = frozenset({WHOLE, SPLIT})
_PREFIX: Final = 17
_MANIFEST: Final = struct.Struct("<16sIQI")

#: What book-keeping items have in place of a generation. No generation looks like it.
BOOKS: Final = b"-" * 16
#: Reads as a miss: a place is held for a write to come, or was given up.
GONE: Final = Frame(b"", 0.0, 0.0)


def new_namespace_generation() -> bytes:
    """Return 16 characters that were never used before; text, because answers are read by lines."""
    return secrets.token_urlsafe(12).encode()


def is_book(key: str) -> bool:
    """Whether the key belongs to the library's book-keeping."""
    return key.startswith(BOOKKEEPING)


class Item(msgspec.Struct, frozen=True, gc=False):
    """What an item's bytes say."""

    kind: bytes
    generation: bytes
    frame: Frame

    def lives(self, generation: bytes | None, now: float) -> bool:
        """Whether it is there for a reader who knows the namespace's generation and the time."""
        return self.frame.expires > now and (self.generation in {BOOKS, generation})


def item_pieces(kind: bytes, generation: bytes, frame: Frame) -> tuple[bytes, bytes]:
    """Return the bytes of an item in two pieces."""
    return kind + generation, pack_frame(frame)


def pack_item(kind: bytes, generation: bytes, frame: Frame) -> bytes:
    """Return the bytes of an item."""
    return b"".join(item_pieces(kind, generation, frame))


def unpack_item(data: bytes) -> Item | None:
    """Return the item in `data`; None where that is none of ours, or damaged."""
    frame = unpack_frame(memoryview(data)[_PREFIX:])
    if frame is None or data[:1] not in _KINDS:
        return None
    return Item(data[:1], data[1:_PREFIX], frame)


class Manifest(msgspec.Struct, frozen=True):
    """Where the parts of a split value are."""

    unique: bytes
    parts: int
    size: int
    check: int

    def keys(self, physical: PhysicalKeys) -> list[bytes]:
        """Return the parts' physical keys, in order."""
        return [physical.part(self.unique, number) for number in range(self.parts)]

    def pack(self) -> bytes:
        """Return it as the value of a frame."""
        return _MANIFEST.pack(self.unique, self.parts, self.size, self.check)

    def join(self, parts: Sequence[bytes]) -> bytes | None:
        """Return the value; None where the parts do not make it up."""
        value = b"".join(parts)
        return value if len(value) == self.size and zlib.crc32(value) == self.check else None


def split_value(value: bytes, size: int) -> tuple[Manifest, list[bytes]]:
    """Cut `value` into parts of `size` bytes."""
    parts = [value[start : start + size] for start in range(0, len(value), size)]
    unique = new_namespace_generation()
    return Manifest(unique, len(parts), len(value), zlib.crc32(value)), parts


def unpack_manifest(data: bytes) -> Manifest | None:
    """Return the manifest in a frame's value; None where it is none."""
    return Manifest(*_MANIFEST.unpack(data)) if len(data) == _MANIFEST.size else None
