"""One HTTP request on its way through the cache: what the ASGI shell, the WSGI shell and the integrations share.

    found    = bound.find_here(request)   where the store is local; else bound.find(request), a flow
    Is it an Answer, send it. Else it is an Exchange: ask the application, and tell how that goes.
    exchange.prepare()                    a flow, or None: from here on an invalidation wins over what is computed
    headers  = exchange.start(head, env)  with the application's response head; gives the fields for the client
    exchange.feed(data)                   with each part of the body; `take` where nothing says which is the last
    exchange.finish()                     a flow: the body has come to its regular end. Before its last part is sent
    exchange.end(env, error)              in any case, however it went

A shell translates its server's language and drives the flows. What is decided is decided here, or in `cachelayer.http`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any, Final, TypedDict

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.null import NullBackend
from cachelayer.cache import Cache, changing_cache, choose_cache, follow_default
from cachelayer.context import bypasses, is_bypassed
from cachelayer.errors import DecodingError, EncodingError, OptionTypeError
from cachelayer.events import CacheEvent, EventKind
from cachelayer.flow.flights import Flight
from cachelayer.flow.storage import Draft, LocalEntry, ObjectStorage, Record
from cachelayer.flows import Flow
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

_HIT: Final = Outcome.HIT  # looking a member up takes longer than comparing it

#: How many variants of one URL are kept.
MOST_VARIANTS: Final = 50
#: Methods that stand in a label. Any other is a client's invention, and there is no end of those.
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
_LONGEST_LABEL: Final = 300

#: Given the ASGI scope or WSGI environ, returns the label or path template of a request's route, or None.
Route = Callable[[Any], str | None]


# -- options ----------------------------------------------------------------------------------------------------


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


def option_names() -> tuple[str, ...]:
    """Return the names of all options that a middleware takes."""
    policy = (field.name for field in dataclasses.fields(Policy) if field.init)
    return ("cache", "backend", "route", *policy)


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

    def __init__(
        self,
        *,
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        route: Route | None = None,
        **options: Any,
    ) -> None:
        if route is not None and not callable(route):
            raise OptionTypeError(
                f"route must be a function that returns a route's label, or None, not {route!r}"
            )
        self.policy = _make_policy(options)
        self._choose = choose_cache(cache, backend)
        self._route = route
        #: The ties to the cache, once there are some.
        self.bound: Bound | None = None

    def bind(self) -> Bound:
        """Return the ties to the cache, made now if this is the first use."""
        while (bound := self.bound) is None:
            cache = self._choose()
            made = Disabled(self, cache) if isinstance(cache.backend, NullBackend) else Bound(self, cache)
            with changing_cache:
                # Of several threads that come first, one wins; and of two caches, the one that is in place by now.
                if self.bound is None and self._choose().engine.storage is made.storage:
                    cache.tell_changes(self)
                    follow_default(self, self._choose)
                    self.bound = made
        return bound

    def rebind(self) -> None:
        """Take notice of listeners: the cache calls this whenever there are new ones."""
        if (bound := self.bound) is not None:
            bound.rebind()

    def unbind(self) -> None:
        """Be bound anew at the next request: another cache, or store, has taken the place of this one."""
        self.bound = None

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted."""
        return self.bind().cache.stats()

    def label(self, method: str, env: Mapping[str, Any]) -> str:
        """Return the label of a request, now that the application has had the chance to name it."""
        try:
            named = env.get(ROUTE) or (None if self._route is None else self._route(env))
        except Exception:
            # No statistics are worth a response.
            logger.exception("route= failed; the request counts as %s", UNLABELLED)
            named = None
        return make_label(method, named) if isinstance(named, str) else UNLABELLED


def _make_policy(options: Mapping[str, Any]) -> Policy:
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise OptionTypeError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(option_names())}"
        )
    return Policy(**options)


@lru_cache(maxsize=1024)
def make_label(method: str, named: str) -> str:
    """Return the label of a route that is named by a label ("GET /a/{id}") or by its path template ("/a/{id}")."""
    label = named
    if named.startswith("/"):
        label = f"{method if method in _METHODS else 'OTHER'} {named}"
    return label.encode("utf-8", "backslashreplace").decode()[:_LONGEST_LABEL] or UNLABELLED


