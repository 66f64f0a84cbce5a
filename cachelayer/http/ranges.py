"""Parts of a stored response (RFC 9110, sections 13.1.5, 14.2 and 15.3.7).

A request for ranges may always be answered with the whole. That is done for what the standard calls egregious (many
ranges, or overlapping ones) or malformed, and where the client's copy is another version (If-Range).
"""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import count
from typing import Final, TypeAlias

import msgspec

from cachelayer.http.fields import joined, lines
from cachelayer.http.messages import FieldLines, Headers, StoredResponse
from cachelayer.http.validators import same_strongly, strong_last_modified

#: Requests for more ranges get the whole response.
MAX_RANGES: Final = 16

#: Offsets of the first byte, and of the one after the last.
Span: TypeAlias = tuple[int, int]

_UNIT: Final = re.compile(rb"bytes=", re.IGNORECASE)
#: No body has more bytes than nineteen digits say, and int() refuses thousands of them.
_SPEC: Final = re.compile(rb"(\d{1,19})-(\d{0,19})|-(\d{1,19})")

#: What the whole says about itself and a part cannot repeat; the digests are those of the content that is sent.
_OF_THE_WHOLE: Final = frozenset({b"content-length", b"content-range", b"content-digest", b"content-md5"})


class Ranged(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request for ranges: 206 with one or several parts, or 416.

    Args:
        status: 206 or 416.
        headers: all its fields.
        body: the part, or the parts as multipart/byteranges.
    """

    status: int
    headers: Headers
    body: bytes


def ranged(stored: StoredResponse, method: str, fields: FieldLines) -> Ranged | None:
    """Return the answer to a request for ranges, or None: the answer is the stored response as it is.

    If-None-Match and If-Modified-Since come before (RFC 9110, section 13.2.2): a 304 needs no ranges.

    Args:
        stored: a whole response that the request may be answered with.
        method: of the request; ranges are for GET alone (section 14.2).
        fields: the request's Range and If-Range lines, by lower-case name.
    """
    spans = requested(stored, method, fields, len(stored.body))
    if spans is None:
        return None
    if not spans:
        return _unsatisfiable(stored)
    if len(spans) == 1:
        return single_part(stored, spans[0], len(stored.body), stored.body[slice(*spans[0])])
    return _multipart(stored, spans)


def requested(stored: StoredResponse, method: str, fields: FieldLines, length: int) -> list[Span] | None:
    """Return the spans of a response that a request asks for, as `satisfiable` does, or None: it gets all of it."""
    asked = fields.get(b"range", ())
    if len(asked) != 1 or method != "GET" or stored.status != 200 or not length:
        return None
    if b"if-range" in fields and not _same_version(fields[b"if-range"], stored):
        return None
    spans = satisfiable(asked[0], length)
    return None if spans is None or _egregious(spans) else spans


def _same_version(values: tuple[bytes, ...], stored: StoredResponse) -> bool:
    """RFC 9110, section 13.1.5: whether If-Range names this very version, by a strong validator."""
    value = values[0].strip(b" \t")
    if len(values) != 1:
        return False
    if same_strongly(value, stored.etag):
        return True
    modified = strong_last_modified(stored)
    return modified is not None and modified.sent == value


def satisfiable(value: bytes, length: int) -> list[Span] | None:
    """Return the spans that a Range asks for and a body has, in the order asked for; None: Range is to be ignored.

    Args:
        value: of Range.
        length: of the body, in bytes, more than 0.
    """
    value = value.strip(b" \t")
    unit = _UNIT.match(value)
    if unit is None:
        return None
    specs = [spec for part in value[unit.end() :].split(b",") if (spec := part.strip(b" \t"))]
    if not 1 <= len(specs) <= MAX_RANGES:
        return None
    spans: list[Span] = []
    for spec in specs:
        span = _span(spec, length)
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    return spans


def _span(spec: bytes, length: int) -> Span | None:
    """Return one range, empty where the body has nothing of it, or None where it is malformed (section 14.1.1)."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return max(0, length - int(suffix)), length
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, length) if last else length


def _egregious(spans: list[Span]) -> bool:
    """Whether more than two of them overlap (section 14.2)."""
    overlaps, end = 0, 0
    for start, stop in sorted(spans):
        overlaps += start < end
        end = max(end, stop)
    return overlaps > 1


def _unsatisfiable(stored: StoredResponse) -> Ranged:
    """Section 15.5.17. Scripts of other sites may read it as they may the whole."""
    kept = tuple(
        (name, value)
        for name, value in stored.headers
        if name.lower() in (b"date", b"vary") or name.lower().startswith(b"access-control-")
    )
    return Ranged(
        416, (*kept, (b"content-range", b"bytes */%d" % len(stored.body)), (b"content-length", b"0")), b""
    )


def single_part(stored: StoredResponse, span: Span, length: int, part: bytes) -> Ranged:
    """Return the answer with one part (section 15.3.7.1).

    Args:
        stored: what it is a part of; only its fields count.
        span: the place of the part.
        length: of the whole, in bytes.
        part: the bytes at that place.
    """
    headers = _without(stored, _OF_THE_WHOLE)
    return Ranged(206, (*headers, _content_range(span, length), _content_length(part)), part)


def _multipart(stored: StoredResponse, spans: list[Span]) -> Ranged | None:
    """Section 15.3.7.2; parts of encoded bytes are not understood by all, so those are given whole."""
    if lines(stored.headers, b"content-encoding"):
        return None
    boundary = _boundary(stored, spans)
    types = lines(stored.headers, b"content-type")[:1]
    kind = b"".join([b"content-type: %b\r\n" % value for value in types])
    parts = [
        b"--%b\r\n%b%b: %b\r\n\r\n%b\r\n"
        % (boundary, kind, *_content_range(span, len(stored.body)), stored.body[slice(*span)])
        for span in spans
    ]
    body = b"%b--%b--\r\n" % (b"".join(parts), boundary)
    content_type = (b"content-type", b"multipart/byteranges; boundary=" + boundary)
    return Ranged(
        206,
        (*_without(stored, _OF_THE_WHOLE | {b"content-type"}), content_type, _content_length(body)),
        body,
    )


def _boundary(stored: StoredResponse, spans: list[Span]) -> bytes:
    """Return the same boundary for the same answer, one that the body does not have in it."""
    parts = [stored.etag or b"", b"%d" % len(stored.body), repr(spans).encode()]
    candidates = (sha256(joined([*parts, b"%d" % attempt])).hexdigest()[:32].encode() for attempt in count())
    return next(candidate for candidate in candidates if candidate not in stored.body)


def _without(stored: StoredResponse, names: frozenset[bytes]) -> Headers:
    return tuple((name, value) for name, value in stored.headers if name.lower() not in names)


def _content_range(span: Span, length: int) -> tuple[bytes, bytes]:
    return (b"content-range", b"bytes %d-%d/%d" % (span[0], span[1] - 1, length))


def _content_length(body: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(body))
