"""How the flow keeps values in a backend: as objects in this process's memory, or as envelopes of bytes.

Both are flows (generators), so that what needs I/O yields it and what needs none runs straight through.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Final, Protocol

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.computing import Computing
from cachelayer.backends.generations import (
    changed_at,
    first_generation,
    flight_lease,
    generation_key,
    is_softened,
    lease_key,
    mark_key,
    new_generation,
)
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.operate import Operate
from cachelayer.backends.resilience import OnError, ResilientBackend
from cachelayer.backends.table import NEVER, EntryTable, ObjectEntry, Tag
from cachelayer.clock import Clock
from cachelayer.counters import Counter, Timings
from cachelayer.errors import BackendError, CacheLayerError, DecodingError
from cachelayer.flow.flights import Flight, Flights
from cachelayer.flows import Flow
from cachelayer.values.codecs import Codec
from cachelayer.values.envelope import OVERHEAD, Envelope, pack
from cachelayer.values.sealing import Sealing
from cachelayer.values.snapshot import Snapshot

logger = logging.getLogger("cachelayer.flow")

#: Seconds that the mark of a key's invalidation outlives it in a shared store. A computation that takes longer than
#: this is the only one that could miss an invalidation of its key.
FENCE_LIFETIME: Final = 3600.0

#: Seconds that a tag is kept which only results name, since its first use, so that those of results which are no more
#: do not pile up. One that goes while it is used costs misses.
TAG_LIFETIME: Final = 28 * 86_400.0

#: How many entries' tags are remembered that only the entries name, and of how many tags each.
MOST_REMEMBERED: Final = 10_000
MOST_LATE_TAGS: Final = 20


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A value that is to be stored.

    Attributes:
        key: where.
        value: what.
        fresh_until: epoch seconds of the soft expiry.
        expires: epoch seconds of the hard expiry.
        created: epoch seconds of the computation's end.
        cost: seconds that it took.
        tags: names of its tags.
        label: its route.
    """

    key: str
    value: Any
    fresh_until: float
    expires: float
    created: float
    cost: float = 0.0
    tags: tuple[str, ...] = ()
    label: str = ""


class Record(Protocol):
    """A stored value as it was found."""

    @property
    def fresh_until(self) -> float:
        """Epoch seconds of the soft expiry."""
        ...

    @property
    def expires(self) -> float:
        """Epoch seconds of the hard expiry."""
        ...

    @property
    def created(self) -> float:
        """Epoch seconds of the computation's end."""
        ...

    @property
    def cost(self) -> float:
        """Seconds that the computation took."""
        ...

    @property
    def softened(self) -> bool:
        """Whether a tag of it was invalidated softly: it is stale, and not gone."""
        ...

    def value(self) -> Any:
        """Return the value, the caller's own where it could be changed; raises DecodingError."""
        ...


class Query(Protocol):
    """What is asked of a bulk read, for each key."""

    @property
    def key(self) -> str:
        """Where."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags it is expected to have."""
        ...

    @property
    def policy(self) -> Any:
        """How it is kept: by which codec."""
        ...


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


# -- objects in this process ------------------------------------------------------------------------------------


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


# -- envelopes in any backend -----------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """A record that was read from, or written to, a byte store."""

    envelope: Envelope
    codec: Codec
    softened: bool = False

    @property
    def fresh_until(self) -> float:
        """Epoch seconds of the soft expiry."""
        return self.envelope.fresh_until

    @property
    def expires(self) -> float:
        """Epoch seconds of the hard expiry."""
        return self.envelope.expires

    @property
    def created(self) -> float:
        """Epoch seconds of the computation's end."""
        return self.envelope.created

    @property
    def cost(self) -> float:
        """Seconds that the computation took."""
        return self.envelope.cost

    def value(self) -> Any:
        """Decode the value; raises DecodingError."""
        return self.codec.decode(self.envelope.codec, self.envelope.payload)


