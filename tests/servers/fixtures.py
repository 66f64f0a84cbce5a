"""One server of each kind for the whole run: tests keep apart by namespaces. Who breaks a server starts its own."""

from collections.abc import Iterator

import pytest

from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer, Sentinels, redis_cluster, redis_sentinels


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server that stands alone."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_nodes() -> Iterator[list[RedisServer]]:
    """A Redis cluster of three."""
    with redis_cluster() as nodes:
        yield nodes


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    """A primary and its replica under sentinels, for this test alone: it lets the primary die."""
    with redis_sentinels() as made:
        yield made


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[MemcachedServer]:
    """A Memcached server."""
    with MemcachedServer() as server:
        yield server


@pytest.fixture(scope="session")
def memcached_pair() -> Iterator[tuple[MemcachedServer, MemcachedServer]]:
    """Two Memcached servers."""
    with MemcachedServer() as one, MemcachedServer() as two:
        yield one, two
