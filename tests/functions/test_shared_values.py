"""Values in a store of bytes: functions.md 20 to 22, and what of security.md concerns them."""

import dataclasses
import ipaddress
import os
import typing
import warnings
from wsgiref.util import setup_testing_defaults

import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest

from cachelayer import Cache, ConfigurationError, OptionTypeError, cached
from cachelayer.values.envelope import Envelope, pack
from cachelayer.values.numbers import PICKLE
from cachelayer.values.registry import register_codec, unregister_codec
from cachelayer.values.sameness import is_same
from cachelayer.values.schema import digest
from cachelayer.values.serializers import PickleSerializer
from cachelayer.wsgi import CacheMiddleware
from tests.functions.support import SixMethods

KEY, OTHER = "k" * 32, "o" * 32


class Model(pydantic.BaseModel):
    x: int
    address: ipaddress.IPv4Address = ipaddress.IPv4Address("127.0.0.1")


@dataclasses.dataclass
class Point:
    x: int


class Odd:
    """A class of no sort that has a codec."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    __hash__ = None


VALUES = {
    "model": (Model, Model(x=1)),
    "models": (dict[str, list[Model]], {"a": [Model(x=1)]}),
    "dataclass": (Point | None, Point(1)),
    "array": (None, np.arange(3)),
    "frame": (pd.DataFrame, pd.DataFrame({"a": [1.0, 2.0]}, index=pd.date_range("2025", periods=2))),
}


@pytest.mark.parametrize(("annotation", "value"), VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("secret_keys", [None, KEY], ids=["unsigned", "signed"])
def test_a_result_comes_back_from_another_process(annotation, value, secret_keys):
    """20: equal and of the same type, from a store that holds bytes."""
    store, calls = SixMethods(), []

    def make():
        @cached(cache=Cache(store, secret_keys=secret_keys), name="f")
        def f() -> annotation:
            calls.append(1)
            return value

        return f

    make()()
    copy = make()()
    assert len(calls) == 1
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(copy, value)
    else:
        assert is_same(copy, value)


def counted(store, value=None, **options):
    """Return a function over the store, and what it counted."""
    cache = Cache(store, **options.pop("cache", {}))

    @cached(cache=cache, name="f", **options)
    def f() -> typing.Any:
        return value

    return f, cache


SEALED = {
    "unsigned": ({}, {"secret_keys": KEY}),
    "signed": ({"secret_keys": KEY}, {}),
    "signed by another": ({"secret_keys": OTHER}, {"secret_keys": KEY}),
}


@pytest.mark.parametrize(("wrote", "reads"), SEALED.values(), ids=SEALED)
def test_a_wrong_signature_is_a_counted_miss_and_overwritten(wrote, reads):
    """21: never an exception; the next reader of the same keys gets a hit."""
    store = SixMethods()
    counted(store, "theirs", cache=wrote)[0]()
    f, cache = counted(store, "ours", cache=reads)
    assert [f(), f()] == ["ours", "ours"]
    assert (f.stats().miss, f.stats().hit) == (1, 1)
    assert cache.stats().backend_errors == 1


def test_keys_rotate():
    """Issue 4, 2: what the old key signed is read by who has both."""
    store = SixMethods()
    counted(store, "old", cache={"secret_keys": OTHER})[0]()
    f, _ = counted(store, "new", cache={"secret_keys": [KEY, OTHER]})
    assert f() == "old"


def test_large_results_are_compressed():
    """22: above 1 KiB, when that saves something; unless it is turned off."""
    for compress, small in ((True, True), (False, False)):
        store = SixMethods()
        f, _ = counted(store, "text " * 1000, cache={"compress": compress})
        assert f() == f() == "text " * 1000
        assert (store.get_stats().current_size_bytes < 1000) is small


#: What an attacker who knows the format writes: names and fingerprint of no classes, and `os.system("exit 7")`.
EVIL = msgspec.msgpack.encode([[], digest(), b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x06exit 7\x85R."])


@pytest.mark.parametrize("serializer", ["auto", "pickle"])
@pytest.mark.parametrize("secret_keys", [None, KEY], ids=["unsigned", "signed"])
def test_a_planted_pickle_is_not_executed(serializer, secret_keys, monkeypatch):
    """Security: it is a counted miss, whatever the function's serializer."""
    monkeypatch.setattr(os, "system", None)
    store = SixMethods()
    store.shared = bool(secret_keys) or serializer == "auto"
    f, cache = counted(store, "fine", cache={"secret_keys": secret_keys}, serializer=serializer)
    store.set(f.key_for(), pack(Envelope(PICKLE, EVIL, 0.0, 1e12, 1e12)))
    assert [f(), f()] == ["fine", "fine"]
    assert cache.stats().backend_errors == 1


