"""Hits and uncacheable requests through the middlewares, in process, beside an app that only answers, and others.

starlette-caches is not among them: its releases require a Starlette before 1.0.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
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


def _asgi(app: Any, runner: asyncio.Runner) -> Case:
    async def loop(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            await app(dict(SCOPE), _receive, _send)
        return time.perf_counter() - started

    return lambda count: runner.run(loop(count))


def _write(data: bytes) -> object:
    raise NotImplementedError


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return _write


def _wsgi(app: Any) -> Case:
    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            body = app({**ENVIRON, "wsgi.input": io.BytesIO()}, _start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()
        return time.perf_counter() - started

    return run


def starlette_app() -> Any:
    """Return a Starlette application with one route that answers the same."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def items(request: Any) -> Any:
        return Response(BODY, media_type="application/json", headers={"cache-control": "max-age=60"})

    return Starlette(routes=[Route("/items", items)])


def hishel_storage(folder: Path) -> Any:
    """Return hishel's SQLite store, the only one it has for a single host."""
    from hishel import AsyncSqliteStorage

    return AsyncSqliteStorage(database_path=str(folder / "hishel.db"))


def hishel_app(storage: Any) -> Any:
    """Return the constant app within hishel's ASGI cache."""
    from hishel.asgi import ASGICacheMiddleware

    return ASGICacheMiddleware(asgi_app(b"max-age=60"), storage=storage)


def flask_apps() -> dict[str, Any]:
    """Return a Flask application, alone and with Flask-Caching's cached view."""
    from flask import Flask, Response
    from flask_caching import Cache as FlaskCache

    plain, cached = Flask("plain"), Flask("cached")
    cache = FlaskCache(cached, config={"CACHE_TYPE": "SimpleCache"})

    def items() -> Any:
        return Response(BODY, mimetype="application/json", headers={"Cache-Control": "max-age=60"})

    plain.add_url_rule("/items", view_func=items)
    cached.add_url_rule("/items", view_func=cache.cached(timeout=60, query_string=True)(items))
    return {"Flask": plain, "Flask-Caching, hit": cached}


def django_apps() -> dict[str, Any]:
    """Return a Django application, alone and within Django's own cache middleware."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    urls = ModuleType("bench_urls")
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, MIDDLEWARE=[], SECRET_KEY="-")
    django.setup()

    def items(request: Any) -> Any:
        answer = HttpResponse(BODY, content_type="application/json")
        answer["Cache-Control"] = "max-age=60"
        return answer

    urls.urlpatterns = [path("items", items)]
    plain = WSGIHandler()
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    return {"Django": plain, "Django's cache middleware, hit": WSGIHandler()}


def bench_asgi(tmp_path: Path) -> None:
    """An ASGI hit, and a request that is not cacheable; beside Starlette itself and another cache."""
    # One loop for all rounds: a store may be bound to it.
    with asyncio.Runner() as runner:
        apps = {
            "constant app": asgi_app(b"max-age=60"),
            "cachelayer, hit": AsgiMiddleware(asgi_app(b"max-age=60"), cache=Cache()),
            "cachelayer, uncacheable": AsgiMiddleware(asgi_app(b"no-store"), cache=Cache()),
            "Starlette": starlette_app(),
            "cachelayer around Starlette, hit": AsgiMiddleware(starlette_app(), cache=Cache()),
        }
        goals = {
            "cachelayer, hit": "5 us where the app takes 0.32",
            "cachelayer, uncacheable": "5 us more than the app",
        }
        cases = {name: _asgi(app, runner) for name, app in apps.items()}
        show("ASGI, 2 KB of JSON", compare(cases, number=2000), goals)
        storage = hishel_storage(tmp_path)
        others = {"cachelayer, hit": apps["cachelayer, hit"], "hishel, hit": hishel_app(storage)}
        cases = {name: _asgi(app, runner) for name, app in others.items()}
        show("ASGI, 2 KB of JSON: another cache, on SQLite", compare(cases, number=50), {})
        runner.run(storage.close())


def bench_wsgi() -> None:
    """A WSGI hit, and a request that is not cacheable; beside Flask, Django and their caches."""
    cases = {
        "constant app": _wsgi(wsgi_app("max-age=60")),
        "cachelayer, hit": _wsgi(WsgiMiddleware(wsgi_app("max-age=60"), cache=Cache())),
        "cachelayer, uncacheable": _wsgi(WsgiMiddleware(wsgi_app("no-store"), cache=Cache())),
        **{name: _wsgi(app) for name, app in (flask_apps() | django_apps()).items()},
    }
    goals = {
        "cachelayer, hit": "5 us where the app takes 0.24",
        "cachelayer, uncacheable": "5 us more than the app",
    }
    show("WSGI, 2 KB of JSON", compare(cases, number=1000), goals)
