"""The memory store: the contract in both colours, bounds, expiry, recency and what it refuses."""

import gc
import math
import weakref
from enum import IntEnum
from threading import RLock

import pytest

from cachelayer.backends import CacheStats, InMemoryBackend, memory, table
from cachelayer.backends.expiry import ExpiryQueue
from cachelayer.backends.generations import generation_key
from cachelayer.backends.policies import make_policy
from cachelayer.errors import BackendClosedError, ConfigurationError, OptionTypeError
from cachelayer.testing import FakeClock
from cachelayer.testing.contract import BackendContract

DAY = 86_400.0


class TestInMemoryBackend(BackendContract):
    def make_backend(self) -> InMemoryBackend:
        """Return the backend under test."""
        return InMemoryBackend(clock=self.clock)


class TestInMemoryBackendAtItsBounds(BackendContract):
    max_value_bytes = 2_000_000

    def make_backend(self) -> InMemoryBackend:
        """Return the backend under test."""
        return InMemoryBackend(max_size_bytes=self.max_value_bytes, max_entries=2_000, clock=self.clock)


class TestInMemoryBackendWithoutGIL(BackendContract):
    """The paths of a free-threaded build, where single C calls are not atomic."""

    @pytest.fixture(autouse=True)
    def free_threaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the store take the build for a free-threaded one."""
        monkeypatch.setattr("cachelayer.counters.FREE_THREADED", True)
        monkeypatch.setattr("cachelayer.backends.table.FREE_THREADED", True)

    def make_backend(self) -> InMemoryBackend:
        """Return the backend under test."""
        return InMemoryBackend(clock=self.clock)


@pytest.fixture
def clock() -> FakeClock:
    """The store's time."""
    return FakeClock()


# -- the seed's examples ----------------------------------------------------------------------------------------


def test_the_first_example(clock: FakeClock):
    """The store's first example works as it is written."""
    cache = InMemoryBackend(max_size_bytes=1024 * 1024, clock=clock)
    cache.set("key1", b"hello world", ttl=60)
    assert cache.get("key1") == b"hello world"
    cache.set("temp", b"expires soon", ttl=1)
    assert cache.exists("temp") is True
    clock.advance(1.5)
    assert cache.exists("temp") is False
    stats = cache.get_stats()
    assert f"{stats.hit_rate:.2f} {stats.utilization:.2%}" == "1.00 0.00%"


def test_the_example_of_eviction():
    """80 bytes hold two values of 30; the least recently used one makes room for a third."""
    cache = InMemoryBackend(max_size_bytes=80)
    cache.set("a", b"a" * 30)
    cache.set("b", b"b" * 30)
    cache.get("a")
    cache.set("c", b"c" * 30)
    assert cache.keys() == ["a", "c"]
    stats = cache.get_stats()
    assert (stats.evictions, stats.current_size_bytes, stats.max_size_bytes) == (1, 60, 80)
    assert stats.utilization == 0.75


def test_the_examples_of_bulk_calls():
    """Bulk calls, patterns, metadata, clear and reset work as the contract's examples say."""
    cache = InMemoryBackend()
    assert cache.set_many({"user:1": b"alice", "user:2": b"bob", "post:1": b"hello"}, ttl=60) == 3
    assert sorted(cache.keys("user:*")) == ["user:1", "user:2"]
    assert cache.get_many(["user:1", "user:9"]) == {"user:1": b"alice"}
    assert cache.delete_many(["user:1", "user:9"]) == 1
    cache.set("page", b"<html>", metadata={"type": "text/html"})
    entry = cache.get_entry("page")
    assert entry is not None
    assert entry.metadata == {"type": "text/html"}
    assert entry.size_bytes == 6
    stats = cache.get_stats()
    stats.reset()
    assert cache.get_stats() == CacheStats(
        current_entries=3, current_size_bytes=14, max_size_bytes=100 * 1024 * 1024
    )
    assert cache.clear() == 3


