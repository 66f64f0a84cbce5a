"""Pickle by name, through an allow-list: functions.md 20 and 21, security.md (an `os.system` pickle)."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import os
import pathlib
import pickle
import typing
import uuid
import zoneinfo

import msgspec
import numpy as np
import pydantic
import pytest

from cachelayer.errors import DecodingError, EncodingError, OptionTypeError
from cachelayer.values.codecs import ValueCodec
from cachelayer.values.numbers import PICKLE, TREE
from cachelayer.values.pickled import PickleCodec
from cachelayer.values.sameness import is_same
from cachelayer.values.schema import digest
from cachelayer.values.serializers import PickleSerializer
from tests.naming import named


@dataclasses.dataclass
class Point:
    x: typing.Any


class Graph:
    """A class of no sort that another codec knows."""

    def __init__(self):
        self.nodes = [self]


class Colour(enum.Enum):
    RED = (1, "r")


class Pair(typing.NamedTuple):
    a: int


class Struct(msgspec.Struct):
    a: int


class Model(pydantic.BaseModel):
    x: int


VALUES = [
    None,
    {"a": [1, (2.5, b"x", {3}, frozenset({4}))]},
    2**80,
    dt.datetime(2025, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    dt.datetime(2025, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "X")),
    [
        dt.date(2025, 1, 1),
        dt.timedelta(1),
        decimal.Decimal("1.10"),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("/x"),
    ],
    collections.OrderedDict(a=1),
    collections.defaultdict(list, a=[1]),
    collections.Counter("abb"),
    collections.deque([1], 3),
    [range(3), slice(1, 2), complex(1, 2), bytearray(b"x")],
]


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_plain_values_come_back(value):
    """20: what Python brings along is allowed."""
    copy = PickleCodec().decode(PickleCodec().encode(value))
    assert is_same(copy, value)


def test_an_array_comes_back_by_npy():
    """20: without the functions that numpy's own pickles name."""
    copy = PickleCodec().decode(PickleCodec().encode([np.arange(3)]))
    assert (copy[0].tolist(), copy[0].dtype) == ([0, 1, 2], np.dtype(int))


def test_classes_of_the_annotation_are_allowed():
    """20: and those that their fields name."""
    annotation = tuple[Point, Colour, Pair, Struct, Model]
    value = (Point(1), Colour.RED, Pair(1), Struct(1), Model(x=1))
    assert is_same(PickleCodec(annotation).decode(PickleCodec(annotation).encode(value)), value)


@pytest.mark.parametrize("allow", [[Graph], [__name__]], ids=["class", "module"])
def test_users_allow_further_classes(allow):
    """20: by class, or by module; what contains itself comes back so."""
    serializer = PickleSerializer(allow=allow)
    number, data = ValueCodec(None, (), serializer).encode(Graph())
    copy = ValueCodec(None, (), serializer).decode(number, data)
    assert number == PICKLE
    assert copy.nodes == [copy]
    assert serializer.decode(serializer.encode({"a": 1})) == {"a": 1}


def test_a_module_lends_only_its_own_classes():
    """Security: neither functions of an allowed module nor what it imported are found."""
    serializer = PickleSerializer(allow=[__name__, "no.such.module"])
    for name in (
        "os",
        "os.system",
        "pytest",
        "pickle.loads",
        "test_users_allow_further_classes",
        "msgspec.Struct",
    ):
        planted = stored(f"c{__name__}\n{name}\n.".encode())
        with pytest.raises(DecodingError, match="not allowed"):
            serializer.decode(planted)


@pytest.mark.parametrize(
    "value", [Point(1), [Graph()], Point, print, os.system, os.getcwd, lambda: 1, os], ids=named
)
def test_what_is_not_allowed_is_refused_when_it_is_written(value):
    """20: EncodingError, which names the class and the remedy, rather than a miss for ever."""
    with pytest.raises(
        EncodingError, match=r"not allowed in pickles: name it in the return annotation, or in Pickl"
    ):
        PickleCodec().encode(value)


