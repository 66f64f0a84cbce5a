"""The frame around a value in a store that keeps nothing but bytes (Redis, Memcached): times, metadata, checksum.

    magic 0xC1 "F" | version | flags | created | expires | CRC-32 of metadata and value | metadata length | value length
    then the metadata as JSON, and the value

Little-endian, 32 bytes before the metadata, so that a script in the server can take it apart: `struct` in Lua has the
same layout as `HEAD.format`. What is no frame, or a damaged one, is a miss.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Final

import msgspec

from cachelayer.backends.entry import CacheEntry, Metadata
from cachelayer.backends.metadata import encode_metadata
from cachelayer.clock import Clock

VERSION: Final = 1
MAGIC: Final = b"\xc1F"
#: A value that a server's script wrote, which has no CRC.
UNCHECKED: Final = 1
HEAD: Final = struct.Struct("<2sBBddIII")


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A value as the store keeps it; times are epoch seconds, `expires` is infinite where it never does."""

    value: bytes
    created: float
    expires: float = math.inf
    metadata: bytes = b""

    def entry(self, key: str, clock: Clock) -> CacheEntry:
        """Return it as `CacheBackend.get_entry` does."""
        expires = None if self.expires == math.inf else self.expires
        metadata = msgspec.json.decode(self.metadata) if self.metadata else None
        return CacheEntry(key, self.value, self.created, expires, len(self.value), metadata, clock)


def make_frame(value: bytes, now: float, ttl: float | None, metadata: Metadata | None) -> Frame:
    """Return the frame of a value written now; raises OptionTypeError for metadata that cannot be kept."""
    encoded = b"" if metadata is None else encode_metadata(metadata)
    return Frame(value, now, math.inf if ttl is None else now + ttl, encoded)


def pack_frame(frame: Frame) -> bytes:
    """Return the frame as bytes."""
    metadata, value = frame.metadata, frame.value
    check = zlib.crc32(value, zlib.crc32(metadata))
    head = HEAD.pack(MAGIC, VERSION, 0, frame.created, frame.expires, check, len(metadata), len(value))
    return b"".join((head, metadata, value))


def unpack_frame(data: bytes | memoryview) -> Frame | None:
    """Return the frame in `data`; None where that is none of ours, truncated or damaged."""
    if len(data) < HEAD.size:
        return None
    magic, version, flags, created, expires, check, metadata_size, value_size = HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION or len(data) != HEAD.size + metadata_size + value_size:
        return None
    body = memoryview(data)[HEAD.size :]
    if not flags & UNCHECKED and zlib.crc32(body) != check:
        return None
    return Frame(bytes(body[metadata_size:]), created, expires, bytes(body[:metadata_size]))