# -- bounds and recency -----------------------------------------------------------------------------------------


def test_a_value_larger_than_the_cache_is_refused():
    """Such a value evicts nobody, is not stored, and the old one under its key is gone."""
    cache = InMemoryBackend(max_size_bytes=10)
    cache.set("other", b"12345")
    cache.set("key", b"12345")
    assert cache.set("key", b"12345678901") is False
    assert cache.keys() == ["other"]
    assert cache.get_stats().evictions == 0
    assert cache.set("key", b"1234567890") is True
    assert cache.keys() == ["key"]


def test_a_value_may_grow_in_place():
    """Replacing a value needs room for the difference only, and evicts nobody for what it replaces."""
    cache = InMemoryBackend(max_size_bytes=10, max_entries=2)
    cache.set("a", b"12345")
    cache.set("b", b"12345")
    cache.set("b", b"1")
    cache.set("b", b"54321")
    assert cache.keys() == ["a", "b"]
    cache.set("a", b"123456")
    assert cache.keys() == ["a"]
    stats = cache.get_stats()
    assert (stats.evictions, stats.current_size_bytes) == (1, 6)


def test_the_number_of_entries_is_bounded():
    """max_entries holds for empty values too."""
    cache = InMemoryBackend(max_size_bytes=None, max_entries=3)
    for number in range(5):
        cache.set(str(number), b"")
    assert cache.keys() == ["2", "3", "4"]
    stats = cache.get_stats()
    assert (stats.evictions, stats.current_entries, stats.utilization) == (2, 3, 0.0)