@pytest.mark.parametrize("serializer", ["pickle", PickleSerializer()], ids=["name", "object"])
def test_pickle_on_a_shared_store_must_be_signed(serializer):
    """Issue 4, 2: ConfigurationError that names function and remedy; memory needs no signature."""
    f, _ = counted(SixMethods(), 1, serializer=serializer)
    with pytest.raises(ConfigurationError, match=r"f has serializer='pickle' in a shared store.*secret_keys"):
        f()
    assert counted(SixMethods(), 1, serializer=serializer, cache={"secret_keys": KEY})[0]() == 1
    assert counted(None, 1, serializer=serializer)[0]() == 1


@pytest.mark.parametrize("serializer", ["auto", "msgspec", "json", "raw", "pickle"])
@pytest.mark.parametrize("store", [None, SixMethods], ids=["memory", "six methods"])
def test_every_serializer_works_on_every_store(serializer, store):
    """Issue 4, 2: by name."""
    f, _ = counted(store and store(), "text", serializer=serializer, cache={"secret_keys": KEY})
    assert [f(), f()] == ["text", "text"]
    assert f.stats().hit == 1


def test_what_a_serializer_does_not_take_is_returned_uncached():
    """DESIGN: outcome uncacheable, with one warning."""
    f, _ = counted(SixMethods(), (1, 2), serializer="json")
    with pytest.warns(RuntimeWarning, match="the result of f cannot be cached: .*JSON"):
        assert f() == (1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f() == (1, 2)
    assert f.stats().uncacheable == 2


@pytest.mark.parametrize(
    ("serializer", "error"), [("yaml", ConfigurationError), (7, OptionTypeError), (None, OptionTypeError)]
)
def test_a_wrong_serializer_raises_at_decoration(serializer, error):
    """Bad input: with an error that says what there is."""
    with pytest.raises(error, match="serializer"):
        cached(serializer=serializer)


@pytest.mark.parametrize("store", [None, SixMethods], ids=["memory", "six methods"])
def test_a_registered_codec_serves_every_store(store):
    """20: by class, without an annotation; memory uses it where pickle cannot copy."""
    register_codec(Odd, lambda value: value.x, Odd)
    try:
        f, _ = counted(store and store(), [Odd(1)])
        assert f() == f() == [Odd(1)]
        assert f.stats().hit == 1
    finally:
        unregister_codec(Odd)


def test_wrong_secret_keys_raise_at_the_start():
    """Bad input: a key that is too short; the error does not show it."""
    with pytest.raises(ConfigurationError, match="at least 16 bytes") as caught:
        Cache(SixMethods(), secret_keys="hunter2")
    assert "hunter2" not in str(caught.value)
    assert KEY not in repr(vars(Cache(SixMethods(), secret_keys=KEY)))


def test_http_responses_are_signed_too():
    """Issue 4, 2: when secret keys are given all entries are signed, those of responses too."""
    store, calls = SixMethods(), []

    def app(environ, start_response):
        calls.append(1)
        start_response("200 OK", [("Cache-Control", "max-age=60"), ("Content-Type", "text/plain")])
        return [b"body"]

    def get(**options):
        environ = {"wsgi.url_scheme": "http"}
        setup_testing_defaults(environ)
        middleware = CacheMiddleware(app, cache=Cache(store, **options))
        return b"".join(middleware(environ, lambda status, headers, exc_info=None: None))

    for _ in range(2):
        assert get(secret_keys=KEY) == b"body"
    assert len(calls) == 1
    assert get() == get(secret_keys=KEY) == b"body"
    assert len(calls) == 3
