"""Requests that are let through, since the last response like theirs was not to be stored ("hit-for-miss")."""

import asyncio

import pytest

from cachelayer import Cache, bypass
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.exchange import bounded
from cachelayer.exchange.passing import LONGEST_TARGET
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.asgi.support import Server, body, field, scope, start
from tests.shells import SHELLS, Reply, Site

NO_STORE = "Cache-Control: no-store"
FRESH = "Cache-Control: max-age=60"
REFUSED = "cachelayer; fwd=uri-miss; detail=NO-STORE"


class Page(Site):
    """A site whose answers are no-store, until `lines` says otherwise; `lookups` counts those in the store."""

    def __init__(self, shell, **options):
        self.lines, self.status, self.meanwhile = [NO_STORE], 200, lambda: None
        super().__init__(shell, "memory", self.answer, **options)

    def answer(self, asked):
        """Be the origin."""
        self.meanwhile()
        return Reply(self.lines, b"%d" % self.calls, self.status)

    @property
    def lookups(self):
        """How often the store was asked."""
        stats = self.cache.backend.get_stats()
        return stats.hits + stats.misses

    def learnt(self):
        """Return this, once requests for /a are let through."""
        self.get()
        before = self.lookups
        self.get()
        assert self.lookups == before
        return self


@pytest.fixture(params=SHELLS)
def page(request):
    """One page behind each shell."""
    return Page(request.param)


@pytest.fixture(params=SHELLS)
def learnt(request):
    """One page behind each shell whose requests are let through."""
    return Page(request.param).learnt()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([NO_STORE], "NO-STORE"),
        (["Cache-Control: private, max-age=60"], "PRIVATE"),
        (["Content-Type: text/html"], "NO-FRESHNESS"),
        (["CACHE-CONTROL: No-Store"], "NO-STORE"),
    ],
)
def test_they_are_answered_and_counted_as_before(page, lines, reason):
    """All but the lookup is as it was for the first, Cache-Status and reasons included."""
    page.lines = lines
    answers = [page.get() for _ in range(5)]
    assert {answer.status_field for answer in answers} == {f"cachelayer; fwd=uri-miss; detail={reason}"}
    assert [answer.body for answer in answers] == [b"1", b"2", b"3", b"4", b"5"]
    assert [answer.get("content-type") for answer in answers] == [answers[0].get("content-type")] * 5
    assert page.lookups == 1
    assert page.counts() == {"uncacheable": 5}
    assert list(page.reasons().values()) == [5]


def test_nothing_is_added_without_a_name_for_the_cache():
    """`cache_status=None` [http 18]."""
    for shell in SHELLS:
        it = Page(shell, cache_status=None).learnt()
        assert it.get().lines == [("Cache-Control", "no-store")] or it.get().lines == [
            ("cache-control", "no-store")
        ]


def test_a_response_that_may_be_stored_by_now_is(learnt):
    """And the next request is a hit [http 1]."""
    learnt.lines = [FRESH]
    assert learnt.get().status_field == "cachelayer; fwd=uri-miss; stored"
    assert learnt.get().status_field == "cachelayer; hit; ttl=60"
    assert learnt.counts() == {"uncacheable": 2, "miss": 1, "hit": 1}


def test_what_was_invalidated_meanwhile_is_not_stored(learnt):
    """No fence was taken for it, so nothing at all may have changed [http 17]."""
    learnt.lines = [FRESH]
    learnt.meanwhile = lambda: learnt.cache.purge("http://example.org/a")
    learnt.get()
    learnt.meanwhile = lambda: None
    assert "hit" not in learnt.get().status_field


def test_the_view_may_speak_of_its_response(learnt):
    """`ttl`, `tag` and `no_store` reach it as they do after a lookup [http 24]."""
    learnt.lines = []
    learnt.meanwhile = learnt.cache.no_store
    assert learnt.get().status_field == "cachelayer; fwd=uri-miss; detail=VIEW"
    learnt.meanwhile = lambda: learnt.cache.ttl(30)
    assert learnt.get().status_field == "cachelayer; fwd=uri-miss; stored"
    assert learnt.get().status_field == "cachelayer; hit; ttl=30"


