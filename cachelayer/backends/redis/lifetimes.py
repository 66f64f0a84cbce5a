"""Lifetimes as Redis takes them: whole milliseconds."""

from __future__ import annotations

import math
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

#: Some three thousand years: Redis refuses what would end after the 64 bits of its clock.
_LONGEST: Final = 10**14


def milliseconds(ttl: float | None) -> int | None:
    """Return `ttl` (seconds) in milliseconds, 1 at least; 0 where it is 0 or less, None for ever.

    Raises:
        OptionTypeError: it is no number.
        ConfigurationError: it is nan or infinite.
    """
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise OptionTypeError(
            f"ttl must be seconds as int or float, or None, not {type(ttl).__name__}: {ttl!r}"
        )
    if ttl <= 0:
        return 0
    if ttl > _LONGEST / 1000 and ttl != math.inf:
        return _LONGEST
    if not math.isfinite(ttl):
        raise ConfigurationError(f"ttl={ttl!r}: give finite seconds, or None for ever")
    return math.ceil(ttl * 1000)
