"""Caching for ASGI applications: a pure ASGI middleware, and a thin shell around `cachelayer.exchange`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, ClassVar, Final, TypeVar, Unpack

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange import (
    EXAMINED,
    PASSED,
    Behind,
    Caching,
    Exchange,
    Fetched,
    Options,
    Passing,
    Route,
    ShadowReport,
    Target,
)
from cachelayer.exchange.turn import STALLED
from cachelayer.flows import Flow, arun, run
from cachelayer.http import Answer, Headers, Reason, Request, ResponseHead, Rule
from cachelayer.http.bodies import MAX_CONTENT_BYTES
from cachelayer.http.plan import WITH_CONTENT, needs_content
from cachelayer.http.target import request_path
from cachelayer.http.validation import unconditional
from cachelayer.stats import StatsSnapshot

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Drive = Callable[[Flow[Any]], Awaitable[Any]]

#: What an application says when it has shut down.
_OVER: Final = frozenset(
    {"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"}
)
#: Messages by which the server takes the body from somewhere else.
_BODY_ELSEWHERE: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


class CacheMiddleware:
    """Answers requests from the cache, and stores what the application answers.

    What it has opened itself from a URL, it closes when the application shuts down, and opens anew when that starts
    again. A `Cache` or backend that it was given is closed by whoever made it, such as with
    `contextlib.aclosing(cache)` in the application's lifespan.

    Args:
        app: the ASGI application.
        cache: where to store. Default: the process's, see `cachelayer.configure`.
        backend: a backend or URL to store in, instead of `cache`.
        default_ttl: how long a response without freshness of its own is fresh; None: it is not stored.
        rules: `Rule` objects; the first that matches counts.
        cache_status: the cache's name in the Cache-Status field; None adds the field to nothing.
        route: given the scope, returns the route of a request that `scope["cachelayer.route"]` does not name.
        options: the further ones of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work (a ValueError).
        OptionTypeError: an option is unknown or has the wrong type, or `app` is no ASGI application (a TypeError).
    """

    #: Names the route where `route=` does not say how; for integrations.
    default_route: ClassVar[Any] = None

    def __init__(
        self,
        app: ASGIApp,
        *,
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        default_ttl: Duration = None,
        rules: Iterable[Rule] = (),
        cache_status: str | None = "cachelayer",
        route: Route | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_app(app)
        self.app, self._url = app, backend if isinstance(backend, str) else None
        self._caching = Caching(
            cache=cache,
            backend=backend,
            route=route or self.default_route,
            default_ttl=default_ttl,
            rules=rules,
            cache_status=cache_status,
            **options,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            closes = scope["type"] == "lifespan" and self._url is not None
            await self.app(scope, receive, self._closing(send) if closes else send)
            return
        bound = self._caching.bound or self._caching.bind()
        drive = run_here if bound.local else driver()
        #: Under another event loop than asyncio's nobody waits, and nothing goes on behind the client's back.
        waits = behind = asyncio._get_running_loop() is not None
        if drive is None:
            await self.app(scope, receive, send)
            return
        if bound.cache in scope.get(PASSED, ()):
            # Outside is another one over the same cache: what it lets through was meant to reach the application.
            await self.app(scope, receive, send)
            return
        if bound.passing and (target := target_of(scope)) is not None:
            # The application may change its scope before a closer look is taken.
            asked = functools.partial(request_of, {**scope, "headers": [*scope["headers"]]})
            passing = bound.let_through(target, asked)
            if passing is not None:
                await _Passing(passing, drive, scope, receive, send, waits, target).run(self.app)
                return
        request = request_of(scope)
        if request.method in WITH_CONTENT and needs_content(request, bound.policy):
            request, receive = await with_content(request, receive)
            behind = waits and request.content is None
        found = (
            bound.find_here(request, behind=behind)
            if bound.local
            else await drive(bound.find(request, behind=behind))
        )
        if isinstance(found, Answer):
            # As `send_answer` does, without a call more, for most requests. That no more comes is the default, but some
            # test clients look for it.
            headers = [*found.stored, *found.added]
            await send({"type": "http.response.start", "status": found.status, "headers": headers})
            await send({"type": "http.response.body", "body": found.body, "more_body": False})
        elif isinstance(found, Exchange):
            target = target_of(scope) if bound.may_pass else None
            await _Forwarding(found, drive, scope, receive, send, waits, target).run(self.app)
        elif isinstance(found, Behind):
            await arun(found.begin(functools.partial(_fetch, self.app, dict(scope), found)))
            await send_answer(found.answer, send)
        else:
            await send_answer(found, send)

    def _closing(self, send: Send) -> Send:
        """Close what was opened here once the application has shut down; another event loop may serve it again."""

        async def watch(message: Message) -> None:
            if message["type"] in _OVER and self._url is not None:
                cache = self._caching.bind().cache
                self._caching.reopen(self._url)
                await cache.aclose()
            await send(message)

        return watch

    def shadow_report(self) -> ShadowReport:
        """Return what a middleware with `shadow=True` has seen.

        Raises:
            ConfigurationError: this one serves from the cache.
        """
        return self._caching.shadow_report()

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted: per route, per function, per backend."""
        return self._caching.stats()


