"""Slots that move, and nodes that die."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from redis.crc import key_slot

from cachelayer import Cache, cached
from cachelayer.backends.generations import generation_key, mark_key
from cachelayer.backends.redis import RedisBackend
from cachelayer.errors import BackendError, ConfigurationError
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from tests.servers.processes import free_port, wait_until
from tests.servers.redis import RedisServer, redis_cluster


@pytest.fixture
def own_nodes() -> Iterator[list[RedisServer]]:
    """A cluster that a test may break."""
    with redis_cluster() as nodes:
        yield nodes


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Sync or async."""
    colour: Colour = request.param
    return colour


def url_of(nodes: list[RedisServer]) -> str:
    """Return the cluster's URL, which names two of its nodes."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])


def id_of(node: RedisServer) -> str:
    """Return the node's own id."""
    return node.ask("CLUSTER", "MYID").decode()


def owner_of(nodes: list[RedisServer], name: bytes) -> RedisServer:
    """Return the node on which a key is."""
    for node in nodes:
        try:
            node.ask("EXISTS", name)
        except redis.ResponseError:  # it says who has it
            continue
        return node
    raise AssertionError(f"no node has {name!r}")


def test_a_mark_is_in_the_slot_of_its_key():
    """The key, its mark and the lease of its computation share a slot, so that a script may touch them at once."""
    with RedisBackend("redis+cluster://localhost") as backend:
        layout = backend.layout
        for key in ("user:1", "{user}:1", "", "{}", "a{b}c", "\udc80"):
            assert key_slot(layout.name(key)) == key_slot(layout.name(mark_key(key)))
            assert key_slot(layout.name(key)) == key_slot(layout.beside(key))
        slots = {key_slot(layout.name(f"{{user}}:{number}")) for number in range(100)}
        assert len(slots) > 50, "keys with a common part in braces are shared out all the same"


def test_a_slot_that_moved_is_followed(redis_nodes: list[RedisServer], colour: Colour):
    """Commands for a slot that was moved by hand reach the node that has it now, in bulk calls and scripts too."""
    with (
        RedisBackend(url_of(redis_nodes), namespace=f"moved {colour}", timeout=5) as backend,
        in_colour(backend, colour) as ops,
    ):
        ops.set_many({f"key {number}": b"old" for number in range(50)})
        name = backend.layout.name("key 7")
        source = owner_of(redis_nodes, name)
        target = next(node for node in redis_nodes if node is not source)
        for giver, taker in ((source, target), (target, source)):
            move_slot(redis_nodes, giver, taker, key_slot(name))
            assert ops.get_many([f"key {number}" for number in range(50)]).keys() == {
                f"key {number}" for number in range(50)
            }
            assert ops.compare_and_set("key 7", b"new", {"key 7": b"old", mark_key("key 7"): None}) is True
            assert ops.get("key 7") == b"new"
            assert ops.set("key 7", b"old") is True


