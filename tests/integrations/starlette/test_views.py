"""`cached_view` on views of Starlette: hits, guards, sessions, streams, and what it leaves alone."""

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from anyio.to_thread import current_default_thread_limiter
from cachelayer_starlette import CacheMiddleware, cached_view
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from cachelayer import Cache, ConfigurationError, KeyingError, OptionTypeError
from tests.servers.processes import wait_until


class Counted:
    """A view that counts its calls, and answers with the count."""

    def __init__(self, headers=None, status=200):
        self.calls, self._headers, self._status = 0, headers or {}, status

    def respond(self):
        """Answer."""
        self.calls += 1
        return PlainTextResponse(f"answer {self.calls}", self._status, dict(self._headers))

    def sync(self, **options):
        """Return it as a sync view under `cached_view`."""

        @cached_view(**options)
        def view(request: Request) -> Response:
            return self.respond()

        return view

    def coroutine(self, **options):
        """Return it as an async view under `cached_view`."""

        @cached_view(**options)
        async def view(request: Request) -> Response:
            return self.respond()

        return view


def client_of(view, path="/page", **options):
    """Return a client of an application with this one route."""
    return TestClient(Starlette(routes=[Route(path, view)], **options))


def is_hit(response):
    """Whether the view's cache gave this response."""
    return "; hit" in response.headers.get("cache-status", "")


@pytest.fixture(params=["sync", "coroutine"])
def colour(request):
    """Sync and async views."""
    return request.param


def test_a_hit_is_the_miss_byte_for_byte(colour):
    """Status, fields and body, Age and Cache-Status apart [integrations 5]."""
    page, cache = Counted({"x-a": "1", "etag": '"e"'}), Cache()
    client = client_of(getattr(page, colour)(ttl=60, cache=cache))
    miss, hit = client.get("/page"), client.get("/page")
    assert is_hit(hit)
    assert page.calls == 1
    own = [[line for line in r.headers.raw if line[0] not in (b"age", b"cache-status")] for r in (miss, hit)]
    assert (own[0], miss.status_code, miss.content) == (own[1], hit.status_code, hit.content)


def test_a_view_is_counted_under_its_route(colour):
    """The miss and the hit, through a mount [integrations 4]."""
    cache = Cache()
    view = getattr(Counted(), colour)(ttl=60, cache=cache)
    app = Starlette(routes=[Mount("/of/{user}", routes=[Route("/{item}", view)])])
    client = TestClient(app)
    client.get("/of/me/it"), client.get("/of/me/it")
    counted = cache.stats().routes
    assert list(counted) == ["GET /of/{user}/{item}"]
    assert (counted["GET /of/{user}/{item}"].miss, counted["GET /of/{user}/{item}"].hit) == (1, 1)


def test_tags_name_parameters_of_the_path(colour):
    """And an invalidation kills the entries that carry them, no others [integrations 5]."""
    page, cache = Counted(), Cache()
    client = client_of(getattr(page, colour)(ttl=60, tags=["user:{id}"], cache=cache), "/users/{id:int}")
    for path in ("/users/1", "/users/2"):
        client.get(path)
    cache.invalidate_tags("user:1")
    assert not is_hit(client.get("/users/1"))
    assert is_hit(client.get("/users/2"))


def test_what_a_view_says_of_its_response_counts(colour):
    """`cache.tag`, `cache.ttl` and `cache.no_store` reach the view's own entry [integrations 6]."""
    cache, calls = Cache(), []

    def respond(request):
        calls.append(request.query_params["as"])
        if request.query_params["as"] == "tagged":
            cache.ttl(60)
            cache.tag("said")
        else:
            cache.no_store()
        return PlainTextResponse("a")

    async def arespond(request):
        return respond(request)

    client = client_of(cached_view(cache=cache)(respond if colour == "sync" else arespond))
    assert [is_hit(client.get("/page?as=tagged")) for _ in range(2)] == [False, True]
    assert [is_hit(client.get("/page?as=unstored")) for _ in range(2)] == [False, False]
    cache.invalidate_tags("said")
    assert not is_hit(client.get("/page?as=tagged"))


