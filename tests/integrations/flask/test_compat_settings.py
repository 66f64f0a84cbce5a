"""Flask-Caching's settings: each type of store, what is mapped, what is refused and by which name."""

import pytest
from cachelayer_flask import CacheLayer
from cachelayer_flask.compat import Cache
from flask import Flask

from cachelayer import CacheLayerError, ConfigurationError, InMemoryBackend
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.null import NullBackend
from cachelayer.backends.redis.backend import RedisBackend
from tests.integrations.flask.stores import DictCache, SmallBackend


def make(app=None, **settings):
    """Return the extension of an application with these settings."""
    app = app or Flask(__name__)
    app.config.update(settings)
    return Cache(app)


@pytest.fixture
def made():
    """Makes extensions, whose stores are closed afterwards."""
    caches = []

    def make_one(app=None, **settings):
        caches.append(make(app, **settings))
        return caches[-1]

    yield make_one
    for cache in caches:
        cache.layer.close()


SENTINEL = {"CACHE_REDIS_SENTINELS": [("sentinel.test", 1)], "CACHE_REDIS_SENTINEL_PASSWORD": "x"}
CLUSTER = {"CACHE_REDIS_CLUSTER": "one.test:1, two.test:2"}


@pytest.mark.parametrize(
    ("names", "kind", "settings"),
    [
        (("SimpleCache", "simple", "flask_caching.backends.SimpleCache"), InMemoryBackend, {}),
        (("NullCache", "null", "flask_caching.backends.null"), NullBackend, {"CACHE_NO_NULL_WARNING": True}),
        (("RedisCache", "redis", "flask_caching.backends.rediscache.RedisCache"), RedisBackend, {}),
        (("RedisSentinelCache", "redissentinel", "RedisSentinel"), RedisBackend, SENTINEL),
        (("RedisClusterCache", "rediscluster"), RedisBackend, CLUSTER),
        (("MemcachedCache", "memcached", "gaememcached", "SASLMemcachedCache"), MemcachedBackend, {}),
        (("SpreadSASLMemcachedCache", "spreadsaslmemcached"), MemcachedBackend, {}),
    ],
    ids=["simple", "null", "redis", "sentinel", "cluster", "memcached", "spread"],
)
def test_each_type_of_store_by_all_its_names(made, names, kind, settings):
    """Those of today, of earlier versions, and import paths of a library that need not be there [integrations 11]."""
    for name in names:
        assert type(made(CACHE_TYPE=name, **settings).layer.backend) is kind


def test_the_file_system(made, tmp_path):
    """A directory with a bound on its entries [integrations 11]."""
    settings = {"CACHE_DIR": str(tmp_path / "cache"), "CACHE_THRESHOLD": 7, "CACHE_OPTIONS": {"mode": 0o600}}
    for name in ("FileSystemCache", "filesystem"):
        cache = made(CACHE_TYPE=name, **settings)
        assert isinstance(cache.layer.backend, DiskBackend)
        assert cache.layer.backend.max_entries == 7
        cache.set("a", 1)
        assert cache.get("a") == 1


@pytest.mark.parametrize(("threshold", "bound"), [(7, 7), (0, 500), (None, 500)])
def test_the_threshold_bounds_memory(made, threshold, bound):
    """500 where nothing says otherwise, or 0 does [integrations 11]."""
    settings = {} if threshold is None else {"CACHE_THRESHOLD": threshold}
    assert made(CACHE_TYPE="SimpleCache", **settings).layer.backend.table.max_entries == bound


def test_a_default_timeout(made):
    """In effect where `set` names none: 0 is for ever, and negative ones store nothing [integrations 11]."""
    for timeout, ttl in ((7, 7.0), (0, None), ("30", 30.0)):
        cache = made(CACHE_TYPE="SimpleCache", CACHE_DEFAULT_TIMEOUT=timeout)
        cache.set("a", 1)
        left = cache.layer.backend.get_entry("a").ttl_remaining
        assert left is None if ttl is None else ttl - 5 < left <= ttl
    assert (cache.set("a", 1, timeout=-1), cache.get("a")) == (False, None)


