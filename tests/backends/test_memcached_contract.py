"""The contract on real Memcached servers: one, two, and with values split."""

# ruff: noqa: D102 - the hooks are described where they are declared

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pymemcache.client.base import Client

from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.testing.contract import BackendContract
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST
from tests.servers.proxy import Proxy

#: Seconds, well above what a call takes on a busy machine: here a deadline would be a failure.
PATIENT = 20.0


class MemcachedContract(BackendContract):
    """What the backend's variants share. Entries expire by the frame, so that the suite's own clock counts."""

    __test__ = False

    supports_keys = False
    counts_cleared = False
    warns_when_not_closed = True
    split: ClassVar[bool] = False
    servers: list[tuple[str, int]]

    def make_backend(self) -> MemcachedBackend:
        return self._make(self.unique)

    def make_neighbour(self) -> MemcachedBackend:
        return self._make(self.unique + "'s neighbour")

    def corrupt(self, backend: MemcachedBackend, key: str) -> bool:
        # One that pymemcache makes by itself, which knows nothing of frames.
        for server in self.servers:
            client = Client(server, default_noreply=False)
            client.replace(backend._store.keys.of(key), b"rubbish")
            client.close()
        return True

    def _make(self, namespace: str) -> MemcachedBackend:
        return MemcachedBackend(
            self.servers, namespace=namespace, timeout=PATIENT, split=self.split, clock=self.clock
        )


class TestOneMemcached(MemcachedContract):
    __test__ = True

    @pytest.fixture(autouse=True)
    def place(self, memcached_server: MemcachedServer) -> Iterator[None]:
        with Proxy(memcached_server.port) as self.proxy:
            self.servers = [(HOST, self.proxy.port)]
            yield

    max_value_bytes = 1024 * 1024 - 1024

    def round_trips(self, backend: Any) -> int:
        return self.proxy.round_trips


class TestTwoMemcacheds(MemcachedContract):
    __test__ = True
    max_value_bytes = 1024 * 1024 - 1024

    @pytest.fixture(autouse=True)
    def place(self, memcached_pair: tuple[MemcachedServer, MemcachedServer]) -> None:
        self.servers = [(HOST, server.port) for server in memcached_pair]


class TestMemcachedThatSplits(MemcachedContract):
    __test__ = True
    split = True

    @pytest.fixture(autouse=True)
    def place(self, memcached_server: MemcachedServer) -> None:
        self.servers = [(HOST, memcached_server.port)]
