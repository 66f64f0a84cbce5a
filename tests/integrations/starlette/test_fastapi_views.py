"""`cached_view` on views of FastAPI: values, dependencies, security, OpenAPI."""

import dataclasses
import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from cachelayer_starlette import CacheMiddleware, cached_view
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    Security,
    status,
)
from fastapi.responses import PlainTextResponse
from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer, SecurityScopes
from fastapi.testclient import TestClient
from pydantic import BaseModel

from cachelayer import Cache, KeyingError


class Address(BaseModel):
    """A model within a model."""

    street: str
    since: datetime


class User(BaseModel):
    """What views return."""

    id: int
    name: str = "Ann"
    secret: str = "hidden"
    addresses: list[Address] = []


class Shown(BaseModel):
    """What clients see of it."""

    id: int
    name: str


@dataclasses.dataclass
class Point:
    """Another kind of value."""

    x: Decimal
    of: UUID | None = None


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """A cache that keeps values in the process, and one that others share."""
    if request.param == "memory":
        yield Cache()
        return
    server = request.getfixturevalue("redis_server")
    cache = Cache(server.url)
    cache.clear()
    yield cache
    cache.close()


def application(cache, calls):
    """Return an application with views of both colours."""
    app = FastAPI()

    @app.get("/sync/{number}", response_model=Shown)
    @cached_view(ttl=60, tags=["user:{number}"], cache=cache)
    def user(number: int, q: str = "") -> User:
        """Show a user."""
        calls.append(number)
        return User(id=number, addresses=[Address(street="a", since=datetime(2026, 1, 2, tzinfo=UTC))])

    @app.get("/async/{number}", response_model=Shown)
    @cached_view(ttl=60, tags=["user:{number}"], cache=cache)
    async def auser(number: int, q: str = "") -> User:
        """Show a user."""
        calls.append(number)
        return User(id=number, addresses=[Address(street="a", since=datetime(2026, 1, 2, tzinfo=UTC))])

    return app


def is_hit(response):
    """Whether the view's cache gave this response."""
    return "; hit" in response.headers.get("cache-status", "")


def own(response):
    """Return the fields that a hit and its miss have in common."""
    return [line for line in response.headers.raw if line[0] not in (b"age", b"cache-status")]


@pytest.mark.parametrize("path", ["/sync/1", "/async/1"])
def test_a_value_goes_through_the_response_model_on_hits_too(path, store):
    """So that what it hides stays hidden, and hit and miss are alike [integrations 5]."""
    calls = []
    client = TestClient(application(store, calls))
    miss, hit = client.get(path), client.get(path)
    assert is_hit(hit)
    assert calls == [1]
    assert (miss.json(), miss.content, own(miss)) == ({"id": 1, "name": "Ann"}, hit.content, own(hit))


def test_openapi_is_that_of_the_views_themselves():
    """Parameters, response models, descriptions [integrations 5]."""

    def plain(cache, calls):
        app = FastAPI()

        @app.get("/sync/{number}", response_model=Shown)
        def user(number: int, q: str = "") -> User:
            """Show a user."""

        @app.get("/async/{number}", response_model=Shown)
        async def auser(number: int, q: str = "") -> User:
            """Show a user."""

        return app

    assert application(Cache(), []).openapi() == plain(None, None).openapi()


def test_a_return_annotation_makes_the_response_model():
    """As without the decorator [integrations 5]."""
    app = FastAPI()

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    def view() -> Shown:
        return Shown(id=1, name="Ann")

    schema = app.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Shown"}
    assert [TestClient(app).get("/").json() for _ in range(2)] == [{"id": 1, "name": "Ann"}] * 2


def test_the_signature_is_kept():
    """Names, annotations, defaults; what FastAPI fills in for the cache is by keyword only [integrations 5]."""

    def view(
        number: int, q: Annotated[str, Header()] = "a", *, db: Annotated[Any, Depends(list)]
    ) -> User: ...

    wrapped = inspect.signature(cached_view(ttl=60)(view))
    shown = [p for name, p in wrapped.parameters.items() if not name.startswith("cachelayer_")]
    assert (shown, wrapped.return_annotation) == (list(inspect.signature(view).parameters.values()), User)


