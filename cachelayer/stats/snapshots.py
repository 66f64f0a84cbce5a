"""What statistics look like from outside: immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cachelayer.backends.stats import CacheStats


class RouteStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the lookups of one route ended: a count for each outcome, and what they took.

    Attributes:
        route: the label: `module.qualname` of a function, or method and path template.
        origin_calls: computations whose time is in `origin_seconds`.
        origin_seconds: total time spent in the origin.
        hit_calls: hits whose time is in `hit_seconds`: all of a route's, none of a function's.
        hit_seconds: total time of those hits.
        bytes_served: body bytes that were served from the cache.
        reasons: why values were not stored, with how often.
        refreshes: computations in the background, which no lookup waited for.
        refresh_errors: those of them that failed.
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
        rates = {"requests": self.requests, "hit_rate": self.hit_rate, "coverage": self.coverage}
        times = {"origin_mean_seconds": self.origin_mean_seconds, "saved_seconds": self.saved_seconds}
        return {**msgspec.structs.asdict(self), "reasons": dict(self.reasons), **rates, **times}


class StatsSnapshot(msgspec.Struct, frozen=True):
    """Everything a cache counted, at one moment.

    Attributes:
        total: all routes and functions together.
        routes: HTTP routes by label.
        functions: cached functions by label.
        backends: the stores' own counters, by name.
        backend_errors: operations of the stores that failed and were answered as misses.
    """

    total: RouteStats
    routes: Mapping[str, RouteStats]
    functions: Mapping[str, RouteStats]
    backends: Mapping[str, CacheStats]
    backend_errors: int = 0

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, ready for JSON."""
        return {
            "total": self.total.to_dict(),
            "routes": {label: stats.to_dict() for label, stats in self.routes.items()},
            "functions": {label: stats.to_dict() for label, stats in self.functions.items()},
            "backends": {name: stats.to_dict() for name, stats in self.backends.items()},
            "backend_errors": self.backend_errors,
        }


def total_of(parts: Iterable[RouteStats], route: str = "total") -> RouteStats:
    """Return the sum of `parts`."""
    sums: dict[str, Any] = {}
    reasons: dict[str, int] = {}
    for part in parts:
        for name in RouteStats.__struct_fields__:
            if name not in ("route", "reasons"):
                sums[name] = sums.get(name, 0) + getattr(part, name)
        for reason, count in part.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    return RouteStats(route=route, reasons=reasons, **sums)
