"""Requests for the same: which of them asks the application, and how the others wait for what it brings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from cachelayer.backends.locks import pauses
from cachelayer.control import current
from cachelayer.exchange.labels import UNLABELLED
from cachelayer.exchange.missed import Missed
from cachelayer.flow.compute import LONGEST_TURN
from cachelayer.flow.flights import Flight, Landing
from cachelayer.flow.steps import Pause, Wait
from cachelayer.flows import Flow
from cachelayer.http import (
    Answer,
    PartialResponse,
    Plan,
    Reason,
    StoredResponse,
    answer,
    answer_collapsed,
    evaluate,
)
from cachelayer.http.guards import guard
from cachelayer.http.plan import as_get
from cachelayer.http.vary import nominate, variant_key
from cachelayer.outcomes import Outcome

if TYPE_CHECKING:
    from cachelayer.exchange.lookup import Bound

#: How long requests wait for another where nothing has shown yet that responses of this application are shared at all,
#: in seconds: they may need each other.
_DOUBTFUL_TURN: Final = 1.0
#: How often a request joins those that wait for another's response, before it goes on by itself.
_MOST_TURNS: Final = 3
#: For how many seconds a client may hold up those who wait for the response that it is given, at each part of it.
STALLED: Final = 1.0


class Turn(Missed, eq=False):
    """A request that takes its turn among those for the same."""

    _changes: int | None = None
    #: For a POST, how a GET of the same URL would be looked up.
    _get_plan: Plan | None = None

    def prepare(self, *, waits: bool = True) -> Flow[Answer | None] | None:
        """Take the fence, and wait where another request brings the response; None: nothing needs driving.

        Where the flow returns an answer, the application need not be called: send it, and `end`.

        Args:
            waits: flows may wait.
        """
        bound, key = self.bound, self.plan.key
        if key is None:
            return self._prepare_post()
        if bound.unshared.has(key):
            if bound.local and not bound.expected_tags(self.plan):
                # Most likely it is not stored again, so no fence is taken. If it is, nothing must have changed at all.
                self.keep_if_unchanged(bound.flights.computing.changes)
                return None
        elif waits and self._collapses():
            place = bound.cache.key(self._gate_key(key))
            gate, leads = bound.engine.enter(place)
            if leads and bound.local and bound.flights.landings == self.seen and self.index is None:
                self._gate = self._flight = gate
                return self._fence()
            return self._queue(gate, leads)
        self._flight = bound.flights.alone(bound.cache.key(key))
        return self._fence()

    def keep_if_unchanged(self, changes: int) -> None:
        """Go without a fence: the response is stored only if nothing at all has been invalidated since then."""
        self._changes = changes

    def lead(self, flight: Flight) -> Flow[bool]:
        """Take the turn and the fence for a flight that is led already; False where another process has the turn."""
        bound = self.bound
        self._gate = self._flight = flight
        if bound.distributes:
            self._leased = flight
            if not (yield from bound.storage.acquire(flight, bound.policy.patience or LONGEST_TURN)):
                return False
        fencing = self._fence()
        if fencing is not None:
            yield from fencing
        return True

    @property
    def leads(self) -> bool:
        """Whether others may wait for this response."""
        return self._gate is not None

    def hold(self) -> None:
        """Note that a part of the body is on its way to the client: how long that takes is the client's affair."""
        if self._gate is not None:
            self._gate.held = time.monotonic()

    def resume(self) -> None:
        """Note that the client has taken the part."""
        if self._gate is not None:
            self._gate.held = 0.0

    def _prepare_post(self) -> Flow[None] | None:
        """Take the fence for a GET, which the response to a POST may turn out to answer."""
        plan = self.plan
        if plan.request.method != "POST" or plan.reason is not Reason.METHOD or self.bound.shadow is not None:
            return None
        get = as_get(plan, self.bound.searches.canonical(plan.request))
        if get.key is None:
            return None
        self._get_plan, self.asked = get, self.bound.clock()
        self._flight = self.bound.flights.alone(self.bound.cache.key(get.key))
        return self._fence(get)

    def _collapses(self) -> bool:
        """Whether requests like this one go to the application one at a time, until one has brought a response.

        Those that no shared response can answer go at once.
        """
        bound, plan = self.bound, self.plan
        policy, rule = plan.policy, plan.rule
        wanted = policy.collapse if rule is None or rule.collapse is None else rule.collapse
        if not wanted or bound.shadow is not None or plan.request.method == "HEAD":
            return False
        fields = plan.fields
        if not fields:
            return True
        if b"range" in fields or plan.directives.items:
            return False
        return guard(fields, rule, policy, authorized=False, shared=False, explicit=True) is None

    def _gate_key(self, key: str) -> str:
        """Return the key of what a request waits for: of URLs that vary, as the newest response there does."""
        if self.index is None or not self.index.variants:
            return key
        return variant_key(key, nominate(self.index.variants[0].fields, self.plan.request.headers))

    def _queue(self, gate: Flight, leads: bool) -> Flow[Answer | None]:
        bound, key = self.bound, self.plan.key or ""
        patience = _patience(bound)
        until, joined = time.monotonic() + patience, 0
        try:
            while not leads:
                if self._is_within(gate):
                    break
                joined += 1
                landing = yield from self._landing(gate, until)
                if landing is None:
                    # Who comes now does not wait for it as long again.
                    bound.flights.set_aside(gate)
                found = yield from self._again(collapsed=True)
                if found is not None:
                    return found
                if landing is None or joined >= _MOST_TURNS or bound.unshared.has(key):
                    break
                gate, leads = bound.engine.enter(bound.cache.key(self._gate_key(key)))
            if leads:
                self._gate = gate
                found = yield from self._take_lead(gate, patience, waited=bool(joined))
                if found is not None:
                    return found
            yield from self._fence_own()
        except BaseException:
            if leads and self._gate is None:
                bound.flights.abandon(gate)
            raise
        return None

    def _landing(self, gate: Flight, until: float) -> Flow[Landing | None]:
        """Wait for another's response until then, or until its client holds it up."""
        while True:
            left = max(until - time.monotonic(), 0.0)
            landing: Landing | None = yield Wait(gate, min(left, STALLED))
            if landing is not None or left <= STALLED:
                return landing
            if gate.held and time.monotonic() - gate.held >= STALLED:
                # Others in other processes wait for it too; and what comes of it so late is not stored.
                gate.broken = True
                yield from self.bound.storage.release(gate)
                return None

    @staticmethod
    def _is_within(gate: Flight) -> bool:
        """Whether this request was sent by an application while it brings what the gate is for."""
        around = current.get()
        while around is not None:
            if isinstance(around, Turn) and around._gate is gate:
                return True
            around = around.outer
        return False

    def _take_lead(self, gate: Flight, patience: float, *, waited: bool) -> Flow[Answer | None]:
        """Look again, since another may have stored meanwhile; and wait for those in other processes."""
        bound = self.bound
        if waited or bound.flights.landings != self.seen:
            found = yield from self._again(collapsed=waited)
            if found is not None:
                return found
        if not bound.distributes:
            return None
        self._leased = gate  # before the turn is taken: who is cancelled in between gives it back
        for pause in pauses(patience):
            mine = yield from bound.storage.acquire(gate, patience)
            # Also with the turn taken: it may have been given back a moment ago, with the response stored.
            found = yield from self._again(collapsed=True)
            if found is not None:
                return found
            if mine or bound.unshared.has(self.plan.key or ""):
                break
            yield Pause(pause)
        return None

    def _again(self, *, collapsed: bool) -> Flow[Answer | None]:
        """Look the request up once more; return the answer if there is one by now."""
        bound, plan = self.bound, self.plan
        self.seen = bound.flights.landings
        found, self.index = yield from bound.look(plan)
        if isinstance(found, PartialResponse):
            found = None
        now = bound.clock()
        reuse = evaluate(found, plan, now)
        if reuse.forward is not None or reuse.refreshes or not isinstance(found, StoredResponse):
            self.stale = found if reuse.selected and isinstance(found, StoredResponse) else None
            if (
                self.stale is None
                or not self._may_stand_in(self.stale)
                or not bound.engine.resting.has(plan.key or "")
            ):
                return None
            # The application has failed just now, for the request that this one waited for.
            return (yield from self._instead(self.stale, None, "", failed=False))
        forward = None if self.reuse is None else self.reuse.forward
        self._label = found.label or UNLABELLED
        if collapsed and forward is not None:
            given, outcome = answer_collapsed(found, plan, forward, now), Outcome.COLLAPSED
        else:
            given, outcome = answer(found, plan, reuse, now), reuse.outcome or Outcome.HIT
        yield from self._over(outcome, size=len(given.body), entry=found)
        return given

    def _fence(self, plan: Plan | None = None) -> Flow[Any] | None:
        """Let the flight know what would fence it off; None where that needs no driving.

        Args:
            plan: of the request whose response will be stored; default: this one's.
        """
        bound, flight = self.bound, self._flight
        if flight is None:
            return None
        bound.storage.watch(flight)
        tags = bound.expected_tags(plan or self.plan)
        return bound.storage.capture(flight, tags) if tags or not bound.local else None

    def _late_flight(self) -> Flight | None:
        """Return a flight for a response that nobody expected to be stored, if nothing at all has changed meanwhile."""
        bound = self.bound
        if self._changes is None:
            return None
        with bound.flights.computing.lock:
            if bound.flights.computing.changes == self._changes:
                self._flight = bound.flights.alone(bound.cache.key(self.plan.key or ""))
        return self._flight

    def _fence_own(self) -> Flow[None]:
        """Take the fence; a flight of one's own stands beside a gate that is not for the primary key."""
        bound = self.bound
        place = bound.cache.key(self.plan.key or "")
        gate, self.asked = self._gate, bound.clock()
        self._flight = gate if gate is not None and gate.key == place else bound.flights.alone(place)
        fencing = self._fence()
        if fencing is not None:
            yield from fencing


def _patience(bound: Bound) -> float:
    """Return how long a request waits for another one, in seconds."""
    longest = bound.policy.patience or LONGEST_TURN
    return longest if bound.stores else min(longest, _DOUBTFUL_TURN)
