"""Lifetimes: what the frame keeps exactly, and the cap that Memcached is given."""

from __future__ import annotations

import math
import time
from typing import Final

#: Above so many seconds Memcached takes an expiry for a date.
_LONGEST_RELATIVE: Final = 30 * 86_400
#: The last date that fits its 32 bits. What lives longer is left to the frame.
_LAST_DATE: Final = 2**31 - 1
#: An expiry that has passed already: the item is gone at once.
PASSED: Final = -1


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