def test_the_size_is_never_above_the_bound_not_even_between_two_steps(monkeypatch: pytest.MonkeyPatch):
    """Whatever is written, replaced or refused, each step of the accounts is within max_size_bytes."""
    sizes = []

    def note(self: table.EntryTable, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name == "size":
            sizes.append(value)

    monkeypatch.setattr(table.EntryTable, "__setattr__", note, raising=False)
    cache = InMemoryBackend(max_size_bytes=10)
    for key, size in [("a", 6), ("a", 8), ("b", 4), ("a", 6), ("b", 10), ("b", 11), ("a", 10)]:
        cache.set(key, b"1" * size)
    assert max(sizes) == 10
    assert min(sizes) == 0


@pytest.mark.parametrize(
    ("use", "survives"),
    [
        pytest.param(lambda cache: cache.get("a"), True, id="get"),
        pytest.param(lambda cache: cache.get_many(["a"]), True, id="get_many"),
        pytest.param(lambda cache: cache.set("a", b"2"), True, id="set"),
        pytest.param(lambda cache: cache.incr("a"), True, id="incr"),
        pytest.param(lambda cache: cache.table.note_hit("a"), True, id="a hit through a shortcut"),
        pytest.param(lambda cache: cache.exists("a"), False, id="exists"),
        pytest.param(lambda cache: cache.get_entry("a"), False, id="get_entry"),
        pytest.param(lambda cache: cache.keys(), False, id="keys"),
        pytest.param(lambda cache: cache.add("a", b"2"), False, id="a refused add"),
        pytest.param(lambda cache: cache.get_stats(), False, id="get_stats"),
    ],
)
def test_reads_refresh_recency_and_looks_do_not(use, survives):
    """The oldest entry survives an eviction if it was read or written, not if it was only looked at."""
    cache = InMemoryBackend(max_entries=2)
    cache.set("a", b"1")
    cache.set("b", b"1")
    use(cache)
    cache.set("c", b"1")
    assert cache.exists("a") is survives
    assert cache.exists("b") is not survives


def test_what_had_expired_does_not_count_as_evicted(clock: FakeClock):
    """Evictions are of living entries only."""
    cache = InMemoryBackend(max_entries=1, clock=clock)
    cache.set("old", b"1", ttl=60)
    clock.advance(60)
    cache.set("new", b"1")
    assert cache.get_stats().evictions == 0


def test_a_listener_learns_what_was_evicted_and_may_use_the_store():
    """on_evicted gets each living entry that had to go, when the store is in order again."""
    cache = InMemoryBackend(max_entries=2)
    seen = []

    def listen(entry):
        seen.append((entry.key, entry.payload, len(cache.table)))
        if entry.key == "a":
            cache.set("c", b"written by the listener")

    cache.table.on_evicted = listen
    for key in "abc":
        cache.set(key, b"12")
    assert seen == [("a", b"12", 2)]
    assert cache.keys() == ["b", "c"]
    assert cache.get_stats().current_size_bytes == len(b"12") + len(b"written by the listener")
    cache.set("d", b"")
    assert [key for key, _, _ in seen] == ["a", "b"]


# -- expiry -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [0.01, 1, 7.5, 60, 3600, 30 * DAY])
def test_expired_entries_go_when_other_keys_are_written(clock: FakeClock, ttl: float):
    """A write reclaims all that expired, at most a sixteenth of its ttl late, without a read or a statistic."""
    cache = InMemoryBackend(clock=clock)
    for number in range(500):
        cache.set(f"short {number}", b"value", ttl=ttl)
    clock.advance(ttl * 17 / 16)
    cache.set("other", b"1")
    assert (len(cache.table), cache.table.size) == (1, 1)


def test_a_statistic_is_exact_at_once(clock: FakeClock):
    """get_stats and keys leave out what has expired, however recently."""
    cache = InMemoryBackend(clock=clock)
    cache.set("short", b"value", ttl=60)
    cache.set("long", b"1", ttl=61)
    clock.advance(60)
    stats = cache.get_stats()
    assert (stats.current_entries, stats.current_size_bytes) == (1, 1)
    assert cache.keys() == ["long"]


@pytest.mark.parametrize("repeat", ["set", "touch", "set and delete"])
def test_the_expiry_queue_is_bounded(clock: FakeClock, repeat: str):
    """A key whose ttl is renewed for ever does not fill the queue of expiries."""
    cache = InMemoryBackend(clock=clock)
    cache.set("key", b"value", ttl=60)
    for _ in range(10_000):
        if repeat == "touch":
            cache.touch("key", 60)
        else:
            cache.set("key", b"value", ttl=60)
        if repeat == "set and delete":
            cache.delete("key")
    assert cache.table._expiry.queued < 2_000


def test_a_prolonged_entry_outlives_its_first_expiry(clock: FakeClock):
    """Reclaiming looks at what an entry's ttl is now, not at what it was when it was queued."""
    cache = InMemoryBackend(clock=clock)
    cache.set("touched", b"1", ttl=1)
    cache.set("rewritten", b"1", ttl=1)
    cache.touch("touched", 100)
    cache.set("rewritten", b"2", ttl=100)
    clock.advance(50)
    cache.set("other", b"1")
    assert cache.get_many(["touched", "rewritten"]) == {"touched": b"1", "rewritten": b"2"}
    clock.advance(60)
    cache.set("other", b"1")
    assert len(cache.table) == 1


def test_a_clock_that_is_set_back_breaks_nothing(clock: FakeClock):
    """When the time jumps back, entries live longer, and are reclaimed all the same."""
    cache = InMemoryBackend(clock=clock)
    cache.set("before", b"1", ttl=60)
    clock.advance(-3600)
    cache.set("after", b"1", ttl=60)
    assert cache.get("before") == b"1"
    clock.advance(2 * 3600)
    cache.set("other", b"1")
    assert cache.keys() == ["other"]
    assert len(cache.table) == 1


def test_counting_does_not_shift_the_expiry():
    """A counter that is raised all the time expires when it was to, though the clock moves during each call."""
    now = FakeClock()

    def clock() -> float:
        now.advance(0.001)
        return now()

    cache = InMemoryBackend(clock=clock)
    cache.set("key", b"0", ttl=60)
    before = cache.get_entry("key")
    for _ in range(1_000):
        cache.incr("key")
    after = cache.get_entry("key")
    assert before is not None
    assert after is not None
    assert after.expires_at == before.expires_at


def test_the_queue_gives_keys_in_the_order_of_expiry():
    """A bucket is given when all of it has passed, once, and never a key that is not due."""
    queue = ExpiryQueue()
    assert queue.next_due == math.inf
    for number, ttl in enumerate([60, 0.5, 3600, 0.5, 7]):
        queue.add(f"key {number}", 1_000_000.3 + ttl, 1_000_000.3)
    assert queue.due(1_000_000.3 + 0.4) == []
    assert queue.due(1_000_000.3 + 0.6) == ["key 1", "key 3"]
    assert queue.due(1_000_000.3 + 0.6) == []
    assert queue.due(1_000_000.3 + 64) == ["key 4", "key 0"]
    assert queue.queued == 1
    assert 1_003_600.3 <= queue.next_due < 1_003_600.3 + 3600 / 16


def test_the_queue_takes_keys_for_times_that_have_passed():
    """After the clock was set back a key may be queued where the keys were taken out already."""
    queue = ExpiryQueue()
    queue.add("before", 100.0, 90.0)
    assert queue.due(200.0) == ["before"]
    queue.add("after", 100.0, 90.0)
    assert queue.due(200.0) == ["after"]


# -- what it refuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_size_bytes": 0}, ConfigurationError, "max_size_bytes=0"),
        ({"max_size_bytes": -1}, ConfigurationError, "max_size_bytes=-1"),
        ({"max_size_bytes": 1.5}, ConfigurationError, "max_size_bytes=1.5"),
        ({"max_size_bytes": "1"}, ConfigurationError, "max_size_bytes='1'"),
        ({"max_size_bytes": True}, ConfigurationError, "max_size_bytes=True"),
        ({"max_entries": 0}, ConfigurationError, "max_entries=0"),
        ({"max_entries": math.nan}, ConfigurationError, "max_entries=nan"),
        ({"policy": "fifo"}, ConfigurationError, "policy='fifo'.*lru"),
        ({"policy": None}, ConfigurationError, "policy=None.*lru"),
        ({"policy": []}, ConfigurationError, r"policy=\[\].*lru"),
        ({"clock": 5.0}, OptionTypeError, "clock"),
        ({"clock": None}, OptionTypeError, "clock"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options, error, words):
    """A bound that is no whole number above 0, or an unknown policy, raises where it is made and names the option."""
    with pytest.raises(error, match=words):
        InMemoryBackend(**options)


def test_the_clock_is_keyword_only():
    """Only the seed's three options are positional."""
    cache = InMemoryBackend(100, 5, "lru")
    assert cache.max_size_bytes == 100
    with pytest.raises(TypeError):
        InMemoryBackend(100, 5, "lru", FakeClock())


@pytest.mark.parametrize("method", ["set", "add", "touch"])
@pytest.mark.parametrize(
    ("ttl", "error"),
    [
        ("60", TypeError),
        (True, TypeError),
        ([], TypeError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (10**400, ValueError),
    ],
)
def test_a_ttl_that_is_none_is_refused(method, ttl, error):
    """A ttl that is no finite number of seconds raises before anything is written."""
    cache = InMemoryBackend()
    cache.set("key", b"old")
    with pytest.raises(error, match="ttl"):
        cache.touch("key", ttl) if method == "touch" else getattr(cache, method)(f"{method}", b"new", ttl)
    assert cache.get_many(["key", "set", "add"]) == {"key": b"old"}


class Ttl(IntEnum):
    SHORT = 60


@pytest.mark.parametrize("ttl", [60, 60.5, Ttl.SHORT, 1e300, 5e-324], ids=repr)
def test_any_finite_number_of_seconds_is_a_ttl(ttl):
    """Subclasses of int and float are ttls too, and so are the very short and the very long."""
    cache = InMemoryBackend(clock=FakeClock())
    assert cache.set("key", b"value", ttl=ttl) is True
    assert cache.touch("key", ttl) is cache.exists("key")


@pytest.mark.parametrize("ttl", [-math.inf, -(10**400), -5e-324])
def test_a_ttl_far_below_zero_removes(ttl):
    """However far below 0, such a ttl removes the key."""
    cache = InMemoryBackend()
    cache.set("key", b"old")
    assert cache.set("key", b"new", ttl=ttl) is False
    assert cache.exists("key") is False


# -- what else it keeps -----------------------------------------------------------------------------------------


def test_bookkeeping_is_found_under_its_keys():
    """Whoever reads a generation by its key, as a wrapper does, finds what generations() gave."""
    cache = InMemoryBackend()
    generations = cache.generations(["a", "b"])
    expected = {generation_key(name): value for name, value in generations.items()}
    assert cache.get_many(expected) == expected
    stats = cache.get_stats()
    assert (stats.hits, stats.misses, stats.sets, stats.current_entries) == (0, 0, 0, 0)


def test_bookkeeping_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Generations beyond a bound are forgotten, the longest unused first, and made anew with other values."""
    monkeypatch.setattr(memory, "_MOST_BOOKS", 10)
    cache = InMemoryBackend()
    first = cache.generations(["a", "b"])
    for number in range(9):
        cache.generations(["a"])
        cache.generations([str(number)])
    assert len(cache._books) == 10
    second = cache.generations(["a", "b"])
    assert second["a"] == first["a"]
    assert second["b"] != first["b"]


def test_leases_that_ran_out_are_forgotten(clock: FakeClock):
    """Leases that nobody released do not pile up."""
    cache = InMemoryBackend(clock=clock)
    for number in range(2_000):
        cache.lock(f"name {number}", lease=1).acquire()
        clock.advance(0.01)
    assert len(cache._books) < 200


def test_a_closed_store_holds_nothing():
    """close() frees the entries, and statistics can still be read."""
    cache = InMemoryBackend()
    cache.set("key", b"value")
    cache.generations(["tag"])
    cache.close()
    assert len(cache.table) == len(cache._books) == cache.get_stats().current_entries == 0
    for call in (
        cache.keys,
        lambda: cache.get_entry("key"),
        lambda: cache.touch("key", 1),
        lambda: cache.incr("key"),
        lambda: cache.generations(["tag"]),
        lambda: cache.lock("x").acquire(),
    ):
        with pytest.raises(BackendClosedError):
            call()


def test_a_dropped_store_is_freed():
    """No reference cycle, fork hook or entry keeps a store that nobody has any more."""
    cache = InMemoryBackend()
    cache.set("key", b"value", ttl=60, metadata={"a": 1})
    reference, its_table = weakref.ref(cache), weakref.ref(cache.table)
    del cache
    gc.collect()
    assert reference() is None
    assert its_table() is None
    assert its_table not in table._tables._guarded


def test_a_repr_shows_no_values():
    """The repr tells how full it is, and nothing of what is in it."""
    cache = InMemoryBackend()
    cache.set("secret key", b"secret value")
    assert repr(cache) == "<InMemoryBackend entries=1 size_bytes=12>"


def test_a_str_subclass_is_a_key():
    """A key may be of a subclass of str, such as a member of a StrEnum."""

    class Key(str):
        __slots__ = ()

    cache = InMemoryBackend()
    cache.set(Key("a"), b"1")
    assert cache.get("a") == cache.get(Key("a")) == b"1"


def test_an_unknown_policy_names_those_there_are():
    """make_policy raises an error that lists the policies."""
    assert len(make_policy("lru", RLock())) == 0
    with pytest.raises(ConfigurationError, match=r"policy='mru'.*\['arc', 'lru', 's3fifo'\]"):
        make_policy("mru", RLock())