class Bound:
    """A middleware's ties to one cache: here its requests are looked up."""

    def __init__(self, caching: Caching, cache: Cache) -> None:
        self.caching, self.policy, self.cache = caching, caching.policy, cache
        self.clock = cache.clock
        self.counters = cache.routes.counters
        self.storage = cache.engine.storage
        self.flights = self.storage.flights
        self.local = isinstance(self.storage, ObjectStorage)
        self._lookup: Callable[[str], LocalEntry | None] = getattr(self.storage, "lookup", _nothing)
        self._has_namespace = bool(cache.namespace)
        #: Whether anybody wants to hear of events.
        self.tells = False
        self.rebind()

    def rebind(self) -> None:
        """Take notice of listeners."""
        self.tells = bool(self.cache.listeners)

    def find_here(self, request: Request) -> Answer | Exchange:
        """Look a request up in a store that is local."""
        if bypasses and is_bypassed():
            return self._pass(request)
        began = perf_counter()
        plan = plan_lookup(request, self.policy)
        if plan.key is None:
            return Exchange(self, plan, began)
        found, index = self._payload(plan.key), None
        if found.__class__ is VariantIndex:
            variant, index = variant_of(found, plan), found
            found = index if variant is None else self._payload(variant) or index
        return self._decide(plan, found, index, began)

    def find(self, request: Request) -> Flow[Answer | Exchange]:
        """Do what `find_here` does, for any store."""
        if bypasses and is_bypassed():
            return self._pass(request)
        began = perf_counter()
        plan = plan_lookup(request, self.policy)
        if plan.key is None:
            return Exchange(self, plan, began)
        found, index = (yield from self.read(plan, plan.key)), None
        if isinstance(found, VariantIndex):
            variant, index = variant_of(found, plan), found
            found = index if variant is None else (yield from self.read(plan, variant)) or index
        return self._decide(plan, found, index, began)

    def _pass(self, request: Request) -> Exchange:
        """Let the application answer, and count that caching is off."""
        began, plan = perf_counter(), plan_lookup(request, self.policy)
        if plan.key is not None:
            plan = msgspec.structs.replace(plan, key=None, reason=Reason.DISABLED)
        return Exchange(self, plan, began)

    def read(self, plan: Plan, key: str) -> Flow[Entry | None]:
        """Return the entry under `key`; what cannot be decoded is none."""
        record: Record | None = yield from self.storage.read(
            self.cache.key(key), CODEC, self.expected_tags(plan)
        )
        try:
            return None if record is None else record.value()
        except DecodingError as error:
            self.storage.errors.tick()
            logger.warning("what is stored under %s is no response: %s", key, error)
            return None

    def expected_tags(self, plan: Plan) -> tuple[str, ...]:
        """Return the tags that the response to a request can be known to have before the application is called."""
        if not self.policy.rule_list:
            return self.cache.own_tags
        rules = [plan.rule] if plan.rule is not None else []
        if self.policy.has_routes:
            rules += [rule for rule in self.policy.rule_list if rule.matches(plan.request, rule.route)]
        path = plan.request.path
        return self.cache.tag_names(tuple(dict.fromkeys(tag for rule in rules for tag in rule.tags_of(path))))

    def tell(self, kind: EventKind, plan: Plan, label: str, **what: Any) -> None:
        """Tell the listeners."""
        key = "" if plan.key is None else self.cache.key(plan.key)
        self.cache.listeners.emit(CacheEvent(kind=kind, route=label, key=key, **what))

    def count(
        self, plan: Plan, label: str, outcome: Outcome, *, seconds: float, reason: str = "", size: int = 0
    ) -> None:
        """Count a lookup that has ended."""
        self.counters(label).record(outcome, seconds=seconds, reason=reason, size=size)
        if self.tells:
            kind = EventKind.HIT if outcome in SERVED else EventKind.MISS
            self.tell(kind, plan, label, outcome=outcome, seconds=seconds, reason=reason)

    def _payload(self, key: str) -> Any:
        """Return the HTTP entry under `key` of a local store, or None."""
        record = self._lookup(self.cache.key(key) if self._has_namespace else key)
        return record.payload if record is not None and record.codec == RESPONSE else None

    def _decide(
        self, plan: Plan, found: Entry | None, index: VariantIndex | None, began: float
    ) -> Answer | Exchange:
        now = self.clock()
        reuse = evaluate(found, plan, now)
        if reuse.forward is not None:
            exchange = Exchange(self, plan, began, reuse, now)
            exchange.index = index
            return exchange
        made = answer(found, plan, reuse, now)
        label = getattr(found, "label", "") or UNLABELLED
        outcome = reuse.outcome
        if outcome is _HIT and not self.tells:
            # As `count` does, for most requests.
            self.counters(label).record(_HIT, seconds=perf_counter() - began, size=len(made.body))
        else:
            self.count(plan, label, outcome or _HIT, seconds=perf_counter() - began, size=len(made.body))
        return made


