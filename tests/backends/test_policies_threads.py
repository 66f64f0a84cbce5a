"""Policies under threads that switch every 10 us: hits take no lock, and whatever they meet, nothing breaks."""

import random
import threading
from contextlib import suppress
from itertools import count

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.policies import POLICIES
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_threads
from tests.backends.test_policies import check, ghosts_of, policy_of, tagged


@pytest.fixture(params=[False, True], ids=["GIL", "no GIL"], autouse=True)
def free_threaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs over both ways to refresh recency."""
    monkeypatch.setattr("cachelayer.counters.FREE_THREADED", request.param)
    monkeypatch.setattr("cachelayer.backends.table.FREE_THREADED", request.param)


@pytest.fixture(params=sorted(POLICIES))
def policy(request: pytest.FixtureRequest) -> str:
    """Each test runs with every policy."""
    name: str = request.param
    return name


def test_hits_raise_key_error_at_most_and_break_nothing(policy: str):
    """A touch, as the decorator's hit path calls it, meets evictions, removals and clears: KeyError or nothing (18)."""
    store = InMemoryBackend(max_size_bytes=3_000, max_entries=40, policy=policy)
    table = store.table
    writers = [0, 1]

    def write(dice: random.Random) -> None:
        key = f"key {dice.randrange(80)}"
        dice.choice(
            [
                *[lambda: store.set(key, b"1" * dice.randrange(200), dice.choice([None, 0.001, 60]))] * 8,
                lambda: table.put(tagged(store, key, b"1" * 50)),
                lambda: store.delete(key),
                lambda: table.invalidate("x"),
                lambda: store.touch(key, 0.001),
                lambda: dice.randrange(20) or store.clear(),
            ]
        )()

    def work(number: int) -> None:
        dice = random.Random(number)
        if number in writers:
            for _ in range(2_500):
                write(dice)
            writers.remove(number)
        while writers:
            with suppress(KeyError):
                table.touch(f"key {dice.randrange(80)}")
            store.get(f"key {dice.randrange(80)}")

    in_threads(6, work)
    table.purge()
    check(store)
    assert not table._condemned
    assert ghosts_of(store) <= 41
    for number in range(100):
        store.set(f"after {number}", b"1" * 75)
        check(store)
    assert len(table) == 40 or table.size > 3_000 - 200, "room is made where there is none, and no more of it"


def test_bounds_hold_at_every_moment(policy: str):
    """A watcher sees neither too many bytes nor too many entries while others write and hit (18)."""
    store = InMemoryBackend(max_size_bytes=500, max_entries=20, policy=policy)
    table, writing, watching = store.table, [*range(1, 6)], threading.Event()
    for number in range(20):
        store.set(f"key {number}", b"1" * 25)

    def work(number: int) -> tuple[int, int]:
        if number == 0:
            seen = [(len(table), table.size)]
            watching.set()
            while writing:
                seen.append((len(table), table.size))
            return max(length for length, _ in seen), max(size for _, size in seen)
        assert watching.wait(PATIENCE)
        dice = random.Random(number)
        for _ in range(500):
            key = f"key {dice.randrange(40)}"
            store.set(key, b"1" * dice.randrange(60))
            store.get(f"key {dice.randrange(40)}")
        writing.remove(number)
        return 0, 0

    most, largest = in_threads(6, work)[0]
    assert (most, largest) == (20, 500)
    check(store)


def test_what_is_there_is_found_while_it_moves(policy: str):
    """An entry that is used for the second time by many threads at once is a hit for each of them, and stays."""
    store = InMemoryBackend(policy=policy)
    keys = [f"key {number}" for number in range(300)]
    rounds = count()
    again = threading.Barrier(
        4, action=lambda: (store.clear(), store.set_many(dict.fromkeys(keys, b"1")), next(rounds))
    )

    def work(number: int) -> int:
        misses = 0
        for _ in range(10):
            again.wait(PATIENCE)
            misses += sum(store.get(key) is None for key in keys)
            again.wait(PATIENCE)
            misses += sum(not store.exists(key) for key in reversed(keys))
        return misses

    assert in_threads(4, work) == [0] * 4
    assert store.get_stats().misses == 0
    assert next(rounds) == 20
    assert len(store.table) == 300
    check(store)


def test_an_overwritten_entry_is_never_missing(policy: str):
    """Readers find a key that is overwritten, grown and shrunk all the while, though room is made for it."""
    store = InMemoryBackend(max_size_bytes=300, policy=policy)
    store.set("key", b"1")
    done = threading.Event()

    def work(number: int) -> int:
        if number:
            return sum(store.get("key") is None for _ in iter(done.is_set, True))
        for size in range(1_500):
            store.set("key", b"1" * (1 + size % 250))
            if size % 250 < 100:
                store.set(f"other {size % 7}", b"1" * 10)
                assert store.get("key") is not None
        done.set()
        return 0

    assert sum(in_threads(3, work)) == 0
    check(store)


def test_counters_are_exact_with_hits_through_the_shortcut(policy: str):
    """Every call of a cached function is one hit or one miss, whatever is evicted at the same time (27)."""
    cache = Cache(InMemoryBackend(max_entries=20, policy=policy))

    @cached(ttl=60, cache=cache)
    def same(number: int) -> int:
        return number

    def work(number: int) -> None:
        dice = random.Random(number)
        for _ in range(1_000):
            wanted = int(dice.paretovariate(0.7)) % 60
            assert same(wanted) == wanted

    in_threads(6, work)
    stats = cache.backend.get_stats()
    assert isinstance(cache.backend, InMemoryBackend)
    assert stats.hits is not None
    assert stats.misses is not None
    collapsed = cache.stats().total.collapsed
    assert stats.hits + stats.misses + collapsed >= 6_000
    info = same.cache_info()
    assert info.hits + info.misses == 6_000
    check(cache.backend)


def test_late_hits_leave_nothing_for_long(policy: str):
    """Hits on keys that have just gone, however many, take no room that the next writes do not give back."""
    store = InMemoryBackend(max_entries=10, policy=policy)
    for number in range(1_000):
        store.set(f"key {number}", b"1")
        with suppress(KeyError):
            store.table.touch(f"key {number - 20}")
    check(store)
    assert len(getattr(policy_of(store), "_uses", ())) <= 11


def test_a_child_of_a_busy_parent_can_use_the_store(policy: str):
    """A child that was forked while threads hit and write finds the lists whole and the locks free (24)."""
    store = InMemoryBackend(max_entries=30, policy=policy)
    done = threading.Event()

    def busy(number: int) -> None:
        dice = random.Random(number)
        while not done.is_set():
            key = f"key {dice.randrange(60)}"
            if store.get(key) is None:
                store.set(key, b"1")

    def child() -> int:
        check(store)
        for number in range(100):
            store.set(f"child {number}", b"1")
            store.get(f"child {number}")
        check(store)
        return len(store.table)

    threads = [threading.Thread(target=busy, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            assert in_a_child(child) == 30
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE)
    check(store)
