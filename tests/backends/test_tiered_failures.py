"""Links that break or fall silent, servers that die, and what closing leaves: memory never answers past its bound."""

import gc
import logging
import threading
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest

from cachelayer.backends import backend_from_url
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.backends.tiered.polling import PollingFeed
from cachelayer.backends.tiered.tracking import TrackingFeed
from cachelayer.errors import BackendClosedError, BackendError, ConfigurationError, OptionTypeError
from cachelayer.testing import FailingBackend, MinimalBackend
from tests.backends.tiers import Polled, hits_of, is_on, switched_on, warm, watch
from tests.servers.processes import wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, _bus_port, _cluster_node, _is_well, redis_cluster

#: Seconds between two signs of life, in these tests.
_HEARTBEAT: Final = 0.1


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of this test's own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    """The way to it."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def backend(proxy: Proxy) -> Iterator[TieredBackend]:
    """Memory in front of the server, which it reaches by the proxy."""
    l2 = RedisBackend(f"redis://127.0.0.1:{proxy.port}", timeout=0.2)
    with TieredBackend(l2=l2, heartbeat=_HEARTBEAT) as backend:
        yield backend


@pytest.fixture
def elsewhere(server: RedisServer) -> Iterator[RedisBackend]:
    """Another process, as it were, with a link of its own."""
    with RedisBackend(server.url, timeout=5) as elsewhere:
        yield elsewhere


def answer(backend: TieredBackend, key: str) -> bytes | None:
    """Return the key's value; b"failed" where the store cannot be reached."""
    try:
        return backend.get(key)
    except BackendError:
        return b"failed"


# -- links ------------------------------------------------------------------------------------------------------


def test_a_link_that_breaks_takes_the_copies_with_it(
    backend: TieredBackend, proxy: Proxy, elsewhere: RedisBackend
):
    """When the link breaks memory is dropped; reads go to the store; when it is back memory starts empty (29)."""
    backend.set("key", b"old")
    warm(backend, "key")
    proxy.refuse()
    wait_until(lambda: not backend._near.is_open, "the loss is noticed", 2 * _HEARTBEAT)
    assert len(backend.l1.table) == 0
    elsewhere.set("key", b"new")
    assert answer(backend, "key") == b"failed"
    proxy.accept()
    wait_until(lambda: answer(backend, "key") != b"failed", "the store is reached again")
    assert backend.get("key") == b"new"
    warm(backend, "key")
    elsewhere.set("key", b"newer")
    watch(backend, "key", b"new")


def test_reads_are_right_while_links_come_and_go(
    backend: TieredBackend, proxy: Proxy, elsewhere: RedisBackend
):
    """However often the link is cut, nobody reads what was replaced longer ago than the bound (29)."""
    for number in range(20):
        elsewhere.set("key", b"%d" % number)
        done = time.monotonic()
        wait_until(lambda number=number: answer(backend, "key") == b"%d" % number, "the change is seen")
        assert time.monotonic() - done < 2 * _HEARTBEAT + 1
        if number % 2:
            wait_until(lambda: is_on(backend), "memory is used again")
            answer(backend, "key")
        proxy.cut()


def test_a_link_that_falls_silent_is_trusted_for_two_heartbeats(
    backend: TieredBackend, proxy: Proxy, elsewhere: RedisBackend
):
    """When nothing comes any more memory answers for two heartbeats, then asks the store and not itself (29)."""
    backend.set("key", b"old")
    warm(backend, "key")
    proxy.mode = "hang"
    silent = time.monotonic()
    elsewhere.set("key", b"new")
    last = silent
    while time.monotonic() < silent + 4 * _HEARTBEAT:
        asked = time.monotonic()
        if answer(backend, "key") == b"old":
            last = asked
    assert last - silent <= 2 * _HEARTBEAT
    assert not backend._near.is_open
    proxy.mode = "pass"
    wait_until(lambda: answer(backend, "key") == b"new", "the store is reached again")
    warm(backend, "key")


def test_a_thread_that_does_not_run_is_not_trusted(backend: TieredBackend):
    """Memory that nobody vouches for answers nothing, though it is full: the feed's thread may be starved (29)."""
    backend.set("key", b"value")
    warm(backend, "key")
    with backend._feed.busy:
        wait_until(lambda: not is_on(backend), "the bound passes", 3 * _HEARTBEAT)
        assert len(backend.l1.table) == 1
        before = hits_of(backend)
        assert backend.get("key") == b"value"
        assert hits_of(backend) == before
    wait_until(lambda: is_on(backend), "the thread goes on")


