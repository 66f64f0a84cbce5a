"""Conditional requests answered from the store (RFC 9110, section 13, and RFC 9111, section 4.3.2)."""

from __future__ import annotations

import re
from typing import Final

from cachelayer.http.dates import parse_date
from cachelayer.http.messages import FieldLines, Headers, StoredResponse

_ENTITY_TAG: Final = re.compile(rb'(?:W/)?("[!#-~\x80-\xff]*")')
_LIST: Final = re.compile(rb'[ \t,]*(?:(?:W/)?"[!#-~\x80-\xff]*"[ \t]*(?:,[ \t,]*|\Z))+')

#: Metadata that a 304 leaves out, since the client has it; Last-Modified stays where it is the only validator.
_METADATA: Final = frozenset(
    {
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"content-md5",
    }
)


def is_etag(value: bytes) -> bool:
    """Whether `value` is an entity tag (RFC 9110, section 8.8.3)."""
    return _ENTITY_TAG.fullmatch(value) is not None


def not_modified(fields: FieldLines, stored: StoredResponse, now: float) -> bool:
    """Whether a 304 answers the request's condition. If-None-Match hides If-Modified-Since (section 13.2.2)."""
    # Conditions are about a representation; other answers are given whole (section 13.2.1).
    if stored.status != 200:
        return False
    if b"if-none-match" in fields:
        return _any_match(fields[b"if-none-match"], stored.etag)
    since = fields.get(b"if-modified-since", ())
    return len(since) == 1 and _unmodified_since(since[0], stored, now)


def _any_match(values: tuple[bytes, ...], etag: bytes | None) -> bool:
    value = b", ".join(values).strip(b" \t")
    if value == b"*":
        return True
    if etag is None or not _LIST.fullmatch(value):
        return False
    # Weak comparison: the opaque tags decide (section 8.8.3.2).
    return etag.removeprefix(b"W/") in _ENTITY_TAG.findall(value)


def _unmodified_since(value: bytes, stored: StoredResponse, now: float) -> bool:
    since = parse_date(value.strip(b" \t"), now)
    return since is not None and stored.last_modified is not None and stored.last_modified <= since


def not_modified_headers(stored: StoredResponse) -> Headers:
    """Return the fields of a 304 (RFC 9110, section 15.4.5): all but metadata of the content that is not sent."""
    left_out = _METADATA if stored.etag is None else _METADATA | {b"last-modified"}
    return tuple((name, value) for name, value in stored.headers if name.lower() not in left_out)
