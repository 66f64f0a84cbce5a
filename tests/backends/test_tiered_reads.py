"""What memory in front of a shared store answers, for how long, and what it counts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachelayer import Cache
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.errors import BackendError
from cachelayer.functions import cached
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend
from cachelayer.testing.crowds import in_threads
from tests.backends.tiers import Polled, hits_of, still, warm
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer


@pytest.fixture
def clock() -> FakeClock:
    """The time in both tiers."""
    return FakeClock()


@pytest.fixture
def l2(tmp_path: Path, clock: FakeClock) -> Polled:
    """A shared store."""
    return Polled(tmp_path / "items.db", clock=clock)


@pytest.fixture
def backend(l2: Polled) -> Iterator[TieredBackend]:
    """Memory in front of it, that trusts its copies for as long as the test takes."""
    with still(l2) as backend:
        yield backend


# -- no I/O -----------------------------------------------------------------------------------------------------


def test_a_hit_in_l1_asks_the_store_nothing(backend: TieredBackend, l2: Polled):
    """What was read once is answered from memory: get, get_many and their twins (29)."""
    backend.set_many({"a": b"1", "b": b"2"})
    backend.get_many(["a", "b"])
    before = l2.asked
    assert backend.get("a") == b"1"
    assert backend.get_many(["a", "b", "a"]) == {"a": b"1", "b": b"2"}
    assert asyncio.run(backend.aget("b")) == b"2"
    assert asyncio.run(backend.aget_many(["b"])) == {"b": b"2"}
    assert l2.asked == before


def test_a_bulk_read_asks_for_what_is_missing_alone(backend: TieredBackend, l2: Polled):
    """Of several keys only those that memory has not are asked for, in one round trip (7, 29)."""
    backend.set_many({"a": b"1", "b": b"2", "c": b"3"})
    backend.get("a")
    before = l2.asked
    assert backend.get_many(["a", "b", "c", "missing"]) == {"a": b"1", "b": b"2", "c": b"3"}
    assert l2.asked == before + 1


def _tagged(backend: CacheBackend) -> tuple[Cache, list[int]]:
    cache, computed = Cache(backend), []

    @cached(ttl=60, tags=["group", "user:{number}"], cache=cache, name="double")
    def double(number: int) -> int:
        computed.append(number)
        return 2 * number

    @cached(ttl=60, tags=["group", "user:{number}"], cache=cache, name="adouble")
    async def adouble(number: int) -> int:
        computed.append(number)
        return 2 * number

    vars(cache)["double"], vars(cache)["adouble"] = double, adouble
    return cache, computed


def test_a_hit_of_a_tagged_function_does_no_io(redis_server: RedisServer):
    """A function's hit, its tags checked, sends nothing at all, in both colours (29)."""
    with Proxy(redis_server.port) as proxy:
        l2 = RedisBackend(f"redis://127.0.0.1:{proxy.port}", namespace="tagged", timeout=5)
        with TieredBackend(l2=l2, heartbeat=60) as backend:
            cache, computed = _tagged(backend)

            async def call() -> list[int]:
                return [await cache.adouble(5) for _ in range(20)]

            cache.double(5)
            asyncio.run(call())
            warm(backend, cache.double.key_for(5))
            warm(backend, cache.adouble.key_for(5))
            cache.double(5)
            asyncio.run(call())
            before = proxy.round_trips
            assert [cache.double(5) for _ in range(20)] == [10] * 20
            assert asyncio.run(call()) == [10] * 20
            assert proxy.round_trips == before
            assert computed == [5, 5]


def test_an_invalidated_tag_is_heard_of_at_once_here(backend: TieredBackend):
    """After invalidate_tags has returned, nobody in this process gets what was stored under the tag (29)."""
    cache, computed = _tagged(backend)
    for _ in range(3):
        assert cache.double(7) == 14
    cache.invalidate_tags("user:7")
    assert cache.double(7) == 14
    assert computed == [7, 7]


def test_leases_are_never_answered_from_memory(backend: TieredBackend, l2: Polled):
    """A lock is the shared store's alone: reading its lease brings no copy (20)."""
    lock = backend.lock("name")
    lock.acquire()
    [key] = lock.fence
    backend.get(key)
    before = l2.asked
    assert backend.get(key) is not None
    assert l2.asked == before + 1


# -- how long ---------------------------------------------------------------------------------------------------


def test_a_copy_never_outlives_the_entry(backend: TieredBackend, clock: FakeClock):
    """A copy ends when the entry ends in the store (29)."""
    backend.set("key", b"value", ttl=10)
    clock.advance(4)
    backend.get("key")
    clock.advance(5.9)
    assert (backend.get("key"), hits_of(backend)) == (b"value", 1)
    clock.advance(0.1)
    assert backend.get("key") is None


def test_a_copy_lives_no_longer_than_l1_ttl(l2: Polled, clock: FakeClock):
    """A change that nobody tells of is seen after l1_ttl seconds (29)."""
    with still(l2, l1_ttl=3) as backend:
        backend.set("key", b"old")
        backend.get("key")
        l2.set("key", b"new")
        clock.advance(2.9)
        assert backend.get("key") == b"old"
        clock.advance(0.1)
        assert backend.get("key") == b"new"


def test_a_store_that_tells_no_lives_is_copied_for_a_second(clock: FakeClock):
    """Without get_entry a copy may outlive its entry, by less than a second (29)."""

    class Shared(MinimalBackend):
        shared = True

    with still(Shared(clock=clock), l1=InMemoryBackend(clock=clock)) as backend:
        backend.set("key", b"value", ttl=10)
        clock.advance(9.5)
        backend.get("key")
        clock.advance(0.9)
        assert (backend.get("key"), hits_of(backend)) == (b"value", 1)
        clock.advance(0.1)
        assert backend.get("key") is None