def test_a_server_that_is_killed_and_started_again(backend: TieredBackend, server: RedisServer):
    """What a server lost in a crash is in nobody's memory, and memory is used again when it is back (22, 29)."""
    backend.set("key", b"value")
    warm(backend, "key")
    server.kill()
    wait_until(lambda: not backend._near.is_open, "the loss is noticed", 2 * _HEARTBEAT)
    assert answer(backend, "key") == b"failed"
    server.start()
    wait_until(lambda: answer(backend, "key") != b"failed", "the store is reached again")
    assert backend.get("key") is None
    backend.set("key", b"again")
    warm(backend, "key")


def test_a_loss_is_said_once(backend: TieredBackend, proxy: Proxy, caplog: pytest.LogCaptureFixture):
    """One warning tells of a lost link, however often it is tried, and diagnose() for as long as it is lost (29)."""
    caplog.set_level(logging.WARNING, "cachelayer.backends.tiered")
    switched_on(backend)
    assert backend._feed.problem == ""
    before = proxy.connections
    proxy.mode = "garbage"
    proxy.cut()
    wait_until(lambda: proxy.connections >= before + 3, "the link is tried again")
    assert "changes cannot be followed" in backend._feed.problem
    assert [record.name for record in caplog.records] == ["cachelayer.backends.tiered"]
    proxy.mode = "pass"
    wait_until(lambda: is_on(backend), "the link is back")
    assert backend._feed.problem == ""


def test_a_server_that_refuses_to_tell_is_named(server: RedisServer):
    """Where the user may not track, memory is not used, reads go on, and diagnose() says what to allow (29)."""
    server.ask("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-client|tracking")
    l2 = RedisBackend(f"redis://app:secret@127.0.0.1:{server.port}", timeout=5)
    with TieredBackend(l2=l2) as backend:
        backend.set("key", b"value")
        assert backend.get("key") == b"value"
        wait_until(lambda: backend._feed.problem, "the refusal is noticed")
        [told] = [line for line in backend.diagnose() if "tracking" in line]
        assert "+client" in told
        assert "feed='poll'" in told
        assert "secret" not in told
        assert backend.get("key") == b"value"
        assert hits_of(backend) == 0


# -- polling ----------------------------------------------------------------------------------------------------


def test_a_poll_that_fails_takes_the_copies_with_it(tmp_path: Path):
    """When the store cannot be polled memory is dropped, and used again when it can (29)."""
    l2, other = Polled(tmp_path / "items.db"), Polled(tmp_path / "items.db")
    failing = FailingBackend(l2, operations=["get_many"])
    failing.mend()
    with TieredBackend(l2=failing) as backend, other:
        backend.set("key", b"old")
        warm(backend, "key")
        failing.break_down()
        wait_until(lambda: not backend._near.is_open, "the loss is noticed")
        other.set("key", b"new")
        assert backend.get("key") == b"new"
        failing.mend()
        warm(backend, "key")


def test_polling_stops_while_nobody_reads(tmp_path: Path):
    """An idle process asks the store nothing, and its first read afterwards is of the store (29)."""
    with Polled(tmp_path / "items.db") as other, Polled(tmp_path / "items.db") as l2:
        backend = TieredBackend(l2=l2, poll_interval=0.01)
        other.set("key", b"old")
        warm(backend, "key")
        polls = [l2.round_trips]

        def is_still() -> bool:
            polls.append(l2.round_trips)
            return len(polls) > 50 and len(set(polls[-50:])) == 1

        wait_until(is_still, "polling stops")
        other.set("key", b"new")
        assert backend.get("key") == b"new"
        warm(backend, "key")
        backend.close()


def test_a_write_that_could_not_be_announced_is_announced_later(tmp_path: Path):
    """When the store fails after a write, others hear of the write as soon as it works again (29, 30)."""
    failing = FailingBackend(Polled(tmp_path / "items.db"), operations=["bump_generations"])
    with TieredBackend(l2=failing) as writer, TieredBackend(l2=Polled(tmp_path / "items.db")) as reader:
        failing.mend()
        writer.set("key", b"old")
        warm(reader, "key")
        failing.break_down()
        assert writer.set("key", b"new") is True
        failing.mend()
        watch(reader, "key", b"old")
        assert reader.get("key") == b"new"


def test_a_write_that_may_have_been_made_is_announced(tmp_path: Path):
    """A write that failed may have reached the store: the others are told all the same (29)."""

    class Late(FailingBackend):
        def set(self, key, value, ttl=None, metadata=None):
            self.inner.set(key, value, ttl, metadata)
            return super().set(key, value, ttl, metadata)

    late = Late(Polled(tmp_path / "items.db"), operations=["set"])
    late.mend()
    with TieredBackend(l2=late) as writer, TieredBackend(l2=Polled(tmp_path / "items.db")) as reader:
        writer.set("key", b"old")
        warm(reader, "key")
        late.break_down()
        with pytest.raises(BackendError):
            writer.set("key", b"new")
        watch(reader, "key", b"old")
        assert reader.get("key") == b"new"