def _nothing(key: str) -> None:
    raise NotImplementedError


class Disabled(Bound):
    """A middleware's ties to a cache that is off: no request is looked up."""

    def find_here(self, request: Request) -> Exchange:
        """Let the application answer."""
        return self._pass(request)

    def find(self, request: Request) -> Flow[Answer | Exchange]:
        """Do what `find_here` does."""
        return self.find_here(request)
        yield


# -- entries ----------------------------------------------------------------------------------------------------


class ResponseCodec:
    """HTTP entries: kept as they are in this process, since nothing in them can change, and as bytes elsewhere."""

    def keep(self, value: Entry) -> Snapshot:
        """Return the entry itself, with the length of its bytes, or raise EncodingError."""
        return Snapshot(value, None, encode_entry, RESPONSE, _size(value))

    def encode(self, value: Entry) -> tuple[int, bytes]:
        """Return the codec's number and the entry's bytes, or raise EncodingError."""
        return RESPONSE, _encode(value)

    def decode(self, codec: int, data: bytes) -> Entry:
        """Return the entry, or raise DecodingError."""
        if codec != RESPONSE:
            raise DecodingError(f"codec {codec} is not that of an HTTP response")
        return decode_entry(data)


CODEC: Final = ResponseCodec()


def _encode(entry: Entry) -> bytes:
    try:
        return encode_entry(entry)
    except UnicodeEncodeError as error:
        raise EncodingError(f"a tag is no text: {error}") from error


def _size(entry: Entry) -> int:
    """Return the length of an entry's bytes, without copying its body."""
    if isinstance(entry, VariantIndex):
        return len(_encode(entry))
    length = len(entry.body)
    # MessagePack puts the length in front, in one, two or four bytes.
    return (
        len(_encode(msgspec.structs.replace(entry, body=b"")))
        + length
        + (length > 0xFF)
        + 2 * (length > 0xFFFF)
    )


