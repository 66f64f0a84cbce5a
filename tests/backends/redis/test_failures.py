"""Servers that are gone, hang, forbid, are full, or hold what is not ours."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.generations import generation_key
from cachelayer.backends.redis import RedisBackend
from cachelayer.errors import BackendError, ConfigurationError
from cachelayer.testing.colours import COLOURS, in_colour
from tests.servers.processes import free_port, wait_until
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

Make = Callable[..., CacheBackend]


@pytest.fixture(params=COLOURS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Return what makes a backend of the test's colour; it is closed afterwards."""
    with ExitStack() as stack:

        def made(url: str, **options: Any) -> CacheBackend:
            options = {"namespace": request.node.name, **options}
            backend = stack.enter_context(RedisBackend(url, **options))
            return stack.enter_context(in_colour(backend, request.param))

        yield made


def took(call: Callable[[], object]) -> float:
    """Return the seconds until the call failed as a store does."""
    started = time.monotonic()
    with pytest.raises(BackendError):
        call()
    return time.monotonic() - started


# -- the way to it ----------------------------------------------------------------------------------------------


def test_a_restarted_server_is_used_at_once(own_server: RedisServer, make: Make):
    """After a restart the pooled connections are dead: the first call already goes over a fresh one (22)."""
    ops = make(own_server.url, timeout=5)
    for number in range(3):
        assert ops.set("key", b"%d" % number)
        assert ops.incr("count") == 1
        own_server.restart()
        assert ops.get("key") is None


def test_a_connection_that_dies_in_the_middle_is_replaced(redis_server: RedisServer, make: Make):
    """What may be repeated is sent once more, at once, where the connection broke after it was sent (22)."""
    with Proxy(redis_server.port) as proxy:
        ops = make(f"redis://127.0.0.1:{proxy.port}", timeout=5)
        ops.set("key", b"value")
        redis_server.ask("CLIENT", "PAUSE", 100)
        killer = _cut_when_asked(proxy)
        assert ops.get("key") == b"value"
        killer.join(10)


@pytest.mark.parametrize("operation", ["add", "compare_and_set"])
def test_what_found_its_own_trace_would_lie(redis_server: RedisServer, make: Make, operation: str):
    """A first write without a reply may have been stored: it fails, rather than say that another was first (4, 19)."""
    with Proxy(redis_server.port) as proxy:
        ops = make(f"redis://127.0.0.1:{proxy.port}", timeout=5)
        ops.get("connects")
        redis_server.ask("CLIENT", "PAUSE", 100)
        killer = _cut_when_asked(proxy)
        with pytest.raises(BackendError):
            ops.add("key", b"value") if operation == "add" else ops.compare_and_set(
                "key", b"value", {"key": None}
            )
        killer.join(10)


def test_a_count_is_not_sent_twice(redis_server: RedisServer, make: Make):
    """Whether an increment that got no reply has counted nobody knows: it fails rather than count twice (9)."""
    with Proxy(redis_server.port) as proxy:
        ops = make(f"redis://127.0.0.1:{proxy.port}", timeout=5)
        assert ops.incr("count") == 1
        redis_server.ask("CLIENT", "PAUSE", 100)
        killer = _cut_when_asked(proxy)
        with pytest.raises(BackendError):
            ops.incr("count")
        killer.join(10)
        assert ops.incr("count") in (2, 3)


def _cut_when_asked(proxy: Proxy) -> Any:
    """Cut the connections once the next question has gone through."""
    before = proxy.round_trips

    def wait_and_cut() -> None:
        wait_until(lambda: proxy.round_trips > before, "a question goes through")
        proxy.cut()

    thread = threading.Thread(target=wait_and_cut)
    thread.start()
    return thread


def test_a_server_that_is_not_there_is_an_error_that_says_where(make: Make):
    """Nobody listens: a BackendError at once, that names the address and what to do (22)."""
    url = f"redis://127.0.0.1:{free_port()}"
    ops = make(url, timeout=5)
    assert took(lambda: ops.get("key")) < 2
    with pytest.raises(BackendError, match=f"{url}.*nothing listens there"):
        ops.set("key", b"value")


