"""Flask: the extension, its settings, several applications, and functions beside pages."""

import gc
import weakref

import pytest
from cachelayer_flask import CacheLayer, Rule
from flask import Blueprint, Flask, Response, abort, stream_with_context

from cachelayer import Cache, CacheLayerError, ConfigurationError, InMemoryBackend
from cachelayer.testing import MinimalBackend
from tests.shells import SixMethods

FRESH = {"Cache-Control": "max-age=60"}


def flask(**settings):
    """Return an application with a blueprint, and these settings."""
    app = Flask(__name__)
    app.config.update(settings)
    api = Blueprint("api", __name__, url_prefix="/api")

    @app.get("/users/<int:user>")
    def show_user(user):
        return {"user": user}, 200, FRESH

    @api.get("/things/<path:name>")
    def thing(name):
        return name, 200, FRESH

    @app.get("/gone/<name>")
    def gone(name):
        abort(404)

    @app.get("/stream")
    def stream():
        return Response(stream_with_context(iter(["a", "b"])), headers=FRESH)

    @app.route("/silent", methods=["GET", "POST"])
    def silent():
        return "silent"

    app.register_blueprint(api)
    return app


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "/users/1", "GET /users/<int:user>"),
        ("HEAD", "/users/1", "HEAD /users/<int:user>"),
        ("GET", "/api/things/a/b", "GET /api/things/<path:name>"),
        ("GET", "/gone/1", "GET /gone/<name>"),
        ("POST", "/silent", "POST /silent"),
        ("GET", "/stream", "GET /stream"),
        ("GET", "/static/none.css", "GET /static/<path:filename>"),
        ("GET", "/nothing", "<unmatched>"),
        ("GET", "/users/x", "<unmatched>"),
    ],
)
def test_a_label_is_the_rule_that_matched(method, path, label):
    """The prefix of its blueprint included; a view's own 404 keeps it."""
    app = flask()
    cache = CacheLayer(app)
    app.test_client().open(path, method=method, buffered=True)
    assert list(cache.stats().routes) == [label]


@pytest.mark.parametrize("backend", [InMemoryBackend, SixMethods])
@pytest.mark.parametrize("path", ["/users/1", "/api/things/a/b", "/stream"])
def test_a_hit_is_the_miss(backend, path):
    """Under the label of the miss."""
    app = flask(CACHELAYER_BACKEND=backend())
    cache = CacheLayer(app)
    miss, hit = (app.test_client().get(path, buffered=True) for _ in range(2))
    assert hit.headers["cache-status"].startswith("cachelayer; hit")
    assert (miss.status, miss.data) == (hit.status, hit.data)
    kept = [line for line in hit.headers if line[0] not in ("age", "cache-status")]
    assert [line for line in miss.headers if line[0] != "cache-status"] == kept
    (counted,) = cache.stats().routes.values()
    assert (counted.hit, counted.miss) == (1, 1)


def test_settings_are_read_from_the_configuration():
    """Each option in capitals behind the prefix; they go before what the constructor was given."""
    app = flask(
        CACHELAYER_BACKEND="memory://",
        CACHELAYER_NAMESPACE="shop",
        CACHELAYER_DEFAULT_TTL="1m",
        CACHELAYER_CACHE_STATUS="edge",
        CACHELAYER_RULES=[Rule(path="/gone/*", status={404: 5})],
    )
    cache = CacheLayer(default_ttl=5, cache_status="ignored")
    cache.init_app(app)
    client = app.test_client()
    assert [client.get("/silent").headers["cache-status"].split(";")[0] for _ in range(2)] == ["edge", "edge"]
    client.get("/gone/1")
    assert "hit" in client.get("/gone/1").headers["cache-status"]
    assert (cache.cache.namespace, cache.cache.default_ttl) == ("shop", 60.0)


def test_the_environments_url_is_used_where_nothing_is_named(monkeypatch):
    """As everywhere else."""
    monkeypatch.setenv("CACHELAYER_URL", "memory://?max_entries=7")
    assert CacheLayer(flask()).cache.backend.table.max_entries == 7


def test_the_application_has_its_cache():
    """In `app.extensions`, as is the custom."""
    app = flask()
    cache = CacheLayer(app)
    assert app.extensions["cachelayer"] is cache.cache
    assert isinstance(cache.cache, Cache)


def test_a_cache_of_ones_own_can_be_given():
    """With its backend, namespace and clock."""
    own = Cache(MinimalBackend())
    app = flask()
    assert CacheLayer(app, cache=own).cache is own


