"""Values kept as objects in this process's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.table import EntryTable
from cachelayer.backends.table_entries import ObjectEntry
from cachelayer.backends.tags import Tag
from cachelayer.counters import Counter, Timings
from cachelayer.flow.flights import Flight, Flights
from cachelayer.flow.records import Draft, Query, Record
from cachelayer.flows import Flow
from cachelayer.values.codecs import Codec
from cachelayer.values.envelope import OVERHEAD, Envelope, pack
from cachelayer.values.snapshot import Snapshot


class LocalEntry(ObjectEntry, gc=False, eq=False):
    """An entry of the memory store that holds a value: a `Record`."""

    encode: Callable[[Any], bytes] | None = None
    codec: int = 0

    def to_bytes(self) -> bytes:
        """Return the envelope that a byte store would hold."""
        payload = self.payload if self.encode is None else self.encode(self.payload)
        return pack(Envelope(self.codec, payload, self.created, self.fresh_until, self.expires, self.cost))

    def value(self) -> Any:
        """Return the value, the caller's own where it could be changed."""
        return self.payload if self.load is None else self.load(self.payload)

    #: It can be what a flight lands with.
    give = value


class ObjectStorage:
    """Values as objects in an `InMemoryBackend`: nothing here waits for anything."""

    local: ClassVar[bool] = True

    def __init__(self, backend: InMemoryBackend) -> None:
        self.table: EntryTable = backend.table
        self.flights = Flights(backend.table.computing)
        self.errors, self.timings = Counter(), Timings()
        #: Tells other processes, which have their own memory: what ("keys", "tags", "clear"), which, and if softly.
        self.announce: Callable[[str, list[str], bool], object] | None = None

    def lookup(self, key: str) -> LocalEntry | None:
        """Return the living entry under `key`, counted as a hit or miss of the store."""
        entry = self.table.live(key)
        if isinstance(entry, LocalEntry):
            self.table.note_hit(key)
            return entry
        self.table.misses.tick()
        return None

    def read(self, key: str, codec: Codec, tags: tuple[str, ...]) -> Flow[Record | None]:
        """See `Storage.read`."""
        return self.lookup(key)
        yield

    def read_many(self, lookups: Iterable[Query]) -> Flow[dict[str, Record]]:
        """See `Storage.read_many`."""
        found = ((each.key, self.lookup(each.key)) for each in lookups)
        return {key: entry for key, entry in found if entry is not None}
        yield

    def peek(self, key: str, codec: Codec, tags: tuple[str, ...]) -> Flow[Record | None]:
        """See `Storage.peek`."""
        entry = self.table.live(key)
        return entry if isinstance(entry, LocalEntry) else None
        yield

    def capture(self, flight: Flight, tags: tuple[str, ...]) -> Flow[None]:
        """See `Storage.capture`."""
        flight.tags = tuple(map(self.table.tag, tags))
        return
        yield

    def capture_all(self, flights: Sequence[tuple[Flight, tuple[str, ...]]]) -> Flow[None]:
        """See `Storage.capture_all`."""
        for flight, tags in flights:
            yield from self.capture(flight, tags)

    def watch(self, flight: Flight) -> None:
        """See `Storage.watch`."""
        flight.watch = self.table.watch()

    def capture_late(self, flight: Flight, tags: tuple[str, ...]) -> Flow[bool]:
        """See `Storage.capture_late`."""
        living = self.table.late_tags(tags, flight.watch)
        if living is not None:
            flight.tags += living
        return living is not None
        yield

    def intact(self, flight: Flight) -> Flow[bool]:
        """See `Storage.intact`."""
        return flight.intact()
        yield

    def write(self, draft: Draft, codec: Codec, flight: Flight) -> Flow[Record | None]:
        """See `Storage.write`."""
        entry = self._draft(draft, codec)
        return entry if self.table.commit(flight, entry) else None
        yield

    def put(self, draft: Draft, codec: Codec) -> Flow[Record | None]:
        """See `Storage.put`."""
        entry = self._draft(draft, codec)
        return entry if self.table.put(entry, draft.created) else None
        yield

    def fence_off(self, key: str) -> Flow[None]:
        """See `Storage.fence_off`."""
        with self.table.lock:
            self.table.computing.break_off(key)
        return
        yield

    def acquire(self, flight: Flight, seconds: float) -> Flow[bool]:
        """See `Storage.acquire`: nobody else computes for this process."""
        return True
        yield

    def release(self, flight: Flight) -> Flow[None]:
        """See `Storage.release`."""
        return
        yield

    def remove(self, key: str) -> Flow[bool]:
        """See `Storage.remove`."""
        if self.announce is not None:
            self.announce("keys", [key], False)
        return self.table.remove(key)
        yield

    def invalidate(self, tags: Iterable[str], *, soft: bool = False) -> Flow[int]:
        """See `Storage.invalidate`."""
        names = list(tags)
        if self.announce is not None and names:
            self.announce("tags", names, soft)
        return self.table.invalidate(names, soft=soft)
        yield

    def clear(self) -> Flow[int]:
        """See `Storage.clear`."""
        if self.announce is not None:
            self.announce("clear", [], False)
        return self.table.clear()
        yield

    def entry(  # noqa: PLR0917 - called for each miss, and keywords cost
        self, key: str, kept: Snapshot, expires: float, created: float, cost: float, tags: tuple[Tag, ...]
    ) -> LocalEntry:
        """Return an entry that is fresh until it expires; times are epoch seconds, `cost` seconds."""
        size = kept.size + OVERHEAD
        return LocalEntry(
            key,
            kept.payload,
            expires,
            created,
            expires,
            kept.load,
            size,
            tags,
            None,
            cost,
            None,
            kept.encode,
            kept.codec,
        )

    def _draft(self, draft: Draft, codec: Codec) -> LocalEntry:
        tags = tuple(map(self.table.tag, draft.tags))
        kept = codec.keep(draft.value)
        entry = self.entry(draft.key, kept, draft.expires, draft.created, draft.cost, tags)
        entry.fresh_until = draft.fresh_until
        return entry
