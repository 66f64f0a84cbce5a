"""Counters per route and per function."""

from cachelayer.stats.routes import RouteCounters, RouteRegistry
from cachelayer.stats.snapshots import RouteStats, StatsSnapshot

__all__ = ["RouteCounters", "RouteRegistry", "RouteStats", "StatsSnapshot"]
