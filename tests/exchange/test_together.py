"""Where features meet: parts and purges, rules and methods, shadow and freshness, and clients that come and go."""

import asyncio
import io
import threading

import pytest

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.backends.generations import flight_lease, lease_key
from cachelayer.http import Rule
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.functions.support import PATIENCE, SixMethods, until
from tests.shells import SHELLS, Reply, Site, numbered

FRESH = "Cache-Control: max-age=60"
STRONG = (FRESH, 'ETag: "1"')
WHOLE = b"0123456789"
PART = "Range: bytes=2-6"


def ranges(*more):
    """Return an origin that answers ranges of ten bytes."""

    def origin(asked):
        first, last = map(int, asked.headers["range"].removeprefix("bytes=").split("-"))
        place = f"Content-Range: bytes {first}-{last}/10"
        return Reply([*STRONG, *more, place], WHOLE[first : last + 1], 206)

    return origin


# -- No-Vary-Search ---------------------------------------------------------------------------------------------------


def test_a_response_that_depends_on_the_query_is_not_stored_without_it(any_site):
    """Another response of its path said that the query does not matter; this one does not [http 10]."""

    def origin(asked):
        harmless = [] if asked.query == "q=secret" else ["No-Vary-Search: params"]
        return Reply([FRESH, *harmless], asked.query.encode())

    it = any_site(origin)
    it.get("/a?x=1")
    it.get("/a?q=secret")
    assert it.get("/a").body == b""


def test_a_response_that_was_stored_for_one_query_is_not_reused_for_another(any_site):
    """It never said that the query does not matter, whatever newer ones of its path say [http 10]."""

    def origin(asked):
        harmless = ["No-Vary-Search: params"] if asked.query == "x=1" else []
        return Reply([FRESH, *harmless], asked.query.encode())

    it = any_site(origin)
    it.get("/a")
    it.get("/a?x=1")
    assert it.get("/a?x=2").body == b"x=2"


def test_a_confirmation_may_end_that_the_query_does_not_matter(any_site):
    """What is confirmed with another No-Vary-Search is no longer found by a part of the query [http 10, 13]."""

    def origin(asked):
        says = 'params=("y")' if "if-none-match" in asked.headers else 'params=("x")'
        status = 304 if "if-none-match" in asked.headers else 200
        return Reply([*STRONG, f"No-Vary-Search: {says}"], asked.query.encode(), status)

    it = any_site(origin)
    it.get("/a?x=1")
    it.get("/a?x=2")
    it.clock.advance(70)
    it.get("/a?x=3")
    assert it.get("/a?x=4").body == b"x=4"


def test_what_is_changed_by_its_full_url_is_forgotten_where_its_query_does_not_matter(any_site):
    """Also what was stored under the URL before that was known [http 15]."""
    it = any_site(numbered(FRESH, "No-Vary-Search: params"))
    it.get("/a?x=1")
    it.get("/a?x=2", method="POST")
    it.get("/a?x=1", method="POST")
    it.cache.searches.known.clear()
    assert it.get("/a?x=1").body == b"3"


# -- an environ that changes ------------------------------------------------------------------------------------------


def _environ(**more):
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "",
        "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **more,
    }


def test_what_an_application_does_to_its_environ_does_not_change_what_was_asked():
    """Who compresses takes Accept-Encoding out, so that nobody does it twice [http 9, 21]."""

    def app(environ, start_response):
        packed = environ.pop("HTTP_ACCEPT_ENCODING", None) == "gzip"
        coding = [("Content-Encoding", "gzip")] if packed else []
        start_response("200 OK", [("Cache-Control", "max-age=60"), ("Vary", "Accept-Encoding"), *coding])
        return [b"packed" if packed else b"plain"]

    middleware = WsgiMiddleware(app, cache=Cache())
    asked = [_environ(HTTP_ACCEPT_ENCODING="gzip"), _environ(), _environ(HTTP_ACCEPT_ENCODING="gzip")]
    bodies = [b"".join(middleware(environ, lambda *head: None)) for environ in asked]
    assert bodies == [b"packed", b"plain", b"packed"]
    assert middleware.stats().total.hit == 1


# -- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directive", ["max-age=60", "no-cache"])
def test_only_if_cached_gives_no_stale_part(any_site, directive):
    """Nor one that must be confirmed first: there is nothing in the cache to answer with [http 4, 5, 14]."""
    it = any_site(ranges(f"Cache-Control: {directive}"))
    it.get("/a", PART)
    it.clock.advance(100)
    assert it.get("/a", PART, "Cache-Control: only-if-cached").status == 504


