"""Caching for WSGI applications: a plain WSGI middleware (PEP 3333), and a thin shell around `cachelayer.exchange`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Unpack
from urllib.parse import quote, unquote_to_bytes

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange import Caching, Exchange, Options, Route
from cachelayer.flow.drivers import run
from cachelayer.http import Answer, Headers, Request, ResponseHead, Rule
from cachelayer.stats import StatsSnapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SAFE: Final = "/~!$&'()*+,;=:@"


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
            route=route,
            default_ttl=default_ttl,
            rules=rules,
            cache_status=cache_status,
            **options,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        exchange = self._caching.begin(request_of(environ))
        answer = exchange.find_here() if exchange.local else run(exchange.find())
        if answer is None:
            return _Forwarding(exchange, environ, start_response).run(self.app)
        start_response(status_line(answer), native(answer.headers))
        return [answer.body]

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted: per route, per function, per backend."""
        return self._caching.stats()


def check_app(app: object) -> None:
    """Raise OptionTypeError unless `app` can be called as a WSGI application."""
    remedy = "pass the application itself: CacheMiddleware(app), or app.wsgi_app = CacheMiddleware(app.wsgi_app)"
    if isinstance(app, type) or not callable(app):
        raise OptionTypeError(f"app must be a WSGI application, not {app!r}; {remedy}")
    asgi = "; ASGI applications go into cachelayer.asgi.CacheMiddleware"
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        raise OptionTypeError(f"app must be a WSGI application, but {app!r} is a coroutine function{asgi}")
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return  # Not every callable has one to look at.
    try:
        signature.bind({}, None)
    except TypeError:
        raise OptionTypeError(
            f"app must take (environ, start_response), but {app!r} takes {signature}; {remedy}{asgi}"
        ) from None


# -- from WSGI to the engine and back ---------------------------------------------------------------------------


class _Names(dict[str, bytes]):
    """The field name that an environ key stands for, b"" for none; as many as there are in practice."""

    def __missing__(self, key: str) -> bytes:
        name = b""
        if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = key.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1", "replace")
        if len(self) < 1000:
            self[key] = name
        return name


_NAMES: Final = _Names()


def request_of(environ: WSGIEnvironment) -> Request:
    """Return the request that an environ stands for."""
    headers = tuple([(name, value.encode("latin-1")) for key, value in environ.items() if (name := _NAMES[key])])
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    raw = (environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0].encode("latin-1")
    if raw != path.encode("latin-1") and unquote_to_bytes(raw) != path.encode("latin-1"):
        raw = quote(path, safe=_SAFE, encoding="latin-1").encode()
    host = None if "HTTP_HOST" in environ else f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}".encode("latin-1")
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    return Request(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"], raw, query, headers, host)


_PHRASES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def status_line(answer: Answer) -> str:
    """Return the status with its reason phrase."""
    return _PHRASES.get(answer.status) or f"{answer.status} Unknown"


def native(headers: Headers) -> list[tuple[str, str]]:
    """Return fields as WSGI has them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


class _Forwarding:
    """One request that the application answers."""

    def __init__(self, exchange: Exchange, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._exchange, self._environ, self._start_response = exchange, environ, start_response
        self._started = False
        self._write: Callable[[bytes], object] = _no_write

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        exchange = self._exchange
        try:
            run(exchange.prepare())
            result = app(self._environ, self.start)
        except BaseException as error:
            self.end(error)
            raise
        if self._started and not exchange.collecting:
            self.end()
            return result
        if self._started and (type(result) is list or type(result) is tuple):
            for part in result:
                exchange.feed(part)
            run(exchange.finish())
            self.end()
            return result
        return _Body(self, result)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        head = ResponseHead(
            int(status[:3]), tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
        )
        sent = self._exchange.start(head, self._environ)
        self._started = True
        fields = headers if sent is head.headers else native(sent)
        self._write = self._start_response(status, fields, *(() if exc_info is None else (exc_info,)))
        return self.write if self._exchange.collecting else self._write

    def write(self, data: bytes) -> object:
        self.feed(data)
        return self._write(data)

    def feed(self, data: bytes) -> None:
        exchange = self._exchange
        exchange.feed(data)
        if exchange.full:
            run(exchange.finish())

    def finish(self) -> None:
        run(self._exchange.finish())
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        self._exchange.end(self._environ, error)


def _no_write(data: bytes) -> object:
    raise AssertionError("write() before start_response()")


class _Body:
    """The application's iterable on its way to the server, one part for each part."""

    def __init__(self, forwarding: _Forwarding, result: Iterable[bytes]) -> None:
        self._forwarding, self._result = forwarding, result
        self._parts: Iterator[bytes] = iter(result)

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            part = next(self._parts)
        except StopIteration:
            self._forwarding.finish()
            raise
        except BaseException as error:
            self._forwarding.end(error)
            raise
        self._forwarding.feed(part)
        return part

    def close(self) -> None:
        self._forwarding.end()
        result, self._result = self._result, ()
        close = getattr(result, "close", None)
        if close is not None:
            close()
