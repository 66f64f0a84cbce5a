"""How long an operation may take, in each colour."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.resilience.operations import OF_ALL, size_of
from cachelayer.backends.resilience.pool import HangingPool

#: Seconds for an operation on a store that has no time limits of its own, where nobody says.
DEADLINE: Final = 0.5
#: An operation on the whole store may take so many times as long.
_FOR_ALL: Final = 20
#: Each further so many keys add one deadline.
_KEYS: Final = 1000
#: Share of its deadline by which a timer may be late; later than that, it was the event loop that was held up.
_LATE: Final = 0.2


class HeldUpError(TimeoutError):
    """The event loop was held up for so long that nothing can be said about the store."""


class Limits:
    """The time limits of one store.

    A store with a `timeout` ends its sync calls by itself, so they are made in the caller's thread. One without is
    called there too, unless a deadline was asked for: then in a pool of threads, as are its async twins that would hop
    to a thread anyway.

    Args:
        inner: the store.
        deadline: seconds for one operation; None for the store's own timeout, or else `DEADLINE`.
        pool: where calls go that might hang for ever.
    """

    def __init__(self, inner: CacheBackend, deadline: float | None, pool: HangingPool) -> None:
        self.inner, self.pool = inner, pool
        self.deadline = deadline if deadline is not None else inner.timeout or DEADLINE
        self.ends_itself = inner.timeout is not None
        self.in_threads = deadline is not None and not self.ends_itself

    def seconds(self, operation: str, args: tuple[Any, ...]) -> float | None:
        """Return how long an operation may take; None where the store's limits for each round trip have to do."""
        if operation in OF_ALL:
            return None if self.ends_itself else self.deadline * _FOR_ALL
        return self.deadline * (1 + size_of(operation, args) // _KEYS)

    def hops(self, operation: str) -> bool:
        """Whether the async twin is the base class's, which would hang in one of the event loop's own threads."""
        name = "a" + operation
        return not self.ends_itself and getattr(type(self.inner), name) is getattr(CacheBackend, name)


class Limited(msgspec.Struct, frozen=True):
    """One operation of a store as a step of a flow: it ends in time."""

    limits: Limits
    operation: str
    args: tuple[Any, ...]

    def take(self) -> Any:
        """Call the method."""
        limits = self.limits
        call = getattr(limits.inner, self.operation)
        if not limits.in_threads:
            return call(*self.args)
        return limits.pool.run(call, self.args, limits.seconds(self.operation, self.args))

    async def atake(self) -> Any:
        """Await its async twin."""
        seconds = self.limits.seconds(self.operation, self.args)
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                return await self._call()
        except TimeoutError as error:
            if seconds is None or not timeout.expired():
                raise
            late = asyncio.get_running_loop().time() - (timeout.when() or 0.0)
            if late > max(0.05, seconds * _LATE):
                raise HeldUpError(f"the event loop was held up for {late:.2f} s") from error
            raise TimeoutError(f"no answer within {seconds} s") from error

    async def _call(self) -> Any:
        limits = self.limits
        if limits.hops(self.operation):
            return await limits.pool.arun(getattr(limits.inner, self.operation), self.args)
        return await getattr(limits.inner, "a" + self.operation)(*self.args)