@pytest.mark.parametrize("operation", ["get", "set", "get_many", "incr", "keys"])
def test_a_server_that_hangs_costs_one_timeout(own_server: RedisServer, make: Make, operation: str):
    """A call to a server that answers nothing ends within the timeout, and works again when it answers (22)."""
    ops = make(own_server.url, timeout=0.3)
    ops.set("key", b"1")
    arguments = {"get": ("key",), "set": ("key", b"1"), "get_many": (["key"],), "incr": ("key",), "keys": ()}
    own_server.pause()
    try:
        assert 0.25 < took(lambda: getattr(ops, operation)(*arguments[operation])) < 0.9
        assert took(lambda: ops.get("key")) < 0.9
    finally:
        own_server.resume()
    assert ops.get("key") is not None


def test_a_timeout_names_the_option(own_server: RedisServer, make: Make):
    """The error of a call that took too long says which option to raise."""
    ops = make(own_server.url, timeout=0.1)
    own_server.pause()
    with pytest.raises(BackendError, match=r"did not answer in time: .*raise timeout"):
        ops.get("key")
    own_server.resume()


def test_garbage_is_an_error_and_not_a_value(redis_server: RedisServer, make: Make):
    """What answers in another protocol is a BackendError; afterwards the store works again (21)."""
    with Proxy(redis_server.port) as proxy:
        ops = make(f"redis://127.0.0.1:{proxy.port}", timeout=1)
        ops.set("key", b"value")
        proxy.mode = "garbage"
        with pytest.raises(BackendError):
            ops.get("key")
        proxy.mode = "pass"
        assert ops.get("key") == b"value"


# -- what it does not let us do ---------------------------------------------------------------------------------


def test_a_wrong_password_is_said_once_and_hidden(own_server: RedisServer, make: Make):
    """The error says that the password was refused, without showing it; the server is asked once a call."""
    own_server.ask("ACL", "SETUSER", "default", ">right")
    with Proxy(own_server.port) as proxy:
        ops = make(f"redis://:wrong-secret@127.0.0.1:{proxy.port}", timeout=5)
        with pytest.raises(BackendError, match="refused the user or password: mend") as caught:
            ops.get("key")
        assert proxy.connections == 1
        assert "wrong-secret" not in str(caught.value)
        assert "wrong-secret" not in repr(ops)


def test_an_acl_user_and_a_database_are_used(own_server: RedisServer, make: Make):
    """User, password (quoted in the URL) and database number count, over both protocols."""
    own_server.ask("ACL", "SETUSER", "app", "on", ">p@ss/word", "~cl*", "+@all", "-@dangerous")
    for protocol in (2, 3):
        url = f"redis://app:p%40ss%2Fword@127.0.0.1:{own_server.port}/3?protocol={protocol}"
        ops = make(url, timeout=5)
        assert ops.set("key", b"value")
        assert ops.incr("count")
        assert ops.clear() == 2
    ops.set("stays", b"value")
    assert "db3" in own_server.ask("INFO", "keyspace")


def test_a_read_only_replica_says_what_to_do(calm_sentinels, make: Make):
    """Writing to a replica is a BackendError that says where to point the URL."""
    ops = make(calm_sentinels.replica.url, timeout=5)
    assert ops.get("key") is None
    with pytest.raises(BackendError, match="read-only replica: point the URL at the primary"):
        ops.set("key", b"value")


def test_a_full_server_leaves_no_old_value(own_server: RedisServer, make: Make):
    """A write for which there is no memory fails, and the value that it was to replace is gone (16)."""
    ops = make(own_server.url, timeout=5)
    ops.set_many({"key": b"old", "many": b"old", "compared": b"old"})
    before = ops.generations(["tag"])
    own_server.ask("CONFIG", "SET", "maxmemory", "1mb")
    calls: dict[str, Callable[[], object]] = {
        "key": lambda: ops.set("key", b"new"),
        "many": lambda: ops.set_many({"many": b"new"}),
        "compared": lambda: ops.compare_and_set("compared", b"new", {}),
    }
    for key, call in calls.items():
        with pytest.raises(BackendError, match=r"out of memory: .*maxmemory-policy to allkeys-lru"):
            call()
        assert ops.get(key) is None
    with pytest.raises(BackendError, match="out of memory"):
        ops.bump_generations(["tag"])
    own_server.ask("CONFIG", "SET", "maxmemory", "0")
    assert ops.generations(["tag"]) != before


