"""What the parts of the contract share: the backend under test, its abilities, its time and its colour."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.clock import FakeClock
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from cachelayer.testing.crowds import in_processes


class ContractBase:
    """The flags and hooks that a subclass sets; `make_backend` is the only one it must."""

    #: `keys()` and `scan()` work; else they raise NotImplementedError.
    supports_keys: ClassVar[bool] = True
    #: `get_entry()` works, and metadata is kept; else it raises NotImplementedError.
    supports_entries: ClassVar[bool] = True
    #: `touch()` works; else it raises NotImplementedError.
    supports_touch: ClassVar[bool] = True
    #: `incr()` works; else it raises NotImplementedError.
    supports_incr: ClassVar[bool] = True
    #: `add`, `compare_and_set`, `incr` and locks are atomic among processes, where the backend is shared. The defaults
    #: of `CacheBackend` are so within one process only: a shared store overrides them, or says False here.
    atomic_among_processes: ClassVar[bool] = True
    #: `clear()` returns how many entries it removed; else 0.
    counts_cleared: ClassVar[bool] = True
    #: Generations and locks are seen neither in `keys()` nor in counts.
    hides_bookkeeping: ClassVar[bool] = True
    #: Use after `close()` raises.
    raises_when_closed: ClassVar[bool] = True
    #: A backend that is dropped without `close()` gives a ResourceWarning.
    warns_when_not_closed: ClassVar[bool] = False
    #: The largest value that it takes; None for no limit below 8 MiB.
    max_value_bytes: ClassVar[int | None] = None
    #: Time in the store passes by itself, so that the suite has to sleep.
    own_clock: ClassVar[bool] = False
    #: Seconds that the suite takes as its unit of time: ttls of a few ticks must be kept reliably.
    tick: ClassVar[float] = 10.0
    #: Seconds by which `created_at` and `ttl_remaining` may be off.
    resolution: ClassVar[float] = 0.01

    # -- hooks ------------------------------------------------------------------------------------------------

    def make_backend(self) -> CacheBackend:
        """Return a backend under test; twice in one test, two that see the same entries, where it is shared."""
        raise NotImplementedError(f"{type(self).__name__} needs a make_backend()")

    def make_neighbour(self) -> CacheBackend | None:
        """Return a backend in another namespace of the same store, None where there is no such thing."""
        return None

    def corrupt(self, backend: CacheBackend, key: str) -> bool:
        """Put foreign bytes where the store keeps `key`; False where that cannot be done."""
        return False

    def round_trips(self, backend: CacheBackend) -> int | None:
        """Return how many round trips the backend has made to its store, None where that cannot be told."""
        return None

    # -- for tests --------------------------------------------------------------------------------------------

    @cached_property
    def clock(self) -> FakeClock:
        """This test's clock, for stores that take one."""
        return FakeClock()

    @cached_property
    def unique(self) -> str:
        """A name that no other test uses."""
        return uuid.uuid4().hex

    def advance(self, seconds: float) -> None:
        """Let time pass for the store."""
        if self.own_clock:
            time.sleep(seconds)
        else:
            self.clock.advance(seconds)

    def now(self) -> float:
        """Return the store's time in epoch seconds."""
        return time.time() if self.own_clock else self.clock()

    def needs(self, condition: object, reason: str) -> None:
        """Skip the test unless the store can do what it is about."""
        if not condition:
            pytest.skip(reason)

    def in_processes(self, colour: Colour, work: Callable[[CacheBackend, int], Any]) -> list[Any]:
        """Run `work(backend, number)` in four processes at once, each with a backend of its own."""
        self.needs(hasattr(os, "fork"), "processes are made by fork")
        self.needs(self.atomic_among_processes, "its operations are atomic within one process")

        def run(number: int) -> Any:
            with in_colour(self.make_backend(), colour) as ops:
                return work(ops, number)

        return in_processes(4, run)

    @pytest.fixture(params=COLOURS)
    def colour(self, request: pytest.FixtureRequest) -> Colour:
        """Whether the test runs over the sync methods or their async twins."""
        colour: Colour = request.param
        return colour

    @pytest.fixture
    def backend(self) -> Iterator[CacheBackend]:
        """The backend itself."""
        backend = self.make_backend()
        yield backend
        backend.close()

    @pytest.fixture
    def ops(self, backend: CacheBackend, colour: Colour) -> Iterator[CacheBackend]:
        """The backend, with sync methods that call those of the test's colour."""
        with in_colour(backend, colour) as ops:
            yield ops
