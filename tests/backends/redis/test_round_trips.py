"""How often a cache on Redis asks it, counted on the wire."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.redis import RedisBackend
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """Stands before the server and counts."""
    with Proxy(redis_server.port) as made:
        yield made


@pytest.fixture
def backend(proxy: Proxy, request: pytest.FixtureRequest) -> Iterator[RedisBackend]:
    """A backend over the proxy, with a namespace of its own."""
    url = f"redis://127.0.0.1:{proxy.port}"
    with RedisBackend(url, namespace=request.node.name, timeout=5) as made:
        yield made


def counted(proxy: Proxy, call: Callable[[], Any]) -> tuple[Any, int]:
    """Return the call's result and how many round trips it took."""
    before = proxy.round_trips
    return call(), proxy.round_trips - before


def test_a_hit_with_everything_on_takes_one_round_trip(backend: RedisBackend, proxy: Proxy):
    """With tags and a namespace a hit asks once; a miss reads, captures its fence, and stores."""
    cache = Cache(backend, namespace="app")

    @cached(ttl=60, key="user:{number}", tags=["users", "user:{number}"], cache=cache)
    def load(number: int) -> dict[str, int]:
        return {"number": number}

    load(0)  # the connection, the scripts and the tags that all entries share
    result, misses = counted(proxy, lambda: load(1))
    assert result == {"number": 1}
    assert misses <= 5  # the lookup, the key's mark, the tags, the one tag that is new, the write
    assert counted(proxy, lambda: load(1)) == ({"number": 1}, 1)
    cache.invalidate_tags("users")
    assert counted(proxy, lambda: load(1))[1] <= 4


def test_an_async_hit_takes_one_round_trip(backend: RedisBackend, proxy: Proxy):
    """In async code a hit with tags asks once too."""
    cache = Cache(backend, namespace="app")

    @cached(ttl=60, name="load", tags=["users"], cache=cache)
    async def load(number: int) -> int:
        return number

    async def use() -> list[int]:
        counts = []
        for _ in range(3):
            before = proxy.round_trips
            assert await load(1) == 1
            counts.append(proxy.round_trips - before)
        await backend.aclose()
        return counts

    assert asyncio.run(use())[1:] == [1, 1]


#: What is done, and how many round trips it takes.
OPERATIONS: dict[str, tuple[Callable[[RedisBackend], object], int]] = {
    "get": (lambda store: store.get("a"), 1),
    "set": (lambda store: store.set("a", b"1", ttl=5), 1),
    "set_many": (lambda store: store.set_many({str(number): b"1" for number in range(20)}), 1),
    "delete_many": (lambda store: store.delete_many([str(number) for number in range(20)]), 1),
    "get_entry": (lambda store: store.get_entry("a"), 1),
    "get_entries": (lambda store: store.get_entries(["a", "b"]), 1),
    "add": (lambda store: store.add("a", b"1"), 1),
    "touch": (lambda store: store.touch("a", 5), 1),
    "incr": (lambda store: store.incr("count"), 1),
    "compare_and_set": (lambda store: store.compare_and_set("a", b"2", {"a": b"1", "b": None}), 1),
    "generations": (lambda store: store.generations(["old"]), 1),
    "new generations": (lambda store: store.generations(["old", "new 1", "new 2"]), 2),
    "bump_generations": (lambda store: store.bump_generations(["x", "y"]), 1),
    "soften_generations": (lambda store: store.soften_generations(["x", "y"]), 1),
    "acquire_lease": (lambda store: store.acquire_lease("name", b"token", 5), 1),
    "release_lease": (lambda store: store.release_lease("name", b"token"), 1),
}


@pytest.mark.parametrize(("operation", "trips"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_takes_so_many_round_trips(backend: RedisBackend, proxy: Proxy, operation, trips: int):
    """Once connected, and once the server knows the scripts, each operation asks once; new tags twice."""
    backend.generations(["old", "warm"])
    backend.set("a", b"1")
    backend.soften_generations(["warm"])
    for warm in (
        backend.incr,
        lambda key: backend.touch(key, 9),
        lambda key: backend.release_lease(key, b""),
    ):
        warm("warm")
    backend.compare_and_set("warm", b"", {"nothing": b""})
    assert counted(proxy, lambda: operation(backend))[1] == trips


class Watched:
    """A cluster's link whose exchanges with nodes are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from cachelayer.backends.redis import cluster

        self.sent: list[int] = []
        original = cluster.exchange_all

        def exchange_all(parcels: Any) -> Any:
            self.sent.append(len(parcels))
            return original(parcels)

        monkeypatch.setattr(cluster, "exchange_all", exchange_all)


def test_a_thousand_keys_of_a_cluster_take_one_round_trip_to_each_node(
    redis_nodes: list[RedisServer], monkeypatch: pytest.MonkeyPatch
):
    """Bulk calls go to all nodes at once: one exchange, in which each of the three has a part (7)."""
    items = {f"key {number}": b"%d" % number for number in range(1000)}
    url = f"redis+cluster://127.0.0.1:{redis_nodes[0].port}"
    with RedisBackend(url, namespace="thousand", timeout=5) as backend:
        backend.get("connects")
        watched = Watched(monkeypatch)
        assert backend.set_many(items) == 1000
        assert backend.get_many(items) == items
        assert backend.delete_many(items) == 1000
        assert watched.sent == [3, 3, 3]


def test_a_hit_on_a_cluster_takes_one_round_trip_to_each_node(
    redis_nodes: list[RedisServer], monkeypatch: pytest.MonkeyPatch
):
    """With tags on other nodes a hit is one exchange: all nodes are asked before any answer is read."""
    url = f"redis+cluster://127.0.0.1:{redis_nodes[0].port}"
    with ExitStack() as stack:
        backend = stack.enter_context(RedisBackend(url, namespace="hit", timeout=5))
        cache = Cache(backend, namespace="app")

        @cached(ttl=60, name="load", tags=["users", "user:{number}"], cache=cache)
        def load(number: int) -> int:
            return number

        assert [load(number) for number in range(10)] == list(range(10))
        watched = Watched(monkeypatch)
        assert [load(number) for number in range(10)] == list(range(10))
        assert len(watched.sent) == 10
