"""Values kept as envelopes of bytes in any backend."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Final

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
from cachelayer.backends.resilience import OnError, ResilientBackend
from cachelayer.backends.table_entries import NEVER
from cachelayer.clock import Clock
from cachelayer.errors import DecodingError
from cachelayer.flow.flights import Flight, Flights
from cachelayer.flow.late_tags import LateTags
from cachelayer.flow.operations import Operations
from cachelayer.flow.records import Draft, Query, Record
from cachelayer.flows import Flow
from cachelayer.values.codecs import Codec
from cachelayer.values.envelope import OVERHEAD, Envelope
from cachelayer.values.sealing import Sealing

#: Seconds that the mark of a key's invalidation outlives it in a shared store. A computation that takes longer than
#: this is the only one that could miss an invalidation of its key.
FENCE_LIFETIME: Final = 3600.0

#: Seconds that a tag is kept which only results name, since its first use, so that those of results which are no more
#: do not pile up. One that goes while it is used costs misses.
TAG_LIFETIME: Final = 28 * 86_400.0


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

    @property
    def size(self) -> int:
        """Bytes of the value, before compression, and of what is kept beside it."""
        return len(self.envelope.payload) + OVERHEAD

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
        if isinstance(backend, ResilientBackend):
            # Here its errors are needed: a store that failed is not one that has nothing.
            backend = backend.view(on_error="raise")
        self._operations = Operations(backend, raises=on_error == "raise")
        # Kept: all reads and writes come through them.
        self._try, self._get = self._operations.attempt, self._operations.get
        self._clock = clock
        self._computing = Computing()
        self.flights = Flights(self._computing)
        self.errors, self.timings = self._operations.errors, self._operations.timings
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
            self._operations.note("read", error)
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
        if flight.lease:
            # Only then forgotten: who is cancelled meanwhile does it again.
            yield from self._try("release_lease", flight_lease(flight.key), flight.lease)
            flight.lease = b""

    def remove(self, key: str) -> Flow[bool]:
        """See `Storage.remove`. The mark comes first: a result stored before it is removed, one after is refused."""
        yield from self.fence_off(key)
        return bool((yield from self._try("delete", key)))

    def invalidate(self, tags: Iterable[str], *, soft: bool = False) -> Flow[int]:
        """See `Storage.invalidate`."""
        names, is_told = list(tags), False
        try:
            # Where softening fails: a bump is made up for when the store is back.
            is_told = soft and (yield from self._operations.tell("soften_generations", names))
            is_told = is_told or (yield from self._operations.tell("bump_generations", names))
        finally:
            self._break_off_here(every=not is_told)
        return 0

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
            self._operations.note("generations", TypeError("generations must be bytes"))
        return sound

    def _ttl(self, draft: Draft) -> float | None:
        return None if draft.expires == NEVER else draft.expires - self._clock()


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
