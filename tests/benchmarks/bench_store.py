"""The memory store by itself: reads and writes under a skewed load with eviction, and the memory of an entry."""

from __future__ import annotations

import random
import threading
import time
import tracemalloc
from collections.abc import Callable

import cachebox
import cachetools
from rich.console import Console
from rich.table import Table

from cachelayer import InMemoryBackend
from cachelayer.backends.policies import POLICIES
from tests.benchmarks.runner import Case, compare, show

VALUE = b"x" * 100
KEYS = 10_000
ROOM = 1_000
#: How many there are when memory is measured.
ENTRIES = 200_000


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

    rust = cachebox.LRUCache[str, bytes](ROOM)
    stores = {name: InMemoryBackend(max_entries=ROOM, policy=name) for name in POLICIES}
    cases = {
        "cachetools LRUCache, lock": _case(get, put),
        **{f"cachelayer, {name}": _case(store.get, store.set) for name, store in stores.items()},
        "cachebox LRUCache": _case(rust.get, rust.insert),
    }
    rows = compare(cases, number=50_000, rounds=11)
    show("raw store, Zipf 90/10, with eviction", rows, {"cachelayer, lru": "at most 0.83"})


def _memory(policy: str) -> list[str]:
    """Return the bytes an entry that a store takes: when it is full, when all was read, when all was evicted once."""
    keys, more = ([f"{name}:{number}" for number in range(ENTRIES)] for name in ("key", "other"))
    store = InMemoryBackend(max_entries=ENTRIES, policy=policy)
    taken = []
    tracemalloc.start()

    def note() -> None:
        taken.append(f"{tracemalloc.get_traced_memory()[0] / len(store.table):.0f}")

    for key in keys:
        store.set(key, VALUE, ttl=60)
    note()
    for key in keys:
        store.get(key)
    note()
    for key in more:
        store.set(key, VALUE, ttl=60)
        store.get(key)
    note()
    tracemalloc.stop()
    return taken


def bench_memory() -> None:
    """What 200,000 entries with a lifetime take beyond their keys and values."""
    title = "memory over payload, bytes an entry"
    table = Table("policy", "written", "each read", "each evicted", "goal", title=title, title_justify="left")
    for policy in POLICIES:
        table.add_row(policy, *_memory(policy), "written: at most 180")
    print()
    Console(width=100).print(table)
