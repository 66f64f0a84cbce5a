"""A pytest plugin: the middleware stands around every ASGI application that a foreign test suite makes.

    python -m pytest -p asgi_plugin tests

With Cache-Status switched off nothing may differ from a run without it. The test clients of Starlette (FastAPI's too),
httpx and httpx2 get the application wrapped; Falcon's applications are wrapped where they are called.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from cachelayer import Cache, Outcome
from cachelayer.asgi import CacheMiddleware

#: The caches of all applications that were wrapped.
_caches: Final[list[Cache]] = []


class Around(CacheMiddleware):
    """The middleware with the application's own attributes, which tests look at through their client."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)


def around(app: Any) -> Any:
    """Return the application with the middleware around it, over a cache of its own."""
    cache = Cache()
    _caches.append(cache)
    return Around(app, cache=cache, cache_status=None)


def wrap_client(module: str, name: str) -> None:
    """Let a test client's class call its application through the middleware."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return
    client: Any = getattr(importlib.import_module(module), name)
    make: Callable[..., None] = client.__init__

    @functools.wraps(make)
    def wrapped(self: Any, app: Any, *args: Any, **options: Any) -> None:
        make(self, app, *args, **options)
        # As it was made into one of ASGI 3 by the client.
        self.app = around(self.app)

    client.__init__ = wrapped


def wrap_applications(module: str, name: str) -> None:
    """Let a framework's applications be called through the middleware."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return
    kind: Any = getattr(importlib.import_module(module), name)
    call: Callable[..., Any] = kind.__call__
    # By identity, since applications need not be hashable; each is kept, so that no other can have its number.
    made: dict[int, tuple[Any, Any]] = {}

    @functools.wraps(call)
    async def wrapped(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if id(self) not in made:

            async def inner(scope: Any, receive: Any, send: Any) -> None:
                await call(self, scope, receive, send)

            made[id(self)] = self, around(inner)
        await made[id(self)][1](scope, receive, send)

    kind.__call__ = wrapped


def pytest_configure() -> None:
    """Wrap, before any test module is imported."""
    wrap_client("starlette.testclient", "TestClient")  # lifespan
    wrap_client("starlette.testclient", "_TestClientTransport")  # requests and websockets
    wrap_client("httpx", "ASGITransport")
    wrap_client("httpx2", "ASGITransport")
    wrap_applications("falcon.asgi", "App")


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
