"""What is exported to monitoring systems: metric families, made of a cache's statistics, for any exporter.

Counters count from the beginning of the process, or of the statistics that all workers share; labels are routes,
outcomes and the like, which are few, and never a URL, a user or a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.backends.resilience import Health, ResilientBackend
from cachelayer.errors import ConfigurationError
from cachelayer.outcomes import Outcome
from cachelayer.stats.histograms import Histogram, add, coarse_bounds
from cachelayer.stats.making import Recorded, read_history, totals_in
from cachelayer.stats.snapshots import RouteStats, StatsSnapshot, total_of

#: Entries that were removed to make room: the one cause for which a store removes what is still fresh.
CAPACITY: Final = "capacity"


class Kind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """One metric.

    Attributes:
        name: as it is exported.
        kind: what it is.
        text: what it counts or measures.
        labels: the names of its labels.
        bounds: upper ends of a histogram's buckets.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One value of a metric, with the values of its labels."""

    labels: tuple[str, ...]
    value: float | Histogram


class Exported(Recorded, Protocol):
    """A cache whose statistics are exported."""

    backend: CacheBackend

    def health(self) -> Health | None:
        """Return how a shared store does; None for one that is this process's own."""
        ...


class Reading(msgspec.Struct, frozen=True):
    """What there is to export of one cache at one moment.

    Attributes:
        cache: its name.
        backend: the class of its store.
        totals: what was counted; None where the shared statistics cannot be read now. Counters then have no value,
            rather than one that goes down.
        evictions: entries that were removed to make room; None where the store does not tell.
        entries, size_bytes: of the store; None where it does not tell.
        inflight: computations under way.
        up: whether the store is asked.
    """

    cache: str
    backend: str
    totals: StatsSnapshot | None
    evictions: int | None
    entries: int | None
    size_bytes: int | None
    inflight: int
    up: bool


def read(cache: Exported, *, shared: bool) -> Reading:
    """Return what there is to export, of this process or of all workers that share statistics.

    Args:
        cache: whose.
        shared: of all workers.
    """
    return _read_shared(cache) if shared else _read_own(cache)


def check_shared(caches: Iterable[Exported]) -> None:
    """Raise ConfigurationError where a cache shares no statistics."""
    for cache in caches:
        if not cache.recorder.shared:
            raise ConfigurationError(
                f"the cache {cache.name!r} shares no statistics, so that each worker would show its own: give it a "
                "store that all workers share, or stats_dir="
            )


def _read_own(cache: Exported) -> Reading:
    totals = cache.stats()
    store = totals.backends[cache.name]
    return _reading(cache, totals, store.evictions, _size_of(store), cache.inflight)


def _read_shared(cache: Exported) -> Reading:
    history, mine = read_history(cache), cache.stats()
    if history.is_degraded:
        return _reading(cache, None, None, (None, None), cache.inflight, up=False)
    totals = totals_in(history, mine)
    inflight = sum(page.present.inflight for page in history.living)
    if cache.backend.shared:
        # All see one store. Of a tiered one its lower tier: the upper is each worker's own.
        store = mine.backends.get(f"{cache.name}/l2") or mine.backends[cache.name]
        return _reading(cache, totals, store.evictions, _size_of(store), inflight)
    stores = [page.present.backends[0] for page in history.living if page.present.backends]
    size = _sum(each.current_entries for each in stores), _sum(each.current_size_bytes for each in stores)
    return _reading(cache, totals, totals.total.evictions, size, inflight)


def _reading(
    cache: Exported,
    totals: StatsSnapshot | None,
    evictions: int | None,
    size: tuple[int | None, int | None],
    inflight: int,
    *,
    up: bool = True,
) -> Reading:
    health = cache.health()
    is_up = up and (health is None or health.state == "closed")
    return Reading(cache.name, _kind_of(cache.backend), totals, evictions, *size, inflight, is_up)


def _kind_of(backend: CacheBackend) -> str:
    return type(backend.inner if isinstance(backend, ResilientBackend) else backend).__name__


def _size_of(stats: CacheStats) -> tuple[int | None, int | None]:
    return stats.current_entries, stats.current_size_bytes


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


# -- the metrics --------------------------------------------------------------------------------------------------

Samples = Iterator[Sample]


def _requests(reading: Reading, totals: StatsSnapshot) -> Samples:
    for stats in _labels(totals):
        for outcome in Outcome:
            if count := getattr(stats, outcome.value):
                yield Sample((reading.cache, stats.route, outcome.value), count)


