"""Counters of a route or function: exact under threads.

What happens once for each lookup is one or two C calls that take no lock: a step of a counter, and an item appended to
a queue. Every thousand items, or when somebody asks, the queues are added up, many at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

from cachelayer.counters import Counter
from cachelayer.forks import ProcessLock
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats.histograms import put_into
from cachelayer.stats.samples import Samples
from cachelayer.stats.snapshots import RouteStats

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
_MISS: Final = Outcome.MISS
_HIT_MASK: Final = HITS_TO_A_SAMPLE - 1
_OTHER_MASK: Final = OTHERS_TO_A_SAMPLE - 1

#: Guards the sums of all labels, and registries of them. It is held for microseconds, when somebody asks or a thousand
#: steps wait to be summed.
lock = ProcessLock()


class RouteCounters:
    """The counters of one label.

    `tick[outcome]()` counts a lookup at the cost of one C call, `note_miss(seconds)` a miss with the time that the
    origin took; `record` counts one of any outcome with all that is known of it.

    Attributes:
        samples: what is known of some of the lookups.
        shortcut_hits: hits that a function's shortcut served; they are hits like all others.
        evictions: entries that the memory store removed to make room.
        note_miss: counts a miss: atomic, and takes no lock.
        note_store: counts a value or response that was stored: (bytes, seconds for which it is fresh; None for ever).
        on_wake: called once, with the next miss, request or sample; None where nobody waits for that.
    """

    # Slots are read faster than other attributes, and each lookup reads several.
    __slots__ = (
        "__weakref__",
        "_added",
        "_counts",
        "_hits",
        "_hits_sampled",
        "_missed",
        "_most",
        "_others",
        "_refresh_errors",
        "_refreshes",
        "_sizes",
        "_stored",
        "_tick_hit",
        "_tick_miss",
        "_timed",
        "_took",
        "evictions",
        "note_miss",
        "note_store",
        "on_wake",
        "route",
        "samples",
        "shortcut_hits",
        "tick",
    )

    def __init__(self, route: str) -> None:
        self.route = route
        self.samples = Samples(route)
        self._counts = {outcome: Counter() for outcome in Outcome}
        self.tick = {outcome: counter.tick for outcome, counter in self._counts.items()}
        self._tick_hit, self._tick_miss = self.tick[_HIT], self.tick[_MISS]
        self.shortcut_hits, self.evictions = Counter(), Counter()
        self._refreshes, self._refresh_errors = Counter(), Counter()
        self._hits_sampled = 0
        self.on_wake: Callable[[], object] | None = None
        self._most = MOST_PENDING
        # What waits to be added up. Appending to a list is atomic and takes no lock.
        self._hits: list[float] = []
        self._sizes: list[int] = []
        self._took: list[float] = []
        self._missed: list[float] = []
        self._stored: list[tuple[int, float | None]] = []
        self._others: list[tuple[Outcome, float, str, int]] = []
        self._timed: deque[tuple[float, str, float, float]] = deque(maxlen=_MOST_SAMPLES)
        self.note_miss: Callable[[float], object] = self._missed.append
        self.note_store: Callable[[tuple[int, float | None]], object] = self._stored.append
        self._added = _Added()

    def note_refresh(self, *, seconds: float, failed: bool) -> None:
        """Count a computation in the background, which no lookup waited for."""
        self._refreshes.tick()
        if failed:
            self._refresh_errors.tick()
        self._took.append(seconds)
        if len(self._took) > self._most:
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
        count: Any
        if outcome is _HIT and not reason:
            return self.note_hit(seconds, size)
        if outcome is _MISS and not reason:
            count = self._tick_miss()
            if seconds:
                waiting = self._took
                waiting.append(seconds)
                if len(waiting) > self._most:
                    self._settle_now()
            return not count & _OTHER_MASK
        count = self.tick[outcome]()
        if seconds or reason or size:
            self._others.append((outcome, seconds, reason, size))
            if len(self._others) > self._most:
                self._settle_now()
        return not count & _OTHER_MASK

    def note_hit(self, seconds: float, size: int) -> bool:
        """Do what `record` does for a hit."""
        count: Any = self._tick_hit()
        if seconds or size:
            self._sizes.append(size)
            waiting = self._hits
            waiting.append(seconds)
            if len(waiting) > self._most:
                self._settle_now()
        return not count & _HIT_MASK

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
        with lock:
            self._settle()
            added = self._added
            counts = {outcome.value: counter.value for outcome, counter in self._counts.items()}
            counts[_HIT] += self.shortcut_hits.value
            counts[_MISS] += added.misses
            ages, gaps, changes, unchanged = self.samples.counts()
            return RouteStats(
                route=self.route,
                origin_calls=added.origin.calls,
                origin_seconds=added.origin.seconds,
                hit_calls=added.hits.calls,
                hit_seconds=added.hits.seconds,
                bytes_served=added.bytes_served,
                reasons=dict(added.reasons),
                refreshes=self._refreshes.value,
                refresh_errors=self._refresh_errors.value,
                stores=added.stores,
                bytes_stored=added.bytes_stored,
                evictions=self.evictions.value,
                origin_buckets=dict(added.origin.buckets),
                hit_buckets=dict(added.hits.buckets),
                size_buckets=dict(added.sizes),
                age_buckets=ages,
                ttl_buckets=dict(added.lives),
                gap_buckets=gaps,
                change_buckets=changes,
                unchanged=unchanged,
                **counts,
            )

    def reset(self) -> None:
        """Start again from zero."""
        with lock:
            self._settle()
            for counter in self._counts.values():
                counter.reset()
            for counter in (self.shortcut_hits, self.evictions, self._refreshes, self._refresh_errors):
                counter.reset()
            self.samples.reset()
            self._added = _Added()

    def _settle_now(self) -> None:
        wake = self.on_wake
        self.stay_awake()
        with lock:
            self._settle()
        if wake is not None:
            wake()

    def _settle(self) -> None:
        """Add up what was recorded since the last time."""
        added = self._added
        missed = _taken(self._missed)
        added.misses += len(missed)
        added.origin.add(missed)
        added.origin.add(_taken(self._took))
        added.hits.add(_taken(self._hits))
        added.bytes_served += sum(_taken(self._sizes))
        added.add_stores(_taken(self._stored))
        added.add_others(_taken(self._others))
        if self._timed:
            self._add_shortcuts()

    def _add_shortcuts(self) -> None:
        """Add up sampled hits by shortcuts: where there were many, each of the latest stands for more than 64."""
        take = self._timed.popleft
        sampled = [take() for _ in range(len(self._timed))]
        hits = self.shortcut_hits.value
        since = hits - self._hits_sampled  # below zero after a reset
        weight = max(HITS_TO_A_SAMPLE, since // len(sampled))
        self._hits_sampled = hits
        self._added.hits.add([seconds for seconds, *_ in sampled])
        for seconds, key, created, at in sampled:
            self.samples.note(_HIT, weight, key=key, at=at, seconds=seconds, age=at - created)


class _Times:
    """Times that were added up.

    Attributes:
        calls: how many.
        seconds: their sum.
        buckets: how many are in each bucket.
    """

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0
        self.buckets: dict[int, int] = {}

    def add(self, seconds: Sequence[float]) -> None:
        if seconds:
            self.calls += len(seconds)
            self.seconds += sum(seconds)
            put_into(self.buckets, seconds)


class _Added:
    """What was added up of one label since the beginning, or the last reset."""

    def __init__(self) -> None:
        self.origin, self.hits = _Times(), _Times()
        self.misses = self.stores = self.bytes_stored = self.bytes_served = 0
        self.reasons: dict[str, int] = {}
        self.sizes: dict[int, int] = {}
        self.lives: dict[int, int] = {}

    def add_others(self, items: list[tuple[Outcome, float, str, int]]) -> None:
        """Add lookups that are neither a plain hit nor a plain miss."""
        if not items:
            return
        self.hits.add([seconds for outcome, seconds, _, _ in items if outcome in SERVED])
        self.origin.add([seconds for outcome, seconds, _, _ in items if outcome not in SERVED])
        self.bytes_served += sum([size for outcome, _, _, size in items if outcome in SERVED])
        for _, _, reason, _ in items:
            if reason:
                known = reason if reason in self.reasons or len(self.reasons) < MOST_REASONS else OTHER
                self.reasons[known] = self.reasons.get(known, 0) + 1

    def add_stores(self, stored: list[tuple[int, float | None]]) -> None:
        """Add what was stored."""
        if not stored:
            return
        sizes = [size for size, _ in stored]
        self.stores += len(sizes)
        self.bytes_stored += sum(sizes)
        put_into(self.sizes, sizes)
        put_into(self.lives, [ttl for _, ttl in stored[::_STORES_TO_A_SAMPLE] if ttl is not None])


def _taken(queue: list[Any]) -> list[Any]:
    """Take out what is in the queue by now. Others may append meanwhile, at its end; nobody else takes."""
    taken = queue[:]
    del queue[: len(taken)]
    return taken
