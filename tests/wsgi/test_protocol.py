"""PEP 3333 on both sides of the middleware: http.md, point 22."""

import sys
from io import BytesIO
from wsgiref.util import FileWrapper

import pytest

from cachelayer.http import Rule
from tests.wsgi.support import FRESH, Body, Server, environ

TYPE = ("Content-Type", "text/plain")


def whole(environ, start_response):
    """Answer with a list."""
    start_response("200 OK", [TYPE, FRESH])
    return [b"a", b"b"]


def generator(environ, start_response):
    """Answer with a generator, which calls start_response only when it is asked for a part."""
    start_response("200 OK", [TYPE, FRESH])
    yield b"a"
    yield b"b"


def writing(environ, start_response):
    """Answer by write(), and with nothing to iterate over."""
    write = start_response("200 OK", [TYPE, FRESH])
    write(b"a")
    write(b"b")
    return []


def mixed(environ, start_response):
    """Answer by write() and by an iterable."""
    start_response("200 OK", [TYPE, FRESH])(b"a")
    return iter([b"b"])


def from_file(environ, start_response):
    """Answer by the server's wrapper around a file."""
    start_response("200 OK", [TYPE, FRESH])
    return environ["wsgi.file_wrapper"](BytesIO(b"ab"), 1)


@pytest.mark.parametrize("app", [whole, generator, writing, mixed, from_file])
def test_every_way_to_answer_is_cached(app):
    """The hit is what the miss was."""
    server = Server(app, validate=app is not from_file)
    asked = {"wsgi.file_wrapper": FileWrapper}
    assert [server.send(environ(**asked)) for _ in range(2)] == [b"ab", b"ab"]
    assert server.is_hit
    assert server.outcomes == {"miss": 1, "hit": 1}


@pytest.mark.parametrize("app", [whole, generator, mixed])
def test_a_part_goes_out_for_each_that_comes_in(app):
    """None is held back, none is joined with another."""
    server = Server(app)
    result = server.ask()
    parts = [*server.written, *result]
    result.close()
    assert parts == [b"a", b"b"]


@pytest.mark.parametrize("wraps", [Body, list, tuple, FileWrapper])
def test_an_uncacheable_iterable_is_handed_over_as_it_is(wraps):
    """So that the server can do with it what it does best."""
    made = []

    def app(environ, start_response):
        start_response("200 OK", [TYPE])
        made.append(wraps(BytesIO(b"a")) if wraps is FileWrapper else wraps([b"a"]))
        return made[0]

    assert Server(app, validate=False).ask() is made[0]


def test_a_cacheable_list_is_handed_over_as_it_is():
    """It is stored by then: servers give a list of one part its Content-Length."""
    made = [b"a"]

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        return made

    server = Server(app, validate=False)
    assert server.ask() is made
    server.ask()
    assert server.is_hit


@pytest.mark.parametrize("fields", [[TYPE, FRESH], [TYPE]], ids=["cacheable", "uncacheable"])
@pytest.mark.parametrize("takes", [0, 1, 3], ids=["unread", "half read", "read"])
def test_the_iterable_is_closed_once(fields, takes):
    """However far the server has read; what it did not read to the end is not stored."""
    made = []

    def app(environ, start_response):
        start_response("200 OK", fields)
        made.append(Body([b"a", b"b"]))
        return made[-1]

    server = Server(app, validate=False)
    result = server.ask()
    for _ in range(takes):
        next(result, None)
    result.close()
    assert made[0].closed == 1
    server.ask()
    assert server.is_hit is (takes == 3 and FRESH in fields)


def test_the_iterable_is_closed_when_its_body_fails():
    """And the error comes out."""

    def parts():
        yield b"a"
        raise OSError("gone")

    made = []

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        made.append(Body(parts()))
        return made[-1]

    server = Server(app)
    with pytest.raises(OSError, match="gone"):
        server.send()
    assert made[0].closed == 1
    assert server.outcomes == {"error": 1}