def test_loading_is_an_error_that_passes(make: Make):
    """A server that loads its data is a BackendError that says so; when it has loaded it is used."""
    with RedisServer("--enable-debug-command", "local") as server:
        ops = make(server.url, timeout=5)
        ops.set("key", b"value")
        server.ask("DEBUG", "POPULATE", 2000)
        server.ask("CONFIG", "SET", "key-load-delay", "500", "loading-process-events-interval-bytes", "1024")
        loader = _in_thread(lambda: server.ask("DEBUG", "RELOAD"))
        wait_until(lambda: _is_loading(ops), "it says that it is loading")
        loader.join(30)
        assert ops.get("key") == b"value"


def _in_thread(work: Callable[[], object]) -> Any:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def _is_loading(ops: CacheBackend) -> bool:
    try:
        ops.get("key")
    except BackendError as error:
        return "it is loading its data" in str(error)
    return False


# -- what it holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "foreign",
    [("RPUSH", "x"), ("SET", b"text"), ("SET", b"\xc1F\x01" + b"\0" * 40), ("HSET", "field", "x")],
    ids=["list", "text", "half a frame", "hash"],
)
def test_what_another_program_wrote_is_a_miss(redis_server: RedisServer, foreign: tuple[Any, ...]):
    """Foreign data under a key of ours reads as nothing, is counted as corrupted, and is overwritten (21)."""
    with RedisBackend(redis_server.url, namespace=f"foreign {foreign}", timeout=5) as backend:
        name = backend.layout.name("key")
        for read in (lambda: backend.get("key"), lambda: backend.get_many(["key"]).get("key")):
            redis_server.ask("DEL", name)
            redis_server.ask(foreign[0], name, *foreign[1:])
            assert read() is None
        assert backend.get_entry("key") is None
        assert backend.touch("key", 5) is False
        assert backend.get_stats().misses == 2
        assert backend.counters.corrupted.value >= 1
        assert backend.compare_and_set("key", b"ours", {"key": b"other"}) is False
        assert backend.compare_and_set("key", b"ours", {"key": None}) is True
        redis_server.ask("DEL", name)
        redis_server.ask(foreign[0], name, *foreign[1:])
        assert backend.incr("key", 4) == 4
        redis_server.ask("DEL", name)
        redis_server.ask(foreign[0], name, *foreign[1:])
        assert backend.set("key", b"value")
        assert backend.get("key") == b"value"


def test_one_flipped_bit_is_a_miss(redis_server: RedisServer):
    """A value that the store damaged fails its checksum (21)."""
    with RedisBackend(redis_server.url, namespace="flipped", timeout=5) as backend:
        backend.set("key", b"value")
        redis_server.ask("SETBIT", backend.layout.name("key"), 8 * 34, 1)
        assert backend.get("key") is None
        assert backend.counters.corrupted.value == 1


# -- what the server counts, knows and is asked -----------------------------------------------------------------


def test_counts_are_exact_to_64_bits(redis_server: RedisServer, make: Make):
    """Beyond the 53 bits of Lua's numbers every unit counts; beyond 64 bits it is a clear error (9)."""
    ops = make(redis_server.url, timeout=5)
    ops.clear()
    assert ops.incr("count", 2**62) == 2**62
    assert ops.incr("count", 1) == 2**62 + 1
    assert ops.incr("count", 2**62 - 2) == 2**63 - 1
    with pytest.raises(ConfigurationError, match="64 bits"):
        ops.incr("count", 1)
    assert ops.get("count") == b"%d" % (2**63 - 1)
    with pytest.raises(ConfigurationError, match="64 bits"):
        ops.incr("count", 2**63)
    assert ops.incr("low", -(2**63)) == -(2**63)
    ops.set("digits", b"9" * 30)
    with pytest.raises(ConfigurationError, match="64 bits"):
        ops.incr("digits")


@pytest.mark.parametrize(("stored", "sum_"), [(b"007", 8), (b"-0", 1), (b"-07", -6), (b"000", 1)], ids=repr)
def test_digits_may_be_padded(redis_server: RedisServer, make: Make, stored: bytes, sum_: int):
    """Leading zeros are no error, although Redis itself takes none (9)."""
    ops = make(redis_server.url, timeout=5)
    ops.set("count", stored)
    assert ops.incr("count") == sum_


