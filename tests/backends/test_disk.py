"""The disk store: the contract, bounds, eviction, what is reclaimed, and options."""

# ruff: noqa: D102, D103 - fixtures and hooks are named for what they give

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cachelayer.backends.disk import DiskBackend
from cachelayer.errors import BackendClosedError, ConfigurationError, OptionTypeError
from cachelayer.testing import FakeClock
from cachelayer.testing.contract import BackendContract, ContractBase
from cachelayer.testing.contract.lifetimes import Lifetimes
from cachelayer.testing.contract.locks import Locks
from cachelayer.testing.crowds import PATIENCE, in_threads


class TestDisk(BackendContract):
    warns_when_not_closed = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "cache.db"

    def make_backend(self) -> DiskBackend:
        return DiskBackend(self.path, clock=self.clock)

    def make_neighbour(self) -> DiskBackend:
        return DiskBackend(self.path, namespace="neighbour", clock=self.clock)

    def corrupt(self, backend: DiskBackend, key: str) -> bool:
        damage(self.path, key)
        return True


class TestDiskInRealTime(Lifetimes, Locks, ContractBase):
    """What is about time, once more by the clock that users have."""

    own_clock = True
    tick = 0.3
    resolution = 0.1

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "cache.db"

    def make_backend(self) -> DiskBackend:
        return DiskBackend(self.path)


def damage(path: Path, key: str, value: object = b"rubbish") -> None:
    """Change a value behind the backend's back."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    changed = connection.execute("UPDATE entries SET value = ? WHERE name = ?", (value, key.encode()))
    assert changed.rowcount == 1
    connection.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock) -> Iterator[Callable[..., DiskBackend]]:
    """Make backends over one file, all closed at the end."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            DiskBackend(tmp_path / "cache.db", **{"clock": clock, **options})
        )


Make = Callable[..., DiskBackend]


# -- bounds and eviction ----------------------------------------------------------------------------------------


def test_the_byte_bound_holds_after_every_write(make: Make):
    """The sizes of the values never add up to more than max_size_bytes, whatever is written (18)."""
    backend, source = make(max_size_bytes=1000), random.Random(3)
    for number in range(300):
        backend.set(f"key {source.randrange(40)}", b"x" * source.randrange(1, 200))
        stats = backend.get_stats()
        assert stats.current_size_bytes is not None
        assert stats.current_size_bytes <= 1000
        assert stats.current_entries == len(backend.keys())
        assert backend.exists(f"key {number}") is False or number < 40
    assert stats.current_size_bytes == sum(map(len, backend.get_many(backend.keys()).values()))
    assert stats.current_size_bytes > 600


def test_the_entry_bound_holds_for_bulk_writes_and_counts(make: Make):
    """max_entries holds for set_many, add, incr and compare_and_set as for set; each eviction is counted (18, 27)."""
    backend = make(max_entries=3)
    assert backend.set_many({str(number): b"1" for number in range(10)}) == 10
    assert backend.keys() == ["7", "8", "9"]
    backend.add("added", b"1")
    backend.incr("counted")
    backend.compare_and_set("compared", b"1", {})
    assert sorted(backend.keys()) == ["added", "compared", "counted"]
    assert backend.get_stats().evictions == 10


def test_the_least_recently_used_goes_first(make: Make):
    """In a small store that is half full eviction is by the order of use, and looking is no use (6, 18)."""
    backend = make(max_entries=4)
    for key in "abcd":
        backend.set(key, b"1")
    backend.get("a")
    backend.get_many(["b"])
    backend.exists("c")
    backend.get_entry("c")
    backend.set("e", b"1")
    assert sorted(backend.keys()) == ["a", "b", "d", "e"]
    backend.set("a", b"2")
    backend.set_many({"f": b"1", "g": b"1"})
    assert sorted(backend.keys()) == ["a", "e", "f", "g"]


def test_a_large_store_keeps_what_is_used(make: Make):
    """With thousands of entries those that are read all the time outlive those that are not (18)."""
    backend = make(max_entries=2000)
    hot = [f"hot {number}" for number in range(200)]
    backend.set_many(dict.fromkeys(hot, b"1"))
    for start in range(0, 20_000, 250):
        backend.set_many({f"cold {number}": b"1" for number in range(start, start + 250)})
        for key in hot:
            backend.get(key)
    assert len(backend.get_many(hot)) == len(hot)
    assert backend.get_stats().current_entries <= 2000


