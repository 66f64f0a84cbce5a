"""Reads cache traces: which keys were asked for, one request after another.

A trace is compressed with xz or gzip, or not at all, and holds big-endian 32-bit integers, or one decimal number a
line. Both are told by the content.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

_OPENERS: Final[dict[bytes, Callable[[Path], IO[bytes]]]] = {
    b"\xfd7zXZ\x00": lzma.open,
    b"\x1f\x8b": gzip.open,
}
#: How many bytes of the content show which format it is.
_SAMPLE: Final = 4096


class TraceError(Exception):
    """There is no trace where one should be; says what was looked for."""


def find_traces(folder: Path) -> list[Path]:
    """Return the traces in a folder: the files with `.trace` in their names."""
    if not folder.is_dir():
        raise TraceError(
            f"TRACES={folder} is no folder: name one that holds files called NAME.trace, .gz or .xz"
        )
    found = sorted(path for path in folder.glob("*.trace*") if path.is_file())
    if not found:
        raise TraceError(f"TRACES={folder} holds no trace: they are files called NAME.trace, .gz or .xz")
    return found


def read_trace(path: Path, most: int) -> list[str]:
    """Return the keys of the first `most` requests; TraceError where the file is not a trace."""
    try:
        with _open(path) as file:
            sample = file.read(_SAMPLE)
            keys = _lines(sample, file, most) if _is_text(sample) else _integers(sample, file, most)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise TraceError(f"{path} cannot be read as a trace: {error}") from error
    if not keys:
        raise TraceError(f"{path} holds no requests")
    return keys


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    return next(
        (opener(path) for magic, opener in _OPENERS.items() if start.startswith(magic)), None
    ) or path.open("rb")


def _is_text(sample: bytes) -> bool:
    return not sample.strip(b"0123456789\r\n\t ")


def _lines(sample: bytes, file: IO[bytes], most: int) -> list[str]:
    numbers = b"".join((sample, file.read())).split()
    return [str(int(number)) for number in numbers[:most]]


def _integers(sample: bytes, file: IO[bytes], most: int) -> list[str]:
    data = sample + file.read(max(4 * most - len(sample), 0))
    if len(data) % 4:
        raise ValueError(
            f"{len(data)} bytes are no whole number of 32-bit integers, nor decimal numbers by lines"
        )
    return [str(number) for (number,) in struct.iter_unpack(">I", data)][:most]