class Reducing:
    """A class whose pickle calls a function."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


def test_a_class_that_is_made_by_a_function_is_refused():
    """Security: an allowed class does not make its function allowed."""
    with pytest.raises(EncodingError, match=r"(os|posix|nt)\.system is not allowed"):
        PickleCodec(Reducing).encode(Reducing(os.system, "true"))


def stored(pickled, names=()):
    """Return what an attacker who knows the format would write."""
    return msgspec.msgpack.encode([names, digest(), pickled])


#: What each would leave a mark by, where it was executed.
ATTACKS = {
    "os.system": lambda mark: pickle.dumps(Reducing(os.system, f"touch {mark}")),
    "protocol 0": lambda mark: pickle.dumps(Reducing(os.system, f"touch {mark}"), 0),
    "eval": lambda mark: pickle.dumps(Reducing(eval, f"open({str(mark)!r}, 'w')")),
    "getattr": lambda mark: pickle.dumps(Reducing(getattr, mark, "touch")),
    "method": lambda mark: pickle.dumps(Reducing(pathlib.Path.touch, mark)),
    "open": lambda mark: pickle.dumps(Reducing(open, str(mark), "w")),
    "of pickle itself": lambda mark: pickle.dumps(Reducing(pickle.loads, b"N.")),
    "of the library": lambda mark: pickle.dumps(Reducing(ValueCodec)),
    "nested name": lambda mark: b"\x80\x04\x8c\x08datetime\x8c\x0cdatetime.now\x93)R.",
    "dunder": lambda mark: b"\x80\x04\x8c\x08builtins\x8c\x0elist.__class__\x93)R.",
    "persistent": lambda mark: b"\x80\x04\x8c\x01xQ.",
    "extension": lambda mark: b"\x82\x01.",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_planted_pickles_are_not_executed(attack, tmp_path):
    """Security: a planted pickle is a miss; nothing that it names is called."""
    mark = tmp_path / "mark"
    with pytest.raises(DecodingError):
        PickleCodec(Point).decode(stored(attack(mark)))
    assert not mark.exists()


def test_attacks_would_work_on_pickle_itself(tmp_path):
    """The attacks above are real: pickle.loads runs one."""
    mark = tmp_path / "m"
    attack = pickle.dumps(Reducing(os.system, f"touch {mark}"))
    with pytest.raises(DecodingError, match="not allowed"):
        PickleCodec(Point).decode(stored(attack))
    assert not mark.exists()
    pickle.loads(attack)
    assert mark.exists()


def test_a_class_that_changed_is_a_miss():
    """21: a pickle of a class with other fields is a DecodingError, before anything of it is made."""
    old = dataclasses.make_dataclass("Thing", [("x", int)], namespace={"__module__": __name__})
    new = dataclasses.make_dataclass("Thing", [("y", int)], namespace={"__module__": __name__})
    globals()["Thing"] = old
    try:
        data = PickleCodec(old).encode([old(1)])
    finally:
        del globals()["Thing"]
    assert PickleCodec(old).decode(data) == [old(1)]
    for other in (new, None):
        with pytest.raises(DecodingError, match="changed, or that is not allowed"):
            PickleCodec(other).decode(data)


def test_only_pickle_reads_pickles():
    """Security: bytes that say they are a pickle are a miss for a function that asked for none, and vice versa."""
    number, data = ValueCodec(None, (), "pickle").encode([1])
    for serializer in ("auto", "msgspec", "json", "raw"):
        with pytest.raises(DecodingError):
            ValueCodec(None, (), serializer).decode(number, data)
    with pytest.raises(DecodingError):
        ValueCodec(None, (), "pickle").decode(TREE, b"\x01")


@pytest.mark.parametrize("allow", [Point, "os", [7], [print]], ids=named)
def test_a_wrong_allow_list_is_refused(allow):
    """Bad input: one class instead of a list, or what is no class."""
    with pytest.raises(OptionTypeError, match="allow "):
        PickleSerializer(allow=allow)
