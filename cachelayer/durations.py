"""Durations as users write them: seconds, `timedelta`, or text such as "2h5m"."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

Duration = float | timedelta | str | None

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TEXT: Final = re.compile(r"(?: *\d+(?:\.\d+)? *(?:ms|[smhdw]))+ *", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?) *(ms|[smhdw])", re.ASCII)
_FORMS: Final = 'give seconds, a timedelta, text like "2h5m", or None'


def parse_duration(value: Duration, *, name: str = "ttl") -> float | None:
    """Return `value` in seconds; None (for ever) stays None.

    Args:
        value: seconds as int or float, a `timedelta`, or text made of numbers with the units
            ms, s, m, h, d, w, such as "90s" or "2h5m".
        name: how an error calls the option.

    Raises:
        ConfigurationError: negative, nan, infinite or unparsable.
        OptionTypeError: any other type.
    """
    if value is None:
        return None
    seconds = _seconds(value, name)
    if not math.isfinite(seconds) or seconds < 0:
        raise ConfigurationError(
            f"{name}={value!r} is not a duration: it must be 0 or more and finite; {_FORMS}"
        )
    return seconds


def _seconds(value: object, name: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _from_text(value, name)
    # bool is an int to Python, but ttl=True is a mistake, not one second.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _to_float(value, name)
    raise OptionTypeError(f"{name} cannot be {type(value).__name__} {value!r}: {_FORMS}")


def _to_float(value: float, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ConfigurationError(f"{name} is too large for a duration; {_FORMS}") from None


def _from_text(text: str, name: str) -> float:
    lower = text.lower()
    # Spaces may stand between numbers and units, not within: "1 5m" is no 15 minutes, "5m s" no 5 ms.
    if not _TEXT.fullmatch(lower):
        raise ConfigurationError(f"{name}={text!r} is not a duration; {_FORMS}")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(lower))
