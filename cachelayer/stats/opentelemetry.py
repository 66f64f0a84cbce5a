"""Metrics for OpenTelemetry: observable instruments (the extra `opentelemetry`).

    instrument(cache)

The names and attributes are those of `cachelayer.stats.prometheus`. A histogram of OpenTelemetry takes single values as
they come, and none that were counted already: each is here three counters, NAME_bucket (with the attribute `le`, the
bucket's upper end), NAME_sum and NAME_count, as Prometheus has them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from cachelayer.errors import ConfigurationError, MissingExtraError
from cachelayer.stats.histograms import Histogram
from cachelayer.stats.metrics import METRICS, Exported, Kind, Metric, Reading, check_shared, read, samples_of

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    Callback = Callable[[CallbackOptions], Iterable[Observation]]

_SCOPE: Final = "cachelayer"

Values = Iterator[tuple[float, dict[str, str]]]


def instrument(*caches: Exported, meter_provider: MeterProvider | None = None, shared: bool = False) -> None:
    """Export what caches count, whenever OpenTelemetry collects.

    Args:
        caches: one or more. Figures without the attribute `cache` are of all together.
        meter_provider: whose; None takes the process's.
        shared: export the figures of all workers that share statistics, rather than of this process. Do so in one of
            them alone, since a collector adds up what processes send.

    Raises:
        ConfigurationError: there is no cache; two have one name; or figures are to be shared that are not.
        MissingExtraError: `opentelemetry` is not installed.
    """
    if find_spec("opentelemetry") is None:
        raise MissingExtraError("instrument", "opentelemetry")
    from opentelemetry.metrics import get_meter_provider

    names = [cache.name for cache in caches]
    if not names or len(set(names)) < len(names):
        raise ConfigurationError(
            f"name one or more caches, each by a name of its own (Cache(name=...)): not {names}"
        )
    if shared:
        check_shared(caches)
    meter = (meter_provider or get_meter_provider()).get_meter(_SCOPE)
    reader = _Reader(caches, shared=shared)
    for metric in METRICS:
        if metric.kind is Kind.GAUGE:
            meter.create_observable_gauge(metric.name, [reader.callback(metric, "", _plain)], "", metric.text)
            continue
        parts = {"": _plain} if metric.kind is Kind.COUNTER else _PARTS
        for part, values in parts.items():
            callback = reader.callback(metric, part, values)
            meter.create_observable_counter(metric.name + part, [callback], "", metric.text)


class _Reader:
    """Reads the statistics once for all instruments of one collection: until one of them asks again."""

    def __init__(self, caches: tuple[Exported, ...], *, shared: bool) -> None:
        self._caches, self._shared = caches, shared
        self._lock = threading.Lock()
        self._readings: list[Reading] = []
        self._served: set[str] = set()

    def callback(
        self, metric: Metric, part: str, values: Callable[[Metric, list[Reading]], Values]
    ) -> Callback:
        """Return what gives an instrument its observations."""
        from opentelemetry.metrics import Observation

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            del options
            return [
                Observation(value, labels) for value, labels in values(metric, self._read(metric.name + part))
            ]

        return observe

    def _read(self, name: str) -> list[Reading]:
        with self._lock:
            if name in self._served or not self._served:
                self._readings = [read(cache, shared=self._shared) for cache in self._caches]
                self._served.clear()
            self._served.add(name)
            return self._readings


def _plain(metric: Metric, readings: list[Reading]) -> Values:
    for sample in samples_of(metric, readings):
        if not isinstance(sample.value, Histogram):
            yield sample.value, dict(zip(metric.labels, sample.labels, strict=True))


def _histograms(metric: Metric, readings: list[Reading]) -> Iterator[tuple[Histogram, dict[str, str]]]:
    for sample in samples_of(metric, readings):
        if isinstance(sample.value, Histogram):
            yield sample.value, dict(zip(metric.labels, sample.labels, strict=True))


def _buckets(metric: Metric, readings: list[Reading]) -> Values:
    for histogram, labels in _histograms(metric, readings):
        for bound, count in histogram.cumulative(metric.bounds):
            yield count, {**labels, "le": f"{bound:g}"}
        yield histogram.count, {**labels, "le": "+Inf"}


def _sums(metric: Metric, readings: list[Reading]) -> Values:
    return ((histogram.sum, labels) for histogram, labels in _histograms(metric, readings))


def _counts(metric: Metric, readings: list[Reading]) -> Values:
    return ((histogram.count, labels) for histogram, labels in _histograms(metric, readings))


_PARTS: Final = {"_bucket": _buckets, "_sum": _sums, "_count": _counts}
