"""Several Memcached servers: who has which key, and what the loss of one costs."""

from collections.abc import Iterator
from typing import Final

import pytest

from cachelayer.backends.generations import lease_key, mark_key
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.memcached.servers import Server, Servers
from cachelayer.errors import BackendError
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST
from tests.servers.proxy import Proxy

PATIENT: Final = 20.0
KEYS: Final = [f"key {number}" for number in range(3000)]


def _servers(*names: str) -> Servers:
    return Servers(Server((name, 11211), b"@", 1) for name in names)


def _places(servers: Servers) -> dict[str, str]:
    return {key: servers.of(key).name for key in KEYS}


@pytest.fixture
def proxies(memcached_pair: tuple[MemcachedServer, MemcachedServer]) -> Iterator[list[Proxy]]:
    """A proxy before each of two servers."""
    one, two = memcached_pair
    with Proxy(one.port) as first, Proxy(two.port) as second:
        yield [first, second]


@pytest.fixture
def store(proxies: list[Proxy], request: pytest.FixtureRequest) -> Iterator[MemcachedBackend]:
    """A backend over both."""
    servers = [(HOST, proxy.port) for proxy in proxies]
    with MemcachedBackend(servers, namespace=request.node.nodeid, timeout=PATIENT) as backend:
        yield backend


def _keys_of(backend: MemcachedBackend, proxy: Proxy, count: int = 10) -> list[str]:
    """Return keys that belong on the proxy's server."""
    name = f"{HOST}:{proxy.port}"
    return [key for key in KEYS if backend._servers.of(key).name == name][:count]


def test_keys_are_spread_evenly():
    """Each of three servers has about a third."""
    places = list(_places(_servers("a", "b", "c")).values())
    for name in ("a:11211", "b:11211", "c:11211"):
        assert 0.28 < places.count(name) / len(KEYS) < 0.39


def test_a_lost_server_moves_its_own_keys_only():
    """Of three servers one goes: a third of the keys move, those it had; the order of the rest does not matter."""
    before, after = _places(_servers("a", "b", "c")), _places(_servers("c", "a"))
    moved = {key for key in KEYS if before[key] != after[key]}
    assert moved == {key for key in KEYS if before[key] == "b:11211"}
    assert 0.28 < len(moved) / len(KEYS) < 0.39


def test_an_added_server_takes_its_share_from_all():
    """A third server takes about a third of the keys, and no key moves between the other two."""
    before, after = _places(_servers("a", "b")), _places(_servers("a", "b", "c"))
    moved = {key for key in KEYS if before[key] != after[key]}
    assert {after[key] for key in moved} == {"c:11211"}
    assert 0.28 < len(moved) / len(KEYS) < 0.39


def test_a_mark_is_on_the_server_of_its_key():
    """A fenced write looks at both on one server (19)."""
    servers = _servers("a", "b", "c")
    assert all(servers.of(mark_key(key)) is servers.of(key) for key in KEYS)
    assert not all(servers.of(lease_key(key)) is servers.of(key) for key in KEYS)


def test_bulk_calls_take_one_round_trip_a_server(store: MemcachedBackend, proxies: list[Proxy]):
    """Reading and writing a thousand keys asks each server once (7)."""
    items = {key: key.encode() for key in KEYS[:1000]}
    store.set_many(items)
    before = [proxy.round_trips for proxy in proxies]
    assert store.get_many(items) == items
    assert store.set_many(items) == 1000
    assert [proxy.round_trips - old for proxy, old in zip(proxies, before, strict=True)] == [2, 2]


def test_a_hit_asks_its_own_server_only(store: MemcachedBackend, proxies: list[Proxy]):
    """The other server hears nothing of it."""
    (key,) = _keys_of(store, proxies[0], 1)
    store.set(key, b"value")
    before = [proxy.round_trips for proxy in proxies]
    assert store.get(key) == b"value"
    assert [proxy.round_trips - old for proxy, old in zip(proxies, before, strict=True)] == [1, 0]


def test_a_dead_server_costs_its_own_keys_only(store: MemcachedBackend, proxies: list[Proxy]):
    """Calls for its keys raise and name it; calls for others work; what comes back works again (22)."""
    dead, alive = _keys_of(store, proxies[0]), _keys_of(store, proxies[1])
    store.set_many(dict.fromkeys([*dead, *alive], b"value"))
    proxies[0].refuse()
    for key in dead:
        with pytest.raises(BackendError, match=f"{HOST}:{proxies[0].port} failed"):
            store.get(key)
        with pytest.raises(BackendError):
            store.set(key, b"new")
    assert store.get_many(alive) == dict.fromkeys(alive, b"value")
    assert store.set(alive[0], b"new") is True
    with pytest.raises(BackendError):
        store.get_many([*dead, *alive])
    proxies[0].accept()
    assert store.get_many(dead) == dict.fromkeys(dead, b"value")


def test_clear_clears_the_servers_it_reaches_and_raises(store: MemcachedBackend, proxies: list[Proxy]):
    """One that cannot be reached is reported; the others are cleared all the same (17)."""
    first, second = _keys_of(store, proxies[0], 1)[0], _keys_of(store, proxies[1], 1)[0]
    store.set_many({first: b"1", second: b"2"})
    proxies[0].refuse()
    with pytest.raises(BackendError, match="failed"):
        store.clear()
    proxies[0].accept()
    assert store.get_many([first, second]) == {first: b"1"}
    store.clear()
    assert store.get_many([first, second]) == {}


def test_diagnose_names_the_server_that_is_away(store: MemcachedBackend, proxies: list[Proxy]):
    """The other one is looked over all the same (26)."""
    proxies[1].refuse()
    (told,) = store.diagnose()
    assert told.startswith(f"memcached at {HOST}:{proxies[1].port} failed: ConnectionRefusedError")
    assert "check that it runs" in told