def test_an_invalidation_while_the_view_runs_wins():
    """What it computed is not stored [integrations 5]."""
    cache, calls = Cache(), []

    @cached_view(ttl=60, tags=["stock"], cache=cache)
    def page(request):
        calls.append(1)
        if len(calls) == 1:
            cache.invalidate_tags("stock")
        return PlainTextResponse(str(len(calls)))

    client = client_of(page)
    assert [client.get("/page").text for _ in range(3)] == ["1", "2", "2"]


def test_views_of_one_url_do_not_share_entries():
    """Two applications over one cache, and a page of the middleware's [integrations 5]."""
    cache = Cache()

    @cached_view(ttl=60, cache=cache)
    def first(request):
        return PlainTextResponse("first")

    @cached_view(ttl=60, cache=cache)
    def second(request):
        return PlainTextResponse("second")

    def third(request):
        return PlainTextResponse("third", headers={"cache-control": "max-age=60"})

    pages = [client_of(first), client_of(second)]
    pages.append(client_of(third, middleware=[Middleware(CacheMiddleware, cache=cache)]))
    assert [page.get("/page").text for page in [*pages, *pages]] == ["first", "second", "third"] * 2


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer a"},
        {"cookie": "sessionid=a"},
        {"cookie": "anything=a"},
    ],
    ids=["authorization", "session cookie", "any cookie"],
)
def test_a_page_for_one_client_is_given_to_no_other(headers, colour):
    """As the middleware guards it: neither stored for such a request nor reused [integrations 5]."""
    page = Counted()
    client = client_of(getattr(page, colour)(ttl=60, cache=Cache()))
    assert [client.get("/page", headers=headers).text for _ in range(2)] == ["answer 1", "answer 2"]
    client.get("/page"), client.get("/page")
    assert page.calls == 3
    client.get("/page", headers=headers)
    assert page.calls == 4


def test_shared_pages_are_given_to_all(colour):
    """`shared=True` says that the page is the same for all whom its dependencies let through [integrations 5]."""
    page = Counted()
    client = client_of(getattr(page, colour)(ttl=60, cache=Cache(), shared=True))
    for headers in (
        {"authorization": "Bearer a"},
        {"authorization": "Bearer b"},
        {"cookie": "sessionid=c"},
        {},
    ):
        assert client.get("/page", headers=headers).text == "answer 1"


@pytest.mark.parametrize("use", ["read", "write"])
def test_a_page_of_a_session_is_not_stored(use, colour):
    """Whether it reads the session or changes it [integrations 5]."""
    calls = []

    def respond(request):
        calls.append(1)
        if use == "write":
            request.session["n"] = len(calls)
        return PlainTextResponse(f"{request.session.get('n')}")

    async def arespond(request):
        return respond(request)

    view = cached_view(ttl=60, cache=Cache())(respond if colour == "sync" else arespond)
    app = Starlette(
        routes=[Route("/page", view)], middleware=[Middleware(SessionMiddleware, secret_key="a test's")]
    )
    TestClient(app).get("/page"), TestClient(app).get("/page")
    assert len(calls) == 2


class ByKey(AuthenticationBackend):
    """Knows a user by a field of its own."""

    async def authenticate(self, conn):
        """Return the user."""
        if "x-key" in conn.headers:
            return AuthCredentials(["all"]), SimpleUser(conn.headers["x-key"])
        return None


def test_a_page_for_a_logged_in_user_is_neither_stored_nor_reused(colour):
    """However the user was recognised [integrations 5]."""

    def respond(request):
        return PlainTextResponse(request.user.display_name)

    async def arespond(request):
        return respond(request)

    view = cached_view(ttl=60, cache=Cache())(respond if colour == "sync" else arespond)
    app = Starlette(
        routes=[Route("/page", view)], middleware=[Middleware(AuthenticationMiddleware, backend=ByKey())]
    )
    client = TestClient(app)
    assert [client.get("/page").text for _ in range(2)] == ["", ""]
    names = [client.get("/page", headers={"x-key": name}).text for name in ("ann", "bo")]
    assert names == ["ann", "bo"]
    assert is_hit(client.get("/page"))


