"""Many processes that read and change: how much memory in front of a store answers, and how old that is."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.tiered import TieredBackend
from tests.benchmarks.crew import (
    KEYS,
    PROCESSES,
    MakeBackend,
    Station,
    crew,
    draw,
    on_redis,
    prepare,
    print_table,
    quantile,
    together,
    wait_for,
)
from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer

_VERSIONS: Final = 1_024  # of each key, whose times are remembered


class Truth:
    """A database, as it were, in memory that all processes share: a version of each key, and when it was told.

    Each key is changed by one process only.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._versions = context.RawArray("q", KEYS)
        self._told = context.RawArray("d", KEYS * _VERSIONS)

    def row(self, number: int) -> dict[str, Any]:
        """Return what is true of a key."""
        return {"id": number, "name": "Ada", "version": self._versions[number], "score": 9.5}

    def change(self, number: int, tell: Callable[[int], Any]) -> None:
        """Change a key, then tell the cache, and note when that had returned."""
        version = self._versions[number] + 1
        place = number * _VERSIONS + version % _VERSIONS
        self._told[place] = 0.0
        self._versions[number] = version
        tell(number)
        self._told[place] = time.monotonic()

    def age(self, number: int, version: int, asked: float) -> float:
        """Return for how long a version had been invalid when it was asked for; 0 where it was not."""
        told: float = self._told[number * _VERSIONS + (version + 1) % _VERSIONS]
        replaced = self._versions[number] > version and told
        return max(0.0, asked - told) if replaced else 0.0


class Mix(NamedTuple):
    """Which calls, for how many seconds, with what share of writes, in how many processes."""

    name: str
    seconds: float
    share: float
    size: int


class Reads(NamedTuple):
    """What one process saw: reads, writes, ages of the stale answers in seconds, and hits and misses of L1."""

    reads: int
    writes: int
    stale: list[float]
    hits: int
    misses: int


_STORES: Final = ("Redis alone", "tiered over Redis", "tiered over Memcached")


def bench_scale_tiered() -> None:
    """Reads with some writes: how many L1 answers, and how old what was served after it had been invalidated."""
    truths, seconds = {name: Truth() for name in _STORES}, 2.0

    with RedisServer() as server, MemcachedServer() as other:
        makers: dict[str, MakeBackend] = {
            "Redis alone": lambda: on_redis(server),
            "tiered over Redis": lambda: TieredBackend(l2=on_redis(server)),
            "tiered over Memcached": lambda: TieredBackend(l2=MemcachedBackend(other.address, timeout=5)),
        }

        def equip(station: Station) -> None:
            station.extra = truths
            for name, make in makers.items():
                station.add(name, make(), truths[name].row, name=name)

        rows = []
        with crew(PROCESSES, equip) as workers:
            for worker in workers:
                worker.do(prepare)
            for name in _STORES:
                for share in (0.001, 0.01):
                    for size in (1, 2, PROCESSES):
                        found = together(workers[:size], _read_and_write, Mix(name, seconds, share, size))
                        rows.append((name, f"{share:.1%}", size, *_coherence(found, seconds)))
    columns = (
        "store", "writes", "processes", "reads/s", "writes/s", "L1 hits", "stale answers", "stale ms: median", "max",
    )  # fmt: skip
    print_table("reads and writes by zipf; a write is an invalidation", columns, rows)


def _read_and_write(station: Station, worker: int, begin: float, mix: Mix) -> Reads:
    """Call by zipf; change a share of the keys, each process its own ones."""
    name, seconds, share, size = mix
    call: Any = station.calls[name]
    truth, keys, dice = station.extra[name], draw(worker), random.Random(worker)
    before, stale, reads, writes = _tier(station, name), [], 0, 0
    wait_for(begin)
    while (asked := time.monotonic()) < begin + seconds:
        number = next(keys)
        if dice.random() < share:
            truth.change((number - number % size + worker) % KEYS, call.invalidate)
            writes += 1
            continue
        age = truth.age(number, call(number)["version"], asked)
        reads += 1
        if age:
            stale.append(age)
    after = _tier(station, name)
    return Reads(reads, writes, stale, after[0] - before[0], after[1] - before[1])


def _tier(station: Station, name: str) -> tuple[int, int]:
    backend = station.caches[name].backend
    if not isinstance(backend, TieredBackend):
        return 0, 0
    return backend.tiers.l1.hits or 0, backend.tiers.l1.misses or 0


def _coherence(found: Sequence[Reads], seconds: float) -> tuple[str, ...]:
    reads, writes = sum(each.reads for each in found), sum(each.writes for each in found)
    stale = sorted(age * 1e3 for each in found for age in each.stale)
    hits, misses = sum(each.hits for each in found), sum(each.misses for each in found)
    return (
        f"{reads / seconds:,.0f}", f"{writes / seconds:,.0f}", f"{hits / (hits + misses or 1):.1%}",
        f"{len(stale)} ({len(stale) / reads:.3%})", f"{quantile(stale, 0.5):.1f}", f"{stale[-1] if stale else 0:.1f}",
    )  # fmt: skip
