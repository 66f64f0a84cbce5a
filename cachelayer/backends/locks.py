"""Locks with leases over any backend."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Self

from cachelayer.backends.generations import lease_key
from cachelayer.chance import uniform
from cachelayer.durations import parse_duration
from cachelayer.errors import BackendError, ConfigurationError

if TYPE_CHECKING:
    from cachelayer.backends.base import CacheBackend

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


class Lock:
    """A lock that one holder has at a time, and that frees itself when its lease runs out.

    As a context manager (plain or async) it waits for at most one lease.

    Args:
        backend: where the lease is kept; holders in other processes count if the backend is shared.
        name: what is locked.
        lease: seconds after which the lock is free again without a release.
    """

    def __init__(self, backend: CacheBackend, name: str, *, lease: float) -> None:
        seconds = parse_duration(lease, name="lease")
        if not seconds:
            raise ConfigurationError(f"lease={lease!r}: a lock needs a lease above 0 seconds")
        self._backend, self.name, self.lease = backend, name, seconds
        self._token = b""

    def acquire(self, timeout: float = 0.0) -> bool:
        """Take the lock, waiting up to `timeout` seconds; whether it was taken."""
        token = secrets.token_bytes(16)
        for pause in pauses(timeout):
            if self._backend.acquire_lease(self.name, token, self.lease):
                self._token = token
                return True
            time.sleep(pause)
        return False

    def release(self) -> bool:
        """Free the lock if this object still holds it; False otherwise, and harmless."""
        token, self._token = self._token, b""
        return bool(token) and self._backend.release_lease(self.name, token)

    @property
    def fence(self) -> dict[str, bytes]:
        """What to add to `expected=` of `compare_and_set`: it stores only while this object holds the lock.

        A holder whose lease ran out thus cannot overwrite what a later one wrote.

        Raises:
            BackendError: the lock was not taken by this object.
        """
        if not self._token:
            raise BackendError(f"lock {self.name!r} is not held: acquire it first")
        return {lease_key(self.name): self._token}

    async def aacquire(self, timeout: float = 0.0) -> bool:
        """Async twin of `acquire`."""
        token = secrets.token_bytes(16)
        for pause in pauses(timeout):
            if await self._backend.aacquire_lease(self.name, token, self.lease):
                self._token = token
                return True
            await asyncio.sleep(pause)
        return False

    async def arelease(self) -> bool:
        """Async twin of `release`."""
        token, self._token = self._token, b""
        return bool(token) and await self._backend.arelease_lease(self.name, token)

    def __enter__(self) -> Self:
        if not self.acquire(self.lease):
            raise self._not_taken()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        if not await self.aacquire(self.lease):
            raise self._not_taken()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.arelease()

    def _not_taken(self) -> BackendError:
        return BackendError(f"lock {self.name!r} was not free within its lease of {self.lease} s")


def pauses(timeout: float) -> Iterator[float]:
    """Yield how many seconds to sleep after each failed try: growing, jittered, for `timeout` seconds in all."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while (left := deadline - time.monotonic()) > 0:
        yield min(left, pause * uniform(0.5, 1.0))
        pause = min(pause * 2, _LONGEST_PAUSE)
    yield 0.0
