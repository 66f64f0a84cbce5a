"""Get or compute many at once: one bulk read, and one computation of all that is missing.

Each key has a flight and a fence of its own, so that an invalidation of one leaves the others alone. Who finds keys
that somebody else computes already lands its own first, and then waits for those: nobody waits for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from cachelayer.flow.compute import Engine
from cachelayer.flow.flights import ABANDONED, Failed, Flight, is_leading, start_leading, stop_leading
from cachelayer.flow.lookups import Lookup, Result
from cachelayer.flow.steps import Compute, Wait
from cachelayer.flows import Flow
from cachelayer.outcomes import Outcome

#: Makes of the keys that are missing the step that computes them; its result is by key, and need not have all.
ComputeMany = Callable[[Sequence[str]], Compute]


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
    results = yield from engine.find_many(lookups)
    left = [key for key in lookups if key not in results]
    alone = False
    while left:
        pass_ = _Pass(engine, lookups, left, alone=alone)
        if pass_.mine:
            results.update((yield from pass_.lead(compute, values)))
        landed, left = yield from pass_.wait()
        results.update(landed)
        alone = True
    return results


class _Pass:
    """One round: what this caller computes, and what it waits for."""

    def __init__(
        self, engine: Engine, lookups: Mapping[str, Lookup], keys: Sequence[str], *, alone: bool
    ) -> None:
        self._engine, self._lookups = engine, lookups
        self.mine: dict[str, Flight] = {}
        self._others: dict[str, Flight] = {}
        for key in keys:
            flight, leads = (engine.flights.alone(key), True) if alone else engine.flights.join(key)
            if leads:
                self.mine[key] = flight
            elif is_leading(flight):
                self.mine[key] = engine.flights.alone(key)
            else:
                self._others[key] = flight

    def lead(
        self, compute: ComputeMany, values: Callable[[Any], Mapping[str, Any]]
    ) -> Flow[dict[str, Result]]:
        """Compute what nobody else does, in one call, and land each flight."""
        flights = tuple(self.mine.values())
        try:
            yield from self._engine.storage.capture_all(
                [(each, self._lookups[each.key].tags) for each in flights]
            )
            before = start_leading(*flights)
            started = perf_counter()
            try:
                given = values((yield compute(list(self.mine))))
            finally:
                stop_leading(before)
            share = (perf_counter() - started) / len(flights)
            return (yield from self._keep(given, share))
        except Exception as error:  # noqa: BLE001 - whatever the origin raises is for its callers
            for flight in flights:
                self._engine.flights.land(flight, Failed(error))
            return {flight.key: Result(Outcome.ERROR, error=error) for flight in flights}
        except BaseException:
            for flight in flights:
                self._engine.flights.abandon(flight)
            raise

    def _keep(self, given: Mapping[str, Any], share: float) -> Flow[dict[str, Result]]:
        results: dict[str, Result] = {}
        for key, flight in self.mine.items():
            if key in given:
                lookup = self._lookups[key]
                results[key] = yield from self._engine.land(lookup, flight, given[key], share)
            else:
                self._engine.flights.abandon(flight)
        return results

    def wait(self) -> Flow[tuple[dict[str, Result], list[str]]]:
        """Wait for what others compute; return what has landed, and the keys of what has not."""
        landed: dict[str, Result] = {}
        left: list[str] = []
        for key, flight in self._others.items():
            landing = yield Wait(flight, self._lookups[key].policy.lock_timeout)
            if landing is None or landing is ABANDONED:
                left.append(key)
            elif isinstance(landing, Failed):
                landed[key] = Result(Outcome.ERROR, error=landing.error)
            else:
                landed[key] = Result(Outcome.COLLAPSED, landing.give())
        return landed, left