# -- closing ----------------------------------------------------------------------------------------------------


def test_closing_ends_everything(server: RedisServer):
    """close() ends the thread, the tracking connection and both tiers (23)."""
    l1, l2 = InMemoryBackend(), RedisBackend(server.url, timeout=5)
    backend = TieredBackend(l1, l2)
    backend.set("key", b"value")
    warm(backend, "key")
    thread = backend._feed._thread
    assert "__redis__" in repr(server.ask("PUBSUB", "CHANNELS"))
    backend.close()
    assert thread is not None
    assert not thread.is_alive()
    wait_until(lambda: not server.ask("PUBSUB", "CHANNELS"), "the connection is gone")
    for tier in (backend, l1, l2):
        with pytest.raises(BackendClosedError):
            tier.set("key", b"value")


def test_a_feed_starts_with_the_first_read(tmp_path: Path):
    """A process that only writes, or does nothing, has no thread for it (25)."""
    before = threading.active_count()
    with TieredBackend(l2=Polled(tmp_path / "items.db")) as backend:
        backend.set("key", b"value")
        backend.delete("key")
        assert threading.active_count() == before
        backend.get("key")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_one_that_was_forgotten_ends_its_thread(tmp_path: Path):
    """Dropped without close() it warns, and its thread ends all the same (23)."""
    backends = [switched_on(TieredBackend(l2=Polled(tmp_path / "items.db")))]
    thread = backends[0]._feed._thread
    with pytest.warns(ResourceWarning, match="TieredBackend"):
        _forget(backends)
    assert thread is not None
    wait_until(lambda: not thread.is_alive(), "the thread ends")


def _forget(backends: list[TieredBackend]) -> None:
    backends.clear()
    gc.collect()


# -- made wrongly -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs l2="),
        ({"l2": InMemoryBackend()}, "other processes do not see"),
        ({"l2": "redis://host"}, "must be a CacheBackend, not str"),
        ({"l1": MinimalBackend()}, "must be an InMemoryBackend, not MinimalBackend"),
        ({"feed": "carrier pigeon"}, "feed='carrier pigeon' is unknown: .*'poll', 'tracking'"),
        ({"feed": "tracking"}, "needs a RedisBackend"),
        ({"l1_ttl": 0}, "l1_ttl=0: give seconds above 0"),
        ({"poll_interval": -1}, "poll_interval=-1"),
        ({"heartbeat": None}, "heartbeat=None"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, options: dict[str, object], words: str):
    """The error says what is wrong with which option (26)."""
    with Polled(tmp_path / "items.db") as l2:
        given = {"l2": l2, **options} if options else {}
        with pytest.raises((ConfigurationError, OptionTypeError), match=words):
            TieredBackend(**given)


def test_a_call_ends_within_the_stores_own_time(tmp_path: Path):
    """Its timeout is that of one call of the store; of two where a write is announced as well (30)."""
    with RedisBackend(timeout=3) as redis, Polled(tmp_path / "items.db") as polled:
        polled.timeout = 3.0
        with TieredBackend(l2=redis) as tracking, TieredBackend(l2=polled) as polling:
            assert (tracking.timeout, polling.timeout) == (3, 6)


def test_the_feed_is_found_through_wrappers():
    """A wrapped RedisBackend is tracked; feed="poll" polls it all the same (29)."""
    for options, kind in (({}, TrackingFeed), ({"feed": "poll"}, PollingFeed)):
        with TieredBackend(l2=FailingBackend(RedisBackend()), **options) as backend:
            assert type(backend._feed) is kind


# -- URLs -------------------------------------------------------------------------------------------------------


_ENCODED: Final = (
    "l1=memory%3A%2F%2F%3Fmax_size_bytes%3D1000%26max_entries%3D7",
    "l2=redis%3A%2F%2Fme%3Asec%2523ret%40host%3A7%2F2%3Fnamespace%3Da",
)
_PLAIN: Final = (
    "l1=memory://?max_size_bytes=1000&max_entries=7",
    "l2=redis://me:sec%23ret@host:7/2&namespace=a",
)


@pytest.mark.parametrize(
    "parts", [*permutations((*_ENCODED, "l1_ttl=7")), *permutations((*_PLAIN, "l1_ttl=7"))]
)
def test_a_url_names_both_tiers(parts: tuple[str, ...]):
    """The tiers' URLs stand in the query, percent-encoded or, up to the next option of tiered://, as they are (26)."""
    with backend_from_url("tiered://?" + "&".join(parts)) as backend:
        assert isinstance(backend, TieredBackend)
        assert isinstance(backend.l2, RedisBackend)
        assert backend.l1.max_size_bytes == 1000
        assert backend.l1.table.max_entries == 7
        assert backend.l2.namespace == "a"
        assert backend.l2.setup.shown.startswith("redis://me:***@host:7/2")
        assert backend._near._longest == 7
        assert "sec" not in repr(backend)


