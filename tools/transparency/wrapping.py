"""A pytest plugin: the middleware stands around every application that a foreign test suite makes.

    python -m pytest -p wrapping tests

With Cache-Status switched off nothing may differ from a run without it. The ASGI test clients of Starlette (FastAPI's
too), httpx and httpx2 get the application wrapped; the WSGI test clients of Werkzeug (Flask's too) and WebOb (Pyramid's
too) wrap the one they are to call; Falcon's and Bottle's applications are wrapped where they are called.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pkgutil
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from cachelayer import Cache, Outcome, asgi, wsgi

#: The caches of all applications that were wrapped.
_caches: Final[list[Cache]] = []
#: What stands around applications that are met at each request: by identity, since they need not be hashable; each is
#: kept until the test is over, so that no other can have its number.
_met: Final[dict[int, tuple[Any, Any]]] = {}


class Around(asgi.CacheMiddleware):
    """The middleware with the application's own attributes, which tests look at through their client."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)


def around(app: Any, middleware: Callable[..., Any]) -> Any:
    """Return the application with the middleware around it, over a cache of its own."""
    cache = Cache()
    _caches.append(cache)
    return middleware(app, cache=cache, cache_status=None, collapse="NO_COLLAPSE" not in os.environ)


def met(app: Any, middleware: Callable[..., Any], call: Any = None) -> Any:
    """Return what stands around an application, or around what calls it: at each request the same."""
    if id(app) not in _met:
        _met[id(app)] = app, around(call or app, middleware)
    return _met[id(app)][1]


def asgi_client(make: Callable[..., None]) -> Callable[..., None]:
    """Let a test client, of which this is the __init__, have its application wrapped."""

    def wrapped(self: Any, app: Any, *args: Any, **options: Any) -> None:
        make(self, app, *args, **options)
        # As it was made into one of ASGI 3 by the client.
        self.app = around(self.app, Around)

    return wrapped


def asgi_application(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let a framework's applications, of which this is the __call__, be called through the middleware."""

    async def wrapped(self: Any, scope: Any, receive: Any, send: Any) -> None:
        async def inner(scope: Any, receive: Any, send: Any) -> None:
            await call(self, scope, receive, send)

        await met(self, Around, inner)(scope, receive, send)

    return wrapped


def wsgi_application(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let a framework's applications, of which this is the __call__, be called through the middleware."""

    def wrapped(self: Any, environ: Any, start_response: Any) -> Any:
        inner = functools.partial(call, self)
        return met(self, wsgi.CacheMiddleware, inner)(environ, start_response)

    return wrapped


def wsgi_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function call the application that it is given through the middleware."""

    def wrapped(app: Any, *args: Any, **options: Any) -> Any:
        return function(met(app, wsgi.CacheMiddleware), *args, **options)

    return wrapped


def wsgi_method(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method call the application that it is given through the middleware."""

    def wrapped(self: Any, application: Any, *args: Any, **options: Any) -> Any:
        return method(self, met(application, wsgi.CacheMiddleware), *args, **options)

    return wrapped


WRAPPED: Final = {
    "starlette.testclient:TestClient.__init__": asgi_client,  # lifespan
    "starlette.testclient:_TestClientTransport.__init__": asgi_client,  # requests and websockets
    "httpx:ASGITransport.__init__": asgi_client,
    "httpx2:ASGITransport.__init__": asgi_client,
    "falcon.asgi:App.__call__": asgi_application,
    "falcon:App.__call__": wsgi_application,
    "bottle:Bottle.__call__": wsgi_application,
    "werkzeug.test:run_wsgi_app": wsgi_function,
    "webob.request:BaseRequest.call_application": wsgi_method,
}


def pytest_configure() -> None:
    """Wrap, before any test module is imported."""
    for place, wrapper in WRAPPED.items():
        if importlib.util.find_spec(place.partition(":")[0].partition(".")[0]) is not None:
            wrap(place, wrapper)


def pytest_runtest_teardown() -> None:
    """Let go of the test's applications: some tests count what is left."""
    _met.clear()


def wrap(place: str, wrapper: Callable[..., Callable[..., Any]]) -> None:
    """Put a wrapper around what stands at a place, named as entry points are."""
    owner, name = re.split(r"[.:](?=\w+$)", place)
    original = pkgutil.resolve_name(place)
    setattr(pkgutil.resolve_name(owner), name, functools.wraps(original)(wrapper(original)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much went through the middleware: a run in which nothing did would show nothing."""
    counts: Counter[str] = Counter()
    for cache in _caches:
        total = cache.stats().total
        counts.update({outcome.value: getattr(total, outcome.value) for outcome in Outcome})
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    terminalreporter.line(
        f"through the middleware: {len(_caches)} applications, {counts.total()} requests: {told}"
    )
