"""A circuit breaker: who may ask the store, by what its last answers were.

    closed   everybody asks; after some failures in a row: open
    open     nobody asks, until a pause is over: then one caller does, and it is probing
    probing  that caller's success: closed; its failure: open for twice the pause; no verdict: open, and due at once

A ticket names the state's period in which its holder was admitted: a verdict that comes after that period counts for
nothing. So a caller who was admitted before the store went away can neither close the breaker nor open it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from cachelayer.chance import uniform
from cachelayer.forks import ProcessLock

#: Seconds that the pause between two probes grows to.
LONGEST_PAUSE: Final = 10.0
#: Seconds after which a probe that gave no verdict (its thread hangs) no longer keeps others from trying.
PROBE_PATIENCE: Final = 60.0

Monotonic = Callable[[], float]


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """Counts failures in a row, and decides who may ask the store.

    Args:
        failures: how many in a row open it.
        pause: seconds until the first probe; the pauses after failed probes double, up to `LONGEST_PAUSE`.
        clock: returns monotonic seconds.

    Attributes:
        state: what it is in.
        opened_at: epoch seconds since which the store has been away; None while it is closed.
        in_a_row: failures since the last success.
    """

    def __init__(self, *, failures: int = 3, pause: float = 1.0, clock: Monotonic = time.monotonic) -> None:
        self._limit, self._first_pause, self._clock = failures, pause, clock
        self._lock = ProcessLock()
        self.state = State.CLOSED
        self.opened_at: float | None = None
        self._period = 0
        self.in_a_row = 0
        self._pause = pause
        self._due = 0.0

    def admit(self) -> int | None:
        """Return a ticket for one operation; None where the store is not to be asked now."""
        if self.state is State.CLOSED:
            return self._period
        if self._clock() < self._due:
            return None
        with self._lock:
            return self._admit_one()

    def succeeded(self, ticket: int) -> bool:
        """Take note that the holder's operation succeeded; whether that closed the breaker."""
        if self.state is State.CLOSED and not self.in_a_row:
            return False
        with self._lock:
            if ticket != self._period or self.state is State.OPEN:
                return False
            self.in_a_row = 0
            if self.state is State.CLOSED:
                return False
            self._enter(State.CLOSED)
            self.opened_at, self._pause = None, self._first_pause
            return True

    def failed(self, ticket: int) -> bool:
        """Take note that the holder's operation failed; whether that opened the breaker, which was closed."""
        with self._lock:
            if ticket != self._period or self.state is State.OPEN:
                return False
            if self.state is State.PROBING:
                self._pause = min(self._pause * 2, max(LONGEST_PAUSE, self._first_pause))
                self._open_for(self._pause)
                return False
            self.in_a_row += 1
            if self.in_a_row < self._limit:
                return False
            self.opened_at = time.time()
            self._open_for(self._pause)
            return True

    def leave(self, ticket: int) -> None:
        """Take note that the holder's operation ended without a verdict on the store."""
        if self.state is State.PROBING:
            with self._lock:
                if ticket == self._period and self.state is State.PROBING:
                    self._open_for(0.0)

    def forget_probe(self) -> None:
        """Let somebody else probe: the caller who did is not in this process any more."""
        if self.state is State.PROBING:
            self._open_for(0.0)

    @property
    def wait(self) -> float:
        """Seconds until somebody may ask; 0.0 if now, or if a probe will tell soon."""
        return max(0.0, self._due - self._clock()) if self.state is State.OPEN else 0.0

    def _admit_one(self) -> int | None:
        if self.state is State.CLOSED:
            return self._period
        now = self._clock()
        if now < self._due:
            return None
        self._enter(State.PROBING)
        self._due = now + PROBE_PATIENCE
        return self._period

    def _open_for(self, seconds: float) -> None:
        self._enter(State.OPEN)
        # Spread, so that the processes of a site do not ask a store that comes back all at once.
        self._due = self._clock() + seconds * uniform(1.0, 1.25)

    def _enter(self, state: State) -> None:
        self._period += 1
        self.state = state
