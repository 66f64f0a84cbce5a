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
