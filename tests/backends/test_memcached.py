"""What is Memcached's own: keys, lifetimes, namespaces, large values, changes in one step, options and URLs."""

import builtins
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymemcache.client.base import Client

from cachelayer.backends import backend_from_url
from cachelayer.backends.generations import generation_key, lease_key, mark_key
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.memcached.keys import PhysicalKeys
from cachelayer.backends.memcached.lifetimes import server_expiry
from cachelayer.backends.memcached.servers import Server
from cachelayer.errors import (
    BackendError,
    ConfigurationError,
    MissingExtraError,
    OptionTypeError,
    UnsupportedOperationError,
)
from cachelayer.testing import FakeClock
from cachelayer.testing.contract.keys import ODD_KEYS
from cachelayer.testing.crowds import in_a_child, in_threads
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST, wait_until
from tests.servers.proxy import Proxy

PATIENT = 20.0
DAY = 86_400.0


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """One that no other test uses."""
    return request.node.nodeid


@pytest.fixture
def store(memcached_server: MemcachedServer, namespace: str) -> Iterator[MemcachedBackend]:
    """The backend under test."""
    with MemcachedBackend(memcached_server.address, namespace=namespace, timeout=PATIENT) as backend:
        yield backend


@pytest.fixture
def other(memcached_server: MemcachedServer, namespace: str) -> Iterator[MemcachedBackend]:
    """What another process would have: the same entries, nothing else in common."""
    with MemcachedBackend(memcached_server.address, namespace=namespace, timeout=PATIENT) as backend:
        yield backend


@pytest.fixture
def raw(memcached_server: MemcachedServer) -> Iterator[Client]:
    """The server as it is."""
    client = Client((HOST, memcached_server.port), default_noreply=False)
    yield client
    client.close()


def physical(backend: MemcachedBackend, key: str) -> bytes:
    """Return the key that the server sees."""
    return backend._store.keys.of(key)


class Interruption:
    """Lets something happen just before one call of a backend's server, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, backend: MemcachedBackend) -> None:
        (self._server,) = backend._servers.all
        self._monkeypatch = monkeypatch

    def before(self, method: str, act: Callable[[], object], number: int = 1) -> None:
        """Act before call `number` of the server's `method`."""
        inner, left = getattr(self._server, method), iter(range(number - 1, -1, -1))

        def interrupted(*args: Any) -> Any:
            if next(left, None) == 0:
                act()
            return inner(*args)

        self._monkeypatch.setattr(self._server, method, interrupted)


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch, store: MemcachedBackend) -> Interruption:
    """What lets another process come in between."""
    return Interruption(monkeypatch, store)


# -- keys -------------------------------------------------------------------------------------------------------


def test_a_plain_key_can_be_read_in_the_server(store: MemcachedBackend):
    """A short plain key stands in the server as it is, behind its namespace."""
    assert PhysicalKeys("shop").of("user:1") == b"cl:shop:=user:1"
    assert PhysicalKeys("").of("user:1") == b"cl::=user:1"


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
def test_every_physical_key_is_one_that_memcached_takes(key: str):
    """Whatever the key and the namespace: at most 250 bytes, printable, no spaces (14)."""
    for namespace in ("", "shop", key):
        made = PhysicalKeys(namespace).of(key)
        assert len(made) <= 250
        assert all(33 <= byte <= 126 for byte in made)


def test_a_key_cannot_be_made_to_look_like_another_kind():
    """Neither a digest, nor a part, nor a generation, nor another namespace's key can be written as a key (14)."""
    keys = PhysicalKeys("shop")
    digest = keys.of("a b").removeprefix(b"cl:shop:").decode()
    made = [
        keys.of("a b"), keys.of(digest), keys.generation, keys.of("@"), keys.part(b"id", 0), keys.of("/id.0"),
        PhysicalKeys("shop:=").of("x"), keys.of("=x"), PhysicalKeys("~").of("x"), PhysicalKeys("").of("shop:=x"),
    ]  # fmt: skip
    assert len(set(made)) == len(made)


# -- lifetimes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "expiry"),
    [(0.05, 2), (1, 2), (59.5, 61), (29 * DAY, 29 * 86_400 + 1), (float("inf"), 0), (-1.0, -1)],
)
def test_the_servers_expiry_is_never_early(ttl: float, expiry: int):
    """Memcached gets whole seconds, rounded up and one more, because its clock is late by up to one (10)."""
    assert server_expiry(ttl) == expiry


