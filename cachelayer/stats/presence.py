"""How things are in one process now: its stores, what they hold of each route, what the samples show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import Health, ResilientBackend
from cachelayer.backends.table import EntryTable
from cachelayer.backends.table_entries import Entry
from cachelayer.backends.tiered import TieredBackend
from cachelayer.http import PartialResponse, StoredResponse, VariantIndex
from cachelayer.stats.curve import MissRatioCurve, start_curve
from cachelayer.stats.pages import Present, SampledRoute, Stored, VariedCount
from cachelayer.stats.registry import RouteRegistry
from cachelayer.stats.report import BackendReport, HealthReport, KeyCount
from cachelayer.stats.samples import Samples

#: Entries up to which all are looked at each time; beyond that only every so many seconds.
_FEW: Final = 20_000
_SELDOM: Final = 60.0
_MOST_SAMPLED: Final = 20
_MOST_KEYS: Final = 10
_MOST_VARIED: Final = 10
_MOST_EXAMPLES: Final = 10

_FUNCTION: Final = "function:"


class Inventory:
    """Counts the entries of a memory store by label, not too often."""

    def __init__(self, table: EntryTable, routes: RouteRegistry, functions: RouteRegistry) -> None:
        self._table, self._routes, self._functions = table, routes, functions
        self._next = 0.0
        self.measured = 0.0
        self._curve: MissRatioCurve | None = None
        self.of_routes: dict[str, Stored] = {}
        self.of_functions: dict[str, Stored] = {}
        table.count_evicted += (self._count_evicted,)

    def look(self) -> None:
        """Count again, if that costs little or has not been done for a while."""
        if len(self._table) > _FEW and time.monotonic() < self._next:
            return
        self._next, self.measured = time.monotonic() + _SELDOM, self._table.clock()
        counts: dict[tuple[bool, str], list[int]] = {}
        for entry in self._living():
            found = self._of_index(entry) or label_of(entry)
            if found is not None:
                kind, label, urls = found
                count = counts.setdefault((kind, label), [0, 0, 0])
                count[0] += entry.payload.__class__ is not VariantIndex
                count[1] += entry.size
                count[2] += urls
        self.of_routes = {label: Stored(*count) for (kind, label), count in counts.items() if not kind}
        self.of_functions = {
            self._known(label): Stored(*count) for (kind, label), count in counts.items() if kind
        }

    def read_curve(self) -> dict[str, int]:
        """Return what is known of the hit rate at other sizes; the first time, begin to learn it."""
        self._curve = self._curve or start_curve(self._table)
        return {} if self._curve is None else self._curve.read()

    def _living(self) -> Iterable[Any]:
        # The dead among them are left out, which costs less than tidying up.
        entries, now = self._table.entries(), self._table.clock()
        return (entry for entry in entries if entry.__class__ is not Entry and entry.expires > now)

    def _of_index(self, entry: Any) -> tuple[bool, str, int] | None:
        """Return what `label_of` does, for the index of a URL's variants: the label is theirs."""
        if entry.payload.__class__ is VariantIndex:
            for variant in entry.payload.variants:
                found = self._table.find(variant.key)
                if found is not None and found.payload.__class__ is StoredResponse:
                    return False, found.payload.label, 1
        return None

    def _known(self, label: str) -> str:
        """Return the label of a function that was found by its tag."""
        return label if self._functions.find(label) is not None else label.partition("~")[0]

    def _count_evicted(self, entry: Any) -> None:
        found = None if entry.__class__ is Entry else label_of(entry)
        if found is None:
            return
        is_function, label, _ = found
        registry = self._functions if is_function else self._routes
        counters = registry.find(self._known(label) if is_function else label)
        if counters is not None:
            counters.evictions.tick()


def label_of(entry: Any) -> tuple[bool, str, int] | None:
    """Return whether it is a function's result, the label, and the URLs that it stands for: one, or none of its own."""
    payload = entry.payload
    if payload.__class__ is PartialResponse:
        payload = payload.response
    if payload.__class__ is StoredResponse:
        return False, payload.label, int(not payload.vary)
    if payload.__class__ is VariantIndex:
        return None
    for tag in entry.tags:
        _, is_function, label = tag.name.rpartition(_FUNCTION)
        if is_function:
            return True, label, 0
    return None


def sampled(registries: Iterable[RouteRegistry]) -> dict[str, SampledRoute]:
    """Return what the samples show of the busiest labels."""
    every = [counters.samples for registry in registries for counters in list(registry.known().values())]
    busiest = sorted((each for each in every if each.lookups), key=lambda each: -each.lookups)
    return {samples.route: sampled_route(samples) for samples in busiest[:_MOST_SAMPLED]}


def sampled_route(samples: Samples) -> SampledRoute:
    """Return what one label's samples show."""
    lookups, misses, keys, varied, examples = samples.read()
    top = sorted(keys.items(), key=lambda item: -item[1])[:_MOST_KEYS]
    worst = sorted(varied.items(), key=lambda item: -item[1].avoidable)[:_MOST_VARIED]
    return SampledRoute(
        lookups,
        misses,
        [KeyCount(key=key, count=count, share=min(1.0, count / max(1, lookups))) for key, count in top],
        [
            VariedCount(kind, name, each.seen, each.avoidable, each.bits.to_bytes(128, "big"))
            for (kind, name), each in worst
        ],
        examples[-_MOST_EXAMPLES:],
    )


def backend_reports(
    name: str, backend: CacheBackend, stats: Callable[[], CacheStats], health: Health | None, errors: int
) -> list[BackendReport]:
    """Return the reports of a store, and of its tiers if it has any."""
    bare = backend.inner if isinstance(backend, ResilientBackend) else backend
    known = None if health is None else HealthReport(**msgspec.structs.asdict(health))
    reports = [_report(name, bare, stats(), health=known, errors=errors)]
    if isinstance(bare, TieredBackend):
        tiers = bare.tiers
        reports.append(_report(f"{name}/l1", bare.l1, tiers.l1, tier="l1"))
        reports.append(_report(f"{name}/l2", bare.l2, tiers.l2, tier="l2", health=known))
    return reports


def _report(name: str, backend: CacheBackend, stats: CacheStats, **more: Any) -> BackendReport:
    counts = {field: getattr(stats, field) for field in COUNTED}
    return BackendReport(
        name=name,
        kind=type(backend).__name__,
        shared=backend.shared,
        hit_rate=stats.hit_rate,
        utilization=stats.utilization,
        **counts,
        **more,
    )


COUNTED: Final = (
    "hits",
    "misses",
    "sets",
    "deletes",
    "evictions",
    "current_entries",
    "current_size_bytes",
    "max_size_bytes",
)


def present(
    registries: Mapping[str, RouteRegistry],
    inventory: Inventory | None,
    backends: list[BackendReport],
    errors: int,
) -> Present:
    """Return how things are now."""
    requests = sum(
        stats.requests for registry in registries.values() for stats in registry.snapshots().values()
    )
    found = Present(requests=requests, errors=errors, backends=backends)
    found.samples = sampled(registries.values())
    if inventory is not None:
        inventory.look()
        found.routes, found.functions = inventory.of_routes, inventory.of_functions
        found.measured = inventory.measured
        found.curve = inventory.read_curve()
    return found


def memory_table(backend: CacheBackend) -> EntryTable | None:
    """Return the table of a memory store; None of any other."""
    return backend.table if isinstance(backend, InMemoryBackend) else None
