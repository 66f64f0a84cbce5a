"""The steps a flow can yield. Each knows how to be taken in sync and in async code; all else is the flow's."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.flow.flights import Flight, Landing

T = TypeVar("T")


class Step(Protocol):
    """One thing that a flow wants done."""

    def take(self) -> Any:
        """Do it, blocking."""
        ...

    async def atake(self) -> Any:
        """Do it without blocking the event loop."""
        ...


#: A flow yields steps, is sent their results (or thrown their errors), and returns a T.
Flow = Generator[Step, Any, T]


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


class Operate(msgspec.Struct, frozen=True):
    """One operation of a backend, by its name: the sync method, or its async twin."""

    backend: CacheBackend
    operation: str
    args: tuple[Any, ...]

    def take(self) -> Any:
        """Call the method."""
        return getattr(self.backend, self.operation)(*self.args)

    async def atake(self) -> Any:
        """Await its async twin."""
        return await getattr(self.backend, "a" + self.operation)(*self.args)


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
