"""The memory store's table: tags, fences and shortcuts."""

import gc
import weakref
from collections.abc import Callable, Iterable

import pytest

from cachelayer.backends import table as table_module
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.table import EntryTable
from cachelayer.backends.table_entries import NEVER, ObjectEntry
from cachelayer.backends.tags import Shortcut, Tag
from cachelayer.testing import FakeClock


class Work:
    """A computation under way."""

    def __init__(self, key: str, tags: Iterable[Tag] = ()) -> None:
        self.key, self.tags, self.broken = key, tuple(tags), False

    def intact(self) -> bool:
        """Whether nothing touched its key or tags."""
        return not self.broken and all(tag.alive for tag in self.tags)


@pytest.fixture
def clock() -> FakeClock:
    """The store's time."""
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> InMemoryBackend:
    """A store."""
    return InMemoryBackend(clock=clock)


@pytest.fixture
def table(store: InMemoryBackend) -> EntryTable:
    """Its table."""
    return store.table


def entry(table: EntryTable, key: str, *tags: str, payload: object = b"value", size: int = 5) -> ObjectEntry:
    """Return an entry under these tags."""
    held = tuple(map(table.tag, tags))
    return ObjectEntry(key, payload, NEVER, table.clock(), size=size, tags=held)


def begin(table: EntryTable, key: str, *tags: str) -> Work:
    """Begin a computation that others could join."""
    work = Work(key, map(table.tag, tags))
    table.computing.flying[key] = work
    return work


# -- tags -------------------------------------------------------------------------------------------------------


def test_invalidating_a_tag_kills_its_entries_at_once(store: InMemoryBackend, table: EntryTable):
    """Entries under an invalidated tag are gone for every reader; the others stay."""
    for key, tags in {"a": ["x"], "b": ["x", "y"], "c": ["y"], "d": []}.items():
        table.put(entry(table, key, *tags))
    assert table.invalidate(["x", "unknown"]) == 2
    assert store.get_many("abcd") == {"c": b"value", "d": b"value"}
    assert store.keys() == ["c", "d"]


def test_invalidating_looks_at_no_entry(table: EntryTable):
    """Invalidation is O(1): all entries are still in the table, and are reclaimed a few with each write."""
    for number in range(1_000):
        table.put(entry(table, f"key {number}", "x"))
    table.invalidate(["x"])
    assert len(table) == 1_000
    for number in range(20):
        table.put(entry(table, f"other {number}"))
    assert len(table) == 20
    assert table.size == 100
    assert not table._condemned


def test_room_is_made_of_dead_entries_first(table: EntryTable, monkeypatch: pytest.MonkeyPatch):
    """Where there is room to be had from invalidated entries, no living one is evicted."""
    monkeypatch.setattr(table_module, "_RECLAIM", 1)
    store = InMemoryBackend(max_size_bytes=50)
    store.set("oldest", b"12345")
    for number in range(9):
        store.table.put(entry(store.table, f"tagged {number}", "x"))
    store.table.invalidate(["x"])
    store.set("large", b"1" * 45)
    assert store.keys() == ["oldest", "large"]
    assert store.get_stats().evictions == 0


def test_an_invalidated_entry_that_is_replaced_gives_its_room_back_once(monkeypatch: pytest.MonkeyPatch):
    """Sizes stay right when room for a new value is made of the very entry that it replaces."""
    monkeypatch.setattr(table_module, "_RECLAIM", 1)
    for round_ in range(20):
        table = InMemoryBackend(max_size_bytes=10).table
        for key in "abc":
            table.put(entry(table, key, "x", size=3))
        table.invalidate(["x"])
        table.put(entry(table, "abc"[round_ % 3], size=10))
        assert table.size == sum(item.size for item in table._entries.values()) == 10


def test_a_tag_lives_again_under_its_name(store: InMemoryBackend, table: EntryTable):
    """After an invalidation the name stands for a new tag, whose entries live."""
    table.put(entry(table, "a", "x"))
    table.invalidate(["x"])
    table.put(entry(table, "b", "x"))
    assert store.keys() == ["b"]
    assert table.count_under("x") == 1
    assert table.invalidate(["x"]) == 1


def test_an_overwritten_entry_leaves_its_tags(store: InMemoryBackend, table: EntryTable):
    """A tag that an entry no longer has does not kill it."""
    table.put(entry(table, "a", "x"))
    table.put(entry(table, "a", "y"))
    assert table.count_under("x") == 0
    table.invalidate(["x"])
    assert store.get("a") == b"value"
    table.put(entry(table, "a", "y"))
    assert table.invalidate(["y"]) == 1


