"""Starlette and FastAPI: the middleware in their own ways, and the labels of every kind of route."""

import itertools

import pytest
from cachelayer_starlette import CacheMiddleware, Rule
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient as FastAPIClient
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from cachelayer import Cache

FRESH = {"cache-control": "max-age=60"}


async def show(request: Request) -> JSONResponse:
    """Answer with the path's parameters."""
    return JSONResponse(request.path_params, headers=FRESH)


def gone(request: Request) -> PlainTextResponse:
    """Answer 404 by oneself."""
    return PlainTextResponse("no such thing", 404)


@pytest.mark.parametrize("path", ["/fresh", "/ruled"])
def test_rules_hold_for_an_application_below_a_prefix(path):
    """One that a proxy strips [integrations 4]."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=Cache(), rules=[Rule(path="/ruled", ttl=60)], default_ttl=60)
    numbers = itertools.count(1)
    app.get("/fresh")(lambda: next(numbers))
    app.get("/ruled")(lambda: next(numbers))
    client = FastAPIClient(app, root_path="/api")
    assert [client.get(path).text for _ in range(2)] == ["1", "1"]


class Passing:
    """Middleware that hands on a copy of the scope, so that nothing the router leaves in it comes back."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Serve one connection."""
        await self.app(dict(scope), receive, send)


def starlette(tmp_path, **options):
    """Return an application with every kind of route."""
    (tmp_path / "file.txt").write_text("hello")
    sub = Starlette(routes=[Route("/x/{y:int}", show), Mount("/deep", routes=[Route("/z/{w}", show)])])
    routes = [
        Route("/", show),
        Route("/users/{id:int}", show),
        Route("/gone/{id}", gone),
        Route("/object/{id}", show, methods=["GET", "DELETE"]),
        Mount("/sub", sub),
        Mount("/of/{user}", routes=[Route("/{item}", show), Route("/", show)]),
        Mount("/files", StaticFiles(directory=tmp_path)),
        Mount("/plain", Router([Route("/r/{a}", show)])),
        Host("{tenant}.example.org", Router([Route("/tenant/{a}", show)])),
    ]
    return Starlette(routes=routes, **options)


def fastapi(tmp_path):
    """Return an application with routers within routers, mounts, and its own pages."""
    inner = APIRouter(prefix="/inner")
    outer = APIRouter(prefix="/outer")
    sub = FastAPI()

    @inner.get("/{b}")
    def nested(b: int) -> int:
        return b

    @outer.get("/{a}")
    async def included(a: int) -> int:
        return a

    outer.include_router(inner, prefix="/more")
    app = FastAPI()

    @app.get("/items/{number}")
    def item(number: int) -> int:
        return number

    @sub.get("/things/{number}")
    def thing(number: int) -> int:
        return number

    sub.include_router(outer, prefix="/v1")
    app.include_router(outer, prefix="/api")
    app.mount("/sub", sub)
    app.mount("/star", starlette(tmp_path))
    return app


STARLETTE = [
    ("GET", "/", "GET /"),
    ("GET", "/users/1", "GET /users/{id}"),
    ("HEAD", "/users/1", "HEAD /users/{id}"),
    ("POST", "/users/1", "POST /users/{id}"),
    ("DELETE", "/object/1", "DELETE /object/{id}"),
    ("FOO", "/users/1", "OTHER /users/{id}"),
    ("GET", "/gone/1", "GET /gone/{id}"),
    ("GET", "/sub/x/3", "GET /sub/x/{y}"),
    ("GET", "/sub/deep/z/3", "GET /sub/deep/z/{w}"),
    ("GET", "/of/me/it", "GET /of/{user}/{item}"),
    ("GET", "/of/me/", "GET /of/{user}/"),
    ("GET", "/files/file.txt", "GET /files/{path}"),
    ("GET", "/files/none.txt", "GET /files/{path}"),
    ("GET", "/plain/r/1", "GET /plain/r/{a}"),
    ("GET", "/nothing", "<unmatched>"),
    ("GET", "/users/x", "<unmatched>"),
    ("GET", "/sub/nothing", "<unmatched>"),
    ("GET", "/of/me/it/more", "<unmatched>"),
]
FASTAPI = [
    ("GET", "/items/1", "GET /items/{number}"),
    ("GET", "/items/x", "GET /items/{number}"),
    ("GET", "/api/outer/1", "GET /api/outer/{a}"),
    ("GET", "/api/outer/more/inner/1", "GET /api/outer/more/inner/{b}"),
    ("GET", "/sub/things/1", "GET /sub/things/{number}"),
    ("GET", "/sub/v1/outer/more/inner/1", "GET /sub/v1/outer/more/inner/{b}"),
    ("GET", "/star/of/me/it", "GET /star/of/{user}/{item}"),
    ("GET", "/openapi.json", "GET /openapi.json"),
    ("GET", "/sub/docs", "GET /sub/docs"),
    ("GET", "/nothing", "<unmatched>"),
    ("GET", "/api/outer/x/y", "<unmatched>"),
    ("GET", "/sub/nothing", "<unmatched>"),
]


