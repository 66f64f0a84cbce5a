"""Bad options raise at decoration, and name the option and the remedy: issue 2 "Bad input", functions.md 23."""

import datetime as dt
import math

import pytest

from cachelayer import Cache, CacheLayerError, ConfigurationError, InMemoryBackend, OptionTypeError, cached

WRONG_TYPE = {
    "ttl: bool": ({"ttl": True}, "ttl cannot be bool"),
    "ttl: list": ({"ttl": [1]}, "ttl cannot be list"),
    "ttl: complex": ({"ttl": 1j}, "ttl cannot be complex"),
    "key: int": ({"key": 1}, "must be a template or a callable, not int"),
    "tags: str": ({"tags": "user"}, r"tags must be a list, not one str: tags=\['user'\]"),
    "tags: int": ({"tags": 7}, "tags must be a list of str, not int"),
    "tags: of ints": ({"tags": [7]}, "tags must be a list of str, but has int 7"),
    "tags: None": ({"tags": None}, "tags must be a list of str, not NoneType"),
    "ignore: str": ({"ignore": "db"}, r"ignore must be a list, not one str: ignore=\['db'\]"),
    "ignore: of ints": ({"ignore": [0]}, "ignore must be a list of str, but has int 0"),
    "condition: str": ({"condition": "yes"}, "condition must be a callable of the result, not str"),
    "name: int": ({"name": 7}, "name must be a text that is not empty, not 7"),
    "name: empty": ({"name": ""}, "name must be a text that is not empty, not ''"),
    "cache: backend": (
        {"cache": InMemoryBackend()},
        "cache must be a Cache, not InMemoryBackend: pass stores as backend=",
    ),
    "cache: str": ({"cache": "memory://"}, "cache must be a Cache, not str"),
    "backend: cache": ({"backend": Cache()}, "backend must be a CacheBackend, a URL or None, not Cache"),
    "backend: class": ({"backend": InMemoryBackend}, "backend must be a CacheBackend, a URL or None"),
    "cache_exceptions: text": (
        {"cache_exceptions": "ValueError", "negative_ttl": 1},
        "cache_exceptions must be classes of exceptions, but has 'ValueError'",
    ),
    "cache_exceptions: instance": (
        {"cache_exceptions": (ValueError("x"),), "negative_ttl": 1},
        "cache_exceptions must be classes of exceptions",
    ),
    "cache_exceptions: no error": (
        {"cache_exceptions": KeyboardInterrupt, "negative_ttl": 1},
        "cache_exceptions must be classes of exceptions",
    ),
    "lock_timeout: list": ({"lock_timeout": []}, "lock_timeout cannot be list"),
}

WRONG_VALUE = {
    "ttl: negative": ({"ttl": -1}, "ttl=-1 is not a duration"),
    "ttl: negative timedelta": ({"ttl": dt.timedelta(seconds=-1)}, "is not a duration"),
    "ttl: nan": ({"ttl": math.nan}, "ttl=nan is not a duration"),
    "ttl: infinite": ({"ttl": math.inf}, "ttl=inf is not a duration"),
    "ttl: text": ({"ttl": "soon"}, "ttl='soon' is not a duration"),
    "ttl: huge": ({"ttl": 10**400}, "ttl is too large"),
    "negative_ttl: negative": ({"negative_ttl": -1, "cache_exceptions": ValueError}, "negative_ttl=-1"),
    "negative_ttl: alone": ({"negative_ttl": 5}, "negative_ttl= needs cache_exceptions="),
    "cache_exceptions: alone": ({"cache_exceptions": ValueError}, "cache_exceptions= needs negative_ttl="),
    "lock_timeout: negative": ({"lock_timeout": -1}, "lock_timeout=-1"),
    "ignore: unknown": (
        {"ignore": ["y"]},
        r"ignore= of .* names unknown parameters \['y'\]; known are \['x'\]",
    ),
    "key: unknown": ({"key": "{y}"}, "names an unknown parameter 'y'"),
    "tags: unknown": ({"tags": ["t:{y}"]}, "names an unknown parameter 'y'"),
    "cache and backend": (
        {"cache": Cache(), "backend": InMemoryBackend()},
        "cache= and backend= exclude each other",
    ),
    "backend: unknown URL": ({"backend": "nosuch://host"}, "no backend for nosuch://host"),
    "backend: no URL": ({"backend": "memory"}, "no backend for memory"),
    "backend: unknown option": ({"backend": "memory://?colour=red"}, "unknown option 'colour'"),
}


@pytest.mark.parametrize(("options", "message"), WRONG_TYPE.values(), ids=WRONG_TYPE)
def test_an_option_of_a_wrong_type_raises_at_decoration(options, message):
    """An option of a wrong type is a TypeError of ours that names it, before anything is called."""
    with pytest.raises(OptionTypeError, match=message) as raised:
        cached(**options)(lambda x: x)
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, CacheLayerError)


@pytest.mark.parametrize(("options", "message"), WRONG_VALUE.values(), ids=WRONG_VALUE)
def test_an_option_that_cannot_work_raises_at_decoration(options, message):
    """An option whose value cannot work is a ValueError of ours that names it."""
    with pytest.raises(ConfigurationError, match=message) as raised:
        cached(**options)(lambda x: x)
    assert isinstance(raised.value, ValueError)


def test_an_unknown_option_raises():
    """A misspelled option is a TypeError that names it."""
    with pytest.raises(TypeError, match="tll"):
        cached(tll=60)


def test_options_go_by_keyword():
    """`@cached(60)` is an error that says so, not a cached 60."""
    with pytest.raises(OptionTypeError, match="not on int 60; options go by keyword"):
        cached(60)
    with pytest.raises(TypeError, match="positional"):
        cached(len, 60)


def test_options_are_checked_without_a_function():
    """A bad option raises where `cached(...)` is written, although nothing is decorated yet."""
    with pytest.raises(ConfigurationError):
        cached(ttl=-1)


def test_options_take_any_iterable():
    """tags= and ignore= may be given as any iterable of text."""
    f = cached(cache=Cache(), tags=(tag for tag in ("a", "b")), ignore={"y"})(lambda x, y: x)
    assert f(1, 2) == f(1, 3) == 1
    assert f.stats().hit == 1