@pytest.mark.parametrize("header", ["no-store", "private", "no-cache"])
def test_a_view_that_forbids_it_is_not_stored(header):
    """Its own Cache-Control goes before `ttl`."""
    page = Counted({"cache-control": header})
    client = client_of(page.sync(ttl=60, cache=Cache()))
    client.get("/page"), client.get("/page")
    assert page.calls == 2


def test_a_view_that_varies_has_a_variant_each():
    """By the Vary of its response."""
    calls = []

    @cached_view(ttl=60, cache=Cache())
    def page(request):
        calls.append(1)
        return PlainTextResponse(request.headers["accept-language"], headers={"vary": "Accept-Language"})

    client = client_of(page)
    for language in ("en", "fi", "en", "fi"):
        assert client.get("/page", headers={"accept-language": language}).text == language
    assert len(calls) == 2


def test_a_streamed_body_is_stored_once_it_is_through(colour):
    """And comes back whole [integrations 5]."""
    calls = []

    def respond(request) -> StreamingResponse:
        calls.append(1)
        return StreamingResponse(iter(["a", b"b", "ä"]))

    async def arespond(request):
        return respond(request)

    client = client_of(cached_view(ttl=60, cache=Cache())(respond if colour == "sync" else arespond))
    assert [client.get("/page").content for _ in range(3)] == ["abä".encode()] * 3
    assert len(calls) == 1


@pytest.mark.parametrize("annotation", [None, StreamingResponse])
def test_streams_that_need_threads_do_not_wait_for_those_who_hold_them(annotation):
    """More come at once than there are threads: the first ones must not wait for a stream that needs a thread."""
    calls = []

    def page(request):
        calls.append(1)
        return StreamingResponse(iter(["a", "b"]))

    if annotation is not None:
        page.__annotations__["return"] = annotation
    client = client_of(cached_view(ttl=60, cache=Cache(), collapse_timeout=60)(page), lifespan=two_threads)
    with client, ThreadPoolExecutor(12) as pool:
        assert [one.result(30).text for one in [pool.submit(client.get, "/page") for _ in range(12)]] == [
            "ab"
        ] * 12
        client.get("/page")
        assert is_hit(client.get("/page"))


@asynccontextmanager
async def two_threads(app):
    """Have an event loop make do with two threads."""
    current_default_thread_limiter().total_tokens = 2
    yield


def test_a_stream_that_fails_is_not_stored():
    """The next request computes anew."""
    calls = []

    def parts():
        yield "a"
        if len(calls) == 1:
            raise RuntimeError("mine")

    @cached_view(ttl=60, cache=Cache())
    async def page(request):
        calls.append(1)
        return StreamingResponse(parts())

    client = client_of(page)
    with pytest.raises(RuntimeError, match="mine"):
        client.get("/page")
    assert [client.get("/page").text for _ in range(2)] == ["a", "a"]
    assert len(calls) == 2


def test_a_file_goes_out_as_it_is(tmp_path):
    """Its body never passes by here."""
    (tmp_path / "file.txt").write_text("hello")
    cache = Cache()

    @cached_view(ttl=60, cache=cache)
    def page(request):
        return FileResponse(tmp_path / "file.txt")

    client = client_of(page)
    assert [client.get("/page").text for _ in range(2)] == ["hello", "hello"]
    assert client.get("/page", headers={"range": "bytes=1-2"}).text == "el"
    assert cache.stats().routes["GET /page"].reasons == {"SENT-AS-FILE": 2, "PREDICATE": 1}


def test_background_tasks_run_once_a_miss(colour):
    """And never on a hit [integrations 3]."""
    done = []

    def respond(request):
        return PlainTextResponse("a", background=BackgroundTask(done.append, 1))

    async def arespond(request):
        return respond(request)

    client = client_of(cached_view(ttl=60, cache=Cache())(respond if colour == "sync" else arespond))
    for _ in range(3):
        client.get("/page")
    assert done == [1]