def labels(app, method, path, **options):
    """Return the labels under which one request is counted."""
    cache = Cache()
    TestClient(CacheMiddleware(app, cache=cache), **options).request(method, path)
    return list(cache.stats().routes)


@pytest.mark.parametrize(("method", "path", "label"), STARLETTE)
def test_a_label_is_the_whole_template_of_a_starlette_route(tmp_path, method, path, label):
    """Through mounts with parameters of their own, of static files, and for what no route is for."""
    assert labels(starlette(tmp_path), method, path) == [label]


@pytest.mark.parametrize(("method", "path", "label"), FASTAPI)
def test_a_label_is_the_whole_template_of_a_fastapi_route(tmp_path, method, path, label):
    """Through included routers, sub-applications and mounts of Starlette's."""
    assert labels(fastapi(tmp_path), method, path) == [label]


@pytest.mark.parametrize(
    ("method", "path", "label"), [row for row in STARLETTE if row[2] != "GET /gone/{id}"]
)
def test_a_label_is_found_though_the_scope_comes_back_empty(tmp_path, method, path, label):
    """Where middleware inside hands on a copy, the routes are asked again."""
    app = starlette(
        tmp_path, middleware=[Middleware(CacheMiddleware, cache=(cache := Cache())), Middleware(Passing)]
    )
    TestClient(app).request(method, path)
    assert list(cache.stats().routes) == [label]


def test_a_mount_without_a_path_adds_nothing():
    """Its routes are labelled as if they stood outside."""
    app = Starlette(routes=[Route("/a", show), Mount("", routes=[Route("/b/{c}", show)])])
    assert labels(app, "GET", "/b/1") == ["GET /b/{c}"]
    assert labels(app, "GET", "/nothing") == ["<unmatched>"]


@pytest.mark.parametrize("root_path", ["", "/proxied"])
@pytest.mark.parametrize("path", ["/sub/x/3", "/users/1"])
def test_the_path_that_a_proxy_strips_is_no_part_of_the_label(tmp_path, root_path, path):
    """`root_path` is where the application is, not which of its routes."""
    expected = {"/sub/x/3": "GET /sub/x/{y}", "/users/1": "GET /users/{id}"}[path]
    assert labels(starlette(tmp_path), "GET", root_path + path, root_path=root_path) == [expected]


def test_the_tenants_of_a_host_route_count_together(tmp_path):
    """A host is no part of a path template."""
    cache = Cache()
    app = CacheMiddleware(starlette(tmp_path), cache=cache)
    for tenant in ("one", "two"):
        TestClient(app, base_url=f"http://{tenant}.example.org").get("/tenant/1")
    assert cache.stats().routes["GET /tenant/{a}"].miss == 2


def test_middleware_within_a_mounted_application_gives_the_whole_template():
    """The template begins at the outermost router."""
    cache = Cache()
    inner = Starlette(routes=[Route("/x/{y}", show)], middleware=[Middleware(CacheMiddleware, cache=cache)])
    TestClient(Starlette(routes=[Mount("/of/{user}", inner)])).get("/of/me/x/1")
    assert list(cache.stats().routes) == ["GET /of/{user}/x/{y}"]


def added(app, cache):
    """Add the middleware to an application that is there."""
    app.add_middleware(CacheMiddleware, cache=cache)
    return app


@pytest.mark.parametrize(
    "make",
    [
        lambda cache: Starlette(
            routes=[Route("/a/{b}", show)], middleware=[Middleware(CacheMiddleware, cache=cache)]
        ),
        lambda cache: added(Starlette(routes=[Route("/a/{b}", show)]), cache),
        lambda cache: CacheMiddleware(Starlette(routes=[Route("/a/{b}", show)]), cache=cache),
    ],
    ids=["in the list", "added", "around"],
)
def test_a_hit_has_the_label_of_its_miss(make):
    """In each of the ways to put the middleware there."""
    cache = Cache()
    client = TestClient(make(cache))
    miss, hit = client.get("/a/1"), client.get("/a/1")
    assert hit.headers["cache-status"].startswith("cachelayer; hit")
    assert (miss.content, cache.stats().routes["GET /a/{b}"].hit) == (hit.content, 1)