REDIS = {"CACHE_TYPE": "RedisCache", "SECRET_KEY": "a test's"}


def redis_settings(server):
    """Return settings for a server's host, port, and database 3."""
    return {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": server.port, "CACHE_REDIS_DB": 3}


def test_redis_by_host_by_url_and_by_client(made, redis_server):
    """The three lead to one store; the keys have the prefix, and `clear` leaves other prefixes [integrations 11]."""
    from redis import Redis

    url = f"redis://127.0.0.1:{redis_server.port}"
    with Redis(port=redis_server.port, db=3) as client:
        client.flushdb()
        ways = [
            redis_settings(redis_server),
            {"CACHE_REDIS_URL": f"{url}/3", "CACHE_REDIS_HOST": "ignored.test"},
            {"CACHE_REDIS_URL": url, "CACHE_REDIS_DB": 3, "CACHE_OPTIONS": {"client_name": "flask"}},
            {"CACHE_REDIS_HOST": client, "CACHE_REDIS_PORT": 1},
        ]
        caches = [made(**REDIS, CACHE_KEY_PREFIX="mine_", **way) for way in ways]
        caches[0].set("a", {"b": 1})
        assert [cache.get("a") for cache in caches] == [{"b": 1}] * 4
        assert any(b"mine_" in key for key in client.scan_iter())
        other = made(**REDIS, CACHE_KEY_PREFIX="other_", **ways[0])
        other.set("a", 2)
        caches[3].clear()
        assert (caches[0].get("a"), other.get("a")) == (None, 2)


def test_a_view_is_shared_by_the_workers_of_one_redis(made, redis_server):
    """Responses and tuples, by two applications [integrations 11]."""
    calls = []
    apps = []
    for _ in range(2):
        app = Flask("worker")
        cache = made(app, **REDIS, CACHE_KEY_PREFIX="workers_", **redis_settings(redis_server))

        @app.route("/<int:number>")
        @cache.cached()
        def index(number):
            calls.append(number)
            return f"page {number}", 201, {"X-Number": str(number)}

        @cache.memoize()
        def double(number):
            calls.append(number)
            return 2 * number

        apps.append((app, cache, double))
    answers = [app.test_client().get("/7") for app, _, _ in apps]
    assert [(one.text, one.status_code, one.headers["X-Number"]) for one in answers] == [
        ("page 7", 201, "7")
    ] * 2
    for app, _, double in apps:
        with app.app_context():
            assert double(4) == 8
    first, cache, double = apps[0]
    with first.app_context():
        cache.delete_memoized(double)
        assert double(4) == 8
    assert calls == [7, 4, 4]


def test_memcached(made, memcached_server):
    """Servers as a list, and a prefix; large values in parts [integrations 11]."""
    servers = [f"127.0.0.1:{memcached_server.port}"]
    cache = made(
        CACHE_TYPE="SpreadSASLMemcachedCache", CACHE_MEMCACHED_SERVERS=servers, CACHE_KEY_PREFIX="p_"
    )
    large = "x" * 1_500_000
    assert cache.set("large", large)
    assert cache.get("large") == large


def test_a_store_that_was_written_for_flask_caching(made):
    """By import path: a class with a factory, or a function; its values are bytes then [integrations 11]."""
    for path in ("DictCache", "make_dict_cache"):
        app = Flask(__name__)
        app.config["SHELF"] = path
        cache = made(app, CACHE_TYPE=f"tests.integrations.flask.stores.{path}", CACHE_DEFAULT_TIMEOUT=7)
        store = DictCache.made[-1]
        assert store.shelf == path
        with app.app_context():
            assert cache.set("a", {"b": 1})
            assert cache.set("b", 2, timeout=0)
            assert (cache.get("a"), cache.has("a"), cache.add("a", 2)) == ({"b": 1}, True, False)
            assert (cache.delete("a"), cache.has("a")) == (True, False)
            assert {0, 7} <= set(store.timeouts)
            assert set(map(type, store.values.values())) == {bytes}

            @cache.memoize()
            def double(number):
                return 2 * number

            assert (double(2), double(2)) == (4, 4)
            cache.delete_memoized(double)
            cache.clear()
            assert not store.values


def test_a_backend_of_cachelayers(made):
    """By its import path, with CACHE_ARGS [integrations 11]."""
    cache = made(CACHE_TYPE="tests.integrations.flask.stores.SmallBackend", CACHE_ARGS=[3])
    assert isinstance(cache.layer.backend, SmallBackend)
    assert cache.layer.backend.table.max_entries == 3


def test_cachelibs_stores(made, tmp_path):
    """By their import path, where cachelib is installed [integrations 11]."""
    pytest.importorskip("cachelib")
    cache = made(
        CACHE_TYPE="cachelib.file.FileSystemCache",
        CACHE_ARGS=[str(tmp_path)],
        CACHE_OPTIONS={"threshold": 9},
    )
    cache.set("a", {1, 2})
    assert cache.get("a") == {1, 2}


def test_the_null_cache_warns_and_caches_nothing(made):
    """Unless CACHE_NO_NULL_WARNING says that it is meant [integrations 11]."""
    with pytest.warns(UserWarning, match="CACHE_NO_NULL_WARNING"):
        cache = made()
    calls = []

    @cache.memoize()
    def double(number):
        calls.append(number)
        return 2 * number

    assert (double(1), double(1), calls) == (2, 2, [1, 1])
    assert (cache.set("a", 1), cache.add("a", 1), cache.get("a"), cache.has("a")) == (True, True, None, False)
    assert (cache.get_many("a", "b"), cache.delete("a"), cache.inc("n", 2), cache.clear()) == (
        [None] * 2,
        True,
        2,
        True,
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CACHE_TYPE": "NoCache"}, "CACHE_TYPE 'NoCache'.*SimpleCache"),
        ({"CACHE_TYPE": 5}, "CACHE_TYPE"),
        ({"CACHE_TYPE": "no.such.Cache"}, "CACHE_TYPE 'no.such.Cache' cannot be imported"),
        ({"CACHE_TYPE": "UWSGICache"}, "CACHE_TYPE UWSGICache"),
        (
            {"CACHE_TYPE": "flask_caching.contrib.googlecloudstoragecache.GoogleCloudStorageCache"},
            "CACHE_TYPE",
        ),
        ({"CACHE_DEFAULT_TIMEOUT": "soon"}, "CACHE_DEFAULT_TIMEOUT"),
        ({"CACHE_DEFAULT_TIMEOUT": True}, "CACHE_DEFAULT_TIMEOUT"),
        ({"CACHE_THRESHOLD": "many"}, "CACHE_THRESHOLD"),
        ({"CACHE_HASH_METHOD": "md5"}, "CACHE_HASH_METHOD"),
        ({"CACHE_SERIALIZER": object()}, "CACHE_SERIALIZER"),
        ({"CACHE_SERIALIZER": Cache.get}, "CACHE_SERIALIZER"),
        ({"CACHE_OPTIONS": [1]}, "CACHE_OPTIONS"),
        ({"CACHE_OPTIONS": {"tresholt": 5}}, "CACHE_OPTIONS has tresholt"),
        ({"CACHE_ARGS": [5]}, "CACHE_ARGS"),
        ({"CACHE_TYPE": "FileSystemCache"}, "CACHE_DIR"),
        ({"CACHE_TYPE": "RedisClusterCache"}, "CACHE_REDIS_CLUSTER"),
        ({"CACHE_TYPE": "RedisCache", "CACHE_KEY_PREFIX": 5}, "CACHE_KEY_PREFIX"),
        ({"CACHE_TYPE": "SASLMemcachedCache", "CACHE_MEMCACHED_USERNAME": "x"}, "CACHE_MEMCACHED_USERNAME"),
    ],
    ids=range(18),
)
def test_settings_that_cannot_work_are_refused_by_name(settings, named):
    """When the application is made [integrations 11]."""
    with pytest.raises(CacheLayerError, match=named):
        make(**{"CACHE_TYPE": "SimpleCache", **settings})


