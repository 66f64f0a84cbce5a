"""What the flow does with a backend: as objects in this process's memory, or as envelopes of bytes.

Both are flows (generators), so that what needs I/O yields it and what needs none runs straight through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import OnError
from cachelayer.clock import Clock
from cachelayer.counters import Counter, Timings
from cachelayer.flow.envelopes import EnvelopeStorage
from cachelayer.flow.flights import Flight, Flights
from cachelayer.flow.objects import ObjectStorage
from cachelayer.flow.records import Draft, Query, Record
from cachelayer.flows import Flow
from cachelayer.values.codecs import Codec
from cachelayer.values.sealing import Sealing


class Storage(Protocol):
    """What the flow does with a backend."""

    #: True where nothing here ever yields a step: callers may then use the plain methods behind it.
    local: ClassVar[bool]
    #: Operations of the backend that failed.
    errors: Counter
    #: How long its operations took, where they are calls.
    timings: Timings
    #: The computations under way.
    flights: Flights

    def read(self, key: str, codec: Codec, tags: tuple[str, ...]) -> Flow[Record | None]:
        """Return the living record under `key`, or None. `tags` are those it is expected to have."""
        ...

    def read_many(self, lookups: Iterable[Query]) -> Flow[dict[str, Record]]:
        """Return the living records of these, by key, in one bulk read."""
        ...

    def peek(self, key: str, codec: Codec, tags: tuple[str, ...]) -> Flow[Record | None]:
        """Like `read`, but counts nothing where the store leaves that to us."""
        ...

    def capture(self, flight: Flight, tags: tuple[str, ...]) -> Flow[None]:
        """Let the flight, which starts now, know what would fence it off."""
        ...

    def capture_all(self, flights: Sequence[tuple[Flight, tuple[str, ...]]]) -> Flow[None]:
        """Do what `capture` does for many flights with their tags."""
        ...

    def watch(self, flight: Flight) -> None:
        """Let the flight, which starts now, be told at its end of tags that only its result names."""
        ...

    def capture_late(self, flight: Flight, tags: tuple[str, ...]) -> Flow[bool]:
        """Let tags that the result has named fence the flight too; False where one was invalidated since it began."""
        ...

    def intact(self, flight: Flight) -> Flow[bool]:
        """Whether nothing has touched the flight's key or tags."""
        ...

    def write(self, draft: Draft, codec: Codec, flight: Flight) -> Flow[Record | None]:
        """Store the draft if its flight is intact. Return what was stored, None where nothing was."""
        ...

    def put(self, draft: Draft, codec: Codec) -> Flow[Record | None]:
        """Store the draft, whatever computations are under way."""
        ...

    def fence_off(self, key: str) -> Flow[None]:
        """Keep the computations of the key that are under way from being stored."""
        ...

    def acquire(self, flight: Flight, seconds: float) -> Flow[bool]:
        """Take the turn to compute the flight's key, among all processes, for so long; False where another has it."""
        ...

    def release(self, flight: Flight) -> Flow[None]:
        """Give the turn back, if the flight has it."""
        ...

    def remove(self, key: str) -> Flow[bool]:
        """Remove the key and fence off computations for it; whether it was there."""
        ...

    def invalidate(self, tags: Iterable[str], *, soft: bool = False) -> Flow[int]:
        """Kill every entry and computation under these tags, in O(1) for each; how many, 0 where unknown.

        Softly, entries become stale and are not gone.
        """
        ...

    def clear(self) -> Flow[int]:
        """Remove every entry of the backend; how many, 0 where it cannot tell."""
        ...


def make_storage(
    backend: CacheBackend, clock: Clock, *, on_error: OnError = "open", sealing: Sealing | None = None
) -> Storage:
    """Return the storage that fits the backend.

    Args:
        backend: the store.
        clock: returns epoch seconds.
        on_error: whether a store's failure is raised.
        sealing: what is done to entries on their way to a shared store and back.
    """
    if isinstance(backend, InMemoryBackend):
        return ObjectStorage(backend)
    return EnvelopeStorage(backend, clock, on_error=on_error, sealing=sealing)
