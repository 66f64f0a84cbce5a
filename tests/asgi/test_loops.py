"""Event loops other than asyncio's: http.md, point 19."""

import builtins

import pytest
import trio

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware, drivers
from cachelayer.testing import MinimalBackend
from tests.asgi.support import body, is_hit, scope, sends, start


def send_under_trio(middleware):
    """Return the messages of a response, asked for under trio."""
    sent = []

    async def receive():
        await trio.sleep_forever()

    async def send(message):
        await trio.lowlevel.checkpoint()
        sent.append(message)

    trio.run(middleware, scope(), receive, send)
    return sent


@pytest.mark.parametrize("backend", [None, MinimalBackend()], ids=["memory", "six methods"])
def test_responses_are_cached_under_trio(backend):
    """In memory by itself; elsewhere with the help of anyio."""
    middleware = CacheMiddleware(sends(start(), body(b"a", more=True), body(b"b")), cache=Cache(backend))
    send_under_trio(middleware)
    hit = send_under_trio(middleware)
    assert is_hit(hit)
    assert hit[-1]["body"] == b"ab"


@pytest.fixture
def without_anyio(monkeypatch):
    """Let it be as if anyio were not installed."""
    drivers._driver_without_asyncio.cache_clear()
    real = builtins.__import__

    def fake(name, *args, **kwargs):
        if name == "anyio":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake)
    yield
    drivers._driver_without_asyncio.cache_clear()


@pytest.mark.usefixtures("without_anyio")
def test_without_anyio_requests_pass_with_one_warning():
    """Uncached, and untouched."""
    app = sends(start(), body(b"a"))
    middleware = CacheMiddleware(app, cache=Cache(MinimalBackend()))
    with pytest.warns(RuntimeWarning, match="pip install anyio") as warned:
        answers = [send_under_trio(middleware) for _ in range(3)]
    assert len(warned) == 1
    assert [answer[0]["headers"] for answer in answers] == [[(b"cache-control", b"max-age=60")]] * 3


@pytest.mark.usefixtures("without_anyio")
def test_memory_needs_no_event_loop_at_all():
    """A coroutine driven by hand: a miss, a hit, and nothing but the application's own waiting."""
    middleware = CacheMiddleware(sends(start(), body(b"a")), cache=Cache())
    for expected in (False, True):
        sent = []

        async def receive():
            """Never called."""

        async def send(message, sent=sent):
            sent.append(message)

        with pytest.raises(StopIteration):
            middleware(scope(), receive, send).send(None)
        assert is_hit(sent) is expected
