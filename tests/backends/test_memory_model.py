"""The memory store against a model of a few lines: the same calls in any order give the same answers."""

# ruff: noqa: D102 - the methods are the contract's

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from cachelayer.backends import table as table_module
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.table_entries import NEVER, ObjectEntry
from cachelayer.flow.flights import Flights
from cachelayer.testing import FakeClock

MAX_SIZE, MAX_ENTRIES = 40, 6

KEYS = st.sampled_from("abcdefgh")
VALUES = st.integers(0, 45).map(lambda size: b"1" * size)
TTLS = st.sampled_from([None, None, 0.5, 1, 7, 60, 0, -1])
TAGS = st.sets(st.sampled_from("xyz"), max_size=2)


class Item:
    """An entry of the model."""

    def __init__(self, value: bytes, expires: float, tags: Iterable[str] = ()) -> None:
        self.value, self.expires, self.tags = value, expires, frozenset(tags)


class MemoryModel(RuleBasedStateMachine):
    """A list of items in the order of their last use, the least recent first, for a store that is purged at once."""

    computations = Bundle("computations")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = InMemoryBackend(MAX_SIZE, MAX_ENTRIES, clock=self.clock)
        self.flights = Flights(self.store.table.computing)
        self.items: dict[str, Item] = {}  # in the order of use
        self.counts = dict.fromkeys(["hits", "misses", "sets", "deletes", "evictions"], 0)
        self.invalidations = 0
        self.touched: dict[str, int] = {}

    # -- the model ----------------------------------------------------------------------------------------------

    def use(self, key: str) -> None:
        self.items[key] = self.items.pop(key)

    def invalidated(self, *what: str) -> None:
        self.invalidations += 1
        self.touched.update(dict.fromkeys(what, self.invalidations))

    def remove(self, key: str) -> bool:
        self.invalidated("key " + key)
        found = self.items.pop(key, None) is not None
        self.counts["deletes"] += found
        return found

    def put(self, key: str, item: Item) -> bool:
        self.items.pop(key, None)
        if len(item.value) > MAX_SIZE:
            return False
        while self.items and not self.fits(item):
            del self.items[next(iter(self.items))]
            self.counts["evictions"] += 1
        self.items[key] = item
        self.counts["sets"] += 1
        return True

    def fits(self, item: Item) -> bool:
        size = sum(len(other.value) for other in self.items.values())
        return size + len(item.value) <= MAX_SIZE and len(self.items) < MAX_ENTRIES

    def set_item(self, key: str, value: bytes, ttl: float | None) -> bool:
        if ttl is not None and ttl <= 0:
            self.remove(key)
            return False
        self.invalidated("key " + key)
        return self.put(key, Item(value, NEVER if ttl is None else self.clock() + ttl))

    # -- the calls ----------------------------------------------------------------------------------------------

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def set_value(self, key: str, value: bytes, ttl: float | None) -> None:
        assert self.store.set(key, value, ttl) == self.set_item(key, value, ttl)

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def add(self, key: str, value: bytes, ttl: float | None) -> None:
        expected = key not in self.items and self.set_item(key, value, ttl)
        assert self.store.add(key, value, ttl) == expected

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        item = self.items.get(key)
        if item is not None:
            self.use(key)
        self.counts["misses" if item is None else "hits"] += 1
        assert self.store.get(key) == (None if item is None else item.value)

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        item, entry = self.items.get(key), self.store.get_entry(key)
        assert self.store.exists(key) is (item is not None)
        assert (entry is None) is (item is None)
        if item is not None and entry is not None:
            expires = NEVER if entry.expires_at is None else entry.expires_at
            assert (entry.value, entry.size_bytes, expires) == (item.value, len(item.value), item.expires)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.store.delete(key) is self.remove(key)

    @rule(key=KEYS, ttl=TTLS)
    def touch(self, key: str, ttl: float | None) -> None:
        item = self.items.get(key)
        if ttl is not None and ttl <= 0:
            self.remove(key)
            assert self.store.touch(key, ttl) is False
            return
        if item is not None:
            item.expires = NEVER if ttl is None else self.clock() + ttl
        assert self.store.touch(key, ttl) is (item is not None)

    @rule(key=KEYS, delta=st.integers(-20, 1000))
    def incr(self, key: str, delta: int) -> None:
        item = self.items.get(key)
        old = b"0" if item is None else item.value
        if not old:
            return  # b"" is no integer, as the contract suite tests
        total = int(old) + delta
        self.invalidated("key " + key)
        self.put(key, Item(b"%d" % total, NEVER if item is None else item.expires))
        assert self.store.incr(key, delta) == total

    @rule(key=KEYS, value=VALUES, expected=st.none() | VALUES)
    def compare_and_set(self, key: str, value: bytes, expected: bytes | None) -> None:
        held = self.items[key].value if key in self.items else None
        stored = held == expected and self.set_item(key, value, None)
        assert self.store.compare_and_set(key, value, {key: expected}) is stored

    @rule()
    def clear(self) -> None:
        self.invalidated(*("key " + key for key in "abcdefgh"))
        assert self.store.clear() == len(self.items)
        self.items.clear()

    @rule(seconds=st.sampled_from([0.25, 0.5, 1, 3, 30, 100]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.items = {key: item for key, item in self.items.items() if item.expires > self.clock()}
        self.purge()

    # -- tags and fences ----------------------------------------------------------------------------------------

    @rule(key=KEYS, value=VALUES, tags=TAGS)
    def put_tagged(self, key: str, value: bytes, tags: set[str]) -> None:
        self.invalidated("key " + key)
        expected = self.put(key, Item(value, NEVER, tags))
        assert self.store.table.put(self.tagged(key, value, tags)) is expected

    @rule(names=TAGS)
    def invalidate(self, names: set[str]) -> None:
        self.invalidated(*("tag " + name for name in names))
        dead = {key for key, item in self.items.items() if item.tags & names}
        self.store.table.invalidate(names)
        assert all(self.store.get_entry(key) is None for key in dead)
        for key in dead:
            del self.items[key]
        self.purge()

    @rule(target=computations, key=KEYS, tags=TAGS)
    def begin(self, key: str, tags: set[str]) -> tuple:
        flight = self.flights.alone(key)
        flight.tags = tuple(map(self.store.table.tag, sorted(tags)))
        return flight, tags, self.invalidations

    @rule(computation=consumes(computations), value=VALUES)
    def commit(self, computation: tuple, value: bytes) -> None:
        flight, tags, since = computation
        fences = ["key " + flight.key, *("tag " + tag for tag in tags)]
        broken = any(self.touched.get(what, 0) > since for what in fences)
        entry = ObjectEntry(flight.key, value, NEVER, self.clock(), size=len(value), tags=flight.tags)
        expected = not broken and self.put(flight.key, Item(value, NEVER, tags))
        assert self.store.table.commit(flight, entry) is expected
        self.flights.abandon(flight)

    def tagged(self, key: str, value: bytes, tags: Iterable[str]) -> ObjectEntry:
        held = tuple(map(self.store.table.tag, sorted(tags)))
        return ObjectEntry(key, value, NEVER, self.clock(), size=len(value), tags=held)

    # -- what always holds --------------------------------------------------------------------------------------

    def purge(self) -> None:
        self.store.table.purge()

    @invariant()
    def bounds_hold(self) -> None:
        table = self.store.table
        assert len(table) <= MAX_ENTRIES
        assert table.size == sum(_size(entry) for entry in table._entries.values()) <= MAX_SIZE

    @invariant()
    def entries_are_the_same_in_the_same_order(self) -> None:
        assert self.store.keys() == list(self.items)

    @invariant()
    def counters_are_exact(self) -> None:
        stats = self.store.get_stats()
        assert {name: getattr(stats, name) for name in self.counts} == self.counts
        assert stats.current_entries == len(self.items)

    def teardown(self) -> None:
        table = self.store.table
        self.store.clear()
        assert (len(table), table.size, table._expiry.queued, len(table._condemned)) == (0, 0, 0, 0)


class LazyMemoryModel(MemoryModel):
    """The same, where nothing is purged by the test: dead entries take space until a write reclaims them.

    So living entries may be evicted earlier; still in the exact order of their use.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_once = table_module._RECLAIM
        table_module._RECLAIM = 1

    def teardown(self) -> None:
        table_module._RECLAIM = self.at_once
        super().teardown()

    def purge(self) -> None:
        pass

    def put(self, key: str, item: Item) -> bool:
        self.pending = key
        stored = len(item.value) <= MAX_SIZE
        self.items.pop(key, None)
        if stored:
            self.items[key] = item
        return stored

    @invariant()
    def bounds_hold(self) -> None:
        super().bounds_hold()
        queue = self.store.table._expiry
        assert queue.queued == sum(map(len, queue._buckets.values()))

    @invariant()
    def entries_are_the_same_in_the_same_order(self) -> None:
        living = [
            entry.key for entry in list(self.store.table._entries.values()) if self.store.exists(entry.key)
        ]
        lost = len(self.items) - len(living)
        assert list(self.items)[lost:] == living
        self.items = {key: self.items[key] for key in living}

    @invariant()
    def counters_are_exact(self) -> None:
        table = self.store.table
        assert (table.hit_count, table.misses.value) == (self.counts["hits"], self.counts["misses"])


def _size(entry) -> int:
    return entry.size if isinstance(entry, ObjectEntry) else len(entry.payload)


MemoryModel.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
LazyMemoryModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestMemoryModel = MemoryModel.TestCase
TestLazyMemoryModel = LazyMemoryModel.TestCase
