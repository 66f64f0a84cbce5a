"""The backend for `CACHES`: what Django documents of its cache API, over stores of each kind, in both colours."""

import pickle

import pytest
from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import CacheKeyWarning, InvalidCacheKey

from cachelayer import InMemoryBackend
from cachelayer.testing import FakeClock
from tests.integrations.django.conftest import Coloured
from tests.shells import SixMethods


class Thing:
    """Any object that pickle takes."""

    def __init__(self, name):
        self.name = name


VALUES = {
    "none": None,
    "false": False,
    "zero": 0,
    "number": -42,
    "large": 2**200,
    "float": 1.5,
    "text": "\xfcber",
    "digits": "123",
    "bytes": b"123",
    "empty": "",
    "nested": {"a": [1, (2, {3})], "b": {"c": None}},
    "long": "x" * 5000,
}


@pytest.mark.parametrize("name", VALUES)
def test_any_value_comes_back_as_it_was(cache, name):
    """With its type: None is a value, the text "123" no number [integrations 14]."""
    value = VALUES[name]
    cache.set("key", value)
    missing = object()
    found = cache.get("key", missing)
    assert found == value
    assert type(found) is type(value)
    assert cache.has_key("key")


def test_an_object_comes_back(cache):
    """Of whatever class the site has [integrations 14]."""
    cache.set("key", Thing("a"))
    assert cache.get("key").name == "a"


def test_a_caller_cannot_change_what_another_one_gets(cache):
    """Neither who stored it nor who got it [integrations 14]."""
    value = {"list": [1]}
    cache.set("key", value)
    value["list"].append(2)
    cache.get("key")["list"].append(3)
    assert cache.get("key") == {"list": [1]}


def test_what_is_not_there_is_the_default(cache):
    """None, or what the caller says [integrations 14]."""
    assert (cache.get("key"), cache.get("key", "else"), cache.has_key("key")) == (None, "else", False)
    assert "key" not in cache.plain


def test_add_stores_only_what_is_not_there(cache):
    """And says whether it did [integrations 14]."""
    assert [cache.add("key", 1), cache.add("key", 2), cache.get("key")] == [True, False, 1]


def test_delete_says_whether_there_was_something(cache):
    """Once [integrations 14]."""
    cache.set("key", 1)
    assert [cache.delete("key"), cache.delete("key"), cache.get("key")] == [True, False, None]


@pytest.mark.parametrize("timeout", [0, -1], ids=["zero", "negative"])
def test_no_timeout_stores_nothing(cache, timeout):
    """What was there goes; add says whether there was nothing before [integrations 14]."""
    cache.set("key", 1)
    cache.set("key", 2, timeout)
    assert not cache.has_key("key")
    assert cache.add("key", 3, timeout)
    assert not cache.has_key("key")
    assert cache.set_many({"a": 1, "b": 2}, timeout) == []
    assert cache.get_many(["a", "b"]) == {}


def test_a_number_goes_up_and_down(cache):
    """By one or more, in one step of the store [integrations 14]."""
    cache.set("key", 41)
    counts = [cache.incr("key"), cache.incr("key", 10), cache.decr("key"), cache.decr("key", -5)]
    assert counts == [42, 52, 51, 56]
    assert cache.get("key") == 56
    cache.set("key", 0)
    assert [cache.decr("key", 3), cache.incr("key")] == [-3, -2]


def test_incr_of_what_is_not_there_raises(cache):
    """ValueError, and nothing is made [integrations 14]."""
    for name in ("incr", "decr", "incr_version", "decr_version"):
        with pytest.raises(ValueError, match="'key' not found"):
            getattr(cache, name)("key")
    assert not cache.has_key("key")


@pytest.mark.parametrize(
    ("value", "delta", "total"),
    [(1.5, 1, 2.5), (2**63 - 1, 1, 2**63), (2**70, -1, 2**70 - 1), (7, 0.5, 7.5), (True, 1, 2)],
    ids=["float", "beyond 64 bits", "large", "by a float", "bool"],
)
def test_incr_of_what_the_store_cannot_count(cache, value, delta, total):
    """It adds as Python does [integrations 14]."""
    cache.set("key", value)
    assert cache.incr("key", delta) == cache.get("key") == total


