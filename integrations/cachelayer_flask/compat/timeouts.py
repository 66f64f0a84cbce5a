"""Timeouts as Flask-Caching has them: whole seconds or a timedelta; 0 is for ever, None the default."""

from __future__ import annotations

import math
from datetime import timedelta

from cachelayer.errors import ConfigurationError, OptionTypeError

Timeout = int | float | str | timedelta | None


def seconds_of(timeout: Timeout, *, name: str = "timeout") -> int | None:
    """Return a timeout in whole seconds, parts of one rounded up; None stays None.

    Raises:
        ConfigurationError: it is a text, and no number.
        OptionTypeError: it is of another type.
    """
    if timeout is None:
        return None
    if isinstance(timeout, timedelta):
        return math.ceil(timeout.total_seconds())
    if isinstance(timeout, str):
        try:
            return int(timeout)
        except ValueError:
            raise ConfigurationError(f"{name}={timeout!r} is not a number of seconds") from None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise OptionTypeError(f"{name} must be seconds or a timedelta, not {type(timeout).__name__}")
    return math.ceil(timeout)


def lifetime(timeout: Timeout, default: int) -> float | None:
    """Return the lifetime that a timeout means: None for ever; 0 or less stores nothing."""
    seconds = seconds_of(timeout)
    seconds = default if seconds is None else seconds
    return None if seconds == 0 else float(max(seconds, 0))
