"""The envelope around every value in a byte store: version, codec, times, tags with their generations, label.

All that the engine needs to judge an entry travels inside the value, so that any store of bytes will do. An envelope
of an unknown version is not an error but a miss: old and new code can share a store. What is done to it on its way
to a shared store, compression and signature, is in `sealing`.

    magic 0xC1 "L" | version | codec | compression
    created | fresh_until | expires | cost | number of tags | label length
    then each tag (name length, name, generation length, generation), the label, the payload, a CRC-32 of all before it
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import msgspec

from cachelayer.errors import DecodingError, EncodingError

VERSION: Final = 1
_MAGIC: Final = b"\xc1L"
_HEAD: Final = struct.Struct("<2sBBBddddHH")
_TAG: Final = struct.Struct("<HB")

_CHECKSUM_SIZE: Final = 4

#: What an envelope without tags and label adds to its payload. Times are epoch seconds as float64; infinity is never.
OVERHEAD: Final = _HEAD.size + _CHECKSUM_SIZE


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A value's bytes with what the engine must know about them.

    Attributes:
        codec: the number of the codec that made the value's bytes.
        payload: these bytes, compressed or not.
        created: epoch seconds of the computation's end.
        fresh_until: epoch seconds of the soft expiry.
        expires: epoch seconds of the hard expiry.
        cost: seconds that the computation took.
        tags: names with the generation each had when the computation began.
        label: the route, or "".
        compression: how `payload` is compressed; 0 where it is not.
    """

    codec: int
    payload: bytes
    created: float
    fresh_until: float
    expires: float
    cost: float = 0.0
    tags: tuple[tuple[str, bytes], ...] = ()
    label: str = ""
    compression: int = 0


def pack(envelope: Envelope) -> bytes:
    """Return the envelope as bytes, or raise EncodingError where a tag or the label is too long for one."""
    try:
        label = envelope.label.encode()
        head = _HEAD.pack(
            _MAGIC,
            VERSION,
            envelope.codec,
            envelope.compression,
            envelope.created,
            envelope.fresh_until,
            envelope.expires,
            envelope.cost,
            len(envelope.tags),
            len(label),
        )
        sealed = b"".join((head, *map(_pack_tag, envelope.tags), label, envelope.payload))
        return sealed + _checksum(sealed)
    except (struct.error, UnicodeEncodeError) as error:
        raise EncodingError(f"its tags or its label do not fit into an entry: {error}") from None


def unpack(data: bytes) -> Envelope:
    """Return the envelope in `data`.

    Raises:
        DecodingError: truncated, foreign, or of a version that this code does not know.
    """
    if not isinstance(data, bytes):
        raise DecodingError(f"not bytes but {type(data).__name__}")
    try:
        magic, version, codec, compression, created, fresh_until, expires, cost, tag_count, label_size = (
            _HEAD.unpack_from(data)
        )
        if magic != _MAGIC or version != VERSION:
            raise DecodingError("not an envelope of this version")
        if _checksum(memoryview(data)[:-_CHECKSUM_SIZE]) != data[-_CHECKSUM_SIZE:]:
            raise DecodingError(
                "damaged or truncated envelope, or a signed one where no secret keys are given"
            )
        tags, place = _unpack_tags(data, tag_count)
        end = place + label_size
        if end > len(data) - _CHECKSUM_SIZE:
            raise DecodingError("truncated envelope")
        label = data[place:end].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise DecodingError(f"damaged envelope: {error}") from None
    payload = data[end:-_CHECKSUM_SIZE]
    return Envelope(codec, payload, created, fresh_until, expires, cost, tags, label, compression)


def _checksum(data: bytes | memoryview) -> bytes:
    # Against accidents, not attacks: who can write to the store can make one.
    return zlib.crc32(data).to_bytes(_CHECKSUM_SIZE, "little")


def _pack_tag(tag: tuple[str, bytes]) -> bytes:
    name, generation = tag[0].encode(), tag[1]
    return b"".join((_TAG.pack(len(name), len(generation)), name, generation))


def _unpack_tags(data: bytes, count: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    place = _HEAD.size
    tags: list[tuple[str, bytes]] = []
    for _ in range(count):
        name_size, generation_size = _TAG.unpack_from(data, place)
        middle = place + _TAG.size + name_size
        end = middle + generation_size
        if end > len(data):
            raise DecodingError("truncated envelope")
        tags.append((data[place + _TAG.size : middle].decode(), data[middle:end]))
        place = end
    return tuple(tags), place
