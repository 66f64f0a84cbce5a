"""Lifetimes: what the frame keeps exactly, and the cap that Memcached is given."""

from __future__ import annotations

import math
import time
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

#: Above so many seconds Memcached takes an expiry for a date.
_LONGEST_RELATIVE: Final = 30 * 86_400
#: The last date that fits its 32 bits. What lives longer is left to the frame.
_LAST_DATE: Final = 2**31 - 1
#: Seconds, some thirty thousand years: up to here a lifetime is surely finite.
_LONGEST: Final = 1e12
#: An expiry that has passed already: the item is gone at once.
PASSED: Final = -1


def is_positive(ttl: float | None) -> bool:
    """Whether `ttl` (seconds, None for ever) stores anything.

    Raises:
        OptionTypeError: it is no number.
        ConfigurationError: it is nan, infinite or too large.
    """
    if ttl is None:
        return True
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise OptionTypeError(
            f"ttl must be seconds as int or float, or None, not {type(ttl).__name__}: {ttl!r}"
        )
    if not ttl <= _LONGEST:
        raise ConfigurationError("ttl is nan, infinite or too large: give seconds, or None for ever")
    return ttl > 0


def server_expiry(ttl: float) -> int:
    """Return the expiry that Memcached gets for `ttl` seconds (infinite: for ever).

    It is late rather than early: the server's clock moves once a second, and the frame decides anyway.
    """
    if ttl == math.inf:
        return 0
    if ttl <= 0:
        return PASSED
    seconds = math.ceil(ttl) + 1
    if seconds <= _LONGEST_RELATIVE:
        return seconds
    # By this host's own clock, which the server's is compared with, not by the one that a test has passed.
    date = int(time.time()) + seconds
    return date if date <= _LAST_DATE else 0
