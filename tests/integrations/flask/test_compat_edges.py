"""Values, arguments and settings at the edges of what Flask-Caching's names promise."""

import itertools

import pytest
from cachelayer_flask.compat import Cache
from cachelayer_flask.compat.backends import ForeignBackend
from flask import Flask

from cachelayer import CacheLayerError, EncodingError
from cachelayer.testing import FailingBackend
from tests.integrations.flask.stores import DictCache
from tests.integrations.flask.test_compat_differences import over_bytes


@pytest.fixture
def app():
    """An application."""
    app = Flask(__name__)
    app.secret_key = "a test's, and long enough"
    return app


class Keyed:
    """Known by what `__cache_key__` says."""

    def __init__(self, key):
        self.key = key

    def __cache_key__(self):
        return self.key


class Shown:
    """Known by its repr()."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Shown({self.name!r})"


class Slotted:
    """Known by nothing, and nobody can tell when it is gone."""

    __slots__ = ()


def test_what_arguments_are_known_by(app):
    """A key of their own, else their repr(), else themselves [integrations 11]."""
    cache, count = Cache(app, config={"CACHE_TYPE": "SimpleCache"}), itertools.count(1)

    @cache.memoize()
    def number(value):
        return next(count)

    class Method:
        @cache.memoize()
        def number(self):
            return next(count)

    plain = object.__new__(type("Plain", (), {}))
    with app.app_context():
        assert [number(value) for value in (Keyed(1), Keyed(1), Keyed(2))] == [1, 1, 2]
        assert [number(value) for value in (Shown("a"), Shown("a"), Shown("b"))] == [3, 3, 4]
        assert [number(value) for value in (plain, plain, type(plain)())] == [5, 5, 6]
        assert [number(Slotted()), number(Slotted())] == [7, 8]
        assert [type(name, (Method,), {"__cache_key__": lambda self: 1})().number() for name in "aa"] == [
            9,
            10,
        ]


def test_a_call_that_does_not_fit_raises_as_the_function_would(app):
    """Not an error of the cache's [integrations 11]."""
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    @cache.memoize()
    def number(value):
        return value

    with app.app_context(), pytest.raises(TypeError, match="number"):
        number(1, 2)


def test_what_cannot_be_stored_says_so(app, caplog):
    """By `set`; a decorated function's result is given all the same, and logged [integrations 11]."""
    cache = over_bytes(app)

    @cache.memoize()
    def function():
        return lambda: 5

    with app.app_context():
        with pytest.raises(EncodingError, match="cannot be pickled"):
            cache.set("a", lambda: 1)
        assert function()() == 5
    assert "function is not stored" in caplog.text


def test_a_serializer_that_fails_is_an_error_of_that_value(app):
    """On the way in; on the way out it is a miss [integrations 11]."""

    class Fails:
        def dumps(self, value):
            return None if value is None else value.encode()

        def loads(self, data):
            raise ValueError("no")

    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_SERIALIZER": Fails})
    with app.app_context():
        with pytest.raises(EncodingError, match="failed"):
            cache.set("a", 1)
        with pytest.raises(EncodingError, match="gave NoneType"):
            cache.set("a", None)
        cache.set("a", "text")
        assert cache.get("a") is None


def test_a_store_that_fails_is_a_miss(app):
    """Of every method; nothing is raised [integrations 22]."""
    backend = FailingBackend(DictBackend())
    cache = over_bytes(app, backend)
    with app.app_context():
        backend.break_down()
        assert (cache.get("a"), cache.has("a"), cache.set("a", 1), cache.add("a", 1)) == (
            None,
            False,
            False,
            False,
        )
        assert (cache.inc("n"), cache.dec("n"), cache.get_many("a", "b")) == (None, None, [None, None])
        assert cache.delete("a") is False


class DictBackend(ForeignBackend):
    """A shared store in a dict."""

    def __init__(self):
        super().__init__(DictCache())


def test_a_foreign_store_removes_what_has_no_time_to_live(app):
    """And takes nothing but bytes for values [integrations 11]."""
    backend = DictBackend()
    backend.set("a", b"1")
    assert backend.set("a", b"2", ttl=0) is False
    assert backend.get("a") is None
    backend.store.values["b"] = "no bytes"
    assert backend.get("b") is None
    assert (backend.get_stats().misses, backend.get_stats().sets) == (2, 1)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": "x", "CACHE_OPTIONS": {"mode": 0o644}}, "mode"),
        ({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": object()}, "CACHE_TYPE RedisCache"),
        ({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "http://x"}, "CACHE_TYPE RedisCache"),
    ],
    ids=range(3),
)
def test_more_settings_that_cannot_work(app, settings, named):
    """By name, or by the type of store that they are for [integrations 11]."""
    with pytest.raises(CacheLayerError, match=named):
        Cache(app, config=settings)


def test_more_ways_to_say_the_same(app):
    """A timeout among the options, a cluster by URL, a password, an address of IPv6 [integrations 11]."""
    made = [
        Cache(app, config=settings).layer
        for settings in (
            {"CACHE_TYPE": "SimpleCache", "CACHE_OPTIONS": {"default_timeout": 7}},
            {"CACHE_TYPE": "RedisClusterCache", "CACHE_REDIS_URL": "redis://one.test:1"},
            {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": "::1", "CACHE_REDIS_PASSWORD": "p/w"},
        )
    ]
    assert "redis+cluster://one.test:1" in repr(made[1].backend)
    assert "[::1]:6379" in repr(made[2].backend)
    assert "p/w" not in repr(made[2].backend)
    for layer in made:
        layer.close()
