"""Looking requests up: a middleware's ties to one cache, from the request to an answer or an exchange."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cachelayer.cache import Cache
from cachelayer.context import bypasses, is_bypassed
from cachelayer.errors import DecodingError
from cachelayer.events import CacheEvent, EventKind
from cachelayer.exchange.behind import Behind
from cachelayer.exchange.bounded import Recent, Uses, Varying
from cachelayer.exchange.exchange import Exchange
from cachelayer.exchange.labels import UNLABELLED
from cachelayer.exchange.passing import LONGEST_TARGET, Passing, Target
from cachelayer.exchange.sampling import sample
from cachelayer.flow.lookups import Lookup
from cachelayer.flow.lookups import Policy as Keeping
from cachelayer.flow.objects import LocalEntry, ObjectStorage
from cachelayer.flow.records import Record
from cachelayer.flow.responses import RESPONSES
from cachelayer.flows import Flow
from cachelayer.http import (
    Answer,
    Entry,
    Kept,
    PartialResponse,
    Plan,
    Reason,
    Request,
    Reuse,
    StoredResponse,
    VariantIndex,
    answer,
    answer_instead,
    answer_partial,
    evaluate,
    plan_lookup,
    variant_of,
)
from cachelayer.http.reuse import FRESH, GATEWAY_TIMEOUT, NOT_MODIFIED, SHADOWED, STALE
from cachelayer.http.vary import nominate, variant_key
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.values.numbers import RESPONSE

if TYPE_CHECKING:
    from cachelayer.exchange.caching import Caching

logger = logging.getLogger("cachelayer.http")

_HIT: Final = Outcome.HIT  # looking a member up takes longer than comparing it
_LONG_AGO: Final = 0.0
#: The methods of which only a part of the query may count; what others may have changed is what they name.
_CANONICAL: Final = frozenset({"GET", "HEAD"})
#: How the store keeps responses.
_KEPT: Final = Keeping("", RESPONSES)


class Bound:
    """A middleware's ties to one cache: here its requests are looked up."""

    def __init__(self, caching: Caching, cache: Cache) -> None:
        self.caching, self.policy, self.cache = caching, caching.policy, cache
        self.clock = cache.clock
        self.counters = cache.routes.counters
        self.engine = cache.engine
        self.storage = cache.engine.storage
        self.flights = self.storage.flights
        self._computing = self.flights.computing
        self.local = isinstance(self.storage, ObjectStorage)
        self.shadow = caching.shadow
        self.searches = cache.searches
        self._searches_known = cache.searches.known
        #: Labels that go without the cache; where they change, all bind anew.
        self.paused = cache.paused
        #: Whether other processes may be computing the same.
        self.distributes = not self.local and cache.backend.shared
        #: What has lately turned out to be for one client only: requests for it do not wait for each other.
        self.unshared = Recent()
        #: Targets of requests that are let through, and whether there may be any.
        self.passing = Recent()
        self.may_pass = (
            self.local
            and self.shadow is None
            and not (cache.own_tags or self.policy.rule_list or self.policy.targets)
        )
        self.uses = Uses()
        #: Whether responses are stored at all: the options say so, or one has been.
        self.stores = not self.policy.required
        self.varying = Varying()
        self._lookup: Callable[[str], LocalEntry | None] = getattr(self.storage, "lookup", _nothing)
        self._has_namespace = bool(cache.namespace)
        #: Whether anybody wants to hear of events.
        self.tells = False
        self.rebind()

    def rebind(self) -> None:
        """Take notice of listeners."""
        self.tells = bool(self.cache.listeners)

    # -- requests ---------------------------------------------------------------------------------------------

    def lets_through(self, target: Target) -> bool:
        """Whether a GET for a target, as the shell tells targets apart, need not be looked up."""
        return self.passing.has(target) and not (self.paused or self.tells or (bypasses and is_bypassed()))

    def let_through(self, request: Callable[[], Request]) -> Passing:
        """Return the state of a GET that is not looked up; `request` returns it where a closer look is needed."""
        return Passing(self, request, perf_counter(), self.clock(), self._computing.changes)

    def note_passing(self, exchange: Exchange, target: Target) -> None:
        """Take note of whether requests for a target may be let through, now that a response has begun."""
        if exchange.may_pass:
            if sum(map(len, target)) <= LONGEST_TARGET:
                self.passing.add(target)
        elif exchange.collecting:
            self.passing.discard(target)

    def find_here(self, request: Request, *, behind: bool = True) -> Answer | Behind | Exchange:
        """Look a request up in a store that is local.

        Args:
            request: the request.
            behind: the shell can ask the application again once the client has its answer.
        """
        if bypasses and is_bypassed():
            return self._pass(request)
        began = perf_counter()
        if self._searches_known and (request.method in _CANONICAL or request.content is not None):
            request = self.searches.canonical(request)
        plan = plan_lookup(request, self.policy)
        if plan.key is None:
            return Exchange(self, plan, began)
        seen = self._computing.landings
        found, index = self._payload(plan.key), None
        if found.__class__ is VariantIndex:
            variant, index = variant_of(found, plan), found
            found = index if variant is None else self._payload(variant) or index
        if found.__class__ is PartialResponse:
            return self._decide_partial(plan, found, began, seen)
        return self._decide(plan, found, index, began, seen, behind)

    def find(self, request: Request, *, behind: bool = True) -> Flow[Answer | Behind | Exchange]:
        """Do what `find_here` does, for any store."""
        if bypasses and is_bypassed():
            return self._pass(request)
        began = perf_counter()
        if self._searches_known and (request.method in _CANONICAL or request.content is not None):
            request = self.searches.canonical(request)
        plan = plan_lookup(request, self.policy)
        if plan.key is None:
            return Exchange(self, plan, began)
        seen = self._computing.landings
        found, index = yield from self.look(plan)
        if isinstance(found, PartialResponse):
            return self._decide_partial(plan, found, began, seen)
        return self._decide(plan, found, index, began, seen, behind)

    def look(self, plan: Plan) -> Flow[tuple[Kept | None, VariantIndex | None]]:
        """Return what is stored for a request, and the index of the variants of its URL, if it has some."""
        key = plan.key or ""
        fields = None if self.local else self.varying.get(key)
        if fields is None:
            found, guess, guessed = (yield from self.read(plan, key)), None, None
        else:
            # As the URL varied when it was last seen: index and variant are read in one.
            guess = variant_key(key, nominate(fields, plan.request.headers))
            found, guessed = yield from self._read_both(plan, key, guess)
        if not isinstance(found, VariantIndex):
            return found, None
        if found.variants and not self.local:
            self.varying.note(key, found.variants[0].fields)
        variant = variant_of(found, plan)
        if variant is None:
            return found, found
        chosen = guessed if variant == guess else (yield from self.read(plan, variant))
        return chosen or found, found

    def _read_both(self, plan: Plan, key: str, variant: str) -> Flow[tuple[Kept | None, Kept | None]]:
        tags = self.expected_tags(plan)
        names = {each: self.cache.key(each) for each in (key, variant)}
        asked = [Lookup(name, tags, _KEPT, _never, (), {}) for name in names.values()]
        records: Mapping[str, Record] = yield from self.storage.read_many(asked)
        return self._entry(key, records.get(names[key])), self._entry(variant, records.get(names[variant]))

    def read(self, plan: Plan, key: str) -> Flow[Kept | None]:
        """Return the entry under `key`; what cannot be decoded is none."""
        if self.local:
            payload: Kept | None = self._payload(key)
            return payload
        record: Record | None = yield from self.storage.read(
            self.cache.key(key), RESPONSES, self.expected_tags(plan)
        )
        return self._entry(key, record)

    def _entry(self, key: str, record: Record | None) -> Kept | None:
        """Return what is in a record of a shared store."""
        if record is None:
            return None
        try:
            entry: Kept = record.value()
        except DecodingError as error:
            self.storage.errors.tick()
            logger.warning("what is stored under %s is no response: %s", key, error)
            return None
        return _softened(entry) if record.softened else entry

    def expected_tags(self, plan: Plan) -> tuple[str, ...]:
        """Return the tags that the response to a request can be known to have before the application is called."""
        if not self.policy.rule_list:
            return (
                self.cache.own_tags
                if plan.url is None
                else (*self.cache.own_tags, self.cache.url_tag(plan.url))
            )
        rules = [plan.rule] if plan.rule is not None else []
        if self.policy.has_routes:
            rules += [rule for rule in self.policy.rule_list if rule.matches(plan.request, rule.route)]
        path = plan.request.path
        names = self.cache.tag_names(
            tuple(dict.fromkeys(tag for rule in rules for tag in rule.tags_of(path)))
        )
        return names if plan.url is None else (*names, self.cache.url_tag(plan.url))

    # -- telling ----------------------------------------------------------------------------------------------

    def tell(self, kind: EventKind, plan: Plan, label: str, **what: Any) -> None:
        """Tell the listeners."""
        key = "" if plan.key is None else self.cache.key(plan.key)
        self.cache.listeners.emit(CacheEvent(kind=kind, route=label, key=key, **what))

    def count(
        self,
        plan: Plan,
        label: str,
        outcome: Outcome,
        *,
        seconds: float,
        reason: str = "",
        size: int = 0,
        entry: StoredResponse | None = None,
    ) -> None:
        """Count a lookup that has ended; `entry` is what was served, or will be stored."""
        counters = self.counters(label)
        if counters.record(outcome, seconds=seconds, reason=reason, size=size):
            sample(counters, plan, outcome, seconds, reason, entry, self.clock())
        if self.tells:
            kind = EventKind.HIT if outcome in SERVED else EventKind.MISS
            self.tell(kind, plan, label, outcome=outcome, seconds=seconds, reason=reason)

    # -- inside -----------------------------------------------------------------------------------------------

    def _pass(self, request: Request, reason: Reason = Reason.DISABLED) -> Exchange:
        """Let the application answer, and count that caching is off."""
        began, plan = perf_counter(), plan_lookup(request, self.policy)
        if plan.key is not None:
            plan = msgspec.structs.replace(plan, key=None, reason=reason)
        return Exchange(self, plan, began)

    def _payload(self, key: str) -> Any:
        """Return the HTTP entry under `key` of a local store, or None."""
        record = self._lookup(self.cache.key(key) if self._has_namespace else key)
        if record is None or record.codec != RESPONSE:
            return None
        return _softened(record.payload) if record.tags and record.softened else record.payload

    def _decide(  # noqa: PLR0917 - on every lookup, and keywords cost
        self,
        plan: Plan,
        found: Entry | None,
        index: VariantIndex | None,
        began: float,
        seen: int,
        behind: bool,
    ) -> Answer | Behind | Exchange:
        if self.paused and getattr(found, "label", "") in self.paused:
            return self._pass(plan.request, Reason.PAUSED)
        now = self.clock()
        reuse = evaluate(found, plan, now)
        if reuse.refreshes and not behind:
            reuse = STALE
        if reuse.forward is not None or self.shadow is not None:
            return self._forward(plan, found, index, began, seen, reuse, now)
        made = answer(found, plan, reuse, now)
        label = getattr(found, "label", "") or UNLABELLED
        outcome = reuse.outcome
        if outcome is _HIT and not self.tells:
            # As `count` does, for most requests.
            counters, seconds = self.counters(label), perf_counter() - began
            if counters.note_hit(seconds, len(made.body)):
                sample(counters, plan, _HIT, seconds, "", found, now)
        else:
            seconds, served = perf_counter() - began, found if isinstance(found, StoredResponse) else None
            self.count(plan, label, outcome or _HIT, seconds=seconds, size=len(made.body), entry=served)
        if reuse.refreshes and isinstance(found, StoredResponse):
            return Behind(self, plan, made, found, index, label, seen)
        return made

    def _decide_partial(
        self, plan: Plan, found: PartialResponse, began: float, seen: int
    ) -> Answer | Behind | Exchange:
        """Answer a request for ranges that are there, from parts of a response whose whole is not."""
        now, response = self.clock(), found.response
        reuse = evaluate(response, plan, now)
        made: Answer | None = None
        if self.shadow is None and response.label not in self.paused:
            # Only while they are fresh: nobody would confirm or refresh them.
            if reuse is FRESH:
                made = answer_partial(found, plan, now)
            elif reuse is NOT_MODIFIED:
                made = answer(response, plan, reuse, now)
            if made is not None:
                seconds, label = perf_counter() - began, response.label or UNLABELLED
                self.count(plan, label, Outcome.HIT, seconds=seconds, size=len(made.body))
                return made
        return self._decide(plan, None, None, began, seen, behind=False)

    def _forward(  # noqa: PLR0917 - as above
        self,
        plan: Plan,
        found: Entry | None,
        index: VariantIndex | None,
        began: float,
        seen: int,
        reuse: Reuse,
        now: float,
    ) -> Answer | Exchange:
        exchange = Exchange(self, plan, began, SHADOWED if reuse.answers else reuse, now)
        exchange.index, exchange.seen = index, seen
        if found is not None:
            self.stores = True
        if isinstance(found, StoredResponse):
            if reuse.answers:
                exchange.twin = None if reuse is GATEWAY_TIMEOUT else found
            elif reuse.selected and self.shadow is None:
                if now < found.error_until and self.engine.resting.has(plan.key or ""):
                    # The application has failed a moment ago: it is left alone.
                    made = answer_instead(found, plan, None, now, asked=False)
                    seconds, label = perf_counter() - began, found.label or UNLABELLED
                    self.count(plan, label, Outcome.ERROR_HIT, seconds=seconds, size=len(made.body))
                    return made
                exchange.stale = found
        return exchange


def _softened(entry: Kept) -> Kept | None:
    """Return an entry that a soft invalidation has made stale; of parts nothing, since nobody would confirm them."""
    if isinstance(entry, StoredResponse):
        return msgspec.structs.replace(entry, fresh_until=_LONG_AGO)
    return None if isinstance(entry, PartialResponse) else entry


def _nothing(key: str) -> None:
    raise NotImplementedError


def _never() -> None:
    """Stand for an origin, where nothing is computed."""
    raise NotImplementedError


class Disabled(Bound):
    """A middleware's ties to a cache that is off: no request is looked up."""

    def find_here(self, request: Request, *, behind: bool = True) -> Exchange:
        """Let the application answer."""
        return self._pass(request)

    def find(self, request: Request, *, behind: bool = True) -> Flow[Answer | Behind | Exchange]:
        """Do what `find_here` does."""
        return self.find_here(request)
        yield
