"""What goes wrong from outside, on every store: it is said clearly and once, the application runs, nothing is lost."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from cachelayer import Cache, cached
from cachelayer.backends import CacheBackend, InMemoryBackend, backend_from_url
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.null import NullBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.errors import BackendError
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from tests.servers.processes import HOST, free_port, wait_until
from tests.servers.redis import RedisServer

# -- arguments of another type ----------------------------------------------------------------------------------

Make = Callable[[Any], CacheBackend]


def _redis(request: pytest.FixtureRequest) -> RedisBackend:
    server = request.getfixturevalue("redis_server")
    return RedisBackend(server.url, namespace="bad input", timeout=20)


def _cluster(request: pytest.FixtureRequest) -> RedisBackend:
    first, *_ = request.getfixturevalue("redis_nodes")
    return RedisBackend(f"redis+cluster://{HOST}:{first.port}", namespace="bad input", timeout=20)


def _memcached(request: pytest.FixtureRequest) -> MemcachedBackend:
    server = request.getfixturevalue("memcached_server")
    return MemcachedBackend(server.address, namespace="bad input", timeout=20)


_BACKENDS: Final[dict[str, Make]] = {
    "memory": lambda _: InMemoryBackend(),
    "null": lambda _: NullBackend(),
    "disk": lambda request: DiskBackend(request.getfixturevalue("tmp_path") / "cache.db"),
    "redis": _redis,
    "cluster": _cluster,
    "memcached": _memcached,
    "tiered": lambda request: TieredBackend(l2=_redis(request)),
    "resilient": lambda request: ResilientBackend(_redis(request)),
}


@pytest.fixture(params=_BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[CacheBackend]:
    """One of each."""
    with _BACKENDS[request.param](request) as made:
        made.clear()
        yield made


@pytest.fixture(params=COLOURS)
def ops(backend: CacheBackend, request: pytest.FixtureRequest) -> Iterator[CacheBackend]:
    """The same in each colour."""
    with in_colour(backend, request.param) as made:
        yield made


_BAD_CALLS: Final[dict[str, Callable[[Any], object]]] = {
    "get": lambda ops: ops.get(b"key"),
    "exists": lambda ops: ops.exists(None),
    "delete": lambda ops: ops.delete(5),
    "get_many": lambda ops: ops.get_many(["key", 5]),
    "delete_many": lambda ops: ops.delete_many(["key", 5]),
    "set_many, a key": lambda ops: ops.set_many({"key": b"new", 5: b"new"}),
    "set_many, a value": lambda ops: ops.set_many({"key": b"new", "other": "new"}),
    "get_entry": lambda ops: ops.get_entry(b"key"),
    "get_entries": lambda ops: ops.get_entries(["key", b"key"]),
    "touch": lambda ops: ops.touch(b"key", 5),
    "touch, the ttl": lambda ops: ops.touch("key", "5"),
    "incr": lambda ops: ops.incr(b"key"),
    "set, the ttl": lambda ops: ops.set("key", b"new", "5"),
    "set, metadata": lambda ops: ops.set("key", b"new", None, {"a": {1, 2}}),
    "add, the key": lambda ops: ops.add(5, b"new"),
    "add, the value": lambda ops: ops.add("other", 5.0),
    "compare_and_set, the key": lambda ops: ops.compare_and_set(b"key", b"new", {}),
    "compare_and_set, the value": lambda ops: ops.compare_and_set("key", "new", {}),
    "compare_and_set, an expected key": lambda ops: ops.compare_and_set("key", b"new", {5: b"old"}),
}
#: It keeps nothing, so that what it is asked to keep with it is not looked at.
_NOT_LOOKED_AT: Final = {"touch, the ttl", "set, the ttl", "set, metadata"}


@pytest.mark.parametrize("call", _BAD_CALLS)
def test_an_argument_of_another_type_changes_nothing(ops: CacheBackend, backend: CacheBackend, call: str):
    """Whatever the method, what is no str, no bytes or no number is a TypeError before anything is written (2)."""
    if isinstance(backend, NullBackend) and call in _NOT_LOOKED_AT:
        pytest.skip("there is nothing to keep it with")
    ops.set("key", b"old")
    before = ops.get("key")
    with pytest.raises(TypeError):
        _BAD_CALLS[call](ops)
    assert ops.get("key") == before
    assert ops.get("other") is None


# -- no server, or one that does not let us in ------------------------------------------------------------------


def _runs(cache: Cache, colour: Colour) -> list[int]:
    """Return what five calls of a function get that counts its runs."""
    runs: list[int] = []

    def run() -> int:
        runs.append(0)
        return len(runs)

    if colour == "sync":
        function = cached(cache=cache, name="run", tags=["runs"])(run)
        return [function() for _ in range(5)]

    async def arun() -> int:
        return run()

    async def calls() -> list[int]:
        function = cached(cache=cache, name="run", tags=["runs"])(arun)
        return [await function() for _ in range(5)]

    return asyncio.run(calls())


_AWAY: Final = {
    "redis": "redis://{}",
    "cluster": "redis+cluster://{}",
    "sentinel": "redis+sentinel://{}/main",
    "memcached": "memcached://{}",
    "tiered": "tiered://?l2=redis://{}",
    "tiered by polling": "tiered://?l2=memcached://{}",
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("store", _AWAY)
def test_a_server_that_is_not_there_at_the_start_is_said_once(store: str, colour: Colour, caplog):
    """Cache and function are made, the function runs uncached, and one warning says which server is away (30)."""
    address = f"{HOST}:{free_port()}"
    backend = backend_from_url(_AWAY[store].format(address))
    with backend:
        assert _runs(Cache(backend), colour) == [1, 2, 3, 4, 5]
        assert _told(caplog, "cachelayer.backends").count(address) >= 1
        assert len([record for record in caplog.records if record.name == "cachelayer.backends"]) == 1


def _told(caplog: pytest.LogCaptureFixture, logger: str) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == logger)


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may set up otherwise."""
    with RedisServer() as server:
        yield server


