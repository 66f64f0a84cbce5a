"""Counters per route and per function, shared by all workers, and reports of them.

What is shown, and how to get at it, is in `cachelayer.stats.report`; how a worker records it, which a cache does by
`cache.recorder`, in `cachelayer.stats.recorder`.
"""

from cachelayer.stats.making import make_report, route_detail, shared_totals
from cachelayer.stats.registry import RouteRegistry
from cachelayer.stats.report import Report, RouteDetail
from cachelayer.stats.routes import RouteCounters
from cachelayer.stats.snapshots import RouteStats, StatsSnapshot

__all__ = [
    "Report",
    "RouteCounters",
    "RouteDetail",
    "RouteRegistry",
    "RouteStats",
    "StatsSnapshot",
    "make_report",
    "route_detail",
    "shared_totals",
]