def test_incr_of_a_text_is_a_type_error(cache):
    """As it is in Python [integrations 14]."""
    cache.set("key", "text")
    with pytest.raises(TypeError):
        cache.incr("key")


def test_incr_keeps_the_timeout(cache):
    """Of numbers that the store counts and of others [integrations 14]."""
    backend = cache.plain.store.backend
    for value in (0, 1.5):
        cache.set("key", value, 1000)
        cache.incr("key")
        assert 990 < backend.get_entry(":1:key").ttl_remaining <= 1000


def test_touch_gives_another_timeout(cache):
    """The default one, none, or that of the argument; 0 removes [integrations 14]."""
    backend = cache.plain.store.backend
    cache.set("key", 1, 1000)
    assert cache.touch("key")
    assert 290 < backend.get_entry(":1:key").ttl_remaining <= 300
    assert cache.touch("key", 50)
    assert 40 < backend.get_entry(":1:key").ttl_remaining <= 50
    assert cache.touch("key", None)
    assert backend.get_entry(":1:key").ttl_remaining is None
    assert [cache.touch("key", 0), cache.has_key("key"), cache.touch("key")] == [True, False, False]


def test_many_at_once(cache):
    """Those that are there, under the callers' own names [integrations 14]."""
    assert cache.set_many({"a": 1, "b": [2], "c": None}) == []
    assert cache.get_many(["a", "b", "c", "d"]) == {"a": 1, "b": [2], "c": None}
    cache.delete_many(iter(["a", "b", "d"]))
    assert cache.get_many(name for name in "abcd") == {"c": None}
    assert (cache.get_many([]), cache.set_many({}), cache.delete_many([])) == ({}, [], None)


def test_get_or_set_computes_what_is_not_there(cache):
    """A callable is called only then; None is a value [integrations 14]."""
    calls = []
    for _ in range(2):
        assert cache.get_or_set("none", lambda: calls.append(1)) is None
    assert calls == [1]
    assert [cache.get_or_set("key", 1), cache.get_or_set("key", 2)] == [1, 1]


def test_clear_removes_all(cache):
    """Whatever the version [integrations 14]."""
    cache.set("key", 1)
    cache.set("key", 1, version=2)
    cache.clear()
    assert (cache.has_key("key"), cache.has_key("key", version=2)) == (False, False)


def test_versions_are_apart(cache):
    """In every method, and an entry can go from one to another [integrations 14]."""
    cache.set("key", 1)
    cache.set("key", 2, version=2)
    assert (cache.get("key"), cache.get("key", version=2)) == (1, 2)
    assert cache.get_many(["key"], version=2) == {"key": 2}
    assert (cache.add("key", 3, version=2), cache.incr("key", version=2)) == (False, 3)
    cache.delete_many(["key"], version=2)
    assert (cache.has_key("key", version=2), cache.has_key("key")) == (False, True)
    assert (cache.incr_version("key"), cache.get("key"), cache.get("key", version=2)) == (2, None, 1)
    assert (cache.decr_version("key", version=2), cache.get("key")) == (1, 1)


def make_key(key, prefix, version):
    """Make keys in another way."""
    return f"own-{version}-{prefix}-{key}"


def test_prefix_version_and_key_function_make_the_key(use_caches):
    """As text or callable; caches with one location see each other's entries [integrations 14]."""
    backend = InMemoryBackend()
    function = f"{__name__}.make_key"
    use_caches(
        default={"LOCATION": backend},
        prefixed={"LOCATION": backend, "KEY_PREFIX": "p", "VERSION": 3},
        own={"LOCATION": backend, "KEY_FUNCTION": make_key},
        named={"LOCATION": backend, "KEY_FUNCTION": function, "KEY_PREFIX": "p"},
    )
    for alias in ("default", "prefixed", "own", "named"):
        caches[alias].set("key", 1)
    assert sorted(backend.keys()) == [":1:key", "own-1--key", "own-1-p-key", "p:3:key"]


@pytest.mark.parametrize(
    ("key", "warning"),
    [("with space", "contains characters"), ("x" * 251, "longer than 250")],
    ids=["characters", "length"],
)
def test_a_key_that_memcached_would_not_take_warns(cache, key, warning):
    """In each method; the entry is stored all the same [integrations 14]."""
    asked = {
        "set": (key, 1), "get": (key,), "add": (key, 1), "touch": (key,), "incr": (key,), "has_key": (key,),
        "get_many": ([key],), "set_many": ({key: 1},), "delete": (key,), "delete_many": ([key],),
    }  # fmt: skip
    for name, args in asked.items():
        with pytest.warns(CacheKeyWarning, match=warning):
            result = getattr(cache, name)(*args)
        if name in ("get", "delete"):
            assert result