def test_head_is_answered_from_what_get_has_stored(colour):
    """With the fields and without the body; by itself it stores nothing."""
    page = Counted()
    client = client_of(getattr(page, colour)(ttl=60, cache=Cache()))
    assert client.head("/page").status_code == 200
    got, head = client.get("/page"), client.head("/page")
    assert page.calls == 2
    assert is_hit(head)
    assert (head.headers["content-length"], head.content) == (got.headers["content-length"], b"")


def test_a_condition_is_answered_from_the_store():
    """By the ETag that the view gave [integrations 5]."""
    page = Counted({"etag": '"e"'})
    client = client_of(page.sync(ttl=60, cache=Cache()))
    client.get("/page")
    confirmed = client.get("/page", headers={"if-none-match": '"e"'})
    assert (confirmed.status_code, confirmed.content, page.calls) == (304, b"", 1)
    assert client.get("/page", headers={"if-none-match": '"other"'}).status_code == 200


def test_other_methods_go_to_the_view():
    """Nothing is looked up for them, and nothing counted."""
    calls, cache = [], Cache()

    @cached_view(ttl=60, cache=cache)
    async def page(request):
        calls.append(request.method)
        return PlainTextResponse("a")

    client = TestClient(Starlette(routes=[Route("/page", page, methods=["GET", "POST"])]))
    client.get("/page"), client.post("/page"), client.post("/page")
    assert calls == ["GET", "POST", "POST"]
    assert cache.stats().total.requests == 1


def test_a_method_of_an_endpoint_class_is_cached():
    """`self` is no part of the key."""
    calls = []

    class Page(HTTPEndpoint):
        """An endpoint of Starlette's."""

        @cached_view(ttl=60, cache=Cache())
        async def get(self, request):
            calls.append(1)
            return PlainTextResponse("a")

    client = client_of(Page)
    assert [client.get("/page").text for _ in range(2)] == ["a", "a"]
    assert calls == [1]


def test_an_error_of_a_view_is_the_views(colour):
    """It comes out as it is, is counted, and nothing is stored."""
    cache = Cache()

    def respond(request):
        raise RuntimeError("mine")

    async def arespond(request):
        respond(request)

    client = client_of(cached_view(ttl=60, cache=cache)(respond if colour == "sync" else arespond))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mine"):
            client.get("/page")
    assert cache.stats().routes["GET /page"].error == 2


def test_an_error_page_of_a_view_is_uncacheable():
    """A 404 that the view raises is an answer, and not one to keep."""
    cache = Cache()

    @cached_view(ttl=60, cache=cache)
    def page(request):
        raise HTTPException(404)

    client = client_of(page)
    assert [client.get("/page").status_code for _ in range(2)] == [404, 404]
    assert (cache.stats().routes["GET /page"].uncacheable, cache.stats().routes["GET /page"].error) == (2, 0)


@pytest.mark.parametrize("fails", ["raises", "answers 503"])
def test_a_stale_page_stands_in_for_a_failing_view(fails, cache, cache_clock, colour):
    """Within `stale_if_error` [http 16]."""
    calls = []

    def respond(request):
        calls.append(1)
        if len(calls) == 1:
            return PlainTextResponse("good")
        if fails == "raises":
            raise RuntimeError("mine")
        return PlainTextResponse("bad", 503)

    async def arespond(request):
        return respond(request)

    client = client_of(cached_view(ttl=60, stale_if_error=600)(respond if colour == "sync" else arespond))
    client.get("/page")
    cache_clock.advance(61)
    assert client.get("/page").text == "good"
    assert cache.stats().routes["GET /page"].error_hit == 1
    assert len(calls) == 2