def test_a_request_that_asks_for_something_of_the_cache_is_looked_at(learnt):
    """only-if-cached, Range and HEAD are answered as ever [http 5, 11, 14]."""
    assert learnt.get("/a", "Cache-Control: only-if-cached").status == 504
    assert learnt.get("/a", "Range: bytes=0-1").status_field == "cachelayer; fwd=uri-miss; detail=RANGE"
    assert learnt.get("/a", method="HEAD").status == 200
    assert learnt.get("/a", method="POST").status_field == ""


def test_cookies_and_credentials_make_no_difference(learnt):
    """The response is nobody's to share, whoever asks; what may be shared is guarded as ever [http 7]."""
    before = learnt.lookups
    for line in ("Cookie: session=1", "Authorization: Bearer x", 'If-None-Match: "x"'):
        assert learnt.get("/a", line).status_field == REFUSED
    assert learnt.lookups == before
    learnt.lines = [FRESH]
    assert "stored" not in learnt.get("/a", "Authorization: Bearer x").status_field
    assert "stored" not in learnt.get("/a", "Cookie: session=1").status_field
    assert "hit" not in learnt.get().status_field


def test_others_are_looked_up(learnt):
    """Another host, scheme, path or query [security: no cross-read]."""
    learnt.lines = [FRESH]
    before = learnt.lookups
    for asked in (("/b",), ("/a?x",), ("/a", "Host: other.example")):
        learnt.get(*asked)
    learnt.get(scheme="https")
    assert learnt.lookups == before + 4


def test_an_application_that_fails_is_counted_once(learnt):
    """As an error, and the server gets the exception [http 19]."""

    def fail():
        raise ZeroDivisionError

    learnt.meanwhile = fail
    assert isinstance(learnt.get().error, ZeroDivisionError)
    assert learnt.counts() == {"uncacheable": 2, "error": 1}


def test_a_status_of_its_own_is_looked_at(learnt):
    """A 404 that says no-store is refused after a closer look, and counted once."""
    learnt.status = 404
    assert learnt.get().status_field == REFUSED
    assert learnt.counts() == {"uncacheable": 3}


def test_a_route_that_is_paused_is_not_let_through(learnt):
    """It is counted as such [observability 11]."""
    learnt.cache.pause("GET /x")
    learnt.get()
    assert learnt.counts() == {"uncacheable": 2, "bypass": 1}
    learnt.cache.resume("GET /x")
    assert learnt.get().status_field == REFUSED


def test_listeners_hear_of_them(learnt):
    """Each is an event, as after a lookup [observability 5]."""
    heard = []
    learnt.cache.add_listener(heard.append)
    learnt.get()
    assert [event.kind.value for event in heard] == ["miss"]


def test_after_a_minute_one_is_looked_up_again(learnt, monkeypatch):
    """What is remembered is remembered for so long."""
    now = bounded.time.monotonic()
    monkeypatch.setattr(bounded.time, "monotonic", lambda: now + bounded.UNSHARED_LIFETIME + 1)
    before = learnt.lookups
    learnt.get()
    assert learnt.lookups == before + 1


def test_what_is_remembered_is_bounded(page, monkeypatch):
    """In number, and each in length [security: a million distinct queries]."""
    monkeypatch.setattr(bounded, "MOST_KEYS", 10)
    passing = page.middleware._caching.bind().passing
    for number in range(50):
        page.get(f"/{number}")
        assert len(passing) <= 10
    monkeypatch.setattr(bounded, "MOST_KEYS", 1000)
    before = len(passing)
    page.get("/" + "x" * LONGEST_TARGET)
    assert len(passing) == before


def test_rules_and_other_stores_are_looked_up():
    """There the lookup says more than the target does."""
    for shell in SHELLS:
        for made in (
            Site(shell, "six methods", lambda asked: Reply([NO_STORE])),
            Page(shell, targeted=("X",)),
        ):
            made.get()
            made.get()
            assert not made.middleware._caching.bind().passing


# -- what only one of the shells has ----------------------------------------------------------------------------