async def with_content(request: Request, receive: Receive) -> tuple[Request, Receive]:
    """Read a request's body, if it is not too long for the key; return the request, and what gives the body again."""
    messages: list[Message] = []
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        messages.append(message)
        parts.append(message.get("body") or b"")
        size += len(parts[-1])
        if message["type"] != "http.request" or size > MAX_CONTENT_BYTES:
            break
        more = bool(message.get("more_body", False))

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return (request if more else msgspec.structs.replace(request, content=b"".join(parts))), again


async def send_answer(answer: Answer, send: Send) -> None:
    """Send a whole response."""
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [*answer.stored, *answer.added]}
    )
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def objection_in(scope: Scope) -> Reason | None:
    """Return why the application's use of its session keeps the response from being stored, or None.

    A session's middleware that stands outside of the cache adds its Set-Cookie and Vary only after the response was
    stored. The session itself is in the scope, by a convention that Starlette began.
    """
    session = scope.get("session")
    if session is None:
        return None
    if getattr(session, "modified", False):
        return Reason.SET_COOKIE
    return Reason.SESSION_COOKIE if getattr(session, "accessed", bool(session)) else None


def check_app(app: object) -> None:
    """Raise OptionTypeError unless `app` can be called as an ASGI application."""
    remedy = "pass the application itself: CacheMiddleware(app), or app.add_middleware(CacheMiddleware)"
    # Of classes only those are applications whose instances are awaited, as Starlette's endpoints are.
    if not callable(app) or (isinstance(app, type) and not hasattr(app, "__await__")):
        raise OptionTypeError(f"app must be an ASGI application, not {app!r}; {remedy}")
    try:
        # Of the application itself: a decorator that makes one of a view keeps the view's as that which it wraps.
        signature = inspect.signature(app, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # Not every callable has one to look at.
    try:
        signature.bind({}, None, None)
    except TypeError:
        raise OptionTypeError(
            f"app must take (scope, receive, send), but {app!r} takes {signature}; {remedy}; "
            "WSGI applications go into cachelayer.wsgi.CacheMiddleware"
        ) from None


# -- from ASGI to the engine and back ---------------------------------------------------------------------------


def request_of(scope: Scope) -> Request:
    """Return the request that a scope stands for."""
    given: Iterable[tuple[bytes, bytes]] = scope["headers"]
    headers = tuple(given)
    if headers and headers[0].__class__ is not tuple and not isinstance(headers[0], Sequence):
        headers = tuple((name, value) for name, value in headers)
        scope["headers"] = list(headers)  # each field could be gone through once only
    elif given.__class__ is not list and isinstance(given, Iterator):
        scope["headers"] = list(headers)  # it could be gone through once only, and the application wants to
    decoded: str = scope["path"]
    given_path = decoded.encode() if decoded.isascii() else decoded.encode("utf-8", "surrogatepass")
    path, original = request_path(scope.get("raw_path") or b"", given_path)
    root = scope.get("root_path")
    if root and not decoded.startswith(root):
        # The server has taken the prefix off the path, and the application answers by both.
        # Without a space, which would be one of those characters that keep rules from matching.
        original = b"%s|%s" % (original or b"", root.encode("utf-8", "surrogatepass"))
    # Most servers give Host first; of the others the engine finds it before it looks at this.
    host = None if headers and headers[0][0] == b"host" else _host(scope)
    query = scope.get("query_string") or b""
    if "user" in scope and getattr(scope["user"], "is_authenticated", False):
        # Whoever was recognised further out is guarded like one who sends Authorization, whatever it was known by.
        headers += ((b"authorization", b""),)
    return Request(scope["method"], scope.get("scheme") or "http", path, query, headers, host, original)


def target_of(scope: Scope) -> Target | None:
    """Return what a GET asks for, as far as it is told from others that are let through; None: look closer."""
    headers = scope["headers"]
    if (
        scope["method"] != "GET"
        or headers.__class__ is not list
        or not headers
        or headers[0].__class__ not in _PAIRS
        or "user" in scope
    ):
        return None
    if headers[0][0] != b"host" or not EXAMINED.isdisjoint([name for name, _ in headers]):
        return None
    query, raw = scope.get("query_string") or b"", scope.get("raw_path") or b""
    return scope.get("scheme") or "", headers[0][1], scope["path"], raw, query


_PAIRS: Final = frozenset({tuple, list})


def _host(scope: Scope) -> bytes:
    """Return the server's own name, for requests without Host."""
    server: Iterable[Any] = scope.get("server") or (None, None)
    if isinstance(server, Iterator):
        server = scope["server"] = tuple(server)
    name, port = server
    if name is None or port is None:
        return b""
    return (f"[{name}]:{port}" if ":" in name else f"{name}:{port}").encode("latin-1", "replace")


def head_of(message: Message) -> ResponseHead | None:
    """Return the head that a message starts a response with; None where it is not as the specification says."""
    try:
        headers = tuple(message.get("headers", ()))
        return ResponseHead(int(message["status"]), headers, trailers=message.get("trailers", False))
    except (KeyError, TypeError, ValueError):
        return None  # The server will say what it thinks of it.


# -- drivers ----------------------------------------------------------------------------------------------------


async def run_here(flow: Flow[T]) -> T:
    """Drive a flow that waits for nothing."""
    return run(flow)


def driver() -> Drive | None:
    """Return what drives flows under the event loop that runs; None where nothing can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _driver_without_asyncio()
    return arun


@functools.cache
def _driver_without_asyncio() -> Drive | None:
    try:
        from anyio import to_thread  # noqa: PLC0415 - needed under trio only
    except ImportError:
        warnings.warn(
            "this event loop is not asyncio's: requests pass uncached; pip install anyio, or use the memory backend",
            RuntimeWarning,
            stacklevel=2,
        )
        return None

    async def drive(flow: Flow[Any]) -> Any:
        return await to_thread.run_sync(run, flow)

    return drive


def conditional(headers: Iterable[tuple[bytes, bytes]], conditions: Headers) -> list[tuple[bytes, bytes]]:
    """Return a request's fields with others in place of its own conditions, which are for the cache's answer."""
    return [*unconditional(tuple(headers)), *conditions]


class _Forwarding:
    """One request that the application answers."""

    __slots__ = (
        "_drive",
        "_exchange",
        "_gone",
        "_has_body",
        "_receive",
        "_scope",
        "_send",
        "_started",
        "_stepping",
        "_target",
        "_waits",
        "_watching",
    )

    def __init__(  # noqa: PLR0917 - made for each miss
        self,
        exchange: Exchange,
        drive: Drive,
        scope: Scope,
        receive: Receive,
        send: Send,
        waits: bool,
        target: Target | None,
    ) -> None:
        self._exchange, self._drive, self._waits = exchange, drive, waits
        self._scope, self._receive, self._send = scope, receive, send
        self._gone = self._has_body = self._started = False
        self._target = target
        self._stepping: asyncio.Future[None] | None = None
        self._watching: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp) -> None:
        """Call the application between the two ends of the exchange."""
        exchange, scope = self._exchange, self._scope
        scope[PASSED] = (*scope.get(PASSED, ()), exchange.bound.cache)
        try:
            if exchange.plan.key is not None:
                await self._ask(app)
            elif exchange.may_change:
                fencing = exchange.prepare()
                if fencing is not None:
                    await self._drive(fencing)
                await app(scope, self._receive, self.send)
            else:
                await app(scope, self._receive, self._send)
        except BaseException as error:
            await self.end(error)
            raise
        await self.end(None)

    def is_late(self, *, gone: bool, has_body: bool) -> None:
        """Take note of what happened before."""
        self._gone, self._has_body = gone, has_body

    async def _ask(self, app: ASGIApp) -> None:
        exchange, scope = self._exchange, self._scope
        fencing = exchange.prepare(waits=self._waits or not exchange.bound.local)
        if fencing is not None:
            answer = await self._wait(fencing)
            if answer is not None:
                await send_answer(answer, self._send)
                return
        asked: list[tuple[bytes, bytes]] = scope["headers"]
        conditions = exchange.conditions
        again: Scope | None = None
        if conditions is not None:
            again = dict(scope)
            # In place, since those around look into this very scope for what the application puts there.
            scope["headers"] = conditional(asked, conditions)
        token = exchange.enter()
        try:
            await app(scope, self.receive, self.send)
            if exchange.asks_again and again is not None:
                exchange.ask_again()
                self._started = self._has_body = False
                await app(again, _Emptied(self.receive).receive, self.send)
                scope.update(again)
        except Exception as error:
            rescuing = None if self._started or self._gone else exchange.rescue(error)
            if rescuing is None:
                raise
            await send_answer(await self._wait(rescuing), self._send)
        finally:
            exchange.leave(token)
            scope["headers"] = asked

    async def _wait(self, flow: Flow[T]) -> T:
        """Drive a flow that may wait."""
        return await (arun(flow) if self._waits else self._drive(flow))

    async def end(self, error: BaseException | None) -> None:
        """Note that this request is over; that a client has gone is no error of the application's."""
        if self._stepping is not None:
            await self._stepping
        closing = self._exchange.end(self._scope, None if self._gone else error)
        if closing is not None:
            await self._wait(closing)

    async def receive(self) -> Message:
        """Receive for the application, and note that the client has gone: what then comes may be cut short."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        elif message.get("body") and self._exchange.plan.request.content is None:
            # HTTP/2 needs no Content-Length, so that nothing announced it. The answer may depend on it.
            self._has_body = True
            self._exchange.give_up(Reason.BODY)
        return message

    async def send(self, message: Message) -> None:
        """Send for the application. A whole response is stored before its last message goes out."""
        kind, exchange = message["type"], self._exchange
        if kind == "http.response.start":
            message = self._start(message)
            if exchange.due is not None:
                await self._wait(exchange.due)
            if exchange.is_replaced:
                if not exchange.asks_again:
                    await send_answer(await self._wait(exchange.replace()), self._send)
                return
        elif exchange.is_replaced:
            return
        elif exchange.collecting:
            await self._collect(kind, message)
        if self._waits and exchange.collecting and exchange.leads:
            self._watch()
        try:
            await self._send(message)
        except BaseException:
            self._gone = True
            raise
        finally:
            if self._watching is not None:
                self._watching.cancel()
                self._watching = None

    def _watch(self) -> None:
        """See to it that a client which does not read holds up nobody but itself."""
        self._watching = asyncio.get_running_loop().call_later(STALLED, self._step_aside)

    def _step_aside(self) -> None:
        exchange = self._exchange
        due = exchange.step_aside()
        if due is not None:
            self._stepping = asyncio.ensure_future(self._wait(due))
        elif exchange.collecting and exchange.leads:
            self._watch()

    def _start(self, message: Message) -> Message:
        self._started = True
        given: Iterable[Any] = message.get("headers", ())
        if given.__class__ is not list and isinstance(given, Iterator):
            message = {**message, "headers": list(given)}
        objection = Reason.BODY if self._has_body else objection_in(self._scope)
        exchange = self._exchange
        headers = exchange.start(head_of(message), self._scope, objection)
        if self._target is not None:
            exchange.bound.note_passing(exchange, self._target)
        return message if headers is None else {**message, "headers": [*headers]}

    async def _collect(self, kind: str, message: Message) -> None:
        exchange = self._exchange
        if kind == "http.response.body":
            exchange.feed(message.get("body") or b"")
            if not exchange.collecting and exchange.due is not None:
                # Too long: others need not wait for the rest of it.
                await self._wait(exchange.due)
            if not message.get("more_body", False):
                if self._gone:
                    exchange.give_up(Reason.INCOMPLETE)
                await self._drive(exchange.finish())
        elif kind in _BODY_ELSEWHERE:
            exchange.give_up(Reason.SENT_AS_FILE)


class _Passing:
    """One request that is let through, with a glance at its response."""

    __slots__ = (
        "_drive",
        "_forwarding",
        "_gone",
        "_has_body",
        "_passing",
        "_receive",
        "_scope",
        "_send",
        "_target",
        "_waits",
    )

    def __init__(  # noqa: PLR0917 - made for each of them
        self,
        passing: Passing,
        drive: Drive,
        scope: Scope,
        receive: Receive,
        send: Send,
        waits: bool,
        target: Target,
    ) -> None:
        self._passing, self._drive, self._waits, self._target = passing, drive, waits, target
        self._scope, self._receive, self._send = scope, receive, send
        self._gone = self._has_body = False
        #: Once it takes a closer look.
        self._forwarding: _Forwarding | None = None

    async def run(self, app: ASGIApp) -> None:
        """Call the application."""
        passing, scope = self._passing, self._scope
        scope[PASSED] = (*scope.get(PASSED, ()), passing.bound.cache)
        token = passing.enter()
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            await self._end(error)
            raise
        else:
            await self._end(None)
        finally:
            passing.leave(token)

    async def receive(self) -> Message:
        """Receive for the application."""
        if self._forwarding is not None:
            return await self._forwarding.receive()
        message = await self._receive()
        self._gone = self._gone or message["type"] == "http.disconnect"
        self._has_body = self._has_body or bool(message.get("body"))
        return message

    async def send(self, message: Message) -> None:
        """Send for the application."""
        if self._forwarding is None and message["type"] == "http.response.start":
            added = self._added(message)
            if added is not None:
                message = {**message, "headers": [*message["headers"], *added]} if added else message
            else:
                self._take_up()
        if self._forwarding is not None:
            await self._forwarding.send(message)
            return
        try:
            await self._send(message)
        except BaseException:
            self._gone = True
            raise

    def _added(self, message: Message) -> Headers | None:
        """Return what is added to the fields of a response that is let through; None: it needs a closer look."""
        if self._has_body or message.get("headers").__class__ not in _PAIRS:
            return None
        if "session" in self._scope and objection_in(self._scope) is not None:
            return None
        return self._passing.start(head_of(message), self._scope)

    def _take_up(self) -> _Forwarding:
        exchange = self._passing.take_up()
        forwarding = _Forwarding(
            exchange, self._drive, self._scope, self._receive, self._send, self._waits, self._target
        )
        forwarding.is_late(gone=self._gone, has_body=self._has_body)
        self._forwarding = forwarding
        return forwarding

    async def _end(self, error: BaseException | None) -> None:
        if self._passing.reason is None or self._forwarding is not None:
            await (self._forwarding or self._take_up()).end(error)


class _Emptied:
    """What an application receives that is asked once more for a request without a body."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._asked = receive, False

    async def receive(self) -> Message:
        """Give the empty body, and then what comes from the server."""
        while self._asked:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}