def test_of_many_at_once_one_calls_the_view(colour):
    """The others wait for what it answers [http 17]."""
    cache, calls, go = Cache(), [], threading.Event()

    def respond(request):
        calls.append(1)
        assert go.wait(20)
        return PlainTextResponse("a")

    async def arespond(request):
        return await asyncio.to_thread(respond, request)

    view = cached_view(ttl=60, cache=cache)(respond if colour == "sync" else arespond)
    results = []
    with client_of(view) as client, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.get, "/page") for _ in range(8)]
        wait_until(lambda: calls, "the view is called")
        go.set()
        results = [one.result(20).text for one in asked]
    assert (results, calls) == (["a"] * 8, [1])
    counted = cache.stats().routes["GET /page"]
    assert (counted.miss, counted.collapsed + counted.hit) == (1, 7)


def test_a_middleware_outside_leaves_the_page_to_the_view():
    """Or it would answer before the view's dependencies are asked; nor does it count it [integrations 5]."""
    cache, page = Cache(), Counted()
    client = client_of(
        page.coroutine(ttl=60), middleware=[Middleware(CacheMiddleware, cache=cache, default_ttl=60)]
    )
    first, second = client.get("/page"), client.get("/page")
    assert (first.text, second.text) == ("answer 1", "answer 1")
    assert is_hit(second)
    counted = cache.stats().routes["GET /page"]
    assert (counted.requests, counted.miss, counted.hit) == (2, 1, 1)
    assert second.headers["cache-status"].count("cachelayer") == 1


def test_another_cache_outside_does_not_keep_it_either():
    """A middleware over a cache of its own would answer past the view just as well."""
    page, mine = Counted(), Cache()
    client = client_of(
        page.sync(ttl=60, cache=mine), middleware=[Middleware(CacheMiddleware, cache=Cache(), default_ttl=60)]
    )
    client.get("/page")
    mine.clear()
    assert client.get("/page").text == "answer 2"


def test_a_write_to_the_url_through_the_middleware_invalidates_the_view():
    """As it does pages of the middleware's own [http 15]."""
    cache, page = Cache(), Counted()
    client = TestClient(
        Starlette(
            routes=[
                Route("/page", page.sync(ttl=60)),
                Route("/page", lambda request: Response(status_code=204), methods=["PUT"]),
            ],
            middleware=[Middleware(CacheMiddleware, cache=cache)],
        )
    )
    assert [client.get("/page").text for _ in range(2)] == ["answer 1", "answer 1"]
    client.put("/page")
    assert client.get("/page").text == "answer 2"


def test_a_purge_by_url_reaches_the_view():
    """Although its key says more than the URL [http 25]."""
    cache, page = Cache(), Counted()
    client = client_of(page.sync(ttl=60, cache=cache))
    client.get("/page")
    cache.purge("http://testserver/page")
    assert client.get("/page").text == "answer 2"


def test_what_a_client_sends_in_the_name_of_the_view_is_ignored():
    """Nobody can choose another's entry, or go past the cache, by a field."""
    page = Counted()
    client = client_of(page.sync(ttl=60, cache=Cache()))
    client.get("/page")
    for value in ("pass", "0" * 32):
        assert client.get("/page", headers={"cachelayer-view": value}).text == "answer 1"


def test_a_predicate_keeps_requests_from_being_looked_up(caplog):
    """And one that fails does so too, with a word in the log."""
    page = Counted()

    def bypass(request):
        return request.query_params["preview"] == "1"

    client = client_of(page.sync(ttl=60, cache=Cache(), bypass=bypass))
    client.get("/page?preview=1"), client.get("/page?preview=1")
    assert page.calls == 2
    client.get("/page")
    assert "bypass= of" in caplog.text


@pytest.mark.parametrize("options", [{"client_ttl": 30}, {"client_ttl": 30, "shared": True}])
def test_clients_may_keep_it_but_not_other_caches(options):
    """`client_ttl` speaks to the client alone: its dependencies would not be asked by a proxy."""
    client = client_of(Counted().sync(ttl=60, cache=Cache(), **options))
    for _ in range(2):
        assert client.get("/page").headers["cache-control"] == "private, max-age=30"


