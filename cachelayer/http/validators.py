"""Validators of responses (RFC 9110, section 8.8): which there are, how strong they are, and when two are the same."""

from __future__ import annotations

import msgspec

from cachelayer.http.age import date_value
from cachelayer.http.conditional import is_etag
from cachelayer.http.dates import parse_date
from cachelayer.http.fields import lines
from cachelayer.http.messages import Headers, StoredResponse


class Modified(msgspec.Struct, frozen=True, gc=False):
    """A Last-Modified, as it was sent and in epoch seconds."""

    sent: bytes
    at: float


def is_strong(etag: bytes) -> bool:
    """Whether an entity tag is a strong validator (section 8.8.3)."""
    return not etag.startswith(b"W/")


def same_strongly(one: bytes | None, other: bytes | None) -> bool:
    """Strong comparison (section 8.8.3.2): both are strong, and alike byte for byte."""
    return one is not None and one == other and is_strong(one)


def same_weakly(one: bytes | None, other: bytes | None) -> bool:
    """Weak comparison (section 8.8.3.2): the opaque tags are alike."""
    return one is not None and other is not None and one.removeprefix(b"W/") == other.removeprefix(b"W/")


def entity_tag(headers: Headers) -> bytes | None:
    """Return a response's entity tag; what is none, or comes more than once, does not count."""
    values = lines(headers, b"etag")
    return values[0] if len(values) == 1 and is_etag(values[0]) else None


def modified(headers: Headers, received: float) -> Modified | None:
    """Return a response's Last-Modified; what is no date, or comes more than once, does not count.

    Args:
        headers: its fields.
        received: when it came, in epoch seconds.
    """
    values = lines(headers, b"last-modified")
    date = parse_date(values[0], received) if len(values) == 1 else None
    return None if date is None else Modified(values[0], date)


def last_modified(stored: StoredResponse) -> Modified | None:
    """Return the Last-Modified of a stored response."""
    return modified(stored.headers, stored.response_time)


def strong_last_modified(stored: StoredResponse) -> Modified | None:
    """Return its Last-Modified if that is a strong validator (section 8.8.2.2), else None.

    It is if the response was made at least a second later: what changed again within the second has the same date.
    """
    found = last_modified(stored)
    made = date_value({b"date": lines(stored.headers, b"date")}, stored.response_time)
    return found if found is not None and made - found.at >= 1.0 else None
