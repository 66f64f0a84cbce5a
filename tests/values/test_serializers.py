"""Serializers by name, and of one's own: issue 4, point 2."""

import dataclasses
import typing

import msgspec
import pydantic
import pytest

from cachelayer.errors import ConfigurationError, DecodingError, EncodingError, OptionTypeError
from cachelayer.values.codecs import Failure, ValueCodec
from cachelayer.values.numbers import JSON, OWN, PICKLE, RAW, TEXT, TREE, TYPED
from cachelayer.values.sealing import Sealing
from cachelayer.values.serializers import PickleSerializer
from tests.naming import named


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Model(pydantic.BaseModel):
    x: int


class Reverse:
    """A serializer of texts, backwards."""

    name = "reverse"

    def encode(self, value):
        """Turn it round."""
        return value[::-1].encode()

    def decode(self, data):
        """Turn it back."""
        return data.decode()[::-1]


def codec(serializer, annotation=None):
    """Return the codec of a function."""
    return ValueCodec(lambda: annotation, (LookupError,), serializer)


TAKEN = {
    "auto": ("auto", None, (1, "a"), TREE),
    "msgspec": ("msgspec", Point, Point(1), TYPED),
    "msgspec, plain": ("msgspec", None, {"a": [1, None, b"x"]}, TYPED),
    "msgspec, a list of them": ("msgspec", list[Point], [Point(1)], TYPED),
    "json": ("json", Point, Point(1), JSON),
    "json, plain": ("json", None, {"a": [1, None, "x", 1.5]}, JSON),
    "json, tuple": ("json", tuple[int, str], (1, "x"), JSON),
    "raw bytes": ("raw", None, b"\xc1\x00", RAW),
    "raw text": ("raw", None, "a\u20ac", TEXT),
    "pickle": ("pickle", Point, [Point(1)], PICKLE),
    "own": (Reverse(), None, "abc", OWN),
}


@pytest.mark.parametrize(("serializer", "annotation", "value", "number"), TAKEN.values(), ids=TAKEN)
def test_a_serializer_brings_back_what_it_takes(serializer, annotation, value, number):
    """20: equal and of the same type, in another process's codec."""
    found, data = codec(serializer, annotation).encode(value)
    copy = codec(serializer, annotation).decode(found, data)
    assert found == number
    assert (type(copy), copy) == (type(value), value)


REFUSED = {
    "json, bytes": ("json", None, b"x", "does not come back equal through JSON"),
    "json, tuple": ("json", None, (1, 2), "does not come back equal through JSON"),
    "json, nan": ("json", None, float("nan"), "does not come back equal through JSON"),
    "json, int as key": ("json", None, {1: 2}, "does not come back equal through JSON"),
    "msgspec, tuple": ("msgspec", None, {"a": (1, 2)}, "does not come back equal through MessagePack"),
    "msgspec, another": ("msgspec", Point, Model(x=1), "by the return annotation is not possible"),
    "msgspec, not decodable": ("msgspec", Model, Model(x=1), "by the return annotation is not possible"),
    "raw": ("raw", None, 7, "serializer='raw' takes bytes and str, not int"),
    "raw, surrogate": ("raw", None, "\ud800", "not valid Unicode"),
    "own": (Reverse(), None, 7, "the serializer 'reverse' failed: TypeError"),
}


@pytest.mark.parametrize(("serializer", "annotation", "value", "message"), REFUSED.values(), ids=REFUSED)
def test_what_would_not_come_back_is_refused(serializer, annotation, value, message):
    """20: EncodingError, which says why."""
    with pytest.raises(EncodingError, match=message):
        codec(serializer, annotation).encode(value)


@pytest.mark.parametrize("serializer", ["auto", "msgspec", "json", "raw", "pickle", Reverse()], ids=named)
@pytest.mark.parametrize("number", range(12))
def test_bytes_that_are_none_of_theirs_are_refused(serializer, number):
    """21: of whatever codec they say they are, they are a value or a DecodingError."""
    for data in (b"", b"\xc1", b"\xff" * 20, b"x" * 8):
        try:
            codec(serializer, Point).decode(number, data)
        except DecodingError:
            continue
        assert (serializer, number) in {("raw", RAW), ("raw", TEXT), ("auto", TREE)}


@pytest.mark.parametrize("serializer", ["auto", "msgspec", "json", "raw", "pickle", Reverse()], ids=named)
def test_exceptions_are_cached_with_any_serializer(serializer):
    """29: a cached exception does not depend on how results are stored."""
    number, data = codec(serializer).encode(Failure(KeyError("k")))
    error = codec(serializer).decode(number, data).error
    assert (type(error), error.args) == (KeyError, ("k",))
    assert type(codec(serializer).keep(Failure(KeyError("k"))).value().error) is KeyError


