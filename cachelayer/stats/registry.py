"""The counters of all labels, which are bounded, and who is to be woken by the next lookup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cachelayer.stats.routes import OTHER, RouteCounters, lock
from cachelayer.stats.snapshots import RouteStats

#: Labels kept apart; what comes later is counted under `OTHER`.
MOST_LABELS: Final = 500


class RouteRegistry:
    """The counters of all labels, at most `MOST_LABELS` of them.

    Attributes:
        on_wake: called once, when a label is next asked for; None where nobody waits for that.
    """

    def __init__(self) -> None:
        self._routes: dict[str, RouteCounters] = {}
        self._asleep: dict[str, RouteCounters] = {}
        self.on_wake: Callable[[], object] | None = None

    def counters(self, label: str) -> RouteCounters:
        """Return the counters of `label`, or those of `<other>` where there are too many labels already."""
        found = self._routes.get(label)
        if found is not None:
            return found
        if self.on_wake is not None:
            self._wake()
        with lock:
            if label not in self._routes and len(self._routes) >= MOST_LABELS:
                label = OTHER
            return self._routes.setdefault(label, RouteCounters(label))

    def find(self, label: str) -> RouteCounters | None:
        """Return the counters of `label` if there are any already; wakes nobody."""
        return self._routes.get(label) or self.known().get(label)

    def wake_with(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, when next there is something to count, hits by shortcuts aside."""
        with lock:
            # Out of the way of those who ask for a label, so that the next one notices.
            self._asleep, self._routes, self.on_wake = {**self._routes, **self._asleep}, {}, wake
            for counters in self._asleep.values():
                counters.wake_with(self._wake)

    def snapshots(self) -> dict[str, RouteStats]:
        """Return the counts of every label."""
        return {label: counters.snapshot() for label, counters in self.known().items()}

    def known(self) -> dict[str, RouteCounters]:
        """Return the counters of every label."""
        with lock:
            return {**self._asleep, **self._routes}

    def reset(self) -> None:
        """Start every label again from zero."""
        for counters in self.known().values():
            counters.reset()

    def _wake(self) -> None:
        with lock:
            wake, self.on_wake = self.on_wake, None
            self._routes = {**self._asleep, **self._routes}
            self._asleep = {}
            for counters in self._routes.values():
                counters.stay_awake()
        if wake is not None:
            wake()
