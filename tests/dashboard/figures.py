"""Reports such as a shop in the afternoon would have: made up, but of one piece. The same seed gives the same ones."""

import math
import random
from typing import Any

from cachelayer.outcomes import Outcome
from cachelayer.stats.report import (
    Advice,
    AuditEntry,
    BackendReport,
    Bucket,
    CurvePoint,
    Example,
    Figures,
    HealthReport,
    KeyCount,
    Latency,
    Report,
    Reuse,
    RouteDetail,
    RouteReport,
    Spark,
    Split,
    TagReport,
    Worker,
)

NOW = 1_795_357_500.0  # a Sunday afternoon
OUTCOMES = [outcome.value for outcome in Outcome]

#: Label, share of the traffic, hit rate, uncacheable, seconds of the origin, entries, bytes each, ttl, reuse.
ROUTES = [
    ("GET /products/{slug}", 30.0, 0.94, 0.01, 0.048, 4210, 18_400, 300.0, 6.2),
    ("GET /search", 18.0, 0.31, 0.02, 0.182, 9120, 42_800, 60.0, 210.0),
    ("GET /categories/{id}/products", 12.0, 0.88, 0.01, 0.121, 640, 61_000, 300.0, 11.0),
    ("GET /cart", 9.0, 0.0, 0.97, 0.021, 0, 0, None, None),
    ("GET /", 8.5, 0.985, 0.0, 0.240, 12, 84_000, 60.0, 0.3),
    ("GET /api/v2/recommendations/{customer_id}", 6.0, 0.62, 0.04, 0.390, 5230, 6_100, 900.0, 95.0),
    ("GET /api/v2/prices", 5.2, 0.71, 0.0, 0.034, 1800, 2_100, 10.0, 14.0),
    ("GET /static/{path}", 4.4, 0.997, 0.0, 0.003, 310, 120_000, 86_400.0, 2.0),
    ("GET /account/orders", 2.1, 0.0, 0.99, 0.066, 0, 0, None, None),
    ("GET /stores/{city}/opening-hours", 1.3, 0.91, 0.0, 0.017, 88, 3_300, 3600.0, 140.0),
    ("GET /feeds/products.xml", 0.6, 0.80, 0.0, 2.300, 1, 8_400_000, 900.0, 300.0),
    ("GET /sitemap.xml", 0.3, 0.86, 0.0, 1.100, 1, 2_400_000, 3600.0, 500.0),
    ("GET /health", 2.0, 0.0, 1.0, 0.0004, 0, 0, None, None),
    ("POST /checkout", 0.4, 0.0, 0.0, 0.310, 0, 0, None, None),
    ("<unmatched>", 0.2, 0.0, 1.0, 0.0007, 0, 0, None, None),
]
FUNCTIONS = [
    ("shop.pricing.price_of", 40.0, 0.965, 0.0, 0.0042, 18_000, 320, 30.0, 1.1),
    ("shop.catalogue.facets", 9.0, 0.83, 0.0, 0.067, 410, 9_800, 300.0, 24.0),
    ("shop.shipping.rates_for", 4.0, 0.72, 0.0, 0.420, 1300, 1_200, 3600.0, 310.0),
    ("shop.accounts.permissions_of", 22.0, 0.991, 0.0, 0.0021, 7400, 210, 600.0, 3.0),
]
ADVICE = [
    Advice(
        route="GET /search",
        kind="split",
        text="`utm_source` causes 71 % of the misses: the page does not change with it, but the key does.",
        figure=0.71,
        setting='Rule(path="/search", ignore_query=["utm_*"])',
    ),
    Advice(
        route="GET /api/v2/prices",
        kind="ttl_short",
        text="Entries are fresh for 10 s and asked for again after 14 s; 98 % of the recomputed prices were unchanged.",
        figure=0.98,
        setting='Rule(path="/api/v2/prices", ttl="2m")',
    ),
    Advice(
        route="GET /api/v2/recommendations/{customer_id}",
        kind="stale_if_error",
        text="1.9 % of the requests ended in an error while a stale answer was there for 84 % of them.",
        figure=0.84,
        setting="Rule(..., stale_if_error=3600)",
    ),
]


def latency(mean: float, count: int) -> Latency:
    """Return a skewed latency around a mean."""
    if not count:
        return Latency()
    return Latency(count=count, mean=mean, p50=mean * 0.78, p95=mean * 2.4, p99=mean * 4.9)


