"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

#: 2025-06-15 15:06:40 UTC: a time that looks like one, so that code which compares it with real times notices.
START: Final = 1_750_000_000.0


class FakeClock:
    """A clock for `clock=`: a callable that returns epoch seconds.

    >>> clock = FakeClock()
    >>> clock.advance(60)
    >>> clock()
    1750000060.0

    Args:
        now: epoch seconds at which it starts; also an attribute, which sets it to any other time.
    """

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self.now

    def __repr__(self) -> str:
        return f"FakeClock({self.now!r})"

    def advance(self, seconds: float | timedelta) -> None:
        """Let `seconds` (or a timedelta) pass; a negative one sets the clock back, as an administrator might."""
        self.now += seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
