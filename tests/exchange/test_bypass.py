"""Middlewares in a process, or a block, that goes without caching."""

import asyncio
import subprocess
import sys

import pytest

from cachelayer import bypass
from tests.shells import Site, numbered

FRESH = "Cache-Control: max-age=60"


@pytest.fixture(params=["memory", "six methods"])
def store(request):
    """The kind of store."""
    return request.param


def test_in_a_bypass_block_no_request_is_looked_up(store):
    """What is stored is neither read nor replaced, and the response says nothing of a cache (39)."""
    it = Site("wsgi", store, numbered(FRESH))
    first = it.get()
    with bypass():
        second = it.get()
    assert second.body != first.body
    assert second.get("Cache-Status") is None
    assert it.get().body == first.body
    assert it.counts() == {"miss": 1, "bypass": 1, "hit": 1}


def test_in_a_bypass_block_of_a_task_no_request_is_looked_up(store):
    """The same in ASGI, where other tasks are served from the cache meanwhile (39)."""
    it = Site("asgi", store, numbered(FRESH))
    first = it.get()

    async def ask():
        sent = []
        headers = [(b"host", b"example.org")]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/a",
            "raw_path": b"/a",
            "query_string": b"",
            "root_path": "",
        }
        scope |= {"headers": headers, "scheme": "http", "server": ("example.org", 80), "http_version": "1.1"}

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message.get("body", b""))

        await it.middleware(scope, receive, send)
        return b"".join(sent)

    async def ask_without():
        with bypass():
            return await ask()

    async def scenario():
        return await asyncio.gather(ask_without(), ask())

    without, other = asyncio.run(scenario())
    assert without != first.body
    assert other == first.body


def test_the_environment_switches_middlewares_off():
    """With CACHELAYER_DISABLED=1 the application answers each request (39)."""
    code = """
from cachelayer.wsgi import CacheMiddleware
calls = []
def app(environ, start_response):
    calls.append(None)
    start_response("200 OK", [("Cache-Control", "max-age=60"), ("Content-Length", "2")])
    return [b"ok"]
cached = CacheMiddleware(app)
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "a", "SERVER_PORT": "80"}
environ["wsgi.url_scheme"] = "http"
for _ in range(3):
    body = cached(dict(environ), lambda *args: None)
    list(body)
    getattr(body, "close", lambda: None)()
print(len(calls), cached.stats().total.bypass)
"""
    environment = {"CACHELAYER_DISABLED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3", "3"]
