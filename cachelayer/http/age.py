"""Age (RFC 9111, sections 4.2.3 and 5.1). All times are epoch seconds, all ages seconds."""

from __future__ import annotations

from functools import lru_cache

from cachelayer.http.cache_control import Invalid, delta_seconds
from cachelayer.http.dates import parse_date
from cachelayer.http.messages import FieldLines, StoredResponse


def age_value(fields: FieldLines) -> int:
    """Return the Age field: the first of several, 0 where it is absent or garbage (section 5.1)."""
    for value in fields.get(b"age", ()):
        seconds = delta_seconds(value.partition(b",")[0].strip(b" \t"))
        return 0 if isinstance(seconds, Invalid) else seconds
    return 0


def date_value(fields: FieldLines, received: float) -> float:
    """Return the Date field in epoch seconds, or `received` where it is absent or garbage."""
    dates = fields.get(b"date", ())
    date = parse_date(dates[0], received) if dates else None
    return received if date is None else date


def corrected_initial_age(fields: FieldLines, request_time: float, response_time: float) -> float:
    """Return how old a response is when it comes in (section 4.2.3)."""
    apparent_age = max(0.0, response_time - date_value(fields, response_time))
    response_delay = max(0.0, response_time - request_time)
    return max(apparent_age, age_value(fields) + response_delay)


@lru_cache(maxsize=4096)
def age_field(seconds: int) -> tuple[bytes, bytes]:
    """Return the field line of Age."""
    return (b"age", b"%d" % seconds)


def current_age(stored: StoredResponse, now: float) -> float:
    """Return how old a stored response is now; a clock that went backwards makes none younger."""
    return stored.initial_age + (now - stored.response_time if now > stored.response_time else 0.0)