# -- behind the client's back -----------------------------------------------------------------------------------


async def _fetch(app: ASGIApp, scope: Scope, found: Behind, conditions: Headers) -> Fetched:
    """Ask the application for what a request was for, whose client has its answer already."""
    limit = found.bound.policy.max_body_bytes
    scope = {**scope, "headers": conditional(scope["headers"], conditions)}
    if scope["method"] == "HEAD":
        scope["method"] = "GET"  # What is stored is what GET gives.
    scope[PASSED] = (*scope.get(PASSED, ()), found.bound.cache)
    for per_connection in ("extensions", "state"):
        # What the server offers for one response, such as pathsend; and the state is the connection's, not shared.
        if isinstance(scope.get(per_connection), dict):
            scope[per_connection] = {} if per_connection == "extensions" else dict(scope[per_connection])
    fetching = _Fetching(limit)
    try:
        await app(scope, fetching.receive, fetching.send)
    except Exception:
        if not fetching.is_too_long:
            raise
    objection = objection_in(scope)
    return Fetched(fetching.head, fetching.body if fetching.is_whole else None, scope, objection)


class _Fetching:
    """The server's side of a request that has no client any more."""

    def __init__(self, limit: int) -> None:
        self.head: ResponseHead | None = None
        self.is_whole = self.is_too_long = False
        self._parts: list[bytes] = []
        self._limit = limit
        self._asked = False
        self._over = asyncio.Event()

    @property
    def body(self) -> bytes:
        """The body as far as it has come."""
        return b"".join(self._parts)

    async def receive(self) -> Message:
        """Give an empty body, and no disconnect before the response is over."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the response, and end one that is too long, as a client does that goes away."""
        if self.is_too_long:
            raise OSError("nobody reads any further")
        if message["type"] == "http.response.start":
            self.head = head_of(message)
        elif message["type"] == "http.response.body" and not self._over.is_set():
            part = bytes(message.get("body") or b"")
            self._parts.append(part)
            self._limit -= len(part)
            if self._limit < 0:
                self._parts, self.is_too_long = [], True
                self._over.set()
            elif not message.get("more_body", False):
                self.is_whole = True
                self._over.set()
