"""What backends with connections or files behind them share: closed once, and told of when it was forgotten."""

from __future__ import annotations

import os
import warnings

from cachelayer.backends.counting import StoreCounters
from cachelayer.backends.twofold import TwofoldBackend
from cachelayer.errors import BackendClosedError


class ConnectedBackend(TwofoldBackend):
    """A backend that holds something open. A subclass gives it back in `_disconnect` and `_adisconnect`."""

    _opened_by: int | None = None  # the process that has something to close

    def __init__(self) -> None:
        self.counters = StoreCounters()
        self._closed = False
        self._opened_by = os.getpid()

    def close(self) -> None:
        """Give connections back. Closing twice is fine; use after close raises."""
        if not self._closed:
            self._closed = True
            self._disconnect()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        if not self._closed:
            self._closed = True
            await self._adisconnect()

    def check_open(self) -> None:
        """Raise BackendClosedError (a RuntimeError) after `close()`."""
        if self._closed:
            raise BackendClosedError(f"{self!r} is closed: make a new one")

    def _disconnect(self) -> None:
        raise NotImplementedError

    async def _adisconnect(self) -> None:
        self._disconnect()

    def __del__(self) -> None:
        # Not in a forked child, which inherited it without opening anything.
        if self._opened_by == os.getpid() and not self._closed:
            warnings.warn(
                f"{self!r} was never closed: call close()", ResourceWarning, source=self, stacklevel=2
            )
            self._disconnect()
