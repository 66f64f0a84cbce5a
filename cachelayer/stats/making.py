"""Makes reports of what all workers have written down."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError
from cachelayer.outcomes import Outcome
from cachelayer.stats.advice import advise
from cachelayer.stats.histograms import Histogram, percentile
from cachelayer.stats.history import History, Window
from cachelayer.stats.pages import Counts, SampledRoute, Stored, Totals
from cachelayer.stats.presence import COUNTED
from cachelayer.stats.recorder import Counted, Recorder
from cachelayer.stats.report import (
    AuditEntry,
    BackendReport,
    Bucket,
    CurvePoint,
    Figures,
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
from cachelayer.stats.snapshots import RouteStats, StatsSnapshot, total_of

logger = logging.getLogger("cachelayer.stats")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"})
_MOST_AUDITED: Final = 200
_MOST_TAGS: Final = 100
_MOST_KEYS: Final = 20
_MOST_SPLITS: Final = 10
_MOST_EXAMPLES: Final = 50
_PATIENCE: Final = 2.0
_BITS: Final = 1024


class Recorded(Counted, Protocol):
    """A cache with its recorder."""

    recorder: Recorder
    paused: frozenset[str]

    def stats(self) -> StatsSnapshot:
        """Return what this process counted."""
        ...

    @property
    def inflight(self) -> int:
        """Computations under way in this process."""
        ...


def make_report(
    cache: Recorded, window: Duration = 3600.0, *, end: float | None = None, now: float | None = None
) -> Report:
    """Return what is to be seen of a cache in a window of time, of all workers that share statistics.

    Args:
        cache: whose.
        window: how long, in seconds; at most 31 days are kept.
        end: when it ends, in epoch seconds; None is now.
        now: what "now" is, in epoch seconds; None is by the cache's clock.

    Raises:
        ConfigurationError: the window is no length of time.
    """
    seconds = parse_duration(window, name="window")
    if not seconds or not math.isfinite(seconds):
        raise ConfigurationError(f"window={window!r}: it must be above 0 seconds")
    at = cache.clock() if now is None else now
    return _Making(cache, at, Window.ending(at if end is None else end, seconds)).report()


def route_detail(cache: Recorded, route: str) -> RouteDetail:
    """Return the keys, splits and examples that were sampled of a route or function: for those who may see keys."""
    history = read_history(cache)
    samples = [page.present.samples[route] for page in history.living if route in page.present.samples]
    return RouteDetail(
        route=route,
        keys=_top_keys(samples),
        splits=splits_of(samples),
        examples=tuple(
            sorted((each for one in samples for each in one.examples), key=lambda each: -each.at)[
                :_MOST_EXAMPLES
            ]
        ),
    )


def shared_totals(cache: Recorded) -> StatsSnapshot:
    """Return what all workers that share statistics have counted since those began, living or not.

    Where nothing is shared, or the store cannot be asked, it is what this process has counted.
    """
    mine = cache.stats()
    if not cache.recorder.shared:
        return mine
    history = read_history(cache)
    return mine if history.is_degraded else totals_in(history, mine)


def totals_in(history: History, mine: StatsSnapshot) -> StatsSnapshot:
    """Return what all workers have counted, by `history`; what of the stores this process knows is in `mine`."""
    counts = history.total.counts
    return StatsSnapshot(
        total=total_of((*counts.routes.values(), *counts.functions.values())),
        routes=counts.routes,
        functions=counts.functions,
        backends=mine.backends,
        backend_errors=counts.errors,
        operations={_parts(name): each for name, each in counts.operations.items()},
        invalidations=counts.invalidations,
    )


def _parts(name: str) -> tuple[str, str]:
    operation, _, status = name.partition(":")
    return operation, status


def read_history(cache: Recorded) -> History:
    """Write down what was counted here, and read what all have."""
    recorder = cache.recorder
    recorder.begin()
    recorder.flush(patience=_PATIENCE)
    return History(recorder)


class _Making:
    """One report under way."""

    def __init__(self, cache: Recorded, now: float, window: Window) -> None:
        self._cache, self._now, self._window = cache, now, window
        self._history = read_history(cache)
        steps = self._history.steps(window)
        self._steps = [steps.get(start, Counts()) for start in window.starts]
        self._before = Counts.sum(steps[start] for start in window.before if start in steps)
        self._sum = Counts.sum(self._steps)
        self._pages = self._history.living
        self._total: Totals = self._history.total

    def report(self) -> Report:
        """Return it."""
        window, recorder = self._window, self._cache.recorder
        backends = self._backends()
        routes, functions = self._labels("routes"), self._labels("functions")
        advice = sorted(
            (each for route in (*routes, *functions) for each in route.advice), key=lambda each: -each.figure
        )
        return Report(
            generated_at=self._now,
            cache=self._cache.name,
            namespace=self._cache.namespace,
            scope=self._scope(),
            since=self._history.since,
            start=window.start,
            end=window.end,
            window=float(len(window.starts) * window.resolution.step),
            step=float(window.resolution.step),
            interval=recorder.interval if recorder.shared else None,
            workers=self._workers(),
            total=self._figures_of_all(self._sum),
            before=self._figures_of_all(self._before),
            series=tuple(map(self._bucket, window.starts, self._steps)),
            routes=routes,
            functions=functions,
            tags=self._tags(),
            backends=backends,
            audit=self._audit(),
            curve=curve_of(page.present.curve for page in self._pages),
            entries=backends[0].current_entries if backends else None,
            size_bytes=backends[0].current_size_bytes if backends else None,
            inflight=self._cache.inflight,
            backend_errors=sum(page.present.errors for page in self._pages),
            advice=tuple(advice),
        )

    def _scope(self) -> str:
        if not self._cache.recorder.shared:
            return "process"
        return "degraded" if self._history.is_degraded else "workers"

    def _workers(self) -> tuple[Worker, ...]:
        me = self._cache.recorder.id
        workers = [
            Worker(
                id=page.id,
                host=page.host,
                pid=page.pid,
                started=page.started,
                seen=self._now if page.id == me else page.seen,
                here=page.id == me,
                requests=page.present.requests,
            )
            for page in self._pages
        ]
        return tuple(sorted(workers, key=lambda each: (not each.here, each.host, each.pid)))

    # -- figures ----------------------------------------------------------------------------------------------

    def _figures_of_all(self, counts: Counts) -> Figures:
        everything = [*counts.routes.values(), *counts.functions.values()]
        return Figures(**figures(total_of(everything), self._saved(counts)))

    def _saved(self, counts: Counts) -> float:
        routes = (self._saved_by(stats, self._total.counts.routes) for stats in counts.routes.values())
        functions = (
            self._saved_by(stats, self._total.counts.functions) for stats in counts.functions.values()
        )
        return float(sum(routes) + sum(functions))

    @staticmethod
    def _saved_by(stats: RouteStats, ever: Mapping[str, RouteStats]) -> float:
        """Return the time saved; where the origin was not asked in the window, by what it took before."""
        if stats.origin_calls or not stats.served or stats.route not in ever:
            return stats.saved_seconds
        usual = ever[stats.route]
        return max(0.0, stats.served * (usual.origin_mean_seconds - stats.hit_mean_seconds))

    def _bucket(self, start: int, counts: Counts) -> Bucket:
        stats = total_of((*counts.routes.values(), *counts.functions.values()))
        return Bucket(
            start=float(start),
            outcomes=outcomes(stats),
            requests=stats.requests,
            hit_rate=stats.hit_rate,
            origin=latency(stats.origin_times),
            hit=latency(stats.hit_times),
            bytes_served=stats.bytes_served,
            saved_seconds=self._saved(counts),
        )

    def _labels(self, kind: str) -> tuple[RouteReport, ...]:
        ever: dict[str, RouteStats] = getattr(self._total.counts, kind)
        here: dict[str, RouteStats] = getattr(self._sum, kind)
        reports = [self._label(kind, label) for label in {**ever, **here}]
        return tuple(sorted(reports, key=lambda each: (-each.requests, each.route)))

    def _label(self, kind: str, label: str) -> RouteReport:
        ever: dict[str, RouteStats] = getattr(self._total.counts, kind)
        stats: RouteStats = getattr(self._sum, kind).get(label) or RouteStats(route=label)
        before: RouteStats = getattr(self._before, kind).get(label) or RouteStats(route=label)
        steps = [getattr(counts, kind).get(label) for counts in self._steps]
        stored = self._stored(kind, label)
        method = label.partition(" ")[0]
        purged = self._total.events.purged
        reasons = _by_count(stats.reasons)
        report = RouteReport(
            **figures(stats, self._saved_by(stats, ever)),
            route=label,
            kind="route" if kind == "routes" else "function",
            methods=(method,) if kind == "routes" and method in _METHODS else (),
            spark=tuple(map(_spark, steps)),
            before=before.requests,
            hit_rate_before=before.hit_rate if before.requests else None,
            entries=None if stored is None else stored.entries,
            size_bytes=None if stored is None else stored.size,
            variants_per_url=stored.entries / stored.urls if stored is not None and stored.urls else None,
            last_purge=max(filter(None, (purged.get(label), purged.get(""))), default=None),
            paused=label in self._cache.paused,
            reuse=_reuse(stats if stats.served else ever.get(label, stats)),
            top_reason=next(iter(reasons), ""),
        )
        samples = [page.present.samples[label] for page in self._pages if label in page.present.samples]
        return msgspec.structs.replace(report, advice=tuple(advise(report, splits_of(samples))))

    def _stored(self, kind: str, label: str) -> Stored | None:
        found = [
            getattr(page.present, kind).get(label, Stored()) for page in self._pages if page.present.measured
        ]
        if not found:
            return None
        return Stored(
            sum(each.entries for each in found),
            sum(each.size for each in found),
            sum(each.urls for each in found),
        )

    # -- the rest ---------------------------------------------------------------------------------------------

    def _tags(self) -> tuple[TagReport, ...]:
        counts = self._total.events.tags.items()
        tags = [
            TagReport(tag=tag, invalidations=each.invalidations, last=each.last, entries=each.entries)
            for tag, each in counts
        ]
        return tuple(sorted(tags, key=lambda each: -each.last)[:_MOST_TAGS])

    def _audit(self) -> tuple[AuditEntry, ...]:
        entries: list[AuditEntry] = []
        for noted in self._total.events.audit:
            entry = noted.entry
            if noted.number:
                entry = msgspec.structs.replace(
                    entry,
                    workers=len(self._pages),
                    reached=sum(page.heard >= noted.number for page in self._pages),
                )
            entries.append(entry)
        return tuple(sorted(entries, key=lambda each: -each.at)[:_MOST_AUDITED])

    def _backends(self) -> tuple[BackendReport, ...]:
        me = self._cache.recorder.id
        pages = sorted(self._pages, key=lambda page: (page.id != me, -page.seen))
        merged: dict[str, BackendReport] = {}
        for page in pages:
            for each in page.present.backends:
                had = merged.get(each.name)
                merged[each.name] = each if had is None else _together(had, each)
        return tuple(merged.values())


# -- values -----------------------------------------------------------------------------------------------------


def figures(stats: RouteStats, saved: float) -> dict[str, Any]:
    """Return the fields of `Figures`."""
    return {
        "outcomes": outcomes(stats),
        "requests": stats.requests,
        "served": stats.served,
        "hit_rate": stats.hit_rate,
        "coverage": stats.coverage,
        "errors": stats.error,
        "calls_avoided": stats.collapsed,
        "saved_seconds": saved,
        "bytes_served": stats.bytes_served,
        "bytes_stored": stats.bytes_stored,
        "stores": stats.stores,
        "evictions": stats.evictions,
        "refreshes": stats.refreshes,
        "refresh_errors": stats.refresh_errors,
        "reasons": _by_count(stats.reasons),
        "origin": latency(stats.origin_times),
        "hit": latency(stats.hit_times),
    }


def outcomes(stats: RouteStats) -> dict[str, int]:
    """Return the count of each outcome."""
    return {outcome.value: getattr(stats, outcome.value) for outcome in Outcome}


def latency(histogram: Histogram) -> Latency:
    """Return what a histogram of seconds shows."""
    p50, p95, p99 = (histogram.percentile(share) for share in (0.5, 0.95, 0.99))
    return Latency(count=histogram.count, mean=histogram.mean, p50=p50, p95=p95, p99=p99)


def _spark(stats: RouteStats | None) -> Spark:
    if stats is None:
        return Spark()
    return Spark(
        requests=stats.requests,
        hit_rate=stats.hit_rate,
        origin_p95=percentile(stats.origin_buckets, 0.95),
    )


def _reuse(stats: RouteStats) -> Reuse:
    changed = sum(stats.change_buckets.values())
    recomputed = changed + stats.unchanged
    return Reuse(
        ttl=percentile(stats.ttl_buckets, 0.5),
        age_p50=percentile(stats.age_buckets, 0.5),
        age_p95=percentile(stats.age_buckets, 0.95),
        gap_p50=percentile(stats.gap_buckets, 0.5),
        gap_p95=percentile(stats.gap_buckets, 0.95),
        change_p50=percentile(stats.change_buckets, 0.5),
        unchanged=stats.unchanged / recomputed if recomputed else None,
    )


def _by_count(reasons: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _together(one: BackendReport, other: BackendReport) -> BackendReport:
    """Return the report of a store as two workers see it; the first one's view of what there is one of."""
    counts: dict[str, Any] = {}
    for field in COUNTED:
        mine, theirs = getattr(one, field), getattr(other, field)
        is_its_own = field.startswith(("current", "max")) and one.shared
        counts[field] = mine if is_its_own else _sum(mine, theirs)
    hits, misses = counts["hits"] or 0, counts["misses"] or 0
    room = counts["max_size_bytes"]
    return msgspec.structs.replace(
        one,
        **counts,
        errors=one.errors + other.errors,
        hit_rate=hits / (hits + misses) if hits + misses else 0.0,
        utilization=(counts["current_size_bytes"] or 0) / room if room else 0.0,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _top_keys(samples: Iterable[SampledRoute]) -> tuple[KeyCount, ...]:
    lookups, counts = 0, dict[str, int]()
    for each in samples:
        lookups += each.lookups
        for key in each.keys:
            counts[key.key] = counts.get(key.key, 0) + key.count
    top = sorted(counts.items(), key=lambda item: -item[1])[:_MOST_KEYS]
    return tuple(
        KeyCount(key=key, count=count, share=min(1.0, count / max(1, lookups))) for key, count in top
    )


def splits_of(samples: Iterable[SampledRoute]) -> tuple[Split, ...]:
    """Return what splits the cache, of several workers' samples of one route, the worst first."""
    misses, seen = 0, dict[tuple[str, str], tuple[int, int, int]]()
    for each in samples:
        misses += each.misses
        for varied in each.varied:
            had = seen.get((varied.kind, varied.name), (0, 0, 0))
            bits = had[2] | int.from_bytes(varied.bits, "big")
            seen[varied.kind, varied.name] = had[0] + varied.seen, had[1] + varied.avoidable, bits
    splits = [
        Split(
            kind=kind,
            name=name,
            share=(count if kind == "cookie" else avoidable)
            / max(1, misses, count if kind == "cookie" else 0),
            distinct=_distinct(bits),
        )
        for (kind, name), (count, avoidable, bits) in seen.items()
    ]
    return tuple(sorted(splits, key=lambda each: -each.share)[:_MOST_SPLITS])


def _distinct(bits: int) -> int:
    """Return how many values set these bits (Whang and others, "linear-time probabilistic counting", 1990)."""
    clear = _BITS - bits.bit_count()
    return round(_BITS * math.log(_BITS / max(1, clear)))


def curve_of(curves: Iterable[Mapping[str, int]]) -> tuple[CurvePoint, ...]:
    """Return the miss-ratio curve of what workers have sampled: at the sizes that all know of who know of any."""
    known = [curve for curve in curves if curve.get("lookups")]
    if not known:
        return ()
    lookups = sum(curve["lookups"] for curve in known)
    scales = sorted((scale for scale in known[0] if scale != "lookups"), key=float)
    return tuple(
        CurvePoint(scale=float(scale), hit_rate=sum(curve[scale] for curve in known) / lookups)
        for scale in scales
        if all(scale in curve for curve in known)
    )