@pytest.mark.parametrize(
    ("settings", "options", "named"),
    [
        ({"CACHELAYER_TTL": 5}, {}, "CACHELAYER_TTL.*CACHELAYER_DEFAULT_TTL"),
        ({}, {"ttl": 5}, "ttl.*default_ttl"),
        ({"CACHELAYER_DEFAULT_TTL": -5}, {}, "CACHELAYER_DEFAULT_TTL"),
        ({}, {"default_ttl": -5}, "^default_ttl"),
        ({"CACHELAYER_BACKEND": 5}, {}, "CACHELAYER_BACKEND"),
        ({"CACHELAYER_BACKEND": "nothing://"}, {}, "CACHELAYER_BACKEND"),
        ({"CACHELAYER_NAMESPACE": 5}, {}, "CACHELAYER_NAMESPACE"),
        ({"CACHELAYER_CACHE": Cache(), "CACHELAYER_NAMESPACE": "x"}, {}, "CACHELAYER_NAMESPACE"),
        ({"CACHELAYER_CACHE": "memory://"}, {}, "CACHELAYER_CACHE.*backend="),
        ({"CACHELAYER_RULES": {"path": "/x"}}, {}, "CACHELAYER_RULES"),
        ({"CACHELAYER_SECRET_KEYS": "short"}, {}, "CACHELAYER_SECRET_KEYS"),
        ({"CACHELAYER_SESSION_COOKIES": "name"}, {}, "CACHELAYER_SESSION_COOKIES"),
        ({"CACHELAYER_STATS_INTERVAL": 0}, {}, "CACHELAYER_STATS_INTERVAL"),
    ],
    ids=range(13),
)
def test_settings_that_cannot_work_are_refused(settings, options, named):
    """By the setting's name, when the application is made; it is as it was then [integrations 9]."""
    app = flask(**settings)
    before = app.wsgi_app
    with pytest.raises(CacheLayerError, match=named):
        CacheLayer(app, **options)
    assert app.wsgi_app == before
    assert "cachelayer" not in app.extensions


def test_what_is_no_flask_application_is_refused():
    """Nor is one that has a cache already."""
    with pytest.raises(TypeError, match=r"cachelayer\.wsgi"):
        CacheLayer(lambda environ, start_response: [])
    app = flask()
    CacheLayer(app)
    with pytest.raises(ConfigurationError, match="already"):
        CacheLayer(app)


def test_applications_at_once_have_caches_of_their_own():
    """One extension for both: each has its entries, statistics and tags."""
    cache = CacheLayer(rules=[Rule(path="/users/{user}", ttl=60, tags=("users",))])
    one, two = flask(), flask()
    cache.init_app(one)
    cache.init_app(two)
    for app in (one, two):
        app.test_client().get("/users/1")
    with one.app_context():
        assert cache.stats().total.miss == 1
        assert cache.invalidate_tags("users") == 1
    assert "fwd" in one.test_client().get("/users/1").headers["cache-status"]
    assert "hit" in two.test_client().get("/users/1").headers["cache-status"]


def test_functions_are_cached_in_the_current_applications_cache():
    """So that neither tests nor applications see what another one computed."""
    calls = []
    cache = CacheLayer()

    @cache.cached(ttl=60, tags=["doubles"])
    def double(number: int) -> int:
        """Return twice the number."""
        calls.append(number)
        return 2 * number

    for app in (flask(), flask()):
        cache.init_app(app)
        with app.app_context():
            assert [double(2), double(number=2)] == [4, 4]
            assert (double.stats().hit, cache.stats().total.requests) == (1, 2)
            cache.invalidate_tags("doubles")
            double(2)
            double.invalidate(2)
            assert double.peek(2) is None
    assert calls == [2, 2, 2, 2]
    assert (double.__name__, double.__doc__) == ("double", "Return twice the number.")


def test_methods_are_cached_too():
    """Bound to their instance."""
    app = flask()
    cache = CacheLayer(app)

    class Shop:
        """Counts."""

        def __init__(self):
            self.calls = 0

        @cache.cached
        def price(self, item):
            self.calls += 1
            return f"{item}: {self.calls}"

    one, two = Shop(), Shop()
    assert [one.price("a"), one.price("a"), two.price("a")] == ["a: 1"] * 3
    one.price.invalidate("a")
    assert (one.price("a"), two.price("a")) == ("a: 2", "a: 1")


@pytest.mark.parametrize(
    "options", [{"tll": 5}, {"ttl": -1}, {"backend": InMemoryBackend()}, {"key": "{nothing}"}]
)
def test_mistakes_show_at_the_decorator(options):
    """Not when the function is first called."""
    cache = CacheLayer()
    with pytest.raises((CacheLayerError, TypeError)):
        cache.cached(**options)(lambda number: number)


def test_without_an_application_there_is_no_cache():
    """Which is said with a remedy."""
    cache = CacheLayer()
    with pytest.raises(ConfigurationError, match="init_app"):
        cache.stats()
    apps = [flask(), flask()]
    for app in apps:
        cache.init_app(app)
    with pytest.raises(ConfigurationError, match="app_context"):
        cache.stats()
    with flask().app_context(), pytest.raises(ConfigurationError, match="init_app"):
        cache.stats()


def test_an_application_that_is_gone_leaves_nothing_behind():
    """Nor do its functions hold its cache."""
    cache = CacheLayer()

    @cache.cached
    def double(number):
        return 2 * number

    app = flask()
    cache.init_app(app)
    with app.app_context():
        double(1)
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    assert not cache._caches


def test_clear_empties_the_cache():
    """Of pages and functions."""
    app = flask()
    cache = CacheLayer(app)
    app.test_client().get("/users/1")
    assert cache.clear() == 1
    assert "fwd" in app.test_client().get("/users/1").headers["cache-status"]