def split_up(requests: int, rate: float, uncacheable: float, dice: random.Random) -> dict[str, int]:
    """Return how so many lookups ended."""
    outcomes = dict.fromkeys(OUTCOMES, 0)
    if rate == uncacheable == 0:
        outcomes["bypass"] = requests
        return outcomes
    served = round(requests * (1 - uncacheable) * rate)
    for name, share in (
        ("stale_hit", 0.06),
        ("collapsed", 0.025),
        ("revalidated", 0.02),
        ("error_hit", 0.002),
    ):
        outcomes[name] = round(served * share * dice.uniform(0.6, 1.4))
    outcomes["hit"] = max(0, served - sum(outcomes.values()))
    outcomes["uncacheable"] = round(requests * uncacheable)
    outcomes["error"] = round(requests * 0.0015 * dice.uniform(0, 2))
    outcomes["miss"] = max(0, requests - sum(outcomes.values()))
    return outcomes


def figures_of(
    outcomes: dict[str, int], mean: float, size: int = 8_000, reasons: dict[str, int] | None = None
) -> dict[str, Any]:
    """Return the fields of `Figures`."""
    served = sum(outcomes[name] for name in ("hit", "stale_hit", "error_hit", "revalidated", "collapsed"))
    requests = sum(outcomes.values())
    looked_up = requests - outcomes["bypass"]
    calls = requests - served
    return {
        "outcomes": outcomes,
        "requests": requests,
        "served": served,
        "hit_rate": served / looked_up if looked_up else 0.0,
        "coverage": (looked_up - outcomes["uncacheable"]) / requests if requests else 0.0,
        "errors": outcomes["error"],
        "calls_avoided": outcomes["collapsed"],
        "saved_seconds": served * mean,
        "bytes_served": served * size,
        "bytes_stored": outcomes["miss"] * size,
        "stores": outcomes["miss"],
        "evictions": outcomes["miss"] // 9,
        "reasons": reasons or {},
        "origin": latency(mean, calls),
        "hit": latency(0.00021, served),
    }


def make_report(
    window: float = 3600.0, *, seed: int = 7, per_second: float = 240.0, **changes: Any
) -> Report:
    """Return a report of a busy hour, or of another window."""
    dice = random.Random(seed)
    step = 60.0 if window <= 86_400 else 600.0 if window <= 7 * 86_400 else 3600.0
    length = max(1, round(window / step))
    waves = [_wave(NOW - window + place * step, dice) for place in range(length)]
    routes = tuple(
        _route(row, "route", window=window, per_second=per_second, waves=waves, dice=dice) for row in ROUTES
    )
    functions = tuple(
        _route(row, "function", window=window, per_second=per_second, waves=waves, dice=dice)
        for row in FUNCTIONS
    )
    series = tuple(
        _bucket(place, waves, step=step, window=window, per_second=per_second, dice=dice)
        for place in range(length)
    )
    total = _sum([row.outcomes for row in (*routes, *functions)], 0.061)
    before = _sum([_scaled(row.outcomes, 0.93, dice) for row in (*routes, *functions)], 0.063, worse=0.021)
    given: dict[str, Any] = {
        "generated_at": NOW,
        "cache": "shop",
        "scope": "workers",
        "since": NOW - 9 * 86_400,
        "start": NOW - window,
        "end": NOW,
        "window": window,
        "step": step,
        "interval": 2.0,
        "workers": tuple(_worker(place) for place in range(4)),
        "total": total,
        "before": before,
        "series": series,
        "routes": tuple(sorted(routes, key=lambda row: -row.requests)),
        "functions": tuple(sorted(functions, key=lambda row: -row.requests)),
        "tags": _tags(),
        "backends": _backends(),
        "audit": _audit(),
        "curve": tuple(CurvePoint(scale=scale, hit_rate=rate) for scale, rate in CURVE),
        "entries": 48_532,
        "size_bytes": 81_400_000,
        "inflight": 7,
        "backend_errors": 3,
        "advice": tuple(ADVICE),
    }
    return Report(**{**given, **changes})


CURVE = ((0.25, 0.62), (0.5, 0.714), (1.0, 0.786), (2.0, 0.831), (4.0, 0.852), (8.0, 0.859))


