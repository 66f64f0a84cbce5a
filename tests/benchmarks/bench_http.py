"""Hits and uncacheable requests through the middlewares, in process, beside an app that only answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.benchmarks.runner import Case, compare, show

BODY = b"x" * 2048
HEADERS = [
    (b"host", b"example.org"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"connection", b"keep-alive"),
]
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/items",
    "raw_path": b"/items",
    "query_string": b"page=2",
    "root_path": "",
    "headers": HEADERS,
    "server": ("example.org", 80),
    "client": ("127.0.0.1", 5000),
}
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/items",
    "QUERY_STRING": "page=2",
    "SERVER_NAME": "example.org",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.url_scheme": "http",
    **{f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in HEADERS},
}


def asgi_app(cache_control: bytes) -> Any:
    """Return an ASGI app that answers with 2 KB of JSON."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"2048"),
            (b"cache-control", cache_control),
        ],
    }
    body = {"type": "http.response.body", "body": BODY}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start)
        await send(body)

    return app


def wsgi_app(cache_control: str) -> Any:
    """Return a WSGI app that answers with 2 KB of JSON."""
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", "2048"),
        ("Cache-Control", cache_control),
    ]

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return [BODY]

    return app


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass


def _asgi(app: Any) -> Case:
    async def loop(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            await app(dict(SCOPE), _receive, _send)
        return time.perf_counter() - started

    return lambda count: asyncio.run(loop(count))


def _write(data: bytes) -> object:
    raise NotImplementedError


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return _write


def _wsgi(app: Any) -> Case:
    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            body = app(dict(ENVIRON), _start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()
        return time.perf_counter() - started

    return run


def bench_asgi() -> None:
    """An ASGI hit, and a request that is not cacheable."""
    cases = {
        "constant app": _asgi(asgi_app(b"max-age=60")),
        "cachelayer, hit": _asgi(AsgiMiddleware(asgi_app(b"max-age=60"), cache=Cache())),
        "cachelayer, uncacheable": _asgi(AsgiMiddleware(asgi_app(b"no-store"), cache=Cache())),
    }
    goals = {
        "cachelayer, hit": "5 us where the app takes 0.32",
        "cachelayer, uncacheable": "5 us more than the app",
    }
    show("ASGI, 2 KB of JSON", compare(cases, number=5000), goals)


def bench_wsgi() -> None:
    """A WSGI hit, and a request that is not cacheable."""
    cases = {
        "constant app": _wsgi(wsgi_app("max-age=60")),
        "cachelayer, hit": _wsgi(WsgiMiddleware(wsgi_app("max-age=60"), cache=Cache())),
        "cachelayer, uncacheable": _wsgi(WsgiMiddleware(wsgi_app("no-store"), cache=Cache())),
    }
    goals = {
        "cachelayer, hit": "5 us where the app takes 0.24",
        "cachelayer, uncacheable": "5 us more than the app",
    }
    show("WSGI, 2 KB of JSON", compare(cases, number=5000), goals)