def move_slot(nodes: list[RedisServer], source: RedisServer, target: RedisServer, slot: int) -> None:
    """Move a slot with its keys, as redis-cli does."""
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", id_of(source))
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", id_of(target))
    for name in source.ask("CLUSTER GETKEYSINSLOT", slot, 1000):
        source.ask("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)
    for node in (target, source, *nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", id_of(target))


def test_a_slot_that_moves_is_followed(redis_nodes: list[RedisServer], colour: Colour):
    """While a slot moves, what is already gone from its node is asked for where the node says."""
    with (
        RedisBackend(url_of(redis_nodes), namespace=f"moving {colour}", timeout=5) as backend,
        in_colour(backend, colour) as ops,
    ):
        ops.set("key", b"value")
        name = backend.layout.name("key")
        slot = key_slot(name)
        source = owner_of(redis_nodes, name)
        target = next(node for node in redis_nodes if node is not source)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", id_of(target))
        try:
            assert ops.get("key") == b"value"
            source.ask("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)
            assert ops.get("key") == b"value"
            assert ops.get_many(["key", "other"]) == {"key": b"value"}
            assert ops.touch("key", 100) is True
            assert ops.delete("key") is True
        finally:
            for node in (source, target):
                node.ask("CLUSTER", "SETSLOT", slot, "STABLE")


def test_a_dead_node_costs_its_keys_and_no_others(own_nodes: list[RedisServer], colour: Colour):
    """Calls for a dead node's keys fail in time; those for others go on; when it is back all is well (22)."""
    with RedisBackend(url_of(own_nodes), timeout=1) as backend, in_colour(backend, colour) as ops:
        keys = {node: key_on(backend, own_nodes, node) for node in own_nodes}
        ops.set_many(dict.fromkeys(keys.values(), b"value"))
        dead = own_nodes[0]
        dead.kill()
        for _ in range(3):
            with pytest.raises(BackendError):
                ops.get(keys[dead])
            for node in own_nodes[1:]:
                assert ops.get(keys[node]) == b"value"
        dead.start()
        wait_until(lambda: answers(lambda: ops.get(keys[dead])), "the node is used again")
        assert ops.set(keys[dead], b"again") is True


def test_a_node_that_hangs_costs_a_timeout(own_nodes: list[RedisServer], colour: Colour):
    """A thousand keys of which a hanging node has a third cost one timeout, not one for each (7, 22)."""
    with RedisBackend(url_of(own_nodes), timeout=0.5) as backend, in_colour(backend, colour) as ops:
        items = {f"key {number}": b"value" for number in range(1000)}
        ops.set_many(items)
        own_nodes[0].pause()
        started = threading.Event()
        watchdog = threading.Timer(3, started.set)
        watchdog.start()
        with pytest.raises(BackendError, match="in time"):
            ops.get_many(items)
        assert not started.is_set()
        watchdog.cancel()
        watchdog.join()
        alive = key_on(backend, own_nodes, own_nodes[1])
        wait_until(lambda: answers(lambda: ops.get(alive)), "the other nodes are used")
        own_nodes[0].resume()
        wait_until(lambda: answers(lambda: ops.get_many(items)), "the node is used again")


def key_on(backend: RedisBackend, nodes: list[RedisServer], node: RedisServer) -> str:
    """Return a key that is on the node."""
    place = nodes.index(node)
    spans = range(16384 * place // len(nodes), 16384 * (place + 1) // len(nodes))
    return next(
        key
        for key in (f"key {number}" for number in range(1000))
        if key_slot(backend.layout.name(key)) in spans
    )


def answers(call: Callable[[], object]) -> bool:
    """Whether the store does not fail."""
    try:
        call()
    except BackendError:
        return False
    return True


def test_all_given_nodes_being_dead_is_an_error(own_nodes: list[RedisServer], colour: Colour):
    """No node to ask is a BackendError, in construction nothing; any given node that answers is enough."""
    own_nodes[0].stop()
    with RedisBackend(url_of(own_nodes), timeout=1) as backend, in_colour(backend, colour) as ops:
        assert ops.get(key_on(backend, own_nodes, own_nodes[1])) is None
    with (
        RedisBackend(f"redis+cluster://127.0.0.1:{own_nodes[0].port}") as backend,
        in_colour(backend, colour) as ops,
        pytest.raises(BackendError, match="nothing listens there"),
    ):
        ops.get("key")


def test_a_fenced_write_looks_at_generations_elsewhere(redis_nodes: list[RedisServer], colour: Colour):
    """A result whose tags are on other nodes is stored only if none was invalidated (19)."""
    with (
        RedisBackend(url_of(redis_nodes), namespace=f"fence {colour}", timeout=5) as backend,
        in_colour(backend, colour) as ops,
    ):
        tags = [f"tag {number}" for number in range(6)]
        held = {generation_key(name): value for name, value in ops.generations(tags).items()}
        assert len({backend.layout.name(key)[:24] for key in held}) == 6
        assert ops.compare_and_set("key", b"value", {**held, mark_key("key"): None}) is True
        ops.bump_generations(tags[3:4])
        assert ops.compare_and_set("key", b"late", {**held, mark_key("key"): None}) is False
        assert ops.get("key") == b"value"


def test_invalidation_wins_on_a_cluster(redis_nodes: list[RedisServer]):
    """A value whose computation began before its tag was invalidated is not served afterwards (19)."""
    with RedisBackend(url_of(redis_nodes), namespace="wins", timeout=5) as backend:
        cache = Cache(backend)
        numbers = iter(range(100))

        @cached(ttl=60, name="load", tags=["tag"], cache=cache)
        def load(invalidate: bool) -> int:
            number = next(numbers)
            if invalidate and number == 0:
                cache.invalidate_tags("tag")
            return number

        assert load(True) == 0
        assert load(True) == 1
        assert load(True) == 1


def test_a_cluster_has_one_database():
    """A database number in a cluster's URL is refused, with what to use instead."""
    with pytest.raises(ConfigurationError, match="namespace="):
        RedisBackend("redis+cluster://localhost?db=2")


def test_a_plain_url_for_a_node_of_a_cluster_says_what_to_use(redis_nodes: list[RedisServer]):
    """redis:// for a cluster's node fails with the remedy in the message."""

    async def use() -> None:
        async with RedisBackend(f"redis://127.0.0.1:{redis_nodes[0].port}", timeout=5) as backend:
            for number in range(10):
                await backend.aget(f"key {number}")

    with pytest.raises(BackendError, match=r"redis\+cluster://"):
        asyncio.run(use())


def test_connections_of_a_cluster_end_with_their_loop(redis_nodes: list[RedisServer]):
    """Loops that end, that rest while the backend is closed, or were closed by hand: none leaves a socket open (25)."""
    backend = RedisBackend(url_of(redis_nodes) + "?client_name=loops", namespace="loops", timeout=5)
    resting = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    closed = asyncio.new_event_loop()
    items = {f"key {number}": b"value" for number in range(30)}
    assert resting.run(backend.aset_many(items)) == 30
    assert closed.run_until_complete(backend.aget_many(items)) == items
    closed.close()
    backend.close()
    resting.close()
    wait_until(lambda: not connected(redis_nodes), "the nodes have seen them go")
    gc.collect()


def connected(nodes: list[RedisServer]) -> bool:
    """Whether a node has a connection called "loops"."""
    return any(b"name=loops " in node.ask("CLIENT", "LIST") for node in nodes)


def test_listing_a_cluster_that_is_gone_is_an_error(colour: Colour):
    """Finding out the nodes fails as a store does."""
    url = f"redis+cluster://127.0.0.1:{free_port()}"
    with RedisBackend(url) as backend, in_colour(backend, colour) as ops:
        for call in (ops.keys, ops.clear):
            with pytest.raises(BackendError, match="nothing listens there"):
                call()


def test_a_slot_that_no_node_has_is_an_error(own_nodes: list[RedisServer], colour: Colour):
    """A key of an uncovered slot is a BackendError that says where to look; others are served."""
    with RedisBackend(url_of(own_nodes), timeout=2) as backend, in_colour(backend, colour) as ops:
        keys = [key_on(backend, own_nodes, node) for node in own_nodes]
        slot = key_slot(backend.layout.name(keys[0]))
        for node in own_nodes:
            node.ask("CLUSTER", "DELSLOTS", slot)
        with pytest.raises(BackendError, match="CLUSTER INFO"):
            ops.get(keys[0])
        assert ops.get(keys[1]) is None