# -- exchanges --------------------------------------------------------------------------------------------------


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
    #: What is stored under the primary key, if those are variants.
    index: VariantIndex | None = None

    _flight: Flight | None = None
    _admission: Admission | None = None
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

    def prepare(self) -> Flow[None] | None:
        """Take the fence, before the application is called; None where that needs no driving."""
        bound, key = self.bound, self.plan.key
        if key is None:
            return None
        flight = self._flight = bound.flights.alone(bound.cache.key(key))
        tags = bound.expected_tags(self.plan)
        return bound.storage.capture(flight, tags) if tags or not bound.local else None

    # -- the response -----------------------------------------------------------------------------------------

    def start(
        self, head: ResponseHead | None, env: Mapping[str, Any], objection: Reason | None = None
    ) -> Headers | None:
        """Decide on the application's response, and return the fields for the client; None: as they are.

        Args:
            head: its status and fields; None where they are not such as a response can have.
            env: the ASGI scope or WSGI environ, in which the application has named its route by now.
            objection: why it must not be stored, where the shell knows what the fields do not show.
        """
        plan = self.plan
        self._label = self.bound.caching.label(plan.request.method, env)
        if head is None or plan.key is None:
            self._settle(*self._undecided())
            return None
        admission = self._admission = self._admit(head, objection)
        self.collecting = admission.draft is not None
        if self.collecting:
            self._parts, self._size = [], 0
        else:
            self._settle(Outcome.UNCACHEABLE, admission.reason)
        if self._reuse is None:
            return None
        headers = forwarded_headers(plan, self._reuse, admission)
        return None if headers is head.headers else headers

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
            self._settle(Outcome.UNCACHEABLE, reason)

    def finish(self) -> Flow[None]:
        """Store the response, now that its body is whole."""
        if not self.collecting or self._admission is None:
            return
        made = complete(self._admission, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
        if isinstance(made, Reason):
            self.give_up(made)
            return
        self.collecting, self._parts = False, []
        seconds = perf_counter() - self._began
        self._counted = True
        self.bound.count(self.plan, self._label, Outcome.MISS, seconds=seconds)
        try:
            yield from self._store(made, seconds)
        except EncodingError as error:
            logger.warning("a response of %s cannot be stored: %s", self._label, error)

    def end(self, env: Mapping[str, Any], error: BaseException | None = None) -> None:
        """Let go of everything, and count the request if nothing did so far."""
        self.collecting = False
        if self._counted and self._flight is None:
            return
        if self._admission is None:
            self._label = self.bound.caching.label(self.plan.request.method, env)
        self._settle(*self._unfinished(error))

    # -- inside: storing --------------------------------------------------------------------------------------

    def _admit(self, head: ResponseHead, objection: Reason | None) -> Admission:
        if objection is not None:
            return Admission(objection, head)
        asked, now = self._asked, self.bound.clock()
        try:
            return admit(self.plan, head, request_time=asked, response_time=now, label=self._label)
        except (AttributeError, TypeError, ValueError):
            # Its fields are not even pairs of bytes: the server will say what it thinks of them.
            return Admission(Reason.MALFORMED_RESPONSE, head)

    def _store(self, made: StoredResponse, seconds: float) -> Flow[None]:
        bound, plan, flight = self.bound, self.plan, self._flight
        if flight is None or plan.key is None or made.keep_until <= bound.clock():
            return
        # Other variants may have been stored since this request came.
        current = (yield from bound.read(plan, plan.key)) if made.vary else self.index
        todo = writes(plan, made, current, MOST_VARIANTS)
        for place, (name, entry) in enumerate(todo.entries, 1):
            key = bound.cache.key(name)
            # The last one makes the others reachable, and stands under the key that the flight is for.
            fence = flight if place == len(todo.entries) else _fork(flight, key)
            draft = self._draft(key, entry, made, seconds)
            if (yield from bound.storage.write(draft, CODEC, fence)) is None:
                return
            self._written = (key, *self._written)
        if bound.tells:
            bound.tell(EventKind.STORED, plan, self._label, seconds=seconds)
        for name in todo.deleted:
            yield from bound.storage.remove(bound.cache.key(name))

    def _draft(self, key: str, entry: Entry, made: StoredResponse, seconds: float) -> Draft:
        until, tags = entry.keep_until, self.bound.cache.tag_names(made.tags)
        return Draft(key, entry, until, until, made.response_time, seconds, tags, made.label)

    def _retract(self) -> Flow[None]:
        """Remove what was stored: more of the body has come than there was to be."""
        written, self._written = self._written, ()
        for key in written:
            yield from self.bound.storage.remove(key)

    # -- inside: counting -------------------------------------------------------------------------------------

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
        if not self._counted:
            self._counted = True
            seconds = perf_counter() - self._began
            self.bound.count(self.plan, self._label, outcome, seconds=seconds, reason=str(reason))
        flight = self._flight
        if flight is not None:
            self._flight = None
            self.bound.flights.detach(flight)


def _fork(flight: Flight, key: str) -> Flight:
    """Return the same fence for another key."""
    fork = Flight(key)
    fork.broken, fork.tags, fork.fence = flight.broken, flight.tags, flight.fence
    return fork