def bare_key(key, prefix, version):
    """Make no more of a key than it is."""
    return key


def test_a_key_of_the_librarys_own_books_is_refused(use_caches):
    """Whatever the key function makes [integrations 14]."""
    use_caches(default={"KEY_FUNCTION": bare_key})
    with pytest.raises(InvalidCacheKey), pytest.warns(CacheKeyWarning):
        caches["default"].get("\0cachelayer:x")


class Unpicklable:
    """An object that pickle does not take."""

    def __getstate__(self):
        raise pickle.PickleError("no")


@pytest.mark.parametrize("method", ["set", "add"])
def test_what_cannot_be_pickled_raises(cache, method):
    """Pickle's own error, and nothing is stored [integrations 14]."""
    with pytest.raises(pickle.PickleError):
        getattr(cache, method)("key", Unpicklable())
    assert not cache.has_key("key")


@pytest.mark.parametrize("timeout", [{}, {"TIMEOUT": 50}, {"TIMEOUT": None}], ids=["default", "own", "none"])
def test_the_default_timeout_is_the_settings(use_caches, colour, timeout):
    """300 seconds, unless they say otherwise; None is for ever [integrations 14]."""
    clock = FakeClock()
    use_caches(default={"LOCATION": InMemoryBackend(clock=clock), **timeout})
    cache = Coloured("default", colour)
    cache.set("key", 1)
    cache.set("brief", 1, 0.5)
    seconds = timeout.get("TIMEOUT", 300)
    clock.advance(0.6)
    assert (cache.has_key("key"), cache.has_key("brief")) == (True, False)
    clock.advance(10**8 if seconds is None else seconds)
    assert cache.has_key("key") is (seconds is None)


def test_a_store_with_six_methods_will_do(use_caches, colour):
    """It counts and touches as well as it can [integrations 14]."""
    use_caches(default={"LOCATION": SixMethods()})
    cache = Coloured("default", colour)
    cache.set("key", 1)
    assert (cache.incr("key"), cache.touch("key"), cache.touch("else"), cache.get("key")) == (
        2,
        True,
        False,
        2,
    )
    with pytest.raises(ValueError, match="not found"):
        cache.incr("else")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"LOCATION": "nosuch://x"}, r"CACHES\['default'\].*nosuch://x.*redis://"),
        ({"LOCATION": "127.0.0.1:6379"}, r"CACHES\['default'\].*the URL must start with"),
        ({"LOCATION": ["redis://a"]}, r"CACHES\['default'\].*LOCATION must be a URL.*list"),
        ({"LOCATION": "memory://?max_entries=x"}, "max_entries"),
        ({"OPTIONS": {"MAX_ENTRIES": 0}}, "max_entries"),
        ({"LOCATION": "disk:///tmp/x.db", "OPTIONS": {"MAX_ENTRIES": 5}}, "MAX_ENTRIES"),
        ({"OPTIONS": {"TIMEOUT": 5}}, r"OPTIONS has TIMEOUT; it can have COMPRESS"),
        ({"LOCATION": SixMethods(), "OPTIONS": {"SIGNED": "yes"}}, "SIGNED"),
        ({"LOCATION": SixMethods(), "OPTIONS": {"COMPRESS": 1}}, "compress"),
        ({"LOCATION": SixMethods(), "OPTIONS": {"ON_ERROR": "ignore"}}, "on_error"),
        ({"LOCATION": SixMethods(), "OPTIONS": {"DEADLINE": -1}}, "deadline"),
        ({"LOCATION": "redis://:secret@host/x y"}, r"CACHES"),
    ],
    ids=range(12),
)
def test_a_setting_that_cannot_work_is_refused_by_name(use_caches, settings, named):
    """In Django's class of error, with no password in it [integrations 14]."""
    use_caches(default=settings)
    with pytest.raises(InvalidCacheBackendError, match=named) as raised:
        caches["default"].get("key")
    assert "secret" not in str(raised.value)
