"""Functions cached in the cache of the current Flask application."""

import pytest
from cachelayer_flask import CacheLayer
from flask import Flask


@pytest.fixture
def cache():
    """The extension of an application that is current."""
    app = Flask("shop")
    extension = CacheLayer(app)
    with app.app_context():
        yield extension


def make_class(cache, above):
    """Return a class with both kinds of method, cached above or below their decorators, and what was called."""
    calls = []

    def by_class(cls, number):
        calls.append((cls.__name__, number))
        return cls.__name__, number

    def by_none(number):
        calls.append(number)
        return number

    if above:
        methods = cache.cached(ttl=60)(classmethod(by_class)), cache.cached(ttl=60)(staticmethod(by_none))
    else:
        methods = classmethod(cache.cached(ttl=60)(by_class)), staticmethod(cache.cached(ttl=60)(by_none))
    return type("Shop", (), {"by_class": methods[0], "by_none": methods[1]}), calls


@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
def test_class_and_static_methods_are_cached_in_either_order(cache, above):
    """`cache.cached` works above and below @classmethod and @staticmethod, on the class and on its instances."""
    shop, calls = make_class(cache, above)
    assert [shop.by_class(1), shop().by_class(1), shop.by_class(2)] == [("Shop", 1), ("Shop", 1), ("Shop", 2)]
    assert [shop.by_none(1), shop().by_none(1)] == [1, 1]
    assert calls == [("Shop", 1), ("Shop", 2), 1]


@pytest.fixture
def load():
    """A function of an extension that no application has been given yet, and the extension."""
    extension, calls = CacheLayer(), iter(range(1, 100))

    @extension.cached(ttl=60, name="load")
    def load(key: str) -> int:
        return next(calls)

    return load, extension


def make_app(extension):
    """Return an application with a cache of its own."""
    app = Flask("shop")
    extension.init_app(app)
    return app


def test_each_application_keeps_its_own_results(load):
    """That another one begins to use the function drops nothing of the first one's [integrations 9]."""
    function, extension = load
    seen = []
    for app in [make_app(extension) for _ in range(2)] * 2:
        with app.app_context():
            seen.append(function("a"))
    assert seen == [1, 2, 1, 2]


def test_a_function_is_called_the_same_whichever_application_uses_it_first(cache):
    """So that processes which share a store agree on its keys [integrations 9]."""
    keys = []
    for _ in range(3):
        with make_app(EXTENSION).app_context():
            keys.append(of_module.key_for("a"))
    assert keys == [f"{__name__}.of_module(s1:a)"] * 3


EXTENSION = CacheLayer()


@EXTENSION.cached(ttl=60)
def of_module(key: str) -> str:
    """Be a function of a module, as most are."""
    return key
