"""Metrics for Prometheus, the Grafana dashboard and the alert rules."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cachelayer import Cache, ConfigurationError, InMemoryBackend, cached
from cachelayer.stats.metrics import METRICS, Kind
from cachelayer.stats.prometheus import CacheLayerCollector
from cachelayer.testing import FailingBackend
from cachelayer.wsgi import CacheMiddleware
from tests.stats.support import ROUTE, Office, count

#: Acceptance, word for word: every metric with its labels.
EXPORTED = {
    "cachelayer_requests_total": {"cache", "route", "outcome"},
    "cachelayer_stores_total": set(),
    "cachelayer_uncacheable_total": {"route", "reason"},
    "cachelayer_evictions_total": {"cause"},
    "cachelayer_invalidations_total": {"kind"},
    "cachelayer_backend_operation_duration_seconds": {"backend", "operation", "status"},
    "cachelayer_origin_duration_seconds": {"route"},
    "cachelayer_hit_duration_seconds": {"route"},
    "cachelayer_entry_size_bytes": set(),
    "cachelayer_entries": set(),
    "cachelayer_size_bytes": set(),
    "cachelayer_inflight": set(),
    "cachelayer_backend_up": set(),
}
HISTOGRAMS = {name for name in EXPORTED if name.endswith(("_duration_seconds", "entry_size_bytes"))}


def scrape(*caches, **options):
    """Return what a scrape finds: values by name and labels."""
    registry = CollectorRegistry()
    registry.register(CacheLayerCollector(*caches, **options))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found, name, **labels):
    """Return the one value with these labels."""
    return found[name, *sorted(labels.items())]


def used(cache):
    """Use a cache in every way that is counted."""

    @cached(cache=cache, ttl=60, name="double", tags=["numbers"])
    def double(number):
        return 2 * number

    def app(environ, start_response):
        environ["cachelayer.route"] = "/pages"
        said = "no-store" if environ["PATH_INFO"] == "/private" else "max-age=60"
        start_response("200 OK", [("Cache-Control", said), ("Content-Length", "4")])
        return [b"text"]

    for number in (1, 1, 1, 2):
        double(number)
    site = CacheMiddleware(app, cache=cache)
    for path in ("/", "/", "/private"):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
        environ |= {"SERVER_NAME": "example.org", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        b"".join(site(environ, lambda *head: None))
    double.invalidate(2)
    cache.invalidate_tags("numbers")
    return cache


@pytest.fixture(scope="module")
def everything():
    """Return what is found where every metric has a value."""
    office = Office()
    return scrape(used(office.worker()), Cache(name="of memory"))


def test_every_metric_has_its_name_and_its_labels(everything):
    """They are those that are promised, and no other [observability 6]."""
    shown = {}
    for name, *labels in everything:
        metric = name
        for suffix in ("_bucket", "_sum", "_count"):
            if name.removesuffix(suffix) in HISTOGRAMS:
                metric = name.removesuffix(suffix)
        shown.setdefault(metric, set()).update(label for label, _ in labels if label != "le")
    assert shown == EXPORTED


def test_what_is_declared_is_what_is_promised():
    """Metrics that have no value yet have the right name, kind and labels too [observability 6]."""
    assert {metric.name: set(metric.labels) for metric in METRICS} == EXPORTED
    assert {metric.name for metric in METRICS if metric.kind is Kind.HISTOGRAM} == HISTOGRAMS


@pytest.mark.parametrize(
    ("route", "outcome", "expected"),
    [
        ("double", "hit", 2),
        ("double", "miss", 2),
        ("GET /pages", "hit", 1),
        ("GET /pages", "miss", 1),
        ("GET /pages", "uncacheable", 1),
    ],
)
def test_lookups_are_counted_by_route_and_outcome(everything, route, outcome, expected):
    """Functions and routes stand beside each other [observability 6]."""
    found = value(everything, "cachelayer_requests_total", cache="default", route=route, outcome=outcome)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("cachelayer_stores_total", {}, 3),
        ("cachelayer_uncacheable_total", {"route": "GET /pages", "reason": "NO-STORE"}, 1),
        ("cachelayer_invalidations_total", {"kind": "key"}, 1),
        ("cachelayer_invalidations_total", {"kind": "tags"}, 1),
        ("cachelayer_invalidations_total", {"kind": "clear"}, 0),
        ("cachelayer_origin_duration_seconds_count", {"route": "double"}, 2),
        ("cachelayer_hit_duration_seconds_count", {"route": "GET /pages"}, 1),
        ("cachelayer_entry_size_bytes_count", {}, 3),
        ("cachelayer_backend_up", {}, 1),
        ("cachelayer_inflight", {}, 0),
    ],
    ids=str,
)
def test_the_rest_is_counted(everything, name, labels, expected):
    """Each figure is that of what was done [observability 6]."""
    assert value(everything, name, **labels) == expected


def test_operations_of_a_shared_store_are_timed(everything):
    """By store, operation and how it ended [observability 6]."""
    labels = {"backend": "SharedStore", "operation": "get_many", "status": "ok"}
    name = "cachelayer_backend_operation_duration_seconds"
    assert value(everything, f"{name}_count", **labels) > 0
    assert value(everything, f"{name}_sum", **labels) > 0


def test_buckets_are_cumulative_and_end_with_all():
    """A value is in its bucket and in all above it [observability 6]."""
    cache = Cache()
    count(cache, hits=0, misses=3)  # 0.1 s each
    count(cache, hits=2)  # 0.001 s each
    found = scrape(cache)
    origin, hit = "cachelayer_origin_duration_seconds_bucket", "cachelayer_hit_duration_seconds_bucket"
    assert value(found, origin, route=ROUTE, le="0.0562341") == 0
    assert value(found, origin, route=ROUTE, le="0.1") == value(found, origin, route=ROUTE, le="+Inf") == 3
    assert value(found, hit, route=ROUTE, le="0.000562341") == 0
    assert value(found, hit, route=ROUTE, le="0.001") == value(found, hit, route=ROUTE, le="+Inf") == 2


def test_entries_and_evictions_of_memory():
    """What the store holds, and what it removed to make room [observability 6]."""
    cache = Cache(InMemoryBackend(max_entries=2))

    @cached(cache=cache, name="triple")
    def triple(number):
        return 3 * number

    for number in range(5):
        triple(number)
    found = scrape(cache)
    assert value(found, "cachelayer_entries") == 2
    assert value(found, "cachelayer_size_bytes") == cache.backend.get_stats().current_size_bytes
    assert value(found, "cachelayer_evictions_total", cause="capacity") == 3


def test_a_computation_under_way_is_in_flight():
    """The gauge is that of the moment [observability 6]."""
    cache, seen = Cache(), []

    @cached(cache=cache)
    def slow():
        seen.append(value(scrape(cache), "cachelayer_inflight"))

    slow()
    assert (seen, value(scrape(cache), "cachelayer_inflight")) == ([1], 0)


def test_a_route_and_a_function_of_one_name_are_one():
    """A page with the same line twice would be refused [observability 6]."""
    cache = Cache()
    count(cache, hits=2, route="same")
    cache.functions.counters("same").record("hit")
    found = scrape(cache)
    assert value(found, "cachelayer_requests_total", cache="default", route="same", outcome="hit") == 3


def test_several_caches_are_told_apart_by_name():
    """Requests by the label; what has no such label is of all [observability 6]."""
    one, other = Cache(name="one"), Cache(name="other")
    count(one, hits=2)
    count(other, hits=3)
    found = scrape(one, other)
    labels = {"route": ROUTE, "outcome": "hit"}
    assert value(found, "cachelayer_requests_total", cache="one", **labels) == 2
    assert value(found, "cachelayer_requests_total", cache="other", **labels) == 3
    assert value(found, "cachelayer_hit_duration_seconds_count", route=ROUTE) == 5
    assert value(found, "cachelayer_backend_up") == 1


@pytest.mark.parametrize("names", [(), ("one", "one")], ids=["none", "twice"])
def test_caches_must_have_names_of_their_own(names):
    """Else two lines would be the same [observability 6]."""
    with pytest.raises(ConfigurationError, match="name one or more caches"):
        CacheLayerCollector(*(Cache(name=name) for name in names))


def test_registering_asks_nobody():
    """An application starts although its store is away [observability 6]."""
    office = Office()
    cache = office.worker()
    office.store.get = office.store.get_many = None  # any call would raise
    registry = CollectorRegistry()
    registry.register(CacheLayerCollector(cache, shared=True))
    assert {family.name for family in CacheLayerCollector(cache).describe()} == {
        name.removesuffix("_total") for name in EXPORTED
    }


# -- several workers ----------------------------------------------------------------------------------------------


def test_shared_figures_are_of_all_workers():
    """Also of one that has ended; each asks for what the others have written down [observability 6]."""
    office = Office()
    one, other = office.worker(), office.worker()
    count(one, hits=2, misses=1)
    count(other, hits=5)
    one.recorder.close()
    other.recorder.flush()
    for cache in (other, office.worker()):
        found = scrape(cache, shared=True)
        labels = {"cache": "default", "route": ROUTE}
        assert value(found, "cachelayer_requests_total", outcome="hit", **labels) == 7
        assert value(found, "cachelayer_origin_duration_seconds_count", route=ROUTE) == 1


def test_memory_of_several_workers_is_added_up(tmp_path):
    """Each has its own, and they share but a directory [observability 6]."""
    workers = [Cache(stats_dir=tmp_path / "statistics", stats_interval=3600) for _ in range(2)]
    for cache in workers:
        cached(cache=cache, ttl=60, name="one")(lambda: 1)()
        cache.recorder.flush()
    found = scrape(workers[0], shared=True)
    assert value(found, "cachelayer_entries") == 2
    for cache in workers:
        cache.close()


def test_shared_counters_do_not_go_down_while_the_store_is_away():
    """There are none then, and the gauge says why: a smaller one would look like a restart [observability 6]."""
    office = Office(wrap=lambda store: Failing(store, clock=store.clock))
    office.store.mend()
    cache = office.worker()
    count(cache, hits=2)
    assert value(scrape(cache, shared=True), "cachelayer_backend_up") == 1
    office.store.break_down()
    found = scrape(cache, shared=True)
    assert value(found, "cachelayer_backend_up") == 0
    assert not [name for name, *_ in found if name == "cachelayer_requests_total"]


class Failing(FailingBackend):
    """A shared store that fails while it is told to."""

    shared = True

    def __init__(self, store, *, clock):
        super().__init__(store)
        self.clock = clock


def test_what_is_not_shared_cannot_be_exported_as_if():
    """The error says what to do [observability 6]."""
    with pytest.raises(ConfigurationError, match="stats_dir="):
        CacheLayerCollector(Cache(), shared=True)


WORKER = """
import sys
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from cachelayer import Cache, cached
from cachelayer.stats.prometheus import CacheLayerCollector