def test_beyond_30_days_the_server_gets_a_date(monkeypatch: pytest.MonkeyPatch):
    """Up to the last date that it can hold; what lives longer is for ever to the server (10)."""
    monkeypatch.setattr("cachelayer.backends.memcached.lifetimes.time.time", lambda: 1_750_000_000.0)
    assert server_expiry(31 * DAY) == 1_750_000_000 + 31 * 86_400 + 1
    assert server_expiry(100 * 365 * DAY) == 0


@pytest.mark.parametrize("ttl", [31 * DAY, 365 * DAY, 1000 * 365 * DAY])
def test_a_long_lifetime_is_kept_by_a_real_server(store: MemcachedBackend, raw: Client, ttl: float):
    """An item for longer than 30 days is there, by the server's own clock too (10)."""
    assert store.set("key", b"value", ttl=ttl) is True
    assert store.get("key") == b"value"
    assert raw.get(physical(store, "key")) is not None


def test_a_fraction_of_a_second_is_kept_by_the_real_clock(store: MemcachedBackend):
    """An entry for 0.05 s is gone soon, by the system's clock (10, 12)."""
    assert store.set("key", b"value", ttl=0.05) is True
    wait_until(lambda: store.get("key") is None, "the entry expires", patience=1.0)


def test_the_server_reclaims_what_has_expired(store: MemcachedBackend, raw: Client):
    """Memcached itself knows when an item ends, whoever reads it (12)."""
    store.set("key", b"value", ttl=0.05)
    wait_until(lambda: raw.get(physical(store, "key")) is None, "the server drops the item")


@pytest.mark.parametrize(("ttl", "error"), [("5", TypeError), (True, TypeError), (float("nan"), ValueError)])
def test_a_ttl_that_is_none_raises_before_writing(store: MemcachedBackend, ttl: Any, error: type[Exception]):
    """What is no number of seconds leaves the old value alone (10)."""
    store.set("key", b"old")
    for call in (store.set, store.add):
        with pytest.raises(error, match="ttl"):
            call("key", b"new", ttl)
    assert store.get("key") == b"old"


# -- the namespace's generation ---------------------------------------------------------------------------------


def test_a_write_after_anothers_clear_is_there(store: MemcachedBackend, other: MemcachedBackend):
    """A process that wrote before the clear does not go on writing dead entries (17)."""
    store.set("key", b"old")
    other.clear()
    assert store.set("key", b"new") is True
    assert store.set_many({"a": b"1", "b": b"2"}) == 2
    assert other.get_many(["key", "a", "b"]) == {"key": b"new", "a": b"1", "b": b"2"}


def test_a_clear_is_seen_by_the_very_next_read_elsewhere(store: MemcachedBackend, other: MemcachedBackend):
    """Nothing about clearing is remembered in a process (17)."""
    store.set("key", b"value")
    assert store.get("key") == b"value"
    other.clear()
    assert store.get("key") is None
    assert store.exists("key") is False
    assert store.get_entry("key") is None
    assert store.delete("key") is False


@pytest.mark.parametrize("change", ["set", "add", "incr", "touch", "compare_and_set"])
def test_a_cleared_entry_is_absent_to_every_change(
    store: MemcachedBackend, other: MemcachedBackend, change: str
):
    """What was cleared is still in the server, and must not come back by a change of it (4, 9, 11, 19)."""
    other.set("key", b"41")
    store.clear()
    changed = {
        "set": lambda: store.set("key", b"1"),
        "add": lambda: store.add("key", b"1"),
        "incr": lambda: store.incr("key"),
        "touch": lambda: not store.touch("key", 60),
        "compare_and_set": lambda: store.compare_and_set("key", b"1", {"key": None}),
    }[change]()
    assert changed == 1
    assert other.get("key") == (None if change == "touch" else b"1")


def test_a_lost_generation_costs_misses_and_revives_nothing(store: MemcachedBackend, raw: Client):
    """Where the server evicted the generation, what was written before is dead for good (17)."""
    store.set("key", b"value")
    store.clear()
    store.set("other", b"value")
    assert raw.delete(store._store.keys.generation) is True
    assert store.get_many(["key", "other"]) == {}
    assert store.set("new", b"value") is True
    assert store.get_many(["key", "other", "new"]) == {"new": b"value"}


