"""What the dashboard and the command line show: one frozen `Report`, of all workers that share statistics.

    make_report(cache, window=3600.0, end=None) -> Report         everything but keys; for every role that may view
    route_detail(cache, "GET /users/{id}")      -> RouteDetail    keys and URLs: for those alone who may see them
    shared_totals(cache)                        -> StatsSnapshot  cumulative, of all workers: what metrics export
    cache.stats()                               -> StatsSnapshot  cumulative, of this process alone; asks nobody

The first three are in `cachelayer.stats`, as in `from cachelayer.stats import make_report`; a window is in seconds, or
any duration. They may ask the shared store, so an event loop calls them by `asyncio.to_thread`; a store that cannot be
reached raises nothing: the report is of this process then, and says so in `scope`. The first report of a cache that
shares nothing starts its history: before that there are totals, and no series.
Everything here becomes JSON by `msgspec.to_builtins(report)`. Times are epoch seconds, durations seconds, sizes bytes,
rates and shares from 0.0 to 1.0. None is "unknown", never zero. Where there was nothing to measure, a percentile is
None and a rate is 0.0.

A report is of a window of time. What began before the process, and was not shared, is not in it: `since` says from when
on there is anything. Buckets of the series are as long as `step`, without gaps, the last one still open.
"""

from __future__ import annotations

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, from a histogram of log-spaced buckets: percentiles are right within 10 %.

    Attributes:
        count: how many were timed: every origin call and every hit of a route, one in 64 hits of a function in memory.
        mean: seconds; None where none was timed. So are the percentiles.
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted in some time, of a route, a function, or all together.

    Attributes:
        outcomes: how often each of the nine outcomes happened, zeros included, in the order of `Outcome`.
        requests: all of them together.
        served: those that were answered without a computation of their own.
        hit_rate: served, of all but the bypassed.
        coverage: the share that is neither bypassed nor uncacheable.
        errors: the outcome `error`.
        calls_avoided: origin calls avoided by collapsing: the outcome `collapsed`.
        saved_seconds: what the served would have taken at the origin's mean, less what serving took.
        bytes_served: body bytes served from the cache (routes).
        bytes_stored: bytes written into the store.
        stores: values and responses stored.
        evictions: entries that were removed to make room; None where the store does not tell.
        refreshes: computations in the background; not in `outcomes`.
        refresh_errors: those that failed.
        reasons: why something was not stored or not looked up, with how often, the most frequent first.
        origin: time in the origin.
        hit: time of serving from the cache.
    """

    outcomes: dict[str, int]
    requests: int = 0
    served: int = 0
    hit_rate: float = 0.0
    coverage: float = 0.0
    errors: int = 0
    calls_avoided: int = 0
    saved_seconds: float = 0.0
    bytes_served: int = 0
    bytes_stored: int = 0
    stores: int = 0
    evictions: int | None = None
    refreshes: int = 0
    refresh_errors: int = 0
    reasons: dict[str, int] = {}
    origin: Latency = Latency()
    hit: Latency = Latency()


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the series.

    Attributes:
        start: when it begins.
        outcomes: as in `Figures`, all routes and functions together.
        requests: all of them.
        hit_rate: as in `Figures`.
        origin: time in the origin.
        hit: time of serving from the cache.
        bytes_served: body bytes served from the cache.
        saved_seconds: as in `Figures`.
    """

    start: float
    outcomes: dict[str, int]
    requests: int = 0
    hit_rate: float = 0.0
    origin: Latency = Latency()
    hit: Latency = Latency()
    bytes_served: int = 0
    saved_seconds: float = 0.0


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a route's sparkline and heat strip; the steps are those of `Report.series`."""

    requests: int = 0
    hit_rate: float = 0.0
    origin_p95: float | None = None


