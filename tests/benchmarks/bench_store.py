"""The memory store by itself: reads and writes under a skewed load with eviction, and the memory of an entry."""

from __future__ import annotations

import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable

import cachebox
import cachetools

from cachelayer import InMemoryBackend
from tests.benchmarks.runner import Case, compare, show

VALUE = b"x" * 100
KEYS = 10_000
ROOM = 1_000


def _load(count: int) -> list[tuple[bool, str]]:
    """Return operations on keys drawn by Zipf's law: nine reads to a write."""
    source = random.Random(7)
    weights = [1 / rank for rank in range(1, KEYS + 1)]
    names = source.choices([f"key:{number}" for number in range(KEYS)], weights, k=count)
    return [(source.random() < 0.9, name) for name in names]


def _case(get: Callable[[str], object], put: Callable[[str, bytes], object]) -> Case:
    load = _load(50_000)

    def run(count: int) -> float:
        started = time.perf_counter()
        for read, key in load[:count]:
            if read:
                get(key)
            else:
                put(key, VALUE)
        return time.perf_counter() - started

    return run


def bench_raw_store() -> None:
    """Reads and writes of bytes in a full store that evicts the least recently used."""
    lru, lock = cachetools.LRUCache[str, bytes](ROOM), threading.RLock()

    def get(key: str) -> object:
        with lock:
            return lru.get(key)

    def put(key: str, value: bytes) -> None:
        with lock:
            lru[key] = value

    rust, ours = cachebox.LRUCache[str, bytes](ROOM), InMemoryBackend(max_entries=ROOM)
    cases = {
        "cachetools LRUCache, lock": _case(get, put),
        "cachelayer InMemoryBackend": _case(ours.get, ours.set),
        "cachebox LRUCache": _case(rust.get, rust.insert),
    }
    rows = compare(cases, number=50_000, rounds=11)
    show("raw store, Zipf 90/10, with eviction", rows, {"cachelayer InMemoryBackend": "at most 0.83"})


def bench_memory() -> None:
    """What 200,000 entries with a lifetime take beyond their keys and values."""
    keys = [f"key:{number}" for number in range(200_000)]
    store = InMemoryBackend()
    tracemalloc.start()
    for key in keys:
        store.set(key, VALUE, ttl=60)
    taken = tracemalloc.get_traced_memory()[0] / len(keys)
    tracemalloc.stop()
    print(
        f"\nmemory over payload: {taken:.0f} bytes an entry (goal: at most 180; an empty dict's slot takes about 40)"
    )
    assert sys.getrefcount(VALUE) > len(keys), (
        "the one value is shared, so that only the entries were measured"
    )
