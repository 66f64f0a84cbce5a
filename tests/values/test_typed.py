"""Values by return annotation: functions.md 20 and 21."""

import dataclasses
import datetime as dt
import enum
import math
import typing
import zoneinfo

import msgspec
import pytest

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.codecs import Failure, ValueCodec
from cachelayer.values.numbers import TREE, TYPED
from cachelayer.values.typed import TypedCodec
from tests.naming import named


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    A = "a"


class Pair(typing.NamedTuple):
    a: int
    b: str


@dataclasses.dataclass
class Base:
    x: float


@dataclasses.dataclass
class Sub(Base):
    y: int = 0


@dataclasses.dataclass
class Holder:
    base: Base
    when: dt.datetime | None = None
    items: set[int] = dataclasses.field(default_factory=set)


class Shape(msgspec.Struct):
    name: str


UTC = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
PARIS = dt.datetime(2025, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))

GOOD = {
    "dataclass": (Base, Base(1.5)),
    "nested": (Holder, Holder(Base(1.0), UTC, {1, 2})),
    "list": (list[Base], [Base(1.0), Base(2.0)]),
    "dict": (dict[str, Base], {"a": Base(1.0)}),
    "int keys": (dict[int, Base], {1: Base(1.0)}),
    "tuple": (tuple[Base, ...], (Base(1.0),)),
    "named tuple": (Pair, Pair(1, "b")),
    "list of named tuples": (list[Pair], [Pair(1, "b")]),
    "enum": (Level, Level.LOW),
    "set of enums": (set[Word], {Word.A}),
    "union": (Shape | None, Shape("a")),
    "nan": (Base, Base(math.nan)),
}

BAD = {
    "subclass": (Base, Sub(1.0)),
    "subclass in a list": (list[Base], [Base(1.0), Sub(2.0)]),
    "subclass in a field": (Holder, Holder(Sub(1.0))),
    "named tuple as tuple": (list[tuple[int, str]], [Pair(1, "b")]),
    "enum as int": (list[int], [Level.LOW]),
    "enum as str": (dict[str, str], {"a": Word.A}),
    "enum as key": (dict[str, Base], {Word.A: Base(1.0)}),
    "named zone": (Holder, Holder(Base(1.0), PARIS)),
    "bool as int": (list[int], [True, Level.LOW]),
    "does not fit": (Base, Shape("a")),
    "missing field": (Shape, Base(1.0)),
    "Any": (typing.Any, Base(1.0)),
    "object": (Base, object()),
    "set of others": (set[int], {Level.LOW, 2}),
    "int as float": (Base, Base(1)),
    "name of a zone": (dt.datetime, dt.datetime(2025, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "X"))),
    "fold": (dt.datetime, UTC.replace(fold=1)),
}


@pytest.mark.parametrize(("annotation", "value"), GOOD.values(), ids=GOOD)
def test_a_value_comes_back_by_its_annotation(annotation, value):
    """20: equal and of the same types, all the way down."""
    codec = TypedCodec(annotation)
    copy = codec.decode(codec.encode(value))
    assert repr(copy) == repr(value) or copy == value
    assert type(copy) is type(value)


@pytest.mark.parametrize(("annotation", "value"), BAD.values(), ids=BAD)
def test_a_value_that_would_come_back_as_another_type_is_refused(annotation, value):
    """20: what the annotation only nearly describes is an EncodingError, at any depth."""
    with pytest.raises(EncodingError):
        TypedCodec(annotation).encode(value)


def test_every_value_is_checked_not_the_first_alone():
    """20: a list of the annotated class is no reason to trust the next list."""
    codec = TypedCodec(list[Base])
    codec.encode([Base(1.0)])
    with pytest.raises(EncodingError):
        codec.encode([Sub(1.0)])


@pytest.mark.parametrize("annotation", [object, type("Plain", (), {}), list[object()], 7], ids=named)
def test_an_annotation_that_cannot_be_decoded_to_is_refused(annotation):
    """21: with an error that names it, or at the first value."""
    with pytest.raises(EncodingError):
        TypedCodec(annotation).encode(Base(1.0))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa1y\x01", b"\x01", b"\x81\xa1x\xa1z"], ids=named)
def test_bytes_that_do_not_fit_any_more_are_refused(data):
    """21: a class whose schema changed is a DecodingError."""
    codec = TypedCodec(Base)
    fingerprint = codec.encode(Base(1.0))[:8]
    for stored in (data, fingerprint + data):
        with pytest.raises(DecodingError):
            codec.decode(stored)


def test_a_field_that_is_none_is_noticed():
    """20: what an instance keeps beside its fields would be lost, so it is refused."""
    value = Base(1.0)
    value.more = 2
    with pytest.raises(EncodingError):
        TypedCodec(Base).encode(value)


def test_plain_values_need_no_annotation():
    """20: plain values go by themselves, others by the annotation, which is asked for once."""
    asked = []

    def annotation():
        asked.append(1)
        return Base

    codec = ValueCodec(annotation)
    assert codec.encode([1])[0] == TREE
    assert asked == []
    for _ in range(2):
        number, data = codec.encode(Base(1.0))
        assert number == TYPED
        assert codec.decode(number, data) == Base(1.0)
    assert asked == [1]


@pytest.mark.parametrize("number", [TYPED, 3, 4, 5, 6, 7, 8, 9, 10, 99])
def test_a_codec_that_is_not_known_here_is_refused(number):
    """21: bytes by another codec, or by an annotation that is gone, are a DecodingError."""
    with pytest.raises(DecodingError):
        ValueCodec().decode(number, b"x")


def test_only_named_exceptions_come_out_of_bytes():
    """29: an exception's class is one of those that may be cached, or of their subclasses."""
    number, data = ValueCodec(None, (LookupError,)).encode(_failure(KeyError("k")))
    assert type(ValueCodec(None, (LookupError,)).decode(number, data).error) is KeyError
    for allowed in ((ValueError,), ()):
        with pytest.raises(DecodingError, match="KeyError is not one of the exceptions"):
            ValueCodec(None, allowed).decode(number, data)
    with pytest.raises(DecodingError):
        ValueCodec(None, (LookupError,)).decode(number, b"\x01")


def _failure(error):
    return Failure(error)