def test_json_is_json():
    """What others can read: behind eight bytes of fingerprint is the document."""
    _, data = codec("json", Point).encode(Point(1, 2.5))
    assert msgspec.json.decode(data[8:]) == {"x": 1, "y": 2.5}


@pytest.mark.parametrize("serializer", ["msgspec", "json"])
def test_a_class_that_changed_is_a_miss(serializer):
    """21: also where the bytes would still fit it."""
    old = dataclasses.make_dataclass("Thing", [("x", int)], namespace={"__module__": __name__})
    new = dataclasses.make_dataclass("Thing", [("x", int), ("y", int, 0)], namespace={"__module__": __name__})
    found = codec(serializer, old).encode(old(1))
    with pytest.raises(DecodingError, match="changed"):
        codec(serializer, new).decode(*found)


def test_each_value_is_checked_by_name_too():
    """20: an annotation may name a base of a later value's class."""
    sub = dataclasses.make_dataclass("Sub", [], bases=(Point,))
    by_name = codec("msgspec", list[Point])
    by_name.encode([Point(1)])
    with pytest.raises(EncodingError):
        by_name.encode([sub(1)])


def test_two_serializers_do_not_read_each_other():
    """21: the name is in the bytes: another name is a miss."""
    other = Reverse()
    other.name = "other"
    found = codec(Reverse()).encode("abc")
    with pytest.raises(DecodingError):
        codec(other).decode(*found)
    assert codec(Reverse()).decode(*found) == "abc"


def test_a_serializer_that_gives_no_bytes_is_refused():
    """Bad input: str instead of bytes."""
    wrong = Reverse()
    wrong.encode = lambda value: value
    with pytest.raises(EncodingError, match="gave no bytes but"):
        codec(wrong).encode("abc")


def test_bytes_that_break_a_serializer_are_a_miss():
    """21: whatever it raises."""
    number, data = codec(Reverse()).encode("abc")
    with pytest.raises(DecodingError, match="'reverse' failed"):
        codec(Reverse()).decode(number, data + b"\xff")


WRONG = {
    "name": ("yaml", ConfigurationError, "there is no serializer 'yaml': there are 'auto', 'msgspec'"),
    "class": (
        Reverse,
        OptionTypeError,
        "serializer must be a name, or an object with name, encode and decode",
    ),
    "function": (repr, OptionTypeError, "serializer must be a name"),
    "none": (None, OptionTypeError, "serializer must be a name"),
}


@pytest.mark.parametrize(("serializer", "error", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_serializer_is_refused(serializer, error, message):
    """Bad input: at decoration, with an error that says what there is."""
    with pytest.raises(error, match=message):
        codec(serializer)


class Dangerous(Reverse):
    needs_signature = True


@pytest.mark.parametrize("serializer", ["pickle", PickleSerializer(), Dangerous()], ids=named)
def test_a_shared_store_without_signatures_takes_no_pickles(serializer):
    """Issue 4, 2: ConfigurationError that names the remedy; signed or in one's own process it works."""
    with pytest.raises(
        ConfigurationError, match=r"mine has serializer=.* Cache\(\.\.\., secret_keys=\[\.\.\.\]\)"
    ):
        Sealing().check(serializer, shared=True, label="mine")
    Sealing().check(serializer, shared=False, label="mine")
    Sealing("x" * 32).check(serializer, shared=True, label="mine")
    for harmless in ("auto", "json", Reverse()):
        Sealing().check(harmless, shared=True, label="mine")


class Unpicklable:
    """What cannot be copied within a process but by a codec."""

    def __init__(self, text):
        self.text = text
        self.closure = lambda: text


class OfUnpicklable:
    name = "unpicklable"

    def encode(self, value):
        """Keep the text."""
        return value.text.encode()

    def decode(self, data):
        """Make it again."""
        return Unpicklable(data.decode())


def test_memory_keeps_by_the_serializer_what_pickle_cannot_copy():
    """19: each caller gets its own, on the memory store too."""
    kept = codec(OfUnpicklable()).keep(Unpicklable("x"))
    one, two = kept.value(), kept.value()
    assert (one.text, one.closure(), one is two) == ("x", "x", False)
    with pytest.raises(EncodingError, match="cannot be copied"):
        codec("auto").keep(Unpicklable("x"))


def test_serializers_are_typed():
    """A Protocol describes them: whatever has name, encode and decode is one."""
    from cachelayer.values.serializers import Serializer

    assert isinstance(Reverse(), Serializer)
    assert isinstance(PickleSerializer(), Serializer)
    assert typing.get_type_hints(Serializer.encode)["return"] is bytes