class Reuse(msgspec.Struct, frozen=True, kw_only=True):
    """How long entries live, against how they are used: estimates from samples; None where there is no sample.

    Attributes:
        ttl: seconds for which the latest stored entries are fresh, the median; None also for "for ever".
        age_p50: how old entries are when they are served, the median, in seconds.
        age_p95: the same, ninety-fifth percentile.
        gap_p50: seconds between two requests for the same key, the median: reuse.
        gap_p95: the same, ninety-fifth percentile.
        change_p50: seconds after which a value computed anew differed from the one before, the median.
        unchanged: share of recomputed values that were the same as before.
    """

    ttl: float | None = None
    age_p50: float | None = None
    age_p95: float | None = None
    gap_p50: float | None = None
    gap_p95: float | None = None
    change_p50: float | None = None
    unchanged: float | None = None


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do about a route.

    Attributes:
        route: the label.
        kind: "split", "ttl_short", "ttl_long", "stale_if_error", "cookies" or "evictions".
        text: a sentence with its figure.
        figure: the share that supports it, or a ratio.
        setting: what to change, as it is written in code.
    """

    route: str
    kind: str
    text: str
    figure: float
    setting: str


class RouteReport(Figures, frozen=True, kw_only=True):
    """One route or function.

    Attributes:
        route: the label: "GET /users/{id}", "module.function", "<unlabelled>", "<unmatched>" or "<other>".
        kind: "route" or "function".
        methods: the methods that the label stands for: one, or none for a function.
        spark: the route's own steps, as many as `Report.series` has.
        before: requests in the window before this one.
        hit_rate_before: the hit rate in that window; None where there was no request.
        entries: living entries, of all workers together where each has its own memory; None where unknown.
        size_bytes: their size; None where unknown.
        variants_per_url: stored variants for each URL that has any, on average; None where unknown.
        last_purge: when this route, or the whole cache, was purged or invalidated last; None: not that we know.
        paused: whether caching of this route is paused.
        reuse: lifetimes against use.
        top_reason: the most frequent of `reasons`; "" where there is none.
        advice: what to do about it, the most worthwhile first.
    """

    route: str
    kind: str = "route"
    methods: tuple[str, ...] = ()
    spark: tuple[Spark, ...] = ()
    before: int = 0
    hit_rate_before: float | None = None
    entries: int | None = None
    size_bytes: int | None = None
    variants_per_url: float | None = None
    last_purge: float | None = None
    paused: bool = False
    reuse: Reuse = Reuse()
    top_reason: str = ""
    advice: tuple[Advice, ...] = ()


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One process that counts.

    Attributes:
        id: its own among all, also where process ids are used again.
        host: its host's name.
        pid: its process id there.
        started: when it began to count.
        seen: when it last said what it counted; the process that makes the report is seen now.
        here: whether it is the process that makes the report.
        requests: lookups since it started.
    """

    id: str
    host: str
    pid: int
    started: float
    seen: float
    here: bool = False
    requests: int = 0