def test_a_clear_in_the_middle_of_a_write_does_not_lose_it(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """A clear after the generation was looked up and before the write: the write is repeated (17)."""
    store.set("warm", b"up")
    interruption.before("command", other.clear)
    assert store.set("key", b"value") is True
    assert other.get("key") == b"value"


def test_clearing_leaves_locks_and_tags_alone(store: MemcachedBackend, other: MemcachedBackend):
    """A clear frees no lock, and changes no tag's generation (17, 20)."""
    lock, held = store.lock("name", lease=60), store.generations(["tag"])
    assert lock.acquire() is True
    other.clear()
    assert other.lock("name").acquire() is False
    assert lock.release() is True
    assert other.generations(["tag"]) == held


# -- changes in one step ----------------------------------------------------------------------------------------


def _fence(store: MemcachedBackend, *tags: str) -> dict[str, bytes | None]:
    """Return what a computation of "key" captures before it starts."""
    generations = store.generations(tags)
    mark = mark_key("key")
    return {mark: store.get(mark), **{generation_key(name): held for name, held in generations.items()}}


def _invalidate(backend: MemcachedBackend) -> None:
    """What invalidating "key" does: first the mark, then the key."""
    backend.set(mark_key("key"), b"changed")
    backend.delete("key")


@pytest.mark.parametrize("held", [None, b"old"], ids=["absent", "present"])
@pytest.mark.parametrize("moment", ["gets", "put"], ids=["before-reading", "before-storing"])
def test_an_invalidation_in_the_middle_of_a_fenced_write_wins(
    store: MemcachedBackend,
    other: MemcachedBackend,
    interruption: Interruption,
    moment: str,
    held: bytes | None,
):
    """At whatever moment it comes, a result computed before it is not stored (19)."""
    if held is not None:
        store.set("key", held)
    fence = _fence(store)
    interruption.before(moment, lambda: _invalidate(other))
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.get("key") is None


def test_an_invalidation_may_find_nothing_and_still_win(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """A delete that looked before a place was held wrote its mark before that, which is seen (19)."""
    fence = _fence(store)
    other.set(mark_key("key"), b"changed")
    interruption.before("gets", lambda: other.delete("key"))
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.exists("key") is False


def test_a_fenced_write_needs_its_place(
    store: MemcachedBackend,
    other: MemcachedBackend,
    interruption: Interruption,
    monkeypatch: pytest.MonkeyPatch,
):
    """Where the place was lost before its token was read, it is made again: nothing is stored without one (19)."""
    (server,) = store._servers.all
    gets, lost = server.gets, iter([True])

    def losing(deadline: float, keys: Any, place: Any) -> Any:
        return gets(deadline, keys, None if next(lost, False) else place)

    monkeypatch.setattr(server, "gets", losing)
    fence = _fence(store)
    interruption.before("put", lambda: _invalidate(other))
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.get("key") is None


def test_a_write_in_the_middle_of_a_fenced_write_stays(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """Who sets the key with its mark is not overwritten by a computation that began before (19)."""
    fence = _fence(store)

    def put() -> None:
        other.set(mark_key("key"), b"changed")
        other.set("key", b"newer")

    interruption.before("put", put)
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.get("key") == b"newer"


def test_a_tag_that_changes_while_a_result_is_stored_takes_it_back(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """A generation that changes between the look and the write is seen after the write (19)."""
    fence = _fence(store, "tag")
    interruption.before("put", lambda: other.bump_generations(["tag"]))
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.get("key") is None


def test_what_is_taken_back_is_only_ones_own(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """What another wrote over it in the meantime stays (19)."""
    fence = _fence(store, "tag")
    interruption.before("put", lambda: other.bump_generations(["tag"]))
    interruption.before("gets", lambda: other.set("key", b"newer"), number=2)
    assert store.compare_and_set("key", b"late", fence) is False
    assert other.get("key") == b"newer"


def test_a_holder_whose_lease_ran_out_cannot_overwrite(memcached_server: MemcachedServer, namespace: str):
    """A write fenced by a lock is refused once another one has it (19, 20)."""
    clock = FakeClock()
    with MemcachedBackend(
        memcached_server.address, namespace=namespace, timeout=PATIENT, clock=clock
    ) as backend:
        first, second = backend.lock("name", lease=0.5), backend.lock("name", lease=60)
        assert first.acquire() is True
        fence = first.fence
        clock.advance(0.6)
        assert second.acquire() is True
        assert backend.compare_and_set("key", b"second", dict(second.fence)) is True
        assert backend.compare_and_set("key", b"first", dict(fence)) is False
        assert backend.get("key") == b"second"


def test_a_held_place_is_a_miss_and_disappears(store: MemcachedBackend, other: MemcachedBackend, raw: Client):
    """The place of a fenced write that was refused is no entry to anybody, is not counted, and ends by itself (19)."""
    assert store.compare_and_set("key", b"value", {generation_key("tag"): b"no such"}) is False
    assert raw.get(physical(store, "key")) is not None
    assert other.get("key") is None
    assert other.exists("key") is False
    assert other.counters.corrupted.value == 0
    assert other.delete("key") is False
    assert raw.get(physical(store, "key")) is None


def test_a_released_lease_cannot_delete_the_next_holders(
    store: MemcachedBackend, other: MemcachedBackend, interruption: Interruption
):
    """A lease that ran out and was taken by another between look and release stays with the other (20)."""
    mine, theirs = b"m" * 16, b"t" * 16
    assert store.acquire_lease("name", mine, 60) is True

    def take_over() -> None:
        other.delete(lease_key("name"))
        assert other.acquire_lease("name", theirs, 60) is True

    interruption.before("put", take_over)
    assert store.release_lease("name", mine) is False
    assert other.get(lease_key("name")) == theirs


def test_incr_knows_no_overflow(store: MemcachedBackend):
    """Counts beyond 64 bits, and below zero, are exact (9)."""
    store.set("key", b"%d" % (2**64 - 1))
    assert store.incr("key") == 2**64
    assert store.incr("key", -(2**65)) == -(2**64)
    assert store.get("key") == b"%d" % -(2**64)


# -- large values -----------------------------------------------------------------------------------------------


def _split(server: MemcachedServer, namespace: str) -> MemcachedBackend:
    return MemcachedBackend(
        server.address, namespace=namespace, timeout=PATIENT, split=True, max_value_bytes=100_000
    )


def test_a_value_above_the_limit_is_said_once(
    store: MemcachedBackend, caplog: pytest.LogCaptureFixture, namespace: str
):
    """The warning has sizes, reason and remedy; the old value is gone; book-keeping goes on (2, 16)."""
    large = b"x" * (store.max_value_bytes + 1)
    store.set("key", b"old")
    with caplog.at_level(logging.WARNING, "cachelayer"):
        assert store.set("key", large) is False
        assert store.set_many({"key": large, "small": b"1"}) == 1
        assert store.add("absent", large) is False
        assert store.compare_and_set("absent", large, {"absent": None}) is False
    assert store.get_many(["key", "small", "absent"]) == {"small": b"1"}
    (record,) = caplog.records
    assert "1047553 bytes for 'key'" in record.message
    assert "split=True" in record.message


def test_what_only_the_server_finds_too_large_is_refused_too(caplog: pytest.LogCaptureFixture):
    """A server with a smaller item limit than was said: False, and no old value is left (2, 16)."""
    with (
        MemcachedServer("-I", "512k") as server,
        MemcachedBackend(server.address, timeout=PATIENT) as small,
    ):
        small.set("key", b"old")
        with caplog.at_level(logging.WARNING, "cachelayer"):
            assert small.set("key", b"x" * 700_000) is False
            assert small.set_many({"key": b"x" * 700_000, "other": b"1"}) == 1
        assert small.get_many(["key", "other"]) == {"other": b"1"}
        assert "max_value_bytes" in caplog.text
        (told,) = small.diagnose()
        assert "takes items of up to 524288 bytes" in told
        assert "lower that to 523264" in told


def test_the_parts_of_two_writes_never_mix(memcached_server: MemcachedServer, namespace: str):
    """Readers of a split value that is overwritten all the time see one write's bytes, or none (2, 3)."""
    values = [bytes([number]) * 250_000 for number in range(20)]
    with _split(memcached_server, namespace) as backend:
        backend.set("key", values[0])
        done = threading.Event()

        def work(number: int) -> builtins.set[bytes | None]:
            seen: builtins.set[bytes | None] = set()
            for value in values if number == 0 else ():
                backend.set("key", value)
            if number == 0:
                done.set()
            while not done.is_set():
                seen.add(backend.get("key"))
            return seen

        seen = set().union(*in_threads(3, work))
    assert seen <= {*values, None}


def test_a_value_of_which_a_part_was_evicted_is_a_miss(
    memcached_server: MemcachedServer, namespace: str, raw: Client
):
    """It is never served with a hole (2, 21)."""
    with _split(memcached_server, namespace) as backend:
        backend.set("key", b"x" * 250_000)
        assert backend.get("key") == b"x" * 250_000
        manifest = raw.get(physical(backend, "key"))
        unique = next(manifest[at : at + 16] for at in range(49, 50))
        assert raw.delete(backend._store.keys.part(unique, 1)) is True
        assert backend.get("key") is None
        assert backend.exists("key") is False


def test_a_split_value_takes_part_in_everything(memcached_server: MemcachedServer, namespace: str):
    """add, touch, get_entry, get_many and compare_and_set work on it as on any other (2, 11, 19, 31)."""
    one, two = b"1" * 250_000, b"2" * 350_000
    with _split(memcached_server, namespace) as backend:
        assert backend.add("key", one, 60, {"a": 1}) is True
        assert backend.add("key", two) is False
        assert backend.touch("key", None) is True
        entry = backend.get_entry("key")
        assert entry is not None
        assert (entry.value, entry.metadata, entry.expires_at) == (one, {"a": 1}, None)
        assert backend.compare_and_set("key", two, {"key": one}) is True
        assert backend.set_many({"other": one, "small": b"1"}) == 2
        assert backend.get_many(["key", "other", "small"]) == {"key": two, "other": one, "small": b"1"}


# -- bytes of others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"12345", id="another program's"),
        pytest.param(lambda data: data[:-1], id="truncated"),
        pytest.param(lambda data: data[:-1] + b"\x00", id="flipped"),
        pytest.param(lambda data: b"x" + data[1:], id="another kind"),
        pytest.param(lambda data: b"s" + data[1:], id="a manifest that is none"),
    ],
)
def test_damaged_bytes_are_a_miss(store: MemcachedBackend, raw: Client, spoil: Callable[[bytes], bytes]):
    """Whatever lies under the key: a miss; and the key can be used again (21)."""
    store.set("key", b"value")
    name = physical(store, "key")
    raw.set(name, spoil(raw.get(name)))
    assert store.get("key") is None
    assert store.get_stats().misses == 1
    assert store.add("key", b"again") is True
    assert store.get("key") == b"again"


def test_damaged_bytes_are_counted(store: MemcachedBackend, raw: Client):
    """Apart from misses, so that an operator sees it (21)."""
    store.set("key", b"value")
    raw.set(physical(store, "key"), b"rubbish")
    store.get("key")
    assert store.counters.corrupted.value == 1


# -- options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "names"),
    [
        ("cache", ["cache:11211"]),
        ("cache:1", ["cache:1"]),
        (("cache", 1), ["cache:1"]),
        (["a:1", ("b", 2), "/run/c.sock"], ["a:1", "b:2", "/run/c.sock"]),
        (("a:1", "b:2"), ["a:1", "b:2"]),
        ("[::1]:5", ["::1:5"]),
        ("[::1]", ["::1:11211"]),
        ("::1", ["::1:11211"]),
        (["a:1", "a:1"], ["a:1"]),
    ],
    ids=repr,
)
def test_servers_are_named_in_many_ways(servers: Any, names: list[str]):
    """One or several, as text, pair or path; the same one twice counts once; what was passed stays as it is (26)."""
    before = repr(servers)
    with MemcachedBackend(servers) as backend:
        assert [server.name for server in backend._servers.all] == names
    assert repr(servers) == before


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"servers": []}, ConfigurationError, "servers is empty"),
        ({"servers": "host:port"}, ConfigurationError, "port must be a number"),
        ({"servers": "host:0"}, ConfigurationError, "1 to 65535"),
        ({"servers": ":11211"}, ConfigurationError, "give a host"),
        ({"servers": "me:secret@host:11211"}, ConfigurationError, "pymemcache cannot log in"),
        ({"servers": 5}, OptionTypeError, "servers must be"),
        ({"servers": [5]}, OptionTypeError, "a server must be"),
        ({"timeout": 0}, ConfigurationError, "timeout=0"),
        ({"timeout": None}, ConfigurationError, "timeout=None"),
        ({"max_connections": 0}, ConfigurationError, "max_connections=0"),
        ({"max_value_bytes": -1}, ConfigurationError, "max_value_bytes=-1"),
        ({"namespace": b"x"}, OptionTypeError, "namespace must be str"),
    ],
    ids=repr,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], error: type[Exception], words: str):
    """When it is made; the message names the option, and shows no password (26)."""
    with pytest.raises(error, match=words) as caught:
        MemcachedBackend(**options)
    assert "secret" not in str(caught.value)


