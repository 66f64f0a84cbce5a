"""Metrics for OpenTelemetry."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

from cachelayer import Cache, ConfigurationError
from cachelayer.stats.metrics import METRICS, Kind
from cachelayer.stats.opentelemetry import instrument
from tests.stats.support import ROUTE, Office, count


@contextmanager
def instrumented(*caches, **options):
    """Return what collects from caches."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    instrument(*caches, meter_provider=provider, **options)
    try:
        yield lambda: collected(reader)
    finally:
        provider.shutdown()


def metrics_of(reader):
    """Return all metrics that a reader finds."""
    data = reader.get_metrics_data()
    return [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


def collected(reader):
    """Return values by name and attributes."""
    return {
        (metric.name, *sorted(point.attributes.items())): point.value
        for metric in metrics_of(reader)
        for point in metric.data.data_points
    }


def value(found, name, **attributes):
    """Return the one value with these attributes."""
    return found[name, *sorted(attributes.items())]


def test_counters_and_gauges_are_those_of_prometheus():
    """With the same names and labels [observability 6]."""
    cache = Cache()
    count(cache, hits=3, misses=1)
    with instrumented(cache) as collect:
        found = collect()
    labels = {"cache": "default", "route": ROUTE}
    assert value(found, "cachelayer_requests_total", outcome="hit", **labels) == 3
    assert value(found, "cachelayer_requests_total", outcome="miss", **labels) == 1
    assert value(found, "cachelayer_backend_up") == 1
    assert value(found, "cachelayer_entries") == 0


def test_histograms_are_counters_of_their_buckets():
    """Cumulative, with the sum and the count beside them [observability 6]."""
    cache = Cache()
    count(cache, hits=0, misses=2)  # 0.1 s each
    with instrumented(cache) as collect:
        found = collect()
    name = "cachelayer_origin_duration_seconds"
    assert value(found, f"{name}_bucket", route=ROUTE, le="0.0562341") == 0
    assert value(found, f"{name}_bucket", route=ROUTE, le="0.1") == 2
    assert value(found, f"{name}_bucket", route=ROUTE, le="+Inf") == 2
    assert value(found, f"{name}_count", route=ROUTE) == 2
    assert value(found, f"{name}_sum", route=ROUTE) == pytest.approx(0.2)


def test_counters_are_cumulative_and_only_go_up():
    """That is what makes rates of them right [observability 6]."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    cache = Cache()
    count(cache)
    instrument(cache, meter_provider=provider)
    sums = [metric.data for metric in metrics_of(reader) if isinstance(metric.data, Sum)]
    provider.shutdown()
    assert sums
    assert all(each.is_monotonic for each in sums)


def test_each_collection_is_of_its_own_moment():
    """What was counted since the last one is in the next [observability 6]."""
    cache = Cache()
    with instrumented(cache) as collect:
        count(cache, hits=1)
        first = collect()
        count(cache, hits=1)
        second = collect()
    labels = {"cache": "default", "route": ROUTE, "outcome": "hit"}
    assert [value(found, "cachelayer_requests_total", **labels) for found in (first, second)] == [1, 2]


def test_a_collection_reads_the_statistics_once():
    """Not once for each instrument [observability 6]."""
    cache, calls = Cache(), []
    stats = cache.stats
    cache.stats = lambda: calls.append(1) or stats()
    with instrumented(cache) as collect:
        collect()
        collect()
        assert len(calls) == 2


def test_every_metric_has_its_instruments():
    """None is left out [observability 6]."""
    office = Office()
    created = set()

    class Meter:
        def create_observable_counter(self, name, callbacks, unit, description):
            assert callbacks
            assert description
            created.add(name)

        create_observable_gauge = create_observable_counter

    class Provider:
        def get_meter(self, name):
            assert name == "cachelayer"
            return Meter()

    instrument(office.worker(), meter_provider=Provider())
    histograms = {metric.name for metric in METRICS if metric.kind is Kind.HISTOGRAM}
    parts = {f"{name}{part}" for name in histograms for part in ("_bucket", "_sum", "_count")}
    assert created == {metric.name for metric in METRICS} - histograms | parts


def test_one_worker_can_export_for_all():
    """From the shared statistics [observability 6]."""
    office = Office()
    one, other = office.worker(), office.worker()
    count(one, hits=2)
    count(other, hits=5)
    other.recorder.flush()
    with instrumented(one, shared=True) as collect:
        found = collect()
    labels = {"cache": "default", "route": ROUTE, "outcome": "hit"}
    assert value(found, "cachelayer_requests_total", **labels) == 7


def test_what_is_not_shared_cannot_be_exported_as_if():
    """The error says what to do [observability 6]."""
    with pytest.raises(ConfigurationError, match="stats_dir="):
        instrument(Cache(), shared=True)


@pytest.mark.parametrize("names", [(), ("one", "one")], ids=["none", "twice"])
def test_caches_must_have_names_of_their_own(names):
    """Else two points would be the same [observability 6]."""
    with pytest.raises(ConfigurationError, match="name one or more caches"):
        instrument(*(Cache(name=name) for name in names))


def test_a_missing_library_says_what_to_install():
    """In one line [observability 6]."""
    code = (
        "import importlib.util as util; util.find_spec = lambda name: None\n"
        "from cachelayer import Cache\nfrom cachelayer.stats.opentelemetry import instrument\n"
        "instrument(Cache())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.endswith("pip install 'cachelayer[opentelemetry]'\n")
