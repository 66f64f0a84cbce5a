"""What the resilient wrapper costs: over a store that is well, and over one that is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cachelayer import Cache, CacheBackend, cached
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.testing import FailingBackend, MinimalBackend
from tests.benchmarks.runner import Case, compare, show, statement
from tests.servers.redis import RedisServer


class SixMethods(MinimalBackend):
    """A user's own store, which other processes see."""

    shared = True


def _away(backend: CacheBackend) -> ResilientBackend:
    """Return a wrapper of a store that is away, whose breaker is open for the rest of the run."""
    wrapper = ResilientBackend(backend, failures=1, probe_interval=3600)
    assert wrapper.get("key") is None
    return wrapper


def _awaited(call: Callable[[str], Coroutine[Any, Any, object]], runner: asyncio.Runner) -> Case:
    async def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            await call("key")
        return time.perf_counter() - started

    return lambda count: runner.run(work(count))


def bench_over_redis() -> None:
    """One read of a small value from Redis on this host, bare and wrapped, in both colours."""
    with RedisServer() as server, RedisBackend(server.url) as bare, asyncio.Runner() as runner:
        bare.set("key", b"value")
        wrapped = ResilientBackend(bare)
        cases = {
            "bare": statement("get('key')", get=bare.get),
            "wrapped": statement("get('key')", get=wrapped.get),
        }
        rows = compare(cases, number=1000, rounds=31)
        show("get from Redis, sync", rows, {"wrapped": "at most 1.10"})
        cases = {"bare": _awaited(bare.aget, runner), "wrapped": _awaited(wrapped.aget, runner)}
        rows = compare(cases, number=500, rounds=31)
        show("get from Redis, async", rows, {"wrapped": "at most 1.25"})
        runner.run(bare.aclose())


def bench_over_nothing() -> None:
    """The wrapper by itself, over a store that answers in no time, and one that is away."""

    class Constant(SixMethods):
        def get(self, key: str) -> bytes | None:
            return b"value"

        async def aget(self, key: str) -> bytes | None:
            return b"value"

    failing = FailingBackend(Constant())
    bare, closed, away = Constant(), ResilientBackend(Constant()), _away(failing)
    cases = {
        "bare": statement("get('key')", get=bare.get),
        "breaker closed": statement("get('key')", get=closed.get),
        "breaker open": statement("get('key')", get=away.get),
    }
    show("the wrapper alone, sync", compare(cases), {"breaker open": "a microsecond or two"})
    with asyncio.Runner() as runner:
        cases = {
            "bare": _awaited(bare.aget, runner),
            "breaker closed": _awaited(closed.aget, runner),
            "breaker open": _awaited(away.aget, runner),
        }
        show(
            "the wrapper alone, async", compare(cases, number=5000), {"breaker open": "a microsecond or two"}
        )


def bench_cached_function_without_a_store() -> None:
    """A cached function whose store is away, beside a plain call of the same function."""
    failing = FailingBackend(SixMethods())

    def body(number: int) -> int:
        return number

    function = cached(cache=Cache(_away(failing)), name="body", tags=["t"])(body)
    calls = failing.calls.total()
    cases = {"plain": statement("f(1)", f=body), "cached, store away": statement("f(1)", f=function)}
    show("a function whose store is away", compare(cases))
    assert failing.calls.total() == calls, "the store was asked"


def bench_six_methods() -> None:
    """A hit of a cached function in a user's own store, as the cache wraps it, and with the wrapper taken away."""
    rows_of: dict[str, Case] = {}
    for name in ("bare", "wrapped"):
        cache = Cache(SixMethods())
        if name == "bare":
            cache.engine.storage._operations.backend = cache.backend  # type: ignore[union-attr] # an EnvelopeStorage
        function = cached(cache=cache, name="body")(lambda number: number)
        function(1)
        rows_of[name] = statement("f(1)", f=function)
    show("a hit in a store of six methods", compare(rows_of, number=5000))
