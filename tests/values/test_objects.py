"""Instances of classes, by the classes that the annotation names: functions.md 20 and 21."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import http
import ipaddress
import math
import pathlib
import typing
import uuid
import zoneinfo

import attrs
import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.codecs import ValueCodec
from cachelayer.values.numbers import OBJECTS, TYPED
from cachelayer.values.objects import ObjectCodec
from cachelayer.values.sameness import is_same

T = typing.TypeVar("T")
PARIS = dt.datetime(2025, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass(kw_only=True)
class Derived:
    points: list[Point]
    total: int = dataclasses.field(init=False, default=0)
    hidden: typing.Any = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self):
        self.total += len(self.points)


@dataclasses.dataclass
class Event:
    when: dt.datetime
    where: pathlib.Path | None = None
    size: decimal.Decimal = decimal.Decimal("1.10")
    data: typing.Any = None

    @functools.cached_property
    def year(self):
        """Return what is remembered, and may be forgotten."""
        return self.when.year


@dataclasses.dataclass
class Box(typing.Generic[T]):
    content: T


@dataclasses.dataclass
class Node:
    children: "list[Node]" = dataclasses.field(default_factory=list)
    meta: dict[str, "Point"] = dataclasses.field(default_factory=dict)


class Pair(typing.NamedTuple):
    a: int
    b: typing.Any = None


Plain = collections.namedtuple("Plain", "a b")  # noqa: PYI024 - without annotations is what it is here for


class Colour(enum.Enum):
    RED = (1, "r")
    ALSO_RED = (1, "r")  # noqa: PIE796 - a second name is what it is here for
    OBJECT = object()


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Word(str, enum.Enum):  # noqa: UP042 - as written before StrEnum
    A = "a"


class Struct(msgspec.Struct, kw_only=True, rename="camel", tag=True):
    first_name: str
    when: dt.datetime | None = None
    more: int | msgspec.UnsetType = msgspec.UNSET


class Counted(msgspec.Struct):
    count: complex

    def __post_init__(self):
        self.count += 1


@attrs.define
class Attrs:
    a: complex
    b: Point | None = None


class Model(pydantic.BaseModel):
    x: int
    when: dt.datetime | None = None
    _private: dict = pydantic.PrivateAttr(default_factory=dict)


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True, extra="allow")
    own: int = pydantic.Field(alias="OWN")
    inner: list[Model] = []
    address: ipaddress.IPv4Address | None = None

    @pydantic.computed_field
    @functools.cached_property
    def double(self) -> int:
        """Return what is remembered."""
        return self.own * 2


class Doubling(pydantic.BaseModel):
    x: int

    @pydantic.field_validator("x")
    @classmethod
    def double(cls, value):
        """Change the value each time it is validated."""
        return value * 2


class Response(pydantic.BaseModel, typing.Generic[T]):
    data: T


class Numbers(pydantic.RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass
class Checked:
    x: int
    y: complex = 1j


class Row(typing.TypedDict):
    point: Point


def model(**fields):
    """Return a model with a private attribute."""
    value = Model(x=1, **fields)
    value._private = {"seen": (1, 2)}
    return value


def remembering():
    """Return an event with something remembered beside its fields."""
    value = Event(PARIS)
    assert value.year == 2025
    return value


GOOD = {
    "dataclass": (Event, Event(PARIS, pathlib.Path("/x"))),
    "remembered": (Event, remembering()),
    "remembered within": (Box[Event], Box(remembering())),
    "nan within": (Box[Box[Model]], Box(Box(Model.model_construct(x=math.nan, when=None)))),
    "frozen with slots": (Point, Point(1)),
    "int for float": (Point, Point(1, 2)),
    "derived": (Derived, Derived(points=[Point(1)], hidden=(1, 2))),
    "generic": (Box[Point], Box(Point(1))),
    "recursive": (Node, Node([Node(meta={"a": Point(1)}), Node()])),
    "data of any kind": (Event | Point, Event(PARIS, data={Point(1): {Point(2)}})),
    "array within": (Event, Event(PARIS, data=np.arange(3))),
    "named tuple": (Pair, Pair(1, [PARIS])),
    "named tuple without annotations": (Plain, Plain(1, {2})),
    "enum of tuples": (Colour, Colour.RED),
    "enum of an object": (list[Colour], [Colour.OBJECT, Colour.ALSO_RED]),
    "flag": (Right, Right.READ | Right.WRITE),
    "no flag": (Right, Right(0)),
    "enum of texts": (set[Word], {Word.A}),
    "enum as key": (dict[Word, Point], {Word.A: Point(1)}),
    "of the standard library": (http.HTTPStatus, http.HTTPStatus.OK),
    "Struct": (Struct, Struct(first_name="x", when=PARIS)),
    "Struct with a hook": (Counted, Counted(1j)),
    "attrs": (Attrs, Attrs(1j, Point(1))),
    "model": (Model, model(when=PARIS)),
    "models": (list[Model], [model(), Model(x=2)]),
    "model or none": (Model | None, model()),
    "dict of models": (dict[uuid.UUID, Model], {uuid.uuid4(): model()}),
    "strict model": (Strict, Strict(OWN=1, extra={"a": (1,)}, inner=[model()])),
    "generic model": (Response[list[Point]], Response[list[Point]](data=[Point(1)])),
    "generic model of models": (Response[Model], Response[Model](data=model())),
    "root model": (Numbers, Numbers([1, 2])),
    "model that validation changes": (Doubling, Doubling(x=2)),
    "model without validation": (Model, Model.model_construct(x="no int", when=None)),
    "dataclass of pydantic": (Checked, Checked(1)),
    "typed dict": (Row, {"point": Point(1)}),
    "annotated": (typing.Annotated[Point, "doc"], Point(1)),
    "new type": (typing.NewType("Place", Point), Point(1)),
    "iterator": (typing.Iterator[Point], [Point(1)]),
    "bound type variable": (typing.TypeVar("Bound", bound=Point), Point(1)),
    "union of two": (list[Point | Pair], [Point(1), Pair(1), Point(2)]),
    "literal": (typing.Literal[Word.A], Word.A),
    "nan": (Point, Point(1, math.nan)),
}


@pytest.mark.parametrize(("annotation", "value"), GOOD.values(), ids=GOOD)
def test_a_value_comes_back_as_it_was(annotation, value):
    """20: equal and of the same types, all the way down, in another process's codec, the first time and the next."""
    writing, reading = ObjectCodec(annotation), ObjectCodec(annotation)
    for _ in range(2):
        copy = reading.decode(writing.encode(value))
        assert is_same(copy, value)
        assert repr(copy) == repr(value)


