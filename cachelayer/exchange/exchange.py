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
from cachelayer.events import EventKind
from cachelayer.exchange.labels import UNLABELLED
from cachelayer.flow.compute import LONGEST_TURN
from cachelayer.flow.flights import Flight, Landed
from cachelayer.flow.responses import RESPONSES
from cachelayer.flow.steps import Pause, Wait
from cachelayer.flow.storage import Draft
from cachelayer.flows import Flow
from cachelayer.http import (
    Admission,
    Answer,
    Entry,
    Headers,
    Instructions,
    Plan,
    Reason,
    ResponseHead,
    Reuse,
    StoredResponse,
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
    writes,
)
from cachelayer.http.cache_status import Forward
from cachelayer.http.guards import guard
from cachelayer.http.invalidation import invalidated
from cachelayer.http.validation import can_validate, conditional_headers, head_updates
from cachelayer.http.vary import nominate, variant_key
from cachelayer.outcomes import Outcome
from cachelayer.purging import forgetting

if TYPE_CHECKING:
    from cachelayer.exchange.lookup import Bound

logger = logging.getLogger("cachelayer.http")

#: How many variants of one URL are kept.
MOST_VARIANTS: Final = 50
#: How often a request joins those that wait for another's response, before it goes on by itself.
_MOST_TURNS: Final = 3
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