@pytest.mark.parametrize("how", ["remove", "overwrite", "expire", "evict", "clear", "invalidate"])
def test_a_tag_without_entries_is_forgotten(clock: FakeClock, how: str):
    """However the last entry of a tag goes, nothing of the tag is left."""
    table = InMemoryBackend(max_entries=1, clock=clock).table
    table.put(entry(table, "a", "x"))
    if how == "remove":
        table.remove("a")
    elif how == "overwrite":
        table.put(entry(table, "a"))
    elif how == "expire":
        table.expire_at("a", 10)
        clock.advance(20)
        table.purge()
    elif how == "evict":
        table.put(entry(table, "b"))
    elif how == "clear":
        table.clear()
    else:
        table.invalidate(["x"])
        table.put(entry(table, "b"))
    gc.collect()
    assert len(table._tags) == 0
    assert table.count_under("x") == 0


def test_clearing_leaves_a_tag_that_is_in_use_empty(store: InMemoryBackend, table: EntryTable):
    """A tag that a function holds lives on after a clear, without entries."""
    tag = table.tag("x")
    table.put(entry(table, "a", "x"))
    store.clear()
    assert tag.alive is True
    assert tag.keys == set()
    assert table.invalidate(["x"]) == 0


def test_invalidating_for_ever_piles_nothing_up(table: EntryTable):
    """Tags that are made and invalidated without entries leave nothing behind."""
    for _ in range(100):
        tag = table.tag("x")
        table.invalidate(["x"])
        assert tag.alive is False
    assert len(table._condemned) == len(table._tags) == 0


# -- fences -----------------------------------------------------------------------------------------------------

FENCING: dict[str, tuple[Callable[[InMemoryBackend], object], bool]] = {
    "nothing": (lambda store: None, True),
    "a read": (lambda store: store.get("key"), True),
    "another key's write": (lambda store: store.set("other", b"1"), True),
    "another key's delete": (lambda store: store.delete("other"), True),
    "another tag's invalidation": (lambda store: store.table.invalidate(["other"]), True),
    "a write": (lambda store: store.set("key", b"newer"), False),
    "a write that is refused": (lambda store: store.set("key", b"newer", ttl=0), False),
    "a count": (lambda store: store.incr("key"), False),
    "an add": (lambda store: store.add("key", b"newer"), False),
    "a delete": (lambda store: store.delete("key"), False),
    "a clear": (lambda store: store.clear(), False),
    "its tag's invalidation": (lambda store: store.table.invalidate(["tag"]), False),
    "its tag's invalidation and renewal": (lambda store: renew(store.table), False),
}


def renew(table: EntryTable) -> None:
    """Invalidate the tag and use it again."""
    table.invalidate(["tag"])
    table.put(entry(table, "other", "tag"))


@pytest.mark.parametrize(("meanwhile", "is_stored"), FENCING.values(), ids=FENCING)
def test_what_happens_meanwhile_decides(store: InMemoryBackend, meanwhile: Callable, is_stored: bool):
    """A result is stored unless its key or a tag was touched since its computation began."""
    work = begin(store.table, "key", "tag")
    meanwhile(store)
    before = store.get("key")
    result = ObjectEntry("key", b"computed", NEVER, 0.0, size=8, tags=work.tags)
    assert store.table.commit(work, result) is is_stored
    assert store.get("key") == (b"computed" if is_stored else before)


def test_a_computation_that_began_later_is_stored(store: InMemoryBackend):
    """What was invalidated before a computation began does not concern it."""
    begin(store.table, "key", "tag")
    store.delete("key")
    store.table.invalidate(["tag"])
    work = begin(store.table, "key", "tag")
    assert store.table.commit(work, entry(store.table, "key", "tag")) is True
    assert store.table.computing.flying == {}


def test_lone_computations_are_fenced_too(store: InMemoryBackend):
    """Computations that nobody joins are fenced off by key, all of them, and are forgotten when they end."""
    computing = store.table.computing
    works = [Work("key"), Work("key"), Work("other")]
    for work in works:
        computing.add_lone(work)
    store.set("key", b"newer")
    assert [work.intact() for work in works] == [False, False, True]
    store.clear()
    assert works[2].intact() is False
    for work in works:
        computing.remove(work)
    assert computing.lone == computing.flying == {}


def test_an_eviction_is_no_invalidation():
    """A result is stored although the old one was evicted while it was computed."""
    table = InMemoryBackend(max_entries=1).table
    table.put(entry(table, "key"))
    work = begin(table, "key")
    table.put(entry(table, "other"))
    assert table.commit(work, entry(table, "key")) is True


