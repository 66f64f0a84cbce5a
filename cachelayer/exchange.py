"""One HTTP request on its way through the cache: what the ASGI shell, the WSGI shell and the integrations share.

    exchange = caching.begin(request)
    answer   = exchange.find_here()       where the store is local; else exchange.find(), a flow. None: the application's
    exchange.prepare()                    a flow, or None: from here on an invalidation wins over what is computed
    headers  = exchange.start(head, env)  with the application's response head; gives the fields for the client
    exchange.feed(data)                   with each part of the body
    exchange.finish()                     a flow: the body has come to its regular end. Before its last part is sent
    exchange.end(env, error)              in any case, however it went

A shell translates its server's language and drives the flows. What is decided is decided here, or in `cachelayer.http`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, Final, TypedDict

import msgspec

from cachelayer.cache import Cache, choose_cache
from cachelayer.errors import DecodingError, EncodingError, OptionTypeError
from cachelayer.events import CacheEvent, EventKind
from cachelayer.flow.flights import Flight
from cachelayer.flow.steps import Flow
from cachelayer.flow.storage import Draft, ObjectStorage, Record
from cachelayer.http import (
    Admission,
    Answer,
    Entry,
    Headers,
    Plan,
    Policy,
    Reason,
    Request,
    ResponseHead,
    Reuse,
    StoredResponse,
    VariantIndex,
    admit,
    answer,
    complete,
    decode_entry,
    encode_entry,
    evaluate,
    forwarded_headers,
    plan_lookup,
    variant_of,
    writes,
)
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats import StatsSnapshot
from cachelayer.values.numbers import RESPONSE
from cachelayer.values.snapshot import Snapshot

logger = logging.getLogger("cachelayer.http")

#: Where an application names its route, in the ASGI scope and in the WSGI environ.
ROUTE: Final = "cachelayer.route"
#: The labels of requests whose application names no route, and of those that matched none.
UNLABELLED: Final = "<unlabelled>"
UNMATCHED: Final = "<unmatched>"

#: How many variants of one URL are kept.
MOST_VARIANTS: Final = 50
#: Methods that may stand in a label: any other is a client's invention, and there is no end of those.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
_LONGEST_LABEL: Final = 300

#: Returns the route of a request, as its label or path template, or None: given the ASGI scope or the WSGI environ.
Route = Callable[[Any], str | None]


class Options(TypedDict, total=False):
    """The further options of both middlewares: see `cachelayer.http.Policy`."""

    ignore_cookies: Iterable[str]
    session_cookies: Iterable[str]
    store_set_cookie: bool
    trusted_forwarding: bool
    trust_request_directives: bool
    targeted: Iterable[str]
    max_body_bytes: int
    heuristic_freshness: bool


class ResponseCodec:
    """HTTP entries: kept as they are in this process, since nothing in them can change, and as bytes elsewhere."""

    def keep(self, value: Entry) -> Snapshot:
        """Return the entry itself, with the length of its bytes."""
        return Snapshot(value, None, encode_entry, RESPONSE, _size(value))

    def encode(self, value: Entry) -> tuple[int, bytes]:
        """Return the codec's number and the entry's bytes, or raise EncodingError."""
        try:
            return RESPONSE, encode_entry(value)
        except UnicodeEncodeError as error:
            raise EncodingError(f"a label or tag is no text: {error}") from error

    def decode(self, codec: int, data: bytes) -> Entry:
        """Return the entry, or raise DecodingError."""
        if codec != RESPONSE:
            raise DecodingError(f"codec {codec} is not that of an HTTP response")
        return decode_entry(data)


CODEC: Final = ResponseCodec()


def _size(entry: Entry) -> int:
    """Return the length of an entry's bytes without copying its body."""
    if isinstance(entry, VariantIndex):
        return len(encode_entry(entry))
    length = len(entry.body)
    # MessagePack puts the length in front, in as many bytes as it needs.
    return len(encode_entry(msgspec.structs.replace(entry, body=b""))) + length + (length > 0xFF) + 2 * (length > 0xFFFF)


