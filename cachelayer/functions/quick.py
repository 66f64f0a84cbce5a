"""Hits and misses in the memory store, by hand in each colour.

What the flow does in `flow.compute` for any store, with everything left out that a plain function in this process's
memory never needs: there is nothing to wait for but the function itself. Whatever is not plain goes to the flow: a
key that somebody else computes, an entry that is not as expected, options beyond a constant ttl, listeners.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import get_ident
from time import perf_counter
from typing import Any, cast

from cachelayer.backends.table_entries import NEVER
from cachelayer.context import bypasses, is_bypassed
from cachelayer.errors import DecodingError, EncodingError
from cachelayer.flow.flights import ABANDONED, Failed, Flight, Landed, start_leading, stop_leading
from cachelayer.flow.lookups import Result
from cachelayer.flow.objects import LocalEntry, ObjectStorage
from cachelayer.flows import arun, run
from cachelayer.functions.core import Binding, FunctionCore, Place
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import Failure

#: Stands for "go through the flow": no function returns it.
_OTHERWISE: Any = object()


def make_slow(core: FunctionCore) -> Callable[..., Any]:
    """Return what a sync function calls when its compiled hit path found nothing."""
    function = core.function

    def slow(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> Any:
        if bypasses and is_bypassed():
            return function(*args, **kwargs)
        quick = core.quick or prepare(core)
        if quick is None:
            return give(run(core.call(args, kwargs, place)))
        key = quick.key_of(args, kwargs)
        flight = quick.claim(key)
        if flight is None:
            value = quick.find(key, args, place)
            return give(run(core.call(args, kwargs, place))) if value is _OTHERWISE else value
        flight.thread = get_ident()
        started = perf_counter()
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            flight.landing = ABANDONED  # for now: where the stack is full, nothing more can be called
            quick.fail(flight, error, perf_counter() - started)
            del flight  # which holds the error, which holds this frame
            raise
        quick.settle(flight, value, perf_counter() - started, args, place)
        return value

    return slow


def make_slow_async(core: FunctionCore) -> Callable[..., Awaitable[Any]]:
    """Return what an async function awaits when its compiled hit path found nothing."""
    function = core.function

    async def slow(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> Any:
        if bypasses and is_bypassed():
            return await function(*args, **kwargs)
        quick = core.quick or prepare(core)
        if quick is None:
            return give(await arun(core.call(args, kwargs, place)))
        key = quick.key_of(args, kwargs)
        flight = quick.claim(key)
        if flight is None:
            value = quick.find(key, args, place)
            return give(await arun(core.call(args, kwargs, place))) if value is _OTHERWISE else value
        before = start_leading(flight)
        started = perf_counter()
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            flight.landing = ABANDONED  # for now: where the stack is full, nothing more can be called
            quick.fail(flight, error, perf_counter() - started)
            del flight  # which holds the error, which holds this frame
            raise
        finally:
            stop_leading(before)
        quick.settle(flight, value, perf_counter() - started, args, place)
        return value

    return slow


def prepare(core: FunctionCore) -> Quick | None:
    """Return the quick way of this function; None where every call has to go through the flow."""
    binding = core.binding()
    storage = binding.engine.storage
    if (
        isinstance(storage, ObjectStorage)
        and core.is_plain
        and not binding.cache.listeners
        and not binding.is_off
    ):
        return core.adopt(binding, Quick(core, binding, storage))
    return None


class Quick:
    """One plain function's lookups in one memory store. None of what it does waits for anything.

    Attributes:
        key_of: makes the key of a bound call.
        claim: returns the flight of a computation that starts now; None where there is something already.
        settle: stores a computed value, hands it to who waits, and counts the miss.
    """

    def __init__(self, core: FunctionCore, binding: Binding, storage: ObjectStorage) -> None:
        self._core, self._binding = core, binding
        self._engine, self._flights = binding.engine, storage.flights
        self._table = storage.table
        self._counters = binding.counters
        self.key_of = core.make_key_of(binding)
        self.claim = self._make_claim()
        self.settle = self._make_settle(storage)

    def _make_claim(self) -> Callable[[str], Flight | None]:
        # A closure: its cells cost less to read than attributes, and every miss comes through here.
        core, table, names = self._core, self._table, self._binding.own_tags
        find, clock, missed = table.find, self._binding.clock, table.misses.tick
        join: Callable[[str, Flight], Flight] = table.computing.flying.setdefault
        ended, abandon = core.keys.receivers.ended, self._flights.abandon
        tags = tuple(map(table.tag, names))

        def claim(key: str) -> Flight | None:
            nonlocal tags
            if ended:
                core.sweep_receivers()
            entry: LocalEntry | None = find(key)
            if entry is not None and entry.expires > clock():
                return None
            for tag in tags:
                if not tag.alive:
                    tags = tuple(map(table.tag, names))
                    break
            flight: Flight = Flight(key, False, tags)
            if join(key, flight) is not flight:
                return None
            if find(key) is not entry:
                abandon(flight)
                return None
            missed()
            return flight

        return claim

    def _make_settle(self, storage: ObjectStorage) -> Callable[..., None]:
        core, binding = self._core, self._binding
        clock, commit, flights, link_for = binding.clock, self._table.commit, self._flights, core.link_for
        # A plain function's ttl is no callable.
        ttl = cast("float | None", binding.policy.ttl)
        make_entry, counters, refused = storage.entry, binding.counters, self._refused
        keep = binding.policy.codec.keep

        def settle(flight: Flight, value: Any, seconds: float, args: tuple[Any, ...], place: Place) -> None:
            try:
                kept = keep(value)
                now = clock()
                expires = NEVER if ttl is None else now + ttl
                entry = make_entry(flight.key, kept, expires, now, seconds, flight.tags)
                if commit(flight, entry, link_for(binding, args, place)):
                    flights.landed(flight, entry)
                    counters.note_store((entry.size, ttl))
                else:
                    flights.land(flight, entry)
            except EncodingError as error:
                refused(flight, value, seconds, error)
                return
            except BaseException:
                # A signal's handler raised, or the stack is full: nobody shall wait for this flight any more.
                flight.landing = ABANDONED
                flights.abandon(flight)
                raise
            counters.note_miss(seconds)
            counters.settle_if_many()

        return settle

    def find(self, key: str, args: tuple[Any, ...], place: Place) -> Any:
        """Return the stored value of a living entry, counted as a hit."""
        table = self._table
        entry = table.live(key)
        if type(entry) is not LocalEntry or entry.softened or entry.fresh_until <= self._binding.clock():
            return _OTHERWISE
        try:
            value = entry.value()
        except DecodingError:
            return _OTHERWISE
        if type(value) is Failure:
            return _OTHERWISE
        table.note_hit(key)
        self._counters.tick[Outcome.HIT]()
        if not entry.is_linked:
            link = self._core.link_for(self._binding, args, place)
            if link is not None:
                table.link(entry, link)
        return value

    def fail(self, flight: Flight, error: BaseException, seconds: float) -> None:
        """End a computation that raised, or was cancelled."""
        if isinstance(error, Exception):
            self._flights.land(flight, Failed(error))
            self._counters.record(Outcome.ERROR, seconds=seconds)
        else:
            self._flights.abandon(flight)

    def _refused(self, flight: Flight, value: Any, seconds: float, error: EncodingError) -> None:
        refusal = self._engine.keeper.unencodable(self._binding.policy, error)
        self._flights.land(flight, Landed(lambda: value) if refusal is None else Failed(refusal))
        self._counters.record(Outcome.UNCACHEABLE, seconds=seconds, reason="unencodable")
        if refusal is not None:
            raise refusal


def give(result: Result) -> Any:
    """Return the result's value or raise its error."""
    if result.error is None:
        return result.value
    try:
        raise result.error
    finally:
        # Else the error would hold this frame, and this frame the error, until the next garbage collection.
        del result
