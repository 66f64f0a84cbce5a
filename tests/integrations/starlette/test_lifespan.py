"""Who opens and closes the store: the middleware what it has opened itself, and nobody what was given to it."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest
from cachelayer_starlette import CacheMiddleware, cached_view
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from cachelayer import BackendClosedError, Cache, asgi
from tests.servers.processes import wait_until


def page(request):
    """Answer something that is fresh."""
    return PlainTextResponse("a", headers={"cache-control": "max-age=60"})


def application(**options):
    """Return an application under the middleware."""
    return Starlette(routes=[Route("/", page)], middleware=[Middleware(CacheMiddleware, **options)])


def is_hit(response):
    """Whether the cache gave this response."""
    return "; hit" in response.headers["cache-status"]


def connections(server):
    """Return how many clients a Redis has, the one that asks apart."""
    return len(server.ask("CLIENT LIST")) - 1


def all_closed(server, before):
    """Wait until the server has noticed that the connections are closed."""
    wait_until(lambda: connections(server) == before, "connections are closed")


@pytest.fixture
def url(redis_server):
    """The URL of a Redis with nothing in it."""
    redis_server.ask("FLUSHALL")
    return redis_server.url


@pytest.mark.parametrize("kind", [CacheMiddleware, asgi.CacheMiddleware], ids=["starlette", "plain"])
def test_what_the_middleware_opened_is_closed_at_shutdown(url, redis_server, kind):
    """No connection is left, though the process lives on [integrations 1]."""
    before = connections(redis_server)
    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(kind, backend=url)])
    with TestClient(app) as client:
        assert [is_hit(client.get("/")) for _ in range(2)] == [False, True]
        assert connections(redis_server) > before
    all_closed(redis_server, before)


def test_it_is_opened_anew_at_the_next_start(url):
    """By another event loop, as tests do; what is stored is still there [integrations 1]."""
    app = application(backend=url)
    for expected in (False, True, True):
        with TestClient(app) as client:
            assert is_hit(client.get("/")) is expected


def test_a_start_without_a_request_opens_nothing(redis_server):
    """There is nothing to close either [integrations 1]."""
    before = connections(redis_server)
    with TestClient(application(backend=redis_server.url)):
        assert connections(redis_server) == before


def test_each_event_loop_has_connections_of_its_own(url):
    """Two at once on one application [integrations 1]."""
    app = application(backend=url)
    with TestClient(app) as outer:
        outer.get("/")

        async def ask():
            sent = []

            async def receive():
                await asyncio.Event().wait()

            async def send(message):
                sent.append(message)

            await app(outer_scope(), receive, send)
            return dict(sent[0]["headers"])[b"cache-status"]

        assert b"; hit" in asyncio.run(ask())
        assert is_hit(outer.get("/"))


def outer_scope():
    """Return the scope of a request as the test client makes it."""
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "server": ("testserver", 80),
        "client": ("testclient", 1),
    }


@pytest.mark.parametrize("given", ["cache", "backend"])
def test_what_was_given_stays_open(given, url):
    """Others may use it: whoever made it closes it [integrations 1]."""
    cache = Cache(url)
    app = application(**({"cache": cache} if given == "cache" else {"backend": cache.backend}))
    with TestClient(app) as client:
        client.get("/")
    with TestClient(app) as client:
        assert is_hit(client.get("/"))
    cache.close()


def test_a_lifespan_closes_the_cache_that_it_made(url, redis_server):
    """With `contextlib.aclosing` [integrations 1]."""
    cache = Cache(url)
    before = connections(redis_server)

    @asynccontextmanager
    async def lifespan(app):
        async with aclosing(cache):
            yield

    @cached_view(ttl=60, cache=cache)
    def view(request):
        return PlainTextResponse("a")

    with TestClient(Starlette(routes=[Route("/", view)], lifespan=lifespan)) as client:
        assert [is_hit(client.get("/")) for _ in range(2)] == [False, True]
    all_closed(redis_server, before)
    with pytest.raises(BackendClosedError):
        cache.backend.get("a")


@pytest.mark.parametrize("fails", ["startup", "shutdown"])
def test_it_is_closed_though_the_application_fails(fails, url, redis_server):
    """And the failure is the application's own [integrations 1]."""
    before = connections(redis_server)

    @asynccontextmanager
    async def lifespan(app):
        if fails == "startup":
            raise RuntimeError("mine")
        yield
        raise RuntimeError("mine")

    app = Starlette(
        routes=[Route("/", page)], lifespan=lifespan, middleware=[Middleware(CacheMiddleware, backend=url)]
    )
    with pytest.raises(RuntimeError, match="mine"), TestClient(app) as client:
        client.get("/")
    all_closed(redis_server, before)


def test_lifespan_messages_and_state_are_untouched():
    """What the application and the server say to each other [integrations 1]."""
    sent = []

    async def app(scope, receive, send):
        scope["state"]["x"] = 1
        assert await receive() == {"type": "lifespan.startup"}
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == {"type": "lifespan.shutdown"}
        await send({"type": "lifespan.shutdown.complete"})

    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    scope = {"type": "lifespan", "state": {}}
    asyncio.run(CacheMiddleware(app, backend="memory://")(scope, receive, send))
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert scope == {"type": "lifespan", "state": {"x": 1}}


def test_an_application_without_lifespan_is_served_all_the_same():
    """It raises when it is asked, and the server goes on without [integrations 1]."""

    async def app(scope, receive, send):
        assert scope["type"] == "http", "no lifespan here"
        await page(None)(scope, receive, send)

    made = CacheMiddleware(app, backend="memory://")
    with pytest.raises(AssertionError, match="no lifespan here"):
        asyncio.run(made({"type": "lifespan"}, None, None))
    assert [is_hit(TestClient(made).get("/")) for _ in range(2)] == [False, True]


def test_a_websocket_is_untouched():
    """Its messages and its scope [integrations 1]."""

    async def talk(socket):
        await socket.accept(subprotocol="chat")
        await socket.send_json({"scope": sorted(key for key in socket.scope if key.startswith("cachelayer"))})
        await socket.close(4000)

    app = Starlette(
        routes=[WebSocketRoute("/ws", talk)], middleware=[Middleware(CacheMiddleware, backend="memory://")]
    )
    with TestClient(app) as client, client.websocket_connect("/ws", subprotocols=["chat"]) as socket:
        assert (socket.accepted_subprotocol, socket.receive_json()) == ("chat", {"scope": []})
        assert socket.receive()["code"] == 4000


def test_wrong_options_are_found_before_the_first_request():
    """Starlette makes its middleware when it starts [integrations 1]."""
    for options, named in (
        ({"default_tll": 60}, "default_tll"),
        ({"backend": "rediss-typo://"}, "rediss-typo"),
        ({"rules": ["/a"]}, "rules"),
    ):
        with pytest.raises((ValueError, TypeError), match=named), TestClient(application(**options)):
            pass