def test_a_config_that_is_no_dict_is_refused():
    """By both ways in [integrations 11]."""
    with pytest.raises(ValueError, match="config"):
        Cache(config="SimpleCache")
    with pytest.raises(ValueError, match="config"):
        Cache().init_app(Flask(__name__), config=["SimpleCache"])


def test_a_decorator_without_parentheses_is_refused():
    """At once, not at the first call [integrations 11]."""
    cache = Cache()
    with pytest.raises(TypeError, match="parentheses"):
        cache.cached(lambda: 1)
    with pytest.raises(TypeError, match="memoized function itself"):
        cache.delete_memoized("name")


def test_several_applications_have_stores_of_their_own():
    """One extension; the current application counts, and none is an error [integrations 11]."""
    cache = Cache(config={"CACHE_TYPE": "SimpleCache"})
    with pytest.raises(ConfigurationError, match="init_app"):
        cache.get("a")
    one, two = Flask("one"), Flask("two")
    for app in (one, two):
        cache.init_app(app)
        with app.app_context():
            cache.set("name", app.name)
    for app in (one, two):
        with app.app_context():
            assert cache.get("name") == app.name
            assert app.extensions["cache"][cache] is cache.cache


def test_several_extensions_on_one_application():
    """Each with settings of its own [integrations 11]."""
    app = Flask(__name__)
    one = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 5})
    two = Cache(app, config={"CACHE_TYPE": "SimpleCache"}, with_jinja2_ext=False)
    with app.app_context():
        one.set("a", 1)
        assert (one.get("a"), two.get("a")) == (1, None)
        assert (one.cache.default_timeout, two.cache.default_timeout) == (5, 300)


