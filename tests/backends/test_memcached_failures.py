"""Memcached that restarts, hangs, answers garbage, is cut off or was never there."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.generations import mark_key
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.memcached.connections import TimedSocket
from cachelayer.errors import BackendError
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from cachelayer.testing.crowds import in_threads
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST, free_port, wait_until
from tests.servers.proxy import Proxy

#: Seconds that a call may take here; and what it may take more on a busy machine.
TIMEOUT: Final = 0.2
SLACK: Final = 2.0
PATIENT: Final = 20.0


@pytest.fixture
def server() -> Iterator[MemcachedServer]:
    """One that the test may break."""
    with MemcachedServer() as server:
        yield server


@pytest.fixture
def proxy(memcached_server: MemcachedServer) -> Iterator[Proxy]:
    """A network that the test may break."""
    with Proxy(memcached_server.port) as proxy:
        yield proxy


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Whether the test runs over the sync methods or their async twins."""
    return request.param


@pytest.fixture
def ops(proxy: Proxy, colour: Colour, request: pytest.FixtureRequest) -> Iterator[CacheBackend]:
    """A backend behind the proxy."""
    with (
        MemcachedBackend((HOST, proxy.port), namespace=request.node.nodeid, timeout=PATIENT) as backend,
        in_colour(backend, colour) as ops,
    ):
        yield ops


def _calls(ops: CacheBackend) -> list[Any]:
    return [
        lambda: ops.get("key"),
        lambda: ops.get_many(["key", "other"]),
        lambda: ops.set("key", b"new"),
        lambda: ops.set_many({"key": b"new"}),
        lambda: ops.delete("key"),
        lambda: ops.exists("key"),
        lambda: ops.add("key", b"new"),
        lambda: ops.incr("count"),
        lambda: ops.touch("key", 5),
        lambda: ops.compare_and_set("key", b"new", {mark_key("key"): None}),
        lambda: ops.generations(["tag"]),
        lambda: ops.bump_generations(["tag"]),
        lambda: ops.lock("name").acquire(),
        lambda: ops.get_entry("key"),
        ops.clear,
    ]