cache = Cache(sys.argv[1], stats_interval=3600)
double = cached(cache=cache, ttl=600, name="double")(lambda number: 2 * number)
served = Counter("served", "Requests.")
for number in range(int(sys.argv[2])):
    double(number % 5)
    served.inc()
registry = CollectorRegistry()
MultiProcessCollector(registry)
registry.register(CacheLayerCollector(cache))
print(generate_latest(registry).decode())
cache.close()
"""


def test_multiprocess_mode_shows_all_workers(tmp_path):
    """One page has the application's own metrics, by files, and the cache's, by shared statistics [observability 6]."""
    (tmp_path / "metrics").mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}

    def work(calls):
        words = [sys.executable, "-c", WORKER, f"disk://{tmp_path}/cache.db", str(calls)]
        result = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        found = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(result.stdout)
            for sample in family.samples
        }
        labels = {"cache": "default", "route": "double"}
        hits = value(found, "cachelayer_requests_total", outcome="hit", **labels)
        misses = value(found, "cachelayer_requests_total", outcome="miss", **labels)
        return found["served_total",], hits, misses

    assert work(30) == (30, 25, 5)
    assert work(12) == (42, 37, 5)


def test_multiprocess_mode_needs_shared_statistics(monkeypatch, tmp_path):
    """Else each scrape would show another worker, as if counters went up and down [observability 6]."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="each worker would show its own"):
        CacheLayerCollector(Cache())


