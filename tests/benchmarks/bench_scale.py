"""Many processes on one store: hits of many keys and of one, and keys that expire under many callers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import redis
from redis.cluster import ClusterNode

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from tests.benchmarks.crew import (
    FEW,
    KEYS,
    PROCESSES,
    Pace,
    Station,
    call_in_threads,
    cluster_url,
    crew,
    measure,
    names_of,
    of_few_keys,
    of_one_key,
    on_redis,
    prepare,
    print_table,
    quantile,
    row,
    show_speeds,
    together,
)
from tests.servers.processes import HOST
from tests.servers.redis import RedisServer, redis_cluster

#: Of each case in each round.
SECONDS, ROUNDS = 0.4, 5


def bench_scale_redis() -> None:
    """Hits of one, two and four processes on one Redis."""
    with RedisServer() as server:
        with redis.Redis(port=server.port) as bare:
            bare.mset({f"bare:{number}": b"x" * 100 for number in range(KEYS)})

        def equip(station: Station) -> None:
            bare = station.stack.enter_context(redis.Redis(port=server.port))
            station.calls["redis-py GET"] = lambda number: bare.get(f"bare:{number}")
            station.add("@cached", on_redis(server), row)
            station.add(
                "@cached, two tags", on_redis(server), row, name="tagged", tags=["rows", "row:{number}"]
            )

        _compare("hits on one Redis", equip)


def bench_scale_cluster() -> None:
    """Hits of one, two and four processes on a cluster of three; and how its nodes share the work."""
    with redis_cluster() as nodes:
        startup = [ClusterNode(HOST, node.port) for node in nodes]
        with redis.RedisCluster(startup_nodes=startup) as bare:
            bare.mset_nonatomic({f"bare:{number}": b"x" * 100 for number in range(KEYS)})

        def equip(station: Station) -> None:
            bare = redis.RedisCluster(startup_nodes=startup)
            station.stack.callback(bare.close)
            station.calls["redis-py GET"] = lambda number: bare.get(f"bare:{number}")
            station.add("@cached", RedisBackend(cluster_url([node.port for node in nodes]), timeout=5), row)

        _compare("hits on a cluster of three", equip)
        cache = Cache(RedisBackend(cluster_url([node.port for node in nodes]), timeout=5))
        function = cached(cache=cache, ttl=600, name="row")(row)
        before = [_commands(node) for node in nodes]
        for number in range(KEYS):
            function(number)
        counts = [(_commands(node) - past)["get"] for node, past in zip(nodes, before, strict=True)]
        print(f"{KEYS:,} hits, each of another key: reads of the nodes {counts}")
        cache.close()


def bench_scale_hot_key() -> None:
    """One key that every process reads all the time: from Redis, and from memory in front of it."""
    with RedisServer() as server:

        def equip(station: Station) -> None:
            station.add("on Redis", on_redis(server), row)
            station.add("tiered over Redis", TieredBackend(l2=on_redis(server)), row)
            station.add("memory", InMemoryBackend(), row)
            station.calls = {name: of_one_key(call) for name, call in station.calls.items()}

        _compare("one hot key", equip)


def _compare(title: str, equip: Callable[[Station], None]) -> None:
    with crew(PROCESSES, equip) as workers:
        for worker in workers:
            worker.do(prepare)
        speeds = measure(workers, workers[0].do(names_of), seconds=SECONDS, rounds=ROUNDS)
    show_speeds(f"{title}, {ROUNDS} rounds of {SECONDS} s", speeds)


def _commands(server: RedisServer) -> Counter[str]:
    """Return how often the server did each command."""
    told = server.ask("INFO", "commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()})


# -- herds ------------------------------------------------------------------------------------------------------

_THREADS: Final = 8
_TTL, _COST = 0.5, 0.05
_HERDS: Final[dict[str, dict[str, Any]]] = {
    'lock="local"': {},
    'lock="distributed"': {"lock": "distributed"},
    "stale_while_revalidate=5": {"stale_while_revalidate": 5},
    "both": {"lock": "distributed", "stale_while_revalidate": 5},
    "beta=1.0": {"beta": 1.0},
    "jitter=0.2": {"jitter": 0.2},
    "refresh_ahead=0.8": {"refresh_ahead": 0.8},
}


def bench_scale_herd() -> None:
    """A hot key of a slow function that expires under many callers: how often it is computed, and who waits."""
    seconds, rows = 4.0, []

    def slow(number: int) -> dict[str, Any]:
        time.sleep(_COST)  # what the function costs
        return row(number)

    with RedisServer() as server:

        def equip(station: Station) -> None:
            station.calls["redis-py: GET, compute, SET"] = _by_hand(station, server, slow)
            for name, options in _HERDS.items():
                station.add(name, on_redis(server), slow, **{"ttl": _TTL, "name": name, **options})
            station.calls = {name: of_one_key(call) for name, call in station.calls.items()}

        with crew(PROCESSES, equip) as workers:
            for name in workers[0].do(names_of):
                found = together(workers, call_in_threads, Pace(name, seconds, 0.01, _THREADS))
                rows.append((name, *_herd(found, seconds)))
    columns = ("", "computed", "a lifetime", "calls", "median ms", "p99 ms", "max ms", "errors")
    print_table(
        f"{PROCESSES} x {_THREADS} callers of one key, ttl {_TTL} s, {_COST * 1e3:.0f} ms to compute, for {seconds} s",
        columns,
        rows,
    )


def _by_hand(station: Station, server: RedisServer, slow: Callable[[int], Any]) -> Callable[[int], Any]:
    client = station.stack.enter_context(redis.Redis(port=server.port))

    def call(number: int) -> None:
        if client.get("bare") is None:
            station.made.append(time.monotonic())
            slow(number)
            client.set("bare", b"x" * 100, px=int(_TTL * 1e3))

    return call


def _herd(found: Sequence[Any], seconds: float) -> tuple[str, ...]:
    calls = [call for each, _ in found for call in each]
    computed = sum(len(made) for _, made in found)
    taken = sorted(call.seconds * 1e3 for call in calls)
    return (
        str(computed), f"{computed / (seconds / _TTL):.1f}", f"{len(calls):,}",
        *(f"{each:.1f}" for each in (quantile(taken, 0.5), quantile(taken, 0.99), taken[-1])),
        str(sum(bool(call.error) for call in calls)),
    )  # fmt: skip


def bench_scale_jitter() -> None:
    """Many keys that were stored at once and expire at once: the most computations in any tenth of a second."""
    rows = []

    def slow(number: int) -> dict[str, Any]:
        time.sleep(0.002)  # what the function costs
        return row(number)

    with RedisServer() as server:

        def equip(station: Station) -> None:
            for jitter in (0.0, 0.1, 0.5):
                options = {"ttl": 1.5, "name": f"jitter {jitter}", "jitter": jitter}
                station.add(f"jitter={jitter}", on_redis(server), slow, **options)
            station.calls = {name: of_few_keys(call) for name, call in station.calls.items()}

        with crew(PROCESSES, equip) as workers:
            for name in workers[0].do(names_of):
                found = together(workers, call_in_threads, Pace(name, 6.0, 0.005, _THREADS))
                tenths = Counter(int(moment * 10) for _, made in found for moment in made if moment > 1)
                rows.append((name, tenths.total(), max(tenths.values()), len(tenths)))
    columns = ("", "computed", "the most in a tenth", "tenths with any, of 50")
    print_table(f"{FEW} keys that were stored at once, ttl 1.5 s", columns, rows)