class TagReport(msgspec.Struct, frozen=True, kw_only=True):
    """One tag that was invalidated.

    Attributes:
        tag: as it was given.
        invalidations: how often, since the statistics began.
        last: when, the last time.
        entries: entries that those invalidations killed, as far as the store told.
    """

    tag: str
    invalidations: int
    last: float
    entries: int = 0


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a shared store has been doing: see `cachelayer.backends.resilience.Health`.

    Attributes:
        state: "closed" is well: it is asked. "open": it is away. "probing": one caller asks whether it is back.
        opened_at: since when it has been away.
        pending: invalidations that it has yet to get.
        failures, timeouts, refused, swallowed, replayed, lost_threads: counts since this process began.
        last_error: "" where there was none.
    """

    state: str
    opened_at: float | None = None
    pending: int = 0
    failures: int = 0
    timeouts: int = 0
    refused: int = 0
    swallowed: int = 0
    replayed: int = 0
    lost_threads: int = 0
    last_error: str = ""


class BackendReport(msgspec.Struct, frozen=True, kw_only=True):
    """One store, or one tier of a tiered one: its own reads and writes, in all living workers together.

    Attributes:
        name: of the cache; with "/l1" or "/l2" for a tier.
        kind: the backend's class.
        tier: "", "l1" or "l2".
        shared: whether all workers see one store; else each has its own, and entries and sizes are sums.
        hits, misses, sets, deletes, evictions, current_entries, current_size_bytes, max_size_bytes: as `CacheStats`.
        hit_rate: hits / (hits + misses).
        utilization: of its maximum; 0.0 where there is none.
        health: as this process sees it; None where the store cannot go away.
        errors: operations that failed and were answered as misses.
    """

    name: str
    kind: str
    tier: str = ""
    shared: bool = False
    hits: int | None = None
    misses: int | None = None
    sets: int | None = None
    deletes: int | None = None
    evictions: int | None = None
    current_entries: int | None = None
    current_size_bytes: int | None = None
    max_size_bytes: int | None = None
    hit_rate: float = 0.0
    utilization: float = 0.0
    health: HealthReport | None = None
    errors: int = 0


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One purge, invalidation, clearing or pause.

    Attributes:
        at: when.
        action: "purge", "invalidate_tags", "clear", "pause" or "resume".
        what: of what, such as "tag user:7", "route GET /", "url https://host/path"; "" for all.
        soft: whether entries became stale and were not removed.
        count: how many entries; None where unknown.
        exact: whether `count` is exact.
        by: who, as far as it was said: a user of the dashboard; "" for the application itself.
        worker: the id of the worker in which it was asked for.
        reached: workers that it has reached by now.
        workers: workers that it has to reach: one where the store is shared, which then is the truth for all.
    """

    at: float
    action: str
    what: str = ""
    soft: bool = False
    count: int | None = None
    exact: bool = True
    by: str = ""
    worker: str = ""
    reached: int = 1
    workers: int = 1


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The hit rate that the memory store would have at another size.

    Attributes:
        scale: the size, as a multiple of what it is now.
        hit_rate: the estimate.
    """

    scale: float
    hit_rate: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be seen, of one window of time.

    Attributes:
        generated_at: when it was made.
        cache: the cache's name.
        namespace: its namespace.
        scope: "workers": of all that share statistics. "process": of this one alone, since nothing is shared.
            "degraded": of this one alone, since the shared statistics cannot be reached now.
        since: from when on there is anything.
        start, end: the window; `end` is `generated_at` unless another was asked for.
        window: its length in seconds.
        step: the length of a bucket of the series: 60, 600 or 3600 seconds.
        interval: seconds between two flushes of a worker, by which others' figures may be late; None: not shared.
        workers: who counts, this process first.
        total: all routes and functions in the window.
        before: the same for the window before it, of the same length.
        series: the window in steps; its first may begin before `start`.
        routes: HTTP routes with any count at all, by requests in the window, the busiest first.
        functions: cached functions likewise.
        tags: the tags that were invalidated, the latest first; at most 100.
        backends: the stores, a tiered one followed by both its tiers.
        audit: purges and invalidations, the latest first; at most 200.
        curve: the miss-ratio curve of the memory store, by size; empty where there is none.
        entries: living entries of the store; None where unknown.
        size_bytes: their size; None where unknown.
        inflight: computations under way in this process.
        backend_errors: operations of the store that failed and were answered as misses, of all living workers.
        advice: the advice of all routes, the most worthwhile first.
    """

    generated_at: float
    cache: str
    namespace: str = ""
    scope: str = "process"
    since: float
    start: float
    end: float
    window: float
    step: float
    interval: float | None = None
    workers: tuple[Worker, ...]
    total: Figures
    before: Figures
    series: tuple[Bucket, ...]
    routes: tuple[RouteReport, ...] = ()
    functions: tuple[RouteReport, ...] = ()
    tags: tuple[TagReport, ...] = ()
    backends: tuple[BackendReport, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    entries: int | None = None
    size_bytes: int | None = None
    inflight: int = 0
    backend_errors: int = 0
    advice: tuple[Advice, ...] = ()


# -- what only those see who may see keys -------------------------------------------------------------------------


class KeyCount(msgspec.Struct, frozen=True, kw_only=True):
    """One of the most requested keys, from a sample.

    Attributes:
        key: the entry's key, or the URL.
        count: lookups, estimated.
        share: of all the route's lookups, estimated.
    """

    key: str
    count: int
    share: float


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter, header or cookie that splits the cache.

    Attributes:
        kind: "query", "header" or "cookie".
        name: its name; its values are never kept.
        share: share of the sampled misses that would have been hits without it.
        distinct: how many different values were seen, estimated.
    """

    kind: str
    name: str
    share: float
    distinct: int


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One lookup, sampled: the live tail and the Cache-Status examples are made of these.

    Attributes:
        at: when it ended.
        outcome: how.
        key: the URL, or the entry's key.
        seconds: what serving took, or the origin.
        reason: why it was not stored, or "".
        cache_status: the header's value as it was sent, or "".
        age: of what was served, in seconds; None where nothing was.
    """

    at: float
    outcome: str
    key: str = ""
    seconds: float = 0.0
    reason: str = ""
    cache_status: str = ""
    age: float | None = None


class RouteDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What a route's drawer shows beside its `RouteReport`, of all workers, from bounded samples.

    Attributes:
        route: the label.
        keys: the most requested keys, at most 20; of one worker, 10.
        splits: what splits the cache, the worst first, at most 10.
        examples: sampled lookups, the latest first, at most 50.
    """

    route: str
    keys: tuple[KeyCount, ...] = ()
    splits: tuple[Split, ...] = ()
    examples: tuple[Example, ...] = ()
