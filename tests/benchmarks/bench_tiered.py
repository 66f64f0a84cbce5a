"""What a hit in L1 costs, beside the two stores that a tiered backend is made of; and what keeping it right costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from cachelayer import InMemoryBackend
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from tests.backends.tiers import warm
from tests.benchmarks.runner import Case, compare, show, statement
from tests.servers.redis import RedisServer

VALUE = b"x" * 100
KEYS = ["key", "tag"]


def _awaited(backend: CacheBackend) -> Case:
    async def get(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            await backend.aget("key")
        return time.perf_counter() - started

    def run(count: int) -> float:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(get(count))

    return run


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisBackend]:
    """Redis by itself."""
    with RedisBackend(redis_server.url, namespace="bench") as redis:
        redis.set_many({"key": VALUE, "tag": b"generation"})
        yield redis


@pytest.fixture
def tiered(redis: RedisBackend, redis_server: RedisServer) -> Iterator[TieredBackend]:
    """Memory in front of it, with copies of what is there."""
    with TieredBackend(l2=RedisBackend(redis_server.url, namespace="bench")) as tiered:
        warm(tiered, "key")
        warm(tiered, "tag")
        yield tiered


def bench_tiered_hit(tiered: TieredBackend, redis: RedisBackend) -> None:
    """Reads of one key from memory alone, from memory in front of Redis, and from Redis."""
    memory = InMemoryBackend()
    memory.set("key", VALUE)
    cases = {
        "memory get": statement("get('key')", get=memory.get),
        "tiered get, hit in L1": statement("get('key')", get=tiered.get),
        "Redis get": statement("get('key')", get=redis.get),
        "tiered get_many of 2, hits in L1": statement("get(keys)", get=tiered.get_many, keys=KEYS),
        "memory aget": _awaited(memory),
        "tiered aget, hit in L1": _awaited(tiered),
        "Redis aget": _awaited(redis),
    }
    rows = compare(cases, number=2_000, rounds=15)
    show("a hit in L1, beside its stores", rows, {"tiered get, hit in L1": "at most 0.05 of Redis get"})
    assert rows[1].seconds < 0.05 * rows[2].seconds


def bench_tiered_miss(tiered: TieredBackend, redis: RedisBackend) -> None:
    """Writes and the reads that follow them, and keys that are not there: what copies cost that are never used."""
    write_and_read = "set('key', value); get('key')"
    cases = {
        "Redis set, get": statement(write_and_read, set=redis.set, get=redis.get, value=VALUE),
        "tiered set, get": statement(write_and_read, set=tiered.set, get=tiered.get, value=VALUE),
        "Redis get of a missing key": statement("get('missing')", get=redis.get),
        "tiered get of a missing key": statement("get('missing')", get=tiered.get),
    }
    show("a miss in L1", compare(cases, number=1_000, rounds=11))