def test_fastapi_takes_it_as_it_takes_any_other():
    """`add_middleware` with rules; validation, dependencies and OpenAPI are as before."""
    app, calls = FastAPI(), []
    cache = Cache()
    app.add_middleware(CacheMiddleware, cache=cache, rules=[Rule(path="/items/*", ttl="1m", tags=("items",))])

    @app.get("/items/{number}")
    def item(number: int, q: str = "") -> dict[str, str | int]:
        calls.append(number)
        return {"number": number, "q": q}

    with FastAPIClient(app) as client:
        assert [client.get("/items/1?q=a").json() for _ in range(2)] == [{"number": 1, "q": "a"}] * 2
        assert client.get("/items/x").status_code == 422
        cache.invalidate_tags("items")
        client.get("/items/1?q=a")
    assert calls == [1, 1]
    stats = cache.stats().routes["GET /items/{number}"]
    assert (stats.hit, stats.miss, stats.uncacheable) == (1, 2, 1)


def test_background_tasks_run_once_a_miss():
    """And never on a hit."""
    done = []

    def page(request):
        return PlainTextResponse("a", headers=FRESH, background=BackgroundTask(done.append, 1))

    client = TestClient(CacheMiddleware(Starlette(routes=[Route("/", page)]), cache=Cache()))
    for _ in range(3):
        client.get("/")
    assert done == [1]


def test_streaming_responses_are_stored():
    """Once they are through."""

    def page(request):
        return StreamingResponse(iter(["a", "b"]), headers=FRESH)

    client = TestClient(CacheMiddleware(Starlette(routes=[Route("/", page)]), cache=Cache()))
    assert [client.get("/").text for _ in range(2)] == ["ab", "ab"]
    assert "hit" in client.get("/").headers["cache-status"]


@pytest.mark.parametrize("order", ["gzip inside", "gzip outside"])
def test_both_orders_with_gzip_are_right(order):
    """Stored compressed, with a variant for those who do not accept it; or compressed on the way out."""
    kinds = [
        Middleware(CacheMiddleware, cache=Cache(), default_ttl=60),
        Middleware(GZipMiddleware, minimum_size=10),
    ]
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("hello " * 100))],
        middleware=kinds if order == "gzip inside" else kinds[::-1],
    )
    client = TestClient(app)
    for encoding, expected in (("gzip", "gzip"), ("identity", None), ("gzip", "gzip"), ("identity", None)):
        response = client.get("/", headers={"accept-encoding": encoding})
        assert response.text == "hello " * 100
        assert response.headers.get("content-encoding") == expected
    assert "hit" in response.headers["cache-status"]


def test_an_error_of_a_view_is_the_views():
    """It comes out as it is, and counts as an error of its route."""

    def page(request):
        raise RuntimeError("mine")

    cache = Cache()
    app = Starlette(routes=[Route("/a/{b}", page)], middleware=[Middleware(CacheMiddleware, cache=cache)])
    with pytest.raises(RuntimeError, match="mine"):
        TestClient(app).get("/a/1")
    assert cache.stats().routes["GET /a/{b}"].error == 1


def test_lifespan_and_websockets_go_through():
    """Untouched."""
    events = []

    class Lifespan:
        """Notes when the application starts and stops."""

        def __init__(self, app):
            pass

        async def __aenter__(self):
            events.append("started")

        async def __aexit__(self, *exc):
            events.append("stopped")

    async def talk(socket):
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/ws", talk)], lifespan=Lifespan)
    app.add_middleware(CacheMiddleware, cache=Cache())
    with TestClient(app) as client, client.websocket_connect("/ws") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    assert events == ["started", "stopped"]


class Page(HTTPEndpoint):
    """A class of methods at one path."""

    async def get(self, request):
        """Answer GET."""
        return PlainTextResponse("a")


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "/page/1", "GET /page/{x}"),
        ("PUT", "/page/1", "PUT /page/{x}"),
        ("OPTIONS", "/page/1", "OPTIONS /page/{x}"),
        ("GET", "/in/page/1/", "GET /in/page/{x}/"),
        ("GET", "/in/page/1", "<unmatched>"),
    ],
)
def test_endpoint_classes_and_redirects_to_a_slash(method, path, label):
    """A method that a class lacks is refused by its route; what is sent on to another URL has matched none."""
    app = Starlette(
        routes=[Route("/page/{x}", Page), Mount("/in", routes=[Route("/page/{x}/", Page)])],
    )
    assert labels(app, method, path, follow_redirects=False) == [label]
