"""Single flight: of the callers that miss on one key at the same time, one computes and the others wait.

Rules:
- The first to join a key leads; it ends its flight by landing it (a value or an error) or by abandoning it.
- Abandoned (the leader was cancelled) means that the waiters race anew: one of them is promoted to lead.
- A flight that was fenced off, because its key or a tag was invalidated, is left to those who joined before;
  who comes later starts another.
- Who already leads a flight, in this thread or task or in one that started this one, does not wait for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from cachelayer.backends.computing import Computing
from cachelayer.backends.tags import Tag

_leading: ContextVar[tuple[Flight, ...]] = ContextVar("cachelayer_leading", default=())
_thread: Final = threading.get_ident


class Landing(Protocol):
    """How a flight ended: `give` hands each waiter the value or raises the error."""

    def give(self) -> Any:
        """Return the value or raise."""
        ...


class Landed(msgspec.Struct, frozen=True):
    """A landing by a function."""

    give: Callable[[], Any]


class Failed(msgspec.Struct, frozen=True):
    """A landing by an error."""

    error: BaseException

    def give(self) -> Any:
        """Raise it."""
        raise self.error


class _Abandoned:
    """The landing of a flight that ended without a result."""

    def give(self) -> Any:
        """Nobody asks."""
        raise NotImplementedError


ABANDONED: Final = _Abandoned()


class Flight(msgspec.Struct, eq=False):
    """One computation under way, in this process; and what fences it off.

    Attributes:
        key: what is computed.
        broken: set when the key was changed or removed meanwhile.
        tags: the tags it was begun under, in the memory store.
        fence: what was captured of a byte store.
        watch: where its result says which tags it has: what tells whether they were invalidated since it began.
        vouched: where it has a watch, whether its result was stored: no tag of it had been invalidated until then.
        lease: what says to the store that this process computes the key; empty where it does not say so.
        thread: the leader's thread, where it leads in sync code; 0 otherwise.
        loop: the event loop that it is led in, where that is done in the background.
        landing: how it ended, None until then.
        waiters: what wakes each of them.
        held: since when its leader has been held up by the one that it does it for, by `monotonic`; 0 where it is not.
    """

    key: str
    broken: bool = False
    tags: tuple[Tag, ...] = ()
    fence: Any = None
    watch: Any = None
    vouched: bool = False
    lease: bytes = b""
    thread: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    landing: Landing | None = None
    waiters: list[Callable[[], object]] = []
    held: float = 0.0

    def intact(self) -> bool:
        """Whether nothing in this process touched its key or tags."""
        if self.broken:
            return False
        return all(tag.alive for tag in self.tags)

    def may_be_old(self, landing: Landing) -> bool:
        """Whether its result may be from before an invalidation that had returned when a waiter joined it.

        So where the result alone says which tags it has, as long as it was not stored: the waiter could not know.
        """
        return self.watch is not None and not self.vouched and not isinstance(landing, Failed)

    @property
    def is_lost(self) -> bool:
        """Whether it will not end by itself: the event loop that it is led in has been closed."""
        return self.loop is not None and self.loop.is_closed()

    def wait(self, timeout: float | None) -> Landing | None:
        """Block until it has ended; None after `timeout` seconds."""
        gate = threading.Lock()
        gate.acquire()
        wake = gate.release
        self.waiters.append(wake)
        try:
            # In this order, since `end` sets the landing first: one of the two sees the other.
            if self.landing is None:
                gate.acquire(timeout=-1 if timeout is None else timeout)
        finally:
            self._leave(wake)
        return self.landing

    async def await_landing(self, timeout: float | None) -> Landing | None:
        """Suspend this task until it has ended; None after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        landed = loop.create_future()
        wake = partial(_wake, loop, landed)
        self.waiters.append(wake)
        try:
            if self.landing is None:
                await asyncio.wait_for(landed, timeout)
        except TimeoutError:
            return self.landing
        finally:
            self._leave(wake)
        return self.landing

    def _leave(self, wake: Callable[[], object]) -> None:
        """Wait no longer: who gives up shall not be held for as long as the computation goes on."""
        if self.landing is None:
            try:
                self.waiters.remove(wake)
            except ValueError:
                pass  # It has been woken.

    def end(self, landing: Landing) -> None:
        """Publish how it ended and wake everybody."""
        self.landing = landing
        while self.waiters:
            self.waiters.pop()()


class Flights:
    """The flights of one store in this process."""

    def __init__(self, computing: Computing) -> None:
        self.computing = computing

    @property
    def landings(self) -> int:
        """Grows with each flight that ended: who sees it unchanged knows that nothing landed meanwhile."""
        return self.computing.landings

    def __len__(self) -> int:
        return len(self.computing.flying)

    @property
    def under_way(self) -> int:
        """How many computations there are, those too that nobody can join."""
        return len(self.computing.flying) + sum(map(len, list(self.computing.lone.values())))

    def keys(self) -> tuple[str, ...]:
        """Return the keys of what is under way in this process."""
        with self.computing.lock:
            return (*self.computing.flying.copy(), *self.computing.lone)

    def join(self, key: str) -> tuple[Flight, bool]:
        """Return the key's flight, and whether the caller leads it."""
        mine = Flight(key)
        flight: Flight = self.computing.flying.setdefault(key, mine)
        return flight, flight is mine

    def alone(self, key: str) -> Flight:
        """Return a flight that nobody can join, for who computes by itself."""
        flight = Flight(key)
        self.computing.add_lone(flight)
        return flight

    def detach(self, flight: Flight) -> None:
        """Let later callers start anew; those who wait already get what they wait for."""
        self.computing.remove(flight)

    def set_aside(self, flight: Flight) -> None:
        """Let later callers start anew, while it goes on, and what fences it off still does."""
        with self.computing.lock:
            if self.computing.flying.get(flight.key) is flight:
                del self.computing.flying[flight.key]
                self.computing.add_lone(flight)

    def land(self, flight: Flight, landing: Landing) -> None:
        """End `flight` with a value or error."""
        self._end(flight, landing)

    def abandon(self, flight: Flight) -> None:
        """End `flight` without a result: one of its waiters will lead the next."""
        self._end(flight, ABANDONED)

    def landed(self, flight: Flight, landing: Landing) -> None:
        """Like `land`, for a flight whose result the table has just taken in."""
        flight.landing = landing
        if flight.waiters:
            flight.end(landing)

    def _end(self, flight: Flight, landing: Landing) -> None:
        self.computing.remove(flight)
        flight.end(landing)


def is_leading(flight: Flight) -> bool:
    """Whether the calling thread or task, or one that started it, computes `flight` itself."""
    return flight.thread == _thread() or flight in _leading.get()


def start_leading(*flights: Flight) -> tuple[Flight, ...]:
    """Note that the caller computes these from now on; return what to give to `stop_leading`."""
    before = _leading.get()
    _leading.set((*before, *flights))
    return before


def stop_leading(before: tuple[Flight, ...]) -> None:
    """Undo `start_leading`."""
    _leading.set(before)


def _wake(loop: asyncio.AbstractEventLoop, landed: asyncio.Future[None]) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, landed)
    except RuntimeError:
        pass  # The waiter's loop has closed, and the waiter with it.


def _resolve(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)
