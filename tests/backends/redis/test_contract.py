"""The contract, on each kind of Redis, in both colours."""

# ruff: noqa: D102 - the methods are the suite's

from collections.abc import Iterator

import pytest
import redis

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.testing.contract import BackendContract
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, Sentinels


class RedisContract(BackendContract):
    """What every kind of Redis sets."""

    own_clock = True
    tick = 0.15
    resolution = 0.01
    warns_when_not_closed = True
    query = ""

    def place(self) -> str:
        """Return the URL."""
        raise NotImplementedError

    def make_backend(self) -> CacheBackend:
        return RedisBackend(self.place(), namespace=self.unique, timeout=5)

    def make_neighbour(self) -> CacheBackend:
        return RedisBackend(self.place(), namespace=self.unique + ":other", timeout=5)


class TestStandalone(RedisContract):
    """One server, over a proxy that counts round trips."""

    protocol = 2

    @pytest.fixture(autouse=True)
    def _connect(self, redis_server: RedisServer) -> Iterator[None]:
        self.server = redis_server
        with Proxy(redis_server.port) as self.proxy:
            yield

    def place(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}/0?protocol={self.protocol}"

    def corrupt(self, backend: CacheBackend, key: str) -> bool:
        assert isinstance(backend, RedisBackend)
        self.server.ask("SET", backend.layout.name(key), b"someone else's")
        return True

    def round_trips(self, backend: CacheBackend) -> int:
        return self.proxy.round_trips


class TestStandaloneResp3(TestStandalone):
    """The newer protocol."""

    protocol = 3


class TestCluster(RedisContract):
    """Three nodes that share the slots."""

    @pytest.fixture(autouse=True)
    def _connect(self, redis_nodes: list[RedisServer]) -> None:
        self.servers = redis_nodes

    def place(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.servers[0].port}"

    def corrupt(self, backend: CacheBackend, key: str) -> bool:
        assert isinstance(backend, RedisBackend)
        name = backend.layout.name(key)
        [owner] = [node for node in self.servers if _owns(node, name)]
        owner.ask("SET", name, b"someone else's")
        return True


class TestSentinel(RedisContract):
    """The primary that sentinels name."""

    @pytest.fixture(autouse=True)
    def _connect(self, calm_sentinels: Sentinels) -> None:
        self.sentinels = calm_sentinels

    def place(self) -> str:
        return f"redis+sentinel://{self.sentinels.hosts}/{self.sentinels.name}"

    def corrupt(self, backend: CacheBackend, key: str) -> bool:
        assert isinstance(backend, RedisBackend)
        self.sentinels.primary.ask("SET", backend.layout.name(key), b"someone else's")
        return True


def _owns(node: RedisServer, name: bytes) -> bool:
    try:
        node.ask("EXISTS", name)
    except redis.ResponseError:  # it says who has it
        return False
    return True
