"""Damage of every sort, to entries of every codec: functions.md 21."""

import dataclasses
import enum
import typing

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachelayer.errors import DecodingError
from cachelayer.values.codecs import Failure, ValueCodec
from cachelayer.values.envelope import Envelope
from cachelayer.values.sameness import is_same
from cachelayer.values.sealing import Sealing
from tests.values.test_tree import hashables, shape, values


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


@dataclasses.dataclass
class Thing:
    a: typing.Any
    b: typing.Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: typing.Any


class Struct(msgspec.Struct):
    a: typing.Any


class Pair(typing.NamedTuple):
    a: typing.Any
    b: typing.Any


class Model(pydantic.BaseModel):
    a: typing.Any
    b: typing.Any = None


class Texts:
    name = "texts"

    def encode(self, value):
        """Return the text."""
        return value.encode()

    def decode(self, data):
        """Return the text."""
        return data.decode()


ANY = Thing | Frozen | Struct | Pair | Model | Colour

keys = st.one_of(hashables, st.builds(Frozen, hashables), st.sampled_from(Colour))
things = st.recursive(
    st.one_of(values, st.sampled_from(Colour), st.builds(Thing, values), st.builds(Model, a=values)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.sets(keys, max_size=3),
        st.builds(Thing, inner, inner),
        st.builds(Struct, inner),
        st.builds(Pair, inner, inner),
        st.builds(Model, a=inner),
    ),
    max_leaves=8,
)


def fields(value):
    """Return a value with its instances as what they are made of."""
    if isinstance(value, Thing | Frozen | Struct | Model):
        kind = type(value)
        return kind.__name__, [fields(getattr(value, name)) for name in kind.__annotations__]
    if isinstance(value, Colour):
        return value.name
    if type(value) in (list, tuple, Pair):
        return type(value), [fields(item) for item in value]
    if type(value) is dict:
        return [(fields(key), fields(item)) for key, item in value.items()]
    if type(value) in (set, frozenset):
        return type(value), sorted(repr(fields(item)) for item in value)
    return shape(value)


@given(things)
def test_values_of_all_types_come_back_as_they_were(value):
    """20: equal, of the same types, at every depth, in another process's codec."""
    number, data = ValueCodec(lambda: ANY).encode(value)
    copy = ValueCodec(lambda: ANY).decode(number, data)
    assert fields(copy) == fields(value)


STORED = {
    "plain": ("auto", None, {"a": [1, (2.5, b"x", {3}, None)], "b": 2**70}),
    "typed": ("auto", list[Colour], [Colour.RED, Colour.BLUE]),
    "objects": ("auto", ANY, [Thing(1j, Model(a=(1,))), Struct(Pair(1, {2})), {Frozen(1): Colour.RED}]),
    "array": ("auto", None, np.arange(4).reshape(2, 2)),
    "scalar": ("auto", None, [np.float64(1), np.datetime64("2025-01-01")]),
    "frame": ("auto", None, pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])})),
    "series": ("auto", None, pd.Series([1, "x"], dtype=object)),
    "table": ("auto", None, pa.table({"a": [[1], [2, 3]], "b": pa.array(["x", "y"]).dictionary_encode()})),
    "exception": ("auto", None, Failure(KeyError("k"))),
    "msgspec": ("msgspec", Thing, Thing(1)),
    "json": ("json", Thing, Thing("x")),
    "text": ("raw", None, "text"),
    "bytes": ("raw", None, b"bytes"),
    "pickle": ("pickle", ANY, [Thing(1), Model(a=1), {Colour.RED}, np.arange(3)]),
    "own": (Texts(), None, "text"),
}
damages = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4)


def make(serializer, annotation):
    """Return the codec of a function."""
    return ValueCodec(lambda: annotation, (LookupError,), serializer)


def damaged(data, changes):
    """Return the bytes with some of them changed."""
    changed = bytearray(data)
    for place, byte in changes:
        changed[int(place * len(changed))] = byte
    return bytes(changed)


@pytest.mark.parametrize(("serializer", "annotation", "value"), STORED.values(), ids=STORED)
@settings(max_examples=30)
@given(changes=damages)
def test_damaged_values_raise_nothing_but_decoding_errors(serializer, annotation, value, changes):
    """21: with no checksum and no signature in the way."""
    number, data = make(serializer, annotation).encode(value)
    try:
        make(serializer, annotation).decode(number, damaged(data, changes))
    except DecodingError:
        pass


@pytest.mark.parametrize(("serializer", "annotation", "value"), STORED.values(), ids=STORED)
@settings(max_examples=30)
@given(data=st.binary(max_size=100), number=st.integers(0, 12))
def test_foreign_values_raise_nothing_but_decoding_errors(serializer, annotation, value, data, number):
    """21: whatever the bytes are, and whatever codec they say they are by."""
    try:
        make(serializer, annotation).decode(number, data)
    except DecodingError:
        pass


@pytest.mark.parametrize("seal", [Sealing(), Sealing("k" * 16)], ids=["unsigned", "signed"])
@pytest.mark.parametrize(("serializer", "annotation", "value"), STORED.values(), ids=STORED)
@settings(max_examples=30)
@given(changes=damages)
def test_damaged_entries_are_detected(seal, serializer, annotation, value, changes):
    """21: by checksum or signature: a changed byte is a DecodingError, never another value."""
    number, data = make(serializer, annotation).encode(value)
    sealed = seal.seal("key", Envelope(number, data, 1.0, 2.0, 3.0, 0.1, (("tag", b"g"),), "label"))
    found = seal.open("key", sealed)
    copy = make(serializer, annotation).decode(found.codec, found.payload)
    assert type(copy) is type(value)
    assert isinstance(value, Failure | pd.DataFrame | pd.Series) or is_same(copy, value)
    changed = damaged(sealed, changes)
    if changed != sealed:
        with pytest.raises(DecodingError):
            seal.open("key", changed)
