"""Real servers over loopback: hits, HEAD, 304, ranges and streams, as a client sees them on the wire [http 23a]."""

import json
import socket

import pytest

from tests.integrations.running import Running
from tests.servers.processes import HOST, PATIENCE

ASGI, WSGI = "tests.integrations.served:asgi", "tests.integrations.served:wsgi"
UVICORN = ("uvicorn", ASGI, "--port", "{port}", "--no-access-log", "--http")
GUNICORN = ("gunicorn", WSGI, "--bind", "{bind}")

SERVERS = {
    "uvicorn httptools": (*UVICORN, "httptools"),
    "uvicorn h11": (*UVICORN, "h11"),
    "hypercorn": ("hypercorn", ASGI, "--bind", "{bind}"),
    "hypercorn trio": ("hypercorn", ASGI, "--bind", "{bind}", "--worker-class", "trio"),
    "granian": ("granian", ASGI, "--interface", "asgi", "--port", "{port}"),
    "gunicorn sync": GUNICORN,
    "gunicorn gthread": (*GUNICORN, "--threads", "4"),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    """A running server of each kind."""
    with Running(*SERVERS[request.param]) as running:
        yield running


#: Fields that a cache or the clock makes, and those by which a server says how it sends a body of no stated length.
OTHERS = frozenset({"age", "cache-status", "date", "transfer-encoding", "content-length"})


def plain(response):
    """Return the fields that a hit and its miss have in common."""
    return sorted(line for line in response.getheaders() if line[0].lower() not in OTHERS)


@pytest.mark.parametrize("path", ["/page", "/sized", "/missing"])
def test_a_hit_is_the_miss_on_the_wire(server, path):
    """Status line, fields and body."""
    (miss, before), (hit, after) = server.ask(path), server.ask(path)
    assert hit.getheader("cache-status").startswith("cachelayer; hit")
    assert (hit.status, hit.reason, plain(hit), after) == (miss.status, miss.reason, plain(miss), before)
    assert hit.getheader("age") == "0"


def test_a_stated_length_is_stated_once(server):
    """On the miss and on the hit."""
    for _ in range(2):
        response, body = server.ask("/sized")
        assert response.headers.get_all("content-length") == [str(len(body))]
        assert "transfer-encoding" not in response.headers


def test_a_stream_is_stored_and_served_whole(server):
    """It had no length, so it came in chunks."""
    (_, before), (hit, after) = server.ask("/stream"), server.ask("/stream")
    assert hit.getheader("cache-status").startswith("cachelayer; hit")
    assert before == after == b"".join(b"part %d\n" % number for number in range(50))


def test_head_of_a_stored_page_has_its_length_and_no_body(server):
    """The connection is fit for the next request afterwards."""
    server.ask("/head")
    connection = server.connect()
    for method, length in (("HEAD", 0), ("GET", 5), ("HEAD", 0)):
        connection.request(method, "/head")
        response = connection.getresponse()
        assert (response.getheader("content-length"), len(response.read())) == ("5", length)
        assert "hit" in response.getheader("cache-status")
    connection.close()


def test_a_304_has_neither_body_nor_length(server):
    """Servers and clients break on them."""
    first, _ = server.ask("/tagged")
    answer, body = server.ask("/tagged", if_none_match=first.getheader("etag"))
    assert (answer.status, body) == (304, b"")
    assert answer.getheader("content-length") in (None, "0")
    assert "hit" in answer.getheader("cache-status")


def test_a_range_of_a_stored_page_is_a_part_of_it(server):
    """With its own length, and fit for the next request on the same connection."""
    server.ask("/long")
    connection = server.connect()
    for fields, status, expected in (
        ({"Range": "bytes=2-4"}, 206, b"cde"),
        ({"Range": "bytes=-2"}, 206, b"yz"),
        ({"Range": "bytes=99-"}, 416, None),
        ({}, 200, b"abcdefghijklmnopqrstuvwxyz"),
    ):
        connection.request("GET", "/long", headers=fields)
        response = connection.getresponse()
        body = response.read()
        assert (response.status, "hit" in response.getheader("cache-status")) == (status, True)
        assert expected is None or (body, response.getheader("content-length")) == (
            expected,
            str(len(expected)),
        )
    connection.close()


def test_a_client_that_hangs_up_leaves_nothing_half(server):
    """Neither an entry nor a request that waits for it [http 20]."""
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as hasty:
        hasty.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    response, body = server.ask("/slow")
    assert (response.status, body) == (200, b"slow" * 20_000)


def test_what_is_not_cacheable_goes_through(server):
    """A POST with a body, and a page that says nothing."""
    assert server.ask("/echo", "POST", content_length="0")[1] == b"POST"
    first, second = server.ask("/silent")[1], server.ask("/silent")[1]
    assert first != second


def test_the_statistics_are_those_of_the_requests(server):
    """By path template, hits and misses."""
    for _ in range(3):
        server.ask("/users/7")
    routes = json.loads(server.ask("/stats")[1])
    assert (routes["GET /users/{id}"]["miss"], routes["GET /users/{id}"]["hit"]) == (1, 2)