@pytest.mark.parametrize(("annotation", "value"), GOOD.values(), ids=GOOD)
def test_a_function_s_codec_brings_it_back_too(annotation, value):
    """20: by whichever way is the quickest that is exact."""
    number, data = ValueCodec(lambda: annotation).encode(value)
    copy = ValueCodec(lambda: annotation).decode(number, data)
    assert is_same(copy, value)
    assert repr(copy) == repr(value)


def test_models_keep_what_is_not_in_their_fields():
    """20: private attributes, extra fields, and which fields were given."""
    value = Strict(OWN=1, extra={"a": (1,)}, inner=[model()])
    copy = ObjectCodec(Strict).decode(ObjectCodec(Strict).encode(value))
    assert copy.model_extra == {"extra": {"a": (1,)}}
    assert copy.model_fields_set == value.model_fields_set == {"own", "inner", "extra"}
    assert copy.inner[0]._private == {"seen": (1, 2)}
    assert copy.double == 2


def test_instances_are_put_together_without_their_hooks():
    """20: __post_init__ and validators do not run again on what they made."""
    codec = ObjectCodec(Derived | Doubling | Counted)
    value = [Derived(points=[Point(1)]), Doubling(x=2), Counted(1j)]
    derived, doubling, counted = codec.decode(codec.encode(value))
    assert (derived.total, doubling.x, counted.count) == (1, 4, 1 + 1j)


@dataclasses.dataclass
class Sub(Node):
    more: int = 0


class Weird(msgspec.Struct, dict=True):
    a: int


@dataclasses.dataclass
class Single:
    x: int

    def __new__(cls, *_):
        """Do as object does."""
        return object.__new__(cls)


class Slotted:
    __slots__ = ("cache",)


@dataclasses.dataclass
class WithSlot(Slotted):
    x: int


