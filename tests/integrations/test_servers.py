"""Real servers over loopback: hits, HEAD, 304 and streams, as a client sees them on the wire."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Seconds after which a server that has not come up never will.
PATIENCE = 30.0

SERVERS = {
    "uvicorn": ["uvicorn", "tests.integrations.served:asgi", "--port", "0", "--no-access-log"],
    "uvicorn h11": [
        "uvicorn",
        "tests.integrations.served:asgi",
        "--port",
        "0",
        "--no-access-log",
        "--http",
        "h11",
    ],
    "gunicorn sync": ["gunicorn", "tests.integrations.served:wsgi", "--bind", "127.0.0.1:0"],
    "gunicorn gthread": [
        "gunicorn",
        "tests.integrations.served:wsgi",
        "--bind",
        "127.0.0.1:0",
        "--threads",
        "4",
    ],
}
#: What the servers say when they listen, with the port that the system gave them.
LISTENS = re.compile(r"(?:running on|Listening at:) http://127\.0\.0\.1:(\d+)")


class Running:
    """A server that a test started."""

    def __init__(self, command, log):
        self._log = log.open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}"},
        )
        try:
            self.port = self._wait(log)
        except BaseException:
            self.stop()
            raise

    def _wait(self, log):
        """Return the port when the server answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            found = LISTENS.search(log.read_text())
            if found and self._answers(int(found[1])):
                return int(found[1])
            time.sleep(0.02)  # between two looks; readiness decides, not the time
        raise AssertionError(f"the server did not come up: {log.read_text()}")

    @staticmethod
    def _answers(port):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/ready")
            connection.getresponse().read()
            connection.close()
        except OSError:
            return False
        return True

    def ask(self, path, method="GET", **headers):
        """Return status, fields and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body

    def stop(self):
        """End it, and wait until it has ended."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)
        self._log.close()


@pytest.fixture(scope="module", params=SERVERS)
def server(request, tmp_path_factory):
    """A running server of each kind."""
    running = Running(SERVERS[request.param], tmp_path_factory.mktemp("server") / "log")
    yield running
    running.stop()


def plain(response):
    """Return the fields that a hit and its miss have in common."""
    other = ("age", "cache-status", "date")
    return sorted(line for line in response.getheaders() if line[0].lower() not in other)


@pytest.mark.parametrize("path", ["/page", "/sized", "/missing"])
def test_a_hit_is_the_miss_on_the_wire(server, path):
    """Status line, fields and body."""
    (miss, before), (hit, after) = server.ask(path), server.ask(path)
    assert hit.getheader("cache-status").startswith("cachelayer; hit")
    assert (hit.status, hit.reason, plain(hit), after) == (miss.status, miss.reason, plain(miss), before)
    assert hit.getheader("age") == "0"


def test_a_stream_is_stored_and_served_whole(server):
    """It had no length, so it came in chunks."""
    (_, before), (hit, after) = server.ask("/stream"), server.ask("/stream")
    assert hit.getheader("cache-status").startswith("cachelayer; hit")
    assert before == after == b"".join(b"part %d\n" % number for number in range(50))


def test_head_of_a_stored_page_has_its_length_and_no_body(server):
    """The connection is fit for the next request afterwards."""
    server.ask("/head")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for method, length in (("HEAD", 0), ("GET", 5), ("HEAD", 0)):
        connection.request(method, "/head")
        response = connection.getresponse()
        assert (response.getheader("content-length"), len(response.read())) == ("5", length)
        assert "hit" in response.getheader("cache-status")
    connection.close()


def test_a_304_has_neither_body_nor_length(server):
    """Servers and clients break on them."""
    first, _ = server.ask("/tagged")
    answer, body = server.ask("/tagged", **{"If-None-Match": first.getheader("etag")})
    assert (answer.status, body) == (304, b"")
    assert answer.getheader("content-length") in (None, "0")
    assert "hit" in answer.getheader("cache-status")


def test_what_is_not_cacheable_goes_through(server):
    """A POST with a body, and a page that says nothing."""
    assert server.ask("/echo", "POST", **{"Content-Length": "0"})[1] == b"POST"
    first, second = server.ask("/silent")[1], server.ask("/silent")[1]
    assert first != second


def test_the_statistics_are_those_of_the_requests(server):
    """By path template, hits and misses."""
    for _ in range(3):
        server.ask("/users/7")
    routes = json.loads(server.ask("/stats")[1])
    assert (routes["GET /users/{id}"]["miss"], routes["GET /users/{id}"]["hit"]) == (1, 2)
