"""Our backend on Redis beside redis-py doing the same commands by itself: the ratio is what the cache adds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from cachelayer import Cache, cached
from cachelayer.backends.redis import RedisBackend
from tests.benchmarks.runner import Case, compare, show, statement
from tests.servers.redis import RedisServer

VALUE = b"x" * 1000
MANY = {f"many:{number}": VALUE for number in range(100)}
#: Of each case in each round: a round trip takes a hundred microseconds or so.
CALLS, ROUNDS = 300, 21


def bench_redis_sync() -> None:
    """Reads and writes of one client, one after another."""
    with RedisServer() as server, redis.Redis(port=server.port) as bare, RedisBackend(server.url) as ours:
        names = [f"bare:{key}" for key in MANY]
        bare.mset(dict.fromkeys(names, VALUE))
        bare.set("bare", VALUE)
        ours.set("key", VALUE)
        ours.set_many(MANY)
        _pair(
            "get, a hit of 1,000 bytes",
            {
                "redis-py GET": statement("c.get('bare')", c=bare),
                "RedisBackend.get": statement("c.get('key')", c=ours),
            },
        )
        _pair(
            "set, 1,000 bytes for a minute",
            {
                "redis-py SET PX": statement("c.set('bare', v, px=60_000)", c=bare, v=VALUE),
                "RedisBackend.set": statement("c.set('key', v, ttl=60)", c=ours, v=VALUE),
            },
        )
        _pair(
            "get_many, 100 hits of 1,000 bytes",
            {
                "redis-py MGET": statement("c.mget(k)", c=bare, k=names),
                "RedisBackend.get_many": statement("c.get_many(k)", c=ours, k=list(MANY)),
            },
        )
        _cached(server, bare)


def _cached(server: RedisServer, bare: redis.Redis) -> None:
    with RedisBackend(server.url, namespace="cached") as store:
        cache = Cache(store)

        @cached(ttl=60, name="plain", cache=cache)
        def plain(number: int) -> dict[str, Any]:
            return {"id": number, "name": "Ada", "active": True, "score": 9.5}

        @cached(ttl=60, name="tagged", tags=["users", "user:{number}"], cache=cache)
        def tagged(number: int) -> dict[str, Any]:
            return {"id": number, "name": "Ada", "active": True, "score": 9.5}

        bare.set("small", b"x" * 100)
        _pair(
            "@cached, a hit with a small dict",
            {
                "redis-py GET": statement("c.get('small')", c=bare),
                "@cached": statement("f(1)", f=plain),
                "@cached with two tags": statement("f(1)", f=tagged),
            },
        )


def bench_redis_async() -> None:
    """The same in async code: one caller after another, and fifty at once."""
    with RedisServer() as server, asyncio.Runner() as runner:
        bare, ours = redis.asyncio.Redis(port=server.port), RedisBackend(server.url, timeout=5)

        async def prepare() -> None:
            await bare.set("bare", VALUE)
            await ours.aset("key", VALUE)

        runner.run(prepare())
        _pair(
            "async get, a hit of 1,000 bytes",
            {
                "redis-py GET": _awaited(runner, lambda: bare.get("bare")),
                "RedisBackend.aget": _awaited(runner, lambda: ours.aget("key")),
            },
        )
        _pair(
            "async set, 1,000 bytes for a minute",
            {
                "redis-py SET PX": _awaited(runner, lambda: bare.set("bare", VALUE, px=60_000)),
                "RedisBackend.aset": _awaited(runner, lambda: ours.aset("key", VALUE, ttl=60)),
            },
        )
        _pair(
            "async get, fifty callers at once",
            {
                "redis-py GET": _awaited(runner, lambda: bare.get("bare"), at_once=50),
                "RedisBackend.aget": _awaited(runner, lambda: ours.aget("key"), at_once=50),
            },
        )
        runner.run(ours.aclose())
        runner.run(bare.aclose())


def _pair(title: str, cases: dict[str, Case]) -> None:
    show(title, compare(cases, number=CALLS, rounds=ROUNDS))


def _awaited(runner: asyncio.Runner, call: Callable[[], Awaitable[object]], at_once: int = 1) -> Case:
    async def calls(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count // at_once):
            if at_once == 1:
                await call()
            else:
                await asyncio.gather(*(call() for _ in range(at_once)))
        return time.perf_counter() - started

    return lambda count: runner.run(calls(count))
