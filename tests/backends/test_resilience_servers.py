"""A store that fails for real: it refuses, hangs, is slow, answers garbage, restarts, is full, is cut off (22, 30)."""

import asyncio
import time
import uuid
from collections.abc import Iterator

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.resilience import ResilientBackend, State
from cachelayer.testing.colours import COLOURS, in_colour
from tests.servers.processes import HOST, wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, Sentinels

#: Seconds that an operation may take; an unlucky sync one takes three of it: to connect, and to be answered twice.
DEADLINE = 0.2


class Net:
    """A server of the test's own behind a proxy, and a resilient backend that reaches it through that.

    Attributes:
        direct: how another process sees the store, past the proxy.
    """

    def __init__(self, server: RedisServer, proxy: Proxy) -> None:
        self.server, self.proxy = server, proxy
        self.namespace = uuid.uuid4().hex
        self.direct = RedisBackend(f"redis://{HOST}:{server.port}/0", namespace=self.namespace, timeout=5)
        self._made = [self.direct]

    def backend(self, **options: object) -> ResilientBackend:
        """Return a resilient backend over the proxy."""
        store = RedisBackend(
            f"redis://{HOST}:{self.proxy.port}/0", namespace=self.namespace, timeout=DEADLINE
        )
        self._made.append(store)
        return ResilientBackend(store, **{"probe_interval": 0.05, "background": False, **options})

    def close(self) -> None:
        """Close all that was made."""
        for store in self._made:
            store.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    """A server that these tests may pause and restart."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def net(own_server: RedisServer) -> Iterator[Net]:
    """A server behind a proxy, whole again afterwards."""
    with Proxy(own_server.port) as proxy:
        it = Net(own_server, proxy)
        yield it
        own_server.resume()
        it.close()


def refuse(net: Net) -> None:
    """Refuse connections, as a host without the server does."""
    net.proxy.refuse()


def hang(net: Net) -> None:
    """Swallow everything, as a broken network does."""
    net.proxy.mode = "hang"


def answer_slowly(net: Net) -> None:
    """Answer when nobody waits any more."""
    net.proxy.delay, net.proxy.mode = 3 * DEADLINE, "slow"


def answer_garbage(net: Net) -> None:
    """Answer what is no protocol."""
    net.proxy.mode = "garbage"


def pause(net: Net) -> None:
    """Stop the server's process, whose kernel takes connections and data."""
    net.server.pause()


def mend(net: Net) -> None:
    """Let everything work again."""
    net.proxy.mode = "pass"
    net.proxy.accept()
    net.server.resume()


FAULTS = [refuse, hang, answer_slowly, answer_garbage, pause]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("colour", COLOURS)
def test_what_a_store_that_fails_costs(net, colour, fault):
    """At most a deadline for each of the first few calls, then next to nothing; and no exception (30)."""
    backend = net.backend(probe_interval=3600, failures=2)
    with in_colour(backend, colour) as ops:
        assert ops.set("k", b"1") is True
        fault(net)
        started = time.monotonic()
        while backend.health().state is State.CLOSED:
            assert ops.get("k") is None
            assert ops.set("other", b"1") is False
        assert time.monotonic() - started < 10 * DEADLINE
        started = time.monotonic()
        for _ in range(200):
            assert ops.get("k") is None
        assert time.monotonic() - started < 5 * DEADLINE
        assert backend.health().refused >= 200
        mend(net)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_store_that_is_back_is_used_and_told_what_it_missed(net, colour, fault):
    """With no restart; and from its first answer on no process is served what was invalidated (22, 30)."""
    backend = net.backend()
    with in_colour(backend, colour) as ops:
        assert ops.set_many({"a": b"1", "b": b"2", "c": b"3"}) == 3
        [old] = ops.generations(["t"]).values()
        fault(net)
        assert ops.delete("a") is False
        assert ops.set("b", b"new") is False
        ops.bump_generations(["t"])
        assert backend.health().pending == 3
        mend(net)
        wait_until(lambda: ops.get("c") == b"3", "the store is used again")
        assert net.direct.get_many(["a", "b", "c"]) == {"c": b"3"}
        assert [ops.get("a"), ops.get("b")] == [None, None]
        assert ops.generations(["t"])["t"] != old
        assert (backend.health().state, backend.health().pending) == (State.CLOSED, 0)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_server_that_restarts(net, colour):
    """Calls fail open while it is away, and are served by the new process (22)."""
    backend = net.backend()
    with in_colour(backend, colour) as ops:
        ops.set("k", b"1")
        net.server.stop()
        while backend.health().state is State.CLOSED:
            assert ops.get("k") is None
        net.server.start()
        wait_until(lambda: ops.set("k", b"2"), "the store is used again")
        assert ops.get("k") == b"2"


@pytest.mark.parametrize("colour", COLOURS)
def test_connections_that_are_cut(net, colour):
    """New ones are made; nothing raises, and nothing that was deleted comes back (22)."""
    backend = net.backend()
    with in_colour(backend, colour) as ops:
        for number in range(20):
            key = f"k{number}"
            wait_until(lambda key=key: ops.set(key, b"1"), "a write gets through")
            net.proxy.cut()
            ops.delete(key)
            assert ops.get(key) is None
        wait_until(lambda: not ops.get_many(["k0"]) and not backend.health().pending, "it has all it missed")
        assert net.direct.keys() == []


