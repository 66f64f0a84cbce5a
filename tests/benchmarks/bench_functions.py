"""`@cached` beside functools.lru_cache, cachetools and cachebox, with their usual options."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import cachebox
import cachetools

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.testing import FakeClock
from tests.benchmarks.runner import Case, compare, show, statement

SMALL: dict[str, Any] = {"id": 7, "name": "Ada", "active": True, "score": 9.5}


def _peers(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return the function under each library: a lifetime of a minute, room for 1,000 entries where it must be said."""
    return {
        "cachelayer": cached(ttl=60, cache=Cache())(_copy(function)),
        "cachebox TTLCache": cachebox.cached(cachebox.TTLCache(1000, 60))(_copy(function)),
        "cachetools TTLCache, lock": cachetools.cached(cachetools.TTLCache(1000, 60), lock=threading.RLock())(
            _copy(function)
        ),
    }


def _copy(function: Callable[..., Any]) -> Callable[..., Any]:
    def same(number: int) -> Any:
        return function(number)

    return same


def bench_hit_int() -> None:
    """A hit with an int argument and an int result."""
    plain = functools.lru_cache(None)(lambda number: number)
    cases = {"functools.lru_cache": plain, **_peers(lambda number: number)}
    rows = compare({name: statement("f(1)", f=function) for name, function in cases.items()})
    show("hit, int result", rows, {"cachelayer": "at most 7, below cachebox"})


def bench_hit_dict() -> None:
    """A hit with a small dict as the result. lru_cache and cachetools hand out one object to everybody."""
    plain = functools.lru_cache(None)(lambda number: SMALL)
    cases = {"functools.lru_cache": plain, **_peers(lambda number: dict(SMALL))}
    rows = compare({name: statement("f(1)", f=function) for name, function in cases.items()})
    show("hit, small dict, each caller its own", rows, {"cachelayer": "at most 12"})


def bench_hit_nested() -> None:
    """A hit with a nested result, which a shallow copy would not protect."""
    plain = functools.lru_cache(None)(lambda number: {"user": SMALL, "tags": ["a", "b"]})
    ours = cached(ttl=60, cache=Cache())(_copy(lambda number: {"user": SMALL, "tags": ["a", "b"]}))
    cases = {"functools.lru_cache": plain, "cachelayer": ours}
    show("hit, nested dict", compare({name: statement("f(1)", f=f) for name, f in cases.items()}))


class Service:
    """Has a method, cached in two ways."""

    @cached(ttl=60, cache=Cache())
    def ours(self, number: int) -> int:
        """Return the number."""
        return number


def bench_hit_method() -> None:
    """A hit of a bound method, beside lru_cache on a plain function."""
    plain, service = functools.lru_cache(None)(lambda number: number), Service()
    rows = compare(
        {
            "functools.lru_cache": statement("f(1)", f=plain),
            "cachelayer, bound method": statement("s.ours(1)", s=service),
        }
    )
    show("hit, bound method", rows, {"cachelayer, bound method": "at most 10"})


def bench_hit_tagged() -> None:
    """A hit of a function whose entries carry a tag."""
    plain = functools.lru_cache(None)(lambda number: number)
    tagged = cached(ttl=60, tags=["number:{number}"], cache=Cache())(_copy(lambda number: number))
    rows = compare(
        {"functools.lru_cache": statement("f(1)", f=plain), "cachelayer": statement("f(1)", f=tagged)}
    )
    show("hit, one tag", rows)


def bench_hit_stale() -> None:
    """A stale hit, while the one refresh is under way."""
    clock, released = FakeClock(), threading.Event()

    def compute(number: int) -> int:
        if clock() > began:
            released.wait()
        return number

    began = clock()
    ours = cached(ttl=10, stale_while_revalidate=60, cache=Cache(InMemoryBackend(clock=clock)))(compute)
    ours(1)
    clock.advance(20)
    try:
        plain = functools.lru_cache(None)(lambda number: number)
        cases = {"functools.lru_cache": plain, "cachelayer": ours}
        show("stale hit", compare({name: statement("f(1)", f=function) for name, function in cases.items()}))
    finally:
        released.set()


def bench_hit_async() -> None:
    """A hit of a coroutine function, beside awaiting a bare one."""

    async def bare(number: int) -> int:
        return number

    def awaiting(function: Callable[[int], Any]) -> Case:
        async def loop(count: int) -> float:
            started = time.perf_counter()
            for _ in range(count):
                await function(1)
            return time.perf_counter() - started

        return lambda count: asyncio.run(loop(count))

    ours = cached(ttl=60, cache=Cache())(bare)
    rows = compare({"bare coroutine": awaiting(bare), "cachelayer": awaiting(ours)})
    show("hit, async", rows, {"cachelayer": "at most 5"})


def bench_miss() -> None:
    """A miss: compute (next to nothing) and store, with room for 1,000 entries, so that each one evicts another."""
    functions = {
        "cachebox TTLCache": cachebox.cached(cachebox.TTLCache(1000, 60))(_copy(lambda number: number)),
        "cachelayer": cached(ttl=60, cache=Cache(InMemoryBackend(max_entries=1000)))(
            _copy(lambda number: number)
        ),
        "cachetools TTLCache, lock": cachetools.cached(cachetools.TTLCache(1000, 60), lock=threading.RLock())(
            _copy(lambda number: number)
        ),
    }
    cases = {
        name: statement("f(next(n))", f=function, n=itertools.count()) for name, function in functions.items()
    }
    show("miss and store", compare(cases, number=3000), {"cachelayer": "below cachebox"})


def bench_threads() -> None:
    """Four threads on one hot key, beside one thread that makes as many calls."""
    ours = cached(ttl=60, cache=Cache())(_copy(lambda number: number))
    ours(1)

    def calls(count: int) -> None:
        for _ in range(count):
            ours(1)

    def threads(count: int) -> float:
        workers = [threading.Thread(target=calls, args=(count // 4,)) for _ in range(4)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - started

    def one(count: int) -> float:
        started = time.perf_counter()
        calls(count)
        return time.perf_counter() - started

    rows = compare(
        {"one thread": one, "four threads, as many calls in all": threads}, number=100_000, rounds=11
    )
    show("one hot key", rows, {"four threads, as many calls in all": "no slower"})
