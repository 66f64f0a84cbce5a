"""Counters of routes and functions: exact under threads, and bounded in labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from cachelayer.counters import Counter
from cachelayer.forks import ProcessLock
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats.snapshots import RouteStats

#: Labels kept apart; what comes later is counted under `OTHER`.
MOST_LABELS: Final = 500
MOST_REASONS: Final = 50
MOST_PENDING: Final = 1000
OTHER: Final = "<other>"

#: Guards the sums of all labels. It is held for microseconds, when somebody asks or a thousand steps wait to be summed.
_lock = ProcessLock()


class RouteCounters:
    """The counters of one label.

    `tick[outcome]()` counts a lookup at the cost of one C call, `note_miss(seconds)` a miss with the time that the
    origin took; `record` counts one of any outcome with all that is known of it.
    """

    #: Counts a miss: atomic, and takes no lock.
    note_miss: Callable[[float], object]

    def __init__(self, route: str) -> None:
        self.route = route
        self._counts = {outcome: Counter() for outcome in Outcome}
        self.tick = {outcome: counter.tick for outcome, counter in self._counts.items()}
        #: Hits that a function's shortcut served; they are hits like all others.
        self.shortcut_hits = Counter()
        self._refreshes, self._refresh_errors = Counter(), Counter()
        self._reset_times()

    def note_refresh(self, *, seconds: float, failed: bool) -> None:
        """Count a computation in the background, which no lookup waited for."""
        self._refreshes.tick()
        if failed:
            self._refresh_errors.tick()
        self._refreshed.append(seconds)

    def record(self, outcome: Outcome, *, seconds: float = 0.0, reason: str = "", size: int = 0) -> None:
        """Count one lookup.

        Args:
            outcome: how it ended.
            seconds: what serving it took (a hit), or the origin (anything else).
            reason: why the value was not stored.
            size: body bytes served from the cache.
        """
        self.tick[outcome]()
        if seconds or reason or size:
            self._pending.append((outcome, seconds, reason, size))
            if len(self._pending) > MOST_PENDING:
                with _lock:
                    self._settle()

    def settle_if_many(self) -> None:
        """Keep what waits to be added up bounded; for callers of `note_miss`."""
        if len(self._missed) > MOST_PENDING:
            with _lock:
                self._settle()

    def snapshot(self) -> RouteStats:
        """Return the counts as they are now."""
        with _lock:
            self._settle()
            counts = {outcome.value: counter.value for outcome, counter in self._counts.items()}
            counts[Outcome.HIT] += self.shortcut_hits.value
            counts[Outcome.MISS] += self._misses
            return RouteStats(
                route=self.route,
                origin_calls=self._origin_calls,
                origin_seconds=self._origin_seconds,
                hit_calls=self._hit_calls,
                hit_seconds=self._hit_seconds,
                bytes_served=self._bytes_served,
                reasons=dict(self._reasons),
                refreshes=self._refreshes.value,
                refresh_errors=self._refresh_errors.value,
                **counts,
            )

    def reset(self) -> None:
        """Start again from zero."""
        with _lock:
            for counter in self._counts.values():
                counter.reset()
            for counter in (self.shortcut_hits, self._refreshes, self._refresh_errors):
                counter.reset()
            self._reset_times()

    def _settle(self) -> None:
        """Add up what was recorded since the last time."""
        for _ in range(len(self._missed)):
            self._misses += 1
            self._origin_calls += 1
            self._origin_seconds += self._missed.popleft()
        for _ in range(len(self._refreshed)):
            self._origin_calls += 1
            self._origin_seconds += self._refreshed.popleft()
        for _ in range(len(self._pending)):
            outcome, seconds, reason, size = self._pending.popleft()
            if outcome in SERVED:
                self._hit_calls += 1
                self._hit_seconds += seconds
                self._bytes_served += size
            else:
                self._origin_calls += 1
                self._origin_seconds += seconds
            if reason:
                self._count_reason(reason)

    def _count_reason(self, reason: str) -> None:
        known = reason if reason in self._reasons or len(self._reasons) < MOST_REASONS else OTHER
        self._reasons[known] = self._reasons.get(known, 0) + 1

    def _reset_times(self) -> None:
        # Appending is atomic and takes no lock; the sums are made when somebody asks.
        self._pending: deque[tuple[Outcome, float, str, int]] = deque()
        self._missed: deque[float] = deque()
        self._refreshed: deque[float] = deque(maxlen=MOST_PENDING)
        self.note_miss = self._missed.append
        self._misses = 0
        self._origin_calls = self._hit_calls = self._bytes_served = 0
        self._origin_seconds = self._hit_seconds = 0.0
        self._reasons: dict[str, int] = {}


class RouteRegistry:
    """The counters of all labels, at most `MOST_LABELS` of them."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteCounters] = {}

    def counters(self, label: str) -> RouteCounters:
        """Return the counters of `label`, or those of `<other>` where there are too many labels already."""
        found = self._routes.get(label)
        if found is not None:
            return found
        with _lock:
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
