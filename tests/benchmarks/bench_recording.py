"""What counting costs: a request with all that is known of it, a function's hit, a miss, a flush, a report."""

from __future__ import annotations

from typing import Any

from cachelayer import Cache, Outcome, cached
from cachelayer.functions import compiled
from cachelayer.stats import make_report
from cachelayer.stats.routes import RouteCounters
from tests.benchmarks.runner import compare, show, statement

HIT = "if counters.record(HIT, seconds=1e-5, size=2048): counters.note_sample(HIT, key=key, seconds=1e-5, age=5.0)"
MISS = "counters.record(MISS, seconds=1e-2) and counters.note_sample(MISS, key=key); counters.note_store((2048, 60.0))"
KEY = "https://example.org/items?page=2&utm_source=newsletter"


def bench_requests() -> None:
    """A request's counters, its share of adding up and of the samples included."""
    scope: dict[str, Any] = {"counters": RouteCounters("GET /items"), "key": KEY, **Outcome.__members__}
    rows = compare(
        {
            "nothing": statement("pass"),
            "a hit": statement(HIT, **scope),
            "a miss that is stored": statement(MISS, **scope),
        }
    )
    show("recording a request", rows, {"a hit": "1,000 ns", "a miss that is stored": "1,000 ns"})


def bench_hits() -> None:
    """A function's hit, beside one that counts nothing."""
    whole = compiled._TRY
    before, counting = whole.split("                if _cl_tick()")
    nothing = before + "                return _cl_value" + counting.split("return _cl_value")[2]
    functions: dict[str, Any] = {}
    for name, source in (("counting nothing", nothing), ("counting", whole)):
        compiled._TRY = source  # type: ignore[misc]
        functions[name] = cached(cache=Cache(), ttl=60)(lambda number: number)
        functions[name](1)
    rows = compare({name: statement("f(1)", f=f) for name, f in functions.items()}, rounds=101)
    show("a function's hit", rows, {"counting": "50 ns more"})


def bench_flushing() -> None:
    """What a worker's thread does every few seconds, and what a report takes, with 50 and with 500 routes."""
    for routes in (50, 500):
        cache = Cache()
        labels = [f"GET /items/{number}" for number in range(routes)]
        make_report(cache)

        def flush(cache: Cache = cache, labels: list[str] = labels) -> None:
            for label in labels:
                cache.routes.counters(label).record(Outcome.HIT, seconds=1e-5, size=100)
            cache.recorder.flush()

        cases = {
            "flush": statement("flush()", flush=flush),
            "report": statement("make_report(cache)", make_report=make_report, cache=cache),
        }
        show(f"{routes} routes", compare(cases, number=2, rounds=5))
        cache.close()
