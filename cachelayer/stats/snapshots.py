"""What statistics look like from outside: immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from cachelayer.backends.stats import CacheStats
from cachelayer.stats import histograms
from cachelayer.stats.histograms import Buckets, Histogram


class RouteStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the lookups of one route ended: a count for each outcome, and what they took.

    Attributes:
        route: the label: `module.qualname` of a function, or method and path template.
        origin_calls: computations whose time is in `origin_seconds`.
        origin_seconds: total time spent in the origin.
        hit_calls: hits whose time is in `hit_seconds`: all of a route's, one in 64 of a function's in memory.
        hit_seconds: total time of those hits.
        bytes_served: body bytes that were served from the cache.
        reasons: why values were not stored, with how often.
        refreshes: computations in the background, which no lookup waited for.
        refresh_errors: those of them that failed.
        stores: values and responses that were stored.
        bytes_stored: their size in the store.
        evictions: entries that a memory store removed to make room.
        origin_buckets: histogram of the origin's times in seconds: see `origin_times`.
        hit_buckets: of the timed hits' times.
        size_buckets: of the sizes of what was stored, in bytes.
        age_buckets: of the ages at which entries were served, in seconds, sampled.
        gap_buckets: of the seconds between two lookups of a key, sampled.
        ttl_buckets: of the seconds for which what was stored is fresh; what is so for ever is left out.
        change_buckets: of the ages at which what was computed anew had changed, sampled.
        unchanged: sampled computations that gave what was there before.
    """

    route: str
    hit: int = 0
    stale_hit: int = 0
    error_hit: int = 0
    revalidated: int = 0
    miss: int = 0
    collapsed: int = 0
    uncacheable: int = 0
    bypass: int = 0
    error: int = 0
    origin_calls: int = 0
    origin_seconds: float = 0.0
    hit_calls: int = 0
    hit_seconds: float = 0.0
    bytes_served: int = 0
    reasons: Mapping[str, int] = {}
    refreshes: int = 0
    refresh_errors: int = 0
    stores: int = 0
    bytes_stored: int = 0
    evictions: int = 0
    origin_buckets: Buckets = {}
    hit_buckets: Buckets = {}
    size_buckets: Buckets = {}
    age_buckets: Buckets = {}
    gap_buckets: Buckets = {}
    ttl_buckets: Buckets = {}
    change_buckets: Buckets = {}
    unchanged: int = 0

    @property
    def requests(self) -> int:
        """Lookups in all, bypassed ones included."""
        return self.served + self.miss + self.uncacheable + self.bypass + self.error

    @property
    def served(self) -> int:
        """Lookups that were answered without a computation of their own."""
        return self.hit + self.stale_hit + self.error_hit + self.revalidated + self.collapsed

    @property
    def hit_rate(self) -> float:
        """Share of the lookups, bypassed ones left out, that were served; 0.0 where there were none."""
        looked_up = self.requests - self.bypass
        return self.served / looked_up if looked_up else 0.0

    @property
    def coverage(self) -> float:
        """Share of all that could be cached: neither bypassed nor uncacheable; 0.0 where there were none."""
        requests = self.requests
        return (requests - self.bypass - self.uncacheable) / requests if requests else 0.0

    @property
    def origin_times(self) -> Histogram:
        """Histogram of what the origin took, in seconds."""
        return Histogram(self.origin_buckets, self.origin_seconds)

    @property
    def hit_times(self) -> Histogram:
        """Histogram of what the timed hits took, in seconds."""
        return Histogram(self.hit_buckets, self.hit_seconds)

    @property
    def entry_sizes(self) -> Histogram:
        """Histogram of the sizes of what was stored, in bytes."""
        return Histogram(self.size_buckets, float(self.bytes_stored))

    @property
    def origin_mean_seconds(self) -> float:
        """What one computation took on average; 0.0 where none ran."""
        return self.origin_seconds / self.origin_calls if self.origin_calls else 0.0

    @property
    def hit_mean_seconds(self) -> float:
        """What one timed hit took on average; 0.0 where none was timed."""
        return self.hit_seconds / self.hit_calls if self.hit_calls else 0.0

    @property
    def saved_seconds(self) -> float:
        """Time that the cache saved: what the served lookups would have taken, less what the timed hits took."""
        return max(0.0, self.served * (self.origin_mean_seconds - self.hit_mean_seconds))

    def to_dict(self) -> dict[str, Any]:
        """Every field and every rate as plain values, ready for JSON."""
        fields = {name: getattr(self, name) for name in ("route", *_PLAIN)} | {"reasons": dict(self.reasons)}
        rates = {"requests": self.requests, "hit_rate": self.hit_rate, "coverage": self.coverage}
        times = {"origin_mean_seconds": self.origin_mean_seconds, "saved_seconds": self.saved_seconds}
        origin, hit = self.origin_times, self.hit_times
        percentiles = {
            f"{name}_p{int(100 * share)}": histogram.percentile(share)
            for name, histogram in (("origin", origin), ("hit", hit))
            for share in (0.5, 0.95, 0.99)
        }
        return {**fields, **rates, **times, **percentiles}