def test_a_url_has_servers_and_options():
    """memcached://h1:port,h2 with the class's options as query (26)."""
    url = "memcached://h1:11212,h2?namespace=shop&timeout=0.25&split=true&max_connections=3&max_value_bytes=5000"
    with backend_from_url(url) as backend:
        assert isinstance(backend, MemcachedBackend)
        assert repr(backend) == "<MemcachedBackend h1:11212, h2:11211 namespace='shop'>"
        assert (backend.timeout, backend._store.split, backend._max_connections) == (0.25, True, 3)
        assert backend.max_value_bytes == 5000
    with backend_from_url("memcached://") as backend:
        assert repr(backend) == "<MemcachedBackend localhost:11211 namespace=''>"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("memcached://me:secret@host", "takes no user and password"),
        ("memcached://host?split=perhaps", "split='perhaps': give true or false"),
        ("memcached://host?nosuch=1", "unknown option 'nosuch'"),
        ("memcached://host?timeout=soon", "timeout='soon' .* not a number"),
        ("memcached://host/path", "not both"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, words: str):
    """The error names what is wrong, and shows no password (26)."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        backend_from_url(url)
    assert "secret" not in str(caught.value)


def test_a_unix_socket_works(tmp_path_factory: pytest.TempPathFactory):
    """memcached:///path/of.sock is a server on this host (26)."""
    path = tmp_path_factory.mktemp("s") / "m.sock"
    server = MemcachedServer("-s", str(path))
    server.is_ready = path.exists  # it listens on no port
    with server, backend_from_url(f"memcached://{path}?timeout={PATIENT}") as backend:
        assert backend.set("key", b"value") is True
        assert backend.get("key") == b"value"