def test_counting_keeps_metadata(redis_server: RedisServer, make: Make):
    """An increment changes the value, and neither metadata nor times (9, 31)."""
    ops = make(redis_server.url, timeout=5)
    ops.set("count", b"1", 60, {"by": "test"})
    before = ops.get_entry("count")
    assert ops.incr("count") == 2
    after = ops.get_entry("count")
    assert before is not None
    assert after is not None
    assert after.metadata == {"by": "test"}
    assert (after.created_at, after.expires_at) == (before.created_at, before.expires_at)


def test_scripts_are_sent_again_where_the_server_forgot_them(own_server: RedisServer, make: Make):
    """After a restart or SCRIPT FLUSH the scripts still work."""
    ops = make(own_server.url, timeout=5)
    assert ops.incr("count") == 1
    own_server.ask("SCRIPT", "FLUSH")
    assert ops.incr("count") == 2
    own_server.ask("SCRIPT", "FLUSH")
    assert len(ops.generations(["a", "b", "c"])) == 3


def test_softening_keeps_the_first_half_and_an_expiry(own_server: RedisServer, make: Make):
    """A softened generation begins as the old one, is one that was never had, and is kept for a while only."""
    ops = make(own_server.url, namespace="soft", timeout=5)
    [old] = ops.generations(["tag"]).values()
    ops.soften_generations(["tag", "new"])
    [soft] = ops.generations(["tag"]).values()
    ops.soften_generations(["tag"])
    [softer] = ops.generations(["tag"]).values()
    assert soft[:16] == softer[:16] == old
    assert len({old, soft, softer}) == 3
    assert len(soft) == len(softer) == 32
    assert 0 < own_server.ask("PTTL", b"cl-book:soft:gen:tag") <= 30 * 86_400_000


def test_neither_keys_nor_flush_is_ever_sent(own_server: RedisServer, make: Make):
    """Listing and clearing scan, and remove what is this cache's alone (15, 17)."""
    ops = make(own_server.url, namespace="a*[b]?", timeout=5)
    other = make(own_server.url, namespace="axb", timeout=5)
    other.set("theirs", b"1")
    own_server.ask("SET", "foreign", "1")
    ops.set_many({f"key {number}": b"1" for number in range(2500)})
    ops.generations(["tag"])
    assert len(ops.keys()) == 2500
    assert len(ops.keys("key 1*")) == 1111
    assert len(list(ops.scan())) == 2500
    assert ops.clear() == 2500
    assert other.get("theirs") == b"1"
    assert own_server.ask("GET", "foreign") == b"1"
    used = own_server.ask("INFO", "commandstats")
    assert "cmdstat_scan" in used
    assert not {"cmdstat_keys", "cmdstat_flushdb", "cmdstat_flushall", "cmdstat_del"} & set(used)


def test_generations_do_not_pile_up(redis_server: RedisServer, make: Make):
    """Each generation, made or bumped, is forgotten after 30 days: that costs misses only."""
    ops = make(redis_server.url, namespace="old", timeout=5)
    ops.generations(["made"])
    ops.bump_generations(["bumped"])
    ops.compare_and_set(generation_key("compared"), b"1", {})
    for tag in ("made", "bumped", "compared"):
        left = redis_server.ask("PTTL", f"cl-book:old:gen:{tag}")
        assert 29 * 86_400_000 < left <= 30 * 86_400_000


def test_keys_are_readable_and_expire_by_themselves(redis_server: RedisServer, make: Make):
    """An entry is one key, named for its namespace and key, with the ttl that Redis counts by itself (12)."""
    ops = make(redis_server.url, namespace="shop", timeout=5)
    ops.set("user:1", b"value", ttl=100)
    assert 99_000 < redis_server.ask("PTTL", "cl:shop:user:1") <= 100_000
    ops.touch("user:1", 1000)
    assert 999_000 < redis_server.ask("PTTL", "cl:shop:user:1") <= 1_000_000


def test_a_slow_answer_does_not_hold_up_the_loop(own_server: RedisServer):
    """Native async: while one call waits for the server the event loop goes on."""

    async def use() -> int:
        async with RedisBackend(own_server.url, timeout=5) as backend:
            await backend.aset("key", b"value")
            own_server.ask("CLIENT", "PAUSE", 300)
            call, turns = asyncio.create_task(backend.aget("key")), 0
            while not call.done():
                await asyncio.sleep(0.005)
                turns += 1
            assert await call == b"value"
            return turns

    assert asyncio.run(use()) > 10
