"""Storing what was computed: whether, for how long and under which tags; and what is said where it cannot be."""

from __future__ import annotations

import warnings
from typing import Any

from cachelayer.clock import Clock
from cachelayer.durations import parse_duration
from cachelayer.errors import EncodingError
from cachelayer.events import EventKind, Listeners
from cachelayer.flow.flights import Flight
from cachelayer.flow.freshness import PLAIN
from cachelayer.flow.lookups import Lookup, Policy, Result
from cachelayer.flow.records import Draft, Record
from cachelayer.flow.storage import Storage
from cachelayer.flow.telling import tell
from cachelayer.flows import Flow
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import Failure


class Keeper:
    """What stores values in one storage, as the policy of each says.

    Args:
        storage: where.
        clock: returns epoch seconds.
        listeners: who is told what was stored.
    """

    def __init__(self, storage: Storage, clock: Clock, listeners: Listeners) -> None:
        self._storage, self._clock, self._listeners = storage, clock, listeners
        self._warned: set[str] = set()

    def keep(self, lookup: Lookup, value: Any, flight: Flight, seconds: float) -> Flow[Result]:
        """Store a computed value if it may be stored."""
        policy = lookup.policy
        if policy.condition is not None and not policy.condition(value):
            return Result(Outcome.UNCACHEABLE, value, seconds=seconds, reason="condition")
        ttl = _lifetime(lookup, value)
        if ttl is not None and ttl <= 0:
            return Result(Outcome.UNCACHEABLE, value, seconds=seconds, reason="ttl=0")
        try:
            record = yield from self.write(lookup, value, ttl, flight, seconds)
        except EncodingError as error:
            refusal = self.unencodable(policy, error)
            return Result(Outcome.UNCACHEABLE, value, refusal, seconds=seconds, reason="unencodable")
        return Result(Outcome.MISS, value, record=record, seconds=seconds)

    def write(
        self, lookup: Lookup, value: Any, ttl: float | None, flight: Flight, seconds: float
    ) -> Flow[Record | None]:
        """Store a value, for so long, if nothing was invalidated since its flight began."""
        late = self._late_tags(lookup, value)
        if late and not (yield from self._storage.capture_late(flight, late)):
            return None
        draft = self._draft(lookup, value, ttl, seconds, lookup.tags + late)
        record = yield from self._storage.write(draft, lookup.policy.codec, flight)
        if record is not None:
            flight.vouched = True
            tell(self._listeners, EventKind.STORED, lookup, seconds=seconds)
        return record

    def put(self, lookup: Lookup, value: Any) -> Flow[bool]:
        """Store a value, whatever computations are under way; whether it was stored."""
        ttl = _lifetime(lookup, value)
        if ttl is not None and ttl <= 0:
            yield from self._storage.remove(lookup.key)
            return False
        tags = lookup.tags + self._late_tags(lookup, value)
        record = yield from self._storage.put(self._draft(lookup, value, ttl, 0.0, tags), lookup.policy.codec)
        return record is not None

    def _late_tags(self, lookup: Lookup, value: Any) -> tuple[str, ...]:
        """Return the tags that only the result names."""
        name_tags = lookup.policy.result_tags
        if name_tags is None or type(value) is Failure:
            return ()
        named = name_tags(value, lookup.args, lookup.kwargs)
        return tuple(name for name in dict.fromkeys(named) if name not in lookup.tags)

    def _draft(
        self, lookup: Lookup, value: Any, ttl: float | None, seconds: float, tags: tuple[str, ...]
    ) -> Draft:
        now = self._clock()
        # A cached exception never turns stale: it is no value to fall back on.
        freshness = PLAIN if type(value) is Failure else lookup.policy.freshness
        fresh_until, expires = freshness.times(now, ttl)
        return Draft(lookup.key, value, fresh_until, expires, now, seconds, tags, lookup.policy.label)

    def unencodable(self, policy: Policy, error: EncodingError) -> Exception | None:
        """Warn, once for each label, that a result cannot be stored; where policy is strict, return what to raise."""
        label = policy.label
        remedy = (
            ""
            if self._storage.local
            else "annotate the return type with the classes of the result, or call register_codec for them, "
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


def _lifetime(lookup: Lookup, value: Any) -> float | None:
    ttl = lookup.policy.ttl
    if not callable(ttl):
        return ttl
    return parse_duration(ttl(value, *lookup.args, **lookup.kwargs), name=f"ttl of {lookup.policy.label}")
