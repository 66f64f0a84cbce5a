"""What every store checks of its arguments in the same way: lifetimes, bounds, and globs."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Callable
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

_SECONDS: Final = frozenset({float, int})
#: Lifetimes up to here are surely finite: some thirty thousand years.
_LONGEST: Final = 1e12


def is_positive(ttl: float) -> bool:
    """Whether `ttl` (seconds) is above 0, so that it stores something.

    Raises:
        OptionTypeError: it is no number.
        ConfigurationError: it is nan, infinite or too large.
    """
    if ttl.__class__ in _SECONDS and ttl < _LONGEST:
        return ttl > 0
    if ttl.__class__ not in _SECONDS and (isinstance(ttl, bool) or not isinstance(ttl, (float, int))):
        raise OptionTypeError(
            f"ttl must be seconds as int or float, or None, not {type(ttl).__name__}: {ttl!r}"
        )
    if not ttl <= sys.float_info.max:
        raise ConfigurationError("ttl is nan, infinite or too large: give seconds, or None for ever")
    return ttl > 0


def check_bound(name: str, value: int | None) -> int | None:
    """Return a bound that was given as `name`, checked to be a whole number above 0, or None for no bound."""
    if value is not None and (value.__class__ is not int or value <= 0):
        raise ConfigurationError(f"{name}={value!r}: give a whole number above 0, or None for no bound")
    return value


def matcher(pattern: str | None) -> Callable[[str], object]:
    """Return what tells whether a key matches the contract's glob; None matches all."""
    return _everything if pattern is None else re.compile(fnmatch.translate(pattern)).match


def _everything(key: str) -> bool:
    return True
