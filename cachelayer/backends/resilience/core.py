"""What all who use one store through a `ResilientBackend` share: its breaker, what it has missed, and its counts."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.resilience.breaker import Breaker, Monotonic, State
from cachelayer.backends.resilience.courier import Courier
from cachelayer.backends.resilience.limits import HeldUpError, Limited, Limits
from cachelayer.backends.resilience.operations import INSTEAD, REPLAY, Args, check, is_idle
from cachelayer.backends.resilience.pending import NOTED, Pending
from cachelayer.backends.resilience.pool import HangingPool
from cachelayer.backends.url import mask_passwords
from cachelayer.counters import Counter
from cachelayer.errors import (
    BackendClosedError,
    BackendError,
    CacheLayerError,
    ConfigurationError,
    MissingExtraError,
    OptionTypeError,
    UnsupportedOperationError,
)
from cachelayer.flows import Flow, run

logger = logging.getLogger("cachelayer.backends")

#: Errors that say nothing about the store: mistakes of the caller, which every caller is to see.
MISTAKES: Final = (
    OptionTypeError,
    ConfigurationError,
    UnsupportedOperationError,
    BackendClosedError,
    MissingExtraError,
)
#: What must not be lost even where its caller was interrupted, and so never learned how it ended.
_INVALIDATIONS: Final = frozenset(
    {"delete", "delete_many", "clear", "bump_generations", "soften_generations"}
)
#: Seconds between two lines in the log about a store that fails now and then without going away.
_QUIET: Final = 30.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a store has been doing, as this process sees it.

    Attributes:
        state: "closed" (it is asked), "open" (it is not), or "probing" (one caller asks whether it is back).
        opened_at: epoch seconds since which it has been away; None where it is not.
        pending: invalidations that it has missed, and will get before it is asked anything else.
        failures: operations that failed.
        timeouts: those of them that took too long.
        refused: operations that failed at once, because it was away.
        swallowed: operations of either kind whose callers got "not there" or "not stored" instead of an error.
        replayed: missed invalidations that it has got since.
        lost_threads: threads that hang in a call to it.
        last_error: the latest failure; "" where there was none.
    """

    state: State
    opened_at: float | None
    pending: int
    failures: int
    timeouts: int
    refused: int
    swallowed: int
    replayed: int
    lost_threads: int
    last_error: str


class _BusyError(BackendError):
    """What was asked for is being made good right now, by another caller."""


