"""Get or compute: the one flow behind every lookup that is not a plain hit.

    read -> fresh: a hit
         -> else join the key's flight
              lead   -> capture a fence, compute, store if the fence is intact, land
              follow -> wait: landed (collapsed), abandoned (race anew), too long (compute by oneself)

A value is stored before its flight lands: whoever comes after the landing finds it.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import msgspec

from cachelayer import flows
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.table import NEVER
from cachelayer.clock import Clock
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import DecodingError, EncodingError
from cachelayer.events import CacheEvent, EventKind, Listeners
from cachelayer.flow import steps
from cachelayer.flow.flights import (
    ABANDONED,
    Failed,
    Flight,
    Landed,
    Landing,
    is_leading,
    start_leading,
    stop_leading,
)
from cachelayer.flow.steps import Compute, Wait
from cachelayer.flow.storage import Draft, Record, make_storage
from cachelayer.flows import Flow
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import Codec, Failure

logger = logging.getLogger("cachelayer.flow")

#: What the store's name of a user's tag has before the tag, after the namespace.
TAG: Final = "tag:"

_OUR_MODULES: Final = frozenset({__name__, flows.__name__, steps.__name__})


class Policy(msgspec.Struct, frozen=True):
    """How the results of one origin are kept.

    Attributes:
        label: its route.
        codec: how its values become bytes.
        ttl: seconds, None for ever, or a callable of the result and the arguments that returns either.
        condition: whether to store this result; None stores every one.
        exceptions: classes of exceptions that are cached.
        negative_ttl: seconds that a cached exception lives.
        lock_timeout: seconds to wait for another caller's computation before computing by oneself.
        strict: raise where a value cannot be encoded, rather than warn and return it uncached.
    """

    label: str
    codec: Codec
    ttl: float | Callable[..., Duration] | None = None
    condition: Callable[[Any], bool] | None = None
    exceptions: tuple[type[BaseException], ...] = ()
    negative_ttl: float | None = None
    lock_timeout: float | None = None
    strict: bool = False


class Lookup(msgspec.Struct, frozen=True):
    """One lookup: where, under which policy, and what to call if it is not there."""

    key: str
    tags: tuple[str, ...]
    policy: Policy
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Result(msgspec.Struct, frozen=True):
    """How a lookup ended.

    Attributes:
        outcome: which of the nine.
        value: what to return, unless there is an error.
        error: what to raise.
        record: what is stored now, where something is.
        seconds: what the origin took, where it ran.
        reason: why the value was not stored.
    """

    outcome: Outcome
    value: Any = None
    error: BaseException | None = None
    record: Record | None = None
    seconds: float = 0.0
    reason: str = ""

    def give(self) -> Any:
        """Return the value or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class Engine:
    """Get-or-compute over one backend."""

    def __init__(self, backend: CacheBackend, clock: Clock, listeners: Listeners) -> None:
        self.clock = clock
        self.storage = make_storage(backend, clock)
        self.flights = self.storage.flights
        self._listeners = listeners
        self._warned: set[str] = set()

    # -- flows ------------------------------------------------------------------------------------------------

    def get_or_compute(self, lookup: Lookup) -> Flow[Result]:
        """Return the stored value, or compute it once for everybody who asks meanwhile."""
        seen = self.flights.landings
        found = yield from self.find(lookup)
        if found is not None:
            return found
        while True:
            flight, leads = self.flights.join(lookup.key)
            if leads:
                return (yield from self._lead(lookup, flight, landed_since=self.flights.landings != seen))
            if is_leading(flight):
                return (yield from self._alone(lookup))
            if not (yield from self.storage.intact(flight)):
                self.flights.detach(flight)
                continue
            landing = yield Wait(flight, lookup.policy.lock_timeout)
            if landing is ABANDONED:
                # It is gone already, unless its leader had no stack left to clear it away.
                self.flights.detach(flight)
                continue
            result = None if landing is None else _collapsed(landing)
            return result if result is not None else (yield from self._alone(lookup))

    def find(self, lookup: Lookup) -> Flow[Result | None]:
        """Return a fresh stored value as a hit, else None."""
        record = yield from self.storage.read(lookup.key, lookup.policy.codec, lookup.tags)
        return self._hit(lookup, record)

    def peek(self, lookup: Lookup) -> Flow[Result | None]:
        """Like `find`, but counts nothing."""
        record = yield from self.storage.peek(lookup.key, lookup.policy.codec, lookup.tags)
        return self._hit(lookup, record)

    def _hit(self, lookup: Lookup, record: Record | None) -> Result | None:
        if record is None or record.fresh_until <= self.clock():
            return None
        try:
            value = record.value()
        except DecodingError as error:
            self.storage.errors.tick()
            self._failed(lookup, error)
            return None
        if type(value) is Failure:
            return Result(Outcome.HIT, error=value.error, record=record)
        return Result(Outcome.HIT, value, record=record)

    def refresh(self, lookup: Lookup) -> Flow[Result]:
        """Compute and store, whatever is stored now; computations that began earlier will not overwrite it."""
        yield from self.storage.fence_off(lookup.key)
        result = yield from self._alone(lookup)
        self._tell(EventKind.REFRESHED, lookup, seconds=result.seconds)
        return result

    def set(self, lookup: Lookup, value: Any) -> Flow[bool]:
        """Store `value` as if it had been computed; computations under way will not overwrite it."""
        ttl = _lifetime(lookup, value)
        if ttl is not None and ttl <= 0:
            yield from self.storage.remove(lookup.key)
            return False
        record = yield from self.storage.put(self._draft(lookup, value, ttl, 0.0), lookup.policy.codec)
        return record is not None

    def remove(self, key: str, label: str) -> Flow[bool]:
        """Remove one key; computations for it that are under way will not be stored."""
        removed = yield from self.storage.remove(key)
        if self._listeners:
            self._listeners.emit(CacheEvent(kind=EventKind.INVALIDATED, route=label, key=key))
        return removed

    def invalidate_tags(self, tags: tuple[str, ...], *, label: str = "") -> Flow[int]:
        """Kill what is stored or computed under `tags`; return how many entries, 0 where the store cannot tell."""
        count = yield from self.storage.invalidate(tags)
        if self._listeners:
            self._listeners.emit(CacheEvent(kind=EventKind.INVALIDATED, route=label, tags=user_tags(tags)))
        return count

    # -- inside -----------------------------------------------------------------------------------------------

    def _lead(self, lookup: Lookup, flight: Flight, *, landed_since: bool) -> Flow[Result]:
        try:
            result = None
            if landed_since:
                # Fenced before it is read: who comes after an invalidation must not get what was there before.
                yield from self.storage.capture(flight, lookup.tags)
                result = yield from self.find(lookup)
            if result is None:
                result = yield from self._compute(lookup, flight)
            self.flights.land(flight, _landing(result, lookup.policy.codec))
        except BaseException:
            # Cancelled, or interrupted: somebody else may want to go on. Noted first, for a stack that is full.
            flight.landing = ABANDONED
            self.flights.abandon(flight)
            raise
        return result

    def _alone(self, lookup: Lookup) -> Flow[Result]:
        flight = self.flights.alone(lookup.key)
        try:
            return (yield from self._compute(lookup, flight))
        finally:
            self.flights.detach(flight)

    def _compute(self, lookup: Lookup, flight: Flight) -> Flow[Result]:
        yield from self.storage.capture(flight, lookup.tags)
        before = start_leading(flight)
        started = time.perf_counter()
        try:
            value = yield Compute(lookup.function, lookup.args, lookup.kwargs)
        except Exception as error:  # noqa: BLE001 - whatever the origin raises is for its callers
            error.__traceback__ = _beyond_us(error.__traceback__)
            return (yield from self._raised(lookup, error, flight, time.perf_counter() - started))
        finally:
            stop_leading(before)
        seconds = time.perf_counter() - started
        try:
            return (yield from self._keep(lookup, value, flight, seconds))
        except Exception as error:  # noqa: BLE001 - condition= and a callable ttl= are the user's, as the origin is
            self._failed(lookup, error)
            return Result(Outcome.ERROR, error=error, seconds=seconds)

    def _keep(self, lookup: Lookup, value: Any, flight: Flight, seconds: float) -> Flow[Result]:
        """Store a computed value if it may be stored."""
        policy = lookup.policy
        if policy.condition is not None and not policy.condition(value):
            return Result(Outcome.UNCACHEABLE, value, seconds=seconds, reason="condition")
        ttl = _lifetime(lookup, value)
        if ttl is not None and ttl <= 0:
            return Result(Outcome.UNCACHEABLE, value, seconds=seconds, reason="ttl=0")
        try:
            record = yield from self._write(lookup, value, ttl, flight, seconds)
        except EncodingError as error:
            refusal = self.unencodable(policy, error)
            return Result(Outcome.UNCACHEABLE, value, refusal, seconds=seconds, reason="unencodable")
        return Result(Outcome.MISS, value, record=record, seconds=seconds)

    def _raised(self, lookup: Lookup, error: Exception, flight: Flight, seconds: float) -> Flow[Result]:
        """Store an exception if the policy says so."""
        policy = lookup.policy
        if policy.exceptions and isinstance(error, policy.exceptions) and policy.negative_ttl != 0:
            try:
                yield from self._write(lookup, Failure(error), policy.negative_ttl, flight, seconds)
            except EncodingError as unencodable:
                error = self.unencodable(policy, unencodable) or error
        self._failed(lookup, error)
        return Result(Outcome.ERROR, error=error, seconds=seconds)

    def _write(
        self, lookup: Lookup, value: Any, ttl: float | None, flight: Flight, seconds: float
    ) -> Flow[Record | None]:
        draft = self._draft(lookup, value, ttl, seconds)
        record = yield from self.storage.write(draft, lookup.policy.codec, flight)
        if record is not None:
            self._tell(EventKind.STORED, lookup, seconds=seconds)
        return record

    def _draft(self, lookup: Lookup, value: Any, ttl: float | None, seconds: float) -> Draft:
        now = self.clock()
        expires = NEVER if ttl is None else now + ttl
        return Draft(lookup.key, value, expires, expires, now, seconds, lookup.tags, lookup.policy.label)

    def unencodable(self, policy: Policy, error: EncodingError) -> Exception | None:
        """Warn, once for each label, that a result cannot be stored; where policy is strict, return what to raise."""
        label = policy.label
        remedy = (
            ""
            if self.storage.local
            else "annotate the return type with a dataclass, Struct, NamedTuple or Enum, "
        )
        message = (
            f"the result of {label} cannot be cached: {error}. Return plain values, {remedy}"
            f"or leave such results out with condition="
        )
        if policy.strict:
            return EncodingError(message)
        if label not in self._warned:
            self._warned.add(label)
            try:
                warnings.warn(message, RuntimeWarning, stacklevel=2)
            except RuntimeWarning as raised:  # by python -W error
                return raised
        return None

    def _failed(self, lookup: Lookup, error: Exception) -> None:
        self._tell(EventKind.FAILED, lookup, reason=repr(error))

    def _tell(self, kind: EventKind, lookup: Lookup, *, seconds: float = 0.0, reason: str = "") -> None:
        if self._listeners:
            route, key, tags = lookup.policy.label, lookup.key, user_tags(lookup.tags)
            event = CacheEvent(kind=kind, route=route, key=key, tags=tags, seconds=seconds, reason=reason)
            self._listeners.emit(event)


