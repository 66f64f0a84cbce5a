"""Servers for these tests alone."""

from collections.abc import Iterator

import pytest

from tests.servers.redis import RedisServer, Sentinels, redis_sentinels


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may reconfigure, stop and start."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def calm_sentinels() -> Iterator[Sentinels]:
    """A primary under sentinels that no test lets die."""
    with redis_sentinels() as made:
        yield made
