"""The memory store under threads and over forks: nothing is lost, torn or left locked."""

import os
import random
import threading
import time
from itertools import chain

import pytest

from cachelayer import counters
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.table_entries import NEVER, ObjectEntry, size_of
from cachelayer.counters import Counter
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_threads


@pytest.fixture(params=[False, True], ids=["GIL", "no GIL"], autouse=True)
def free_threaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs over both ways to count and to refresh recency."""
    monkeypatch.setattr("cachelayer.counters.FREE_THREADED", request.param)
    monkeypatch.setattr("cachelayer.backends.table.FREE_THREADED", request.param)


def check_accounts(store: InMemoryBackend) -> None:
    """Hold the table's accounts against what is in it."""
    table = store.table
    table.purge()
    entries = list(table._entries.values())
    assert table.size == sum(map(size_of, entries))
    assert not table._condemned
    for tag in list(table._tags.values()):
        assert tag.keys == {entry.key for entry in entries if tag in getattr(entry, "tags", ())}


def test_counters_are_exact_while_others_look():
    """Eight threads that read and write lose no count, whatever statistics are taken meanwhile."""
    store = InMemoryBackend()
    for number in range(100):
        store.set(f"key {number}", b"value")

    def work(number: int) -> None:
        for count in range(400):
            store.get(f"key {count % 100}")
            store.get("missing")
            if count % 50 == number:
                store.get_stats()
                store.keys("key 1*")

    in_threads(8, work)
    stats = store.get_stats()
    assert (stats.hits, stats.misses, stats.sets) == (3_200, 3_200, 100)


def test_bounds_hold_at_every_moment():
    """A watcher sees neither too many bytes nor too many entries while eight threads write past both bounds."""
    store = InMemoryBackend(max_size_bytes=500, max_entries=20)
    table, writing = store.table, [*range(1, 8)]

    def work(number: int) -> tuple[int, int]:
        if number == 0:
            seen = [(len(table), table.size) for _ in iter(lambda: bool(writing), False)]
            return max(seen)[0], max(size for _, size in seen)
        dice = random.Random(number)
        for _ in range(400):
            key = f"key {dice.randrange(40)}"
            store.set(key, b"1" * dice.randrange(60))
            store.get(key)
        writing.remove(number)
        return 0, 0

    most, largest = in_threads(8, work)[0]
    assert most <= 20
    assert largest <= 500
    check_accounts(store)


def test_evictions_bear_hits_on_other_threads():
    """Hits, which take no lock, move entries while the next one to evict is looked for."""
    store = InMemoryBackend(max_entries=50)
    writing = [0, 1]

    def work(number: int) -> None:
        dice = random.Random(number)
        if number in writing:
            for count in range(3_000):
                store.set(f"key {count % 80}", b"value")
            writing.remove(number)
        while writing:
            store.get(f"key {dice.randrange(80)}")

    in_threads(5, work)
    check_accounts(store)
    assert store.get_stats().current_entries == 50


def test_any_mixture_of_calls_leaves_the_accounts_right():
    """Whatever eight threads do at once, sizes, tags and queues agree with the entries afterwards."""
    store = InMemoryBackend(max_size_bytes=2_000, max_entries=50)
    table = store.table

    def put(key: str, dice: random.Random) -> None:
        tags = tuple(table.tag(name) for name in dice.sample("xyz", 2))
        size = dice.randrange(100)
        table.put(ObjectEntry(key, b"1" * size, NEVER, 0.0, size=size, tags=tags))

    def work(number: int) -> None:
        dice = random.Random(number)
        calls = [
            lambda key: store.set(key, b"1" * dice.randrange(100), dice.choice([None, 0.001, 60])),
            lambda key: store.add(key, b"1", 60, {"a": 1}),
            lambda key: put(key, dice),
            lambda key: put(key, dice),
            store.get,
            store.get_entry,
            store.delete,
            lambda key: store.touch(key, 0.001),
            lambda key: store.incr("count " + key),
            lambda key: store.compare_and_set(key, b"2", {key: b"1"}),
            lambda key: table.invalidate(dice.choice("xyz")),
            lambda key: store.keys(),
            lambda key: dice.randrange(20) or store.clear(),
            lambda key: store.bump_generations(["a"]),
            lambda key: store.generations(["a", "b"]),
        ]
        for _ in range(400):
            dice.choice(calls)(f"key {dice.randrange(80)}")

    in_threads(8, work)
    check_accounts(store)
    store.clear()
    assert (len(table), table.size, table._expiry.queued) == (0, 0, 0)


def test_one_hot_key_is_a_hit_every_time():
    """Readers of a key hit it every time while it is overwritten, counted and prolonged."""
    store = InMemoryBackend(max_entries=2)
    store.set("key", b"0")
    done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            for count in range(300):
                store.set("key", b"%d" % count, ttl=60)
                store.incr("key")
                store.touch("key", 60)
                store.add("other", b"1")
            done.set()
            return 0
        return sum(
            store.get("key") is None or store.get_entry("key") is None for _ in iter(done.is_set, True)
        )

    assert sum(in_threads(4, work)) == 0