def test_a_url_may_leave_l1_out():
    """Without l1= there are 64 MiB of memory (26)."""
    with backend_from_url("tiered://?l2=redis://host&feed=tracking&l1_ttl=5&heartbeat=1") as backend:
        assert backend.l1.max_size_bytes == 64 * 1024 * 1024
        assert backend._feed.bound == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tiered://", "needs l2="),
        ("tiered://?l1=memory://", "needs l2="),
        ("tiered://?l2=", "needs l2="),
        ("tiered://host?l2=redis://host", "no host or path"),
        ("tiered://?l2=redis://host#1", "no host or path"),
        ("tiered://?l2=memory://", "other processes do not see"),
        ("tiered://?l1=redis://:secret@host&l2=redis://host", r"l1=redis://:\*\*\*@host is no memory:// URL"),
        ("tiered://?l2=nosuch://:secret@host", r"no backend for nosuch://:\*\*\*@host"),
        ("tiered://?l2=redis%3A%2F%2Fhost&db=1", "unknown option 'db' in tiered:// URL"),
        ("tiered://?colour=red&l2=redis://host", "unknown option 'colour' in tiered:// URL"),
        ("tiered://?l2=redis://host&colour=red", "unknown option 'colour' in redis:// URL"),
        ("tiered://?l2=redis://host&l1_ttl=long", "l1_ttl='long' in tiered:// URL is not a number"),
        ("tiered://?l2=redis://host&l1_ttl=0", "l1_ttl=0"),
        ("tiered://?l2=redis://host&feed=none", "feed='none' is unknown"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, words: str):
    """The error names what is wrong, without passwords (26)."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        backend_from_url(url)
    assert "secret" not in str(caught.value)


# -- a cluster --------------------------------------------------------------------------------------------------


def _cluster(nodes: list[RedisServer]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def test_a_node_of_a_cluster_that_dies_takes_the_copies_with_it():
    """While a primary is away memory is not used, reads of the others' keys go on; then memory is used again (29)."""
    with redis_cluster() as nodes, TieredBackend(l2=RedisBackend(_cluster(nodes), timeout=2)) as backend:
        keys = [f"key {number}" for number in range(30)]
        backend.set_many(dict.fromkeys(keys, b"value"))
        for key in keys:
            warm(backend, key)
        nodes[0].kill()
        wait_until(lambda: not backend._near.is_open, "the loss is noticed", 2)
        wait_until(lambda: b"value" in {answer(backend, key) for key in keys}, "the others are read")
        nodes[0].start()
        wait_until(lambda: is_on(backend), "the cluster is followed again")
        wait_until(
            lambda: {answer(backend, key) for key in keys} == {b"value", None}, "the node has lost its keys"
        )


def test_a_slot_that_moves_to_a_new_node_is_followed():
    """When a node joins and takes over slots, changes on it are heard of within two heartbeats (29)."""
    with redis_cluster() as nodes, _cluster_node() as newcomer:
        url = _cluster(nodes)
        with (
            TieredBackend(l2=RedisBackend(url, timeout=2)) as backend,
            RedisBackend(url, timeout=2) as elsewhere,
        ):
            elsewhere.set("key", b"old")
            warm(backend, "key")
            _move(backend.l2.layout.name("key"), nodes, newcomer)
            wait_until(lambda: backend.get("key") == b"old", "the new node is asked")
            warm(backend, "key")
            wait_until(lambda: len(backend._feed._listeners) == 4, "the new node is followed")
            warm(backend, "key")
            elsewhere.set("key", b"new")
            done = time.monotonic()
            assert watch(backend, "key", b"old").stale - done < 0.1


def _move(name: bytes, nodes: list[RedisServer], newcomer: RedisServer) -> None:
    """Let a node join the cluster and take over the slot of a key."""
    newcomer.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, _bus_port(nodes[0]))
    wait_until(lambda: all(_is_well(node, 4) for node in (*nodes, newcomer)), "the nodes know each other")
    slot = newcomer.ask("CLUSTER", "KEYSLOT", name)
    source = next(node for node in nodes if name in node.ask("CLUSTER", "GETKEYSINSLOT", slot, 10))
    ours, theirs = (node.ask("CLUSTER", "MYID").decode() for node in (source, newcomer))
    newcomer.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ours)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", theirs)
    source.ask("MIGRATE", "127.0.0.1", newcomer.port, "", 0, 5000, "KEYS", name)
    for node in (newcomer, source, *nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", theirs)