def user_tags(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags as users write them, of names as a store knows them; those of the library are left out."""
    return tuple(name.partition(TAG)[2] for name in names if TAG in name)


def _lifetime(lookup: Lookup, value: Any) -> float | None:
    ttl = lookup.policy.ttl
    if not callable(ttl):
        return ttl
    return parse_duration(ttl(value, *lookup.args, **lookup.kwargs), name=f"ttl of {lookup.policy.label}")


def _beyond_us(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames of the origin alone: ours would hold the error, which holds them, until the next collection."""
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in _OUR_MODULES:
        frames = frames.tb_next
    return frames


def _collapsed(landing: Landing) -> Result | None:
    """Return what another caller computed; None where that does not come back from the form it is kept in."""
    if isinstance(landing, Failed):
        return Result(Outcome.ERROR, error=landing.error)
    try:
        return Result(Outcome.COLLAPSED, landing.give())
    except DecodingError:
        return None


def _landing(result: Result, codec: Codec) -> Landing:
    """Return what hands the result to each waiter: a copy of its own, made before the leader can change its."""
    if result.error is not None:
        return Failed(result.error)
    if result.record is not None:
        return Landed(result.record.value)
    try:
        return Landed(codec.keep(result.value).value)
    except EncodingError:
        return Landed(lambda: result.value)
