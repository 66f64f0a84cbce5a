"""Freshness lifetimes (RFC 9111, sections 4.2.1 and 4.2.2), and the fields that target one cache (RFC 9213)."""

from __future__ import annotations

from typing import Final

from cachelayer.http.age import date_value
from cachelayer.http.cache_control import Directives, Invalid
from cachelayer.http.dates import parse_date
from cachelayer.http.messages import FieldLines

_HEURISTIC_FRACTION: Final = 0.1
#: A page untouched for years is still not taken to be good for months.
_HEURISTIC_LIMIT: Final = 86400.0


def explicit_lifetime(
    directives: Directives, fields: FieldLines, response_time: float, *, targeted: bool = False
) -> float | None:
    """Return the lifetime a response states for itself, in seconds, or None where it states none.

    The first that is there decides, valid or not: s-maxage, max-age, Expires less Date (section 4.2.1). What is
    invalid is 0: "caches are encouraged to consider responses that have invalid freshness information to be stale".

    Args:
        directives: of the field that governs the response.
        fields: the response's fields.
        response_time: when it was received, in epoch seconds.
        targeted: a field for this cache governs, so that Expires does not count (RFC 9213, section 2.2).
    """
    if directives.items:
        for name in (b"s-maxage", b"max-age"):
            seconds = directives.seconds(name)
            if seconds is not None:
                return 0.0 if isinstance(seconds, Invalid) else float(seconds)
    return None if targeted else _expires_lifetime(fields, response_time)


def _expires_lifetime(fields: FieldLines, response_time: float) -> float | None:
    lines = fields.get(b"expires")
    if lines is None:
        return None
    # Two that disagree are as good as none that can be read (section 4.2.1).
    expires = parse_date(lines[0], response_time) if len(set(lines)) == 1 else None
    return 0.0 if expires is None else max(0.0, expires - date_value(fields, response_time))


def heuristic_lifetime(fields: FieldLines, response_time: float) -> float | None:
    """Return a tenth of the time since Last-Modified, in seconds, at most a day, or None (section 4.2.2)."""
    values = fields.get(b"last-modified", ())
    modified = parse_date(values[0], response_time) if values else None
    if modified is None:
        return None
    unchanged = max(0.0, date_value(fields, response_time) - modified)
    return min(unchanged * _HEURISTIC_FRACTION, _HEURISTIC_LIMIT)