def _stores(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    yield Sample((), totals.total.stores)


def _uncacheable(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    for stats in _labels(totals):
        for reason, count in stats.reasons.items():
            yield Sample((stats.route, reason), count)


def _evictions(reading: Reading, totals: StatsSnapshot) -> Samples:
    del totals
    if reading.evictions is not None:
        yield Sample((CAPACITY,), reading.evictions)


def _invalidations(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    for kind, count in totals.invalidations.items():
        yield Sample((kind,), count)


def _operations(reading: Reading, totals: StatsSnapshot) -> Samples:
    for (operation, status), times in totals.operations.items():
        yield Sample((reading.backend, operation, status), times)


def _origin(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    return (Sample((stats.route,), stats.origin_times) for stats in _labels(totals) if stats.origin_buckets)


def _hits(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    return (Sample((stats.route,), stats.hit_times) for stats in _labels(totals) if stats.hit_buckets)


def _sizes(reading: Reading, totals: StatsSnapshot) -> Samples:
    del reading
    yield Sample((), totals.total.entry_sizes)


def _labels(totals: StatsSnapshot) -> Iterator[RouteStats]:
    """Yield what was counted by label: a route and a function may have the same one, such as `<other>`."""
    for label in {**totals.routes, **totals.functions}:
        both = [found for part in (totals.routes, totals.functions) if (found := part.get(label)) is not None]
        yield both[0] if len(both) == 1 else total_of(both, label)


def _gauge(value: float | None) -> Samples:
    if value is not None:
        yield Sample((), value)


_TIMES: Final = tuple(coarse_bounds(1e-4, 100.0))
_HIT_TIMES: Final = tuple(coarse_bounds(1e-6, 1.0))
_SIZES: Final = tuple(coarse_bounds(100.0, 1e8, steps=2))

#: What takes what was counted, by metric: there is none of these where the shared statistics cannot be read.
_COUNTED: Final[Mapping[Metric, Callable[[Reading, StatsSnapshot], Samples]]] = {
    Metric(
        "cachelayer_requests_total",
        Kind.COUNTER,
        "Lookups, by how they ended.",
        ("cache", "route", "outcome"),
    ): _requests,
    Metric("cachelayer_stores_total", Kind.COUNTER, "Values and responses stored."): _stores,
    Metric(
        "cachelayer_uncacheable_total",
        Kind.COUNTER,
        "Lookups whose value was not stored or not looked up, by why.",
        ("route", "reason"),
    ): _uncacheable,
    Metric(
        "cachelayer_evictions_total", Kind.COUNTER, "Entries removed by the store itself.", ("cause",)
    ): _evictions,
    Metric(
        "cachelayer_invalidations_total", Kind.COUNTER, "Invalidations, by what was named.", ("kind",)
    ): _invalidations,
    Metric(
        "cachelayer_backend_operation_duration_seconds",
        Kind.HISTOGRAM,
        "Time of operations of a shared store.",
        ("backend", "operation", "status"),
        _TIMES,
    ): _operations,
    Metric(
        "cachelayer_origin_duration_seconds",
        Kind.HISTOGRAM,
        "Time in the origin: the function or application.",
        ("route",),
        _TIMES,
    ): _origin,
    Metric(
        "cachelayer_hit_duration_seconds",
        Kind.HISTOGRAM,
        "Time of serving from the cache; of functions in memory one hit in 64.",
        ("route",),
        _HIT_TIMES,
    ): _hits,
    Metric("cachelayer_entry_size_bytes", Kind.HISTOGRAM, "Sizes of what was stored.", (), _SIZES): _sizes,
}

_PRESENT: Final[Mapping[Metric, Callable[[Reading], Samples]]] = {
    Metric("cachelayer_entries", Kind.GAUGE, "Living entries."): lambda reading: _gauge(reading.entries),
    Metric("cachelayer_size_bytes", Kind.GAUGE, "Size of all entries."): lambda reading: _gauge(
        reading.size_bytes
    ),
    Metric("cachelayer_inflight", Kind.GAUGE, "Computations under way."): lambda reading: _gauge(
        reading.inflight
    ),
    Metric(
        "cachelayer_backend_up", Kind.GAUGE, "1 where the store is asked; 0 while it is away."
    ): lambda reading: _gauge(int(reading.up)),
}

METRICS: Final[tuple[Metric, ...]] = (*_COUNTED, *_PRESENT)
#: Of several caches the worst counts; everything else is added up.
_WORST: Final = "cachelayer_backend_up"


def samples_of(metric: Metric, readings: Sequence[Reading]) -> list[Sample]:
    """Return a metric's values, those of several caches with the same labels put together."""
    sums: dict[tuple[str, ...], float | Histogram] = {}
    for reading in readings:
        for sample in _samples(metric, reading):
            had = sums.get(sample.labels)
            sums[sample.labels] = sample.value if had is None else _together(metric, had, sample.value)
    return [Sample(labels, value) for labels, value in sums.items()]


def _samples(metric: Metric, reading: Reading) -> Samples:
    if metric in _PRESENT:
        return _PRESENT[metric](reading)
    return iter(()) if reading.totals is None else _COUNTED[metric](reading, reading.totals)


def _together(metric: Metric, one: float | Histogram, other: float | Histogram) -> float | Histogram:
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return Histogram(add(one.buckets, other.buckets), one.sum + other.sum)
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        raise TypeError(f"{metric.name} is a histogram, or it is none")
    return min(one, other) if metric.name == _WORST else one + other
