"""The contract over memory in front of a shared store: one that is polled, and Redis, which tells by itself."""

# ruff: noqa: D102 - the methods are the contract's

from contextlib import suppress
from pathlib import Path

import pytest
import redis

from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.testing.contract import BackendContract
from tests.backends.shared_backend import SQLiteBackend
from tests.backends.tiers import Polled, switched_on
from tests.servers.redis import RedisServer


class TestTieredByPolling(BackendContract):
    warns_when_not_closed = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "items.db"

    def make_backend(self, namespace: str = "") -> TieredBackend:
        return switched_on(TieredBackend(l2=Polled(self.path, namespace=namespace, clock=self.clock)))

    def make_neighbour(self) -> TieredBackend:
        return self.make_backend("neighbour")

    def corrupt(self, backend: TieredBackend, key: str) -> bool:
        with backend.l2._connection() as connection:
            connection.execute("UPDATE items SET value = ? WHERE name = ?", (b"rubbish", key.encode()))
        return True

    def round_trips(self, backend: TieredBackend) -> int:
        return backend.l2.asked


class TestTieredOverAStoreThatTellsLivesSingly(BackendContract):
    warns_when_not_closed = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "items.db"

    def make_backend(self) -> TieredBackend:
        return switched_on(TieredBackend(l2=SQLiteBackend(self.path, clock=self.clock)))


class TestTieredOverRedis(BackendContract):
    warns_when_not_closed = True
    own_clock = True
    tick = 0.15
    resolution = 0.05

    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.servers = [redis_server]
        self.url = redis_server.url

    def make_backend(self, namespace: str = "") -> TieredBackend:
        l2 = RedisBackend(self.url, namespace=self.unique + namespace, timeout=5)
        return switched_on(TieredBackend(l2=l2))

    def make_neighbour(self) -> TieredBackend:
        return self.make_backend("neighbour")

    def corrupt(self, backend: TieredBackend, key: str) -> bool:
        name = backend.l2.layout.name(key)
        for server in self.servers:
            with suppress(redis.ResponseError):  # another node has it
                server.ask("SET", name, b"rubbish")
        return True


class TestTieredOverARedisCluster(TestTieredOverRedis):
    @pytest.fixture(autouse=True)
    def server(self, redis_nodes: list[RedisServer]) -> None:
        self.servers = redis_nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in redis_nodes)