def test_without_pymemcache_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """It is an ImportError with the install line."""
    monkeypatch.setitem(__import__("sys").modules, "pymemcache.client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cachelayer\[memcached\]'"):
        MemcachedBackend("host")


def test_listing_keys_says_why_it_cannot_be(store: MemcachedBackend):
    """keys() is declared unsupported by Memcached, not merely by us (15)."""
    with pytest.raises(UnsupportedOperationError, match="Memcached cannot list its keys"):
        store.keys()


def test_sizes_that_memcached_cannot_tell_are_none(store: MemcachedBackend):
    """The server's totals are not this namespace's (27)."""
    store.set("key", b"value")
    stats = store.get_stats()
    assert (stats.evictions, stats.current_entries, stats.current_size_bytes, stats.max_size_bytes) == (
        None,
    ) * 4


# -- round trips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "most"),
    [
        pytest.param(lambda b: b.get("key"), 1, id="hit"),
        pytest.param(lambda b: b.get("missing"), 1, id="miss"),
        pytest.param(lambda b: b.exists("key"), 1, id="exists"),
        pytest.param(lambda b: b.get_many([f"key {n}" for n in range(1000)]), 1, id="get_many"),
        pytest.param(lambda b: b.set("key", b"new"), 1, id="set"),
        pytest.param(lambda b: b.set_many({f"key {n}": b"1" for n in range(1000)}), 1, id="set_many"),
        pytest.param(lambda b: b.delete_many([f"key {n}" for n in range(1000)]), 2, id="delete_many"),
        pytest.param(lambda b: b.delete("key"), 2, id="delete"),
        pytest.param(lambda b: b.add("fresh", b"1"), 2, id="add"),
        pytest.param(lambda b: b.incr("count"), 2, id="incr"),
        pytest.param(lambda b: b.touch("key", 5), 2, id="touch"),
        pytest.param(lambda b: b.generations(["a", "b"]), 1, id="generations"),
        pytest.param(lambda b: b.bump_generations(["a", "b"]), 1, id="bump"),
        pytest.param(
            lambda b: b.compare_and_set("fresh", b"1", {mark_key("fresh"): None}), 2, id="fenced write"
        ),
        pytest.param(lambda b: b.clear(), 1, id="clear"),
    ],
)
def test_a_call_takes_few_round_trips(
    memcached_server: MemcachedServer, namespace: str, call: Callable[[MemcachedBackend], object], most: int
):
    """A hit, and any bulk read or write, is one; a change in one step is a look and a write (7)."""
    with (
        Proxy(memcached_server.port) as proxy,
        MemcachedBackend((HOST, proxy.port), namespace=namespace, timeout=PATIENT) as backend,
    ):
        backend.set("key", b"value")
        backend.set_many({f"key {number}": b"1" for number in range(1000)})
        backend.generations(["a", "b"])
        before = proxy.round_trips
        call(backend)
        assert proxy.round_trips - before == most