VALUES = {
    "None": (None, None),
    "text": ("a", str),
    "a dict": ({"a": [1, 2.5, None, True]}, dict),
    "a list of models": ([User(id=1), User(id=2)], list[User]),
    "a dataclass": (Point(Decimal("1.5"), UUID(int=1)), Point),
    "a dict of dates": ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, dict[str, datetime]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_kind_are_kept(kind, store):
    """In either kind of store [integrations 5]."""
    value, annotation = VALUES[kind]
    app, calls = FastAPI(), []

    def view():
        calls.append(1)
        return value

    if annotation is not None:
        view.__annotations__["return"] = annotation
    app.get("/")(cached_view(ttl=60, cache=store)(view))
    client = TestClient(app)
    miss, hit = client.get("/"), client.get("/")
    assert is_hit(hit)
    assert (hit.content, own(hit), calls) == (miss.content, own(miss), [1])


def test_any_model_is_kept_within_the_process():
    """With or without an annotation that names its class."""
    app = FastAPI()

    @app.get("/", response_model=Shown)
    @cached_view(ttl=60, cache=Cache())
    def view():
        return User(id=1)

    client = TestClient(app)
    assert [client.get("/").json() for _ in range(2)] == [{"id": 1, "name": "Ann"}] * 2
    assert is_hit(client.get("/"))


def test_a_value_that_cannot_be_stored_is_answered_all_the_same():
    """With one warning that names the view and the remedy."""

    class Odd:
        """Nothing that any codec knows, nor pickle."""

        def __init__(self):
            self.id, self.name = 1, "Ann"

    app, cache = FastAPI(), Cache()

    @app.get("/", response_model=Shown)
    @cached_view(ttl=60, cache=cache)
    def view():
        return Odd()

    client = TestClient(app)
    with pytest.warns(RuntimeWarning, match="view returned cannot be stored"):
        assert client.get("/").json() == {"id": 1, "name": "Ann"}
    second = client.get("/")
    assert "detail=UNENCODABLE" in second.headers["cache-status"]
    assert cache.stats().routes["GET /"].reasons == {"UNENCODABLE": 2}


bearer = HTTPBearer()


def test_security_is_asked_before_a_hit_is_served():
    """A token that is not let through gets nothing, though the page is stored [integrations 5]."""
    app, calls, asked = FastAPI(), [], []

    def check(token: Annotated[Any, Security(bearer)]):
        asked.append(token.credentials)
        if token.credentials != "good":
            raise HTTPException(status.HTTP_403_FORBIDDEN)

    @app.get("/", dependencies=[Depends(check)])
    @cached_view(ttl=60, cache=Cache(), shared=True)
    def view():
        calls.append(1)
        return "secret"

    client = TestClient(app)
    answers = [
        client.get("/", headers=headers)
        for headers in (
            {"authorization": "Bearer good"},
            {"authorization": "Bearer bad"},
            {},
            {"authorization": "Bearer good"},
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 401, 200]
    assert is_hit(answers[3])
    assert (asked, calls) == (["good", "bad", "good"], [1])


def test_a_middleware_outside_does_not_answer_past_the_security():
    """Although its default would store the page [integrations 5]."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=Cache(), default_ttl=60)
    key = APIKeyHeader(name="x-key")

    def check(value: Annotated[str, Security(key)]):
        if value != "good":
            raise HTTPException(403)

    @app.get("/", dependencies=[Depends(check)])
    @cached_view(ttl=60)
    def view():
        return "secret"

    client = TestClient(app)
    statuses = [client.get("/", headers={"x-key": value}).status_code for value in ("good", "bad", "good")]
    assert statuses == [200, 403, 200]


def test_what_dependencies_return_tells_users_apart():
    """However the user was recognised, the page of one is never another's [integrations 5]."""
    app, calls = FastAPI(), []

    def current_user(x_key: Annotated[str, Header()]) -> User:
        return User(id=len(x_key), name=x_key)

    @app.get("/me")
    @cached_view(ttl=60, cache=Cache())
    def me(user: Annotated[User, Depends(current_user)]) -> str:
        calls.append(user.name)
        return user.name

    client = TestClient(app)
    names = [client.get("/me", headers={"x-key": name}).json() for name in ("ann", "bob", "ann", "bob")]
    assert (names, calls) == (["ann", "bob", "ann", "bob"], ["ann", "bob"])


def test_a_user_behind_a_token_is_cached_where_the_view_says_so():
    """`shared=True` and the user among the arguments: one entry a user [integrations 5]."""
    app, calls = FastAPI(), []
    scheme = OAuth2PasswordBearer(tokenUrl="token")

    async def current_user(token: Annotated[str, Depends(scheme)]) -> User:
        return User(id=1, name=token)

    @app.get("/guarded")
    @cached_view(ttl=60, cache=Cache())
    async def guarded(user: Annotated[User, Depends(current_user)]) -> str:
        calls.append("guarded")
        return user.name

    @app.get("/kept")
    @cached_view(ttl=60, cache=Cache(), shared=True)
    async def kept(user: Annotated[User, Depends(current_user)]) -> str:
        calls.append("kept")
        return user.name

    client = TestClient(app)
    for path in ("/guarded", "/kept"):
        names = [
            client.get(path, headers={"authorization": f"Bearer {name}"}).json()
            for name in ("a", "b", "a", "b")
        ]
        assert names == ["a", "b", "a", "b"]
    assert (calls.count("guarded"), calls.count("kept")) == (4, 2)


def test_fields_and_cookies_among_the_arguments_tell_responses_apart():
    """Although no Vary says so."""
    app, calls = FastAPI(), []

    @app.get("/")
    @cached_view(ttl=60, cache=Cache(), cookies=["theme"])
    def view(accept_language: Annotated[str, Header()], theme: Annotated[str, Cookie()] = "") -> str:
        calls.append(1)
        return f"{accept_language} {theme}"

    client = TestClient(app)
    asked = [
        {"accept-language": "en"},
        {"accept-language": "fi"},
        {"accept-language": "en", "cookie": "theme=dark"},
    ]
    for _ in range(2):
        assert [client.get("/", headers=headers).json() for headers in asked] == ["en ", "fi ", "en dark"]
    assert len(calls) == 3


class Session:
    """Something like a database session: it has no identity that others could know."""


def test_what_cannot_be_keyed_is_named_with_the_remedy():
    """At the first request, as `@cached` does."""
    app = FastAPI()

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    def view(db: Annotated[Session, Depends(Session)]) -> str:
        return "a"

    with pytest.raises(KeyingError, match=r"ignore=\('db',\)"):
        TestClient(app).get("/")


def test_what_the_response_does_not_depend_on_is_ignored():
    """Such as a database session."""
    app, calls = FastAPI(), []

    @app.get("/")
    @cached_view(ttl=60, cache=Cache(), ignore=["db"])
    def view(db: Annotated[Session, Depends(Session)]) -> str:
        calls.append(type(db))
        return "a"

    client = TestClient(app)
    assert [client.get("/").json() for _ in range(2)] == ["a", "a"]
    assert calls == [Session]


class Row:
    """What an object-relational mapper returns: it belongs to the session of one request."""

    _sa_instance_state = object()
    id, name = 1, "Ann"


def test_rows_of_a_database_session_are_not_kept():
    """In another request they could not load what they refer to: the warning says what to return instead."""
    app, calls = FastAPI(), []

    @app.get("/", response_model=list[Shown])
    @cached_view(ttl=60, cache=Cache())
    def view():
        calls.append(1)
        return [Row()]

    client = TestClient(app)
    with pytest.warns(RuntimeWarning, match="return annotation"):
        client.get("/")
    assert client.get("/").json() == [{"id": 1, "name": "Ann"}]
    assert len(calls) == 2


def test_what_fastapi_fills_in_about_the_request_is_no_part_of_the_key():
    """The request, the response, background tasks, security scopes."""
    app, calls, done = FastAPI(), [], []

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    def view(
        request: Request, response: Response, tasks: BackgroundTasks, scopes: SecurityScopes
    ) -> dict[str, str]:
        calls.append(1)
        tasks.add_task(done.append, 1)
        response.headers["x-said"] = "yes"
        return {"path": request.url.path}

    client = TestClient(app)
    answers = [client.get("/") for _ in range(3)]
    assert [(a.json(), a.headers["x-said"]) for a in answers] == [({"path": "/"}, "yes")] * 3
    assert (calls, done) == ([1], [1])


def test_background_tasks_of_dependencies_run_on_every_request():
    """Dependencies are no part of what is cached [integrations 3]."""
    app, done = FastAPI(), []

    def log(tasks: BackgroundTasks):
        tasks.add_task(done.append, 1)

    @app.get("/", dependencies=[Depends(log)])
    @cached_view(ttl=60, cache=Cache())
    def view() -> str:
        return "a"

    client = TestClient(app)
    client.get("/"), client.get("/")
    assert done == [1, 1]


def test_what_dependencies_say_in_the_response_is_theirs():
    """Their fields are those of the request at hand; the view's own are those of the stored response."""
    app, count = FastAPI(), iter("12345678")

    def stamp(response: Response):
        response.headers["x-request"] = next(count)
        response.headers["vary"] = "Accept"
        response.set_cookie("seen", next(count))

    @app.get("/", dependencies=[Depends(stamp)])
    @cached_view(ttl=60, cache=Cache())
    def view(response: Response) -> str:
        response.headers["x-view"] = next(count)
        response.status_code = 203
        response.headers["cache-control"] = "max-age=60"
        return "a"

    client = TestClient(app)
    miss = client.get("/")
    client.cookies.clear()
    hit = client.get("/")
    assert is_hit(hit)
    for answer, stamped, said in ((miss, "12", "3"), (hit, "45", "3")):
        assert (answer.status_code, answer.headers["x-view"]) == (203, said)
        assert (answer.headers.get_list("x-request"), answer.headers["set-cookie"][5]) == (
            [stamped[0]],
            stamped[1],
        )
        assert answer.headers.get_list("vary") == ["Accept"]


@pytest.mark.parametrize("said", ["no-store", "private"])
def test_a_dependency_can_forbid_storing(said):
    """By the Cache-Control that it gives the response."""
    app, calls = FastAPI(), []

    def forbid(response: Response):
        response.headers["cache-control"] = said

    @app.get("/", dependencies=[Depends(forbid)])
    @cached_view(ttl=60, cache=Cache())
    def view() -> int:
        calls.append(1)
        return len(calls)

    client = TestClient(app)
    assert [client.get("/").json() for _ in range(2)] == [1, 2]


def test_a_response_of_the_views_own_is_kept_as_it_is():
    """No response model is applied to it, as without the decorator."""
    app = FastAPI()

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    async def view():
        return PlainTextResponse("plain", 201, {"x-a": "1", "cache-control": "max-age=5"})

    client = TestClient(app)
    client.get("/")
    hit = client.get("/")
    assert is_hit(hit)
    assert (hit.status_code, hit.text, hit.headers["x-a"]) == (201, "plain", "1")


def test_a_condition_on_a_value_gives_304():
    """By the ETag that the view gave the response."""
    app = FastAPI()

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    def view(response: Response) -> str:
        response.headers["etag"] = '"e"'
        return "a"

    client = TestClient(app)
    client.get("/")
    confirmed = client.get("/", headers={"if-none-match": '"e"'})
    assert (confirmed.status_code, confirmed.content) == (304, b"")
    assert "cachelayer-value" not in confirmed.headers


def test_a_range_of_a_value_is_answered_by_the_view():
    """A part of the stored bytes would be a part of something else."""
    app, calls = FastAPI(), []

    @app.get("/")
    @cached_view(ttl=60, cache=Cache())
    def view() -> str:
        calls.append(1)
        return "hello"

    client = TestClient(app)
    client.get("/")
    assert client.get("/", headers={"range": "bytes=0-1"}).text == '"hello"'
    assert len(calls) == 2


def test_head_of_a_value_is_answered_by_the_view():
    """The framework makes the fields of its value."""
    app, calls = FastAPI(), []

    @app.api_route("/", methods=["GET", "HEAD"])
    @cached_view(ttl=60, cache=Cache())
    def view() -> str:
        calls.append(1)
        return "hello"

    client = TestClient(app)
    got, head = client.get("/"), client.head("/")
    assert (head.status_code, head.headers["content-length"]) == (200, got.headers["content-length"])
    assert len(calls) == 2


def test_another_shape_of_a_value_is_another_entry(store):
    """What an older version of the code has stored is not read as what it is not."""

    def version(annotation, value):
        app = FastAPI()

        def view():
            return value

        view.__annotations__["return"] = annotation
        app.get("/")(cached_view(ttl=60, cache=store)(view))
        return TestClient(app)

    class Newer(BaseModel):
        """What views return nowadays."""

        number: int

    version(Shown, Shown(id=1, name="a")).get("/")
    assert version(Newer, Newer(number=7)).get("/").json() == {"number": 7}


def test_labels_are_those_of_included_routers():
    """On the miss and the hit [integrations 4]."""
    app, cache, router, inner = FastAPI(), Cache(), APIRouter(prefix="/v1"), APIRouter()

    @inner.get("/users/{number}")
    @cached_view(ttl=60, cache=cache)
    def user(number: int) -> int:
        return number

    router.include_router(inner, prefix="/in")
    app.include_router(router, prefix="/api")
    client = TestClient(app)
    client.get("/api/v1/in/users/1"), client.get("/api/v1/in/users/1")
    assert {label: (one.miss, one.hit) for label, one in cache.stats().routes.items()} == {
        "GET /api/v1/in/users/{number}": (1, 1)
    }


def test_arguments_that_are_not_valid_never_reach_it():
    """FastAPI answers 422, and nothing is looked up."""
    cache = Cache()
    client = TestClient(application(cache, []))
    assert client.get("/sync/x").status_code == 422
    assert cache.stats().total.requests == 0


def test_dependency_overrides_count():
    """What an override returns is what the key is made of [integrations 7]."""
    app, cache = FastAPI(), Cache()

    def who() -> str:
        return "real"

    @app.get("/")
    @cached_view(ttl=60, cache=cache)
    def view(name: Annotated[str, Depends(who)]) -> str:
        return name

    client = TestClient(app)
    assert client.get("/").json() == "real"
    app.dependency_overrides[who] = lambda: "test"
    assert client.get("/").json() == "test"
    app.dependency_overrides.clear()
    hit = client.get("/")
    assert (hit.json(), is_hit(hit)) == ("real", True)


def test_each_test_has_a_cache_of_its_own(cache, cache_clock):
    """With the product's fixtures, and a clock that the test moves [integrations 7]."""
    app, calls = FastAPI(), []

    @app.get("/")
    @cached_view(ttl=60)
    def view() -> int:
        calls.append(1)
        return len(calls)

    client = TestClient(app)
    assert [client.get("/").json() for _ in range(2)] == [1, 1]
    cache_clock.advance(61)
    assert client.get("/").json() == 2
    assert cache.stats().routes["GET /"].miss == 2


def test_a_test_can_switch_caching_off(no_cache):
    """Views are called each time, and responses say nothing of it [integrations 7]."""
    app, calls = FastAPI(), []

    @app.get("/")
    @cached_view(ttl=60)
    async def view() -> int:
        calls.append(1)
        return len(calls)

    client = TestClient(app)
    answers = [client.get("/") for _ in range(2)]
    assert [answer.json() for answer in answers] == [1, 2]
    assert "cache-status" not in answers[1].headers


def test_annotations_that_are_text_are_understood():
    """As under `from __future__ import annotations`."""
    scope: dict[str, Any] = {}
    source = """
from __future__ import annotations
from typing import Annotated
from fastapi import Depends, FastAPI, Request, Response
from cachelayer import Cache
from cachelayer_starlette import cached_view

app = FastAPI()

def who() -> str:
    return "ann"

@app.get("/{number}")
@cached_view(ttl=60, cache=Cache())
async def view(number: int, request: Request, response: Response, name: Annotated[str, Depends(who)]) -> dict[str, str]:
    response.headers["x-path"] = request.url.path
    return {"name": name}
"""
    exec(source, scope)
    client = TestClient(scope["app"])
    answers = [client.get("/1") for _ in range(2)]
    assert [(a.json(), a.headers["x-path"]) for a in answers] == [({"name": "ann"}, "/1")] * 2
    assert is_hit(answers[1])