def changed(value, **more):
    """Return the value with attributes that are none of its fields."""
    vars(value).update(more)
    return value


def unset():
    """Return a dataclass without one of its fields."""
    value = object.__new__(Node)
    value.children = []
    return value


BAD = {
    "subclass": (Node, Sub(), "Sub is not named in the return annotation"),
    "subclass within": (Node, Node([Sub()]), "Sub is not named"),
    "no annotation": (None, Point(1), "Point has no safe encoding"),
    "another": (
        Pair,
        Point(1),
        "Point is not named in the return annotation .*Pair, and no codec is registered",
    ),
    "more than its fields": (Node, changed(Node(), more=1), "Node with 'more', which is none of its fields"),
    "Struct with more": (Weird, changed(Weird(1), more=1), "Weird with 'more'"),
    "less than its fields": (Node, unset(), "Node without one of its fields"),
    "model without a field": (Model, Model.model_construct(), "Model without x"),
    "object within": (Node, Node(meta={"a": object()}), "object is not named"),
    "class": (type, int, "type is not named"),
}


@pytest.mark.parametrize(("annotation", "value", "message"), BAD.values(), ids=BAD)
def test_what_would_not_come_back_is_refused(annotation, value, message):
    """20: with an error that says what is in the way."""
    with pytest.raises(EncodingError, match=message):
        ObjectCodec(annotation).encode(value)
    with pytest.raises(EncodingError, match=message):
        ValueCodec(lambda: annotation).encode(value)


@pytest.mark.parametrize("value", [Single(1), WithSlot(1)], ids=repr)
def test_a_class_that_is_more_than_its_fields_is_refused(value):
    """20: what its __new__ does, or holds in another slot, would be lost."""
    with pytest.raises(EncodingError, match="has a __new__, or slots, beside its fields: use register_codec"):
        ObjectCodec(type(value)).encode(value)


def test_a_value_that_contains_itself_is_refused():
    """20: EncodingError, not a RecursionError."""
    value = Node()
    value.children.append(value)
    with pytest.raises(EncodingError, match="nested deeper"):
        ObjectCodec(Node).encode(value)


class Forgetful(pydantic.BaseModel):
    x: int

    def __eq__(self, other):
        return self is other

    __hash__ = None


def test_the_first_instance_of_each_class_is_checked():
    """Issue 4, 2: a class whose instances do not come back equal is found at its first value."""
    with pytest.raises(EncodingError, match="Forgetful does not come back as it was"):
        ObjectCodec(Forgetful).encode(Forgetful(x=1))


def test_later_instances_are_not_checked(monkeypatch):
    """Issue 4, 2: the check is paid for once for each class, however many instances there are."""
    codec = ObjectCodec(list[Point])
    codec.encode([Point(1)] * 3)
    plan = codec._by_class[Point]
    assert plan.is_proven
    monkeypatch.setattr(plan, "put_together", None)
    codec.encode([Point(2)])
    with pytest.raises(DecodingError):
        codec.decode(codec.encode([Point(2)]))


def test_what_msgspec_brings_back_is_left_to_it():
    """Issue 4, 6: it is the quickest to read; what it cannot bring back once it is not given again."""
    codec = ValueCodec(lambda: Event)
    assert codec.encode(Event(dt.datetime(2025, 1, 1, tzinfo=dt.UTC)))[0] == TYPED
    assert codec.encode(Event(PARIS))[0] == OBJECTS
    assert codec.encode(Event(dt.datetime(2025, 1, 1, tzinfo=dt.UTC)))[0] == OBJECTS


def test_a_value_that_cannot_be_encoded_changes_nothing_for_the_next():
    """20: one result that is refused does not send the others another way."""
    codec = ValueCodec(lambda: Point)
    with pytest.raises(EncodingError):
        codec.encode(object())
    assert codec.encode(Point(1, 2.0))[0] == TYPED


def test_frames_travel_within_others():
    """20: a frame in a field of a dataclass."""
    value = Event(PARIS, data=pd.DataFrame({"a": [1]}))
    copy = ObjectCodec(Event).decode(ObjectCodec(Event).encode(value))
    pd.testing.assert_frame_equal(copy.data, value.data)


def version(name, **fields):
    """Return a class as one deploy has it."""
    return dataclasses.make_dataclass(name, fields.items(), namespace={"__module__": __name__})