# -- forks ------------------------------------------------------------------------------------------------------


def test_a_child_opens_its_own_connections(memcached_server: MemcachedServer, namespace: str):
    """It shares no socket with its parent, whose own goes on working (24)."""
    with (
        Proxy(memcached_server.port) as proxy,
        MemcachedBackend((HOST, proxy.port), namespace=namespace, timeout=PATIENT) as backend,
    ):
        backend.set("key", b"value")
        before = proxy.connections
        assert in_a_child(lambda: [backend.get("key"), backend.get("key")]) == [b"value"] * 2
        assert proxy.connections == before + 1
        assert backend.get("key") == b"value"
        assert proxy.connections == before + 1


def test_a_server_is_asked_for_a_generation_once(store: MemcachedBackend):
    """Eight threads that begin at once agree on the namespace's generation (17)."""
    in_threads(8, lambda number: store.set(f"key {number}", b"value"))
    assert len(store.get_many([f"key {number}" for number in range(8)])) == 8


def test_a_bulk_write_larger_than_a_request_is_complete(store: MemcachedBackend):
    """More items than go in one request are all stored, read and removed (7, 8)."""
    items = {f"key {number}": b"%d" % number for number in range(4500)}
    assert store.set_many(items) == 4500
    assert store.get_many(items) == items
    assert store.delete_many(items) == 4500


