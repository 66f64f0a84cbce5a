"""Counters of routes and functions: exact under threads, and bounded in labels."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from cachelayer.counters import Counter
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats.snapshots import RouteStats

#: Labels kept apart; what comes later is counted under `OTHER`.
MOST_LABELS: Final = 500
MOST_REASONS: Final = 50
OTHER: Final = "<other>"


class RouteCounters:
    """The counters of one label.

    `tick[outcome]()` counts a lookup at the cost of one C call; `record` counts one with its times.
    """

    def __init__(self, route: str) -> None:
        self.route = route
        self._counts = {outcome: Counter() for outcome in Outcome}
        self.tick = {outcome: counter.tick for outcome, counter in self._counts.items()}
        #: Hits that a function's shortcut served; they are hits like all others.
        self.shortcut_hits = Counter()
        self._lock = threading.Lock()
        self._reset_times()

    def record(self, outcome: Outcome, *, seconds: float = 0.0, reason: str = "", size: int = 0) -> None:
        """Count one lookup.

        Args:
            outcome: how it ended.
            seconds: what serving it took (a hit), or the origin (anything else).
            reason: why the value was not stored.
            size: body bytes served from the cache.
        """
        self.tick[outcome]()
        if not (seconds or reason or size):
            return
        with self._lock:
            if outcome in SERVED:
                self._hit_calls += 1
                self._hit_seconds += seconds
                self._bytes_served += size
            else:
                self._origin_calls += 1
                self._origin_seconds += seconds
            if reason:
                self._count_reason(reason)

    def snapshot(self) -> RouteStats:
        """Return the counts as they are now."""
        with self._lock:
            counts = {outcome.value: counter.value for outcome, counter in self._counts.items()}
            counts[Outcome.HIT] += self.shortcut_hits.value
            return RouteStats(
                route=self.route,
                origin_calls=self._origin_calls,
                origin_seconds=self._origin_seconds,
                hit_calls=self._hit_calls,
                hit_seconds=self._hit_seconds,
                bytes_served=self._bytes_served,
                reasons=dict(self._reasons),
                **counts,
            )

    def reset(self) -> None:
        """Start again from zero."""
        with self._lock:
            for counter in self._counts.values():
                counter.reset()
            self.shortcut_hits.reset()
            self._reset_times()

    def _count_reason(self, reason: str) -> None:
        known = reason if reason in self._reasons or len(self._reasons) < MOST_REASONS else OTHER
        self._reasons[known] = self._reasons.get(known, 0) + 1

    def _reset_times(self) -> None:
        self._origin_calls = self._hit_calls = self._bytes_served = 0
        self._origin_seconds = self._hit_seconds = 0.0
        self._reasons: dict[str, int] = {}


class RouteRegistry:
    """The counters of all labels, at most `MOST_LABELS` of them."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteCounters] = {}
        self._lock = threading.Lock()

    def counters(self, label: str) -> RouteCounters:
        """Return the counters of `label`, or those of `<other>` where there are too many labels already."""
        found = self._routes.get(label)
        if found is not None:
            return found
        with self._lock:
            if len(self._routes) >= MOST_LABELS:
                label = OTHER
            return self._routes.setdefault(label, RouteCounters(label))

    def snapshots(self) -> dict[str, RouteStats]:
        """Return the counts of every label."""
        return {label: counters.snapshot() for label, counters in list(self._routes.items())}

    def reset(self) -> None:
        """Start every label again from zero."""
        for counters in self._all():
            counters.reset()

    def _all(self) -> Iterable[RouteCounters]:
        return list(self._routes.values())
