"""A server dies under many processes, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from cachelayer import Cache, cached
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from tests.benchmarks.crew import (
    PROCESSES,
    MakeBackend,
    Station,
    cluster_url,
    crew,
    of_few_keys,
    row,
)
from tests.benchmarks.outage import Case, health_of, live_through, show_outage
from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer, redis_cluster, redis_sentinels


def bench_scale_outage_redis() -> None:
    """The only Redis dies and comes back empty; with memory in front of it, too."""
    with RedisServer() as server:
        _outage("one Redis", lambda: RedisBackend(server.url), Case(server, 10, server.is_ready))
    with RedisServer() as server:
        tiered = lambda: TieredBackend(l2=RedisBackend(server.url))  # noqa: E731 - one expression is all it takes
        _outage("one Redis, tiered", tiered, Case(server, 10, server.is_ready))


def bench_scale_outage_sentinel() -> None:
    """The primary of a replicated Redis dies: sentinels make the replica the primary."""
    with redis_sentinels() as sentinels:
        url = f"redis+sentinel://{sentinels.hosts}/{sentinels.name}"

        def is_replaced() -> bool:
            return sentinels.current_port() == sentinels.replica.port

        _outage(
            "Redis with a replica",
            lambda: RedisBackend(url),
            Case(sentinels.primary, 8, sentinels.primary.is_ready, is_replaced),
        )


def bench_scale_outage_cluster() -> None:
    """One of the three nodes of a cluster dies: one without generations that all entries need, then one with such."""
    for has_books in (False, True):
        with redis_cluster() as nodes:
            url = cluster_url([node.port for node in nodes])
            with _filled(RedisBackend(url)):
                chosen = next(node for node in nodes if bool(_books(node)) == has_books)

            def is_up(node: RedisServer = chosen) -> bool:
                return node.is_ready() and bool(node.ask("CLUSTER INFO")["cluster_state"] == "ok")

            title = (
                f"a node of a cluster, with {len(_books(chosen))} of the 2 generations that every entry has"
            )
            _outage(title, lambda url=url: RedisBackend(url), Case(chosen, 14, is_up))


def bench_scale_outage_memcached() -> None:
    """One of two Memcached servers dies."""
    with MemcachedServer() as one, MemcachedServer() as two:
        names = [one.address, two.address]
        _outage("one of two Memcached", lambda: MemcachedBackend(names), Case(two, 10, two.is_ready))


def _outage(title: str, make: MakeBackend, case: Case) -> None:
    def equip(station: Station) -> None:
        station.add("row", make(), row)
        station.calls["row"] = of_few_keys(station.calls["row"])  # which are soon computed anew

    with crew(PROCESSES, equip) as workers:
        show_outage(f"{title}, {PROCESSES} processes", live_through(workers, "row", case))
        print("as each process saw it:", "; ".join(worker.do(health_of, "row") for worker in workers))


@contextmanager
def _filled(backend: RedisBackend) -> Iterator[None]:
    with backend:
        cached(cache=Cache(backend), ttl=600, name="row")(row)(0)
        yield


def _books(node: RedisServer) -> list[bytes]:
    with redis.Redis(port=node.port) as client:
        return [name for name in client.scan_iter("cl-book:*") if b"key:" not in name]