def test_reads_of_one_process_keep_an_entry_from_the_eviction_of_another(make: Make):
    """What one backend reads often enough is not evicted by another that never does (18)."""
    reader, writer = make(max_entries=2000), make(max_entries=2000)
    writer.set_many({f"old {number}": b"1" for number in range(2000)})
    for number in range(300):
        assert reader.get(f"old {number}") == b"1"
    writer.set_many({f"new {number}": b"1" for number in range(1000)})
    kept = writer.get_many([f"old {number}" for number in range(300)])
    assert len(kept) >= 256  # the last ones that were read may still wait in the reader's memory


def test_a_read_writes_nothing(make: Make, tmp_path: Path):
    """Hits and misses leave the file and its log as they are (6)."""
    backend = make()
    backend.set("key", b"value")
    before = (tmp_path / "cache.db-wal").stat()
    for _ in range(1000):
        backend.get("key")
        backend.get("missing")
    after = (tmp_path / "cache.db-wal").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_value_larger_than_the_cache_is_refused(make: Make):
    """It is not stored, alone or in bulk, and the old one under its key is gone; the others stay (16, 18)."""
    backend = make(max_size_bytes=100)
    backend.set_many({"key": b"old", "other": b"old"})
    assert backend.set("key", b"x" * 101) is False
    assert backend.get("key") is None
    assert backend.set_many({"other": b"x" * 101, "fits": b"x" * 100}) == 1
    assert backend.keys() == ["fits"]
    assert backend.add("added", b"x" * 101) is False
    assert backend.compare_and_set("fits", b"x" * 101, {}) is False
    assert backend.keys() == []


def test_bookkeeping_is_bounded_by_itself(make: Make, monkeypatch: pytest.MonkeyPatch):
    """Generations take no entry's place, and beyond their own bound the least recently used is lost (17)."""
    monkeypatch.setattr("cachelayer.backends.disk.backend._MOST_BOOKS", 10)
    backend = make(max_entries=2)
    backend.set_many({"a": b"1", "b": b"1"})
    first = backend.generations(["kept"])
    for number in range(30):
        backend.generations([f"tag {number}"])
        assert backend.generations(["kept"]) == first
    assert sorted(backend.keys()) == ["a", "b"]
    assert len(backend._run(_names_of_books)) == 10
    assert backend.get_stats().evictions == 0


def _names_of_books(connection: Any) -> list[Any]:
    return connection.execute("SELECT name FROM entries WHERE space = ?", (connection.spaces[1],)).fetchall()


# -- what has expired -------------------------------------------------------------------------------------------


