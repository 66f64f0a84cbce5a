"""A request that the store has not answered: what is known of it, and how it is counted."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from cachelayer.control import Control
from cachelayer.exchange.labels import DASHBOARD, UNLABELLED
from cachelayer.flow.flights import Flight, Landed
from cachelayer.flows import Flow
from cachelayer.http import (
    Answer,
    Plan,
    Reuse,
    StoredResponse,
    VariantIndex,
    answer_instead,
)
from cachelayer.http.age import current_age
from cachelayer.outcomes import Outcome

if TYPE_CHECKING:
    from cachelayer.cache import Cache
    from cachelayer.exchange.lookup import Bound

#: How a response lands on which others wait: they look it up by themselves, and judge by their own request.
_STORED: Final = Landed(lambda: None)


class Missed(Control, eq=False):
    """One request that was looked up in vain: what is known of it, how it is counted, and what it lets go of.

    Attributes:
        bound: the middleware's ties to the cache.
        plan: of the request.
        began: when it came, by `perf_counter`.
        reuse: why the store did not answer; None where it was not asked.
        asked: when it was, in epoch seconds.
        index: what is stored under the primary key, if those are variants.
        stale: what is stored and stale: the application may confirm it, or it may be served where it fails.
        twin: what would have been served, if the cache did more than watch.
        seen: how many flights had landed when the store was asked.
        is_background: no client waits for it, and no request is counted.
    """

    bound: Bound
    plan: Plan
    began: float
    reuse: Reuse | None = None
    asked: float = 0.0
    index: VariantIndex | None = None
    stale: StoredResponse | None = None
    twin: StoredResponse | None = None
    seen: int = 0
    is_background: bool = False

    _flight: Flight | None = None
    _gate: Flight | None = None
    _leased: Flight | None = None
    _label: str = UNLABELLED
    _counted: bool = False

    @property
    def cache(self) -> Cache:
        """The cache that the middleware uses."""
        return self.bound.cache

    def _may_stand_in(self, stale: StoredResponse) -> bool:
        """Whether a stale response may be served where the application fails."""
        return not stale.no_cache and self.bound.clock() < stale.error_until and not self.is_background

    def _land(self) -> None:
        """Let go of the flight, and of those who wait for it: they look for what they need by themselves."""
        flight, gate, flights = self._flight, self._gate, self.bound.flights
        self._flight = self._gate = None
        if gate is not None:
            flights.land(gate, _STORED)
        if flight is not None and flight is not gate:
            flights.detach(flight)

    def _landed(self) -> Flow[None]:
        self._land()
        yield from self._release()

    def _release(self) -> Flow[None]:
        """Give the turn among processes back, if this one has it."""
        if self._leased is not None:
            yield from self.bound.storage.release(self._leased)
            self._leased = None

    def _instead(
        self, stale: StoredResponse, status: int | None, reason: str, *, failed: bool = True
    ) -> Flow[Answer]:
        """Return the stale response because the application failed, and leave it alone for a moment."""
        bound = self.bound
        if failed:
            bound.engine.resting.add(self.plan.key or "")
        self._label = stale.label or self._label
        given = answer_instead(stale, self.plan, status, bound.clock(), asked=failed)
        yield from self._over(Outcome.ERROR_HIT, reason=reason, size=len(given.body))
        return given

    def _over(
        self, outcome: Outcome, *, reason: str = "", size: int = 0, entry: StoredResponse | None = None
    ) -> Flow[None]:
        """Count a request that the cache has answered after all, and let go of everything."""
        self._count(outcome, perf_counter() - self.began, reason=reason, size=size, entry=entry)
        yield from self._landed()

    def _settle(self, outcome: Outcome, reason: str) -> None:
        """Count the request, once, and let go of its fence."""
        self._count(outcome, perf_counter() - self.began, reason=str(reason))
        self._land()

    def _count(
        self,
        outcome: Outcome,
        seconds: float,
        *,
        reason: str = "",
        size: int = 0,
        entry: StoredResponse | None = None,
    ) -> None:
        if self._counted:
            return
        self._counted = True
        if self.is_background or self.kept_within or self._label == DASHBOARD:
            return
        bound = self.bound
        if bound.shadow is not None and self.reuse is not None:
            twin = self.twin
            would_be, label = (
                (outcome, self._label) if twin is None else (Outcome.HIT, twin.label or self._label)
            )
            bound.shadow.routes.counters(label).record(would_be, seconds=seconds, reason=reason)
            outcome = Outcome.BYPASS
        bound.count(self.plan, self._label, outcome, seconds=seconds, reason=reason, size=size, entry=entry)

    def _note_change(self, stale: StoredResponse, *, changed: bool) -> None:
        """Tell the statistics how old a response was that has been made anew, and whether that was worth it."""
        samples = self.bound.counters(stale.label or self._label).samples
        samples.note_change(current_age(stale, self.bound.clock()), changed=changed)