def make_detail(label: str, *, seed: int = 7) -> RouteDetail:
    """Return the keys and examples of a route."""
    dice = random.Random(f"{seed}{label}")
    path = label.partition(" ")[2].replace("{slug}", "walnut-desk").replace("{id}", "12") or label
    queries = (
        "?q=desk&page=1",
        "?q=desk&utm_source=newsletter",
        "?q=lamp&page=2",
        "?q=chair&utm_source=ads",
        "",
    )
    keys = [f"https://shop.example{path}{query}" for query in queries]
    return RouteDetail(
        route=label,
        keys=tuple(
            KeyCount(key=key, count=4200 // place, share=0.21 / place) for place, key in enumerate(keys, 1)
        ),
        splits=(
            Split(kind="query", name="utm_source", share=0.71, distinct=38),
            Split(kind="header", name="accept-language", share=0.12, distinct=214),
        ),
        examples=tuple(_example(place, dice.choice(keys), dice) for place in range(24)),
    )


def many_routes(number: int) -> Report:
    """Return a report with so many routes."""
    report = make_report()
    pattern = report.routes[0]
    rows = tuple(
        RouteReport(
            **{name: getattr(pattern, name) for name in pattern.__struct_fields__}
            | {"route": f"GET /r/{place}", "requests": number - place}
        )
        for place in range(number)
    )
    return make_report(routes=rows)


def empty_report(window: float = 3600.0) -> Report:
    """Return the report of a cache that nobody has asked anything."""
    nothing = Figures(outcomes=dict.fromkeys(OUTCOMES, 0))
    series = tuple(
        Bucket(start=NOW - window + place * 60, outcomes=dict.fromkeys(OUTCOMES, 0)) for place in range(60)
    )
    return make_report(
        window,
        total=nothing,
        before=nothing,
        series=series,
        routes=(),
        functions=(),
        tags=(),
        audit=(),
        advice=(),
        curve=(),
        scope="process",
        workers=(_worker(0),),
        entries=0,
        size_bytes=0,
        backend_errors=0,
        interval=None,
        backends=(
            BackendReport(
                name="default", kind="InMemoryBackend", max_size_bytes=104_857_600, current_entries=0
            ),
        ),
    )


def _wave(at: float, dice: random.Random) -> float:
    day = 0.62 + 0.38 * math.sin((at % 86_400) / 86_400 * 2 * math.pi - 2.2)
    return day * dice.uniform(0.9, 1.1)


def _route(
    row: Any, kind: str, *, window: float, per_second: float, waves: list[float], dice: random.Random
) -> RouteReport:
    label, share, rate, uncacheable, mean, entries, size, ttl, reuse = row
    requests = round(window * per_second * share / 100 * sum(waves) / len(waves))
    outcomes = split_up(requests, rate, uncacheable, dice)
    reasons = _reasons(label, outcomes)
    spark = tuple(_spark(wave, requests / len(waves), rate * (1 - uncacheable), mean, dice) for wave in waves)
    method = (label.partition(" ")[0],) if kind == "route" and " " in label else ()
    return RouteReport(
        **figures_of(outcomes, mean, size or 900, reasons),
        route=label,
        kind=kind,
        methods=method,
        spark=spark,
        before=round(requests * dice.uniform(0.8, 1.15)),
        hit_rate_before=max(0.0, rate - 0.02),
        entries=entries,
        size_bytes=entries * size,
        variants_per_url=round(dice.uniform(1, 2.4), 1) if kind == "route" and entries else None,
        last_purge=NOW - 2460 if share > 9 else None,
        paused=label == "GET /stores/{city}/opening-hours",
        reuse=Reuse(
            ttl=ttl,
            gap_p50=reuse,
            gap_p95=reuse and reuse * 9,
            age_p50=ttl and ttl * 0.4,
            age_p95=ttl and ttl * 0.93,
            change_p50=ttl and ttl * 6,
            unchanged=ttl and 0.87,
        ),
        top_reason=next(iter(reasons), ""),
        advice=tuple(one for one in ADVICE if one.route == label),
    )


def _reasons(label: str, outcomes: dict[str, int]) -> dict[str, int]:
    count = outcomes["uncacheable"]
    if not count:
        return {"METHOD": outcomes["bypass"]} if outcomes["bypass"] else {}
    main = "SESSION-COOKIE" if label in {"GET /cart", "GET /account/orders"} else "NO-FRESHNESS"
    return {main: count - count // 8, "SET-COOKIE": count // 8} if count > 8 else {main: count}


def _spark(wave: float, mean_requests: float, rate: float, mean: float, dice: random.Random) -> Spark:
    requests = round(mean_requests * wave * dice.uniform(0.7, 1.3))
    if not requests:
        return Spark()
    dip = 0.55 if dice.random() < 0.02 else 1.0
    return Spark(
        requests=requests,
        hit_rate=max(0.0, min(1.0, rate * dip + dice.uniform(-0.03, 0.02))),
        origin_p95=mean * 2.4,
    )


def _bucket(
    place: int, waves: list[float], *, step: float, window: float, per_second: float, dice: random.Random
) -> Bucket:
    requests = round(per_second * 1.75 * step * waves[place])
    trouble = 0.35 < place / len(waves) < 0.42
    outcomes = split_up(requests, 0.60 if trouble else 0.84, 0.09, dice)
    if trouble:
        outcomes["error_hit"] += outcomes["miss"] // 3
        outcomes["error"] += outcomes["miss"] // 9
        outcomes["miss"] -= outcomes["miss"] // 3 + outcomes["miss"] // 9
    mean = 0.061 * (3.1 if trouble else 1.0) * dice.uniform(0.85, 1.2)
    fields = figures_of(outcomes, mean)
    names = ("outcomes", "requests", "hit_rate", "bytes_served", "saved_seconds", "origin")
    hit = latency(0.00021 * dice.uniform(0.9, 1.2), requests)
    return Bucket(start=NOW - window + place * step, hit=hit, **{name: fields[name] for name in names})


def _sum(parts: list[dict[str, int]], mean: float, *, worse: float = 0.0) -> Figures:
    outcomes = {name: sum(part[name] for part in parts) for name in OUTCOMES}
    lost = round(outcomes["hit"] * worse)
    outcomes["hit"] -= lost
    outcomes["miss"] += lost
    return Figures(**figures_of(outcomes, mean))


def _scaled(outcomes: dict[str, int], share: float, dice: random.Random) -> dict[str, int]:
    return {name: round(count * share * dice.uniform(0.97, 1.03)) for name, count in outcomes.items()}


def _worker(place: int) -> Worker:
    return Worker(
        id=f"web-1-{4120 + place}",
        host="web-1",
        pid=4120 + place,
        started=NOW - 7200,
        seen=NOW - place * 0.6,
        here=place == 0,
        requests=431_000 + place * 911,
    )


def _tags() -> tuple[TagReport, ...]:
    rows = (("product:walnut-desk", 41, 130, 31), ("category:12", 9, 2_210, 640), ("prices", 288, 12, 1800))
    return tuple(
        TagReport(tag=tag, invalidations=n, last=NOW - ago, entries=entries) for tag, n, ago, entries in rows
    )


def _backends() -> tuple[BackendReport, ...]:
    well = HealthReport(state="closed", failures=3, timeouts=2, replayed=1)
    return (
        BackendReport(
            name="shop",
            kind="TieredBackend",
            shared=True,
            hits=1_402_110,
            misses=312_400,
            current_entries=48_532,
            current_size_bytes=81_400_000,
            hit_rate=0.818,
            health=well,
            errors=3,
        ),
        BackendReport(
            name="shop/l1",
            kind="InMemoryBackend",
            tier="l1",
            hits=1_190_004,
            misses=524_506,
            evictions=1_233,
            current_entries=31_880,
            current_size_bytes=52_100_000,
            max_size_bytes=104_857_600,
            hit_rate=0.694,
            utilization=0.497,
        ),
        BackendReport(
            name="shop/l2",
            kind="RedisBackend",
            tier="l2",
            shared=True,
            hits=212_106,
            misses=312_400,
            evictions=0,
            current_entries=48_532,
            current_size_bytes=81_400_000,
            hit_rate=0.404,
            health=well,
        ),
    )


def _audit() -> tuple[AuditEntry, ...]:
    return (
        AuditEntry(
            at=NOW - 130,
            action="invalidate_tags",
            what="tag product:walnut-desk",
            count=31,
            worker="web-1-4120",
            reached=4,
            workers=4,
        ),
        AuditEntry(
            at=NOW - 2460,
            action="purge",
            what="route GET /search",
            soft=True,
            count=9120,
            by="alice",
            worker="web-1-4121",
            reached=4,
            workers=4,
        ),
        AuditEntry(
            at=NOW - 3300,
            action="pause",
            what="route GET /stores/{city}/opening-hours",
            count=None,
            by="alice",
            worker="web-1-4121",
            reached=4,
            workers=4,
        ),
        AuditEntry(
            at=NOW - 8100,
            action="purge",
            what="prefix https://shop.example/static/",
            count=300,
            exact=False,
            by="deploy token",
            worker="web-1-4122",
            reached=3,
            workers=4,
        ),
    )


def _example(place: int, key: str, dice: random.Random) -> Example:
    outcome = dice.choices(["hit", "miss", "stale_hit", "collapsed", "uncacheable"], [60, 25, 8, 4, 3])[0]
    age = round(dice.uniform(0, 50)) if outcome == "hit" else None
    status = {
        "hit": f"cachelayer; hit; ttl={60 - (age or 0)}",
        "miss": "cachelayer; fwd=uri-miss; stored",
        "stale_hit": "cachelayer; hit; ttl=-4; detail=STALE-WHILE-REVALIDATE",
        "collapsed": "cachelayer; fwd=uri-miss; collapsed",
        "uncacheable": "cachelayer; fwd=uri-miss; detail=SET-COOKIE",
    }[outcome]
    return Example(
        at=NOW - place * 1.7,
        outcome=outcome,
        key=key,
        seconds=0.0002 if outcome == "hit" else dice.uniform(0.05, 0.4),
        reason="SET-COOKIE" if outcome == "uncacheable" else "",
        cache_status=status,
        age=age,
    )
