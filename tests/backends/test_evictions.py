"""Evictions: counted exactly whoever causes them, and not led astray by who only looks."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from cachelayer.backends import CacheBackend, InMemoryBackend
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.policies import POLICIES
from cachelayer.backends.redis import RedisBackend
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from cachelayer.testing.crowds import in_threads
from tests.servers.redis import RedisServer

_ROOM: Final = 50
_THREADS: Final = 8
_WRITES: Final = 100
_BOUNDED: Final[dict[str, Callable[[Path], CacheBackend]]] = {
    "disk": lambda folder: DiskBackend(folder / "cache.db", max_entries=_ROOM),
    **{
        policy: lambda _, policy=policy: InMemoryBackend(max_entries=_ROOM, policy=policy)
        for policy in sorted(POLICIES)
    },
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("store", _BOUNDED)
def test_evictions_are_exact_among_threads(tmp_path: Path, store: str, colour: Colour):
    """What eight threads have written and nobody removed is either there or counted as evicted, once (27)."""
    with _BOUNDED[store](tmp_path) as backend, in_colour(backend, colour) as ops:
        removed = sum(in_threads(_THREADS, lambda thread: _write(ops, thread)))
        stats = ops.get_stats()
        assert stats.current_entries is not None
        assert 0 < stats.current_entries <= _ROOM
        assert (stats.sets, stats.deletes) == (_THREADS * _WRITES, removed)
        assert stats.evictions == _THREADS * _WRITES - removed - stats.current_entries


def _write(ops: CacheBackend, thread: int) -> int:
    """Write keys that nobody else does, and remove some; return how many were there to be removed."""
    removed = 0
    for number in range(_WRITES):
        ops.set(f"{thread} {number}", b"value")
        if number % 10 == 0:
            removed += ops.delete(f"{thread} {number}")
    return removed


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that counts how often each key is used."""
    with RedisServer("--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0") as made:
        yield made


@pytest.mark.parametrize("colour", COLOURS)
def test_a_look_is_no_use_to_the_servers_eviction(server: RedisServer, colour: Colour):
    """Redis evicts by its own count of uses, which a read raises, and `exists` does not (6)."""
    with RedisBackend(server.url, timeout=20) as backend, in_colour(backend, colour) as ops:
        ops.set("key", b"value")
        uses = (server.ask("OBJECT", "FREQ", backend.layout.name("key")) for _ in count())
        before = next(uses)
        assert ops.exists("key") is True
        assert next(uses) == before
        assert ops.get("key") == b"value"
        assert next(uses) == before + 1