@pytest.mark.parametrize("colour", COLOURS)
def test_a_server_that_is_not_there_at_the_start(net, colour, caplog):
    """It is said once, calls fail open, and it is used when it comes (30)."""
    net.proxy.refuse()
    backend = net.backend()
    with in_colour(backend, colour) as ops:
        for _ in range(20):
            assert ops.get("k") is None
        assert len([record for record in caplog.records if record.name == "cachelayer.backends"]) == 1
        net.proxy.accept()
        wait_until(lambda: ops.set("k", b"1"), "the store is used")
        assert ops.get("k") == b"1"


@pytest.mark.parametrize("colour", COLOURS)
def test_a_write_that_arrives_late_is_deleted_again(net, colour):
    """A server that hung carries out what it was sent before it answers anybody; the delete comes after that (16)."""
    backend = net.backend()
    with in_colour(backend, colour) as ops:
        ops.set("k", b"old")
        net.server.pause()
        assert ops.set("k", b"late") is False
        net.server.resume()
        wait_until(lambda: not backend.health().pending or ops.exists("other"), "it is told what it missed")
        assert ops.get("k") is None
        assert net.direct.get("k") is None


@pytest.mark.parametrize("colour", COLOURS)
def test_a_server_that_is_out_of_memory(colour):
    """Writes fail open and leave no old value behind; what is there is served, and it stays in use (16, 30)."""
    with (
        RedisServer("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server,
        Proxy(server.port) as proxy,
    ):
        net = Net(server, proxy)
        backend = net.backend()
        with in_colour(backend, colour) as ops:
            ops.set("kept", b"kept")
            ops.set("old", b"old")
            number = 0
            while ops.set(f"fill {number}", b"x" * 100_000):
                number += 1
            assert ops.set("old", b"new" * 100_000) is False
            assert ops.get("old") is None
            for _ in range(10):
                assert ops.set("more", b"x" * 100_000) is False
                assert ops.get("kept") == b"kept"
            assert backend.health().state is State.CLOSED
            assert ops.delete_many([f"fill {n}" for n in range(number)]) == number
            assert ops.set("old", b"new") is True
            assert ops.get("old") == b"new"
        net.close()


@pytest.mark.parametrize("colour", COLOURS)
def test_a_primary_that_dies(sentinels: Sentinels, colour):
    """Its replica takes over, and calls fail open until then (22)."""
    url = f"redis+sentinel://{sentinels.hosts}/{sentinels.name}"
    backend = ResilientBackend(RedisBackend(url, timeout=DEADLINE), probe_interval=0.05, background=False)
    with backend, in_colour(backend, colour) as ops:
        wait_until(lambda: ops.set("k", b"1"), "the primary takes a write")
        wait_until(
            lambda: sentinels.replica.ask("DBSIZE") == sentinels.primary.ask("DBSIZE"), "the replica follows"
        )
        sentinels.primary.kill()
        assert ops.delete("k") is False
        assert ops.get("k") is None
        sentinels.wait_for_failover()
        wait_until(lambda: ops.set("other", b"2"), "the new primary takes a write")
        assert ops.get("k") is None
        assert sentinels.replica.ask("DBSIZE") == 1


# -- whole caches -----------------------------------------------------------------------------------------------


def test_a_function_goes_on_through_all_of_it(net):
    """No exception, no stale value, and hits afterwards, with the wrapper that the cache makes itself (22, 30)."""
    store = RedisBackend(f"redis://{HOST}:{net.proxy.port}/0", namespace=net.namespace, timeout=DEADLINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cachelayer.backends.resilience.backend.PROBE_INTERVAL", 0.05)
        cache = Cache(store)
    versions = dict.fromkeys(range(3), 0)

    @cached(cache=cache, name="read", tags=["v:{key}"])
    def read(key: int) -> int:
        return versions[key]

    @cached(cache=cache, name="aread", tags=["v:{key}"])
    async def aread(key: int) -> int:
        return versions[key]

    async def write_and_read(key: int) -> None:
        versions[key] += 1
        await cache.ainvalidate_tags(f"v:{key}")
        assert await asyncio.gather(*(aread(key) for _ in range(5))) == [versions[key]] * 5

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        for fault in (refuse, hang, answer_garbage, pause):
            for _ in range(3):
                runner.run(write_and_read(0))
                read(1)
            fault(net)
            for key in versions:
                runner.run(write_and_read(key))
                assert read(key) == versions[key]
            mend(net)
            wait_until(lambda: read(2) == versions[2] and cache.health().state is State.CLOSED, "it is back")
            before = read.stats().hit
            wait_until(
                lambda before=before: read(2) == versions[2] and read.stats().hit > before, "it hits again"
            )
            for key in versions:
                assert read(key) == versions[key]
                assert runner.run(aread(key)) == versions[key]
        runner.run(cache.aclose())
    assert cache.stats().backend_errors > 0
