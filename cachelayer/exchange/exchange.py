"""One request that the application answers, from the fence before it is called to what is stored in the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextvars import Token
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cachelayer.backends.locks import pauses
from cachelayer.control import Control, current
from cachelayer.errors import EncodingError
from cachelayer.exchange.keeping import Keeper
from cachelayer.exchange.labels import DASHBOARD, UNLABELLED
from cachelayer.flow.compute import LONGEST_TURN
from cachelayer.flow.flights import Flight, Landed
from cachelayer.flow.steps import Pause, Wait
from cachelayer.flows import Flow
from cachelayer.http import (
    Admission,
    Answer,
    Headers,
    Instructions,
    PartialResponse,
    Plan,
    Reason,
    ResponseHead,
    Reuse,
    StoredResponse,
    Update,
    VariantIndex,
    admit,
    answer,
    answer_collapsed,
    answer_confirmed,
    answer_instead,
    complete,
    evaluate,
    forwarded_headers,
    update,
)
from cachelayer.http.age import current_age
from cachelayer.http.bodies import post_answers_get
from cachelayer.http.cache_status import Forward
from cachelayer.http.groups import invalidated_groups
from cachelayer.http.guards import guard
from cachelayer.http.invalidation import invalidated
from cachelayer.http.no_vary_search import EVERYTHING
from cachelayer.http.plan import as_get
from cachelayer.http.uris import target_of
from cachelayer.http.validation import CONDITIONS, can_validate, conditional_headers, head_updates, selected
from cachelayer.http.vary import nominate, variant_key
from cachelayer.outcomes import Outcome
from cachelayer.purging import forgetting

if TYPE_CHECKING:
    from cachelayer.cache import Cache
    from cachelayer.exchange.lookup import Bound

logger = logging.getLogger("cachelayer.http")

#: How long requests wait for another where nothing has shown yet that responses of this application are shared at all,
#: in seconds: they may need each other.
_DOUBTFUL_TURN: Final = 1.0
#: How often a request joins those that wait for another's response, before it goes on by itself.
_MOST_TURNS: Final = 3
#: Reasons that are about a request, and say nothing about what is stored.
_OF_THE_REQUEST: Final = frozenset(
    {Reason.RANGE, Reason.REQUEST_NO_STORE, Reason.AUTHORIZATION, Reason.COOKIE, Reason.SESSION_COOKIE}
)
#: Reasons for which the next response like this one may well be stored.
_OF_THIS_TIME: Final = frozenset({Reason.INCOMPLETE, Reason.MIN_USES})
#: How a response lands on which others wait: they look it up by themselves, and judge by their own request.
_STORED: Final = Landed(lambda: None)


class Fetched(msgspec.Struct, frozen=True):
    """What the application answered when it was asked behind the client's back.

    Attributes:
        head: its status and fields; None where they are not such as a response can have.
        body: its whole body; None where it was too long, or did not come to its end.
        env: the ASGI scope or WSGI environ, in which it has named its route.
        objection: why it must not be stored, where the shell knows what the fields do not show.
    """

    head: ResponseHead | None
    body: bytes | None
    env: Mapping[str, Any]
    objection: Reason | None = None


class Exchange(Control, eq=False):
    """The state of one request that the application answers.

    Attributes:
        bound: the middleware's ties to the cache.
        plan: of the request.
        began: when it came, by `perf_counter`.
        reuse: why the store did not answer; None where it was not asked.
        asked: when it was, in epoch seconds.
        collecting: whether the body is still wanted.
        is_replaced: whether the client gets what `replace` returns, and of the application's response nothing.
        asks_again: whether the application has confirmed something else than what is stored: `ask_again`, and call it
            once more.
        due: what has to be driven before the head of the response goes out.
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
    collecting: bool = False
    is_replaced: bool = False
    asks_again: bool = False
    due: Any = None
    index: VariantIndex | None = None
    stale: StoredResponse | None = None
    twin: StoredResponse | None = None
    seen: int = 0
    is_background: bool = False

    _flight: Flight | None = None
    _gate: Flight | None = None
    _leased: Flight | None = None
    _changes: int | None = None
    #: For a POST, how a GET of the same URL would be looked up.
    _get_plan: Plan | None = None
    _admission: Admission | None = None
    _head: ResponseHead | None = None
    _parts: list[bytes] = msgspec.field(default_factory=list[bytes])
    _size: int = 0
    _label: str = UNLABELLED
    _written: tuple[str, ...] = ()
    _counted: bool = False
    _unconditional: bool = False

    @property
    def cache(self) -> Cache:
        """The cache that the middleware uses."""
        return self.bound.cache

    # -- before the application is called -------------------------------------------------------------------------

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
                self._changes = bound.flights.computing.changes
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

    def _prepare_post(self) -> Flow[None] | None:
        """Take the fence for a GET, which the response to a POST may turn out to answer."""
        plan = self.plan
        if plan.request.method != "POST" or plan.reason is not Reason.METHOD or self.bound.shadow is not None:
            return None
        get = as_get(plan)
        if get.key is None:
            return None
        self._get_plan, self.asked = get, self.bound.clock()
        self._flight = self.bound.flights.alone(self.bound.cache.key(get.key))
        return self._fence(get)

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
    def conditions(self) -> Headers | None:
        """The fields that ask the application whether what is stored holds; None: the client's own are kept."""
        stale = self.stale
        if (
            stale is None
            or self._unconditional
            or self.plan.request.method != "GET"
            or not can_validate(stale)
        ):
            return None
        return conditional_headers((), (stale,))

    def ask_again(self) -> None:
        """Have the application asked without the cache's condition: what it confirmed was not what is stored."""
        self.is_replaced = self.asks_again = False
        self._unconditional = True
        self.forget()  # What was said was about that response.

    def enter(self) -> Token[Control | None]:
        """Let the application say something about its response; returns what to give to `leave`."""
        self.outer = current.get()
        return current.set(self)

    @staticmethod
    def leave(token: Token[Control | None]) -> None:
        """Undo `enter`."""
        current.reset(token)

    # -- the response ---------------------------------------------------------------------------------------------

    def start(
        self, head: ResponseHead | None, env: Mapping[str, Any], objection: Reason | None = None
    ) -> Headers | None:
        """Decide on the application's response, and return the fields for the client; None: as they are.

        After it, `due` is to be driven if it is there; and where `is_replaced`, `replace` has the client's answer.

        Args:
            head: its status and fields; None where they are not such as a response can have.
            env: the ASGI scope or WSGI environ, in which the application has named its route by now.
            objection: why it must not be stored, where the shell knows what the fields do not show.
        """
        plan = self.plan
        self._label = self.bound.caching.label(plan.request.method, env)
        self._head, self.due = head, None
        self.is_replaced = self.asks_again = False
        if head is None or plan.key is None:
            self._start_unasked(plan, head, env)
            return None
        if self.kept_within:
            self._refuse(Reason.VIEW)
            return None
        if self._label in self.bound.paused:
            self._refuse(Reason.PAUSED, Outcome.BYPASS)
            return None
        stale = self.stale
        if stale is not None and self._replaces(stale, head):
            self.is_replaced = True
            self.asks_again = head.status == 304 and selected(head, (stale,)) is None
            return None
        if stale is not None and plan.request.method == "HEAD":
            # What it brings about the stored response is fenced as that would be.
            flight, self._flight = self._flight, None
            self.due = self._compared(stale, head, flight)
        admission = self._admission = self._wanted(self._admit(head, objection))
        self.collecting = admission.draft is not None
        if self.collecting:
            self._parts, self._size = [], 0
        else:
            self._refuse(admission.reason)
        if self.reuse is None:
            return None
        headers = forwarded_headers(plan, self.reuse, admission)
        return None if headers is head.headers else headers

    def replace(self) -> Flow[Answer]:
        """Return the answer in place of the application's response: what is stored, confirmed or for want of better."""
        stale, head, now = self.stale, self._head, self.bound.clock()
        if stale is None or head is None:
            raise AssertionError("nothing is stored")
        if head.status != 304:
            return (yield from self._instead(stale, head.status, f"status {head.status}"))
        made = self._updated(stale, head)
        if made.stays:
            yield from self._try_to_keep(made.response, perf_counter() - self.began)
        elif made.reason not in _OF_THE_REQUEST:
            yield from self._forget()
        self.bound.engine.resting.discard(self.plan.key or "")
        self._label = stale.label or self._label
        self._note_change(stale, changed=False)
        forward = (self.reuse and self.reuse.forward) or Forward.STALE
        given = answer_confirmed(made.response, self.plan, forward, now, head, stored=made.stays)
        yield from self._over(Outcome.REVALIDATED, size=len(given.body), entry=made.response)
        return given

    def rescue(self, error: Exception) -> Flow[Answer] | None:
        """Return the flow of the stale answer in place of an exception of the application; None: it is raised."""
        stale = self.stale
        if stale is None or not self._may_stand_in(stale):
            return None
        logger.error("%s failed; a stale response is served", stale.label or self._label, exc_info=error)
        return self._instead(stale, None, type(error).__name__)

    def feed(self, data: bytes) -> None:
        """Take a part of the body, if it is wanted."""
        admission = self._admission
        if not self.collecting or admission is None:
            return
        if not data:
            return
        self._size += len(data)
        if self._size > admission.max_body_bytes:
            self.give_up(Reason.TOO_LARGE)
        else:
            self._parts.append(bytes(data))

    def take(self, data: bytes) -> Flow[None] | None:
        """Do as `feed` does, where nothing says which part is the last; return what to drive before it goes out.

        That is so for the part that completes Content-Length, and for one that should not come any more.
        """
        if self._written and data:
            return self._retract()
        self.feed(data)
        whole = (
            self.collecting and self._admission is not None and self._admission.content_length == self._size
        )
        return self.finish() if whole else None

    def give_up(self, reason: Reason) -> None:
        """Collect no further: the response will not be stored."""
        if self.collecting:
            self.collecting, self._parts = False, []
            self._refuse(reason)

    @property
    def leads(self) -> bool:
        """Whether others may wait for this response."""
        return self._gate is not None

    def step_aside(self) -> Flow[None] | None:
        """Give up where others wait, since the client takes its time; return what is to be driven, or None."""
        if self.collecting and self._gate is not None and self._gate.waiters:
            self.give_up(Reason.INCOMPLETE)
            due: Flow[None] | None = self.due
            self.due = None
            return due
        return None

    def finish(self) -> Flow[None]:
        """Store the response, now that its body is whole."""
        if not self.collecting or self._admission is None:
            return
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        made = complete(self._admission, body)
        if isinstance(made, Reason):
            self.give_up(made)
            return
        self.collecting, self._parts = False, []
        seconds = perf_counter() - self.began
        if self.twin is not None:
            self._compare(self.twin, body)
        self._count(Outcome.MISS, seconds, entry=made)
        if self.stale is not None:
            self._note_change(self.stale, changed=body != self.stale.body)
        yield from self._try_to_keep(made, seconds)
        if self.plan.key is not None:
            self.bound.unshared.discard(self.plan.key)
            self.bound.engine.resting.discard(self.plan.key)
        yield from self._landed()

    def end(self, env: Mapping[str, Any], error: BaseException | None = None) -> Flow[None] | None:
        """Let go of everything, and count the request if nothing did so far; return what is to be driven, or None."""
        if self._counted and self._flight is None and self._gate is None and self._leased is None:
            self.collecting = False
            return None
        self.collecting = False
        if not self._counted:
            if self._admission is None:
                self._label = self.bound.caching.label(self.plan.request.method, env)
            self._settle(*self._unfinished(error))
        else:
            self._land()
        return None if self._leased is None else self._release()

    # -- inside: waiting for each other ---------------------------------------------------------------------------

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
                landing = yield Wait(gate, max(until - time.monotonic(), 0.0))
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

    @staticmethod
    def _is_within(gate: Flight) -> bool:
        """Whether this request was sent by an application while it brings what the gate is for."""
        around = current.get()
        while around is not None:
            if isinstance(around, Exchange) and around._gate is gate:
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

    # -- inside: fences ---------------------------------------------------------------------------------------------

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
        leased, self._leased = self._leased, None
        if leased is not None:
            yield from self.bound.storage.release(leased)

    # -- inside: deciding -------------------------------------------------------------------------------------------

    def _start_unasked(self, plan: Plan, head: ResponseHead | None, env: Mapping[str, Any]) -> None:
        """Decide on the response to a request that was not looked up."""
        if head is not None and plan.reason is Reason.METHOD:
            self._outdate(plan, head)
            self._start_for_get(head, env)
        if not self.collecting:
            self._settle(*self._undecided())

    def _outdate(self, plan: Plan, head: ResponseHead) -> None:
        """Have forgotten what a request may have changed (RFC 9111, section 4.4, and RFC 9875, section 3)."""
        request = plan.request
        targets = invalidated(request, head)
        target = targets[0] if targets else target_of(request)
        groups = () if target is None else invalidated_groups(target.origin, request.method, head)
        if targets or groups:
            self.due = forgetting(self.bound.cache, targets, groups)

    def _start_for_get(self, head: ResponseHead, env: Mapping[str, Any]) -> None:
        """Keep a response to POST that says it is what a GET would give (RFC 9110, section 9.3.3)."""
        get, flight = self._get_plan, self._flight
        if get is None or flight is None or not post_answers_get(self.plan.request, head):
            return
        outcome, reason = self._undecided()
        self._count(outcome, perf_counter() - self.began, reason=reason)
        self.plan, self._flight = get, None
        self._label = self.bound.caching.label("GET", env)
        admission = self._admission = self._wanted(self._admit(head, None))
        self.collecting = admission.draft is not None
        self._parts, self._size = [], 0
        self.due = self._fence_anew(flight, self.due)

    def _fence_anew(self, flight: Flight, due: Flow[Any] | None) -> Flow[None]:
        """Forget what a POST has outdated, which breaks its own fence too, and take another for its response."""
        intact = yield from self.bound.storage.intact(flight)
        self.bound.flights.detach(flight)
        if due is not None:
            yield from due
        if intact:
            yield from self._fence_own()
        else:
            self.give_up(Reason.INVALIDATED)

    def _replaces(self, stale: StoredResponse, head: ResponseHead) -> bool:
        """Whether what is stored is the answer, since the application has confirmed it, or has failed."""
        if head.status == 304:
            return self.conditions is not None
        return head.status >= 500 and self._may_stand_in(stale)

    def _may_stand_in(self, stale: StoredResponse) -> bool:
        """Whether a stale response may be served where the application fails."""
        return not stale.no_cache and self.bound.clock() < stale.error_until and not self.is_background

    def _admit(self, head: ResponseHead, objection: Reason | None) -> Admission:
        if objection is not None:
            return Admission(objection, head)
        asked, now, said = self.asked, self.bound.clock(), self._instructions()
        plan = self.plan if self.conditions is None else without_conditions(self.plan)
        try:
            made = admit(plan, head, request_time=asked, response_time=now, label=self._label, said=said)
        except (AttributeError, TypeError, ValueError):
            # Its fields are not even pairs of bytes: the server will say what it thinks of them.
            return Admission(Reason.MALFORMED_RESPONSE, head)
        if made.draft is not None and (made.search is not EVERYTHING or self.bound.searches):
            self.bound.searches.note(plan.request, made.search)
        return made

    def _wanted(self, admission: Admission) -> Admission:
        """Return the admission, or one that stores nothing where the response is not asked for often enough."""
        rule = admission.rule
        if admission.draft is None or rule is None or rule.min_uses < 2:
            return admission
        if self.bound.uses.add(self.plan.key or "") >= rule.min_uses:
            return admission
        return Admission(Reason.MIN_USES, admission.head, rule=rule)

    def _updated(self, stale: StoredResponse, head: ResponseHead) -> Update:
        """Return the stored response as a 304, or a response to HEAD, leaves it."""
        plan = self.plan if self.conditions is None else without_conditions(self.plan)
        asked, now, said = self.asked, self.bound.clock(), self._instructions()
        return update(plan, stale, head, request_time=asked, response_time=now, said=said)

    def _instructions(self) -> Instructions | None:
        if not self.said:
            return None
        return Instructions(
            self.ttl, self.while_revalidate, self.if_error, self.tags, self.no_store, self.is_general
        )

    def _refuse(self, reason: Reason, outcome: Outcome = Outcome.UNCACHEABLE) -> None:
        """Note that the response is for this client only: others need not wait for one like it."""
        if self._gate is not None and self.plan.key is not None and reason not in _OF_THIS_TIME:
            self.bound.unshared.add(self.plan.key)
        if self.twin is not None:
            self._compare(self.twin, None)
        self._settle(Outcome.MISS if reason is Reason.MIN_USES else outcome, reason)
        if self._leased is not None:
            self.due = self._release()

    def _compare(self, twin: StoredResponse, body: bytes | None) -> None:
        shadow = self.bound.shadow
        if shadow is not None and self._head is not None:
            shadow.note(twin.label or self._label, self.plan.request, twin, self._head, body)

    # -- inside: storing --------------------------------------------------------------------------------------------

    def _try_to_keep(self, made: StoredResponse, seconds: float) -> Flow[None]:
        try:
            yield from self._keep(made, seconds)
        except EncodingError as error:
            logger.warning("a response of %s cannot be stored: %s", self._label, error)

    def _keep(self, made: StoredResponse, seconds: float) -> Flow[None]:
        """Store a response, if nothing was invalidated since the application was called."""
        bound, plan, flight = self.bound, self.plan, self._flight or self._late_flight()
        if flight is None or plan.key is None or made.keep_until <= bound.clock():
            return
        keeper = Keeper(bound, plan, flight, self._label, seconds)
        late = keeper.late_tags(made)
        if late and (self._changes is not None or not (yield from bound.storage.capture_late(flight, late))):
            return
        try:
            yield from keeper.keep(made, self.index)
        finally:
            self._written = keeper.written + self._written

    def _retract(self) -> Flow[None]:
        """Remove what was stored: more of the body has come than there was to be."""
        written, self._written = self._written, ()
        for key in written:
            yield from self.bound.storage.remove(key)

    def _forget(self) -> Flow[None]:
        """Remove what is stored for this request: it is not to be used again."""
        bound, key = self.bound, self.plan.key or ""
        yield from bound.storage.remove(bound.cache.key(key))

    def _compared(self, stale: StoredResponse, head: ResponseHead, flight: Flight | None) -> Flow[None]:
        """Update or forget the stored response to GET by what HEAD has brought (RFC 9111, section 4.3.5)."""
        self._flight = flight
        try:
            effect = head_updates(stale, head)
            made = self._updated(stale, head) if effect == "update" else None
            if made is not None and made.stays:
                yield from self._try_to_keep(made.response, 0.0)
            elif effect == "invalidate" or (made is not None and made.reason not in _OF_THE_REQUEST):
                yield from self._forget()
        finally:
            self._land()

    # -- inside: counting -------------------------------------------------------------------------------------------

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

    def _undecided(self) -> tuple[Outcome, str]:
        """Return the outcome of a request whose response was not looked at."""
        if self.plan.key is None:
            return Outcome.BYPASS, self.plan.reason or ""
        return Outcome.UNCACHEABLE, Reason.MALFORMED_RESPONSE

    def _unfinished(self, error: BaseException | None) -> tuple[Outcome, str]:
        """Return the outcome of a request whose response never came, or not to its end."""
        if self.plan.key is None:
            return self._undecided()
        if self._admission is None or isinstance(error, Exception):
            return Outcome.ERROR, "" if error is None else type(error).__name__
        return Outcome.UNCACHEABLE, Reason.INCOMPLETE

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


def without_conditions(plan: Plan) -> Plan:
    """Return the plan of a request as the application sees it, without the client's conditions and Range."""
    fields = {name: lines for name, lines in plan.fields.items() if name not in CONDITIONS}
    return plan if len(fields) == len(plan.fields) else msgspec.structs.replace(plan, fields=fields)


def _patience(bound: Bound) -> float:
    """Return how long a request waits for another one, in seconds."""
    longest = bound.policy.patience or LONGEST_TURN
    return longest if bound.stores else min(longest, _DOUBTFUL_TURN)
