"""HTTP entries as the stores keep them."""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.http import Kept, PartialResponse, VariantIndex, decode_entry, encode_entry
from cachelayer.values.numbers import RESPONSE
from cachelayer.values.snapshot import Snapshot


class ResponseCodec:
    """HTTP entries: kept as they are in this process, since nothing in them can change, and as bytes elsewhere."""

    def keep(self, value: Kept) -> Snapshot:
        """Return the entry itself, with the length of its bytes, or raise EncodingError."""
        return Snapshot(value, None, encode_entry, RESPONSE, _size(value))

    def encode(self, value: Kept) -> tuple[int, bytes]:
        """Return the codec's number and the entry's bytes, or raise EncodingError."""
        return RESPONSE, _encode(value)

    def decode(self, codec: int, data: bytes) -> Kept:
        """Return the entry, or raise DecodingError."""
        if codec != RESPONSE:
            raise DecodingError(f"codec {codec} is not that of an HTTP response")
        return decode_entry(data)


RESPONSES: Final = ResponseCodec()


def _encode(entry: Kept) -> bytes:
    try:
        return encode_entry(entry)
    except UnicodeEncodeError as error:
        raise EncodingError(f"a tag is no text: {error}") from error


def _size(entry: Kept) -> int:
    """Return the length of an entry's bytes, without copying its body."""
    if isinstance(entry, (VariantIndex, PartialResponse)):
        return len(_encode(entry))
    length = len(entry.body)
    # MessagePack puts the length in front, in one, two or four bytes.
    return (
        len(_encode(msgspec.structs.replace(entry, body=b"")))
        + length
        + (length > 0xFF)
        + 2 * (length > 0xFFFF)
    )
