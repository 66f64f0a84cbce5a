"""The ASGI and WSGI applications as servers and the cache's own middlewares know them."""

import asyncio
from io import BytesIO
from typing import Any
from wsgiref.validate import validator

import anyio
import pytest

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.dashboard.messages import MOST_BODY_BYTES, Request, Response
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.asgi.support import scope as scope_of
from tests.dashboard.support import PURGER, basic, make_dashboard
from tests.wsgi.support import environ as environ_of


def call(app: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an ASGI application sends when it receives these messages."""
    waiting, sent = list(messages), []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_lifespan_is_answered():
    """A dashboard that is served by itself starts and ends with its server."""
    sent = call(
        make_dashboard().asgi_app,
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_websockets_are_closed():
    """It has none."""
    assert call(make_dashboard().asgi_app, {"type": "websocket"}) == [
        {"type": "websocket.close", "code": 1000}
    ]


def test_other_protocols_are_refused():
    """As the specification asks for."""
    with pytest.raises(RuntimeError, match="HTTP"):
        call(make_dashboard().asgi_app, {"type": "smtp"})


def test_a_client_that_has_gone_is_not_answered():
    """Its body will never be whole."""
    assert call(make_dashboard().asgi_app, scope_of("/"), {"type": "http.disconnect"}) == []


def test_a_body_is_read_to_its_limit():
    """In parts, and no further than one byte too many."""
    asked: list[Request] = []
    dashboard = make_dashboard()
    dashboard.respond = lambda request: asked.append(request) or Response()  # type: ignore[method-assign] # to see it
    part = {"type": "http.request", "body": b"x" * 40_000, "more_body": True}
    call(dashboard.asgi_app, scope_of("/purge"), part, part)
    call(dashboard.asgi_app, scope_of("/purge"), part, {"type": "http.request", "body": b"y"})
    assert [len(request.body) for request in asked] == [MOST_BODY_BYTES + 1, 40_001]


def test_lines_of_one_name_are_joined():
    """Two Authorization fields are none that anybody knows."""
    lines = [(name.encode(), value.encode()) for name, value in basic(PURGER).items()]
    sent = call(make_dashboard().asgi_app, scope_of("/", *lines, *lines), {"type": "http.request"})
    assert sent[0]["status"] == 401


def test_it_runs_under_trio():
    """In a thread of anyio's, since asyncio has none there."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(make_dashboard().asgi_app, scope_of("/"), receive, send, backend="trio")
    assert sent[0]["status"] == 401


def test_it_is_a_proper_wsgi_application():
    """The standard library's validator has nothing to say against it."""
    app = validator(make_dashboard().wsgi_app)
    started: list[Any] = []
    result: Any = app(
        environ_of("/", SCRIPT_NAME="/cache"), lambda *given: started.append(given) or (lambda _: None)
    )
    body = b"".join(result)
    result.close()
    assert started[0][0] == "401 Unauthorized"
    assert dict(started[0][1])["Content-Length"] == str(len(body))


@pytest.mark.parametrize("length", ["", "x", "-5", "0"])
def test_a_body_without_a_length_is_none(length: str):
    """Reading on might wait for ever."""
    seen: list[Request] = []
    dashboard = make_dashboard()
    dashboard.respond = lambda request: seen.append(request) or Response()  # type: ignore[method-assign] # to see it
    given = environ_of("/purge", CONTENT_LENGTH=length, **{"wsgi.input": BytesIO(b"kind=tag")})
    dashboard.wsgi_app(given, lambda *_: lambda _: None)
    assert seen[0].body == b""


def test_a_path_is_decoded():
    """WSGI hands over its bytes as latin-1."""
    seen: list[Request] = []
    dashboard = make_dashboard()
    dashboard.respond = lambda request: seen.append(request) or Response()  # type: ignore[method-assign] # to see it
    dashboard.wsgi_app(environ_of("/ü".encode().decode("latin-1")), lambda *_: lambda _: None)
    assert seen[0].path == "/ü"


def test_looking_is_not_counted_by_asgi():
    """Mounted in an application that is cached, it is no part of the figures, and is not stored [observability 13]."""
    cache = Cache()
    middleware = AsgiMiddleware(make_dashboard().asgi_app, cache=cache, default_ttl=60)
    for _ in range(2):
        assert call(middleware, scope_of("/"), {"type": "http.request"})[0]["status"] == 401
    assert cache.stats().total.requests == 0
    assert cache.stats().routes == {}


def test_looking_is_not_counted_by_wsgi():
    """The same under WSGI [observability 13]."""
    cache = Cache()
    middleware = WsgiMiddleware(make_dashboard().wsgi_app, cache=cache, default_ttl=60)
    for _ in range(2):
        result: Any = middleware(environ_of("/"), lambda *_: lambda _: None)
        list(result)
        if hasattr(result, "close"):
            result.close()
    assert cache.stats().total.requests == 0