@pytest.mark.parametrize("colour", COLOURS)
def test_a_wrong_password_is_said_once_and_the_application_runs(own_server, colour: Colour, caplog):
    """The one warning says that the password was refused, without it; what the server has stays there (26, 30)."""
    with RedisBackend(own_server.url) as before:
        before.set("key", b"value")
    own_server.ask("CONFIG", "SET", "requirepass", "right")
    with RedisBackend(f"redis://:wrong-secret@{HOST}:{own_server.port}/0") as backend:
        assert _runs(Cache(backend), colour) == [1, 2, 3, 4, 5]
    told = _told(caplog, "cachelayer.backends")
    assert len(told.splitlines()) == 1
    assert "refused the user or password: mend" in told
    assert "wrong-secret" not in caplog.text
    with RedisBackend(f"redis://:right@{HOST}:{own_server.port}/0") as after:
        assert after.get("key") == b"value"


@pytest.mark.parametrize("colour", COLOURS)
def test_a_read_only_replica_is_read_and_the_application_runs(redis_server, own_server, colour, caplog):
    """What is on it is served, what is not is computed, and the warning says where to point the URL (30)."""
    with RedisBackend(redis_server.url, namespace=f"replica {colour}") as primary:
        primary.clear()
        primary.set("key", b"value")
        own_server.ask("REPLICAOF", HOST, redis_server.port)
        wait_until(lambda: own_server.ask("INFO").get("master_link_status") == "up", "the replica follows")
        with RedisBackend(own_server.url, namespace=f"replica {colour}") as replica:
            assert replica.get("key") == b"value"
            assert _runs(Cache(replica), colour) == [1, 2, 3, 4, 5]
            assert replica.get("key") == b"value"
    assert "read-only replica: point the URL at the primary" in _told(caplog, "cachelayer.backends")


# -- a disk that is full, a file that is damaged ----------------------------------------------------------------


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """Give a file system of 4 MB of its own, where the user may mount one."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_full_disk_serves_no_value_that_was_to_be_replaced(tmp_path: Path, colour: Colour):
    """Neither while it is full nor afterwards; everything else stays, and another process agrees (16, 28, 30)."""
    with _small_disk(tmp_path / "disk") as disk, ExitStack() as stack:
        (disk / "other").write_bytes(b"x" * 1024 * 1024)
        store = stack.enter_context(DiskBackend(disk / "cache.db"))
        guard = ResilientBackend(store, probe_interval=0.01, background=False)
        ops = stack.enter_context(in_colour(guard, colour))
        kept = _fill(store)
        assert ops.set("key 0", b"new" * 1000) is False
        assert ops.delete("key 1") is False
        assert ops.get_many(["key 0", "key 1"]) == {}
        (disk / "other").unlink()
        wait_until(lambda: ops.exists("key 2"), "the store is used again")
        del kept["key 0"], kept["key 1"]
        assert ops.get_many([*kept, "key 0", "key 1"]) == kept
        with DiskBackend(disk / "cache.db") as elsewhere:
            assert elsewhere.get_many(["key 0", "key 1"]) == {}


def _fill(store: DiskBackend) -> dict[str, bytes]:
    """Write until there is no room, and return what was stored."""
    stored: dict[str, bytes] = {}
    for number in range(10_000):
        key, value = f"key {number}", b"%d" % number * 1000
        try:
            store.set(key, value)
        except BackendError:
            return stored
        stored[key] = value
    raise AssertionError("the disk is larger than expected")


@pytest.mark.parametrize("colour", COLOURS)
def test_a_damaged_file_is_said_once_and_the_application_runs(tmp_path: Path, colour: Colour, caplog):
    """It is kept under another name, results are computed anew and cached again (21, 28)."""
    path = tmp_path / "cache.db"
    with DiskBackend(path) as backend:
        assert _runs(Cache(backend), colour) == [1, 1, 1, 1, 1]
    path.write_bytes(b"this is no database, and large enough not to be taken for a new one" * 100)
    with DiskBackend(path) as backend:
        assert _runs(Cache(backend), colour) == [1, 1, 1, 1, 1]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "set aside as" in caplog.text
    assert (tmp_path / "cache.db.corrupt-1").read_bytes().startswith(b"this is no database")