CHANGES = {
    "field added": {"x": int, "y": int},
    "field renamed": {"z": int},
    "type changed": {"x": str},
    "field gone": {},
}


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(
    "codec", [ObjectCodec, lambda kind: ValueCodec(lambda: kind)], ids=["objects", "all"]
)
def test_a_class_that_changed_is_a_miss_for_old_and_new_code(fields, codec):
    """21: a DecodingError in both directions, so that each computes its own and overwrites the other's."""
    old, new = version("Thing", x=int), version("Thing", **fields)
    for kind, other, value in ((old, new, old(1)), (new, old, new(*[1] * len(fields)))):
        found = codec(kind).encode(value)
        data = found if isinstance(found, tuple) else (found,)
        assert codec(kind).decode(*data) == value
        with pytest.raises(DecodingError, match="changed"):
            codec(other).decode(*data)


def test_a_class_that_changed_within_another_is_a_miss():
    """21: the classes of fields count, too; those that a value has no instance of do not."""
    old = version("Outer", inner=version("Inner", x=int) | None)
    new = version("Outer", inner=version("Inner", x=str) | None)
    inner = typing.get_args(dataclasses.fields(old)[0].type)[0]
    with pytest.raises(DecodingError, match="changed"):
        ObjectCodec(new).decode(ObjectCodec(old).encode(old(inner(1))))
    assert ObjectCodec(new).decode(ObjectCodec(old).encode(old(None))) == new(None)


def test_a_class_that_is_not_named_any_more_is_a_miss():
    """Security: only classes that the annotation names are ever made an instance of."""
    data = ObjectCodec(Point).encode(Point(1))
    for annotation in (None, Pair, typing.Any):
        with pytest.raises(DecodingError, match="not known here"):
            ObjectCodec(annotation).decode(data)


MESSAGES = [
    None, [], [[], [13, 0]], [[], [13]], [[b"x" * 8], None], [[None], None], ["ab", None], [[[]], None], {}, 7,
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_messages_of_others_are_refused(message):
    """21: well-formed MessagePack that is no value of ours is a DecodingError."""
    with pytest.raises(DecodingError):
        ObjectCodec(Point | Model).decode(msgspec.msgpack.encode(message))


PLANTED = {
    "less": (Point, Point(1), [1]),
    "more": (Pair, Pair(1), [1, 2, 3]),
    "model without": (Model, Model(x=1), [[0, 1], None, None, None]),
    "model with another state": (Model, Model(x=1), [[0, 1, 2], 5, [2, "x"], None]),
    "nothing": (Model, Model(x=1), []),
    "no member": (Colour, Colour.RED, ["BLUE"]),
    "no flag": (Right, Right.READ, ["x"]),
    "Struct": (Struct, Struct(first_name="x"), [1]),
}


@pytest.mark.parametrize(("kind", "value", "parts"), PLANTED.values(), ids=PLANTED)
def test_parts_that_do_not_make_an_instance_are_refused(kind, value, parts):
    """21: planted parts of a known class are a DecodingError."""
    codec = ObjectCodec(kind)
    digests, node = msgspec.msgpack.decode(codec.encode(value))
    planted = msgspec.msgpack.encode([digests, [*node[:2], *parts]])
    with pytest.raises(DecodingError):
        codec.decode(planted)


def test_annotations_of_any_sort_are_taken():
    """20: what cannot be resolved, or is no type, names no classes, and plain values go on."""
    for annotation in (
        typing.Any,
        "Unknown",
        7,
        typing.Callable[[Point], Pair],
        typing.Literal[1, "a"],
        [Point],
    ):
        codec = ObjectCodec(annotation)
        assert codec.decode(codec.encode([1])) == [1]
    codec = ObjectCodec(typing.Callable[[Point], Pair])
    assert codec.decode(codec.encode([Point(1), Pair(2)])) == [Point(1), Pair(2)]


@dataclasses.dataclass
class Unresolved:
    x: "Nowhere"  # noqa: F821 - a name that exists for type checkers alone


def test_fields_whose_types_are_not_known_are_no_obstacle():
    """20: a class stays usable where the names in its annotations are for type checkers alone."""
    codec = ObjectCodec(Unresolved)
    assert codec.decode(codec.encode(Unresolved(1))) == Unresolved(1)
