"""An application's own metrics: which of them see what the cache has answered, by where they stand."""

import time

import pytest
from cachelayer_flask import CacheLayer, Rule
from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """A WSGI middleware such as an application may have: it counts and times every response."""

    def __init__(self, app):
        self.app, self.registry = app, CollectorRegistry()
        self.requests = Counter("http_requests", "Responses.", ["status"], registry=self.registry)
        self.seconds = Histogram("http_seconds", "Seconds.", registry=self.registry)

    def __call__(self, environ, start_response):
        """Serve one request."""
        began = time.perf_counter()

        def start(status, headers, exc_info=None):
            self.requests.labels(status[:3]).inc()
            self.seconds.observe(time.perf_counter() - began)
            return start_response(status, headers, exc_info)

        return self.app(environ, start)

    def count(self, status="200"):
        """Return how many responses it has seen."""
        return self.registry.get_sample_value("http_requests_total", {"status": status}) or 0


def make_app():
    """Return an application with a page that a rule keeps, and one that its view keeps."""
    app = Flask(__name__)
    cache = CacheLayer(rules=[Rule(path="/rule", ttl=60)])

    @app.get("/rule")
    def by_rule():
        return "page"

    @app.get("/view")
    @cache.cached_view(ttl=60)
    def by_view():
        return "page"

    return app, cache


@pytest.mark.parametrize("path", ["/rule", "/view"])
@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
def test_wsgi_middleware_that_is_put_around_afterwards_sees_hits(path, outside):
    """One that the cache is put around sees those of views alone [integrations 24]."""
    app, cache = make_app()
    if not outside:
        app.wsgi_app = metrics = Metrics(app.wsgi_app)
    cache.init_app(app)
    if outside:
        app.wsgi_app = metrics = Metrics(app.wsgi_app)
    for _ in range(3):
        assert app.test_client().get(path).text == "page"
    assert metrics.count() == (3 if outside or path == "/view" else 1)
    assert metrics.registry.get_sample_value("http_seconds_count") == metrics.count()


@pytest.mark.parametrize(("path", "seen"), [("/rule", 1), ("/view", 3)])
def test_hooks_see_the_hits_of_views(path, seen):
    """`before_request` and `after_request` run for what a view keeps, and on misses of rules [integrations 24]."""
    app, cache = make_app()
    cache.init_app(app)
    hooks = []
    app.before_request(lambda: hooks.append("before"))
    app.after_request(lambda response: hooks.append("after") or response)
    for _ in range(3):
        app.test_client().get(path)
    assert hooks == ["before", "after"] * seen