def test_an_iterable_without_close_needs_none():
    """An iterator, say."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        return iter([b"a"])

    assert Server(app, validate=False).send() == b"a"


def test_start_response_may_come_with_the_first_part():
    """What was decided by the headers holds, stored or not."""
    calls = []

    def app(environ, start_response):
        calls.append(1)
        start_response("200 OK", [TYPE] if environ["PATH_INFO"] == "/un" else [TYPE, FRESH])
        yield b"a"

    server = Server(app)
    for path in ("/a", "/a", "/un", "/un"):
        assert server.send(environ(path)) == b"a"
    assert len(calls) == 3


def test_start_response_may_come_after_empty_parts():
    """As long as it comes before the first that is not."""

    def app(environ, start_response):
        yield b""
        start_response("200 OK", [TYPE, FRESH])
        yield b"a"

    server = Server(app, validate=False)
    assert [server.send(), server.send()] == [b"a", b"a"]
    assert server.is_hit


def test_exc_info_replaces_what_was_started():
    """The server gets it, and what counts is the second head."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        try:
            raise OSError("gone")
        except OSError:
            start_response("500 Internal Server Error", [TYPE], sys.exc_info())
        return [b"sorry"]

    server = Server(app)
    for _ in range(2):
        assert server.send() == b"sorry"
        assert server.started[-1][2][0] is OSError
    assert server.outcomes == {"uncacheable": 2}


def test_exc_info_after_the_body_began_raises_in_the_application():
    """The server raises it, as PEP 3333 says, and nothing is stored."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        yield b"a"
        try:
            raise OSError("gone")
        except OSError:
            start_response("500 Oh", [TYPE], sys.exc_info())

    server = Server(app, validate=False)

    def strict(status, headers, exc_info=None):
        if exc_info:
            raise exc_info[1]
        return lambda data: None

    for _ in range(2):
        result = server.middleware(environ(), strict)
        assert next(result) == b"a"
        with pytest.raises(OSError, match="gone"):
            next(result)
        result.close()
    assert server.outcomes == {"uncacheable": 2}


def test_what_the_application_raises_comes_out_as_it_is():
    """The very same exception."""
    error = ValueError("mine")

    def app(environ, start_response):
        raise error

    server = Server(app)
    with pytest.raises(ValueError, match="mine") as raised:
        server.ask()
    assert raised.value is error
    assert server.outcomes == {"error": 1}


def test_write_before_start_response_is_the_applications_mistake():
    """It cannot even be called: there is nothing to call."""

    def app(environ, start_response):
        return [b"a"]

    server = Server(app, validate=False)
    assert list(server.ask()) == [b"a"]
    assert server.started == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("abc", [FRESH]),
        ("", [FRESH]),
        (200, [FRESH]),
        ("200 OK", [("X", "\u20ac"), FRESH]),
        ("200 OK", ["X"]),
        ("200 OK", [(b"X", b"1")]),
        ("200 OK\r\nX: 1", [FRESH]),
        ("200 OK", [("X", "a\r\nb"), FRESH]),
    ],
    ids=["no number", "empty", "int", "no latin-1", "no pair", "bytes", "split status", "split value"],
)
def test_a_malformed_head_goes_on_to_the_server(status, headers):
    """Which will say what it thinks of it; it is not stored."""

    def app(environ, start_response):
        start_response(status, headers)
        return [b"a"]

    server = Server(app, validate=False, cache_status=None)
    for _ in range(2):
        assert b"".join(server.ask()) == b"a"
        assert server.started[0][:2] == (status, headers)
    assert "hit" not in server.outcomes


@pytest.mark.parametrize(
    "status", ["200 OK", "200 Fine", "404 NOT FOUND", "299 Odd", "299 ", "404 Not Found"]
)
def test_a_hit_has_the_reason_phrase_of_its_miss(status):
    """Frameworks have their own spellings."""

    def app(environ, start_response):
        start_response(status, [TYPE, FRESH])
        return [b"a"]

    server = Server(app, validate=False)
    server.send()
    server.send()
    assert server.is_hit
    assert server.started[0][0] == status


def test_a_304_has_the_usual_phrase_and_no_body():
    """Servers break on a body there, or on a Content-Length."""

    def app(environ, start_response):
        start_response("200 Fine", [TYPE, FRESH, ("ETag", '"x"'), ("Content-Length", "1")])
        return [b"a"]

    server = Server(app)
    server.send()
    assert server.send(environ(HTTP_IF_NONE_MATCH='"x"')) == b""
    assert (server.started[0][0], server.field("content-length"), server.field("content-type")) == (
        "304 Not Modified", None, None,
    )  # fmt: skip


@pytest.mark.parametrize("parts", [[b"ab"], [b"a", b"b"], [b"a", b"b", b""]])
@pytest.mark.parametrize("kind", [list, iter, Body])
def test_an_entry_is_stored_before_the_last_byte(parts, kind):
    """With Content-Length before the part that completes it goes out; a list before anything does."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH, ("Content-Length", "2")])
        return kind(list(parts))

    server, other = Server(app, validate=False), None
    got = b""
    for part in server.ask():
        got += part
        if got == b"ab" and other is None:
            other = Server(app, validate=False)
            other.middleware = server.middleware
            other._app = server.middleware
            other.send()
    assert other is not None
    assert other.is_hit


