"""Whose connections they are: a process's, an event loop's, a user's."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.redis.exchange import _borrowed
from cachelayer.errors import BackendError, ConfigurationError, OptionTypeError, UnsupportedOperationError
from cachelayer.testing.crowds import in_a_child, in_threads
from tests.servers.processes import wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer


@pytest.fixture
def url(redis_server: RedisServer, request: pytest.FixtureRequest) -> str:
    """The server's, with a client name by which a test finds its own connections."""
    return f"{redis_server.url}?client_name=c{abs(hash(request.node.name))}&timeout=5"


@pytest.fixture
def backend(url: str) -> Iterator[RedisBackend]:
    """A backend of its own connections."""
    with RedisBackend(url) as made:
        yield made


@pytest.fixture
def ids(redis_server: RedisServer, url: str) -> Callable[[], set[str]]:
    """Return what gives the server's ids of the backend's connections."""
    name = url.partition("client_name=")[2].partition("&")[0]

    def found() -> set[str]:
        listed = redis_server.ask("CLIENT", "LIST").decode().splitlines()
        return {line.split()[0] for line in listed if f"name={name} " in line}

    return found


def in_a_loop(work: Callable[[], Any]) -> Any:
    """Run a coroutine function in an event loop of its own."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work())


def test_threads_share_one_pool(backend: RedisBackend, ids):
    """Eight threads need eight connections at most, and one after another one is enough (24)."""
    backend.set("key", b"value")
    for _ in range(5):
        backend.get("key")
    assert len(ids()) == 1
    in_threads(8, lambda _: [backend.get("key") for _ in range(20)])
    assert len(ids()) <= 8


def test_a_forked_child_opens_its_own_connections(backend: RedisBackend, ids):
    """The child talks over other connections than its parent, whose own still works (24)."""
    backend.set("key", b"parent's")
    before = ids()

    def work() -> set[str]:
        assert backend.get("key") == b"parent's"
        return ids() - before

    assert len(in_a_child(work)) == 1
    assert backend.get("key") == b"parent's"
    assert ids() == before


def test_a_child_that_is_forked_in_an_event_loop_opens_its_own(backend: RedisBackend, ids):
    """A child's own event loop does not touch the connections of the loop that its parent was in (24, 25)."""

    async def use() -> bytes | None:
        return await backend.aget("key")

    async def parent() -> tuple[set[str], set[str]]:
        await backend.aset("key", b"value")
        before = ids()

        def work() -> set[str]:
            result: list[Any] = []
            thread = threading.Thread(target=lambda: result.append(in_a_loop(use)))
            thread.start()
            thread.join(10)
            assert result == [b"value"]
            return before - ids()

        lost = in_a_child(work)
        assert await backend.aget("key") == b"value"
        return lost, before ^ ids()

    lost, changed = in_a_loop(parent)
    assert lost == set()
    assert changed == set()


def test_connections_end_with_their_event_loop(backend: RedisBackend, ids):
    """An event loop that ends closes its connections, without the backend being closed (25)."""

    async def use() -> int:
        await asyncio.gather(*(backend.aget("key") for _ in range(5)))
        return len(ids())

    for _ in range(3):
        assert 1 <= in_a_loop(use) <= 5
        wait_until(lambda: not ids(), "the server has seen them go")
    gc.collect()  # a socket that was left open would warn here


def test_loops_at_once_have_their_own_connections(backend: RedisBackend, ids):
    """Event loops in several threads share no connection (25)."""
    barrier = threading.Barrier(4)

    async def use() -> None:
        await backend.aset("key", b"value")
        barrier.wait(20)
        assert len(ids()) == 4
        barrier.wait(20)

    in_threads(4, lambda _: in_a_loop(use))
    wait_until(lambda: not ids(), "the server has seen them go")


def test_closing_in_one_loop_closes_the_connections_of_others(url: str, ids):
    """aclose() ends the connections of loops that run in other threads, and of one that rests (23, 25)."""
    backend = RedisBackend(url)
    resting = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    resting.run(backend.aset("key", b"value"))
    used, closed = threading.Event(), threading.Event()

    async def stay() -> None:
        await backend.aget("key")
        used.set()
        await asyncio.to_thread(closed.wait, 20)

    async def close() -> None:
        await backend.aget("key")
        await backend.aclose()

    thread = threading.Thread(target=in_a_loop, args=(stay,))
    thread.start()
    used.wait(20)
    assert len(ids()) == 2
    in_a_loop(close)
    wait_until(lambda: len(ids()) == 1, "the running loop's connection is closed")
    closed.set()
    thread.join(20)
    resting.close()
    wait_until(lambda: not ids(), "the resting loop's connection is closed")
    gc.collect()


