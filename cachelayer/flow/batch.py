"""Get or compute many at once: one bulk read, and one computation of all that is missing.

Each key has a flight and a fence of its own, so that an invalidation of one leaves the others alone. Who finds keys
that somebody else computes already lands its own first, and then waits for those: nobody waits for each other. What
such a one abandons is raced for anew; what takes it too long everybody computes by himself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from cachelayer.errors import DecodingError
from cachelayer.flow.compute import Engine, collapsed
from cachelayer.flow.flights import ABANDONED, Failed, Flight, is_leading, start_leading, stop_leading
from cachelayer.flow.lookups import Lookup, Result
from cachelayer.flow.steps import Compute, Wait
from cachelayer.flows import Flow
from cachelayer.outcomes import Outcome

#: Makes of the keys that are missing the step that computes them; its result is by key, and need not have all.
ComputeMany = Callable[[Sequence[str]], Compute]


class _Absent:
    """The landing of a key that the computation of many left out: who waited has no value either."""

    def give(self) -> Any:
        """Tell others, who compute this key by itself, to do so."""
        raise DecodingError("a computation of many left it out")


_ABSENT: Final = _Absent()


def get_or_compute_many(
    engine: Engine,
    lookups: Mapping[str, Lookup],
    compute: ComputeMany,
    values: Callable[[Any], Mapping[str, Any]],
) -> Flow[dict[str, Result]]:
    """Return how each lookup ended, by its key; a key that `values` has not is left out.

    Args:
        engine: where the values are kept.
        lookups: what is looked up, by key.
        compute: makes the step that computes the missing keys, all at once.
        values: takes what that step gave apart, by key.
    """
    seen = engine.flights.landings
    results = yield from engine.find_many(lookups)
    left = [key for key in lookups if key not in results]
    late: list[str] = []
    again = False
    while left or late:
        pass_ = _Pass(engine, lookups)
        yield from pass_.enter(left, late)
        if pass_.mine:
            landed_since = engine.flights.landings != seen
            results.update((yield from pass_.lead(compute, values, landed_since=landed_since)))
        landed, left, late = yield from pass_.wait(again=again)
        again = True
        results.update(landed)
    return results


class _Pass:
    """One round: what this caller computes, and what it waits for."""

    def __init__(self, engine: Engine, lookups: Mapping[str, Lookup]) -> None:
        self._engine, self._lookups = engine, lookups
        self.mine: dict[str, Flight] = {}
        self._others: dict[str, Flight] = {}

    def enter(self, keys: Sequence[str], late: Sequence[str]) -> Flow[None]:
        """Take the keys that nobody computes, and `late` ones, which somebody takes too long for."""
        try:
            for key in keys:
                yield from self._enter(key)
            for key in late:
                self.mine[key] = self._engine.flights.alone(key)
        except BaseException:
            self._abandon()
            raise

    def _enter(self, key: str) -> Flow[None]:
        flights = self._engine.flights
        while True:
            flight, leads = self._engine.enter(key)
            if leads:
                self.mine[key] = flight
            elif is_leading(flight):
                self.mine[key] = flights.alone(key)
            elif (yield from self._engine.storage.intact(flight)):
                self._others[key] = flight
            else:
                flights.detach(flight)
                continue
            return

    def _abandon(self) -> None:
        for flight in self.mine.values():
            if flight.landing is None:
                self._engine.flights.abandon(flight)

    def lead(
        self, compute: ComputeMany, values: Callable[[Any], Mapping[str, Any]], *, landed_since: bool
    ) -> Flow[dict[str, Result]]:
        """Compute what nobody else does, in one call, and land each flight."""
        try:
            for key, flight in self.mine.items():
                self._engine.watch(self._lookups[key], flight)
            yield from self._engine.storage.capture_all(
                [(each, self._lookups[each.key].tags) for each in self.mine.values()]
            )
            results: dict[str, Result] = (yield from self._landed()) if landed_since else {}
            flights = tuple(flight for key, flight in self.mine.items() if key not in results)
            if flights:
                results.update((yield from self._compute(flights, compute, values)))
        except Exception as error:  # noqa: BLE001 - whatever the origin raises is for its callers
            for flight in self.mine.values():
                if flight.landing is None:
                    self._engine.flights.land(flight, Failed(error))
            return {key: Result(Outcome.ERROR, error=error) for key in self.mine}
        except BaseException:
            self._abandon()
            raise
        return results

    def _landed(self) -> Flow[dict[str, Result]]:
        """Return what others have stored before this caller came to lead: read once it is fenced."""
        found = yield from self._engine.find_many({key: self._lookups[key] for key in self.mine})
        for key, result in found.items():
            self._engine.hand_over(self._lookups[key], self.mine[key], result)
        return found

    def _compute(
        self,
        flights: tuple[Flight, ...],
        compute: ComputeMany,
        values: Callable[[Any], Mapping[str, Any]],
    ) -> Flow[dict[str, Result]]:
        before = start_leading(*flights)
        started = perf_counter()
        try:
            given = values((yield compute([flight.key for flight in flights])))
        finally:
            stop_leading(before)
        share = (perf_counter() - started) / len(flights)
        results: dict[str, Result] = {}
        for flight in flights:
            key = flight.key
            if key in given:
                results[key] = yield from self._engine.land(self._lookups[key], flight, given[key], share)
            else:
                self._engine.flights.land(flight, _ABSENT)
        return results

    def wait(self, *, again: bool) -> Flow[tuple[dict[str, Result], list[str], list[str]]]:
        """Wait for what others compute; return what landed, the keys of what is to be raced for, and of what is late.

        In the first round what may be old is raced for too: later ones began after this caller came.
        """
        landed: dict[str, Result] = {}
        left: list[str] = []
        late: list[str] = []
        for key, flight in self._others.items():
            landing = yield Wait(flight, self._lookups[key].policy.lock_timeout)
            if landing is not None and landing is not ABANDONED and not again and flight.may_be_old(landing):
                left.append(key)
            elif landing is ABANDONED:
                self._engine.flights.detach(flight)
                left.append(key)
            elif landing is not None and landing is not _ABSENT:
                result = collapsed(landing)
                if result is None:
                    late.append(key)
                else:
                    landed[key] = result
            elif landing is None:
                late.append(key)
        return landed, left, late