def test_a_server_that_forbids_evictions_and_is_full_says_so():
    """Where memory ran out a write fails with an error that names it, and leaves no old value (16)."""
    with (
        MemcachedServer("-M", "-m", "4") as server,
        MemcachedBackend(server.address, timeout=PATIENT) as backend,
    ):
        backend.set("key", b"old")
        fillers = {f"filler {number}": b"x" * 500_000 for number in range(100)}
        with pytest.raises(BackendError, match=r"out of memory.*its memory"):
            backend.set_many(fillers)
        with pytest.raises(BackendError, match="out of memory"):
            backend.set("key", b"x" * 500_000)
        assert backend.get("key") is None


def test_evictions_are_diagnosed():
    """diagnose() says how many items were lost before their time, and what to do (27)."""
    with MemcachedServer("-m", "8") as server, MemcachedBackend(server.address, timeout=PATIENT) as backend:
        assert backend.diagnose() == []
        for number in range(60):
            backend.set(f"key {number}", b"x" * 400_000)
        (told,) = backend.diagnose()
        assert told.startswith(f"memcached at {server.address} has evicted")
        assert "give it more memory (-m)" in told


def test_a_server_that_is_nearly_full_is_diagnosed(store: MemcachedBackend, monkeypatch: pytest.MonkeyPatch):
    """Before anything is lost (27)."""
    full = {b"bytes": b"95", b"limit_maxbytes": 100, b"evictions": 0, b"item_size_max": 1 << 20}
    monkeypatch.setattr(Server, "ask", lambda *args, **kwargs: full)
    (told,) = store.diagnose()
    assert "nearly full (95 of 100 bytes)" in told