def test_invalidation_wins_over_computations_of_many_threads():
    """No result of a computation that began before an invalidation is found after it."""
    store = InMemoryBackend()
    table = store.table
    version = [0]

    def compute() -> None:
        work = type("Work", (), {"key": "key", "broken": False, "tags": (table.tag("x"),)})()
        work.intact = lambda: not work.broken and all(tag.alive for tag in work.tags)
        table.computing.add_lone(work)
        value = version[0]
        table.commit(work, ObjectEntry("key", b"%d" % value, NEVER, 0.0, size=1, tags=work.tags))
        table.computing.remove(work)

    def work(number: int) -> None:
        for _ in range(300):
            if number:
                compute()
            else:
                version[0] += 1
                table.invalidate(["x"]) if version[0] % 2 else store.delete("key")
                found = store.get("key")
                assert found is None or int(found) >= version[0]

    in_threads(6, work)
    assert table.computing.lone == {}


# -- forks ------------------------------------------------------------------------------------------------------


def test_a_child_of_a_busy_parent_can_use_the_store():
    """A child that was forked while threads write finds the locks free, the accounts right and exact counters."""
    store = InMemoryBackend(max_entries=50)
    done = threading.Event()

    def write(number: int) -> None:
        dice = random.Random(number)
        while not done.is_set():
            key = f"key {dice.randrange(100)}"
            store.set(key, b"1" * dice.randrange(10), ttl=dice.choice([None, 60]))
            store.get(key)
            store.generations([key])

    def child() -> tuple[int | None, int | None]:
        check_accounts(store)
        store.get_stats().reset()
        store.set("child", b"1")
        store.get("child")
        store.get("missing")
        assert in_threads(2, lambda number: store.incr("count")) in ([1, 2], [2, 1])
        assert store.lock("name").acquire() is True
        stats = store.get_stats()
        return stats.hits, stats.misses

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(10):
            assert in_a_child(child) == (1, 1)
    finally:
        done.set()
        for writer in writers:
            writer.join(PATIENCE)
    check_accounts(store)


def test_threads_may_fork_at_the_same_time():
    """Several threads that fork while others make stores leave no lock behind, in parent or child."""
    stores = [InMemoryBackend() for _ in range(10)]

    def child() -> int:
        return sum(store.set("key", b"value") for store in stores)

    def work(number: int) -> list[int]:
        if number == 0:
            for _ in range(200):
                InMemoryBackend()
            return [10]
        return [in_a_child(child) for _ in range(5)]

    assert [*chain.from_iterable(in_threads(4, work))] == [10] * 16
    assert in_threads(2, lambda number: child()) == [10, 10]


def test_a_fork_waits_for_a_write_that_is_half_done():
    """A child is not forked while another thread is in the middle of a write."""
    store = InMemoryBackend()
    inside, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.table.lock:
            store.set("key", b"half")
            inside.set()
            go_on.wait(PATIENCE)
            store.set("key", b"done")

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait(PATIENCE)
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    assert in_a_child(lambda: store.get("key")) == b"done"
    writer.join()
    timer.join()


def test_a_thread_may_fork_in_the_middle_of_its_own_write():
    """A child that was forked by a thread which holds the lock has the lock, and can give it back."""
    store = InMemoryBackend()

    def child() -> bytes | None:
        store.set("key", b"child's")
        return store.get("key")

    with store.table.lock:
        assert in_a_child(child) == b"child's"
    assert in_threads(2, lambda number: store.set("key", b"parent's")) == [True, True]


def test_computations_end_with_the_fork():
    """What other threads were computing is not under way in a child."""
    store = InMemoryBackend()
    store.table.computing.flying["key"] = type("Work", (), {"key": "key", "broken": False})()
    assert in_a_child(lambda: len(store.table.computing.flying)) == 0
    assert len(store.table.computing.flying) == 1


def test_a_counter_works_in_a_child_whatever_the_parent_was_at(monkeypatch: pytest.MonkeyPatch):
    """A counter's lock that another thread holds at the fork is free in the child."""
    monkeypatch.setattr(counters, "FREE_THREADED", True)
    counter = Counter()
    counter.tick()
    held = threading.Thread(target=counter.tick.lock.acquire)
    held.start()
    held.join()

    def child() -> int:
        counter.tick()
        return counter.value

    assert in_a_child(child) == 2


def test_a_fork_costs_little(monkeypatch: pytest.MonkeyPatch):
    """Forking with many stores alive leaves none of their locks taken."""
    stores = [InMemoryBackend() for _ in range(200)]
    started = time.monotonic()
    assert in_a_child(os.getppid) == os.getpid()
    assert time.monotonic() - started < PATIENCE
    assert all(in_threads(2, lambda number: all(store.set("key", b"1") for store in stores)))