def test_a_missing_client_says_what_to_install():
    """In one line, when the collector is made [observability 6]."""
    code = (
        "import importlib.util as util; util.find_spec = lambda name: None\n"
        "from cachelayer import Cache\nfrom cachelayer.stats.prometheus import CacheLayerCollector\n"
        "CacheLayerCollector(Cache())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.endswith("pip install 'cachelayer[prometheus]'\n")


# -- Grafana and alerts -------------------------------------------------------------------------------------------

GRAFANA = files("cachelayer.stats") / "grafana"
#: Words of PromQL that are neither metrics nor labels.
_FUNCTIONS = {
    "sum", "min", "rate", "histogram_quantile", "by", "on", "offset", "label_values",
}  # fmt: skip


def dashboard():
    """Return the dashboard."""
    return json.loads((GRAFANA / "dashboard.json").read_text())


def rules():
    """Return all alert rules."""
    groups = yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions():
    """Return every expression, by where it is."""
    found = {
        f"panel {panel['title']}, {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    }
    found |= {f"variable {each['name']}": each["definition"] for each in _queries()}
    return found | {f"alert {rule['alert']}": rule["expr"] for rule in rules()}


def _queries():
    return [each for each in dashboard()["templating"]["list"] if each["type"] == "query"]


def names_in(expression):
    """Return the metrics in an expression, each with the labels that it is selected or grouped by."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    groups = {
        label for part in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", bare) for label in re.findall(r"\w+", part)
    }
    rest = re.sub(r"\b(?:by|on)\s*\([^)]*\)", "", bare)
    variable = re.fullmatch(r"label_values\((.*), (\w+)\)", rest)
    if variable:
        groups, rest = {variable[2]}, variable[1]
    metrics = []
    for name, selector in re.findall(
        r"\b(?<![.\d])([a-zA-Z_]\w*)\s*(\{[^}]*\})?", re.sub(r"\b1[dhm]\b", "", rest)
    ):
        if name not in _FUNCTIONS and not _inside_braces(rest, name):
            metrics.append((name, groups | set(re.findall(r"(\w+)\s*[=!]", selector))))
    return metrics


def _inside_braces(text, name):
    return name not in re.sub(r"\{[^}]*\}", "", text)


@pytest.mark.parametrize("where", expressions())
def test_expressions_refer_to_what_is_exported(where, everything):
    """Metrics and labels are among those of a real scrape [observability 6]."""
    exported = {}
    for name, *labels in everything:
        exported.setdefault(name, set()).update(label for label, _ in labels)
    metrics = names_in(expressions()[where])
    assert metrics
    for name, labels in metrics:
        assert name in exported
        assert labels <= exported[name]


def test_every_metric_is_on_the_dashboard():
    """There is none that nobody sees [observability 6]."""
    seen = {name for expression in expressions().values() for name, _ in names_in(expression)}
    assert {
        re.sub(r"_(bucket|count|sum)$", "", name) if "seconds" in name or "entry" in name else name
        for name in seen
    } == set(EXPORTED)


def test_the_dashboard_is_one_that_grafana_imports():
    """It has the fields of Grafana's model, panels that do not overlap, and targets with a data source."""
    model = dashboard()
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(model)
    panels = model["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["type"] in {"timeseries", "stat"}


def test_alert_rules_have_what_prometheus_asks_for():
    """A name, an expression, a time, a severity, and what to tell people; no other field [observability 6]."""
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) > 0
    for rule in found:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
