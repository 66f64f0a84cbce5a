"""The steps of get-or-compute: what its flows yield beside operations of a backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from cachelayer.flow.flights import Flight, Landing


class Compute(msgspec.Struct, frozen=True):
    """Call the origin; in async code its result is awaited."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def take(self) -> Any:
        """Call it."""
        return self.function(*self.args, **self.kwargs)

    async def atake(self) -> Any:
        """Call and await it."""
        return await self.function(*self.args, **self.kwargs)


class Wait(msgspec.Struct, frozen=True):
    """Wait for another caller's computation, up to `timeout` seconds; None where it did not land by then."""

    flight: Flight
    timeout: float | None

    def take(self) -> Landing | None:
        """Block this thread."""
        return self.flight.wait(self.timeout)

    async def atake(self) -> Landing | None:
        """Suspend this task."""
        return await self.flight.await_landing(self.timeout)


class Pause(msgspec.Struct, frozen=True):
    """Sleep for so many seconds, before asking another process's store again."""

    seconds: float

    def take(self) -> None:
        """Block this thread."""
        time.sleep(self.seconds)

    async def atake(self) -> None:
        """Suspend this task."""
        await asyncio.sleep(self.seconds)
