"""Compression of values: by zstandard where it is installed, else by zlib.

    length of the value (64 bits, little-endian) | compressed value

The length is checked against a limit before anything is inflated, and no more than that is ever inflated.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

from cachelayer.errors import DecodingError

#: The numbers of the algorithms. They are part of the format.
NONE: Final = 0
ZLIB: Final = 1
ZSTANDARD: Final = 2

#: Bytes from which compression is tried.
SMALLEST: Final = 1024
#: Bytes beyond which values are neither compressed nor inflated: a planted entry can take this much memory.
LARGEST: Final = 64 * 2**20
#: It must save a tenth.
_WORTH: Final = 0.9

_LENGTH: Final = 8
# Quick ones: a cache is there to save time.
_ZLIB_LEVEL: Final = 1
_ZSTANDARD_LEVEL: Final = 3


def compress(data: bytes) -> tuple[int, bytes]:
    """Return number and bytes: 0 and `data` itself where compression does not save a tenth."""
    if not SMALLEST <= len(data) <= LARGEST:
        return NONE, data
    zstandard = _zstandard()
    if zstandard is None:
        number, packed = ZLIB, zlib.compress(data, _ZLIB_LEVEL)
    else:
        number, packed = ZSTANDARD, zstandard.ZstdCompressor(level=_ZSTANDARD_LEVEL).compress(data)
    if len(packed) + _LENGTH > _WORTH * len(data):
        return NONE, data
    return number, len(data).to_bytes(_LENGTH, "little") + packed


def decompress(number: int, data: bytes) -> bytes:
    """Return what was compressed.

    Raises:
        DecodingError: the value is too large, damaged, or compressed by something that is not installed here.
    """
    if number == NONE:
        return data
    length = int.from_bytes(data[:_LENGTH], "little")
    if length > LARGEST:
        raise DecodingError(f"a value of {length} bytes, where {LARGEST} are allowed")
    inflate = _INFLATE.get(number)
    if inflate is None:
        raise DecodingError(f"compression {number} is not known here")
    value = inflate(data[_LENGTH:], length)
    if len(value) != length:
        raise DecodingError("a compressed value whose length is not what it says")
    return value


def _inflate_zlib(data: bytes, length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # One byte more than there may be, so that a value which goes on is found out.
        value = inflater.decompress(data, length + 1)
    except zlib.error as error:
        raise DecodingError(f"a damaged compressed value: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise DecodingError("a compressed value that does not end where it should")
    return value


def _inflate_zstandard(data: bytes, length: int) -> bytes:
    zstandard = _zstandard()
    if zstandard is None:
        raise DecodingError(
            "compressed by zstandard, which is missing here: pip install 'cachelayer[zstandard]'"
        )
    try:
        # The frame says its length, too, and memory is taken by what that says.
        if zstandard.frame_content_size(data) != length:
            raise DecodingError("a compressed value whose length is not what it says")
        value: bytes = zstandard.ZstdDecompressor().decompress(
            data, max_output_size=length, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise DecodingError(f"a damaged compressed value: {error}") from None
    return value


_INFLATE: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    ZLIB: _inflate_zlib,
    ZSTANDARD: _inflate_zstandard,
}


@cache
def _zstandard() -> Any:
    try:
        return import_module("zstandard")
    except ImportError:
        return None
