"""Cached functions over Memcached: hits, invalidation by key and tag, in both colours and across processes."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.testing.crowds import in_a_child, in_processes
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST
from tests.servers.proxy import Proxy

PATIENT: Final = 20.0


class World:
    """A cache over two servers behind proxies, and a cached function of each colour that counts its calls."""

    def __init__(self, proxies: list[Proxy], namespace: str) -> None:
        self.proxies = proxies
        servers = [(HOST, proxy.port) for proxy in proxies]
        self.backend = MemcachedBackend(servers, namespace=namespace, timeout=PATIENT)
        self.cache = Cache(self.backend)
        self.calls = 0

        @cached(ttl=60, cache=self.cache, tags=["all", "user:{user}"], name="row")
        def row(user: int) -> int:
            self.calls += 1
            return user * 100

        @cached(ttl=60, cache=self.cache, tags=["all", "user:{user}"], name="arow")
        async def arow(user: int) -> int:
            self.calls += 1
            return user * 100

        self.row, self.arow = row, arow

    def trips(self, call: Callable[[], object]) -> list[int]:
        """Return how many round trips `call` takes, by server."""
        before = [proxy.round_trips for proxy in self.proxies]
        call()
        return [proxy.round_trips - old for proxy, old in zip(self.proxies, before, strict=True)]


@pytest.fixture(params=[1, 2], ids=["one server", "two servers"])
def world(
    request: pytest.FixtureRequest, memcached_pair: tuple[MemcachedServer, MemcachedServer]
) -> Iterator[World]:
    """The functions, over one server and over two."""
    one, two = memcached_pair
    with Proxy(one.port) as first, Proxy(two.port) as second:
        made = World([first, second][: request.param], request.node.nodeid)
        yield made
        made.backend.close()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, world: World) -> Callable[[int], Any]:
    """The function of either colour, called from sync code."""
    if request.param == "sync":
        return world.row
    return lambda user: asyncio.run(world.arow(user))


def _invalidate(world: World, call: Callable[[int], Any]) -> None:
    """Invalidate user 1 by key, in the colour of `call`."""
    if call is world.row:
        world.row.invalidate(1)
    else:
        asyncio.run(world.arow.invalidate(1))


def test_a_hit_is_one_round_trip_to_each_server_involved(world: World, call: Callable[[int], Any]):
    """Entry and tags are read in one request a server, whatever the number of tags (7)."""
    for user in range(10):
        call(user)
    for user in range(10):
        assert max(world.trips(lambda user=user: call(user))) == 1
    assert world.calls == 10


def test_a_result_is_computed_once(world: World, call: Callable[[int], Any]):
    """The second call is a hit."""
    assert [call(1), call(1), call(2)] == [100, 100, 200]
    assert world.calls == 2


def test_invalidating_a_key_is_seen_by_the_next_call(world: World, call: Callable[[int], Any]):
    """That key is computed anew, and no other (19)."""
    call(1), call(2)
    _invalidate(world, call)
    call(1), call(2)
    assert world.calls == 3


def test_invalidating_a_tag_is_seen_by_the_next_call(world: World, call: Callable[[int], Any]):
    """What has the tag is computed anew, and nothing else (19)."""
    call(1), call(2)
    world.cache.invalidate_tags("user:1")
    call(1), call(2)
    assert world.calls == 3
    world.cache.invalidate_tags("all")
    call(1), call(2)
    assert world.calls == 5


def test_clearing_is_seen_by_the_next_call(world: World, call: Callable[[int], Any]):
    """Everything is computed anew (17)."""
    call(1), call(2)
    world.cache.clear()
    call(1), call(2)
    assert world.calls == 4


def test_another_process_gets_what_was_computed_here(world: World, call: Callable[[int], Any]):
    """A forked child has hits from the start (24)."""
    call(1)
    assert in_a_child(lambda: (call(1), world.calls)) == (100, 1)


def test_another_processes_invalidations_count_here(world: World, call: Callable[[int], Any]):
    """By key, by tag and by clear (17, 19)."""
    for number, invalidate in enumerate(
        (
            lambda: _invalidate(world, call),
            lambda: world.cache.invalidate_tags("user:1"),
            world.cache.clear,
        )
    ):
        call(1)
        assert world.calls == number + 1
        in_a_child(lambda invalidate=invalidate: invalidate() and None)
        call(1)
        assert world.calls == number + 2


def test_a_result_that_another_process_invalidated_meanwhile_is_not_stored(world: World):
    """The caller gets it; the next one computes (19)."""

    @cached(ttl=60, cache=world.cache, tags=["slow"], name="slow")
    def slow(number: int) -> int:
        world.calls += 1
        if world.calls == 1:
            in_a_child(lambda: slow.invalidate(number) and None)
        if world.calls == 2:
            in_a_child(lambda: world.cache.invalidate_tags("slow") and None)
        return world.calls

    assert [slow(1), slow(1), slow(1), slow(1)] == [1, 2, 3, 3]


def test_four_processes_that_invalidate_and_call_end_on_the_last_value(
    world: World, memcached_server: MemcachedServer
):
    """Counting in the store and invalidating: who reads after its own invalidation sees at least its own count (19)."""
    with MemcachedBackend(
        memcached_server.address, namespace=world.backend.namespace, timeout=PATIENT
    ) as counts:

        @cached(ttl=60, cache=world.cache, tags=["count"], name="count")
        def count() -> int:
            return int(counts.get("count") or b"0")

        def work(number: int) -> bool:
            for turn in range(15):
                mine = counts.incr("count")
                if (turn + number) % 2:
                    count.invalidate()
                else:
                    world.cache.invalidate_tags("count")
                if count() < mine:
                    return False
            return True

        assert in_processes(4, work) == [True] * 4
        assert count() == 60