def test_a_dead_connection_is_replaced_for_every_call(ops: CacheBackend, proxy: Proxy):
    """One that died while nobody used it goes unnoticed, by calls that must not be repeated too (22)."""
    for call in _calls(ops):
        ops.set("key", b"value")
        before = proxy.connections
        proxy.cut()
        call()
        assert proxy.connections == before + 1


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections die just after they were looked at."""
    monkeypatch.setattr(TimedSocket, "is_quiet", lambda self: True)


def test_a_connection_that_dies_in_the_middle_is_replaced_where_a_call_may_be_repeated(
    blind: None, ops: CacheBackend, proxy: Proxy
):
    """Reads, and writes that say what is to be, are put again once, on a new connection (22)."""
    for call in (lambda: ops.get("key"), lambda: ops.set("key", b"1"), lambda: ops.delete("key"), ops.clear):
        ops.get("key")
        proxy.cut()
        call()


def test_a_change_that_may_have_been_made_is_not_made_again(
    blind: None, proxy: Proxy, request: pytest.FixtureRequest
):
    """Whether an `add` or `cas` that got no answer took effect is not known: it raises (4, 9, 22)."""
    with MemcachedBackend((HOST, proxy.port), namespace=request.node.nodeid, timeout=PATIENT) as backend:
        backend.set("key", b"1")
        (server,) = backend._servers.all
        for token in (None, b"1"):
            proxy.cut()
            with pytest.raises(BackendError, match="check that it runs"):
                server.put(time.monotonic() + PATIENT, b"cl:any", b"item", 1, token)
            assert backend.get("key") == b"1"


def test_a_restart_is_survived(server: MemcachedServer, colour: Colour):
    """The backend finds the server again, with what it has: nothing (22)."""
    with (
        MemcachedBackend(server.address, timeout=PATIENT) as backend,
        in_colour(backend, colour) as ops,
    ):
        ops.set("key", b"value")
        server.restart()
        assert ops.get("key") is None
        assert ops.set("key", b"value") is True
        assert ops.get("key") == b"value"


def test_a_connection_that_is_cut_is_replaced(ops: CacheBackend, proxy: Proxy):
    """So is one of many: after a cut nothing of the old connections is used (22)."""
    ops.set("key", b"value")
    in_threads(8, lambda _: ops.get("key"))
    proxy.cut()
    assert in_threads(8, lambda _: ops.get("key")) == [b"value"] * 8


def test_a_hanging_server_costs_one_timeout_a_call(server: MemcachedServer, colour: Colour):
    """Every call ends with BackendError within the limit, those of several round trips too (22)."""
    with (
        MemcachedBackend(server.address, timeout=TIMEOUT) as backend,
        in_colour(backend, colour) as ops,
    ):
        ops.set("key", b"value")
        server.pause()
        for call in _calls(ops):
            started = time.monotonic()
            with pytest.raises(
                BackendError, match=f"memcached at {server.address} failed.*within the timeout"
            ):
                call()
            assert TIMEOUT * 0.9 <= time.monotonic() - started < TIMEOUT + SLACK
        server.resume()
        # What was sent before takes effect now, late: a clear, for one.
        wait_until(lambda: ops.set("key", b"again") and ops.get("key") == b"again", "all works again")


def test_a_reply_that_drips_does_not_outlast_the_timeout(memcached_server: MemcachedServer):
    """The limit holds for the whole call, however often something arrives (22)."""
    with socket.create_server((HOST, 0)) as listener:

        def drip() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.recv(1024)
                taken.sendall(b"VALUE cl::=key 0 1000000\r\n")
                try:
                    while True:
                        taken.sendall(b"x")
                        time.sleep(0.01)  # this is what dripping means
                except OSError:
                    pass  # the client has had enough

        def ask() -> float:
            started = time.monotonic()
            with (
                MemcachedBackend(listener.getsockname(), timeout=TIMEOUT) as backend,
                pytest.raises(BackendError, match="timed out"),
            ):
                backend.get("key")
            return time.monotonic() - started

        _, taken = in_threads(2, lambda number: ask() if number else drip())
    assert taken is not None
    assert TIMEOUT * 0.9 <= taken < TIMEOUT + SLACK


def test_a_crowd_that_waits_for_a_hanging_server_costs_one_timeout(server: MemcachedServer):
    """Tasks that queue for a thread or a connection are not served one timeout after another (22, 30)."""

    async def crowd(backend: MemcachedBackend) -> list[object]:
        return await asyncio.gather(*(backend.aget("key") for _ in range(50)), return_exceptions=True)

    with MemcachedBackend(server.address, timeout=TIMEOUT, max_connections=2) as backend:
        backend.set("key", b"value")
        server.pause()
        started = time.monotonic()
        results = asyncio.run(crowd(backend))
        assert time.monotonic() - started < TIMEOUT + SLACK
        assert {type(result) for result in results} == {BackendError}
        server.resume()
        assert backend.get("key") == b"value"


def test_garbage_is_an_error_and_never_an_answer(ops: CacheBackend, proxy: Proxy):
    """Each call raises BackendError; when the server makes sense again nothing is out of step (21, 22)."""
    ops.set("key", b"value")
    proxy.mode = "garbage"
    for call in _calls(ops):
        with pytest.raises(BackendError, match="failed"):
            call()
    proxy.mode = "pass"
    assert ops.get("key") == b"value"
    assert ops.set("other", b"1") is True
    assert ops.get_many(["key", "other"]) == {"key": b"value", "other": b"1"}


def test_an_answer_that_comes_too_late_is_nobodys(server: MemcachedServer):
    """The connection on which a call timed out is not used again: no later call gets its answer (22)."""
    with MemcachedBackend(server.address, timeout=TIMEOUT) as backend:
        backend.set_many({"one": b"1", "two": b"2"})
        server.pause()
        with pytest.raises(BackendError):
            backend.get("one")
        server.resume()
        assert backend.get("two") == b"2"
        assert backend.get("one") == b"1"


def test_bytes_that_nobody_asked_for_end_a_connection(memcached_server: MemcachedServer, proxy: Proxy):
    """A server that speaks out of turn is connected to anew, before it is asked (21)."""
    with MemcachedBackend((HOST, proxy.port), timeout=PATIENT) as backend:
        backend.set("key", b"value")
        (client,) = proxy._clients
        client.sendall(b"STORED\r\n")
        before = proxy.connections
        (connection,) = backend._servers.all[0].pool._all
        while connection.socket.is_quiet():
            time.sleep(0.001)  # until it has arrived
        assert backend.get("key") == b"value"
        assert proxy.connections == before + 1


def test_a_wrong_port_is_a_clear_error(colour: Colour):
    """It names the server and the remedy (22)."""
    port = free_port()
    with (
        MemcachedBackend((HOST, port), timeout=PATIENT) as backend,
        in_colour(backend, colour) as ops,
        pytest.raises(
            BackendError, match=rf"{HOST}:{port} failed: ConnectionRefusedError.*check that it runs"
        ),
    ):
        ops.get("key")


def test_an_unknown_host_is_a_clear_error(monkeypatch: pytest.MonkeyPatch):
    """A name that does not resolve is told as such (22)."""

    def unknown(*args: object, **kwargs: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        MemcachedBackend("no-such-host.invalid", timeout=PATIENT) as backend,
        pytest.raises(BackendError, match=r"no-such-host.invalid:11211 failed: gaierror: .*Name or service"),
    ):
        backend.get("key")


def test_a_host_with_several_addresses_is_tried_on_each(
    memcached_server: MemcachedServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    """One that listens on IPv4 alone is found although its name has an IPv6 address first."""
    dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, free_port()))
    alive = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, memcached_server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [dead, alive])
    with MemcachedBackend("both", namespace=request.node.nodeid, timeout=PATIENT) as backend:
        assert backend.set("key", b"value") is True


def test_callers_wait_for_a_connection(ops: CacheBackend, proxy: Proxy, request: pytest.FixtureRequest):
    """With one connection eight threads take turns; no second one is opened (25)."""
    with MemcachedBackend(
        (HOST, proxy.port), namespace=request.node.nodeid, timeout=PATIENT, max_connections=1
    ) as backend:
        before = proxy.connections
        backend.set("key", b"value")
        assert in_threads(8, lambda _: [backend.get("key") for _ in range(20)]) == [[b"value"] * 20] * 8
        assert proxy.connections == before + 1


def test_who_waits_too_long_for_a_connection_is_told_so(server: MemcachedServer):
    """The error names the option to raise (22)."""
    with MemcachedBackend(server.address, timeout=TIMEOUT, max_connections=1) as backend:
        backend.set("key", b"value")
        pool = backend._servers.all[0].pool
        taken = pool.take(time.monotonic() + PATIENT)
        with pytest.raises(BackendError, match=r"busy: raise max_connections|timed out"):
            backend.get("key")
        pool.give_back(taken)
        assert backend.get("key") == b"value"


def test_connections_are_closed_with_the_backend(proxy: Proxy, request: pytest.FixtureRequest):
    """None is left open, one that was in use at that moment included (23, 25)."""
    backend = MemcachedBackend((HOST, proxy.port), namespace=request.node.nodeid, timeout=PATIENT)
    backend.set("key", b"value")
    pool = backend._servers.all[0].pool
    in_use = pool.take(time.monotonic() + PATIENT)
    assert len(pool._all) == 1
    backend.close()
    pool.give_back(in_use)
    assert pool._all == set()
    assert in_use.socket.fileno() == -1


def test_a_cancelled_call_leaves_nothing_out_of_step(proxy: Proxy, request: pytest.FixtureRequest):
    """Its thread finishes it; the next caller gets its own answer (22, 25)."""

    async def run(backend: MemcachedBackend) -> list[bytes | None]:
        await backend.aset_many({"one": b"1", "two": b"2"})
        proxy.mode, proxy.delay = "slow", 0.1
        task = asyncio.ensure_future(backend.aget("one"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        proxy.mode = "pass"
        return [await backend.aget("two"), await backend.aget("one")]

    with MemcachedBackend(
        (HOST, proxy.port), namespace=request.node.nodeid, timeout=PATIENT, max_connections=1
    ) as backend:
        assert asyncio.run(run(backend)) == [b"2", b"1"]
