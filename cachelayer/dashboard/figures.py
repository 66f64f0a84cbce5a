"""Figures as people read them: three digits that count, and a unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from cachelayer.outcomes import Outcome
from cachelayer.stats.report import Figures

NOTHING: Final = "–"  # noqa: RUF001 - a dash

_TIMES: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def count(value: float | None) -> str:
    """Return a number of things: whole up to 99,999, then in thousands, millions, billions."""
    if value is None:
        return NOTHING
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    for size, unit in ((1e9, "bn"), (1e6, "M")):
        if abs(value) >= size:
            return f"{_three(value / size)} {unit}"
    return f"{_three(value / 1e3)} k"


def percent(share: float | None) -> str:
    """Return a share; one that is not quite all or nothing never looks as if it were."""
    if share is None or not math.isfinite(share):
        return NOTHING
    value = share * 100
    if 0 < value < 0.05:
        return "< 0.1 %"
    if 99.95 <= value < 100:
        return "> 99.9 %"
    return f"{value:.1f} %" if value < 100 else f"{value:.0f} %"


def rate_of(found: Figures) -> float | None:
    """Return the hit rate; None where nothing was looked up."""
    return found.hit_rate if found.requests > found.outcomes.get(Outcome.BYPASS, 0) else None


def points(change: float | None) -> str:
    """Return a change of a share in percentage points, signed."""
    if change is None:
        return ""
    value = round(change * 100, 1)
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{abs(value):.1f} pp"  # noqa: RUF001 - a minus


def relative(change: float | None) -> str:
    """Return a relative change, signed."""
    if change is None:
        return ""
    value = round(change * 100, 1)
    shown = f"{abs(value):,.0f}" if abs(value) >= 100 else f"{abs(value):.1f}"
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{shown} %"  # noqa: RUF001 - a minus


def seconds(value: float | None) -> str:
    """Return a duration in the unit that suits it."""
    if value is None or not math.isfinite(value):
        return NOTHING
    for size, unit in _TIMES:
        if value >= size:
            return f"{_three(value / size)} {unit}"
    return "0 s" if value <= 0 else f"{_three(value * 1e6)} µs"


def roughly(value: float | None) -> str:
    """Return a duration that comes of a histogram, which knows no more than two digits of it."""
    if not value or not math.isfinite(value):
        return seconds(value)
    size, unit = next(((size, unit) for size, unit in _TIMES if _two(value / size) >= 1), _TIMES[-1])
    return f"{_two(value / size):g} {unit}"


def size(value: float | None) -> str:
    """Return a number of bytes, in powers of 1,000."""
    if value is None:
        return NOTHING
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= scale:
            return f"{_three(value / scale)} {unit}"
    return f"{value:,.0f} B"


def clock_time(when: float) -> str:
    """Return epoch seconds as a time of day, in UTC."""
    return datetime.fromtimestamp(when, UTC).strftime("%H:%M:%S")


def iso_time(when: float) -> str:
    """Return epoch seconds as a date and time that scripts understand."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tick_time(when: float, span: float) -> str:
    """Return epoch seconds as an axis shows them over `span` seconds, in UTC."""
    form = "%H:%M" if span <= 86400 * 1.5 else "%a %H:%M" if span <= 86400 * 8 else "%d %b"
    return datetime.fromtimestamp(when, UTC).strftime(form)


def _two(value: float) -> float:
    """Return two digits that count."""
    return round(value, 1 - math.floor(math.log10(value)))


def _three(value: float) -> str:
    """Return three digits that count; a whole number as it is."""
    magnitude = abs(value)
    if magnitude < 1000 and abs(value - round(value)) < 1e-9:
        return f"{value:.0f}"
    return f"{value:,.0f}" if magnitude >= 99.95 else f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"
