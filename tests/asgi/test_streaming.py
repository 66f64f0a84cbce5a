"""Bodies and their ends in ASGI: http.md, points 19, 20 and 23."""

import asyncio
import tracemalloc

import pytest

from cachelayer import Cache, InMemoryBackend
from cachelayer.http import Rule
from tests.asgi.support import BODY, Server, body, field, is_hit, scope, sends, start
from tests.shells import SixMethods

pytestmark = pytest.mark.asyncio


async def test_the_first_byte_is_not_held_back():
    """It is with the client while the application still waits."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"first", more=True))
        await go_on.wait()
        await send(body(b"last"))

    sent = []

    async def send(message):
        sent.append(message)
        if message.get("body") == b"first":
            arrived.set()

    task = asyncio.create_task(Server(app).asend(send=send))
    await asyncio.wait_for(arrived.wait(), 10)
    assert [message.get("body") for message in sent] == [None, b"first"]
    go_on.set()
    await task


@pytest.mark.parametrize("backend", [InMemoryBackend, SixMethods])
async def test_an_entry_is_stored_before_the_last_message(backend):
    """A request that comes when the last byte does is a hit already."""
    server = Server(sends(start(), body(b"a", more=True), body(b"b")), cache=Cache(backend()))
    answers = []

    async def send(message):
        if message["type"] == BODY and not message.get("more_body"):
            answers.append(await server.asend())

    await server.asend(send=send)
    assert is_hit(answers[0])


async def test_a_request_that_comes_in_the_middle_of_a_body_is_a_miss_of_its_own():
    """Half a body is no response."""
    server = Server(sends(start(), body(b"a", more=True), body(b"b")))
    answers = []

    async def send(message):
        if message.get("more_body"):
            answers.append(await server.asend())

    await server.asend(send=send)
    assert b"".join(message.get("body", b"") for message in answers[0]) == b"ab"
    assert server.outcomes == {"miss": 2}


async def test_a_body_message_may_leave_everything_out():
    """`body` is empty and `more_body` false where they are absent."""
    server = Server(sends(start(), {"type": BODY}))
    await server.asend()
    assert (await server.asend())[-1]["body"] == b""
    assert server.app.calls == 1


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_what_the_application_changes_afterwards_stays_as_it_was(kind):
    """Parts and fields are copied if they could be changed."""
    data = bytearray(b"before")
    headers = [[b"cache-control", b"max-age=60"], [b"x", b"1"]]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(body(kind(data)))

    server = Server(app)
    await server.asend()
    data[:] = b"after!"
    headers[1][1] = b"2"
    hit = await server.asend()
    assert (hit[-1]["body"], field(hit, b"x")) == (b"before", b"1")


async def test_what_is_done_to_a_hit_stays_with_that_response():
    """Middleware outside may change the list of fields it gets."""
    server = Server(sends(start(), body(b"a")))
    await server.asend()
    first = await server.asend()
    first[0]["headers"].clear()
    assert field(await server.asend(), b"cache-control") == b"max-age=60"


async def test_a_client_that_leaves_in_the_middle_stores_nothing():
    """The application notices, and ends the body early without an error."""

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"a", more=True))
        if (await receive())["type"] == "http.disconnect":
            await send(body())

    async def receive():
        return {"type": "http.disconnect"}

    server = Server(app)
    for _ in range(2):
        await server.asend(receive=receive)
    assert server.outcomes == {"uncacheable": 2}
    assert server.middleware.stats().total.reasons == {"INCOMPLETE": 2}


async def test_a_send_that_fails_is_the_clients_end():
    """Not the application's failure: it counts as incomplete, and the error comes out."""
    server = Server(sends(start(), body(b"a", more=True), body(b"b")))

    async def send(message):
        if message["type"] == BODY:
            raise OSError("connection lost")

    with pytest.raises(OSError, match="connection lost"):
        await server.asend(send=send)
    assert server.middleware.stats().total.reasons == {"INCOMPLETE": 1}
    assert not is_hit(await server.asend())


async def test_a_cancelled_request_stores_nothing_and_stays_cancelled():
    """Nothing of it is left behind."""
    reached = asyncio.Event()

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"a", more=True))
        reached.set()
        await asyncio.Event().wait()

    server = Server(app)
    task = asyncio.create_task(server.asend())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.outcomes == {"uncacheable": 1}
    assert not server.middleware._caching.bind().flights.computing.under_way


@pytest.mark.parametrize(
    "messages", [[], [start()], [start(), body(b"a", more=True)]], ids=["none", "head", "part"]
)
async def test_an_application_that_stops_early_stores_nothing(messages):
    """It is counted once, and the server sees what it would have seen without us."""
    server = Server(sends(*messages))
    assert len(await server.asend()) == len(messages)
    await server.asend()
    assert server.app.calls == 2
    assert sum(server.outcomes.values()) == 2


async def test_what_the_application_raises_comes_out_as_it_is():
    """The very same exception."""
    error = ValueError("mine")

    async def app(scope, receive, send):
        raise error

    server = Server(app)
    with pytest.raises(ValueError, match="mine") as raised:
        await server.asend()
    assert raised.value is error
    assert server.middleware.stats().total.reasons == {"ValueError": 1}


async def test_an_endless_body_takes_no_memory():
    """Beyond `max_body_bytes` nothing is kept."""
    part = b"x" * 10_000

    async def app(scope, receive, send):
        await send(start())
        for _ in range(3000):
            await send(body(part, more=True))
        await send(body())

    async def send(message):
        """Drop it."""

    server = Server(app, max_body_bytes=100_000)
    tracemalloc.start()
    try:
        await server.asend(send=send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


async def test_an_event_stream_is_not_collected():
    """Even where a rule would store it."""
    server = Server(
        sends(start((b"content-type", b"text/event-stream")), body(b"data: 1\n\n")), rules=[Rule(ttl=60)]
    )
    await server.asend()
    await server.asend()
    assert server.middleware.stats().total.reasons == {"EVENT-STREAM": 2}


async def test_work_after_the_response_runs_once_a_miss_and_never_on_a_hit():
    """As Starlette's background tasks do; the lookup is counted before."""
    done = []

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"a"))
        done.append(server.outcomes)

    server = Server(app)
    await server.asend()
    await server.asend()
    assert done == [{"miss": 1}]


async def test_many_requests_at_once_each_get_their_own():
    """No state is shared between requests under way."""

    async def app(scope, receive, send):
        await asyncio.sleep(0)
        await send(start())
        for character in scope["path"]:
            await send(body(character.encode(), more=True))
            await asyncio.sleep(0)
        await send(body())

    server = Server(app)
    paths = [f"/{number % 20}" for number in range(200)]
    answers = await asyncio.gather(*(server.asend(scope(path)) for path in paths))
    assert [b"".join(m.get("body", b"") for m in answer).decode() for answer in answers] == paths
    assert all(map(is_hit, [await server.asend(scope(path)) for path in paths]))
