"""Backends that fail, or answer late, when a test says so."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable, Mapping
from typing import Final

from cachelayer.backends.base import CacheBackend
from cachelayer.errors import BackendError, ConfigurationError
from cachelayer.testing.wrapped import WrappedBackend

#: How many seconds a held call waits at most, so that a test which forgets to release it ends.
LONGEST_WAIT: Final = 30.0


class FailingBackend(WrappedBackend):
    """Raises an error on chosen operations: on each call until it is mended, on the next few, or now and then.

    Args:
        inner: the backend that does the rest.
        error: what is raised; give what a client library would raise. A mapping gives each operation its own.
        operations: the names of those that fail ("get", "set", ...); None for all, or for those that `error` maps.
        rate: the share of their calls that fails, above 0 and up to 1.
        seed: of the sequence that decides which calls these are; the same seed gives the same ones.

    Raises:
        ConfigurationError: `rate` is out of range, or an operation to fail has no error.
    """

    def __init__(
        self,
        inner: CacheBackend,
        *,
        error: Exception | Mapping[str, Exception] | None = None,
        operations: Iterable[str] | None = None,
        rate: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(inner)
        if not 0 < rate <= 1:
            raise ConfigurationError(f"rate={rate!r}: give a share above 0 and up to 1")
        self._errors = dict(error) if isinstance(error, Mapping) else None
        self._error = (
            error if isinstance(error, Exception) else BackendError("this store fails, as it was told to")
        )
        chosen = self._errors if operations is None else operations
        self._operations = None if chosen is None else frozenset(chosen)
        if (
            self._errors is not None
            and self._operations is not None
            and self._operations - self._errors.keys()
        ):
            missing = ", ".join(sorted(self._operations - self._errors.keys()))
            raise ConfigurationError(f"error= names none for {missing}: add it, or leave operations= out")
        self._rate, self._chance = rate, random.Random(seed)  # noqa: S311 - decides tests, keeps no secret
        self._lock = threading.Lock()
        self._left: int | None = None
        self.failing = True

    def mend(self) -> None:
        """Work from now on."""
        self.failing = False

    def break_down(self) -> None:
        """Fail again from now on."""
        with self._lock:
            self._left, self.failing = None, True

    def fail_next(self, count: int = 1) -> None:
        """Let the next `count` calls of the chosen operations fail, as `rate` says, and work after them."""
        with self._lock:
            self._left, self.failing = count, count > 0

    def before(self, operation: str) -> None:
        """Raise the error if this call is one that fails."""
        if self._operations is None or operation in self._operations:
            with self._lock:
                fails = self._decide()
            if fails:
                error = self._error if self._errors is None else self._errors[operation]
                raise error.with_traceback(None)  # else each raise would add to the last one's

    def _decide(self) -> bool:
        if not self.failing:
            return False
        if self._left is not None:
            self._left -= 1
            self.failing = self._left > 0
        return self._rate == 1 or self._chance.random() < self._rate


class SlowBackend(WrappedBackend):
    """Holds chosen operations back until it is released, so that a test decides who comes first, without a sleep.

    Args:
        inner: the backend that does the work.
        operations: the names of those that are held ("get", "set", ...); None for all.
    """

    def __init__(self, inner: CacheBackend, *, operations: Iterable[str] | None = None) -> None:
        super().__init__(inner)
        self._operations = None if operations is None else frozenset(operations)
        self._gate = threading.Event()
        self._arrivals = threading.Semaphore(0)
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Hold the calls that come from now on."""
        self._gate.clear()

    def release(self) -> None:
        """Let all calls go, those that wait and those that come."""
        with self._lock:
            self._gate.set()
            sleepers, self._sleepers = self._sleepers, []
        for loop, event in sleepers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def wait_for_call(self) -> None:
        """Wait until a call is held that was not waited for before; raises TimeoutError if none comes."""
        if not self._arrivals.acquire(timeout=LONGEST_WAIT):
            raise TimeoutError("no call came to the store")

    async def await_call(self) -> None:
        """Async twin of `wait_for_call`."""
        await asyncio.to_thread(self.wait_for_call)

    def before(self, operation: str) -> None:
        """Wait to be released, if the operation is one of those that are held."""
        if self._holds(operation):
            self._arrivals.release()
            if not self._gate.wait(LONGEST_WAIT):
                raise TimeoutError("the store was never released")

    async def abefore(self, operation: str) -> None:
        """Async twin of `before`: the event loop, and its pool of threads, are free meanwhile."""
        event = asyncio.Event()
        with self._lock:
            if not self._holds(operation):
                return
            self._sleepers.append((asyncio.get_running_loop(), event))
        self._arrivals.release()
        async with asyncio.timeout(LONGEST_WAIT):
            await event.wait()

    def _holds(self, operation: str) -> bool:
        return not self._gate.is_set() and (self._operations is None or operation in self._operations)
