"""One request that the application answers, from the conditions that it is asked with to what is stored in the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final

import msgspec

from cachelayer.errors import EncodingError
from cachelayer.exchange.keeping import Keeper
from cachelayer.exchange.turn import Turn
from cachelayer.flow.flights import Flight
from cachelayer.flows import Flow
from cachelayer.http import (
    Admission,
    Answer,
    Headers,
    Instructions,
    Plan,
    Reason,
    ResponseHead,
    StoredResponse,
    Update,
    admit,
    answer_confirmed,
    complete,
    forwarded_headers,
    update,
)
from cachelayer.http.bodies import post_answers_get
from cachelayer.http.cache_status import Forward
from cachelayer.http.fields import index
from cachelayer.http.groups import invalidated_groups
from cachelayer.http.invalidation import invalidated, is_safe
from cachelayer.http.no_vary_search import EVERYTHING, parse
from cachelayer.http.reuse import ABSENT
from cachelayer.http.uris import target_of
from cachelayer.http.validation import CONDITIONS, can_validate, conditional_headers, head_updates, selected
from cachelayer.outcomes import Outcome
from cachelayer.purging import forgetting

logger = logging.getLogger("cachelayer.http")

#: Reasons that are about a request, and say nothing about what is stored.
_OF_THE_REQUEST: Final = frozenset(
    {Reason.RANGE, Reason.REQUEST_NO_STORE, Reason.AUTHORIZATION, Reason.COOKIE, Reason.SESSION_COOKIE}
)
#: Reasons that a response has in itself, whoever asked.
_FOR_ALL: Final = frozenset({Reason.NO_FRESHNESS, Reason.NO_STORE, Reason.PRIVATE})
#: Reasons for which the next response like this one may well be stored.
_OF_THIS_TIME: Final = frozenset({Reason.INCOMPLETE, Reason.MIN_USES, Reason.SEARCH})


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


class Exchange(Turn, eq=False):
    """The state of one request that the application answers.

    Attributes:
        collecting: whether the body is still wanted.
        is_replaced: whether the client gets what `replace` returns, and of the application's response nothing.
        asks_again: whether the application has confirmed something else than what is stored: `ask_again`, and call it
            once more.
        due: what has to be driven before the head of the response goes out.
    """

    collecting: bool = False
    is_replaced: bool = False
    asks_again: bool = False
    due: Any = None

    _admission: Admission | None = None
    _head: ResponseHead | None = None
    _parts: list[bytes] = msgspec.field(default_factory=list[bytes])
    _size: int = 0
    _written: tuple[str, ...] = ()
    _unconditional: bool = False

    # -- before the application is called ---------------------------------------------------------------------------

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

    # -- the response -----------------------------------------------------------------------------------------------

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
        if not self.collecting and self._leased is not None:
            return self._release()
        whole = (
            self.collecting and self._admission is not None and self._admission.content_length == self._size
        )
        return self.finish() if whole else None

    @property
    def is_early(self) -> bool:
        """Whether it is stored by its Content-Length, before its body has come to its end."""
        return bool(self._written)

    def give_up(self, reason: Reason) -> None:
        """Collect no further: the response will not be stored."""
        if self.collecting:
            self.collecting, self._parts = False, []
            self._refuse(reason)

    @property
    def may_pass(self) -> bool:
        """Whether the next request like this one may be let through with a glance at its response."""
        admission = self._admission
        return (
            admission is not None
            and admission.draft is None
            and admission.reason in _FOR_ALL
            and self.reuse is ABSENT
        )

    @property
    def may_change(self) -> bool:
        """Whether the request may change something, as one whose method is not looked up: by a rule's word it is none.

        What is looked up by a rule and only let through for now, by `bypass()` or a pause, is a question all the same.
        """
        plan = self.plan
        if plan.key is not None or is_safe(plan.request.method):
            return False
        is_off = plan.rule is not None and not plan.rule.enabled
        return is_off or plan.reason not in {Reason.DISABLED, Reason.PAUSED}

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
        if self.no_store:
            # Said after the response had begun: not too late for this.
            self.give_up(Reason.VIEW)
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
        if self.twin is None or self.bound.clock() >= self.twin.fresh_until:
            # Where the cache only watches, what it would have served stays as long as it would have.
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

    # -- inside: deciding -------------------------------------------------------------------------------------------

    def _start_unasked(self, plan: Plan, head: ResponseHead | None, env: Mapping[str, Any]) -> None:
        """Decide on the response to a request that was not looked up."""
        if head is not None and self.may_change:
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
            if plan.request.search not in {None, made.search}:
                return Admission(Reason.SEARCH, head, rule=made.rule)
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
        made = update(plan, stale, head, request_time=asked, response_time=now, said=said)
        if plan.request.search not in {None, parse(index(made.response.headers))}:
            return Update(made.response, Reason.SEARCH, stays=False)
        return made

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
            self._compare(self.twin, None, is_longer=reason is Reason.TOO_LARGE)
        self._settle(Outcome.MISS if reason is Reason.MIN_USES else outcome, reason)
        if self._leased is not None:
            self.due = self._release()

    def _compare(self, twin: StoredResponse, body: bytes | None, *, is_longer: bool = False) -> None:
        shadow = self.bound.shadow
        if shadow is not None and self._head is not None:
            label = twin.label or self._label
            shadow.note(label, self.plan.request, twin, self._head, body, is_longer=is_longer)

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


def without_conditions(plan: Plan) -> Plan:
    """Return the plan of a request as the application sees it, without the client's conditions and Range."""
    fields = {name: lines for name, lines in plan.fields.items() if name not in CONDITIONS}
    return plan if len(fields) == len(plan.fields) else msgspec.structs.replace(plan, fields=fields)