class Exchange:
    """The state of one request that the application answers.

    Args:
        bound: the middleware's ties to the cache.
        plan: of the request.
        began: when it came, by `perf_counter`.
        reuse: why the store did not answer; None where it was not asked.
        asked: when it was, in epoch seconds.
    """

    #: Whether the body is still wanted.
    collecting = False
    #: Whether the client gets what `replace` returns, and of the application's response nothing.
    is_replaced = False
    #: What has to be driven before the head of the response goes out.
    due: Flow[Any] | None = None
    #: What is stored under the primary key, if those are variants.
    index: VariantIndex | None = None
    #: What is stored and stale: the application may confirm it, or it may be served where the application fails.
    stale: StoredResponse | None = None
    #: What would have been served, if the cache did more than watch.
    twin: StoredResponse | None = None
    #: How many flights had landed when the store was asked.
    seen = 0
    #: No client waits for it, and no request is counted.
    is_background = False

    _flight: Flight | None = None
    _gate: Flight | None = None
    _leased: Flight | None = None
    _control: Control | None = None
    _admission: Admission | None = None
    _head: ResponseHead | None = None
    _parts: list[bytes]
    _size = 0
    _label = UNLABELLED
    _written: tuple[str, ...] = ()
    _counted = False

    def __init__(
        self, bound: Bound, plan: Plan, began: float, reuse: Reuse | None = None, asked: float = 0.0
    ) -> None:
        self.bound, self.plan = bound, plan
        self._began, self._reuse, self._asked = began, reuse, asked

    # -- before the application is called -------------------------------------------------------------------------

    def prepare(self, *, waits: bool = True) -> Flow[Answer | None] | None:
        """Take the fence, and wait where another request brings the response; None: nothing needs driving.

        Where the flow returns an answer, the application need not be called: send it, and `end`.

        Args:
            waits: flows may wait.
        """
        bound, key = self.bound, self.plan.key
        if key is None:
            return None
        if waits and self._collapses(key):
            place = bound.cache.key(self._gate_key(key))
            gate, leads = bound.engine.enter(place)
            if leads and bound.local and bound.flights.landings == self.seen and self.index is None:
                self._gate = self._flight = gate
                return self._fence()
            return self._queue(gate, leads)
        flight = self._flight = bound.flights.alone(bound.cache.key(key))
        bound.storage.watch(flight)
        return self._fence()

    def lead(self, flight: Flight) -> Flow[None]:
        """Take the fence for a flight that was joined, and is led, already."""
        self._gate = self._flight = flight
        if flight.lease:
            self._leased = flight
        fencing = self._fence()
        if fencing is not None:
            yield from fencing

    @property
    def conditions(self) -> Headers | None:
        """The fields that ask the application whether what is stored holds; None: the client's own are kept."""
        stale = self.stale
        if stale is None or self.plan.request.method != "GET" or not can_validate(stale):
            return None
        return conditional_headers((), (stale,))

    def enter(self) -> Token[Control | None]:
        """Let the application say something about its response; returns what to give to `leave`."""
        outer = current.get()
        self._control = Control(self.bound.cache, outer)
        return current.set(self._control)

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
        self._head, self.is_replaced, self.due = head, False, None
        if head is None or plan.key is None:
            targets = () if head is None else invalidated(plan.request, head)
            if targets:
                self.due = forgetting(self.bound.cache, targets)
            self._settle(*self._undecided())
            return None
        if self._is_kept_within:
            self._refuse(Reason.VIEW)
            return None
        stale = self.stale
        if stale is not None and self._replaces(stale, head):
            self.is_replaced = True
            return None
        admission = self._admission = self._admit(head, objection)
        self.collecting = admission.draft is not None and self._is_wanted(admission)
        if self.collecting:
            self._parts, self._size = [], 0
        elif admission.draft is None:
            self._refuse(admission.reason)
        if stale is not None and plan.request.method == "HEAD":
            self.due = self._compared(stale, head, self.due)
        if self._reuse is None:
            return None
        headers = forwarded_headers(plan, self._reuse, admission)
        return None if headers is head.headers else headers

    def replace(self) -> Flow[Answer]:
        """Return the answer in place of the application's response: what is stored, confirmed or for want of better."""
        stale, head, now = self.stale, self._head, self.bound.clock()
        if stale is None or head is None:
            raise AssertionError("nothing is stored")
        if head.status != 304:
            return (yield from self._instead(stale, head.status, f"status {head.status}"))
        made = update(
            self.plan, stale, head, request_time=self._asked, response_time=now, said=self._instructions()
        )
        if made.stays:
            yield from self._keep(made.response, perf_counter() - self._began)
        else:
            yield from self._forget()
        self.bound.engine.resting.discard(self.plan.key or "")
        self._label = stale.label or self._label
        forward = (self._reuse and self._reuse.forward) or Forward.STALE
        given = answer_confirmed(made.response, self.plan, forward, now, head, stored=made.stays)
        yield from self._over(Outcome.REVALIDATED, size=len(given.body))
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
        seconds = perf_counter() - self._began
        if self.twin is not None:
            self._compare(self.twin, body)
        self._count(Outcome.MISS, seconds)
        try:
            yield from self._keep(made, seconds)
        except EncodingError as error:
            logger.warning("a response of %s cannot be stored: %s", self._label, error)
        if self.plan.key is not None:
            self.bound.unshared.discard(self.plan.key)
            self.bound.engine.resting.discard(self.plan.key)
        yield from self._landed()

    def end(self, env: Mapping[str, Any], error: BaseException | None = None) -> Flow[None] | None:
        """Let go of everything, and count the request if nothing did so far; return what is to be driven, or None."""
        self.collecting = False
        if not self._counted:
            if self._admission is None:
                self._label = self.bound.caching.label(self.plan.request.method, env)
            self._settle(*self._unfinished(error))
        else:
            self._land()
        return None if self._leased is None else self._release()

    # -- inside: waiting for each other ---------------------------------------------------------------------------

    def _collapses(self, key: str) -> bool:
        """Whether requests like this one go to the application one at a time, until one has brought a response.

        Those that no shared response can answer go at once; and so do all for a while, where one was not to be shared.
        """
        bound, plan = self.bound, self.plan
        policy, rule = plan.policy, plan.rule
        wanted = policy.collapse if rule is None or rule.collapse is None else rule.collapse
        if not wanted or bound.shadow is not None or plan.request.method != "GET" or bound.unshared.has(key):
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
        patience = bound.policy.patience or LONGEST_TURN
        until, joined = time.monotonic() + patience, 0
        try:
            while not leads:
                joined += 1
                landing = yield Wait(gate, max(until - time.monotonic(), 0.0))
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

    def _take_lead(self, gate: Flight, patience: float, *, waited: bool) -> Flow[Answer | None]:
        """Look again, since another may have stored meanwhile; and wait for those in other processes."""
        bound = self.bound
        if waited or bound.flights.landings != self.seen:
            found = yield from self._again(collapsed=waited)
            if found is not None:
                return found
        if not bound.distributes:
            return None
        for turn, pause in enumerate(pauses(patience)):
            mine = yield from bound.storage.acquire(gate, patience)
            if mine:
                self._leased = gate
            if turn:
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
        now = bound.clock()
        reuse = evaluate(found, plan, now)
        if reuse.forward is not None or reuse.refreshes or not isinstance(found, StoredResponse):
            self.stale = found if reuse.selected and isinstance(found, StoredResponse) else None
            return None
        forward = None if self._reuse is None else self._reuse.forward
        self._label = found.label or UNLABELLED
        if collapsed and forward is not None:
            given, outcome = answer_collapsed(found, plan, forward, now), Outcome.COLLAPSED
        else:
            given, outcome = answer(found, plan, reuse, now), reuse.outcome or Outcome.HIT
        yield from self._over(outcome, size=len(given.body))
        return given

    # -- inside: fences ---------------------------------------------------------------------------------------------

    def _fence(self) -> Flow[Any] | None:
        """Let the flight know what would fence it off; None where that needs no driving."""
        bound, flight = self.bound, self._flight
        if flight is None:
            return None
        bound.storage.watch(flight)
        tags = bound.expected_tags(self.plan)
        return bound.storage.capture(flight, tags) if tags or not bound.local else None

    def _fence_own(self) -> Flow[None]:
        """Take the fence; a flight of one's own stands beside a gate that is not for the primary key."""
        bound = self.bound
        place = bound.cache.key(self.plan.key or "")
        gate = self._gate
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
        asked, now, said = self._asked, self.bound.clock(), self._instructions()
        try:
            return admit(self.plan, head, request_time=asked, response_time=now, label=self._label, said=said)
        except (AttributeError, TypeError, ValueError):
            # Its fields are not even pairs of bytes: the server will say what it thinks of them.
            return Admission(Reason.MALFORMED_RESPONSE, head)

    @property
    def _is_kept_within(self) -> bool:
        """Whether a view of the application keeps the response by itself, in the same cache."""
        return self._control is not None and self._control.kept_within

    def _is_wanted(self, admission: Admission) -> bool:
        """Whether a response that may be stored is asked for often enough."""
        rule = admission.rule
        if rule is None or rule.min_uses < 2 or self.bound.uses.add(self.plan.key or "") >= rule.min_uses:
            return True
        self._settle(Outcome.MISS, Reason.MIN_USES)
        return False

    def _instructions(self) -> Instructions | None:
        control = self._control
        if control is None or not control.said:
            return None
        return Instructions(
            control.ttl, control.while_revalidate, control.if_error, control.tags, control.no_store
        )

    def _refuse(self, reason: Reason) -> None:
        """Note that the response is for this client only: others need not wait for one like it."""
        if self._gate is not None and self.plan.key is not None:
            self.bound.unshared.add(self.plan.key)
        if self.twin is not None:
            self._compare(self.twin, None)
        self._settle(Outcome.UNCACHEABLE, reason)
        if self._leased is not None:
            self.due = self._release()

    def _compare(self, twin: StoredResponse, body: bytes | None) -> None:
        shadow = self.bound.shadow
        if shadow is not None and self._head is not None:
            shadow.note(twin.label or self._label, self.plan.request, twin, self._head, body)

    # -- inside: storing --------------------------------------------------------------------------------------------

    def _keep(self, made: StoredResponse, seconds: float) -> Flow[None]:
        """Store a response, if nothing was invalidated since the application was called."""
        bound, plan, flight = self.bound, self.plan, self._flight
        if flight is None or plan.key is None or made.keep_until <= bound.clock():
            return
        known = {*bound.expected_tags(plan)}
        late = tuple(name for name in self._tags(made) if name not in known)
        if late and not (yield from bound.storage.capture_late(flight, late)):
            return
        # Other variants may have been stored since this request came.
        current = (yield from bound.read(plan, plan.key)) if made.vary else self.index
        todo = writes(plan, made, current, MOST_VARIANTS)
        for place, (name, entry) in enumerate(todo.entries, 1):
            key = bound.cache.key(name)
            # The last one makes the others reachable, and stands under the key that the flight is for.
            fence = flight if place == len(todo.entries) else _fork(flight, key)
            draft = self._draft(key, entry, made, seconds)
            if (yield from bound.storage.write(draft, RESPONSES, fence)) is None:
                return
            self._written = (key, *self._written)
        flight.vouched = True
        if bound.tells:
            bound.tell(EventKind.STORED, plan, self._label, seconds=seconds)
        for name in todo.deleted:
            yield from bound.storage.remove(bound.cache.key(name))

    def _tags(self, made: StoredResponse) -> tuple[str, ...]:
        """Return the store's names of all tags that a response has."""
        bound = self.bound
        names = bound.cache.tag_names(made.tags)
        if self.plan.url is not None:
            names = (*names, bound.url_tag(self.plan.url))
        return names if bound.local else (*names, bound.cache.route_tag(made.label))

    def _draft(self, key: str, entry: Entry, made: StoredResponse, seconds: float) -> Draft:
        fresh = entry.fresh_until if isinstance(entry, StoredResponse) else entry.keep_until
        return Draft(
            key, entry, fresh, entry.keep_until, made.response_time, seconds, self._tags(made), made.label
        )

    def _retract(self) -> Flow[None]:
        """Remove what was stored: more of the body has come than there was to be."""
        written, self._written = self._written, ()
        for key in written:
            yield from self.bound.storage.remove(key)

    def _forget(self) -> Flow[None]:
        """Remove what is stored for this request: it is not to be used again."""
        bound, key = self.bound, self.plan.key or ""
        yield from bound.storage.remove(bound.cache.key(key))

    def _compared(self, stale: StoredResponse, head: ResponseHead, due: Flow[Any] | None) -> Flow[None]:
        """Update or forget the stored response to GET by what HEAD has brought (RFC 9111, section 4.3.5)."""
        if due is not None:
            yield from due
        effect = head_updates(stale, head)
        if effect == "invalidate":
            yield from self._forget()
        elif effect == "update":
            yield from self._fence_own()
            made = update(
                self.plan, stale, head,
                request_time=self._asked, response_time=self.bound.clock(), said=self._instructions(),
            )  # fmt: skip
            yield from (self._keep(made.response, 0.0) if made.stays else self._forget())
            self._land()

    # -- inside: counting -------------------------------------------------------------------------------------------

    def _instead(self, stale: StoredResponse, status: int | None, reason: str) -> Flow[Answer]:
        """Return the stale response because the application failed, and leave it alone for a moment."""
        bound = self.bound
        bound.engine.resting.add(self.plan.key or "")
        self._label = stale.label or self._label
        given = answer_instead(stale, self.plan, status, bound.clock())
        yield from self._over(Outcome.ERROR_HIT, reason=reason, size=len(given.body))
        return given

    def _over(self, outcome: Outcome, *, reason: str = "", size: int = 0) -> Flow[None]:
        """Count a request that the cache has answered after all, and let go of everything."""
        self._count(outcome, perf_counter() - self._began, reason=reason, size=size)
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
        self._count(outcome, perf_counter() - self._began, reason=str(reason))
        self._land()

    def _count(self, outcome: Outcome, seconds: float, *, reason: str = "", size: int = 0) -> None:
        if self._counted:
            return
        self._counted = True
        if self.is_background or self._is_kept_within:
            return
        bound = self.bound
        if bound.shadow is not None and self._reuse is not None:
            would_be = outcome if self.twin is None else Outcome.HIT
            bound.shadow.routes.counters(self._label).record(would_be, seconds=seconds, reason=reason)
            outcome = Outcome.BYPASS
        bound.count(self.plan, self._label, outcome, seconds=seconds, reason=reason, size=size)


def _fork(flight: Flight, key: str) -> Flight:
    """Return the same fence for another key."""
    fork = Flight(key)
    fork.broken, fork.tags, fork.fence = flight.broken, flight.tags, flight.fence
    return fork
