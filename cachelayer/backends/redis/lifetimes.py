"""Lifetimes as Redis takes them: whole milliseconds."""

from __future__ import annotations

import math
from typing import Final

from cachelayer.backends.arguments import is_positive

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
    if not is_positive(ttl):
        return 0
    return _LONGEST if ttl > _LONGEST / 1000 else math.ceil(ttl * 1000)
