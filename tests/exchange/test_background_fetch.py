"""What the application gets that is asked once more: http.md, point 23a."""

import asyncio
import sys
from io import BytesIO

import pytest

from cachelayer import Cache
from cachelayer.flow import background
from cachelayer.http import Rule
from cachelayer.testing import FakeClock
from tests.asgi.support import Server as AsgiServer
from tests.asgi.support import body, field, scope
from tests.functions.support import until
from tests.integrations.running import Running
from tests.integrations.test_servers import SERVERS
from tests.wsgi.support import Server as WsgiServer
from tests.wsgi.support import environ

SWR = "max-age=60, stale-while-revalidate=60"
ASGI_SWR = (b"cache-control", SWR.encode())
WSGI_SWR = [("Content-Type", "text/plain"), ("Cache-Control", SWR)]


def asgi(app, *requests, apart=70, **options):
    """Send requests through a middleware, so many seconds apart; return the bodies, refreshes included."""

    async def work():
        clock = FakeClock()
        server = AsgiServer(app, cache=Cache(clock=clock), **options)
        found = []
        for asked in requests:
            found.append(await server.asend(asked))
            await asyncio.wait_for(background.ajoin(), 20)
            clock.advance(apart)
        assert not server.middleware._caching.bound.flights.computing.under_way
        return found

    return asyncio.run(work())


# -- ASGI -----------------------------------------------------------------------------------------------------------


def test_a_refresh_receives_an_empty_body_and_then_the_end():
    """The end comes once the response is whole, and not before [http 23a]."""
    received = []

    async def app(scope, receive, send):
        messages = [await receive()]
        listening = asyncio.create_task(receive())
        await asyncio.sleep(0)
        early = listening.done()
        await send({"type": "http.response.start", "status": 200, "headers": [ASGI_SWR]})
        await send(body(b"a"))
        if len(received):
            messages.append(await listening)
        else:
            listening.cancel()
        received.append((messages, early))

    async def receive():
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        return {}

    asked = []

    async def work():
        clock = FakeClock()
        server = AsgiServer(app, cache=Cache(clock=clock))
        await server.asend(receive=receive)
        clock.advance(70)
        await server.asend()
        await asyncio.wait_for(background.ajoin(), 20)

    asyncio.run(work())
    messages, early = received[1]
    assert not early
    assert messages == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]


def test_a_refresh_has_a_scope_of_its_own():
    """What the application puts there stays its own; what the server offers for one response is gone [http 23a]."""
    scopes = []

    async def app(scope, receive, send):
        scopes.append((dict(scope), dict(scope.get("extensions") or {})))
        scope["state"]["seen"] = True
        scope["path_params"] = {"id": len(scopes)}
        await send({"type": "http.response.start", "status": 200, "headers": [ASGI_SWR]})
        await send(body(b"a"))

    asked = [scope(state={}, extensions={"http.response.pathsend": {}}) for _ in range(2)]
    asgi(app, *asked)
    assert scopes[1][1] == {}
    assert "seen" not in asked[1]["state"]
    assert "path_params" not in asked[1]


def test_a_request_that_is_asked_again_has_an_untouched_scope():
    """As routers do, the application has put things into the first one [http 13, 23a]."""
    seen = []

    async def app(scope, receive, send):
        seen.append(
            (scope["root_path"], dict(scope["headers"]).get(b"if-none-match"), (await receive())["type"])
        )
        scope["root_path"] += "/mounted"
        headers = [(b"cache-control", b"max-age=60"), (b"etag", b'"v%d"' % len(seen))]
        known = seen[-1][1] is not None
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send(body(b"" if known else b"%d" % len(seen)))

    async def work():
        clock = FakeClock()
        server = AsgiServer(app, cache=Cache(clock=clock))

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        await server.asend(receive=receive)
        clock.advance(70)
        return await server.asend(receive=receive)

    answer = asyncio.run(work())
    assert answer[-1]["body"] == b"3"
    assert seen == [("", None, "http.request"), ("", b'"v1"', "http.request"), ("", None, "http.request")]


