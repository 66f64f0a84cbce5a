"""Parts of a response whose whole is not there: stored, combined, and used (RFC 9111, sections 3.3 and 3.4).

Parts belong together if they have the same strong validator, and are of a whole of the same length. What they make up
is used as far as it goes: for requests of ranges that lie in it, and as a complete response once nothing is missing.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from cachelayer.http.fields import lines
from cachelayer.http.messages import FieldLines, StoredResponse
from cachelayer.http.ranges import Ranged, requested, single_part
from cachelayer.http.validation import updated_headers
from cachelayer.http.validators import is_strong, strong_last_modified

#: With more gaps than these in it, only the newest part is kept.
MAX_PIECES: Final = 16

_CONTENT_RANGE: Final = re.compile(rb"bytes +(\d{1,19})-(\d{1,19})/(\d{1,19})", re.IGNORECASE)
#: What a part says of itself, and its whole does not.
_OF_THE_PART: Final = frozenset({b"content-length", b"content-range", b"content-digest", b"content-md5"})


class PartialResponse(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="partial", forbid_unknown_fields=True
):
    """The parts of a response that are there.

    Args:
        response: the whole as far as it is known: a 200 with its fields and freshness, and an empty body.
        length: of the whole, in bytes.
        pieces: offset and bytes of each part, in order; they neither overlap nor touch.
    """

    response: StoredResponse
    length: int
    pieces: tuple[tuple[int, bytes], ...]

    @property
    def keep_until(self) -> float:
        """When the store may forget it, in epoch seconds."""
        return self.response.keep_until

    @property
    def sound(self) -> bool:
        """Whether the pieces are what they must be; bytes from a store may say anything."""
        bounds = [bound for offset, piece in self.pieces for bound in (offset, offset + len(piece))]
        return bool(bounds) and all(map(int.__lt__, [-1, *bounds], [*bounds, self.length + 1]))


def of_206(stored: StoredResponse, max_bytes: int) -> PartialResponse | None:
    """Return a 206 as a part, or None: it has no strong validator, or is not one range of a known whole.

    Args:
        stored: the 206 as it came, its body included.
        max_bytes: wholes that are longer are not collected.
    """
    place = _place(stored)
    if stored.status != 206 or place is None:
        return None
    first, last, length = place
    return _part(stored, first, length, max_bytes) if last - first + 1 == len(stored.body) else None


def is_part(stored: StoredResponse, max_bytes: int) -> bool:
    """Whether a 206 can be kept as a part, once its body is there; arguments as of `of_206`."""
    place = _place(stored)
    return (
        place is not None
        and place[2] <= max_bytes
        and not stored.vary
        and _strong_validator(stored) is not None
    )


def _place(stored: StoredResponse) -> tuple[int, int, int] | None:
    """Return the offsets of the first and the last byte, and the length of the whole, where Content-Range tells."""
    values = lines(stored.headers, b"content-range")
    match = _CONTENT_RANGE.fullmatch(values[0]) if len(values) == 1 else None
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def _part(stored: StoredResponse, first: int, length: int, max_bytes: int) -> PartialResponse | None:
    inside = stored.body and first + len(stored.body) <= length <= max_bytes
    if not inside or _strong_validator(stored) is None:
        return None
    kept = tuple(line for line in stored.headers if line[0].lower() not in _OF_THE_PART)
    headers = (*kept, (b"content-length", b"%d" % length))
    response = msgspec.structs.replace(stored, status=200, headers=headers, body=b"", phrase=b"")
    return PartialResponse(response, length, ((first, stored.body),))


def _strong_validator(stored: StoredResponse) -> bytes | None:
    if stored.etag is not None:
        return stored.etag if is_strong(stored.etag) else None
    modified = strong_last_modified(stored)
    return None if modified is None else modified.sent


def combine(older: PartialResponse, newer: PartialResponse) -> PartialResponse:
    """Return the parts of both where they are of the same version, else the newer one alone (section 3.4)."""
    if older.length != newer.length or not _same_version(older.response, newer.response):
        return newer
    headers = updated_headers(older.response.headers, newer.response.headers)
    pieces = _merged(sorted(older.pieces + newer.pieces))
    if len(pieces) > MAX_PIECES:
        return newer
    return PartialResponse(msgspec.structs.replace(newer.response, headers=headers), newer.length, pieces)


def _same_version(one: StoredResponse, other: StoredResponse) -> bool:
    validator = _strong_validator(one)
    return validator is not None and validator == _strong_validator(other)


def _merged(pieces: list[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    merged: list[tuple[int, list[bytes]]] = []
    end = -1
    for offset, piece in pieces:
        if offset > end:
            merged.append((offset, [piece]))
        else:
            # Where they overlap they are the same: that is what a strong validator says.
            merged[-1][1].append(piece[end - offset :])
        end = max(end, offset + len(piece))
    return tuple((offset, b"".join(parts)) for offset, parts in merged)


def completed(partial: PartialResponse) -> StoredResponse | None:
    """Return the whole response, or None while something of it is missing."""
    offset, piece = partial.pieces[0]
    if offset or len(piece) != partial.length:
        return None
    return msgspec.structs.replace(partial.response, body=piece)


def ranged_partial(partial: PartialResponse, method: str, fields: FieldLines) -> Ranged | None:
    """Return the answer to a request for one range that is there, or None: the origin has to answer.

    Args:
        partial: fresh, and selected by the request.
        method: of the request.
        fields: the request's Range and If-Range lines, by lower-case name.
    """
    spans = requested(partial.response, method, fields, partial.length)
    if spans is None or len(spans) != 1:
        return None
    start, stop = spans[0]
    for offset, piece in partial.pieces:
        if offset <= start and stop <= offset + len(piece):
            part = piece[start - offset : stop - offset]
            return single_part(partial.response, spans[0], partial.length, part)
    return None