class Caching:
    """The options of one middleware and, from its first request on, the cache it uses.

    Args:
        cache: where to store; None takes the process's default.
        backend: a backend or URL to store in, instead of `cache`.
        route: names the route of a request where the application itself does not.
        options: those of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work.
        OptionTypeError: an option is unknown or has the wrong type.
    """

    def __init__(self, *, cache: Any, backend: Any, route: Route | None, **options: Any) -> None:
        if route is not None and not callable(route):
            raise OptionTypeError(f"route must be a function that returns a route's label, or None, not {route!r}")
        self.policy = make_policy(options)
        self._choose = choose_cache(cache, backend)
        self._route = route
        self._bound: Bound | None = None

    def begin(self, request: Request) -> Exchange:
        """Return the exchange of a request that has just come in."""
        return Exchange(self, self._bound or self.bind(), request)

    def bind(self) -> Bound:
        """Return the ties to the cache, made now if this is the first use."""
        if self._bound is None:
            self._bound = Bound(self._choose())
        return self._bound

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted."""
        return self.bind().cache.stats()

    def label(self, method: str, env: Mapping[str, Any]) -> str:
        """Return the label of a request, now that the application has had the chance to name it."""
        try:
            named = env.get(ROUTE) or (None if self._route is None else self._route(env))
        except Exception:
            # Statistics are not worth a response.
            logger.exception("route= failed; the request counts as %s", UNLABELLED)
            named = None
        return make_label(method, named)


def option_names() -> tuple[str, ...]:
    """Return the names of all options that a middleware takes."""
    return ("cache", "backend", "route", *(field.name for field in dataclasses.fields(Policy) if field.init))


def make_policy(options: Mapping[str, Any]) -> Policy:
    """Return the policy of these options; raises OptionTypeError (a TypeError) that names those it does not know."""
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise OptionTypeError(f"CacheMiddleware has no option {', '.join(unknown)}; it has {', '.join(option_names())}")
    return Policy(**options)


def make_label(method: str, named: object) -> str:
    """Return the label of a route that is named by a label ("GET /a/{id}") or by its path template ("/a/{id}")."""
    if not isinstance(named, str) or not named:
        return UNLABELLED
    label = f"{method if method in _METHODS else 'OTHER'} {named}" if named[0] == "/" else named
    if len(label) > _LONGEST_LABEL or not label.isascii():
        label = label.encode("utf-8", "backslashreplace").decode()[:_LONGEST_LABEL]
    return label


class Bound:
    """A middleware's ties to one cache."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.clock = cache.clock
        self.listeners = cache.listeners
        self.counters = cache.routes.counters
        self.storage = cache.engine.storage
        self.flights = self.storage.flights
        self.lookup = self.storage.lookup if isinstance(self.storage, ObjectStorage) else None
        self.local = self.lookup is not None
        self.namespace = cache.namespace

    def payload(self, key: str) -> Any:
        """Return the HTTP entry under `key` of a local store, or None."""
        record = self.lookup(self.cache.key(key) if self.namespace else key)  # type: ignore[misc] # it is local
        return record.payload if record is not None and record.codec == RESPONSE else None