def test_a_view_is_called_directly_without_its_cache():
    """As in a unit test that gives it no request."""

    @cached_view(ttl=60)
    def page(number: int = 1) -> int:
        return number + 1

    assert (page(), page(3)) == (2, 4)


def test_name_signature_and_colour_are_the_functions_own():
    """So that what looks at a view sees the function [integrations 5]."""

    @cached_view(ttl=60)
    async def page(request: Request, number: int = 1) -> Response:
        """Say something."""

    def plain(request: Request) -> Response:
        """Say more."""

    assert inspect.iscoroutinefunction(page)
    assert (page.__name__, page.__doc__) == ("page", "Say something.")
    shown = [p for p in inspect.signature(page).parameters if not p.startswith("cachelayer_")]
    assert shown == ["request", "number"]
    assert not inspect.iscoroutinefunction(cached_view(plain))
    assert inspect.signature(cached_view(plain)).return_annotation is Response


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_views_are_cached_under_both_event_loops(backend, colour):
    """In a store that is local [http 19]."""
    page = Counted()
    app = Starlette(routes=[Route("/page", getattr(page, colour)(ttl=60, cache=Cache()))])
    client = TestClient(app, backend=backend)
    assert [client.get("/page").text for _ in range(2)] == ["answer 1", "answer 1"]


def test_under_trio_a_shared_store_is_passed_by(redis_server):
    """Its clients are asyncio's."""
    page, cache = Counted(), Cache(redis_server.url)
    app = Starlette(routes=[Route("/page", page.coroutine(ttl=60, cache=cache))])
    client = TestClient(app, backend="trio")
    assert [client.get("/page").text for _ in range(2)] == ["answer 1", "answer 2"]
    cache.close()


WRONG = {
    "an unknown option": (lambda: cached_view(tll=60)(_page), OptionTypeError, "tll"),
    "a class": (lambda: cached_view(int), OptionTypeError, "on a function"),
    "a websocket": (lambda: cached_view(_talks), OptionTypeError, "leave cached_view out"),
    "a generator": (lambda: cached_view(_yields), OptionTypeError, "StreamingResponse"),
    "a bare tag": (lambda: cached_view(tags="user")(_page), OptionTypeError, "tags"),
    "a broken tag": (lambda: cached_view(tags=["user:{"])(_page), ConfigurationError, "user:{"),
    "an unknown parameter": (lambda: cached_view(ignore=["db"])(_page), ConfigurationError, "db"),
    "a negative ttl": (lambda: cached_view(ttl=-1)(_page), ConfigurationError, "ttl"),
    "cache and backend": (
        lambda: cached_view(cache=Cache(), backend="memory://")(_page),
        ConfigurationError,
        "exclude",
    ),
    "shared as text": (lambda: cached_view(shared="yes")(_page), OptionTypeError, "shared"),
    "a bypass that is none": (lambda: cached_view(bypass=True)(_page), OptionTypeError, "bypass"),
}


def _yields(request):
    yield "a"


async def _talks(websocket: WebSocket):
    await websocket.accept()


def _page(request):
    return PlainTextResponse("a")


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_options_are_found_at_the_decorator(wrong):
    """With the name of the option."""
    make, kind, named = WRONG[wrong]
    with pytest.raises(kind, match=named):
        make()


def test_a_tag_of_no_parameter_is_named_at_the_first_request():
    """What parameters a path has is known by then."""
    client = client_of(cached_view(ttl=60, tags=["user:{id}"], cache=Cache())(_page))
    with pytest.raises(KeyingError, match="id"):
        client.get("/page")


def test_a_json_response_is_what_it_was():
    """Field by field."""

    @cached_view(ttl=60, cache=Cache())
    def page(request):
        response = JSONResponse({"a": 1}, 203)
        response.headers.append("x-twice", "1")
        response.headers.append("x-twice", "2")
        response.headers["cache-control"] = "max-age=9"
        return response

    client = client_of(page)
    client.get("/page")
    hit = client.get("/page")
    assert (hit.status_code, hit.json(), hit.headers.get_list("x-twice")) == (203, {"a": 1}, ["1", "2"])