def asgi(app, *scopes):
    """Send requests one after the other; return what was sent for the last one."""
    server, last = Server(app), []

    async def work():
        for each in scopes:
            last[:] = await server.asend(each)

    asyncio.run(work())
    return last


def test_a_session_outside_is_seen():
    """The application used it, so the response is its visitor's, whatever it says [http 7, 16]."""

    class Session(dict):
        accessed = modified = True

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"a"))

    async def refused(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-store")]}
        )
        await send(body(b"a"))

    async def either(scope, receive, send):
        await (app if "session" in scope else refused)(scope, receive, send)

    answer = asgi(either, scope(), scope(), scope(session=Session()))
    assert field(answer, b"cache-status") == b"cachelayer; fwd=uri-miss; detail=SET-COOKIE"


def test_a_body_that_nothing_announced_is_seen():
    """The answer may depend on it."""

    async def app(scope, receive, send):
        lines = [(b"cache-control", b"no-store")]
        if scope.get("reads"):
            await receive()
            lines = [(b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send(body(b"a"))

    async def receive():
        return {"type": "http.request", "body": b"x", "more_body": False}

    sent = []

    async def send(message):
        sent.append(message)

    async def work():
        middleware = AsgiMiddleware(app, cache=Cache())
        for more in ({}, {}, {"reads": True}):
            sent.clear()
            await middleware(scope(**more), receive, send)

    asyncio.run(work())
    assert field(sent, b"cache-status") == b"cachelayer; fwd=uri-miss; detail=BODY"


def test_a_view_may_say_no_store_while_its_body_goes_out():
    """Also where its request was let through until its response began [http 24]."""
    cache, lines = Cache(), [(b"cache-control", b"no-store")]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        cache.no_store()
        await send(body(b"a"))

    async def work():
        for _ in range(3):
            await server.asend(scope())
            lines[:] = [(b"cache-control", b"max-age=60")]
        return await server.asend(scope())

    server = Server(app, cache=cache)
    assert b"hit" not in field(asyncio.run(work()), b"cache-status")
    assert server.outcomes == {"uncacheable": 4}


def test_a_bypass_is_one():
    """No Cache-Status is added to what is not to be cached [http 27]."""

    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-store")]}
        )
        await send(body(b"a"))

    async def work():
        for _ in range(2):
            assert field(await server.asend(scope()), b"cache-status") is not None
        with bypass():
            assert field(await server.asend(scope()), b"cache-status") is None

    server = Server(app)
    asyncio.run(work())
    assert server.outcomes == {"uncacheable": 2, "bypass": 1}


ENVIRON = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/a", "QUERY_STRING": "", "HTTP_HOST": "example.org",
    "SERVER_NAME": "example.org", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
}  # fmt: skip


def wsgi(app, times):
    """Send a request so often; return the middleware, the last head and the last body."""
    middleware, head = WsgiMiddleware(app, cache=Cache()), []
    parts = []

    def start_response(status, headers, exc_info=None):
        head[:] = [status, dict(headers)]
        return parts.append

    for _ in range(times):
        parts.clear()
        result = middleware(dict(ENVIRON), start_response)
        parts.extend(result)
        if hasattr(result, "close"):
            result.close()
    return middleware, head, b"".join(parts)


def test_an_application_that_starts_late_is_looked_at():
    """A generator starts its response when it is asked for the first part [http 22]."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "no-store")])
        yield b"a"

    middleware, head, answer = wsgi(app, 3)
    assert (head[1]["cache-status"], answer) == (REFUSED, b"a")
    assert middleware.stats().total.uncacheable == 3


def test_write_and_a_second_start_go_through():
    """What was told to the server last counts, and the request is counted once [http 22]."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "no-store")])
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            write = start_response("500 Oops", [("Cache-Control", "private")], (type(error), error, None))
        write(b"a")
        return [b"b"]

    middleware, head, answer = wsgi(app, 4)
    assert (head, answer) == (["500 Oops", {"Cache-Control": "private", "cache-status": REFUSED}], b"ab")
    assert middleware.stats().total.uncacheable == 4
