"""Caching for WSGI applications: a plain WSGI middleware (PEP 3333), and a thin shell around `cachelayer.exchange`."""

from __future__ import annotations

import functools
import inspect
import io
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, Unpack

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange import (
    EXAMINED,
    OBJECTION,
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
from cachelayer.flows import run
from cachelayer.http import Answer, Headers, Request, ResponseHead, Rule
from cachelayer.http.bodies import MAX_CONTENT_BYTES
from cachelayer.http.messages import FieldLines
from cachelayer.http.plan import RELEVANT, WITH_CONTENT, needs_content
from cachelayer.http.target import request_path
from cachelayer.http.validation import CONDITIONS
from cachelayer.stats import StatsSnapshot

T = TypeVar("T")

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class CacheMiddleware:
    """Answers requests from the cache, and stores what the application answers.

    Args:
        app: the WSGI application.
        cache: where to store. Default: the process's, see `cachelayer.configure`.
        backend: a backend or URL to store in, instead of `cache`.
        default_ttl: how long a response without freshness of its own is fresh; None: it is not stored.
        rules: `Rule` objects; the first that matches counts.
        cache_status: the cache's name in the Cache-Status field; None adds the field to nothing.
        route: given the environ, returns the route of a request that `environ["cachelayer.route"]` does not name.
        options: the further ones of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work (a ValueError).
        OptionTypeError: an option is unknown or has the wrong type, or `app` is no WSGI application (a TypeError).
    """

    #: Names the route where `route=` does not say how; for integrations.
    default_route: ClassVar[Any] = None

    def __init__(
        self,
        app: WSGIApplication,
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
        self.app = app
        self._caching = Caching(
            cache=cache,
            backend=backend,
            route=route or self.default_route,
            default_ttl=default_ttl,
            rules=rules,
            cache_status=cache_status,
            **options,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        bound = self._caching.bound or self._caching.bind()
        if bound.cache in environ.get(PASSED, ()):
            # Outside is another one over the same cache: what it lets through was meant to reach the application.
            return self.app(environ, start_response)
        if bound.passing and (target := target_of(environ)) is not None:
            # The application may change its environ before a closer look is taken.
            passing = bound.let_through(target, functools.partial(request_of, dict(environ)))
            if passing is not None:
                return _Passing(passing, environ, start_response, target).run(self.app)
        request = request_of(environ)
        if request.method in WITH_CONTENT and needs_content(request, bound.policy):
            request = with_content(request, environ)
        behind = request.content is None
        found = (
            bound.find_here(request, behind=behind)
            if bound.local
            else run(bound.find(request, behind=behind))
        )
        if not isinstance(found, Answer):
            _keep_fields(found)
        if isinstance(found, Exchange):
            target = target_of(environ) if bound.may_pass else None
            return _Forwarding(found, environ, start_response, target).run(self.app)
        if isinstance(found, Behind):
            run(found.begin(functools.partial(_fetch, self.app, dict(environ), found)))
            found = found.answer
        stored = _native_again(found.stored) if bound.local else native(found.stored)
        start_response(status_line(found), [*stored, *map(_native_line, found.added)])
        # Not [b""]: for that some servers would add a Content-Length of 0, also to a 304 and to HEAD.
        return [found.body] if found.body else []

    def shadow_report(self) -> ShadowReport:
        """Return what a middleware with `shadow=True` has seen.

        Raises:
            ConfigurationError: this one serves from the cache.
        """
        return self._caching.shadow_report()

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted: per route, per function, per backend."""
        return self._caching.stats()


def check_app(app: object) -> None:
    """Raise OptionTypeError unless `app` can be called as a WSGI application."""
    remedy = (
        "pass the application itself: CacheMiddleware(app), or app.wsgi_app = CacheMiddleware(app.wsgi_app)"
    )
    # Of classes only those are applications whose instances are what goes out (PEP 3333, "The Application Side").
    if not callable(app) or (isinstance(app, type) and not hasattr(app, "__iter__")):
        raise OptionTypeError(f"app must be a WSGI application, not {app!r}; {remedy}")
    asgi = "; ASGI applications go into cachelayer.asgi.CacheMiddleware"
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        raise OptionTypeError(f"app must be a WSGI application, but {app!r} is a coroutine function{asgi}")
    try:
        # Of the application itself: a decorator that makes one of a view keeps the view's as that which it wraps.
        signature = inspect.signature(app, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # Not every callable has one to look at.
    try:
        signature.bind({}, None)
    except TypeError:
        raise OptionTypeError(
            f"app must take (environ, start_response), but {app!r} takes {signature}; {remedy}{asgi}"
        ) from None


# -- from WSGI to the engine and back ---------------------------------------------------------------------------


class _Fields:
    """The fields of an environ, made when somebody looks at them: for most hits nobody does."""

    __slots__ = ("_environ",)

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def keep(self) -> None:
        """Stay as they are now: applications change the environ that they are given, as they may."""
        self._environ = dict(self._environ)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._environ.items():
            if (key.startswith("HTTP_") or key in _UNPREFIXED) and isinstance(value, str):
                yield _field_name(key), value.encode("latin-1", "backslashreplace")


def _keep_fields(found: Exchange | Behind) -> None:
    """Keep the fields of a request whose response may be stored: what selects it is what the client has sent."""
    fields = found.plan.request.headers
    if isinstance(fields, _Fields):
        fields.keep()


#: The two fields that CGI, and WSGI after it, give other names.
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def environ_key(field: bytes) -> str:
    """Return where an environ has a field, but for the two that have other names."""
    return "HTTP_" + field.decode("latin-1").upper().replace("-", "_")


#: Where those fields stand that matter to a cache, but for Host, which every request has.
_RELEVANT: Final = {
    key: name
    for name in RELEVANT - {b"host"}
    for key in (environ_key(name), environ_key(name).removeprefix("HTTP_"))
    if key.startswith("HTTP_") or key in _UNPREFIXED
}
#: A server that has checked who it is may keep the Authorization field to itself.
_REMOTE_USER: Final = "REMOTE_USER"
_RELEVANT_KEYS: Final = frozenset({*_RELEVANT, _REMOTE_USER})
_NOTHING: Final[FieldLines] = {}


def request_of(environ: WSGIEnvironment) -> Request:
    """Return the request that an environ stands for; where it breaks PEP 3333, one that no cache answers."""
    try:
        sent: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        given: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        path, original = request_path(sent.partition("?")[0].encode("latin-1"), given.encode("latin-1"))
        return Request(
            environ["REQUEST_METHOD"],
            environ["wsgi.url_scheme"],
            path,
            environ.get("QUERY_STRING", "").encode("latin-1"),
            _Fields(environ),
            environ["HTTP_HOST"].encode("latin-1") if "HTTP_HOST" in environ else _server(environ),
            original,
            _NOTHING if _RELEVANT_KEYS.isdisjoint(environ) else _relevant(environ),
        )
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):
        return Request(str(environ.get("REQUEST_METHOD")), "http", b"", b"", ())


#: Content-Length is empty where some servers give it for want of one.
_EXAMINED: Final = frozenset(map(environ_key, EXAMINED - {b"content-length"}))
_TARGET: Final = operator.itemgetter(
    "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"
)


def target_of(environ: WSGIEnvironment) -> Target | None:
    """Return what a GET asks for, as far as it is told from others that are let through; None: look closer."""
    if environ.get("REQUEST_METHOD") != "GET" or environ.get("CONTENT_LENGTH"):
        return None
    if not _EXAMINED.isdisjoint(environ):
        return None
    try:
        sent: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        return (*_TARGET(environ), sent)
    except KeyError:
        return None


def with_content(request: Request, environ: WSGIEnvironment) -> Request:
    """Return the request with its body, if that is not too long for the key; the application reads it all the same."""
    given = environ.get("CONTENT_LENGTH") or "0"
    length = int(given) if given.isdecimal() and len(given) <= 10 else MAX_CONTENT_BYTES + 1
    if length > MAX_CONTENT_BYTES or "HTTP_TRANSFER_ENCODING" in environ:
        return request
    content = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(content)
    # Shorter than announced: the application will say what it thinks of it.
    return msgspec.structs.replace(request, content=content) if len(content) == length else request


def _relevant(environ: WSGIEnvironment) -> FieldLines:
    fields: dict[bytes, tuple[bytes, ...]] = {}
    for key in _RELEVANT_KEYS & environ.keys():
        value, name = environ[key].encode("latin-1"), _RELEVANT.get(key, b"authorization")
        if key == _REMOTE_USER and not value:
            continue
        # Some servers give a Content-Length of "" where there is none.
        if value or key not in _UNPREFIXED:
            fields[name] = (*fields.get(name, ()), value)
    return fields


def _field_name(key: str) -> bytes:
    # Latin-1 has no capital of "µ": what a server made of it is not even that.
    return key.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1", "backslashreplace")


def _server(environ: WSGIEnvironment) -> bytes:
    """Return the server's own name, for requests without Host."""
    name: str = environ["SERVER_NAME"]
    return (
        (f"[{name}]" if ":" in name else name).encode("latin-1")
        + b":"
        + str(environ["SERVER_PORT"]).encode("latin-1")
    )


def head_of(status: str, headers: list[tuple[str, str]]) -> ResponseHead | None:
    """Return the head that an application starts a response with; None where it is not as PEP 3333 says."""
    try:
        fields = tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
        code = int(status[:3])
        phrase = b"" if status == _STATUS_LINES.get(code) else status[4:].encode("latin-1")
    except (AttributeError, TypeError, ValueError):
        return None  # The server will say what it thinks of it.
    return ResponseHead(code, fields, phrase)


_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def status_line(answer: Answer) -> str:
    """Return the status with its reason phrase."""
    if answer.phrase:
        return f"{answer.status} {answer.phrase.decode('latin-1')}"
    return _STATUS_LINES.get(answer.status) or f"{answer.status} "


def native(headers: Headers) -> list[tuple[str, str]]:
    """Return fields as WSGI has them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


@functools.lru_cache(maxsize=4096)
def _native_line(line: tuple[bytes, bytes]) -> tuple[str, str]:
    """Do as `native` does, for lines that come again and again, such as Age and Cache-Status."""
    return line[0].decode("latin-1"), line[1].decode("latin-1")


#: The fields of entries in this process's memory, made once for each entry; by identity, with what has it.
_natives: dict[int, tuple[Headers, list[tuple[str, str]]]] = {}
_MOST_NATIVES: Final = 1000
#: Longer ones are made anew each time, so that what is remembered stays small.
_LONGEST_NATIVE: Final = 4096


def _native_again(headers: Headers) -> list[tuple[str, str]]:
    known = _natives.get(id(headers))
    if known is not None and known[0] is headers:
        return known[1]
    if len(_natives) >= _MOST_NATIVES:
        _natives.clear()
    made = native(headers)
    if sum(len(name) + len(value) for name, value in headers) <= _LONGEST_NATIVE:
        _natives[id(headers)] = (headers, made)
    return made


_CONDITIONS: Final = frozenset(map(environ_key, CONDITIONS))


def make_conditional(environ: WSGIEnvironment, conditions: Headers) -> Callable[[], None]:
    """Put fields in place of the request's own conditions; return what undoes it."""
    own = {key: environ.pop(key) for key in _CONDITIONS & environ.keys()}
    environ.update((environ_key(name), value.decode("latin-1")) for name, value in conditions)

    def undo() -> None:
        for key in _CONDITIONS & environ.keys():
            del environ[key]
        environ.update(own)

    return undo


class _Forwarding:
    """One request that the application answers."""

    def __init__(
        self,
        exchange: Exchange,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        target: Target | None,
    ) -> None:
        self.exchange, self._environ, self._start_response = exchange, environ, start_response
        self.started = False
        self._target = target
        self._undo: Callable[[], None] | None = None
        self._again: tuple[WSGIApplication, WSGIEnvironment] | None = None
        self._write: Callable[[bytes], object] = _not_started

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application, and return its iterable, or one in its place where it has to be watched."""
        exchange, environ = self.exchange, self._environ
        environ[PASSED] = (*environ.get(PASSED, ()), exchange.bound.cache)
        try:
            fencing = exchange.prepare()
            answer = None if fencing is None else run(fencing)
            if answer is not None:
                return self._answered(answer)
            conditions = exchange.conditions
            if conditions is not None:
                self._again = app, {**environ, "wsgi.input": io.BytesIO()}
                self._undo = make_conditional(environ, conditions)
            return self._respond(app, environ)
        except BaseException as error:
            rescued = self.rescued(error)
            if rescued is not None:
                return rescued
            self.end(error)
            raise

    def _respond(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        return self.response(self.call(app, environ, self.start))

    def response(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the application gave, or what stands in its place."""
        exchange = self.exchange
        # A generator may call start_response only when it is asked for its first part.
        if not self.started:
            return _Body(self, result)
        if exchange.is_replaced:
            return self.replaced(result)
        if exchange.is_early or (exchange.collecting and not isinstance(result, (list, tuple))):
            return _Body(self, result)
        if exchange.collecting:
            self._take(result)
        self.end()
        return result

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call the application, or what it gave, so that it can speak of the caching of its response."""
        if self.exchange.plan.key is None:
            return function(*args)
        token = self.exchange.enter()
        try:
            return function(*args)
        finally:
            self.exchange.leave(token)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Be the application's start_response."""
        exchange = self.exchange
        if self._write is not _not_started:
            exchange.stale = None  # The server has a head already: nothing can stand in for this one.
        sent = exchange.start(head_of(status, headers), self._environ, self._environ.get(OBJECTION))
        if self._target is not None:
            exchange.bound.note_passing(exchange, self._target)
        if exchange.due is not None:
            run(exchange.due)
        if exchange.is_replaced:
            self.started = True
            return _drop
        fields = headers if sent is None else native(sent)
        # The server is told of an error even if it has the head already: then it raises.
        write = (
            self._start_response(status, fields, exc_info)
            if exc_info
            else self._start_response(status, fields)
        )
        self.started = True
        self._write = write
        return self.write if exchange.collecting else write

    def write(self, data: bytes) -> object:
        """Be the application's write."""
        self.feed(data)
        self.exchange.hold()
        try:
            return self._write(data)
        finally:
            self.exchange.resume()

    def feed(self, data: bytes) -> None:
        """Take a part of the body; what is whole by its Content-Length is stored before this part goes out."""
        due = self.exchange.take(data)
        if due is not None:
            run(due)

    def finish(self) -> None:
        """Note that the application has nothing more to say."""
        run(self.exchange.finish())
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Note that this request is over."""
        closing = self.exchange.end(self._environ, error)
        if closing is not None:
            run(closing)
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def replaced(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Send what is stored in place of the application's response, which nobody reads; or ask once more."""
        close = getattr(result, "close", None)
        if close is not None:
            close()
        if not self.exchange.asks_again or self._again is None:
            return self._answered(run(self.exchange.replace()))
        self.exchange.ask_again()
        self.started = False
        return self._respond(*self._again)

    def rescued(self, error: BaseException) -> list[bytes] | None:
        """Send what is stored where the application raised before its response began; None: nothing can be sent."""
        if not isinstance(error, Exception) or self._write is not _not_started:
            return None
        rescuing = self.exchange.rescue(error)
        return None if rescuing is None else self._answered(run(rescuing))

    def _answered(self, answer: Answer) -> list[bytes]:
        self.end()
        self._start_response(status_line(answer), native(answer.headers))
        return [answer.body] if answer.body else []

    def _take(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self.exchange.feed(part)
        run(self.exchange.finish())


class _Passing:
    """One request that is let through, with a glance at its response."""

    __slots__ = ("_environ", "_forwarding", "_passing", "_start_response", "_target")

    def __init__(
        self, passing: Passing, environ: WSGIEnvironment, start_response: StartResponse, target: Target
    ) -> None:
        self._passing, self._environ, self._start_response = passing, environ, start_response
        self._target = target
        #: Once it takes a closer look.
        self._forwarding: _Forwarding | None = None

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application, and return its iterable, or one in its place where it has to be watched."""
        passing, environ = self._passing, self._environ
        environ[PASSED] = (*environ.get(PASSED, ()), passing.bound.cache)
        token = passing.enter()
        try:
            result = app(environ, self.start)
        except BaseException as error:
            if passing.reason is None:
                self._take_up().end(error)
            raise
        finally:
            passing.leave(token)
        return result if passing.reason is not None else self._take_up().response(result)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Be the application's start_response."""
        added = None
        if self._forwarding is None and OBJECTION not in self._environ:
            added = self._passing.start(head_of(status, headers), self._environ)
        if added is None:
            return self._take_up().start(status, headers, exc_info)
        fields = [*headers, *native(added)] if added else headers
        return (
            self._start_response(status, fields, exc_info)
            if exc_info
            else self._start_response(status, fields)
        )

    def _take_up(self) -> _Forwarding:
        if self._forwarding is None:
            exchange = self._passing.take_up()
            self._forwarding = _Forwarding(exchange, self._environ, self._start_response, self._target)
        return self._forwarding


def _not_started(data: bytes) -> object:
    raise AssertionError("write() before start_response()")


def _drop(data: bytes) -> None:
    """Be the write of a response that nobody gets."""


class _Body:
    """The application's iterable on its way to the server: one part out for each part in."""

    def __init__(self, forwarding: _Forwarding, result: Iterable[bytes]) -> None:
        self._forwarding, self._result = forwarding, result
        self._parts: Iterator[bytes] = iter(result)
        self._instead: Iterator[bytes] | None = None

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        if self._instead is not None:
            return next(self._instead)
        forwarding = self._forwarding
        forwarding.exchange.resume()
        try:
            # Before its response begins it may still speak of it.
            part = next(self._parts) if forwarding.started else forwarding.call(self._parts.__next__)
        except StopIteration:
            if forwarding.exchange.is_replaced:
                return self._replaced()
            forwarding.finish()
            raise
        except BaseException as error:
            rescued = forwarding.rescued(error)
            if rescued is not None:
                self._instead = iter(rescued)
                return next(self._instead)
            forwarding.end(error)
            raise
        if forwarding.exchange.is_replaced:
            return self._replaced()
        forwarding.feed(part)
        forwarding.exchange.hold()
        return part

    def _replaced(self) -> bytes:
        result, self._result = self._result, ()
        self._result = self._forwarding.replaced(result)
        self._instead = iter(self._result)
        return next(self._instead)

    def close(self) -> None:
        """Close the application's iterable, once; a body that was not asked for to its end is not stored."""
        self._forwarding.end()
        result, self._result = self._result, ()
        close = getattr(result, "close", None)
        if close is not None:
            close()


# -- behind the client's back -----------------------------------------------------------------------------------


def _fetch(app: WSGIApplication, environ: WSGIEnvironment, found: Behind, conditions: Headers) -> Fetched:
    """Ask the application for what a request was for, whose client has its answer already."""
    environ = {**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    # What the server offers for the one connection.
    for key in ("wsgi.file_wrapper", "wsgi.input_terminated", "gunicorn.socket", "werkzeug.socket"):
        environ.pop(key, None)
    environ[PASSED] = (*environ.get(PASSED, ()), found.bound.cache)
    make_conditional(environ, conditions)
    if environ["REQUEST_METHOD"] == "HEAD":
        environ["REQUEST_METHOD"] = "GET"  # What is stored is what GET gives.
    head: list[ResponseHead | None] = []
    parts = _Parts(found.bound.policy.max_body_bytes)

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        head[:] = [head_of(status, headers)]
        return parts.add

    result = app(environ, start)
    try:
        for part in result:
            parts.add(part)
            if parts.are_too_many:
                break
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return Fetched(head[0] if head else None, parts.whole, environ, environ.get(OBJECTION))


class _Parts:
    """The parts of a body, as long as they are not too long together."""

    def __init__(self, limit: int) -> None:
        self._left, self._parts = limit, list[bytes]()

    @property
    def are_too_many(self) -> bool:
        """Whether the body is too long."""
        return self._left < 0

    @property
    def whole(self) -> bytes | None:
        """The body, or None where it is too long."""
        return None if self.are_too_many else b"".join(self._parts)

    def add(self, part: bytes) -> None:
        """Take a part."""
        self._left -= len(part)
        if self.are_too_many:
            self._parts = []
        else:
            self._parts.append(part)
