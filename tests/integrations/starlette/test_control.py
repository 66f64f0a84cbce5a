"""`cache_control`: what endpoints of FastAPI say of their responses, as a dependency and by its handle."""

from typing import Annotated

import pytest
from cachelayer_starlette import CacheControl, CacheMiddleware, cache_control
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.middleware.base import BaseHTTPMiddleware

from cachelayer import Cache, ConfigurationError, OptionTypeError

Handle = Annotated[CacheControl, Depends(cache_control())]


def is_hit(response):
    """Whether the cache gave this response."""
    return "; hit" in response.headers.get("cache-status", "")


@pytest.fixture
def app():
    """An application under the middleware, with the cache in its state."""
    app = FastAPI()
    app.state.cache = Cache()
    app.add_middleware(CacheMiddleware, cache=app.state.cache)
    return app


@pytest.mark.parametrize("colour", ["sync", "coroutine"])
def test_a_dependency_says_how_a_response_is_cached(app, colour):
    """Its ttl, and tags with parameters of the path; endpoints without it are as before [integrations 6]."""
    caching = [Depends(cache_control(ttl=60, tags=["user:{number}", "users"]))]
    if colour == "sync":

        @app.get("/users/{number}", dependencies=caching)
        def show(number: int) -> int:
            return number
    else:

        @app.get("/users/{number}", dependencies=caching)
        async def ashow(number: int) -> int:
            return number

    @app.get("/silent")
    def silent() -> int:
        return 1

    client = TestClient(app)
    assert [is_hit(client.get("/users/1")) for _ in range(2)] == [False, True]
    client.get("/users/2")
    app.state.cache.invalidate_tags("user:1")
    assert [is_hit(client.get(path)) for path in ("/users/1", "/users/2")] == [False, True]
    app.state.cache.invalidate_tags("users")
    assert not is_hit(client.get("/users/2"))
    assert [is_hit(client.get("/silent")) for _ in range(2)] == [False, False]


@pytest.mark.parametrize("colour", ["sync", "coroutine"])
def test_a_handle_speaks_of_the_response_under_way(app, colour):
    """From within the endpoint, whatever its colour [integrations 6]."""

    def speak(caching, number):
        caching.ttl(60)
        caching.tag(f"user:{number}")
        if number == 13:
            caching.no_store()
        return number

    if colour == "sync":

        @app.get("/users/{number}")
        def show(number: int, caching: Handle) -> int:
            return speak(caching, number)
    else:

        @app.get("/users/{number}")
        async def ashow(number: int, caching: Handle) -> int:
            return speak(caching, number)

    client = TestClient(app)
    assert [is_hit(client.get("/users/1")) for _ in range(2)] == [False, True]
    assert [is_hit(client.get("/users/13")) for _ in range(2)] == [False, False]
    app.state.cache.invalidate_tags("user:1")
    assert not is_hit(client.get("/users/1"))


def test_a_handle_invalidates(app):
    """In sync and in async endpoints, in the cache of the middleware [integrations 6]."""

    @app.get("/{number}", dependencies=[Depends(cache_control(ttl=60, tags=["user:{number}"]))])
    def show(number: int) -> int:
        return number

    @app.put("/sync/{number}")
    def change(number: int, caching: Handle) -> None:
        caching.invalidate(f"user:{number}")

    @app.put("/async/{number}")
    async def achange(number: int, caching: Handle) -> None:
        await caching.ainvalidate(f"user:{number}")

    client = TestClient(app)
    for path in ("/sync/1", "/async/1"):
        client.get("/1")
        assert is_hit(client.get("/1"))
        client.put(path)
        assert not is_hit(client.get("/1"))


def test_a_stale_response_is_served_as_the_dependency_says(cache, cache_clock):
    """`stale_if_error`, from where there is no rule [http 16]."""
    app, failing = FastAPI(), []
    app.add_middleware(CacheMiddleware)

    @app.get("/", dependencies=[Depends(cache_control(ttl=60, stale_if_error="1h"))])
    def show() -> str:
        if failing:
            raise RuntimeError("mine")
        return "good"

    client = TestClient(app, raise_server_exceptions=False)
    client.get("/")
    failing.append(1)
    cache_clock.advance(61)
    assert client.get("/").json() == "good"
    assert cache.stats().total.error_hit == 1


def test_no_store_as_a_dependency_keeps_a_response_out(app):
    """Although it is fresh by its own word [integrations 6]."""

    @app.get("/", dependencies=[Depends(cache_control(ttl=60)), Depends(cache_control(no_store=True))])
    def show() -> int:
        return 1

    client = TestClient(app)
    assert [is_hit(client.get("/")) for _ in range(2)] == [False, False]


def test_it_reaches_the_middleware_through_middleware_of_the_frameworks_own(app):
    """One that runs the application in a task of its own, in a copy of the context."""

    async def passing(request, call_next):
        return await call_next(request)

    inner = FastAPI()
    inner.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    inner.add_middleware(CacheMiddleware, cache=(cache := Cache()))

    @inner.get("/", dependencies=[Depends(cache_control(ttl=60, tags=["all"]))])
    def show() -> int:
        return 1

    client = TestClient(inner)
    assert [is_hit(client.get("/")) for _ in range(2)] == [False, True]
    assert cache.invalidate_tags("all") == 1


def test_without_a_middleware_nothing_is_kept_and_invalidation_is_of_the_default(cache):
    """An endpoint works the same in a test of its own."""
    app = FastAPI()

    @app.get("/", dependencies=[Depends(cache_control(ttl=60, tags=["all"]))])
    def show(caching: Handle) -> int:
        return caching.invalidate("all")

    answers = [TestClient(app).get("/") for _ in range(2)]
    assert [(answer.json(), answer.headers.get("cache-status")) for answer in answers] == [(0, None)] * 2


def test_a_named_cache_goes_before_that_of_the_middleware(app):
    """Where an application has several."""
    other = Cache()

    @app.get("/", dependencies=[Depends(cache_control(ttl=60, cache=other))])
    def show() -> int:
        return 1

    assert [is_hit(TestClient(app).get("/")) for _ in range(2)] == [False, False]


def test_openapi_shows_nothing_of_it(app):
    """The handle and the dependency are no parameters [integrations 6]."""

    @app.get("/{number}", dependencies=[Depends(cache_control(ttl=60))])
    def show(number: int, caching: Handle) -> int:
        return number

    (only,) = app.openapi()["paths"]["/{number}"]["get"]["parameters"]
    assert only["name"] == "number"


def test_an_override_takes_its_place(app):
    """As of any dependency [integrations 7]."""
    depend = cache_control(ttl=60)

    @app.get("/", dependencies=[Depends(depend)])
    def show() -> int:
        return 1

    app.dependency_overrides[depend] = cache_control(no_store=True)
    assert [is_hit(TestClient(app).get("/")) for _ in range(2)] == [False, False]


WRONG = {
    "a bare tag": ({"tags": "user"}, OptionTypeError, "tags"),
    "a broken tag": ({"tags": ["user:{"]}, ConfigurationError, "user:{"),
    "no cache": ({"cache": "memory://"}, OptionTypeError, "cache"),
    "a ttl that is none": ({"ttl": "soon"}, ConfigurationError, "ttl"),
    "a negative window": ({"ttl": 1, "stale_if_error": -1}, ConfigurationError, "stale_if_error"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_options_are_found_where_they_are_made(wrong):
    """With the name of the option."""
    options, kind, named = WRONG[wrong]
    with pytest.raises(kind, match=named):
        cache_control(**options)
