"""HTTP dates (RFC 9110, section 5.6.7): the preferred form and the two obsolete ones, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER: Final = {name.lower(): number for number, name in enumerate(_MONTHS, start=1)}

_SHORT: Final = f"(?:{'|'.join(_DAYS)})"
_LONG: Final = f"(?:{'|'.join(_LONG_DAYS)})"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"

# RFC 9111, section 4.2: a cache matches dates without regard to case, and takes no zone but GMT.
_FORMS: Final = tuple(
    re.compile(pattern.encode(), re.IGNORECASE)
    for pattern in (
        rf"{_SHORT}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"{_LONG}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT",
        rf"{_SHORT} {_MONTH} (?P<day>\d\d| \d) {_CLOCK} (?P<year>\d{{4}})",
    )
)


def parse_date(value: bytes, now: float) -> float | None:
    """Return an HTTP-date in epoch seconds, or None where it is not one.

    Args:
        value: the field value.
        now: epoch seconds, to which the two-digit years of RFC 850 are relative.
    """
    match = next(filter(None, (form.fullmatch(value) for form in _FORMS)), None)
    if match is None:
        return None
    text = {name: part.decode("ascii") for name, part in match.groupdict().items()}
    second = int(text["second"])
    if second > 60:
        return None
    month = _MONTH_NUMBER[text["month"].lower()]
    try:
        # A leap second is legal; a clock without them has it as the second before, never later (RFC 9111, 4.2).
        moment = datetime(
            _year(text["year"], now), month, int(text["day"]),
            int(text["hour"]), int(text["minute"]), min(second, 59), tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    return moment.timestamp()


def _year(digits: str, now: float) -> int:
    if len(digits) == 4:
        return int(digits)
    # What seems to lie more than 50 years ahead is the latest past year with the same two digits.
    this_year = datetime.fromtimestamp(now, UTC).year
    year = this_year - this_year % 100 + int(digits)
    return year - 100 if year > this_year + 50 else year


def format_date(moment: float) -> bytes:
    """Return epoch seconds as an IMF-fixdate."""
    when = datetime.fromtimestamp(moment, UTC)
    clock = f"{when.hour:02}:{when.minute:02}:{when.second:02}"
    text = f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {clock} GMT"
    return text.encode("ascii")
