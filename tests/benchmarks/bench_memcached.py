"""MemcachedBackend beside bare pymemcache, on a real server, in the same run."""

from __future__ import annotations

import asyncio
import time

from pymemcache.client.base import Client

from cachelayer.backends.memcached import MemcachedBackend
from tests.benchmarks.runner import Case, compare, show, statement
from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST

VALUE = b"x" * 100
KEYS = [f"key:{number}" for number in range(100)]
ITEMS = dict.fromkeys(KEYS, VALUE)
LARGE = b"x" * 500_000


def _in_a_loop(backend: MemcachedBackend) -> Case:
    """Return the case of awaiting one hit after another."""

    async def read(count: int) -> float:
        await backend.aget("key:1")
        started = time.perf_counter()
        for _ in range(count):
            await backend.aget("key:1")
        return time.perf_counter() - started

    return lambda count: asyncio.run(read(count))


def bench_memcached() -> None:
    """Reads and writes of one key and of a hundred, and large values."""
    with MemcachedServer() as server, MemcachedBackend(server.address, timeout=30) as ours:
        bare = Client((HOST, server.port), default_noreply=False, no_delay=True)
        for store in (bare, ours):
            store.set_many(ITEMS)
            store.set("large", LARGE)
        scope = {"bare": bare, "ours": ours, "keys": KEYS, "items": ITEMS, "value": VALUE, "large": LARGE}
        for title, call in {
            "get": "get('key:1')",
            "set": "set('key:1', value)",
            "get_many of 100": "get_many(keys)",
            "set_many of 100": "set_many(items)",
            "get of 500 kB": "get('large')",
            "set of 500 kB": "set('large', large)",
        }.items():
            cases = {
                "pymemcache": statement(f"bare.{call}", **scope),
                "cachelayer MemcachedBackend": statement(f"ours.{call}", **scope),
            }
            if title == "get":
                cases["cachelayer MemcachedBackend, async"] = _in_a_loop(ours)
            show(f"Memcached, {title}", compare(cases, number=200, rounds=15))
        bare.close()
