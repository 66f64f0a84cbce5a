"""The disk store among processes: killed ones, forked ones, later ones, and several at once under @cached."""

# ruff: noqa: D103 - fixtures are named for what they give

import os
import random
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from cachelayer import Cache, cached
from cachelayer.backends.disk import DiskBackend
from cachelayer.testing.crowds import PATIENCE, in_a_child, in_processes, in_threads

Process = subprocess.Popen[str]
Start = Callable[..., Process]

#: Writes until it is killed, and tells of each write that has returned; keys of one process come round again.
WRITER = """
import sys, zlib
from cachelayer.backends.disk import DiskBackend
path, name, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
backend = DiskBackend(path)
for number in range(first, first + 10**9):
    body = b"%d " % number * (1 + number % 700)
    backend.set(f"{name} {number % 50}", zlib.crc32(body).to_bytes(4, "big") + body)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def backend(path: Path) -> Iterator[DiskBackend]:
    with DiskBackend(path) as backend:
        yield backend


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python programs, which end with the test."""
    with ExitStack() as stack:

        def started(script: str, *args: object) -> Process:
            command = [sys.executable, "-c", script, *map(str, args)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


def line_of(process: Process) -> str:
    """Return the next line that a process writes."""
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    assert process.stdout is not None
    try:
        return process.stdout.readline().strip()
    finally:
        watchdog.cancel()
        watchdog.join()


def end(process: Process) -> str:
    """Return what is left of a process's output, once it has ended by itself."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return output.strip()


# -- killed ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_no_completed_write_is_lost_and_none_is_torn_when_processes_are_killed(path: Path, start: Start):
    """Two writers are killed at random moments, over and over: values are whole, and none is older than told (28)."""
    source, reached = random.Random(11), {"a": 0, "b": 0}
    told: dict[str, int] = {}
    for _ in range(8):
        writers = {name: start(WRITER, path, name, reached[name]) for name in reached}
        for name, process in writers.items():
            for _ in range(source.randrange(1, 150)):
                _take(told, name, line_of(process))
        for process in writers.values():
            process.kill()
        for name, process in writers.items():
            assert process.stdout is not None
            # The last line may be cut off where the process was.
            for line in process.stdout.read().split("\n")[:-1]:
                _take(told, name, line)
            process.wait()
            reached[name] = max(number for key, number in told.items() if key.startswith(name)) + 1
        with DiskBackend(path) as backend:
            for key, number in told.items():
                assert number <= _number_in(backend.get(key)) <= number + 50
            assert backend.counters.corrupted.value == 0
            assert backend.get_stats().current_entries == len(backend.keys())
    assert sum(reached.values()) > 500
    assert [found.name for found in path.parent.iterdir()] == ["cache.db"]


def _take(told: dict[str, int], name: str, line: str) -> None:
    told[f"{name} {int(line) % 50}"] = int(line)


def _number_in(value: bytes | None) -> int:
    assert value is not None
    checksum, body = value[:4], value[4:]
    assert zlib.crc32(body).to_bytes(4, "big") == checksum
    numbers = set(body.split())
    assert len(numbers) == 1
    return int(numbers.pop())


def test_a_killed_process_leaves_no_lock(path: Path, backend: DiskBackend, start: Start):
    """A process that dies in the middle of a transaction does not keep others from writing (28)."""
    process = start(
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\n"
        "c.execute('DELETE FROM entries')\nprint('begun', flush=True)\nsys.stdin.read()",
        path,
    )
    assert line_of(process) == "begun"
    process.kill()
    process.wait()
    assert backend.set("other", b"value") is True


# -- at once -----------------------------------------------------------------------------------------------------


def test_processes_write_at_once_and_lose_nothing(backend: DiskBackend):
    """Four processes that set, count and delete at once: every write is there, and totals are exact (28)."""

    def work(number: int) -> None:
        with DiskBackend(backend.path) as own:
            for count in range(200):
                own.set(f"{number} {count}", b"%d" % count * number)
                own.incr("together")
                if count % 4 == 0:
                    own.delete(f"{number} {count}")

    in_processes(4, work)
    assert backend.get("together") == b"800"
    assert backend.get_stats().current_entries == len(backend.keys()) == 4 * 150 + 1
    assert backend.diagnose() == []


def test_the_bounds_hold_among_processes(path: Path):
    """Four processes that write at once never have more in the store than it may hold (18, 28)."""

    def work(number: int) -> list[bool]:
        with DiskBackend(path, max_size_bytes=5000, max_entries=40) as own:
            return [_within_bounds(own, f"{number} {count}") for count in range(200)]

    assert all(all(result) for result in in_processes(4, work))


def _within_bounds(own: DiskBackend, key: str) -> bool:
    own.set(key, b"x" * 150)
    stats = own.get_stats()
    assert stats.current_entries is not None
    assert stats.current_size_bytes is not None
    return stats.current_entries <= 40 and stats.current_size_bytes <= 5000


# -- forked ------------------------------------------------------------------------------------------------------


def test_a_parent_that_closes_takes_nothing_from_its_child(backend: DiskBackend):
    """What a forked child writes after its parent has closed the store is in the file, and not in a lost log (24)."""
    backend.set("key", b"value")
    to_child, to_parent = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            backend.set("before", b"1")
            os.write(to_parent[1], b".")
            os.read(to_child[0], 1)
            backend.set("after", b"2")
            backend.close()
        finally:
            os._exit(0)
    os.read(to_parent[0], 1)
    backend.close()
    os.write(to_child[1], b".")
    os.waitpid(pid, 0)
    for descriptor in (*to_child, *to_parent):
        os.close(descriptor)
    with DiskBackend(backend.path) as later:
        assert later.get_many(["key", "before", "after"]) == {"key": b"value", "before": b"1", "after": b"2"}


def test_a_fork_while_threads_write_is_harmless(backend: DiskBackend):
    """Children forked in the middle of other threads' writes can write themselves, and so can the parent (24)."""
    stop = threading.Event()

    def work(number: int) -> int:
        count = 0
        if number:
            while not stop.is_set():
                backend.set(f"thread {number} {count % 10}", b"value")
                count += 1
            return count
        for child in range(5):
            assert in_a_child(lambda child=child: backend.set(f"child {child}", b"value")) is True
        stop.set()
        return 1

    assert all(in_threads(4, work))
    assert len(backend.get_many([f"child {number}" for number in range(5)])) == 5
    assert backend.diagnose() == []


def test_connections_that_a_fork_could_not_close_are_never_used(backend: DiskBackend, monkeypatch: Any):
    """A child forked in the middle of its parent's own operation opens another connection (24)."""
    monkeypatch.setattr("cachelayer.backends.disk.pool._FORK_PATIENCE", 0.01)
    backend.set("key", b"value")

    def forking(connection: Any) -> tuple[bool, bytes | None]:
        def work() -> tuple[bool, bytes | None]:
            assert connection not in backend._pool._open
            return connection in backend._pool._idle, backend.get("key")

        return in_a_child(work)

    assert backend._run(forking) == (False, b"value")
    assert backend.set("key", b"again") is True


def test_a_child_that_ends_warns_of_nothing(backend: DiskBackend):
    """A child that never used the store it inherited has nothing to close (23, 24)."""
    backend.set("key", b"value")
    assert in_a_child(lambda: backend._pool.is_open) is False
    assert backend.get("key") == b"value"


# -- under the decorator -----------------------------------------------------------------------------------------

#: A program with a cached function in each colour: a command a line, an answer a line.
PROGRAM = """
import asyncio, sys
from cachelayer import Cache, cached
from cachelayer.backends.disk import DiskBackend

cache = Cache(DiskBackend(sys.argv[1]))
computed = []

@cached(cache=cache, ttl=3600, tags=["all", "number:{number}"], name="double")
def double(number: int) -> dict[str, int]:
    computed.append(number)
    return {"twice": 2 * number}

@cached(cache=cache, ttl=3600, tags=["all", "number:{number}"], name="triple")
async def triple(number: int) -> list[int]:
    computed.append(number)
    return [3 * number]

async def main():
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        computed.clear()
        if command == "double":
            result = double(int(argument))
        elif command == "triple":
            result = await triple(int(argument))
        elif command == "tag":
            result = cache.invalidate_tags(argument)
        elif command == "atag":
            result = await cache.ainvalidate_tags(argument)
        elif command == "clear":
            result = await cache.aclear()
        print(result, "computed" if computed else "cached", flush=True)

asyncio.run(main())
cache.close()
"""


def ask(process: Process, command: str) -> str:
    assert process.stdin is not None
    process.stdin.write(command + "\n")
    process.stdin.flush()
    return line_of(process)


def test_a_value_survives_a_restart(path: Path, start: Start):
    """What one process computed is a hit in a later one, in both colours (28)."""
    first = start(PROGRAM, path)
    assert ask(first, "double 4") == "{'twice': 8} computed"
    assert ask(first, "triple 4") == "[12] computed"
    assert ask(first, "double 4") == "{'twice': 8} cached"
    end(first)
    second = start(PROGRAM, path)
    assert ask(second, "double 4") == "{'twice': 8} cached"
    assert ask(second, "triple 4") == "[12] cached"
    assert ask(second, "double 5") == "{'twice': 10} computed"
    end(second)


@pytest.mark.parametrize("command", ["tag number:4", "atag number:4", "tag all", "clear"])
def test_an_invalidation_is_seen_by_other_processes(path: Path, start: Start, command: str):
    """A tag invalidated, or the cache cleared, in one process is so in another at its next call (17, 19)."""
    one, other = start(PROGRAM, path), start(PROGRAM, path)
    assert ask(one, "double 4") == "{'twice': 8} computed"
    assert ask(one, "triple 4") == "[12] computed"
    assert ask(other, "double 4") == "{'twice': 8} cached"
    assert ask(other, "triple 4") == "[12] cached"
    ask(one, command)
    assert ask(other, "double 4") == "{'twice': 8} computed"
    assert ask(other, "triple 4") == "[12] computed"
    assert ask(one, "double 4") == "{'twice': 8} cached"
    end(one)
    end(other)


def test_an_invalidation_wins_over_a_computation_in_another_process(path: Path, start: Start):
    """A result whose computation began before another process invalidated its tag is not served afterwards (19)."""
    with closing(Cache(DiskBackend(path))) as cache:
        calls: list[int] = []

        @cached(cache=cache, ttl=3600, tags=["all", "number:{number}"], name="double")
        def double(number: int) -> dict[str, int]:
            calls.append(number)
            if len(calls) == 1:
                other = start(PROGRAM, path)
                ask(other, "tag number:4")
                end(other)
            return {"twice": 2 * number}

        assert double(4) == double(4) == double(4) == {"twice": 8}
        assert calls == [4, 4]


def test_processes_that_make_the_file_at_once_agree_on_it(tmp_path: Path):
    """Of processes that start together one makes the file, and none takes it for another program's (28)."""
    for path in (tmp_path / f"round {number}" / "cache.db" for number in range(15)):

        def work(number: int, path: Path = path) -> bool:
            with DiskBackend(path) as own:
                return own.set(str(number), b"value")

        assert in_processes(6, work) == [True] * 6
