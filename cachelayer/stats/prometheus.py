"""Metrics for Prometheus: a collector for `prometheus_client` (the extra `prometheus`).

    REGISTRY.register(CacheLayerCollector(cache))

What `prometheus_client` writes into files in its multiprocess mode are values of its own; a collector's are not among
them. There the figures come from the statistics that the workers share, so that any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from cachelayer.errors import ConfigurationError, MissingExtraError
from cachelayer.stats.histograms import Histogram
from cachelayer.stats.metrics import METRICS, Exported, Kind, Metric, Sample, check_shared, read, samples_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

_MULTIPROCESS: Final = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")


class CacheLayerCollector:
    """Exports what caches count, each time it is asked.

    Args:
        caches: one or more. Figures without the label `cache` are of all together, so give one collector all caches
            whose metrics stand on one page.
        shared: export the figures of all workers that share statistics, rather than of this process. None does so in
            the multiprocess mode of `prometheus_client`: where PROMETHEUS_MULTIPROC_DIR is set.

    Raises:
        ConfigurationError: there is no cache; two have one name; or figures are to be shared that are not.
        MissingExtraError: `prometheus_client` is not installed.
    """

    def __init__(self, *caches: Exported, shared: bool | None = None) -> None:
        if find_spec("prometheus_client") is None:
            raise MissingExtraError("CacheLayerCollector", "prometheus")
        names = [cache.name for cache in caches]
        if not names or len(set(names)) < len(names):
            raise ConfigurationError(
                f"name one or more caches, each by a name of its own (Cache(name=...)): not {names}"
            )
        self._caches = caches
        self._shared = any(map(os.environ.get, _MULTIPROCESS)) if shared is None else shared
        if self._shared:
            check_shared(caches)

    def describe(self) -> Iterable[Family]:
        """Return all metrics, without values: registering asks no store."""
        return [_family(metric, ()) for metric in METRICS]

    def collect(self) -> Iterator[Family]:
        """Yield all metrics. With shared statistics it asks the store."""
        readings = [read(cache, shared=self._shared) for cache in self._caches]
        for metric in METRICS:
            yield _family(metric, samples_of(metric, readings))


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    from prometheus_client import core as client

    if metric.kind is Kind.HISTOGRAM:
        histograms = client.HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for sample in samples:
            if isinstance(sample.value, Histogram):
                histograms.add_metric(sample.labels, _buckets(metric, sample.value), sample.value.sum)
        return histograms
    make = client.CounterMetricFamily if metric.kind is Kind.COUNTER else client.GaugeMetricFamily
    family = make(metric.name, metric.text, labels=metric.labels)
    for sample in samples:
        if not isinstance(sample.value, Histogram):
            family.add_metric(sample.labels, sample.value)
    return family


def _buckets(metric: Metric, histogram: Histogram) -> list[tuple[str, float]]:
    cumulative = [(f"{bound:g}", float(count)) for bound, count in histogram.cumulative(metric.bounds)]
    return [*cumulative, ("+Inf", float(histogram.count))]
