"""The cache and Starlette's own middleware, each outside of the other: both orders are right [integrations 2]."""

import gzip

import pytest
from cachelayer_starlette import CacheMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cachelayer import Cache, Rule

TEXT = "hello " * 100


class Page:
    """An application of one page, that counts its calls, with two kinds of middleware."""

    def __init__(self, respond, other, *, outside, **options):
        self.calls = 0

        def page(request):
            self.calls += 1
            return respond(request)

        caching = Middleware(CacheMiddleware, cache=Cache(), default_ttl=60, **options)
        stack = [other, caching] if outside else [caching, other]
        self.app = Starlette(routes=[Route("/", page)], middleware=stack)
        self.client = TestClient(self.app)

    def get(self, base_url="http://testserver", **headers):
        """Return the response to one request."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return TestClient(self.app, base_url=base_url).get("/", headers=fields, follow_redirects=False)


@pytest.fixture(params=[True, False], ids=["outside", "inside"])
def outside(request):
    """Whether the other middleware stands outside of the cache."""
    return request.param


def plain(request):
    """Answer with some text."""
    return PlainTextResponse(TEXT)


def test_gzip(outside):
    """Each client gets an encoding that it takes, and one that does not gets the text."""
    page = Page(plain, Middleware(GZipMiddleware, minimum_size=10), outside=outside)
    for _ in range(2):
        for accepted, encoding in (("gzip", "gzip"), ("identity", None)):
            response = page.get(accept_encoding=accepted)
            assert (response.text, response.headers.get("content-encoding")) == (TEXT, encoding)
            assert response.headers["vary"] == "Accept-Encoding"
    assert page.calls == (1 if outside else 2)
    assert "hit" in response.headers["cache-status"]


def test_gzip_by_the_application_itself_is_left_alone(outside):
    """What is compressed already is not compressed again, on the hit either."""

    def packed(request):
        return PlainTextResponse(gzip.compress(TEXT.encode()), headers={"content-encoding": "gzip"})

    page = Page(packed, Middleware(GZipMiddleware, minimum_size=10), outside=outside)
    assert [page.get(accept_encoding="gzip").text for _ in range(2)] == [TEXT, TEXT]
    assert page.calls == 1


@pytest.mark.parametrize(
    "options",
    [
        {"allow_origins": ["https://a.example", "https://b.example"]},
        {"allow_origins": ["*"]},
        {"allow_origins": ["*"], "allow_credentials": True},
    ],
    ids=["listed", "all", "with credentials"],
)
def test_cors(outside, options):
    """Nobody gets the permission that was meant for another origin, and nobody goes without."""
    page = Page(plain, Middleware(CORSMiddleware, **options), outside=outside)
    without = Starlette(routes=[Route("/", plain)], middleware=[Middleware(CORSMiddleware, **options)])
    for _ in range(2):
        for headers in (
            {},
            {"origin": "https://a.example"},
            {"origin": "https://b.example"},
            {"origin": "null"},
        ):
            expected = TestClient(without).get("/", headers=headers)
            response = page.get(**headers)
            for field in ("access-control-allow-origin", "access-control-allow-credentials"):
                assert response.headers.get(field) == expected.headers.get(field)
    assert "hit" in response.headers["cache-status"]


def test_a_preflight_request_is_not_looked_up(outside):
    """It is answered by the CORS middleware, as without the cache."""
    page = Page(plain, Middleware(CORSMiddleware, allow_origins=["*"]), outside=outside)
    asked = {"origin": "https://a.example", "access-control-request-method": "GET"}
    answers = [page.client.options("/", headers=asked) for _ in range(2)]
    assert [(a.status_code, a.headers["access-control-allow-origin"]) for a in answers] == [(200, "*")] * 2
    assert page.calls == 0


def greet(request):
    """Answer with what the session says."""
    name = request.query_params.get("name")
    if name:
        request.session["name"] = name
    return PlainTextResponse(request.session.get("name", "nobody"))


def test_sessions(outside):
    """A page that looked at its session is nobody else's."""
    page = Page(greet, Middleware(SessionMiddleware, secret_key="a test's"), outside=outside)
    ann, bo = TestClient(page.app), TestClient(page.app)
    assert (ann.get("/?name=ann").text, bo.get("/?name=bo").text) == ("ann", "bo")
    assert [client.get("/").text for client in (ann, bo, TestClient(page.app), ann)] == [
        "ann",
        "bo",
        "nobody",
        "ann",
    ]


def test_trusted_hosts(outside):
    """A host that is not trusted gets nothing, nor does it leave anything behind."""
    page = Page(plain, Middleware(TrustedHostMiddleware, allowed_hosts=["testserver"]), outside=outside)
    answers = [page.get(f"http://{host}").status_code for host in ("evil.example", "testserver") * 2]
    assert answers == [400, 200, 400, 200]
    assert page.calls == 1


def scheme(request):
    """Answer with a link, as pages do that know their own address."""
    return PlainTextResponse(str(request.url_for("page")))


def test_proxy_headers(outside):
    """A page made for https is not given to those who came by http."""
    trusting = Middleware(ProxyHeadersMiddleware, trusted_hosts=["testclient"])
    page = Page(scheme, trusting, outside=outside)
    for _ in range(2):
        assert page.get(x_forwarded_proto="https").text == "https://testserver/"
        assert page.get().text == "http://testserver/"
    assert page.calls == 2


def test_a_redirect_to_https_is_not_given_to_those_who_came_by_it(outside):
    """Although it may be stored: the scheme is part of the key."""
    page = Page(
        plain, Middleware(HTTPSRedirectMiddleware), outside=outside, rules=[Rule(ttl=60, status={307: 60})]
    )
    for _ in range(2):
        assert page.get().headers["location"] == "https://testserver/"
        assert page.get("https://testserver").text == TEXT


class Metrics:
    """A user's own middleware, which counts responses."""

    def __init__(self, app, seen):
        self.app, self.seen = app, seen

    async def __call__(self, scope, receive, send):
        """Serve one connection."""

        async def count(message):
            if message["type"] == "http.response.start":
                self.seen.append(message["status"])
            await send(message)

        await self.app(scope, receive, count)


def test_hits_are_seen_by_metrics_outside(outside):
    """And misses alone by those inside [integrations 24]."""
    seen = []
    page = Page(plain, Middleware(Metrics, seen=seen), outside=outside)
    for _ in range(3):
        page.get()
    assert seen == ([200] * 3 if outside else [200])