class Exchange:
    """The state of one request."""

    _reuse: Reuse
    _current: Entry | None = None
    _flight: Flight | None = None
    _admission: Admission | None = None
    _label = UNLABELLED
    _asked = 0.0
    _counted = False
    _size = 0
    _parts: list[bytes]
    _written: tuple[str, ...] = ()
    #: Whether the body is still wanted.
    collecting = False
    #: Whether more of the body came after it was whole.
    overfull = False

    def __init__(self, caching: Caching, bound: Bound, request: Request) -> None:
        self._began = perf_counter()
        self._caching, self._bound = caching, bound
        self.plan: Plan = plan_lookup(request, caching.policy)
        self.local = bound.local

    # -- the request ------------------------------------------------------------------------------------------

    def find_here(self) -> Answer | None:
        """Return the answer from a store that is local; None: the application must be asked."""
        plan = self.plan
        if plan.key is None:
            return None
        found = self._bound.payload(plan.key)
        if found.__class__ is VariantIndex:
            self._current = found
            variant = variant_of(found, plan)
            found = found if variant is None else self._bound.payload(variant) or found
        return self._decide(found)

    def find(self) -> Flow[Answer | None]:
        """Do what `find_here` does, for any store."""
        plan = self.plan
        if plan.key is None:
            return None
        found = yield from self._read(plan.key)
        if isinstance(found, VariantIndex):
            self._current = found
            variant = variant_of(found, plan)
            found = found if variant is None else (yield from self._read(variant)) or found
        return self._decide(found)

    def prepare(self) -> Flow[None] | None:
        """Take the fence, before the application is called; None where that needs no driving."""
        bound, key = self._bound, self.plan.key
        if key is None:
            return None
        flight = self._flight = bound.flights.alone(bound.cache.key(key))
        tags = self._expected_tags()
        return bound.storage.capture(flight, tags) if tags or not self.local else None

    # -- the response -----------------------------------------------------------------------------------------

    def start(self, head: ResponseHead | None, env: Mapping[str, Any]) -> Headers | None:
        """Decide on the application's response, and return the fields for the client; None: as they are.

        Args:
            head: its status and fields; None where they are not such as a response can have.
            env: the ASGI scope or WSGI environ, in which the application has named its route by now.
        """
        plan = self.plan
        self._label = self._caching.label(plan.request.method, env)
        if head is None or plan.key is None:
            self._settle(*self._without_decision())
            return None
        admission = self._admission = admit(
            plan, head, request_time=self._asked, response_time=self._bound.clock(), label=self._label
        )
        if admission.draft is None:
            self.collecting = False
            self._settle(Outcome.UNCACHEABLE, admission.reason)
        else:
            self.collecting, self._parts, self._size = True, [], 0
        headers = forwarded_headers(plan, self._reuse, admission)
        return None if headers is head.headers else headers

    def feed(self, data: bytes) -> None:
        """Take a part of the body, if it is wanted."""
        if not self.collecting or self._admission is None:
            self.overfull = bool(self._written and data)
            return
        self._size += len(data)
        if self._size > self._admission.max_body_bytes:
            self.give_up(Reason.TOO_LARGE)
        else:
            self._parts.append(bytes(data))

    @property
    def full(self) -> bool:
        """Whether the body has come to the length that it was said to have."""
        return self.collecting and self._admission is not None and self._admission.content_length == self._size

    def give_up(self, reason: Reason) -> None:
        """Collect no further: the response will not be stored."""
        if self.collecting:
            self.collecting, self._parts = False, []
            self._settle(Outcome.UNCACHEABLE, reason)

    def finish(self) -> Flow[None]:
        """Store the response, now that its body is whole."""
        if not self.collecting or self._admission is None:
            return
        made = complete(self._admission, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
        if isinstance(made, Reason):
            self.give_up(made)
            return
        self.collecting = False
        seconds = perf_counter() - self._began
        self._count(Outcome.MISS, seconds)
        if made.keep_until > self._bound.clock():
            try:
                yield from self._store(made, seconds)
            except EncodingError as error:
                logger.warning("%s cannot be stored: %s", self._label, error)

    def retract(self) -> Flow[None]:
        """Remove what was stored: more of the body came than there was to be."""
        self.overfull, written, self._written = False, self._written, ()
        for key in written:
            yield from self._bound.storage.remove(key)

    def end(self, env: Mapping[str, Any], error: BaseException | None = None) -> None:
        """Let go of everything, and count the request if nothing did so far."""
        self.collecting = False
        if self._flight is not None:
            self._bound.flights.detach(self._flight)
            self._flight = None
        if self._counted:
            return
        if self._admission is None:
            self._label = self._caching.label(self.plan.request.method, env)
        outcome, reason = self._unfinished(error)
        self._settle(outcome, reason)

    # -- inside -----------------------------------------------------------------------------------------------

    def _read(self, key: str) -> Flow[Entry | None]:
        """Return the entry under `key`; what cannot be decoded is none."""
        storage, cache = self._bound.storage, self._bound.cache
        record: Record | None = yield from storage.read(cache.key(key), CODEC, self._expected_tags())
        try:
            return None if record is None else record.value()
        except DecodingError as error:
            storage.errors.tick()
            logger.warning("what is stored under %s is no response: %s", key, error)
            return None

    def _decide(self, found: Entry | None) -> Answer | None:
        now = self._asked = self._bound.clock()
        reuse = self._reuse = evaluate(found, self.plan, now)
        outcome = reuse.outcome
        if outcome is None:
            return None
        made = answer(found, self.plan, reuse, now)
        if isinstance(found, StoredResponse):
            self._label = found.label or UNLABELLED
        reason = "" if outcome in SERVED else reuse.reason
        self._count(outcome, perf_counter() - self._began, reason, len(made.body))
        return made

    def _expected_tags(self) -> tuple[str, ...]:
        """Return the tags that the response can be known to have before the application is called."""
        cache, plan = self._bound.cache, self.plan
        rules = [plan.rule] if plan.rule is not None else []
        if plan.policy.has_routes:
            rules += [rule for rule in plan.policy.rule_list if rule.matches(plan.request, rule.route)]
        if not rules:
            return cache.own_tags
        return cache.tag_names(tuple({tag: None for rule in rules for tag in rule.tags_of(plan.request.path)}))

    def _store(self, made: StoredResponse, seconds: float) -> Flow[None]:
        bound, plan, flight = self._bound, self.plan, self._flight
        if flight is None or plan.key is None:
            return
        # Other variants may have been stored since this request came.
        current = (yield from self._read(plan.key)) if made.vary else self._current
        todo = writes(plan, made, current, MOST_VARIANTS)
        for place, (name, entry) in enumerate(todo.entries, 1):
            key = bound.cache.key(name)
            # The last one is what makes the others reachable, and stands under the key that the flight fences.
            fence = flight if place == len(todo.entries) else _fork(flight, key)
            draft = self._draft(key, entry, made, seconds)
            if (yield from bound.storage.write(draft, CODEC, fence)) is None:
                return
            self._written = (key, *self._written)
        self._tell(EventKind.STORED, seconds=seconds)
        for name in todo.deleted:
            yield from bound.storage.remove(bound.cache.key(name))

    def _draft(self, key: str, entry: Entry, made: StoredResponse, seconds: float) -> Draft:
        tags = self._bound.cache.tag_names(made.tags)
        return Draft(key, entry, entry.keep_until, entry.keep_until, made.response_time, seconds, tags, made.label)

    def _without_decision(self) -> tuple[Outcome, str]:
        if self.plan.key is None:
            return Outcome.BYPASS, self.plan.reason or ""
        return Outcome.UNCACHEABLE, Reason.MALFORMED_RESPONSE

    def _unfinished(self, error: BaseException | None) -> tuple[Outcome, str]:
        """Return the outcome of a request whose response never came, or not to its end."""
        if self.plan.key is None:
            return self._without_decision()
        if self._admission is None or isinstance(error, Exception):
            return Outcome.ERROR, "" if error is None else type(error).__name__
        return Outcome.UNCACHEABLE, Reason.INCOMPLETE

    def _settle(self, outcome: Outcome, reason: str) -> None:
        """Count the request, once, and let go of its fence."""
        if not self._counted:
            self._count(outcome, perf_counter() - self._began, reason)
        if self._flight is not None:
            self._bound.flights.detach(self._flight)
            self._flight = None

    def _count(self, outcome: Outcome, seconds: float, reason: str = "", size: int = 0) -> None:
        self._counted = True
        self._bound.counters(self._label).record(outcome, seconds=seconds, reason=reason, size=size)
        if self._bound.listeners:
            kind = EventKind.HIT if outcome in SERVED else EventKind.MISS
            self._tell(kind, outcome=outcome, seconds=seconds, reason=reason)

    def _tell(self, kind: EventKind, **what: Any) -> None:
        if self._bound.listeners:
            key = self.plan.key and self._bound.cache.key(self.plan.key)
            self._bound.listeners.emit(CacheEvent(kind=kind, route=self._label, key=key or "", **what))


def _fork(flight: Flight, key: str) -> Flight:
    """Return the same fence for another key."""
    fork = Flight(key)
    fork.broken, fork.tags, fork.fence = flight.broken, flight.tags, flight.fence
    return fork
