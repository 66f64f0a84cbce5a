"""From an environ to a request: what is asked for, with nothing lost and nothing confused."""

import pytest

from cachelayer.http import Policy, plan_lookup
from cachelayer.wsgi import request_of
from tests.wsgi.support import Server, environ


def key(**parts):
    """Return the key of a request."""
    return plan_lookup(request_of(environ(**parts)), Policy()).key


@pytest.mark.parametrize(
    ("parts", "target"),
    [
        ({"path": "/a"}, "/a"),
        ({"path": "/a/b", "RAW_URI": "/a%2Fb?x"}, "/a%2Fb"),
        ({"path": "/a/b", "REQUEST_URI": "/a%2fb"}, "/a%2fb"),
        ({"path": "/a/b", "RAW_URI": "http://example.org/a%2Fb"}, "/a%2Fb"),
        ({"path": "/a b"}, "/a%20b"),
        ({"path": "/\xc3\xa4"}, "/%C3%A4"),
        ({"path": "/b", "SCRIPT_NAME": "/a"}, "/a/b"),
        ({"path": "/b", "SCRIPT_NAME": "/a", "RAW_URI": "/a/b"}, "/a/b"),
        ({"path": "/a", "QUERY_STRING": "b=%20"}, "/a?b=%20"),
    ],
)
def test_the_path_is_the_one_that_was_sent(parts, target):
    """Raw where the server tells, else quoted again."""
    assert key(**parts) == f"GET http://example.org{target}"


def test_a_rewritten_path_is_keyed_by_both():
    """Something before us has changed it: what the application sees counts, and what the client sent."""
    keys = {key(path="/x", RAW_URI=raw) for raw in ("/x", "/one/x", "/two/x")} | {
        key(path="/y", RAW_URI="/one/x")
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("parts", "host"),
    [
        ({"HTTP_HOST": "Example.ORG:80"}, "example.org"),
        ({"HTTP_HOST": "example.org:8000"}, "example.org:8000"),
        ({"HTTP_HOST": "x.org", "wsgi.url_scheme": "https"}, "x.org"),
    ],
)
def test_the_host_is_normalised(parts, host):
    """Case and the default port make no difference."""
    scheme = parts.get("wsgi.url_scheme", "http")
    assert key(**parts) == f"{scheme}://{host}/a".join(["GET ", ""])


@pytest.mark.parametrize(("name", "host"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")])
def test_without_host_the_servers_own_name_counts(name, host):
    """HTTP/1.0 needs no Host."""
    asked = environ(SERVER_NAME=name, SERVER_PORT="8000")
    del asked["HTTP_HOST"]
    assert plan_lookup(request_of(asked), Policy()).key == f"GET http://{host}/a"


@pytest.mark.parametrize(
    "parts",
    [
        {"path": "/\u20ac"},
        {"QUERY_STRING": "\u20ac"},
        {"HTTP_HOST": "\u20ac"},
        {"HTTP_HOST": "a b"},
        {"HTTP_COOKIE": "\u20ac"},
        {"path": "a"},
        {"CONTENT_LENGTH": "5"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_CONTENT_LENGTH": "5"},
        {"REQUEST_METHOD": "POST"},
    ],
    ids=repr,
)
def test_what_has_no_key_is_not_looked_up(parts):
    """An environ that breaks PEP 3333, no host, no path, a body, another method."""
    assert key(**parts) is None


@pytest.mark.parametrize("missing", ["wsgi.url_scheme", "SERVER_NAME", "REQUEST_METHOD", "PATH_INFO"])
def test_an_incomplete_environ_never_fails_here(missing):
    """The application answers it, as it would without us."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60")])
        return [b"a"]

    server = Server(app, validate=False)
    asked = environ()
    del asked[missing], asked["HTTP_HOST"]
    assert server.send(asked) == b"a"


@pytest.mark.parametrize("length", ["", "0"])
def test_an_empty_content_length_is_no_body(length):
    """As servers give it for GET."""
    assert key(CONTENT_LENGTH=length) is not None


def test_both_spellings_of_content_length_count():
    """A server that lets underscores through has two."""
    assert key(CONTENT_LENGTH="0", HTTP_CONTENT_LENGTH="5") is None


def test_a_field_that_is_no_latin_1_harms_nobody():
    """It is kept apart from any other value, and goes no further."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60"), ("Vary", "X")])
        return [environ["HTTP_X"].encode()]

    server = Server(app, validate=False)
    for value in ("\u20ac", "?", "\u20ac"):
        assert server.send(environ(HTTP_X=value)) == value.encode()
