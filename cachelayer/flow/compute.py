"""Get or compute: the one flow behind every lookup that is not a plain hit.

    read -> fresh: a hit; stale and still served: a stale hit, and one computation in the background
         -> else join the key's flight
              lead   -> capture a fence, compute, store if the fence is intact, land
              follow -> wait: landed (collapsed), abandoned (race anew), too long (compute by oneself)
         -> the origin failed, or takes too long: what is stale, where the policy says so

A value is stored before its flight lands: whoever comes after the landing finds it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

from cachelayer import flows
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.locks import pauses
from cachelayer.backends.resilience import OnError
from cachelayer.clock import Clock
from cachelayer.context import defer
from cachelayer.counters import Counter
from cachelayer.errors import BackendError, DecodingError, EncodingError
from cachelayer.events import CacheEvent, EventKind, Listeners
from cachelayer.flow import steps
from cachelayer.flow.background import Spawn, sweep
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
from cachelayer.flow.freshness import Resting, State
from cachelayer.flow.keeping import Keeper
from cachelayer.flow.limits import Limit, least
from cachelayer.flow.lookups import Lookup, Result, user_tags
from cachelayer.flow.records import Record
from cachelayer.flow.steps import Compute, Pause, Wait
from cachelayer.flow.storage import make_storage
from cachelayer.flow.telling import tell
from cachelayer.flows import Flow
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import Codec, Failure
from cachelayer.values.sealing import Sealing

logger = logging.getLogger("cachelayer.flow")

#: Seconds that one process may take for a computation that others wait for, where no `lock_timeout` says so.
LONGEST_TURN: Final = 30.0

_SERVED_FRESH: Final = frozenset({State.FRESH, State.EARLY})
_OUR_MODULES: Final = frozenset({__name__, flows.__name__, steps.__name__})


class Engine:
    """Get-or-compute over one backend.

    Args:
        backend: the store.
        clock: returns epoch seconds.
        listeners: who is told what happens.
        on_error: "open": where the store fails, origins are called. "raise": its errors are raised.
        sealing: signs and compresses entries of a shared store; None signs nothing.
    """

    def __init__(
        self,
        backend: CacheBackend,
        clock: Clock,
        listeners: Listeners,
        *,
        on_error: OnError = "open",
        sealing: Sealing | None = None,
    ) -> None:
        self.clock = clock
        self.storage = make_storage(backend, clock, on_error=on_error, sealing=sealing)
        self._raises = on_error == "raise"
        self.flights = self.storage.flights
        self._listeners = listeners
        #: How often something was invalidated, by kind.
        self.invalidations = {"key": Counter(), "tags": Counter(), "clear": Counter()}
        #: What stores computed values.
        self.keeper = Keeper(self.storage, clock, listeners)
        self._keep = self.keeper.keep
        #: The keys whose origin has just failed while there was something stale to serve.
        self.resting = Resting(clock)

    # -- flows ------------------------------------------------------------------------------------------------

    def get_or_compute(self, lookup: Lookup) -> Flow[Result]:
        """Return the stored value, or compute it once for everybody who asks meanwhile."""
        return self._or_the_stores_error(lookup) if self._raises else self._get_or_compute(lookup)

    def _or_the_stores_error(self, lookup: Lookup) -> Flow[Result]:
        try:
            return (yield from self._get_or_compute(lookup))
        except BackendError as error:
            self._failed(lookup, error)
            return Result(Outcome.ERROR, error=error)

    def _get_or_compute(self, lookup: Lookup) -> Flow[Result]:
        seen = self.flights.landings
        served, spare = yield from self._look(lookup, seen)
        return served or (yield from self._computed(lookup, seen, spare))

    def _look(self, lookup: Lookup, seen: int) -> Flow[tuple[Result | None, Result | None]]:
        """Return what is served of what is stored, or what may be served where computing it anew fails."""
        record = yield from self.storage.read(lookup.key, lookup.policy.codec, lookup.tags)
        state = self._state(lookup, record)
        if record is None or state is State.GONE:
            return None, None
        if state is State.FRESH:
            return self._serve(lookup, record, Outcome.HIT), None
        spare = self._serve(lookup, record, Outcome.STALE_HIT)
        if spare is None or state is State.SPARE:
            return None, spare
        yield from self._refresh_behind(lookup, record.created, seen)
        return (spare if state is State.STALE else spare.ending(Outcome.HIT)), None

    def serve(self, lookup: Lookup) -> Flow[Result | None]:
        """Return what is stored, if it is served, and have it computed anew in the background if it is time to."""
        return (yield from self._look(lookup, self.flights.landings))[0]

    def find(self, lookup: Lookup) -> Flow[Result | None]:
        """Return a fresh stored value as a hit, else None."""
        record = yield from self.storage.read(lookup.key, lookup.policy.codec, lookup.tags)
        return self._hit(lookup, record)

    def find_many(self, lookups: Mapping[str, Lookup]) -> Flow[dict[str, Result]]:
        """Return those that are stored and fresh, by key, as hits: one bulk read."""
        records = yield from self.storage.read_many(tuple(lookups.values()))
        found = ((key, self._hit(lookups[key], record)) for key, record in records.items())
        return {key: result for key, result in found if result is not None}

    def peek(self, lookup: Lookup) -> Flow[Result | None]:
        """Like `find`, but counts nothing."""
        record = yield from self.storage.peek(lookup.key, lookup.policy.codec, lookup.tags)
        return self._hit(lookup, record)

    def _hit(self, lookup: Lookup, record: Record | None) -> Result | None:
        if record is None or self._state(lookup, record) not in _SERVED_FRESH:
            return None
        return self._serve(lookup, record, Outcome.HIT)

    def _state(self, lookup: Lookup, record: Record | None) -> State:
        return State.GONE if record is None else lookup.policy.freshness.state(record, self.clock())

    def _serve(self, lookup: Lookup, record: Record, outcome: Outcome) -> Result | None:
        """Return what is in the record; None where it cannot be decoded."""
        try:
            value = record.value()
        except DecodingError as error:
            self.storage.errors.tick()
            self._failed(lookup, error)
            return None
        if type(value) is Failure:
            return Result(outcome, error=value.error, record=record)
        return Result(outcome, value, record=record)

    def refresh(self, lookup: Lookup) -> Flow[Result]:
        """Compute and store, whatever is stored now; computations that began earlier will not overwrite it."""
        yield from self.storage.fence_off(lookup.key)
        result = yield from self._alone(lookup)
        if result.outcome is Outcome.MISS and result.record is None and not self.storage.local:
            # It could not be stored, and no older value may be left.
            yield from self.storage.remove(lookup.key)
        tell(self._listeners, EventKind.REFRESHED, lookup, seconds=result.seconds)
        return result

    def set(self, lookup: Lookup, value: Any) -> Flow[bool]:
        """Store `value` as if it had been computed; computations under way will not overwrite it."""
        return self.keeper.put(lookup, value)

    def remove(self, key: str, label: str) -> Flow[bool]:
        """Remove one key; computations for it that are under way will not be stored."""
        if defer(lambda: self.remove(key, label)):
            return False
        removed = yield from self.storage.remove(key)
        self.invalidations["key"].tick()
        if self._listeners:
            self._listeners.emit(CacheEvent(kind=EventKind.INVALIDATED, route=label, key=key))
        return removed

    def invalidate_tags(
        self, tags: tuple[str, ...], *, label: str = "", soft: bool = False, kind: str = "tags"
    ) -> Flow[int]:
        """Kill what is stored or computed under `tags`; return how many entries, 0 where the store cannot tell.

        Softly, what is stored becomes stale and is not gone. `kind` is what it is counted as.
        """
        if defer(lambda: self.invalidate_tags(tags, label=label, soft=soft, kind=kind)):
            return 0
        count = yield from self.storage.invalidate(tags, soft=soft)
        self.invalidations[kind].tick()
        if self._listeners:
            self._listeners.emit(CacheEvent(kind=EventKind.INVALIDATED, route=label, tags=user_tags(tags)))
        return count

    # -- computations that the caller runs --------------------------------------------------------------------

    def begin(self, lookup: Lookup) -> Flow[Flight]:
        """Begin a computation that the caller runs by itself, and ends with `finish` or `drop`."""
        flight = self.flights.alone(lookup.key)
        try:
            yield from self.capture(lookup, flight)
        except BaseException:
            self.drop(flight)
            raise
        return flight

    def capture(self, lookup: Lookup, flight: Flight) -> Flow[None]:
        """Let the flight, which starts now, know what would fence it off."""
        self.watch(lookup, flight)
        return self.storage.capture(flight, lookup.tags)

    def watch(self, lookup: Lookup, flight: Flight) -> None:
        """Let a flight whose result names tags know of those that are invalidated meanwhile."""
        if lookup.policy.result_tags is not None:
            self.storage.watch(flight)

    def finish(self, lookup: Lookup, flight: Flight, value: Any, seconds: float) -> Flow[Result]:
        """Store what the computation gave, if nothing was invalidated since it began."""
        try:
            return (yield from self._keep(lookup, value, flight, seconds))
        finally:
            self.drop(flight)

    def land(self, lookup: Lookup, flight: Flight, value: Any, seconds: float) -> Flow[Result]:
        """Like `finish`, for a flight that others may wait for: they get the value too."""
        result = yield from self._keep(lookup, value, flight, seconds)
        self.hand_over(lookup, flight, result)
        return result

    def hand_over(self, lookup: Lookup, flight: Flight, result: Result) -> None:
        """Land the flight with this result."""
        self.flights.land(flight, _landing(result, lookup.policy.codec))

    def drop(self, flight: Flight) -> None:
        """End the computation without a result."""
        self.flights.detach(flight)

    # -- stale values -----------------------------------------------------------------------------------------

    def _refresh_behind(self, lookup: Lookup, created: float, seen: int) -> Flow[None]:
        """Have the value computed in the background, unless that is under way, or has just failed."""
        if self.resting.has(lookup.key):
            return
        flight, leads = self.enter(lookup.key)
        if leads:
            landed_since = self.flights.landings != seen
            begun = yield from self._spawn(
                flight, lambda: self._refreshing(lookup, flight, created, landed_since=landed_since)
            )
            if not begun:
                self.flights.abandon(flight)

    def _refreshing(
        self, lookup: Lookup, flight: Flight, created: float, *, landed_since: bool
    ) -> Flow[None]:
        result = yield from self._lead(lookup, flight, landed_since=landed_since, newer_than=created)
        if result.outcome is Outcome.HIT:
            return  # Somebody else had computed it before this caller came to it.
        self._note_end(lookup, result)
        tell(self._listeners, EventKind.REFRESHED, lookup, seconds=result.seconds)
        if lookup.policy.on_refreshed is not None:
            lookup.policy.on_refreshed(result)

    def _spawn(self, flight: Flight, make: Callable[[], Flow[None]], *, timed: bool = False) -> Flow[bool]:
        """Begin a computation in the background; whether that could be done. If not the flight is still to be led."""
        try:
            begun: bool = yield Spawn(make, flight, self.flights.abandon, timed)
        except BaseException:
            self.flights.abandon(flight)
            raise
        return begun

    def _note_end(self, lookup: Lookup, result: Result) -> None:
        """Leave an origin that failed alone for a while, where there is something to serve meanwhile."""
        if result.outcome is Outcome.ERROR:
            self.resting.add(lookup.key)
        else:
            self.resting.discard(lookup.key)

    def _computed(self, lookup: Lookup, seen: int, spare: Result | None) -> Flow[Result]:
        """Compute the value, or wait for who does; `spare` is what to serve where that fails, or takes too long."""
        if spare is not None and self.resting.has(lookup.key):
            return spare.ending(Outcome.ERROR_HIT, reason="resting after an error")
        result = yield from self._join(lookup, seen, spare)
        if spare is None or result is spare:
            return result
        self._note_end(lookup, result)
        failed = result.outcome is Outcome.ERROR and not isinstance(result.error, lookup.policy.exceptions)
        return spare.ending(Outcome.ERROR_HIT, reason=repr(result.error)) if failed else result

    # -- one computation --------------------------------------------------------------------------------------

    def enter(self, key: str) -> tuple[Flight, bool]:
        """Return the key's flight, and whether the caller leads it."""
        flight, leads = self.flights.join(key)
        if not leads and flight.is_lost:
            sweep()
            self.flights.abandon(flight)
            return self.flights.join(key)
        return flight, leads

    def _join(self, lookup: Lookup, seen: int, spare: Result | None) -> Flow[Result]:
        limit, again = Limit(lookup.policy, spare), False
        while True:
            flight, leads = self.enter(lookup.key)
            if leads:
                landed_since = self.flights.landings != seen
                if limit.seconds is None:
                    return (yield from self._lead(lookup, flight, landed_since=landed_since))
                return (yield from self._lead_behind(lookup, flight, limit, landed_since=landed_since))
            if is_leading(flight):
                return (yield from self._alone(lookup))
            if not (yield from self.storage.intact(flight)):
                self.flights.detach(flight)
                continue
            landing = yield Wait(flight, least(limit.left(), lookup.policy.lock_timeout))
            if landing is ABANDONED:
                # It is gone already, unless its leader had no stack left to clear it away.
                self.flights.detach(flight)
                continue
            if landing is not None and flight.may_be_old(landing) and not again:
                again = True  # The next flight begins after this caller came.
                continue
            result = None if landing is None else collapsed(landing)
            if result is not None:
                return result
            return (yield from self._go_on_alone(lookup, limit))

    def _go_on_alone(self, lookup: Lookup, limit: Limit) -> Flow[Result]:
        """Compute after lock_timeout, or where another's value did not come back, in the time that is left."""
        if limit.seconds is None:
            return (yield from self._alone(lookup))
        if limit.left() == 0.0:
            return limit.result()
        mine = self.flights.alone(lookup.key)
        return (yield from self._lead_behind(lookup, mine, limit, landed_since=False, alone=True))

    def _lead_behind(
        self, lookup: Lookup, flight: Flight, limit: Limit, *, landed_since: bool, alone: bool = False
    ) -> Flow[Result]:
        """Compute in the background and wait for that no longer than the limit."""
        ended: list[Result | BaseException] = []
        gone = False

        def lead() -> Flow[None]:
            try:
                yield from self._lead(lookup, flight, landed_since=landed_since, alone=alone, ended=ended)
            except BaseException:
                if gone:
                    raise
                # Else it is the caller's, as if it had come up there.

        if not (yield from self._spawn(flight, lead, timed=True)):
            return (yield from self._lead(lookup, flight, landed_since=landed_since, alone=alone))
        yield Wait(flight, limit.left())
        gone = True
        if not ended:
            return limit.result()
        if isinstance(ended[0], BaseException):
            raise ended[0]
        return ended[0]

    def _lead(
        self,
        lookup: Lookup,
        flight: Flight,
        *,
        landed_since: bool,
        newer_than: float = -math.inf,
        alone: bool = False,
        ended: list[Result | BaseException] | None = None,
    ) -> Flow[Result]:
        try:
            result = None
            if landed_since:
                # Fenced before it is read: who comes after an invalidation must not get what was there before.
                yield from self.capture(lookup, flight)
                found = yield from self.find(lookup)
                result = found if _is_newer(found, newer_than) else None
            if result is None and lookup.policy.distributed and not alone:
                result = yield from self._take_turn(lookup, flight, newer_than)
            if result is None:
                result = yield from self._compute(lookup, flight)
            if ended is not None:
                ended.append(result)
            self.hand_over(lookup, flight, result)
        except BaseException as error:
            # Cancelled, or interrupted: somebody else may want to go on. Noted first, for a stack that is full.
            flight.landing = ABANDONED
            if ended is not None:
                ended.append(error)
            self.flights.abandon(flight)
            if isinstance(error, GeneratorExit):
                flight.lease = b""  # Nothing can be done any more: it runs out by itself.
            raise
        finally:
            if flight.lease:
                yield from self.storage.release(flight)
        return result

    def _take_turn(self, lookup: Lookup, flight: Flight, newer_than: float) -> Flow[Result | None]:
        """Wait until no other process computes the key; return what such a one has stored meanwhile, or None."""
        patience = lookup.policy.lock_timeout or LONGEST_TURN
        for pause in pauses(patience):
            mine = yield from self.storage.acquire(flight, patience)
            # Also with the turn taken: it may have been given back a moment ago, with the value stored.
            found = yield from self.find(lookup)
            if found is not None and _is_newer(found, newer_than):
                return found.ending(Outcome.COLLAPSED)
            if mine:
                break
            yield Pause(pause)
        return None

    def _alone(self, lookup: Lookup) -> Flow[Result]:
        flight = self.flights.alone(lookup.key)
        try:
            return (yield from self._compute(lookup, flight))
        finally:
            self.flights.detach(flight)

    def _compute(self, lookup: Lookup, flight: Flight) -> Flow[Result]:
        yield from self.capture(lookup, flight)
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

    def _raised(self, lookup: Lookup, error: Exception, flight: Flight, seconds: float) -> Flow[Result]:
        """Store an exception if the policy says so."""
        policy = lookup.policy
        if policy.exceptions and isinstance(error, policy.exceptions) and policy.negative_ttl != 0:
            try:
                yield from self.keeper.write(lookup, Failure(error), policy.negative_ttl, flight, seconds)
            except EncodingError as unencodable:
                error = self.keeper.unencodable(policy, unencodable) or error
        self._failed(lookup, error)
        return Result(Outcome.ERROR, error=error, seconds=seconds)

    def _failed(self, lookup: Lookup, error: Exception) -> None:
        tell(self._listeners, EventKind.FAILED, lookup, reason=repr(error))


def _beyond_us(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames of the origin alone: ours would hold the error, which holds them, until the next collection."""
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in _OUR_MODULES:
        frames = frames.tb_next
    return frames


def _is_newer(found: Result | None, than: float) -> bool:
    return found is not None and found.record is not None and found.record.created > than


def collapsed(landing: Landing) -> Result | None:
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
