"""What `diagnose` says of a server."""

import asyncio
import re

import pytest
import redis

from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.redis.diagnosis import diagnosed
from cachelayer.flows import Flow, run
from tests.servers.processes import free_port
from tests.servers.redis import Sentinels


def both(url: str) -> list[str]:
    """Return the findings, which are the same in both colours."""

    async def look() -> list[str]:
        async with RedisBackend(url) as backend:
            return await backend.adiagnose()

    with RedisBackend(url) as backend:
        findings = backend.diagnose()
    # The system's own words, in brackets, differ.
    assert [text.partition(" (")[0] for text in asyncio.run(look())] == [
        text.partition(" (")[0] for text in findings
    ]
    return findings


@pytest.mark.parametrize(
    ("maxmemory", "policy", "words"),
    [
        ("0", "noeviction", "no memory limit .* set maxmemory and maxmemory-policy"),
        ("100mb", "noeviction", "refuses writes .* set maxmemory-policy to allkeys-lru"),
        ("100mb", "volatile-lru", "volatile-lru evicts no entry without a ttl"),
    ],
)
def test_a_memory_policy_that_does_not_suit_a_cache_is_named(own_server, maxmemory, policy, words):
    """A server that grows without bound, or refuses writes when it is full, is reported with the setting to change."""
    own_server.ask("CONFIG", "SET", "maxmemory", maxmemory)
    own_server.ask("CONFIG", "SET", "maxmemory-policy", policy)
    [finding] = both(own_server.url)
    assert re.search(words, finding)


def test_a_server_that_suits_is_well(own_server):
    """A memory limit and eviction over all keys are what a cache needs: nothing is reported."""
    own_server.ask("CONFIG", "SET", "maxmemory", "100mb")
    own_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    assert both(own_server.url) == []


def test_an_unreachable_server_is_reported_not_raised():
    """No server at the address is one sentence."""
    [finding] = both(f"redis://127.0.0.1:{free_port()}")
    assert "nothing listens there" in finding


def test_a_wrong_password_is_reported_without_it(own_server):
    """What the server refused is said, with the remedy and without the password."""
    own_server.ask("CONFIG", "SET", "requirepass", "right")
    [finding] = both(f"redis://:wrong@127.0.0.1:{own_server.port}")
    assert "mend them in the URL" in finding
    assert "wrong@" not in finding


def test_a_server_that_forbids_info_is_reported(own_server):
    """What an ACL keeps from being asked is said."""
    own_server.ask("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
    [finding] = both(f"redis://app:secret@127.0.0.1:{own_server.port}")
    assert "INFO cannot be asked" in finding


def test_a_node_of_a_cluster_is_recognised(redis_nodes):
    """A cluster's node behind redis:// is told to be used as a cluster; redis+cluster:// asks each node."""
    found = both(f"redis://127.0.0.1:{redis_nodes[0].port}")
    assert any("use redis+cluster://" in finding for finding in found)
    found = both(f"redis+cluster://127.0.0.1:{redis_nodes[0].port}")
    assert [f"node 127.0.0.1:{node.port}" in "".join(found) for node in redis_nodes] == [True] * 3
    assert not any("use redis+cluster://" in finding for finding in found)


def test_a_replica_is_recognised(calm_sentinels: Sentinels):
    """A read-only replica is reported."""
    found = both(calm_sentinels.replica.url)
    assert any("read-only replica: point the URL at the primary" in finding for finding in found)


def test_a_given_cluster_client_is_looked_over(redis_nodes):
    """A client of the user's gives what it has parsed: each node is looked over all the same."""
    with (
        redis.RedisCluster(host="127.0.0.1", port=redis_nodes[0].port) as client,
        RedisBackend(client=client) as backend,
    ):
        findings = backend.diagnose()
    assert [f"node 127.0.0.1:{node.port}" in "".join(findings) for node in redis_nodes] == [True] * 3


@pytest.mark.parametrize(("version", "count"), [("5.0.14", 1), ("6.0.0", 0), ("7.2.4", 0), ("10.0", 0)])
def test_a_server_that_is_too_old_is_named(version: str, count: int):
    """What the scripts need is there since version 6.0."""
    told = f"# Server\r\nredis_version:{version}\r\nmaxmemory:1\r\nmaxmemory_policy:allkeys-lru\r\n".encode()

    def ask(command: tuple[str], node: None) -> Flow[list[bytes]]:
        assert (command, node) == (("INFO",), None)
        return [told]
        yield

    def nodes() -> Flow[list[None]]:
        return [None]
        yield

    findings = run(diagnosed(ask, nodes, "the store", is_cluster=False))
    assert [f"version {version} is too old: upgrade" in finding for finding in findings] == [True] * count
