"""What things cost: messages on the wire, bytes, and CPU time here and in Redis."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import redis

from cachelayer import Cache, cached
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from tests.backends.tiers import Worker, switched_on
from tests.benchmarks.crew import (
    MakeBackend,
    Station,
    cluster_url,
    crew,
    names_of,
    on_redis,
    prepare,
    print_table,
    row,
    together,
    work_for,
)
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST, wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, redis_cluster

_ROUNDS: Final = 5


def bench_scale_round_trips() -> None:
    """How often the store is asked by what an application does, counted on the wire."""
    with RedisServer() as server, Proxy(server.port) as proxy:
        alone = _round_trips(lambda: RedisBackend(f"redis://{HOST}:{proxy.port}", timeout=5), [proxy])
    with RedisServer() as server, Proxy(server.port) as proxy:
        tiered = _round_trips(
            lambda: TieredBackend(l2=RedisBackend(f"redis://{HOST}:{proxy.port}", timeout=5), heartbeat=3600),
            [proxy],
        )
    with _cluster_of_proxies() as proxies:
        url = cluster_url([proxy.port for proxy in proxies])
        cluster = _round_trips(lambda: RedisBackend(url, timeout=5), proxies)
    with (
        MemcachedServer() as one,
        MemcachedServer() as two,
        Proxy(one.port) as first,
        Proxy(two.port) as second,
    ):
        names = [f"{HOST}:{first.port}", f"{HOST}:{second.port}"]
        pair = _round_trips(lambda: MemcachedBackend(names, timeout=5), [first, second])
    rows = [(what, alone[what], tiered[what], cluster[what], pair[what]) for what in alone]
    columns = ("", "Redis", "tiered over Redis", "cluster of three, all nodes", "two Memcached, both servers")
    print_table("messages to servers that are answered", columns, rows)


def _round_trips(make: MakeBackend, proxies: Sequence[Proxy]) -> dict[str, str]:
    cache = Cache(make())

    @cached(ttl=600, name="plain", cache=cache)
    def plain(number: int) -> dict[str, Any]:
        return row(number)

    @cached(ttl=600, name="tagged", tags=["rows", "row:{number}"], cache=cache)
    def tagged(number: int) -> dict[str, Any]:
        return row(number)

    # Connections, scripts, the generations that all entries share; the feed of a tiered backend, and its copies.
    if isinstance(cache.backend, TieredBackend):
        switched_on(cache.backend)
    for call in (plain, tagged) * 3:
        for number in range(-20, 0):
            call(number)
    told = {
        "hit": _counted(proxies, plain, -20),
        "hit, two tags": _counted(proxies, tagged, -20),
        "a hundred hits at once": str(_hundred_hits(proxies, plain)),
        "miss, stored": _counted(proxies, plain, 0),
        "miss, stored, two tags, one of them new": _counted(proxies, tagged, 0),
        "invalidate a key": _counted(proxies, plain.invalidate, 0),
        "invalidate a tag": _counted(proxies, lambda number: cache.invalidate_tags(f"row:{number}"), 0),
    }
    cache.close()
    return told


def _hundred_hits(proxies: Sequence[Proxy], function: Any) -> int:
    for number in [*range(100, 200)] * 2:  # the second time for memory in front of the store
        function(number)
    return _count(proxies, lambda: function.many(range(100, 200)))


def _counted(proxies: Sequence[Proxy], call: Callable[[int], Any], first: int) -> str:
    """Return what calls for twenty keys took each: the least and the most."""
    counts = [_count(proxies, lambda number=number: call(number)) for number in range(first, first + 20)]
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"


def _count(proxies: Sequence[Proxy], call: Callable[[], Any]) -> int:
    before = sum(proxy.round_trips for proxy in proxies)
    call()
    return sum(proxy.round_trips for proxy in proxies) - before


@contextmanager
def _cluster_of_proxies() -> Iterator[list[Proxy]]:
    """Give proxies that the nodes of a cluster name as their own addresses."""
    with redis_cluster() as nodes, ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(node.port)) for node in nodes]
        for node, proxy in zip(nodes, proxies, strict=True):
            node.ask("CONFIG", "SET", "cluster-announce-port", proxy.port)
        wanted = {proxy.port for proxy in proxies}
        for node in nodes:
            wait_until(lambda node=node: _announced(node) == wanted, "the nodes know each other's addresses")
        yield proxies


def _announced(node: RedisServer) -> set[int]:
    return {int(primary[1]) for _, _, primary, *_ in node.ask("CLUSTER", "SLOTS")}


def bench_scale_memory() -> None:
    """Bytes that Redis says its keys take."""
    rows = []
    with RedisServer() as server:
        sizes, tagging = (10, 100, 1_000, 10_000), ([], ["rows", "row:{number}"])
        rows += [_bytes_taken(server, size, tags) for size in sizes for tags in tagging]
        server.ask("FLUSHALL")
        cache = Cache(on_redis(server))

        @cached(ttl=600, name="one", cache=cache)
        def one(number: int) -> int:
            return number

        one(1)
        one.invalidate(1)
        cache.invalidate_tags("news")
        with redis.Redis(port=server.port) as client:
            books = {
                name: (client.memory_usage(name), client.ttl(name)) for name in client.scan_iter("cl-book:*")
            }
        cache.close()
    print_table(
        "bytes an entry", ("bytes of the value", "tags", "MEMORY USAGE", "used_memory, generations too"), rows
    )
    for name, (taken, ttl) in sorted(books.items()):
        print(f"{name!r}: {taken} bytes, for {ttl} s")


def _bytes_taken(server: RedisServer, size: int, tags: list[str]) -> tuple[object, ...]:
    server.ask("FLUSHALL")
    before, count = server.ask("INFO", "memory")["used_memory"], 2_000
    cache = Cache(on_redis(server))

    @cached(ttl=600, name="data", tags=tags, cache=cache)
    def data(number: int) -> bytes:
        return random.Random(number).randbytes(size)  # which cannot be compressed

    for number in range(count):
        data(number)
    used = (server.ask("INFO", "memory")["used_memory"] - before) / count
    with redis.Redis(port=server.port) as client:
        each = statistics.mean(client.memory_usage(name) for name in client.scan_iter("cl:*", count=1000))
    cache.close()
    return f"{size:,}", len(tags), f"{each:,.0f}", f"{used:,.0f}"


def bench_scale_cpu() -> None:
    """CPU time of one call in the process that makes it and in Redis: what other load on the machine leaves alone."""
    with RedisServer() as server:

        def equip(station: Station) -> None:
            bare = station.stack.enter_context(redis.Redis(port=server.port))
            bare.set("bare", b"x" * 100)
            station.calls["redis-py GET"] = lambda number: bare.get("bare")
            station.add("hit", on_redis(server), row)
            station.add("hit, two tags", on_redis(server), row, name="tagged", tags=["rows", "row:{number}"])
            station.add("tiered, hit in L1", TieredBackend(l2=on_redis(server)), row, name="near")
            station.add("miss, stored", on_redis(server), row, name="missed")
            missed: Any = station.calls["miss, stored"]
            station.calls["miss, stored"] = missed.refresh
            station.calls["invalidation"] = missed.invalidate

        with crew(1, equip) as workers:
            workers[0].do(prepare)
            workers[0].do(prepare)  # for memory in front of the store, which listens by now
            names = workers[0].do(names_of)
            rounds = [[_cpu_of(workers[0], server, name) for name in names] for _ in range(_ROUNDS)]
    rows = []
    for name, figures in zip(names, zip(*rounds, strict=True), strict=True):
        here, there = (statistics.median(each) * 1e6 for each in zip(*figures, strict=True))
        rows.append((name, f"{here:.0f}", f"{there:.1f}", f"{1e6 / there:,.0f}" if there > 1 else "-"))
    columns = ("", "us in the process", "us in Redis", "calls/s that fill one Redis")
    print_table(f"CPU of one call, medians of {_ROUNDS} rounds", columns, rows)


def _cpu_of(worker: Worker, server: RedisServer, name: str) -> tuple[float, float]:
    before = _cpu(server)
    [(count, seconds)] = together([worker], work_for, name, 0.5)
    return seconds / count, (_cpu(server) - before) / count


def bench_scale_fan_out() -> None:
    """What a write costs where memory in many processes is told of it: in Redis, and in each of them."""
    rows = []
    with RedisServer() as server:

        def equip(station: Station) -> None:
            backend = station.stack.enter_context(on_redis(server))
            station.calls["set"] = lambda number: backend.set(str(number), b"x" * 100)

        for count in (0, 4, 16, 64):
            with crew(2, equip) as (writing, listening):
                listening.do(_listen, server.url, count)
                rounds = [_told(writing, listening, server) for _ in range(_ROUNDS)]
            here, there = (statistics.median(each) * 1e6 for each in zip(*rounds, strict=True))
            rows.append((count, f"{there:.1f}", f"{here / count:.1f}" if count else "-"))
    print_table("CPU of one write", ("listeners", "us in Redis", "us in each listener"), rows)


def _told(writing: Worker, listening: Worker, server: RedisServer) -> tuple[float, float]:
    before, heard = _cpu(server), listening.do(_own_cpu)
    [(writes, _)] = together([writing], work_for, "set", 1.0)
    return (listening.do(_own_cpu) - heard) / writes, (_cpu(server) - before) / writes


def _listen(station: Station, url: str, count: int) -> None:
    for _ in range(count):
        backend = TieredBackend(l2=RedisBackend(url, timeout=5))
        switched_on(station.stack.enter_context(backend))


def _own_cpu(station: Station) -> float:
    return time.process_time()


def _cpu(server: RedisServer) -> float:
    told = server.ask("INFO", "cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
