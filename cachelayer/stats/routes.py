"""Counters of routes and functions: exact under threads, and bounded in labels.

What happens once for each lookup is one or two C calls that take no lock: a step of a counter, and an item appended to
a queue. Every thousand items, or when somebody asks, the queues are added up, many at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final

from cachelayer.counters import BOUNDS, Counter
from cachelayer.forks import ProcessLock
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats.samples import Samples
from cachelayer.stats.snapshots import RouteStats

#: Labels kept apart; what comes later is counted under `OTHER`.
MOST_LABELS: Final = 500
MOST_REASONS: Final = 50
MOST_PENDING: Final = 1000
OTHER: Final = "<other>"

#: Of so many hits, and of so many lookups that ended in another way, one is looked at closely.
HITS_TO_A_SAMPLE: Final = 64
OTHERS_TO_A_SAMPLE: Final = 32
#: Sampled hits of a function that wait to be added up; earlier ones are dropped.
_MOST_SAMPLES: Final = 256
#: One in so many stored entries is asked for its lifetime.
_STORES_TO_A_SAMPLE: Final = 8

_HIT: Final = Outcome.HIT
_HIT_MASK: Final = HITS_TO_A_SAMPLE - 1
_OTHER_MASK: Final = OTHERS_TO_A_SAMPLE - 1
_bucket_of = partial(bisect_left, BOUNDS)

#: Guards the sums of all labels. It is held for microseconds, when somebody asks or a thousand steps wait to be summed.
_lock = ProcessLock()


class RouteCounters:
    """The counters of one label.

    `tick[outcome]()` counts a lookup at the cost of one C call, `note_miss(seconds)` a miss with the time that the
    origin took; `record` counts one of any outcome with all that is known of it.

    Attributes:
        samples: what is known of some of the lookups.
        on_wake: called once, with the next miss, request or sample; None where nobody waits for that.
    """

    #: Counts a miss: atomic, and takes no lock.
    note_miss: Callable[[float], object]
    #: Counts a value or response that was stored: (bytes, seconds for which it is fresh; None for ever).
    note_store: Callable[[tuple[int, float | None]], object]

    def __init__(self, route: str) -> None:
        self.route = route
        self.samples = Samples(route)
        self._counts = {outcome: Counter() for outcome in Outcome}
        self.tick = {outcome: counter.tick for outcome, counter in self._counts.items()}
        self._tick_hit = self.tick[_HIT]
        #: Hits that a function's shortcut served; they are hits like all others.
        self.shortcut_hits = Counter()
        #: Entries that the memory store removed to make room.
        self.evictions = Counter()
        self._refreshes, self._refresh_errors = Counter(), Counter()
        self._hits_sampled = 0
        self.on_wake: Callable[[], object] | None = None
        self._most = MOST_PENDING
        self._reset_times()

    def note_refresh(self, *, seconds: float, failed: bool) -> None:
        """Count a computation in the background, which no lookup waited for."""
        self._refreshes.tick()
        if failed:
            self._refresh_errors.tick()
        self._refreshed.append(seconds)
        if len(self._stored) > self._most:
            self._settle_now()

    def record(
        self,
        outcome: Outcome,
        *,
        seconds: float = 0.0,
        reason: str = "",
        size: int = 0,
    ) -> bool:
        """Count one lookup.

        Args:
            outcome: how it ended.
            seconds: what serving it took (a hit), or the origin (anything else).
            reason: why the value was not stored.
            size: body bytes served from the cache.

        Returns:
            Whether this lookup is one of the few to be looked at closely: `note_sample` it.
        """
        if outcome is _HIT and not reason:
            count: Any = self._tick_hit()
            if seconds or size:
                waiting = self._hits
                waiting.append((seconds, size))
                if len(waiting) > self._most:
                    self._settle_now()
            return not count & _HIT_MASK
        count = self.tick[outcome]()
        if seconds or reason or size:
            self._pending.append((outcome, seconds, reason, size))
            if len(self._pending) > self._most:
                self._settle_now()
        return not count & _OTHER_MASK

    def note_sample(self, outcome: Outcome, **what: Any) -> None:
        """Take a closer look at a lookup for which `record` returned True.

        Args:
            outcome: how it ended.
            what: see `Samples.note`.
        """
        self.samples.note(outcome, HITS_TO_A_SAMPLE if outcome is _HIT else OTHERS_TO_A_SAMPLE, **what)

    def note_shortcut(self, began: float, entry: Any, now: float) -> None:
        """Take a closer look at a hit by a function's shortcut, which was read once more since `began`."""
        self._timed.append((perf_counter() - began, entry.key, entry.created, now))
        if self.on_wake is not None:
            self._settle_now()

    def settle_if_many(self) -> None:
        """Keep what waits to be added up bounded; for callers of `note_miss`."""
        if len(self._missed) > self._most:
            self._settle_now()

    def wake_with(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, when next there is something to count, hits by shortcuts aside."""
        self.on_wake, self._most = wake, 0

    def stay_awake(self) -> None:
        """Take back what `wake_with` asked for."""
        self.on_wake, self._most = None, MOST_PENDING

    def snapshot(self) -> RouteStats:
        """Return the counts as they are now."""
        with _lock:
            self._settle()
            counts = {outcome.value: counter.value for outcome, counter in self._counts.items()}
            counts[Outcome.HIT] += self.shortcut_hits.value
            counts[Outcome.MISS] += self._misses
            ages, gaps, changes, unchanged = self.samples.counts()
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
                stores=self._stores,
                bytes_stored=self._bytes_stored,
                evictions=self.evictions.value,
                origin_buckets=dict(self._origin_buckets),
                hit_buckets=dict(self._hit_buckets),
                size_buckets=dict(self._size_buckets),
                age_buckets=ages,
                ttl_buckets=dict(self._ttl_buckets),
                gap_buckets=gaps,
                change_buckets=changes,
                unchanged=unchanged,
                **counts,
            )

    def reset(self) -> None:
        """Start again from zero."""
        with _lock:
            for counter in self._counts.values():
                counter.reset()
            for counter in (self.shortcut_hits, self.evictions, self._refreshes, self._refresh_errors):
                counter.reset()
            self.samples.reset()
            self._reset_times()

    def _settle_now(self) -> None:
        wake = self.on_wake
        self.stay_awake()
        with _lock:
            self._settle()
        if wake is not None:
            wake()

    def _settle(self) -> None:
        """Add up what was recorded since the last time."""
        missed = _taken(self._missed)
        self._misses += len(missed)
        self._add_origin(missed)
        self._add_origin(_taken(self._refreshed))
        if self._timed:
            self._add_shortcuts(_taken(self._timed))
        self._add_stores(_taken(self._stored))
        if self._hits:
            seconds, sizes = zip(*_taken(self._hits), strict=True)
            self._add_hits(seconds)
            self._bytes_served += sum(sizes)
        if self._pending:
            self._add_lookups(_taken(self._pending))

    def _add_lookups(self, items: list[tuple[Outcome, float, str, int]]) -> None:
        served = [item for item in items if item[0] in SERVED]
        self._add_hits([item[1] for item in served])
        self._bytes_served += sum([item[3] for item in served])
        if len(served) < len(items):
            self._add_origin([item[1] for item in items if item[0] not in SERVED])
        for item in items:
            if item[2]:
                self._count_reason(item[2])

    def _add_shortcuts(self, sampled: list[tuple[float, str, float, float]]) -> None:
        """Add up sampled hits by shortcuts: where there were many, each of the latest stands for more than 64."""
        hits = self.shortcut_hits.value
        weight = max(
            HITS_TO_A_SAMPLE, (hits - self._hits_sampled) // len(sampled)
        )  # below zero after a reset
        self._hits_sampled = hits
        self._add_hits([seconds for seconds, *_ in sampled])
        for seconds, key, created, at in sampled:
            self.samples.note(_HIT, weight, key=key, at=at, seconds=seconds, age=at - created)

    def _add_origin(self, seconds: Sequence[float]) -> None:
        if seconds:
            self._origin_calls += len(seconds)
            self._origin_seconds += sum(seconds)
            self._origin_buckets.update(map(_bucket_of, seconds))

    def _add_hits(self, seconds: Sequence[float]) -> None:
        if seconds:
            self._hit_calls += len(seconds)
            self._hit_seconds += sum(seconds)
            self._hit_buckets.update(map(_bucket_of, seconds))

    def _add_stores(self, stored: list[tuple[int, float | None]]) -> None:
        if stored:
            sizes = [size for size, _ in stored]
            self._stores += len(sizes)
            self._bytes_stored += sum(sizes)
            for size, count in Tally(sizes).items():  # many are alike
                self._size_buckets[_bucket_of(size)] += count
            lives = [ttl for _, ttl in stored[::_STORES_TO_A_SAMPLE] if ttl is not None]
            self._ttl_buckets.update(map(_bucket_of, lives))

    def _count_reason(self, reason: str) -> None:
        known = reason if reason in self._reasons or len(self._reasons) < MOST_REASONS else OTHER
        self._reasons[known] = self._reasons.get(known, 0) + 1

    def _reset_times(self) -> None:
        # Appending is atomic and takes no lock; the sums are made when somebody asks.
        self._hits: deque[tuple[float, int]] = deque()
        self._pending: deque[tuple[Outcome, float, str, int]] = deque()
        self._missed: deque[float] = deque()
        self._stored: deque[tuple[int, float | None]] = deque()
        self._refreshed: deque[float] = deque(maxlen=MOST_PENDING)
        self._timed: deque[tuple[float, str, float, float]] = deque(maxlen=_MOST_SAMPLES)
        self.note_miss, self.note_store = self._missed.append, self._stored.append
        self._misses = self._stores = self._bytes_stored = 0
        self._origin_calls = self._hit_calls = self._bytes_served = 0
        self._origin_seconds = self._hit_seconds = 0.0
        self._reasons: dict[str, int] = {}
        self._origin_buckets: Tally[int] = Tally()
        self._hit_buckets: Tally[int] = Tally()
        self._size_buckets: Tally[int] = Tally()
        self._ttl_buckets: Tally[int] = Tally()


def _taken(queue: deque[Any]) -> list[Any]:
    """Take out what is in the queue by now. Others may append meanwhile; nobody else takes."""
    take = queue.popleft
    return [take() for _ in range(len(queue))]


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
        with _lock:
            if label not in self._routes and len(self._routes) >= MOST_LABELS:
                label = OTHER
            return self._routes.setdefault(label, RouteCounters(label))

    def find(self, label: str) -> RouteCounters | None:
        """Return the counters of `label` if there are any already; wakes nobody."""
        return self._routes.get(label) or self._asleep.get(label)

    def wake_with(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, when next there is something to count, hits by shortcuts aside."""
        with _lock:
            # Out of the way of those who ask for a label, so that the next one notices.
            self._asleep, self._routes, self.on_wake = {**self._routes, **self._asleep}, {}, wake
            for counters in self._asleep.values():
                counters.wake_with(self._wake)

    def snapshots(self) -> dict[str, RouteStats]:
        """Return the counts of every label."""
        return {label: counters.snapshot() for label, counters in list(self.known().items())}

    def known(self) -> dict[str, RouteCounters]:
        """Return the counters of every label."""
        return {**self._asleep, **self._routes}

    def reset(self) -> None:
        """Start every label again from zero."""
        for counters in self._all():
            counters.reset()

    def _wake(self) -> None:
        with _lock:
            wake, self.on_wake = self.on_wake, None
            self._routes = {**self._asleep, **self._routes}
            self._asleep = {}
            for counters in self._routes.values():
                counters.stay_awake()
        if wake is not None:
            wake()

    def _all(self) -> Iterable[RouteCounters]:
        return list(self.known().values())