class StatsSnapshot(msgspec.Struct, frozen=True):
    """Everything a cache counted, at one moment.

    Attributes:
        total: all routes and functions together.
        routes: HTTP routes by label.
        functions: cached functions by label.
        backends: the stores' own counters, by name; those of a tiered store also by tier, as "name/l1" and "name/l2".
        backend_errors: operations of the stores that failed and were answered as misses.
        operations: how long the operations of a shared store took, by (operation, "ok" or "error").
        invalidations: by kind: "key", "tags" or "clear".
    """

    total: RouteStats
    routes: Mapping[str, RouteStats]
    functions: Mapping[str, RouteStats]
    backends: Mapping[str, CacheStats]
    backend_errors: int = 0
    operations: Mapping[tuple[str, str], Histogram] = {}
    invalidations: Mapping[str, int] = {}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, ready for JSON."""
        return {
            "total": self.total.to_dict(),
            "routes": {label: stats.to_dict() for label, stats in self.routes.items()},
            "functions": {label: stats.to_dict() for label, stats in self.functions.items()},
            "backends": {name: stats.to_dict() for name, stats in self.backends.items()},
            "backend_errors": self.backend_errors,
            "operations": [
                {"operation": operation, "status": status, "count": each.count, "seconds": each.sum}
                for (operation, status), each in self.operations.items()
            ],
            "invalidations": dict(self.invalidations),
        }


_COUNTED: Final = tuple(name for name in RouteStats.__struct_fields__ if name != "route")
_MAPPED: Final = tuple(name for name in _COUNTED if name == "reasons" or name.endswith("_buckets"))
_PLAIN: Final = tuple(name for name in _COUNTED if name not in _MAPPED)


def total_of(parts: Iterable[RouteStats], route: str = "total") -> RouteStats:
    """Return the sum of `parts`."""
    sums: dict[str, Any] = {}
    for part in parts:
        for name in _PLAIN:
            if value := getattr(part, name):
                sums[name] = sums.get(name, 0) + value
        for name in _MAPPED:
            if value := getattr(part, name):
                sums[name] = _add(sums.get(name, {}), value)
    return RouteStats(route=route, **sums)


def difference(now: RouteStats, before: RouteStats | None) -> RouteStats:
    """Return what was counted since `before`; all of it where the counters were reset meanwhile."""
    if before is None or any(getattr(now, name) < getattr(before, name) for name in _PLAIN):
        return now
    fields: dict[str, Any] = {name: getattr(now, name) - getattr(before, name) for name in _PLAIN}
    for name in _MAPPED:
        fields[name] = _subtract(getattr(now, name), getattr(before, name))
    return RouteStats(route=now.route, **fields)


def is_empty(stats: RouteStats) -> bool:
    """Whether nothing at all was counted."""
    return not any(getattr(stats, name) for name in _COUNTED)


def _add(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    return histograms.add(one, other)


def _subtract(now: Mapping[Any, int], before: Mapping[Any, int]) -> dict[Any, int]:
    if not before:
        return dict(now)
    return {key: more for key, count in now.items() if (more := count - before.get(key, 0))}