class Core:
    """Asks one store, if that makes sense, and makes good what it has missed first.

    Args:
        inner: the store.
        failures, probe_interval, replay_limit, background, clock: see `ResilientBackend`.
    """

    def __init__(
        self,
        inner: CacheBackend,
        *,
        failures: int,
        probe_interval: float,
        replay_limit: int,
        background: bool,
        clock: Monotonic,
    ) -> None:
        self.inner, self.name = inner, type(inner).__name__
        self.breaker = Breaker(failures=failures, pause=probe_interval, clock=clock)
        self.pending = Pending(replay_limit)
        self.pool = HangingPool()
        self._courier = Courier(self, probe_interval) if background else None
        self.closed = False
        self.failures, self.timeouts, self.refused = Counter(), Counter(), Counter()
        self.swallowed, self.replayed = Counter(), Counter()
        self.last_error = self._away = ""
        self._clock = clock
        self._quiet_until = -math.inf
        self._is_told = False
        self._replaying = threading.Lock()
        _cores.add(self)

    def health(self) -> Health:
        """Return what is known of the store."""
        return Health(
            state=self.breaker.state,
            opened_at=self.breaker.opened_at,
            pending=self.pending.count,
            failures=self.failures.value,
            timeouts=self.timeouts.value,
            refused=self.refused.value,
            swallowed=self.swallowed.value,
            replayed=self.replayed.value,
            lost_threads=self.pool.lost,
            last_error=self.last_error,
        )

    # -- asking -----------------------------------------------------------------------------------------------

    def ask(self, limits: Limits, operation: str, args: Args) -> Flow[Any]:
        """Do one operation of the store; raises BackendError where that fails, or is not worth trying."""
        if is_idle(operation, args):
            return self.do_without(operation, args)
        ticket = self.breaker.admit()
        if ticket is None:
            self.refuse(operation, args)
            raise BackendError(self._away)
        return (yield from self.try_it(ticket, limits, operation, args))

    def try_it(self, ticket: int, limits: Limits, operation: str, args: Args) -> Flow[Any]:
        """Do an operation that was admitted; raises BackendError where that fails."""
        try:
            if self.pending.count:
                yield from self._make_good(limits, operation, args)
            result = yield Limited(limits, operation, args)
        except BaseException as error:
            self._ended(ticket, operation, args, error)
            if is_ours(error):
                raise
            raise self._mapped(operation) from error
        self._answered(ticket)
        return result

    @contextmanager
    def asking(self, operation: str, args: Args) -> Generator[None]:
        """Let the block ask the store itself, as `ask` does; what is pending it makes good by `make_good`."""
        ticket = self.breaker.admit()
        if ticket is None:
            self.refuse(operation, args)
            raise BackendError(self._away)
        try:
            yield
        except BaseException as error:
            self._ended(ticket, operation, args, error)
            if is_ours(error):
                raise
            raise self._mapped(operation) from error
        self._answered(ticket)

    def do_without(self, operation: str, args: Args) -> Any:
        """Return what stands for the store's answer."""
        if self.closed:
            raise BackendClosedError(f"{self.name} is closed: make a new one")
        return INSTEAD[operation](args)

    def refuse(self, operation: str, args: Args) -> None:
        """Take note of an operation that is not worth trying now; raises the errors that its caller is to see."""
        check(operation, args)
        if self.closed:
            raise BackendClosedError(f"{self.name} is closed: make a new one")
        self.refused.tick()
        if operation in NOTED:
            self._keep(operation, args)

    def make_good(self, limits: Limits, operation: str, args: Args) -> Flow[None]:
        """Do what the store has missed, if anything."""
        if self.pending.count:
            yield from self._make_good(limits, operation, args)

    def catch_up(self) -> None:
        """Make good what was missed, if the store can be asked now: for who has nothing else to ask it."""
        try:
            with self.asking(REPLAY, ()):
                run(self.make_good(Limits(self.inner, None, self.pool), REPLAY, ()))
        except CacheLayerError:
            pass  # It is known, and told, that the store is away: what is pending stays so.

    def lose(self, error: Exception) -> None:
        """Say that the store will not get what it has missed."""
        count = self.pending.count
        logger.warning("%s is closed and has missed %d invalidations: %r", self.name, count, error)

    # -- inside -----------------------------------------------------------------------------------------------

    def _make_good(self, limits: Limits, operation: str, args: Args) -> Flow[None]:
        if not self._replaying.acquire(blocking=False):
            if self.pending.touches(operation, args):
                raise _BusyError(f"{self.name} is being told what it has missed: {operation} has to wait")
            return
        try:
            batch = self.pending.batch()
            for step, its_args in batch.operations():
                yield Limited(limits, step, its_args)
            self.pending.settle(batch)
            for _ in range(len(batch)):
                self.replayed.tick()
        finally:
            self._replaying.release()

    def _keep(self, operation: str, args: Args) -> None:
        self.pending.note(operation, args)
        if self.pending.count and self._courier is not None:
            self._courier.call()

    def _answered(self, ticket: int) -> None:
        opened_at = self.breaker.opened_at
        if self.breaker.succeeded(ticket):
            away = time.time() - (opened_at or time.time())
            logger.warning("%s is back after %.1f s", self.name, away)

    def _ended(self, ticket: int, operation: str, args: Args, error: BaseException) -> None:
        """Take note of an operation that ended without a result."""
        if isinstance(error, MISTAKES):
            self.breaker.leave(ticket)
        elif not isinstance(error, Exception) or isinstance(error, (_BusyError, HeldUpError)):
            self.breaker.leave(ticket)
            if operation in (NOTED if isinstance(error, Exception) else _INVALIDATIONS):
                self._keep(operation, args)
        else:
            if operation in NOTED:
                self._keep(operation, args)
            self._failed(ticket, operation, error)

    def _failed(self, ticket: int, operation: str, error: Exception) -> None:
        self.failures.tick()
        if _is_timeout(error):
            self.timeouts.tick()
        self.last_error = mask_passwords(repr(error))
        self._away = f"{self.name} is away, and not asked until it may be back: {self.last_error}"
        opened, now = self.breaker.failed(ticket), self._clock()
        if self.breaker.in_a_row == 1:
            self._is_told = False
        # Once for each time that it goes away: with its first failure, or else as soon as that is certain.
        if not self._is_told and (opened or now >= self._quiet_until):
            self._is_told, self._quiet_until = True, now + _QUIET
            logger.warning(
                "%s failed in %s, callers go on without it: %s", self.name, operation, self.last_error
            )

    def _mapped(self, operation: str) -> BackendError:
        return BackendError(f"{self.name} failed in {operation}: {self.last_error}")

    def start_anew(self) -> None:
        """Go on in a forked child: other threads' probes and replays, and the pool's threads, are not here."""
        self._replaying = threading.Lock()
        self.pool.renew()
        if self._courier is not None:
            self._courier.start_anew()
        self.breaker.forget_probe()


def is_ours(error: BaseException) -> bool:
    """Whether an error is one that this package raises, or no error of the store at all."""
    return not isinstance(error, Exception) or isinstance(error, (BackendError, *MISTAKES))


def _is_timeout(error: BaseException) -> bool:
    # Client libraries have their own classes for it; a backend that maps them has them as the cause.
    return any("Timeout" in type(each).__name__ for each in (error, error.__cause__))


_cores: weakref.WeakSet[Core] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for core in list(_cores):
        core.start_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