def test_without_a_length_an_entry_is_stored_before_the_iterable_ends():
    """The server has not sent the end of the body by then."""
    server = Server(generator)
    result = server.ask()
    assert list(result) == [b"a", b"b"]
    again = Server(generator)
    again._app = server._app
    again.send()
    assert again.is_hit
    result.close()


def test_what_comes_after_the_end_takes_the_entry_back():
    """More of the body than there was to be: it was no whole response after all."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH, ("Content-Length", "1"), ("Vary", "X")])
        yield b"a"
        yield b"b"

    server = Server(app, validate=False)
    for _ in range(2):
        server.send()
        assert not server.is_hit


def test_write_counts_towards_the_length():
    """And stores what it completes before it goes out."""

    def app(environ, start_response):
        write = start_response("200 OK", [TYPE, FRESH, ("Content-Length", "2")])
        write(b"a")
        write(b"b")
        return []

    server = Server(app, validate=False)
    seen = []
    again = Server(app, validate=False)
    again._app = server._app

    def start_response(status, headers, exc_info=None):
        def write(data):
            if data == b"b":
                again.send()
                seen.append(again.is_hit)

        return write

    server.middleware(environ(), start_response)
    assert seen == [True]


def test_head_is_answered_without_a_body():
    """From a stored GET, and by the application."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        return [b"a"] if environ["REQUEST_METHOD"] == "GET" else []

    server = Server(app)
    assert server.send(environ(REQUEST_METHOD="HEAD")) == b""
    server.send()
    assert server.send(environ(REQUEST_METHOD="HEAD")) == b""
    assert server.is_hit


def test_an_endless_body_is_passed_on_without_being_kept():
    """Until the server has had enough."""

    def app(environ, start_response):
        start_response("200 OK", [TYPE, FRESH])
        while True:
            yield b"x" * 1000

    server = Server(app, max_body_bytes=5000)
    result = server.ask()
    for _ in range(1000):
        next(result)
    result.close()
    assert server.middleware.stats().total.reasons == {"TOO-LARGE": 1}


def test_a_rule_sees_all_fields_of_the_request():
    """Though they are only made when somebody looks."""
    seen = []

    def key(request):
        seen.extend(request.headers)
        return dict(request.headers)[b"x-tenant"]

    server = Server(whole, rules=[Rule(ttl=60, key=key)])
    for tenant in ("one", "two", "one"):
        server.send(environ(HTTP_X_TENANT=tenant, CONTENT_TYPE="text/x"))
    assert server.outcomes == {"miss": 2, "hit": 1}
    assert {(b"host", b"example.org"), (b"content-type", b"text/x"), (b"x-tenant", b"one")} <= set(seen)