def test_only_if_cached_does_not_ask_for_the_rest_of_a_part(any_site):
    """A part is no answer to a plain GET, and the application must not be asked [http 5]."""
    it = any_site(ranges())
    it.get("/a", PART)
    assert it.get("/a", "Cache-Control: only-if-cached").status == 504


def test_a_stale_part_is_asked_for_again_whatever_windows_it_has(any_site):
    """Behind the client's back nobody brings a part [http 16]."""
    it = any_site(ranges("Cache-Control: stale-while-revalidate=60"))
    it.get("/a", PART)
    it.clock.advance(70)
    it.get("/a", PART)
    assert it.calls == 2


def test_a_client_that_has_the_part_is_told_so(any_site):
    """If-None-Match comes before Range [http 12, 14; RFC 9110, section 13.2.2]."""
    it = any_site(ranges())
    it.get("/a", PART)
    assert it.get("/a", PART, 'If-None-Match: "1"').status == 304


# -- purges of parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["url", "route"])
@pytest.mark.parametrize("soft", [False, True])
def test_a_purge_reaches_parts(any_site, kind, soft):
    """By whatever they are purged, and also where wholes would become stale [http 25]."""
    it = any_site(ranges())
    it.get("/a", PART)
    it.cache.purge(**{"url": {"url": "http://example.org/a"}, "route": {"route": "GET /x"}}[kind], soft=soft)
    it.get("/a", PART)
    assert it.calls == 2


# -- counts of purges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "rule", [{"cookies": ("a",)}, {"vary": ("a",)}, {"key": lambda asked: "a"}], ids=list
)
def test_no_entry_of_a_url_is_counted_twice(site, soft, dry_run, rule):
    """Though one is found by its key and by its tag [http 25]."""
    it = site(numbered(), rules=[Rule(path="/*", ttl=60, **rule)])
    it.get("/a")
    purged = it.cache.purge("http://example.org/a", soft=soft, dry_run=dry_run)
    assert not purged.exact or purged.count == 1


# -- shadow -----------------------------------------------------------------------------------------------------------


def test_who_only_watches_counts_no_hits_beyond_freshness(any_site):
    """What would have been served is as old as it would have been, not as the newest response [http 26]."""
    it = any_site(numbered(FRESH), shadow=True)
    for _ in range(3):
        it.get()
        it.clock.advance(50)
    counted = it.middleware.shadow_report().routes["GET /x"]
    assert (counted.hit, counted.miss) == (1, 2)


def test_who_only_watches_compares_with_what_would_have_been_served(any_site):
    """That is the first response for as long as it is fresh [http 26]."""
    bodies = iter([b"1", b"2", b"2"])
    it = any_site(lambda asked: Reply([FRESH], next(bodies)), shadow=True)
    for _ in range(3):
        it.get()
    assert it.middleware.shadow_report().differing == {"GET /x": 2}


# -- changes by POST --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["bypass", "key", "enabled"])
def test_a_post_that_its_rule_lets_through_is_a_change(any_site, by):
    """A mutation of GraphQL's outdates the questions of the same URL [http 15; RFC 9111, section 4.4]."""
    options = {
        "bypass": {"bypass": lambda asked: asked.content == b"mutation"},
        "key": {"key": lambda asked: None if asked.content == b"mutation" else ""},
        "enabled": {"enabled": False},
    }[by]
    it = any_site(
        numbered(), rules=[Rule(path="/*", methods=("POST",), ttl=60, **options), Rule(path="/*", ttl=60)]
    )
    it.get("/a")
    it.get("/a", method="POST", content=b"question")
    it.get("/a", method="POST", content=b"mutation")
    assert "stored" in it.get("/a").status_field
    assert "hit" not in it.get("/a", method="POST", content=b"question").status_field


# -- what a view says late --------------------------------------------------------------------------------------------