def _stored(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


def test_writes_reclaim_what_has_expired(make: Make, clock: FakeClock):
    """Some writes of other keys, in whichever namespace, take expired rows off the disk, a few at a time (12)."""
    backend, neighbour = make(), make(namespace="neighbour")
    neighbour.set_many({f"key {number}": b"value" for number in range(100)}, ttl=10)
    clock.advance(20)
    seen = [backend._run(_stored)]
    for number in range(16):
        backend.set("other", b"%d" % number)
        seen.append(backend._run(_stored))
    assert seen[0] == 100
    assert max(before - after for before, after in pairwise(seen)) <= 64
    assert seen[-1] == 1


def test_statistics_leave_out_what_has_expired(make: Make, clock: FakeClock):
    """Entries and bytes are those of living entries, however many dead ones are still on the disk (12, 27)."""
    backend = make()
    backend.set_many({f"key {number}": b"value" for number in range(2500)}, ttl=10)
    backend.set("other", b"four")
    clock.advance(20)
    for left in (1501, 501, 1):
        stats = backend.get_stats()
        assert (stats.current_entries, stats.current_size_bytes) == (1, 4)
        assert backend._run(_stored) == left


def test_the_totals_hold_after_everything(make: Make, clock: FakeClock):
    """The totals that are kept along the way are those that a count gives, after any mixture of operations (27)."""
    backend, neighbour, source = (
        make(max_size_bytes=3000),
        make(namespace="neighbour", max_entries=20),
        random.Random(5),
    )
    for _ in range(800):
        _operate(source.choice([backend, neighbour]), source)
        clock.advance(source.random())
    counted = "SELECT space, count(*), sum(size), sum(length(value)) FROM entries GROUP BY space"
    kept = "SELECT id, entries, size, size FROM spaces WHERE entries > 0"
    rows = backend._run(lambda connection: connection.execute(counted).fetchall())
    assert sorted(rows) == sorted(backend._run(lambda connection: connection.execute(kept).fetchall()))
    assert len(rows) == 4


def _operate(store: DiskBackend, source: random.Random) -> None:
    key, value = f"key {source.randrange(60)}", bytes(source.randrange(300))
    ttl = source.choice([None, 5, 50])
    operations: list[Callable[[], object]] = [
        lambda: store.set(key, value, ttl),
        lambda: store.set(key, value, ttl),
        lambda: store.add(key, value, ttl),
        lambda: store.delete(key),
        lambda: store.touch(key, ttl),
        lambda: store.incr("count"),
        lambda: store.generations([key]),
        lambda: store.clear() if source.random() < 0.1 else 0,
    ]
    source.choice(operations)()


# -- namespaces, damage -----------------------------------------------------------------------------------------


def test_namespaces_are_apart(make: Make):
    """Keys, generations, counts and bounds of one namespace are nothing to another in the same file (17)."""
    ours, theirs = make(max_entries=2), make(namespace="theirs", max_entries=100)
    theirs.set_many({str(number): b"theirs" for number in range(50)})
    ours.set("1", b"ours")
    assert ours.get("1") == b"ours"
    assert theirs.get("1") == b"theirs"
    assert ours.generations(["tag"]) != theirs.generations(["tag"])
    assert ours.keys() == ["1"]
    assert ours.get_stats().current_entries == 1
    assert ours.clear() == 1
    assert theirs.get_stats().current_entries == 50


def test_two_backends_of_one_namespace_are_one_cache(make: Make):
    """What one wrote the other reads, deletes and clears (17)."""
    first, second = make(namespace="same"), make(namespace="same")
    first.set("key", b"value")
    assert second.get("key") == b"value"
    assert second.delete("key") is True
    assert first.get("key") is None


@pytest.mark.parametrize("value", [b"rubbish", "text", 5, 1.5, b""], ids=repr)
def test_a_damaged_value_is_a_miss(make: Make, tmp_path: Path, value: object, caplog: Any):
    """Bytes that do not fit their checksum are missing to every method, counted once, and logged (21)."""
    backend = make()
    backend.set_many({"key": b"value", "whole": b"value"})
    damage(tmp_path / "cache.db", "key", value)
    assert backend.get("key") is None
    assert backend.counters.corrupted.value == 1
    assert backend.exists("key") is False
    assert backend.add("key", b"again") is True
    assert backend.get("whole") == b"value"
    assert "damaged" in caplog.text
    assert backend.diagnose()[0].startswith("1 damaged values were found")


@pytest.mark.parametrize(
    "change", ["""metadata = '{"a":2}'""", "metadata = 5", "metadata = NULL", "value = CAST(x'FF' AS TEXT)"]
)
def test_other_damage_is_a_miss(make: Make, change: str):
    """Metadata is covered by the checksum too, and text that is none is no error of decoding (21, 31)."""
    backend = make()
    backend.set("key", b"value", metadata={"a": 1})
    statement = f"UPDATE entries SET {change}"
    backend._run(lambda connection: connection.execute(statement).rowcount)
    assert backend.get_entry("key") is None
    assert backend.get_many(["key"]) == {}


# -- bulk, scanning, async ---------------------------------------------------------------------------------------


def test_a_bulk_read_sees_one_moment(make: Make):
    """get_many reads entries and generations in one transaction: never one before a write and one after it (7)."""
    reader, writer = make(), make()
    names = [f"key {number}" for number in range(300)]
    writer.set_many(dict.fromkeys(names, b"0"))
    stop = threading.Event()

    def work(number: int) -> set[frozenset[bytes]]:
        seen: set[frozenset[bytes]] = set()
        if number == 0:
            for step in range(30):
                writer.set_many(dict.fromkeys(names, b"%d" % step))
            stop.set()
        while not stop.is_set():
            seen.add(frozenset(reader.get_many(names).values()))
        return seen

    seen = set().union(*in_threads(2, work))
    assert seen
    assert all(len(values) == 1 for values in seen)


@pytest.mark.asyncio
async def test_scans_go_page_by_page(make: Make):
    """Scan and its twin read a page when they get there, so that they need not hold all keys (15)."""
    backend = make()
    backend.set_many({f"key {number:04}": b"1" for number in range(1200)})
    scan, ascan = backend.scan(), backend.ascan()
    seen, aseen = [next(scan)], [await anext(ascan)]
    backend.delete("key 1100")
    backend.delete("key 0002")
    seen += scan
    aseen += [key async for key in ascan]
    assert len(seen) == len(aseen) == 1199
    assert "key 0002" in seen
    assert "key 1100" not in seen
    assert [key async for key in backend.ascan("key 000[!2]")] == [f"key 000{n}" for n in "013456789"]


@pytest.mark.asyncio
async def test_async_calls_leave_the_event_loop_alone(make: Make, tmp_path: Path):
    """While an async call waits for a busy file, the event loop goes on (25)."""
    backend = make(timeout=30)
    other = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(backend.aset("key", b"value"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert await backend.aget("key") is None
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    assert await waiting is True


# -- life cycle --------------------------------------------------------------------------------------------------


def test_close_closes_every_connection(make: Make, tmp_path: Path):
    """After close no thread's connection holds the file, and the log has become part of it (23, 25)."""
    backend = make()
    in_threads(8, lambda number: backend.set(f"key {number}", b"value"))
    assert {path.name for path in tmp_path.iterdir()} == {"cache.db", "cache.db-wal", "cache.db-shm"}
    backend.close()
    assert [path.name for path in tmp_path.iterdir()] == ["cache.db"]


def test_threads_that_end_leave_no_connections(make: Make):
    """Connections are as many as were needed at once, not as many as there were threads (24)."""
    backend = make()
    for number in range(20):
        in_threads(1, lambda _, number=number: backend.set(f"key {number}", b"value"))
    assert len(backend._pool._open) == 1


def test_an_operation_under_way_survives_close(make: Make, tmp_path: Path):
    """A call that has begun when the backend is closed still ends well (23)."""
    backend = make()
    entered, closed = threading.Event(), threading.Event()

    def slowly(connection: Any) -> int:
        entered.set()
        assert closed.wait(PATIENCE)
        return int(connection.execute("SELECT 42").fetchone()[0])

    def work(number: int) -> int:
        if number == 0:
            return backend._run(slowly)
        assert entered.wait(PATIENCE)
        backend.close()
        closed.set()
        return 0

    assert in_threads(2, work) == [42, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["cache.db"]
    with pytest.raises(BackendClosedError, match="is closed: make a new one"):
        backend.get("key")


# -- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_size_bytes": 0}, ConfigurationError, "max_size_bytes=0: give a whole number above 0"),
        ({"max_entries": -1}, ConfigurationError, "max_entries=-1"),
        ({"max_entries": True}, ConfigurationError, "max_entries=True"),
        ({"timeout": 0}, ConfigurationError, "timeout=0"),
        ({"timeout": float("nan")}, ConfigurationError, "timeout=nan"),
        ({"namespace": None}, OptionTypeError, "namespace must be str, not NoneType"),
        ({"clock": 5}, OptionTypeError, "clock must be a callable"),
    ],
)
def test_an_option_that_cannot_work_is_refused(make: Make, options: Any, error: type[Exception], words: str):
    """The error names the option, and nothing is left behind that would warn (26)."""
    with pytest.raises(error, match=words):
        make(**options)


@pytest.mark.parametrize("ttl", [True, "5", float("nan"), float("inf"), b"5"], ids=repr)
def test_a_ttl_that_is_none_is_refused(make: Make, ttl: Any):
    """A ttl is finite seconds or None; what is neither raises before anything is written (10)."""
    backend = make()
    backend.set("key", b"old")
    for call in (backend.set, backend.add, lambda *args: backend.touch(args[0], args[2])):
        with pytest.raises((TypeError, ValueError), match="ttl"):
            call("key", b"new", ttl)
    assert backend.get("key") == b"old"