def test_a_loop_that_was_only_closed_leaves_no_warning(url: str, ids):
    """A loop that was closed by hand, with no last turn, has its sockets closed when the backend is (25)."""
    backend = RedisBackend(url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(backend.aset("key", b"value"))
    loop.close()
    backend.close()
    del loop
    gc.collect()
    wait_until(lambda: not ids(), "the server has seen it go")


def test_a_cancelled_call_leaves_nothing_behind(backend: RedisBackend, redis_server: RedisServer):
    """After a call that was cancelled in the middle the next one reads its own reply (25)."""

    async def use() -> list[bytes | None]:
        await backend.aset("a", b"1")
        await backend.aset("b", b"2")
        redis_server.ask("CLIENT", "PAUSE", 200)
        call = asyncio.create_task(backend.aget("a"))
        await asyncio.sleep(0.02)  # it has been sent
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return [await backend.aget("b") for _ in range(3)]

    assert in_a_loop(use) == [b"2"] * 3


# -- a user's own clients ---------------------------------------------------------------------------------------


def test_a_given_client_is_used_and_left_open(redis_server: RedisServer):
    """A client that was passed in is neither changed nor closed (26)."""
    pool_options = {"socket_timeout": 3.0}
    with redis.Redis(host="127.0.0.1", port=redis_server.port, **pool_options) as client:
        told = dict(client.get_connection_kwargs())
        with RedisBackend(client=client, namespace="given") as backend:
            assert backend.timeout == 3.0
            assert backend.set("key", b"value")
            assert in_a_loop(lambda: backend.aget("key")) == b"value"
            assert backend.incr("count") == 1
            assert backend.clear() == 2
        assert client.get_connection_kwargs() == told
        assert pool_options == {"socket_timeout": 3.0}
        assert client.ping()


def test_a_given_async_client_is_used_and_left_open(redis_server: RedisServer):
    """The same for a client of redis.asyncio; the sync methods then say that they need one of their own (26)."""

    async def use() -> None:
        async with redis.asyncio.Redis(host="127.0.0.1", port=redis_server.port) as client:
            async with RedisBackend(async_client=client, namespace="given") as backend:
                assert await backend.aset("key", b"value")
                assert await backend.aget("key") == b"value"
                with pytest.raises(UnsupportedOperationError, match="client="):
                    backend.get("key")
                assert await backend.aclear() == 1
            assert await client.ping()

    in_a_loop(use)


def test_given_cluster_clients_are_used(redis_nodes: list[RedisServer]):
    """Clients of redis-py for a cluster serve too, of both colours (26)."""
    port = redis_nodes[0].port
    items = {f"key {number}": b"%d" % number for number in range(50)}

    async def use() -> dict[str, bytes]:
        async with (
            redis.asyncio.RedisCluster(host="127.0.0.1", port=port) as client,
            RedisBackend(async_client=client, namespace="given cluster") as backend,
        ):
            assert await backend.aset_many(items) == 50
            assert await backend.aincr("count") == 2
            return await backend.aget_many(items)

    with redis.RedisCluster(host="127.0.0.1", port=port) as client:
        with RedisBackend(client=client, namespace="given cluster") as backend:
            assert backend.incr("count") == 1
            assert in_a_loop(use) == items
            assert backend.get_many(items) == items
            assert sorted(backend.keys("key *")) == sorted(items)
            assert backend.clear() == 51
        assert client.ping()


def test_a_client_that_decodes_is_refused():
    """decode_responses=True would turn stored bytes into text: the error says so (26)."""
    with (
        redis.Redis(decode_responses=True) as client,
        pytest.raises(ConfigurationError, match="decode_responses=True"),
    ):
        RedisBackend(client=client)


@pytest.mark.parametrize(
    "arguments",
    [{"client": object()}, {"async_client": redis.Redis()}, {"client": "redis://localhost"}],
    ids=["object", "wrong colour", "url"],
)
def test_what_is_no_client_is_refused(arguments):
    """A client of another kind or colour raises a TypeError that names what is meant (26)."""
    with pytest.raises(OptionTypeError, match="must be a redis"):
        RedisBackend(**arguments)


def test_a_client_and_a_url_exclude_each_other(redis_server: RedisServer):
    """What a client was made with is the client's own matter (26)."""
    with redis.Redis() as client, pytest.raises(ConfigurationError, match="a client was given"):
        RedisBackend(redis_server.url, client=client)


def test_options_are_left_as_they_were(redis_server: RedisServer):
    """Arguments for redis-py are read, never written (26)."""
    options = {"client_name": "mine", "protocol": 3}
    with RedisBackend(redis_server.url, options=options, namespace="options") as backend:
        backend.set("key", b"value")
        assert b"name=mine " in redis_server.ask("CLIENT", "LIST")
    assert options == {"client_name": "mine", "protocol": 3}


def test_a_full_pool_lets_callers_wait(redis_server: RedisServer):
    """With more threads than connections each waits its turn (24)."""
    with RedisBackend(redis_server.url, namespace="pool", max_connections=2, timeout=5) as backend:
        backend.set("key", b"value")
        seen = in_threads(8, lambda _: [backend.get("key") for _ in range(20)])
        assert seen == [[b"value"] * 20] * 8


def test_a_pool_without_a_free_connection_says_so_in_time(own_server: RedisServer):
    """Who waits for a connection longer than the timeout gets an error that names the option."""
    with RedisBackend(own_server.url, max_connections=1, timeout=0.3) as backend:
        backend.set("key", b"value")
        pool = backend.setup.connections.link()._pool
        with _borrowed(pool), pytest.raises(BackendError, match="raise max_connections"):
            backend.get("key")
        assert backend.get("key") == b"value"


def test_nothing_connects_before_it_must(redis_server: RedisServer):
    """Making a backend opens no connection: an application starts where there is no server."""
    with Proxy(redis_server.port) as proxy:
        RedisBackend(f"redis://127.0.0.1:{proxy.port}").close()
        assert proxy.connections == 0
