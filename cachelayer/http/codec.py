"""Entries to bytes and back, for stores that keep bytes.

Bytes from a store are not trusted: what is not one of ours, or has fields that could split a response in two, is an
error, and the caller counts a miss. The format has no version of its own: the envelope around it has one.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import msgspec

from cachelayer.errors import DecodingError
from cachelayer.http.fields import well_formed
from cachelayer.http.messages import Entry, StoredResponse, VariantIndex
from cachelayer.http.partial import PartialResponse

#: All that a store may hold.
Kept: TypeAlias = Entry | PartialResponse

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredResponse | VariantIndex | PartialResponse)


def encode_entry(entry: Kept) -> bytes:
    """Return an entry as bytes."""
    return _ENCODER.encode(entry)


def decode_entry(data: bytes | bytearray | memoryview) -> Kept:
    """Return the entry that `encode_entry` made these bytes of.

    Raises:
        DecodingError: they are none, or what they hold must not be sent.
    """
    try:
        entry: Kept = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodingError("the bytes are not an HTTP entry of cachelayer") from error
    response = entry.response if isinstance(entry, PartialResponse) else entry
    sound = not isinstance(entry, PartialResponse) or entry.sound
    if not sound or (isinstance(response, StoredResponse) and not _sendable(response)):
        raise DecodingError("the stored response has a status, time or field that cannot be sent")
    return entry


def _sendable(stored: StoredResponse) -> bool:
    times = (
        stored.request_time, stored.response_time, stored.initial_age,
        stored.fresh_until, stored.stale_until, stored.error_until, stored.kept_until,
    )  # fmt: skip
    lines = ((b"phrase", stored.phrase), *stored.headers) if stored.phrase else stored.headers
    return 200 <= stored.status <= 599 and all(map(math.isfinite, times)) and well_formed(lines)