class SharedFence(msgspec.Struct, frozen=True):
    """What a computation captured in a byte store: the raw bytes under each key that an invalidation changes."""

    expected: dict[str, bytes | None]
    tags: tuple[tuple[str, bytes], ...]
    #: How many of the tags were captured at the beginning; the others were named by the result.
    early: int = 0


#: The fence of a computation that began while the store failed: nobody knows what has been invalidated since.
_NO_FENCE: Final = SharedFence({}, ())


class LateTags:
    """Which tags entries had that nobody could expect, when they were last seen: to read their generations with them.

    They only save a second read: what an entry has is in the entry.
    """

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}

    def get(self, key: str) -> tuple[str, ...] | None:
        """Return the tags that the entry had."""
        return self._names.get(key)

    def note(self, key: str, names: tuple[str, ...]) -> None:
        """Remember the tags of an entry."""
        if not names:
            self._names.pop(key, None)
        elif self._names.get(key) != names and len(names) <= MOST_LATE_TAGS:
            if len(self._names) >= MOST_REMEMBERED:
                self._names.clear()
            self._names[key] = names


class EnvelopeStorage:
    """Values as envelopes in any backend.

    Args:
        backend: the store.
        clock: returns epoch seconds.
        on_error: "open": a failing backend means misses, never an exception. "raise": its errors are raised.
        sealing: signs and compresses entries; None signs nothing.
    """

    local: ClassVar[bool] = False

    def __init__(
        self,
        backend: CacheBackend,
        clock: Clock,
        *,
        on_error: OnError = "open",
        sealing: Sealing | None = None,
    ) -> None:
        self._sealing = sealing or Sealing()
        self._raises = on_error == "raise"
        if isinstance(backend, ResilientBackend):
            # Here its errors are needed: a store that failed is not one that has nothing.
            backend = backend.view(on_error="raise")
        self._backend = backend
        self._clock = clock
        self._computing = Computing()
        self.flights = Flights(self._computing)
        self.errors, self.timings = Counter(), Timings()
        self._late = LateTags()

    def read(self, key: str, codec: Codec, tags: tuple[str, ...]) -> Flow[Record | None]:
        """See `Storage.read`: one bulk read, where the entry has no other tags than those expected or remembered."""
        remembered = self._late.get(key)
        names = tags if remembered is None else (*tags, *remembered)
        wanted = [key, *map(generation_key, names)]
        held = yield from self._try("get_many", wanted) if names else self._get(key)
        return None if held is None else (yield from self._record(key, held, codec, tags))

    peek = read

    def read_many(self, lookups: Iterable[Query]) -> Flow[dict[str, Record]]:
        """See `Storage.read_many`."""
        asked = tuple(lookups)
        wanted = dict.fromkeys(
            chain.from_iterable(
                (each.key, *map(generation_key, (*each.tags, *(self._late.get(each.key) or ()))))
                for each in asked
            )
        )
        held: Mapping[str, bytes | None] = (yield from self._try("get_many", list(wanted))) or {}
        opened = {each.key: (each, self._open(each.key, held)) for each in asked}
        # What other tags they have is asked of all of them at once.
        unknown: list[str] = []
        for each, envelope in opened.values():
            if envelope is not None:
                late = tuple(name for name, _ in envelope.tags if name not in each.tags)
                self._late.note(each.key, late)
                unknown += map(generation_key, late)
        held = yield from self._more(held, unknown)
        records: dict[str, Record] = {}
        for key, (each, envelope) in opened.items():
            record = None if envelope is None else _judged(envelope, held, each.policy.codec)
            if record is not None:
                records[key] = record
        return records

    def _record(
        self, key: str, held: Mapping[str, bytes | None], codec: Codec, tags: tuple[str, ...]
    ) -> Flow[Record | None]:
        """Return what was read under `key`, if it is alive: `held` has it, and the generations of `tags`."""
        envelope = self._open(key, held)
        if envelope is None:
            return None
        late = tuple(name for name, _ in envelope.tags if name not in tags)
        self._late.note(key, late)
        held = yield from self._more(held, map(generation_key, late))
        return _judged(envelope, held, codec)

    def _open(self, key: str, held: Mapping[str, bytes | None]) -> Envelope | None:
        """Return what is in `held` under `key`, if that can be read and has not expired."""
        data = held.get(key)
        if data is None:
            return None
        try:
            envelope = self._sealing.open(key, data)
        except DecodingError as error:
            self._note("read", error)
            return None
        return None if envelope.expires <= self._clock() else envelope

    def _more(
        self, held: Mapping[str, bytes | None], keys: Iterable[str]
    ) -> Flow[Mapping[str, bytes | None]]:
        """Return `held` and what is under `keys` too."""
        missing = [key for key in dict.fromkeys(keys) if key not in held]
        return {**held, **((yield from self._try("get_many", missing)) or {})} if missing else held

    def capture(self, flight: Flight, tags: tuple[str, ...]) -> Flow[None]:
        """See `Storage.capture`. Where the backend fails the flight has no fence, and will not be stored."""
        return self.capture_all([(flight, tags)])

    def capture_all(self, flights: Sequence[tuple[Flight, tuple[str, ...]]]) -> Flow[None]:
        """See `Storage.capture_all`: one bulk read, and another step where a tag has no generation yet."""
        names = tuple(dict.fromkeys(chain.from_iterable(tags for _, tags in flights)))
        keys = [*(mark_key(flight.key) for flight, _ in flights), *map(generation_key, names)]
        held = yield from self._try("get_many", keys) if len(keys) > 1 else self._get(keys[0])
        missing = (
            () if held is None else tuple(name for name in names if held.get(generation_key(name)) is None)
        )
        made = yield from self._generations(missing)
        if held is None or made is None or not self._are_bytes(held):
            for flight, _ in flights:
                flight.fence = _NO_FENCE
            return
        generations = {name: made.get(name) or held.get(generation_key(name)) or b"" for name in names}
        for flight, tags in flights:
            mark = mark_key(flight.key)
            expected = {generation_key(name): generations[name] for name in tags}
            flight.fence = SharedFence(
                {mark: held.get(mark), **expected}, tuple((name, generations[name]) for name in tags)
            )

    def watch(self, flight: Flight) -> None:
        """See `Storage.watch`: by this host's clock.

        A tag that was invalidated on a host whose clock is behind by some time is taken for one that was before the
        flight began, if it was in the flight's first moments, no longer than that time. Where it is ahead, results
        are not stored that might have been.
        """
        flight.watch = time.time_ns()

    def capture_late(self, flight: Flight, tags: tuple[str, ...]) -> Flow[bool]:
        """See `Storage.capture_late`: one bulk read, and another step for each tag that nobody has used yet.

        A tag that is not there was not invalidated, since a store which makes room lets go of what was written or
        read before that: of what the flight captured at its beginning too, whose loss breaks its fence.
        """
        fence: SharedFence | None = flight.fence
        if fence is None or fence is _NO_FENCE:
            return False
        keys = {generation_key(name): name for name in tags}
        held = yield from self._try("get_many", list(keys))
        if held is None or not self._are_bytes(held):
            return False
        found: dict[str, bytes] = {}
        for key in keys:
            generation = held.get(key) or (yield from self._first_generation(key))
            if not isinstance(generation, bytes) or changed_at(generation) >= flight.watch:
                return False
            found[key] = generation
        late = tuple((name, found[key]) for key, name in keys.items())
        early = fence.early or len(fence.tags)
        flight.fence = SharedFence({**fence.expected, **found}, fence.tags + late, early)
        return True

    def _first_generation(self, key: str) -> Flow[bytes | None]:
        made = first_generation()
        if (yield from self._try("add", key, made, TAG_LIFETIME)):
            return made
        # Another caller was first, with a value like this one, or with an invalidation.
        held = yield from self._get(key)
        return None if held is None else held[key]

    def intact(self, flight: Flight) -> Flow[bool]:
        """See `Storage.intact`."""
        if flight.broken:
            return False
        if flight.fence is None or flight.fence is _NO_FENCE:
            return True
        expected = flight.fence.expected
        held = yield from self._try("get_many", list(expected))
        return held is not None and all(held.get(key) == old for key, old in expected.items())

    def write(self, draft: Draft, codec: Codec, flight: Flight) -> Flow[Record | None]:
        """See `Storage.write`."""
        fence: SharedFence | None = flight.fence
        if fence is None or fence is _NO_FENCE or flight.broken:
            return None
        envelope = _seal(draft, codec, fence.tags)
        expected = fence.expected
        if flight.lease:
            # A holder whose lease ran out must not overwrite what the next one stored.
            expected = {**expected, lease_key(flight_lease(flight.key)): flight.lease}
        data, ttl = self._sealing.seal(draft.key, envelope), self._ttl(draft)
        stored = yield from self._try("compare_and_set", draft.key, data, expected, ttl)
        if not stored:
            return None
        self._late.note(draft.key, tuple(name for name, _ in fence.tags[fence.early or len(fence.tags) :]))
        return Found(envelope, codec)

    def put(self, draft: Draft, codec: Codec) -> Flow[Record | None]:
        """See `Storage.put`."""
        generations = yield from self._generations(draft.tags)
        if generations is None:
            # It cannot be stored, and no older value may be left.
            yield from self.remove(draft.key)
            return None
        envelope = _seal(draft, codec, tuple(generations.items()))
        yield from self.fence_off(draft.key)
        data, ttl = self._sealing.seal(draft.key, envelope), self._ttl(draft)
        stored = yield from self._try("set", draft.key, data, ttl)
        return Found(envelope, codec) if stored else None

    def fence_off(self, key: str) -> Flow[None]:
        """See `Storage.fence_off`: here and, by a mark beside the key, in other processes."""
        with self._computing.lock:
            self._computing.break_off(key)
        # Not a plain `set`: in a store of six methods that could come between another's compare and its set.
        yield from self._try("compare_and_set", mark_key(key), new_generation(), {}, FENCE_LIFETIME)

    def acquire(self, flight: Flight, seconds: float) -> Flow[bool]:
        """See `Storage.acquire`. A store that fails keeps nobody from computing."""
        token = secrets.token_bytes(16)
        flight.lease = token  # before it is taken: who is cancelled in between gives it back
        taken = yield from self._try("acquire_lease", flight_lease(flight.key), token, seconds)
        if not taken:
            flight.lease = b""
        return taken is not False

    def release(self, flight: Flight) -> Flow[None]:
        """See `Storage.release`."""
        token, flight.lease = flight.lease, b""
        if token:
            yield from self._try("release_lease", flight_lease(flight.key), token)

    def remove(self, key: str) -> Flow[bool]:
        """See `Storage.remove`. The mark comes first: a result stored before it is removed, one after is refused."""
        yield from self.fence_off(key)
        return bool((yield from self._try("delete", key)))

    def invalidate(self, tags: Iterable[str], *, soft: bool = False) -> Flow[int]:
        """See `Storage.invalidate`."""
        names, is_told = list(tags), False
        try:
            is_told = soft and (yield from self._soften(names))
            if not is_told:
                yield Operate(self._backend, "bump_generations", (names,))
                is_told = True
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self._note("bump_generations", error)
        finally:
            self._break_off_here(every=not is_told)
        return 0

    def _soften(self, names: list[str]) -> Flow[bool]:
        """Invalidate softly; False where that failed: a bump is made up for when the store is back."""
        try:
            yield Operate(self._backend, "soften_generations", (names,))
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self._note("soften_generations", error)
            return False
        return True

    def clear(self) -> Flow[int]:
        """See `Storage.clear`."""
        try:
            return (yield from self._try("clear")) or 0
        finally:
            self._break_off_here()

    # -- inside -----------------------------------------------------------------------------------------------

    def _break_off_here(self, *, every: bool = False) -> None:
        """Fence off the computations that have no fence in the store; or every one, where it cannot be told."""
        with self._computing.lock:
            flights = [*self._computing.flying.values(), *chain(*self._computing.lone.values())]
            for flight in flights:
                if every or flight.fence is _NO_FENCE:
                    self._computing.break_off(flight.key)

    def _generations(self, tags: tuple[str, ...]) -> Flow[dict[str, bytes] | None]:
        """Return the tags' generations; None where the backend failed."""
        held: dict[str, bytes] | None = (yield from self._try("generations", tags)) if tags else {}
        return held if held is not None and self._are_bytes(held) else None

    def _are_bytes(self, held: Mapping[str, object]) -> bool:
        """Whether the backend gave what it should; counts and logs a failure where not."""
        sound = all(isinstance(each, bytes | None) for each in held.values())
        if not sound:
            self._note("generations", TypeError("generations must be bytes"))
        return sound

    def _get(self, key: str) -> Flow[dict[str, bytes | None] | None]:
        """Read one key; None where the backend failed, which is not the same as a missing key."""
        began = time.perf_counter()
        try:
            held = {key: (yield Operate(self._backend, "get", (key,)))}
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self.timings.note(("get", "error", time.perf_counter() - began))
            self._note("get", error)
            return None
        self.timings.note(("get", "ok", time.perf_counter() - began))
        return held

    def _try(self, operation: str, *args: Any) -> Flow[Any]:
        """Do one operation; None where the backend failed. Any error counts: stores raise what they like."""
        began = time.perf_counter()
        try:
            result = yield Operate(self._backend, operation, args)
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self.timings.note((operation, "error", time.perf_counter() - began))
            self._note(operation, error)
            return None
        self.timings.note((operation, "ok", time.perf_counter() - began))
        return result

    def _note(self, operation: str, error: Exception) -> None:
        self.errors.tick()
        if self._raises and not isinstance(error, DecodingError):
            if isinstance(error, CacheLayerError):
                raise error
            raise BackendError(f"{type(self._backend).__name__} failed in {operation}: {error!r}") from error
        if not self._backend.tells_when_away or not isinstance(error, BackendError):
            logger.warning("%s failed in %s: %r", type(self._backend).__name__, operation, error)

    def _ttl(self, draft: Draft) -> float | None:
        return None if draft.expires == NEVER else draft.expires - self._clock()


def stored_of(record: Record) -> tuple[int, float | None]:
    """Return the bytes of a record that was just stored, and the seconds for which it is fresh; None for ever."""
    ttl = None if record.fresh_until == NEVER else record.fresh_until - record.created
    if isinstance(record, LocalEntry):
        return record.size, ttl
    return (len(record.envelope.payload) + OVERHEAD if isinstance(record, Found) else 0), ttl


def _judged(envelope: Envelope, held: Mapping[str, bytes | None], codec: Codec) -> Found | None:
    """Return the record, unless one of its tags has been invalidated; `held` has their generations."""
    softened = False
    for name, generation in envelope.tags:
        now = held.get(generation_key(name))
        if now != generation:
            if not is_softened(generation, now):
                return None
            softened = True
    return Found(envelope, codec, softened)


def _seal(draft: Draft, codec: Codec, tags: tuple[tuple[str, bytes], ...]) -> Envelope:
    number, payload = codec.encode(draft.value)
    return Envelope(
        number, payload, draft.created, draft.fresh_until, draft.expires, draft.cost, tags, draft.label
    )