def test_deletion_that_fails_is_an_error_unless_it_is_to_be_ignored(made):
    """CACHE_IGNORE_ERRORS, for `delete_many` [integrations 11]."""

    class Stubborn(DictCache):
        def delete(self, key):
            return False

    app = Flask(__name__)
    app.extensions["stubborn"] = Stubborn
    for ignores in (False, True):
        cache = Cache(
            app,
            config={"CACHE_TYPE": f"{__name__}.make_stubborn", "CACHE_IGNORE_ERRORS": ignores},
        )
        with app.app_context():
            cache.set("a", 1)
            if ignores:
                cache.delete_many("a")
            else:
                with pytest.raises(RuntimeError, match="CACHE_IGNORE_ERRORS"):
                    cache.delete_many("a")


def make_stubborn(app, config, args, kwargs):
    """Make the store of the test above."""
    return app.extensions["stubborn"]()


def test_both_extensions_on_one_store():
    """While one moves on: one store, one set of tags, one count [integrations 11]."""
    app = Flask(__name__)
    old = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    cache = CacheLayer(app, cache=old.layer)

    @old.memoize()
    def double(number):
        return 2 * number

    @cache.cached(ttl=60, tags=["numbers"])
    def triple(number):
        return 3 * number

    with app.app_context():
        assert [double(2), double(2), triple(2), triple(2)] == [4, 4, 6, 6]
        assert (cache.stats().total.hit, old.layer.stats().total.hit) == (2, 2)
        assert cache.invalidate_tags("numbers") == 1
        assert old.clear()
        assert cache.cache.backend.keys() == []
