"""The disk store beside diskcache, both with a write-ahead log and synchronous=NORMAL, on the same disk."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import diskcache
import pytest

from cachelayer.backends.disk import DiskBackend
from cachelayer.testing.crowds import in_processes
from tests.benchmarks.runner import Case, compare, show

SIZES: Final = {"100 bytes": b"x" * 100, "10 kB": b"x" * 10_000}
NAMES: Final = [f"key:{number}" for number in range(2_000)]
THEIRS, OURS = "diskcache Cache", "cachelayer DiskBackend"
GOAL: Final = {OURS: "at most 1.00"}

Use = Callable[[str], object]


@pytest.fixture
def theirs(tmp_path: Path):
    """Their store with its defaults, which count neither hits nor misses."""
    with diskcache.Cache(str(tmp_path / "theirs")) as cache:
        yield cache


@pytest.fixture
def ours(tmp_path: Path):
    """Our store with its defaults."""
    with DiskBackend(tmp_path / "ours" / "cache.db") as backend:
        yield backend


def _each(use: Use, names: list[str]) -> Case:
    """Return the case of one call for each of the names, over and over."""

    def run(count: int) -> float:
        calls = list(itertools.islice(itertools.cycle(names), count))
        started = time.perf_counter()
        for name in calls:
            use(name)
        return time.perf_counter() - started

    return run


def _compare(title: str, theirs: Use, ours: Use, names: list[str] = NAMES, *, number: int = 2_000) -> None:
    cases = {THEIRS: _each(theirs, names), OURS: _each(ours, names)}
    show(f"disk: {title}", compare(cases, number=number, rounds=15), GOAL)


@pytest.mark.parametrize("size", SIZES)
def bench_disk_get(theirs: Any, ours: DiskBackend, size: str) -> None:
    """Reads of what is there, and of what is not."""
    for name in NAMES:
        theirs.set(name, SIZES[size])
        ours.set(name, SIZES[size])
    _compare(f"get, hit, {size}", theirs.get, ours.get)
    _compare(f"get, miss, beside values of {size}", theirs.get, ours.get, ["absent"])


@pytest.mark.parametrize("ttl", [None, 60.0])
@pytest.mark.parametrize("size", SIZES)
def bench_disk_set(theirs: Any, ours: DiskBackend, size: str, ttl: float | None) -> None:
    """Writes, most of them over what is there."""
    value = SIZES[size]
    _compare(
        f"set, {size}, ttl={ttl}",
        lambda name: theirs.set(name, value, expire=ttl),
        lambda name: ours.set(name, value, ttl),
    )


def bench_disk_delete(theirs: Any, ours: DiskBackend) -> None:
    """Deletions of what is there; the writes before them are not timed."""

    def case(put: Callable[[str, bytes], object], delete: Use) -> Case:
        def run(count: int) -> float:
            for name in NAMES[:count]:
                put(name, b"x" * 100)
            return _each(delete, NAMES)(count)

        return run

    cases = {THEIRS: case(theirs.set, theirs.delete), OURS: case(ours.set, ours.delete)}
    show("disk: delete, 100 bytes", compare(cases, number=1_000, rounds=15), GOAL)


def bench_disk_get_many(theirs: Any, ours: DiskBackend) -> None:
    """A hundred reads at once; diskcache has no such call, but transactions."""
    for name in NAMES:
        theirs.set(name, b"x" * 100)
        ours.set(name, b"x" * 100)
    parts = [NAMES[start : start + 100] for start in range(0, len(NAMES), 100)]

    def read(part: list[str]) -> None:
        with theirs.transact():
            for name in part:
                theirs.get(name)

    def case(use: Callable[[list[str]], object]) -> Case:
        return _each(lambda number: use(parts[int(number)]), [str(number) for number in range(20)])

    cases = {THEIRS: case(read), OURS: case(ours.get_many)}
    show("disk: get_many(100)", compare(cases, number=100, rounds=15), GOAL)


def bench_disk_processes(theirs: Any, ours: DiskBackend) -> None:
    """Four processes at once, nine reads to a write: seconds for 3,000 operations of each."""

    def mixed(get: Use, put: Callable[[str, bytes], object]) -> Callable[[int], None]:
        def work(process: int) -> None:
            source = random.Random(process)
            for name in source.choices(NAMES, k=3_000):
                if source.random() < 0.9:
                    get(name)
                else:
                    put(name, b"x" * 100)

        return work

    def case(work: Callable[[int], None]) -> Case:
        def run(count: int) -> float:
            started = time.perf_counter()
            in_processes(4, work)
            return (time.perf_counter() - started) / 12_000 * count

        return run

    cases = {THEIRS: case(mixed(theirs.get, theirs.set)), OURS: case(mixed(ours.get, ours.set))}
    show("disk: four processes, 90/10", compare(cases, number=1, rounds=9), GOAL)