def test_an_entry_that_was_overwritten_since_it_was_found_is_not_missing(table: EntryTable):
    """Who finds an entry just before it is overwritten gets the new one."""
    old, new = entry(table, "key", payload=b"old"), entry(table, "key", payload=b"new")
    table.put(old)
    found = [table.find("key")]
    table.put(new)
    find = table.find
    table.find = lambda key: found.pop() if found else find(key)
    assert table.live("key") is new


# -- shortcuts --------------------------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[InMemoryBackend], object]] = {
    "delete": lambda store: store.delete("key"),
    "overwrite": lambda store: store.set("key", b"newer"),
    "a refused write": lambda store: store.set("key", b"newer", ttl=0),
    "clear": lambda store: store.clear(),
    "close": lambda store: store.close(),
    "eviction": lambda store: store.set("large", b"1" * 20),
    "its tag": lambda store: store.table.invalidate(["tag"]),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_a_shortcut_ends_with_its_entry(end: Callable):
    """However an entry goes, the shortcut to it goes at the same time, and the entry is marked as dead."""
    store = InMemoryBackend(max_size_bytes=20)
    shortcut, item = Shortcut(), entry(store.table, "key", "tag")
    store.table.put(item)
    store.table.link(item, (shortcut, ("place",), 1))
    assert shortcut == {("place",): item}
    end(store)
    store.table.purge()
    assert shortcut == {}
    assert item.expires <= store.clock()
    assert item.fresh_until <= store.clock()


def test_a_shortcut_to_what_is_gone_is_not_made(table: EntryTable):
    """An entry that died between its lookup and the link is not linked."""
    shortcut, item = Shortcut(), entry(table, "key", "tag")
    table.put(item)
    table.put(entry(table, "key", "tag"))
    table.link(item, (shortcut, "place", 1))
    assert shortcut == {}


def test_only_watched_tags_empty_a_shortcut(table: EntryTable):
    """The tags behind the watched ones are for the reader to look at: their death leaves the shortcut."""
    shortcut, item = Shortcut(), entry(table, "key", "watched", "looked at")
    table.put(item)
    table.link(item, (shortcut, "place", 1))
    table.invalidate(["looked at"])
    assert shortcut == {"place": item}
    assert any(not tag.alive for tag in item.tags)


def test_an_entry_holds_no_function(table: EntryTable):
    """A shortcut is freed with its function, whatever entries it led to."""
    shortcut, item = Shortcut(), entry(table, "key", "tag")
    table.put(item)
    table.link(item, (shortcut, "place", 1))
    reference = weakref.ref(shortcut)
    del shortcut
    gc.collect()
    assert reference() is None
    assert table.remove("key") is True


def test_a_shortcut_in_the_place_of_a_dead_one_is_watched(table: EntryTable):
    """A tag empties the shortcuts of functions that came after one that is gone, at whatever address they are."""
    tag = table.tag("tag")
    for number in range(50):
        shortcut, item = Shortcut(), entry(table, f"key {number}", "tag")
        table.put(item)
        table.link(item, (shortcut, "place", 1))
        del shortcut
    shortcuts = [Shortcut() for _ in range(50)]
    for number, shortcut in enumerate(shortcuts):
        item = entry(table, f"key {number}", "tag")
        table.put(item)
        table.link(item, (shortcut, "place", 1))
    assert table.tag("tag") is tag
    table.invalidate(["tag"])
    assert [len(shortcut) for shortcut in shortcuts] == [0] * 50


def test_hits_through_a_shortcut_are_the_stores(store: InMemoryBackend):
    """Hits that a function counts by itself are in the store's statistics, once, from when they are declared."""
    from cachelayer.counters import Counter

    counter = Counter()
    counter.tick()
    store.table.count_hits_of(counter)
    store.table.count_hits_of(counter)
    counter.tick()
    counter.tick()
    store.set("key", b"1")
    store.get("key")
    stats = store.get_stats()
    assert stats.hits == 3
    stats.reset()
    assert store.get_stats().hits == 0
    counter.tick()
    assert store.get_stats().hits == 1


def test_one_very_entry_can_be_discarded(store: InMemoryBackend):
    """Discard removes the entry that is meant, not the one that took its place, and counts no delete."""
    first, second = entry(store.table, "key"), entry(store.table, "key")
    store.table.put(first)
    store.table.put(second)
    store.table.discard(first)
    assert store.exists("key") is True
    store.table.discard(second)
    assert store.exists("key") is False
    assert store.get_stats().deletes == 0