def test_the_server_gets_one_response_where_the_application_is_asked_twice():
    """Nothing of the first one gets through [http 13, 23a]."""

    async def app(scope, receive, send):
        known = b"if-none-match" in dict(scope["headers"])
        headers = [(b"cache-control", b"max-age=60"), (b"etag", b'"other"' if known else b'"v"')]
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send(body(b"a", more=True))
        await send(body(b"b"))

    answers = asgi(app, scope(), scope())
    assert [message["type"] for message in answers[1]] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]
    assert answers[1][0]["status"] == 200


def test_a_304_has_no_length_and_no_body():
    """Whatever the stored response says: servers break on it [http 12, 23a]."""

    async def app(scope, receive, send):
        headers = [(b"cache-control", b"max-age=60"), (b"etag", b'"v"'), (b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(body(b"a"))

    for asked in (scope("/a", (b"if-none-match", b'"v"')), scope("/a", (b"if-none-match", b"*"))):
        answer = asgi(app, scope(), asked, apart=1)[1]
        assert answer[0]["status"] == 304
        assert field(answer, b"content-length") is None
        assert answer[1:] == [body(b"")]


def test_a_session_that_a_refresh_uses_keeps_its_response_out():
    """A middleware outside may have put one into the scope [http 7, 16]."""

    async def app(scope, receive, send):
        calls.append(1)
        if scope["session"] is not None:
            scope["session"]["used"] = True
        await send({"type": "http.response.start", "status": 200, "headers": [ASGI_SWR]})
        await send(body(b"%d" % len(calls)))

    calls = []

    async def work():
        clock = FakeClock()
        server = AsgiServer(app, cache=Cache(clock=clock))
        await server.asend(scope(session=None))
        for session in ({}, None):
            clock.advance(40)
            await server.asend(scope(session=session))
            clock.advance(25)
            stale = await server.asend(scope(session=session))
            await asyncio.wait_for(background.ajoin(), 20)
            if session is not None:
                assert (stale[-1]["body"], len(calls)) == (b"1", 2)
                assert (await server.asend(scope(session={})))[-1]["body"] == b"1"

    asyncio.run(work())


def test_a_refresh_that_its_client_has_long_left_goes_on():
    """The client's disconnect is not the application's [http 16, 17]."""

    async def app(scope, receive, send):
        calls.append(1)
        await send({"type": "http.response.start", "status": 200, "headers": [ASGI_SWR]})
        await asyncio.sleep(0)
        await send(body(b"%d" % len(calls)))

    calls = []

    async def work():
        clock = FakeClock()
        server = AsgiServer(app, cache=Cache(clock=clock))
        await server.asend()
        clock.advance(70)

        async def gone(message):
            raise OSError("the client has gone")

        with pytest.raises(OSError, match="gone"):
            await server.asend(send=gone)
        await asyncio.wait_for(background.ajoin(), 20)
        return await server.asend()

    assert asyncio.run(work())[-1]["body"] == b"2"


def test_a_loop_that_is_closed_in_the_middle_of_a_refresh_frees_its_key(caplog):
    """The next loop's requests do not wait for it [http 16, 17]."""

    async def app(scope, receive, send):
        calls.append(1)
        if len(calls) == 2:
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": [ASGI_SWR]})
        await send(body(b"%d" % len(calls)))

    async def stale():
        answer = await server.asend()
        await asyncio.sleep(0)
        return answer

    calls, clock = [], FakeClock()
    server = AsgiServer(app, cache=Cache(clock=clock))
    asyncio.run(server.asend())
    clock.advance(70)
    asyncio.run(stale())
    clock.advance(60)
    assert asyncio.run(asyncio.wait_for(server.asend(), 20))[-1]["body"] == b"3"


# -- WSGI -----------------------------------------------------------------------------------------------------------


def wsgi(app, *requests, **options):
    """Send requests through a middleware, 70 seconds apart; return the bodies."""
    clock = FakeClock()
    server = WsgiServer(app, cache=Cache(clock=clock), **options)
    found = []
    for asked in requests:
        found.append(server.send(asked))
        assert background.join(20)
        clock.advance(70)
    assert not server.middleware._caching.bound.flights.computing.under_way
    return found


def test_a_refresh_has_an_input_that_ends():
    """Not the connection's, from which the next request is read [http 23a]."""
    inputs = []

    def app(environ, start_response):
        inputs.append((environ["wsgi.input"].read(100), environ["wsgi.input"].readline()))
        start_response("200 OK", WSGI_SWR)
        return [b"a"]

    wsgi(app, environ(), environ(**{"wsgi.input": BytesIO(b"the next request")}))
    assert inputs == [(b"", b""), (b"", b"")]


def test_a_refresh_leaves_the_requests_environ_alone():
    """The server may still look into it [http 23a]."""

    def app(environ, start_response):
        environ["mine"] = True
        start_response("200 OK", WSGI_SWR)
        return [b"a"]

    asked = [environ(), environ()]
    wsgi(app, *asked)
    assert "mine" not in asked[1]


@pytest.mark.parametrize("kind", ["list", "generator", "write", "late"])
def test_a_refresh_takes_every_kind_of_answer(kind):
    """As PEP 3333 allows them; an iterable with close() is closed once [http 16, 22]."""
    calls, closed = [], []

    class Late:
        def __init__(self, start_response):
            self._start, self._parts = start_response, iter([b"%d" % len(calls), b"!"])

        def __iter__(self):
            return self

        def __next__(self):
            if self._start is not None:
                self._start("200 OK", WSGI_SWR)
                self._start = None
            return next(self._parts)

        def close(self):
            closed.append(1)

    def app(environ, start_response):
        calls.append(1)
        if kind == "late":
            return Late(start_response)
        write = start_response("200 OK", WSGI_SWR)
        if kind == "write":
            write(b"%d" % len(calls))
            return [b"!"]
        return [b"%d" % len(calls), b"!"] if kind == "list" else iter([b"%d" % len(calls), b"!"])

    assert wsgi(app, environ(), environ()) == [b"1!", b"1!"]
    assert len(calls) == 2
    assert len(closed) == (2 if kind == "late" else 0)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("failure", ["304", "503", "raises"])
def test_a_stale_response_takes_the_place_of_every_kind_of_answer(late, failure, caplog):
    """Also where start_response is called with the first part; each iterable is closed once [http 13, 16, 22]."""
    closed = []

    class Parts:
        def __init__(self, answer):
            self._answer, self._parts = answer, None

        def __iter__(self):
            return self

        def __next__(self):
            if self._parts is None:
                self._parts = iter(self._answer())
            return next(self._parts)

        def close(self):
            closed.append(1)

    def app(environ, start_response):
        def answer():
            if "HTTP_IF_NONE_MATCH" not in environ:
                start_response("200 OK", [*WSGI_FIELDS])
                return [b"body"]
            if failure == "raises":
                raise ValueError("gone")
            status = "304 Not Modified" if failure == "304" else "503 Service Unavailable"
            fields = [("ETag", '"v"')] if failure == "304" else [("Content-Type", "text/plain")]
            start_response(status, fields)
            return [] if failure == "304" else [b"error"]

        return Parts(answer) if late else answer()

    clock = FakeClock()
    server = WsgiServer(app, cache=Cache(clock=clock), rules=[Rule(stale_if_error=60)])
    assert server.send() == b"body"
    clock.advance(61)
    assert server.send() == b"body"
    assert [status for status, _, _ in server.started] == ["200 OK"]
    assert len(closed) == (2 if late else 0)
    assert not server.middleware._caching.bound.flights.computing.under_way


WSGI_FIELDS = [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60"), ("ETag", '"v"')]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_a_304_about_another_version_is_asked_about_again(late):
    """The server gets one response, and each iterable is closed once [http 13, 22]."""
    calls, closed = [], []

    class Parts(list):
        def close(self):
            closed.append(1)

    def app(environ, start_response):
        known = "HTTP_IF_NONE_MATCH" in environ
        environ["SCRIPT_NAME"] += "/mounted"
        calls.append(environ["SCRIPT_NAME"])
        fields = [("Cache-Control", "max-age=60"), ("ETag", f'"v{len(calls)}"')]

        def answer():
            start_response(
                "304 Not Modified" if known else "200 OK",
                fields if known else [("Content-Type", "text/plain"), *fields],
            )
            yield from [] if known else [b"%d" % len(calls)]

        return answer() if late else Parts(answer())

    clock = FakeClock()
    server = WsgiServer(app, cache=Cache(clock=clock))
    assert server.send() == b"1"
    clock.advance(61)
    assert server.send() == b"3"
    assert [status for status, _, _ in server.started] == ["200 OK"]
    assert calls == ["/mounted"] * 3
    assert server.send() == b"3"
    assert server.is_hit


def test_an_error_after_the_head_is_the_applications():
    """Its second head, by exc_info, goes out; and its body is not stored for that of the first [http 16, 22]."""
    calls = []

    def app(environ, start_response):
        calls.append(1)
        start_response("200 OK", [*WSGI_FIELDS])
        if len(calls) == 1:
            return [b"body"]
        try:
            raise ValueError("gone")
        except ValueError:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"error"]

    clock = FakeClock()
    server = WsgiServer(app, cache=Cache(clock=clock), rules=[Rule(stale_if_error=60)])
    assert server.send() == b"body"
    clock.advance(61)
    assert server.send() == b"error"
    assert [status for status, _, _ in server.started] == ["200 OK", "500 Internal Server Error"]
    clock.advance(5)
    server.send()
    assert not server.is_hit
    assert len(calls) == 3


def test_what_an_application_says_before_a_late_start_counts(tmp_path):
    """It spoke when it was called, and its response begins with the first part [http 22, 24]."""
    cache = Cache(clock=FakeClock())

    class Late:
        def __init__(self, start_response):
            self._start = start_response

        def __iter__(self):
            self._start("200 OK", [*WSGI_FIELDS])
            yield b"x"

    def app(environ, start_response):
        cache.no_store()
        return Late(start_response)

    server = WsgiServer(app, cache=cache)
    server.send(), server.send()
    assert not server.is_hit


def test_the_environ_is_the_clients_again_afterwards():
    """Its own conditions are back in it for whoever stands around [http 13]."""

    def app(environ, start_response):
        known = environ.get("HTTP_IF_NONE_MATCH")
        start_response(
            "304 Not Modified" if known == '"v"' else "200 OK",
            WSGI_FIELDS if known is None else WSGI_FIELDS[1:],
        )
        return [b"body"] if known is None else []

    clock = FakeClock()
    server = WsgiServer(app, cache=Cache(clock=clock), validate=False)
    server.send()
    clock.advance(61)
    asked = environ(HTTP_IF_NONE_MATCH='"mine"', HTTP_RANGE="bytes=0-1")
    assert server.send(asked) == b"bo"
    assert (asked["HTTP_IF_NONE_MATCH"], asked["HTTP_RANGE"]) == ('"mine"', "bytes=0-1")
    assert "HTTP_IF_MODIFIED_SINCE" not in asked


# -- real servers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[name for name in SERVERS if name != "hypercorn trio"])
def server(request):
    """A running server of each kind whose event loop is asyncio's, or that has threads."""
    words = [
        word.replace("tests.integrations.served", "tests.exchange.served") for word in SERVERS[request.param]
    ]
    with Running(*words) as running:
        yield running


def test_a_real_servers_stale_hit_is_refreshed(server):
    """On one connection: stale, and soon the next one, over and over [http 16, 23a]."""
    connection = server.connect()
    _, first = _ask(connection, "/always-stale")
    _, stale = _ask(connection, "/always-stale")
    assert stale == first
    for _ in range(3):
        _, now = _ask(connection, "/always-stale")
        until(lambda now=now: _ask(connection, "/always-stale")[1] != now)
    connection.close()


def test_a_real_server_sends_what_was_confirmed(server):
    """The stored body after the application's 304, and a 304 to who has it; the connection stays fit [http 13, 23a]."""
    connection = server.connect()
    _ask(connection, "/revalidated")
    for _ in range(3):
        response, body = _ask(connection, "/revalidated")
        assert response.getheader("cache-status") == "cachelayer; fwd=stale; fwd-status=304; stored"
        assert (response.status, response.getheader("content-length"), body) == (200, "5", b"whole")
        response, body = _ask(connection, "/revalidated", **{"If-None-Match": '"t"'})
        assert (response.status, response.getheader("content-length") or "0", body) == (304, "0", b"")
    connection.close()


def _ask(connection, path, **fields):
    connection.request("GET", path, headers=fields)
    response = connection.getresponse()
    return response, response.read()