def test_a_wrapped_store_without_entries_is_read_all_the_same():
    """A wrapper has get_entries though what it wraps has not: reads go on without (29)."""

    class Shared(MinimalBackend):
        shared = True

    with still(FailingBackend(Shared(), operations=())) as backend:
        backend.set("key", b"value")
        assert [backend.get("key"), backend.get("key")] == [b"value", b"value"]
        assert hits_of(backend) == 1


def test_l1_keeps_its_bound(l2: Polled, clock: FakeClock):
    """Copies take no more memory than L1 may, and the most recent stay (18, 29)."""
    with still(l2, l1=InMemoryBackend(1000, clock=clock)) as backend:
        for number in range(50):
            backend.set(f"key {number}", b"x" * 100)
            backend.get(f"key {number}")
            assert (backend.l1.get_stats().current_size_bytes or 0) <= 1000
        assert backend.l1.keys() == [f"key {number}" for number in range(40, 50)]
        assert backend.get("key 0") == b"x" * 100


# -- writes -----------------------------------------------------------------------------------------------------

CHANGES = {
    "set": lambda backend: backend.set("key", b"3"),
    "set-none": lambda backend: backend.set("key", b"3", ttl=0),
    "set_many": lambda backend: backend.set_many({"key": b"3", "other": b"4"}),
    "delete": lambda backend: backend.delete("key"),
    "delete_many": lambda backend: backend.delete_many(["key", "other"]),
    "clear": lambda backend: backend.clear(),
    "incr": lambda backend: backend.incr("key"),
    "touch-none": lambda backend: backend.touch("key", 0),
    "compare_and_set": lambda backend: backend.compare_and_set("key", b"3", {"key": b"1"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen_at_once_here(backend: TieredBackend, l2: Polled, change):
    """After a write has returned, this process reads what the store holds (29)."""
    backend.set("key", b"1")
    assert [backend.get("key"), backend.get("key")] == [b"1", b"1"]
    change(backend)
    assert backend.get("key") == l2.get("key") != b"1"


def test_a_touched_entry_lives_for_its_new_ttl(backend: TieredBackend, clock: FakeClock):
    """A copy from before a touch does not end the entry early, nor keep it (11, 29)."""
    backend.set("key", b"value", ttl=10)
    backend.get("key")
    backend.touch("key", 5)
    backend.get("key")
    clock.advance(5)
    assert backend.get("key") is None


@pytest.mark.parametrize("operation", ["set", "delete", "clear", "incr", "touch", "add", "compare_and_set"])
def test_a_write_that_failed_leaves_no_copy(l2: Polled, operation: str):
    """When the store fails in a write, memory does not answer for the key: the store may have made the change (29)."""
    failing = FailingBackend(l2, operations=[operation])
    args = {
        "set": ("key", b"2"),
        "delete": ("key",),
        "clear": (),
        "incr": ("key",),
        "touch": ("key", 5),
        "add": ("key", b"2"),
        "compare_and_set": ("key", b"2", {"key": b"1"}),
    }[operation]
    with still(failing) as backend:
        l2.set("key", b"1")
        backend.get("key")
        with pytest.raises(BackendError):
            getattr(backend, operation)(*args)
        l2.set("key", b"from elsewhere")
        assert backend.get("key") == b"from elsewhere"


def test_a_refused_compare_and_set_is_followed_by_a_true_read(backend: TieredBackend, l2: Polled):
    """Who failed because memory was out of date reads from the store, and gets on (19)."""
    backend.set("key", b"1")
    backend.get("key")
    l2.set("key", b"2")
    assert backend.get("key") == b"1"
    assert backend.compare_and_set("key", b"3", {"key": b"1"}) is False
    assert backend.get("key") == b"2"


def test_generations_come_from_the_store(backend: TieredBackend, l2: Polled):
    """A fence is captured from the truth, and what memory held instead is dropped (19)."""
    old = backend.generations(["tag"])["tag"]
    [key] = [key for key in ("\x00cachelayer:gen:tag",) if backend.get(key) == old]
    l2.bump_generations(["tag"])
    assert backend.get(key) == old
    new = backend.generations(["tag"])["tag"]
    assert old != new == backend.get(key)


# -- counting ---------------------------------------------------------------------------------------------------


def test_a_lookup_is_counted_once_whichever_tier_answers(backend: TieredBackend):
    """A hit in either tier is one hit; what neither has is one miss (27)."""
    backend.set("key", b"value")
    for key in ("key", "key", "key", "missing"):
        backend.get(key)
    stats, tiers = backend.get_stats(), backend.tiers
    assert (stats.hits, stats.misses, stats.sets) == (3, 1, 1)
    assert (tiers.l1.hits, tiers.l2.hits, tiers.l2.misses) == (2, 1, 1)


def test_counts_are_exact_among_threads(backend: TieredBackend):
    """Eight threads that hit in both tiers lose no count, and one reset zeroes both (27)."""
    backend.set("key", b"value")
    in_threads(8, lambda _: [backend.get("key") for _ in range(200)])
    stats = backend.get_stats()
    assert (stats.hits, stats.misses) == (1600, 0)
    stats.reset()
    assert backend.get_stats().hits == hits_of(backend) == 0


def test_sizes_are_those_of_the_shared_store(backend: TieredBackend):
    """What is in L1 is in L2 already, and not counted twice (27)."""
    backend.set_many({"a": b"123", "b": b"4"})
    backend.get("a")
    stats = backend.get_stats()
    assert (stats.current_entries, stats.current_size_bytes) == (2, 4)