def test_a_view_may_say_no_store_while_its_body_goes_out():
    """It is stored only in the end, so that this is not too late [http 24]."""
    cache = Cache()

    async def app(scope, receive, send):
        headers = [(b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        cache.no_store()
        await send({"type": "http.response.body", "body": b""})

    middleware = AsgiMiddleware(app, cache=cache)
    for _ in range(2):
        asyncio.run(_ask(middleware))
    assert middleware.stats().routes["<unlabelled>"].reasons == {"VIEW": 2}


async def _ask(app, *headers):
    parts = []

    async def send(message):
        parts.append(message.get("body", b""))

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"", "scheme": "http"}
    await app({**scope, "headers": [(b"host", b"example.org"), *headers]}, receive, send)
    return b"".join(parts)


# -- bodies of another length -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [[b"y"], iter([b"y"])], ids=["list", "iterator"])
def test_what_comes_after_a_body_that_was_written_takes_the_entry_back(rest):
    """A body of another length than it says is not stored [http 20]."""

    def app(environ, start_response):
        write = start_response("200 OK", [("Cache-Control", "max-age=60"), ("Content-Length", "1")])
        write(b"x")
        return rest

    cache = Cache()
    middleware = WsgiMiddleware(app, cache=cache)
    list(middleware(_environ(), lambda *head: lambda data: None))
    assert cache.purge("http://example.org/a", dry_run=True).count == 0


# -- fields with underscores ------------------------------------------------------------------------------------------


def test_a_field_with_underscores_selects_no_variant_for_those_without(monkeypatch):
    """To an application behind CGI, or an adapter to WSGI, "_" and "-" are one [http 9, security 5]."""

    async def app(scope, receive, send):
        environ = {name.upper().replace(b"-", b"_"): value for name, value in scope["headers"]}
        headers = [(b"cache-control", b"max-age=60"), (b"vary", b"X-Lang")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": environ.get(b"X_LANG", b"none")})

    middleware = AsgiMiddleware(app, cache=Cache())
    asked = [[(b"x_lang", b"evil")], [], [(b"x-lang", b"evil")], [(b"x-lang", b"de"), (b"x_lang", b"evil")]]
    asked.append([(b"x-lang", b"de")])
    bodies = [asyncio.run(_ask(middleware, *fields)) for fields in asked]
    assert bodies == [b"evil", b"none", b"evil", b"evil", b"de"]


# -- WebSockets under WSGI --------------------------------------------------------------------------------------------


def test_a_websocket_of_wsgis_neither_waits_for_another_nor_gets_a_page():
    """Servers of WSGI hand it over as a GET, which lasts as long as the connection [http 19]."""
    begun, over = threading.Semaphore(0), threading.Event()

    def app(environ, start_response):
        if "HTTP_UPGRADE" in environ:
            begun.release()
            assert over.wait(PATIENCE)
            return []
        start_response("200 OK", [])
        return [b"page"]

    middleware = WsgiMiddleware(app, cache=Cache(), default_ttl=60)
    for page_first in (False, True):
        if page_first:
            list(middleware(_environ(), lambda *head: None))
        sockets = [
            threading.Thread(target=lambda: [*middleware(_environ(HTTP_UPGRADE="websocket"), print)])
            for _ in range(2)
        ]
        for thread in sockets:
            thread.start()
        both = all(begun.acquire(timeout=5) for _ in sockets)
        over.set()
        for thread in sockets:
            thread.join()
        assert both
        over.clear()


# -- parts, their tags and validators ---------------------------------------------------------------------------------


def test_parts_do_not_outlive_the_tags_of_one_of_them(any_site):
    """Combined with another they would have lost theirs [http 25]."""

    def origin(asked):
        it.cache.tag(asked.headers["range"])
        return ranges()(asked)

    it = any_site(origin)
    it.get("/a", "Range: bytes=0-3")
    it.get("/a", "Range: bytes=4-9")
    it.cache.purge(tag="bytes=0-3")
    it.get("/a", "Range: bytes=0-3")
    assert it.calls == 3


@pytest.mark.parametrize("lines", [[FRESH], [FRESH, 'ETag: W/"1"'], [*STRONG, "Vary: X"]])
def test_a_part_that_cannot_be_kept_is_not_said_to_be_stored(site, lines):
    """It lacks a strong validator, or varies [http 14, 18]."""
    it = site(lambda asked: Reply([*lines, "Content-Range: bytes 0-1/10"], b"01", 206))
    assert it.get("/a", "Range: bytes=0-1").status_field == "cachelayer; fwd=uri-miss; detail=RANGE"
    assert it.counts() == {"uncacheable": 1}


# -- shadow and long bodies -------------------------------------------------------------------------------------------


def test_who_only_watches_sees_that_a_body_has_become_too_long(any_site):
    """It is not collected, and yet another than would have been served [http 26]."""
    bodies = iter([[b"abc"], [b"abc" * 10]])
    it = any_site(lambda asked: Reply([FRESH], next(bodies)), shadow=True, max_body_bytes=10)
    it.get()
    it.get()
    assert not it.middleware.shadow_report().is_safe("GET /x")


# -- clients that do not read -----------------------------------------------------------------------------------------


def test_a_client_of_wsgis_that_does_not_read_holds_up_nobody_else(monkeypatch):
    """Others wait for its response for a moment, not as long as it likes; and theirs is stored [http 17]."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60")])
        return iter([b"x"] * 3)

    middleware = WsgiMiddleware(app, cache=Cache(), default_ttl=60)
    stalled = middleware(_environ(), lambda *head: None)
    assert next(iter(stalled)) == b"x"
    got = []
    other = threading.Thread(
        target=lambda: got.extend(middleware(_environ(), lambda *head: None)), daemon=True
    )
    other.start()
    other.join(10)
    stalled.close()
    assert got == [b"x"] * 3
    assert middleware.stats().total.hit == 0
    list(middleware(_environ(), lambda *head: None))
    assert middleware.stats().total.hit == 1


# -- cancelled requests -----------------------------------------------------------------------------------------------


class _SlowLeases(SixMethods):
    """Whose leases take their time, once each."""

    def __init__(self):
        super().__init__()
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.ended = threading.Event()
        self.slow = ""

    def acquire_lease(self, name, token, lease):
        """Take it, when that goes on."""
        if self.slow == "acquire":
            self.slow = ""
            self.begun.set()
            assert self.goes_on.wait(PATIENCE)
            try:
                return super().acquire_lease(name, token, lease)
            finally:
                self.ended.set()
        return super().acquire_lease(name, token, lease)

    async def arelease_lease(self, name, token):
        """Give it back, once there is a connection for that."""
        if self.slow == "release":
            self.slow = ""
            self.begun.set()
            await asyncio.Event().wait()
        return await super().arelease_lease(name, token)


@pytest.mark.parametrize("slow", ["acquire", "release"])
def test_who_is_cancelled_leaves_no_turn_behind(slow):
    """Also while it is taken or given back: else all others wait until it runs out [http 17, 19]."""

    async def app(scope, receive, send):
        headers = [(b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    backend = _SlowLeases()
    cache = Cache(backend, deadline=PATIENCE)
    middleware = AsgiMiddleware(app, cache=cache)

    async def cancelled():
        await _ask(middleware)
        cache.purge("http://example.org/a")
        backend.slow = slow
        asking = asyncio.create_task(_ask(middleware))
        await asyncio.to_thread(backend.begun.wait, PATIENCE)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        backend.goes_on.set()
        if slow == "acquire":
            await asyncio.to_thread(backend.ended.wait, PATIENCE)

    asyncio.run(cancelled())
    key = lease_key(flight_lease(cache.key("GET http://example.org/a")))
    until(lambda: backend.get(key) is None)


# -- bodies that turn out too long ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_body_that_turns_out_too_long_keeps_no_other_process_waiting(shell):
    """The turn is given back then, not when the rest of it has come [http 17, 19]."""
    found = []

    def body():
        yield b"x" * 20
        yield b"x"
        found.append(it.is_leased("GET http://example.org/a"))
        yield b"x"

    it = Site(shell, "six methods", lambda asked: Reply([FRESH], body()), max_body_bytes=10)
    assert len(it.get("/a").body) == 22
    assert found == [False]


# -- requests with content ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["QUERY", "POST"])
@pytest.mark.parametrize("by", ["purge", "change"])
def test_what_is_asked_with_content_is_found_by_its_url(any_site, method, by):
    """Also where the rule that leaves out parts of the query is not one for GET [http 15, 25]."""
    it = any_site(numbered(), rules=[Rule(path="/*", methods=(method,), ttl=60, ignore_query=("utm",))])
    it.get("/a?utm=1", method=method, content=b"question")
    if by == "purge":
        it.cache.purge("http://example.org/a?utm=1")
    else:
        it.get("/a?utm=1", method="PUT")
    assert "stored" in it.get("/a?utm=1", method=method, content=b"question").status_field


def test_a_post_is_not_told_that_it_has_the_answer(site):
    """304 is for GET and HEAD, and for QUERY; to a POST the condition means 412 [http 12; RFC 9110, section 13.1.2]."""
    it = site(lambda asked: Reply(['ETag: "1"']), rules=[Rule(path="/*", methods=("POST",), ttl=60)])
    it.get("/a", method="POST", content=b"question")
    again = it.get("/a", 'If-None-Match: "1"', method="POST", content=b"question")
    assert (again.status, again.body) == (200, b"body")
