"""Many processes on one store: what things cost, speed, coherence, a server that dies, herds and hot keys."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

import redis
from redis.cluster import ClusterNode

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from tests.benchmarks.crew import (
    KEYS,
    Station,
    Truth,
    call_in_threads,
    crew,
    draw,
    measure,
    prepare,
    print_table,
    quantile,
    show_speeds,
    together,
    wait_for,
)
from tests.benchmarks.outage import health_of, live_through, show_outage
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST, Server, wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, redis_cluster, redis_sentinels

PROCESSES: Final = 4
#: Of each case in each round.
SECONDS, ROUNDS = 0.4, 7


def _row(number: int) -> dict[str, Any]:
    return {"id": number, "name": "Ada", "active": True, "score": 9.5}


def _cluster_url(ports: Sequence[int]) -> str:
    return "redis+cluster://" + ",".join(f"{HOST}:{port}" for port in ports)


def _redis(server: RedisServer) -> RedisBackend:
    return RedisBackend(server.url, timeout=5)  # a machine that is busy with other things is no outage


def _cluster(nodes: Sequence[RedisServer]) -> RedisBackend:
    return RedisBackend(_cluster_url([node.port for node in nodes]), timeout=5)


# -- what things cost -------------------------------------------------------------------------------------------


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
        url = _cluster_url([proxy.port for proxy in proxies])
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


def _round_trips(make: Callable[[], CacheBackend], proxies: Sequence[Proxy]) -> dict[str, str]:
    cache = Cache(make())

    @cached(ttl=600, name="plain", cache=cache)
    def plain(number: int) -> dict[str, Any]:
        return _row(number)

    @cached(ttl=600, name="tagged", tags=["rows", "row:{number}"], cache=cache)
    def tagged(number: int) -> dict[str, Any]:
        return _row(number)

    for number in range(
        -20, 0
    ):  # connections, scripts, the generations that all entries share; links of feeds
        plain(number), tagged(number)
    time.sleep(0.2)
    for _ in range(3):
        list(map(tagged, range(-20, 0))), list(map(plain, range(-20, 0)))
    told = {
        "hit": _counted(proxies, plain, -20),
        "hit, two tags": _counted(proxies, tagged, -20),
        "hits of a hundred": "",
        "miss, stored": _counted(proxies, plain, 0),
        "miss, stored, two tags, one of them new": _counted(proxies, tagged, 0),
        "invalidate a key": _counted(proxies, lambda number: plain.invalidate(number), 0),
        "invalidate a tag": _counted(proxies, lambda number: cache.invalidate_tags(f"row:{number}"), 0),
    }
    plain.many(range(100, 200))
    list(map(plain, range(100, 200)))
    told["hits of a hundred"] = str(_count(proxies, lambda: plain.many(range(100, 200))))
    cache.close()
    return told


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
        for size in (10, 100, 1_000, 10_000):
            for tags in ([], ["rows", "row:{number}"]):
                rows.append(_bytes_taken(server, size, tags))
        cache = Cache(_redis(server))

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
    print_table("bytes an entry", ("value", "tags", "bytes of value", "MEMORY USAGE", "used_memory"), rows)
    for name, (taken, ttl) in sorted(books.items()):
        print(f"{name!r}: {taken} bytes, for {ttl} s")


def _bytes_taken(server: RedisServer, size: int, tags: list[str]) -> tuple[object, ...]:
    server.ask("FLUSHALL")
    before, count = server.ask("INFO", "memory")["used_memory"], 5_000
    cache = Cache(_redis(server))

    @cached(ttl=600, name="text", tags=tags, cache=cache)
    def text(number: int) -> str:
        return f"{number:0{size}}"

    for number in range(count):
        text(number)
    used = (server.ask("INFO", "memory")["used_memory"] - before) / count
    with redis.Redis(port=server.port) as client:
        each = statistics.mean(client.memory_usage(name) for name in client.scan_iter("cl:*", count=1000))
    cache.close()
    return f"{size} characters", len(tags), size, f"{each:,.0f}", f"{used:,.0f}"


# -- speed ------------------------------------------------------------------------------------------------------


def bench_scale_redis() -> None:
    """Hits of one, two and four processes on one Redis."""
    with RedisServer() as server:
        with redis.Redis(port=server.port) as bare:
            bare.mset({f"bare:{number}": b"x" * 100 for number in range(KEYS)})

        def equip(station: Station) -> None:
            bare = station.stack.enter_context(redis.Redis(port=server.port))
            station.calls["redis-py GET"] = lambda number: bare.get(f"bare:{number}")
            station.add("@cached", _redis(server), _row)
            station.add(
                "@cached, two tags", _redis(server), _row, name="tagged", tags=["rows", "row:{number}"]
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
            station.add("@cached", _cluster(nodes), _row)

        _compare("hits on a cluster of three", equip)
        cache = Cache(_cluster(nodes))
        function = cached(cache=cache, ttl=600, name="row")(_row)
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
            station.add("on Redis", _redis(server), _row)
            station.add("tiered over Redis", TieredBackend(l2=_redis(server)), _row)
            station.add("memory", InMemoryBackend(), _row)
            station.calls = {name: _of_one_key(call) for name, call in station.calls.items()}

        _compare("one hot key", equip)


def _of_one_key(call: Callable[[int], Any]) -> Callable[[int], Any]:
    return lambda number: call(0)


def _compare(title: str, equip: Callable[[Station], None]) -> None:
    with crew(PROCESSES, equip) as workers:
        for worker in workers:
            worker.do(prepare)
        speeds = measure(workers, workers[0].do(_names), seconds=SECONDS, rounds=ROUNDS)
    show_speeds(f"{title}, {ROUNDS} rounds of {SECONDS} s", speeds)


def _names(station: Station) -> list[str]:
    return list(station.calls)


def _commands(server: RedisServer) -> Counter[str]:
    """Return how often the server did each command."""
    told = server.ask("INFO", "commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()})


# -- coherence --------------------------------------------------------------------------------------------------


class Reads(NamedTuple):
    """What one process saw: reads, writes, ages of the stale answers in seconds, and hits and misses of L1."""

    reads: int
    writes: int
    stale: list[float]
    hits: int
    misses: int


def bench_scale_tiered() -> None:
    """Reads with some writes: how many L1 answers, and how old what was served after it had been invalidated."""
    truth, seconds = Truth(), 2.0

    def compute(number: int) -> dict[str, Any]:
        return {**_row(number), "version": truth.read(number)}

    with RedisServer() as server, MemcachedServer() as other:

        def equip(station: Station) -> None:
            memcached = MemcachedBackend(other.address, timeout=5)
            station.truth = truth
            station.add("Redis alone", _redis(server), compute)
            station.add("tiered over Redis", TieredBackend(l2=_redis(server)), compute, name="near")
            station.add("tiered over Memcached", TieredBackend(l2=memcached), compute, name="near")

        rows = []
        with crew(PROCESSES, equip) as workers:
            for worker in workers:
                worker.do(prepare)
            for name in workers[0].do(_names):
                for share in (0.001, 0.01):
                    for size in (1, 2, PROCESSES):
                        found = together(workers[:size], _read_and_write, name, seconds, share, size)
                        rows.append((name, f"{share:.1%}", size, *_coherence(found, seconds)))
    columns = (
        "store", "writes", "processes", "reads/s", "writes/s", "L1 hits", "stale answers", "stale ms: median", "max",
    )  # fmt: skip
    print_table("reads and writes by zipf; a write is an invalidation", columns, rows)


def _read_and_write(
    station: Station, worker: int, begin: float, name: str, seconds: float, share: float, size: int
) -> Reads:
    """Call by zipf; change a share of the keys, each process its own ones."""
    call: Any = station.calls[name]
    truth, keys, dice = station.truth, draw(worker), random.Random(worker)
    before, stale, reads, writes = _tier(station, name), [], 0, 0
    wait_for(begin)
    while (asked := time.monotonic()) < begin + seconds:
        number = next(keys)
        if dice.random() < share:
            truth.change((number - number % size + worker) % KEYS, call.invalidate)
            writes += 1
            continue
        age = truth.age(number, call(number)["version"], asked)
        reads += 1
        if age:
            stale.append(age)
    after = _tier(station, name)
    return Reads(reads, writes, stale, after[0] - before[0], after[1] - before[1])


def _tier(station: Station, name: str) -> tuple[int, int]:
    backend = station.caches[name].backend
    if not isinstance(backend, TieredBackend):
        return 0, 0
    return backend.tiers.l1.hits or 0, backend.tiers.l1.misses or 0


def _coherence(found: Sequence[Reads], seconds: float) -> tuple[str, ...]:
    reads, writes = sum(each.reads for each in found), sum(each.writes for each in found)
    stale = sorted(age * 1e3 for each in found for age in each.stale)
    hits, misses = sum(each.hits for each in found), sum(each.misses for each in found)
    return (
        f"{reads / seconds:,.0f}", f"{writes / seconds:,.0f}", f"{hits / (hits + misses or 1):.1%}",
        f"{len(stale)} ({len(stale) / reads:.3%})", f"{quantile(stale, 0.5):.1f}", f"{stale[-1] if stale else 0:.1f}",
    )  # fmt: skip


# -- a server that dies -----------------------------------------------------------------------------------------


def bench_scale_outage_redis() -> None:
    """The only Redis dies and comes back empty; with memory in front of it, too."""
    with RedisServer() as server:
        _outage("one Redis", lambda: RedisBackend(server.url), server)
    with RedisServer() as server:
        _outage("one Redis, tiered", lambda: TieredBackend(l2=RedisBackend(server.url)), server)


def bench_scale_outage_sentinel() -> None:
    """The primary of a replicated Redis dies: sentinels make the replica the primary."""
    with redis_sentinels() as sentinels:
        url = f"redis+sentinel://{sentinels.hosts}/{sentinels.name}"
        _outage("Redis with a replica", lambda: RedisBackend(url), sentinels.primary)


def bench_scale_outage_cluster() -> None:
    """One of the three nodes of a cluster dies: one without generations that all entries need, then one with such."""
    for has_books in (False, True):
        with redis_cluster() as nodes:
            url = _cluster_url([node.port for node in nodes])
            with _filled(RedisBackend(url)):
                chosen = next(node for node in nodes if bool(_books(node)) == has_books)
            title = f"a node of a cluster, {len(_books(chosen))} of the generations on it"
            _outage(title, lambda url=url: RedisBackend(url), chosen)


def bench_scale_outage_memcached() -> None:
    """One of two Memcached servers dies."""
    with MemcachedServer() as one, MemcachedServer() as two:
        for number, dying in enumerate((one, two), 1):
            names = [one.address, two.address]
            _outage(f"Memcached server {number} of 2", lambda names=names: MemcachedBackend(names), dying)


def _outage(title: str, make: Callable[[], CacheBackend], server: Server) -> None:
    with crew(PROCESSES, lambda station: station.add("row", make(), _row)) as workers:
        show_outage(f"{title}, {PROCESSES} processes", live_through(workers, "row", server))
        print("the stores, as the processes saw them:", [worker.do(health_of, "row") for worker in workers])


@contextmanager
def _filled(backend: RedisBackend) -> Iterator[None]:
    with backend:
        cached(cache=Cache(backend), ttl=600, name="row")(_row)(0)
        yield


def _books(node: RedisServer) -> list[bytes]:
    with redis.Redis(port=node.port) as client:
        return [name for name in client.scan_iter("cl-book:*") if b"key:" not in name]


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
        return _row(number)

    with RedisServer() as server:

        def equip(station: Station) -> None:
            station.calls["redis-py: GET, compute, SET"] = _by_hand(station, server, slow)
            for name, options in _HERDS.items():
                station.add(name, _redis(server), slow, **{"ttl": _TTL, "name": name, **options})
            station.calls = {name: _of_one_key(call) for name, call in station.calls.items()}

        with crew(PROCESSES, equip) as workers:
            for name in workers[0].do(_names):
                found = together(workers, call_in_threads, name, seconds, _THREADS, 0.01)
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
    rows, keys = [], 200

    def slow(number: int) -> dict[str, Any]:
        time.sleep(0.002)  # what the function costs
        return _row(number)

    with RedisServer() as server:

        def equip(station: Station) -> None:
            for jitter in (0.0, 0.1, 0.5):
                options = {"ttl": 1.5, "name": f"jitter {jitter}", "jitter": jitter}
                station.add(f"jitter={jitter}", _redis(server), slow, **options)
            station.calls = {name: _of_few_keys(call, keys) for name, call in station.calls.items()}

        with crew(PROCESSES, equip) as workers:
            for name in workers[0].do(_names):
                found = together(workers, call_in_threads, name, 6.0, _THREADS, 0.005)
                tenths = Counter(int(moment * 10) for _, made in found for moment in made if moment > 1)
                rows.append((name, tenths.total(), max(tenths.values()), len(tenths)))
    columns = ("", "computed", "the most in a tenth", "tenths with any, of 50")
    print_table(f"{keys} keys that were stored at once, ttl 1.5 s", columns, rows)


def _of_few_keys(call: Callable[[int], Any], keys: int) -> Callable[[int], Any]:
    return lambda number: call(number % keys)
