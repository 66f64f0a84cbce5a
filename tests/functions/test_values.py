"""Values: acceptance functions.md 18 (None, condition), 19 (caller-safety), 20 and 21 (types on every store)."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import threading
import typing
import uuid
import warnings
import zoneinfo

import msgspec
import numpy as np
import pydantic
import pytest

from cachelayer import EncodingError
from tests.functions.support import Calls, World


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: float
    y: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Point3(Point):
    z: int = 0


class Shape(msgspec.Struct):
    name: str
    points: list[Point] = []


class Pair(typing.NamedTuple):
    a: int
    b: str


class Row(typing.TypedDict):
    id: int
    name: str


class Model(pydantic.BaseModel):
    x: int


class Opaque:
    """Can be pickled; no store of bytes takes it."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Opaque and other.x == self.x

    __hash__ = None


PARIS = zoneinfo.ZoneInfo("Europe/Paris")

#: Plain values: every store gives each back with its own type, without an annotation.
PLAIN = [
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    -(2**64),
    10**400,
    1.5,
    -0.0,
    math.inf,
    1 + 2j,
    "",
    "é\x00",
    b"",
    b"\xff",
    (),
    (1, (2, "a")),
    [],
    [1, [2, (3,)]],
    {},
    {"a": {"b": [1]}},
    {1: "a", None: "b", (1, 2): "c"},
    set(),
    {1, "a", (2,)},
    frozenset({1, frozenset({2})}),
    [{1}, {"a": {2}}],
    decimal.Decimal("1.10"),
    dt.date(2025, 1, 2),
    dt.time(1, 2, 3, 4),
    dt.time(1, 2, tzinfo=dt.UTC),
    dt.datetime(2025, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - without a zone is another value
    dt.datetime(2025, 1, 2, tzinfo=dt.UTC),
    dt.datetime(2025, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30), "there")),
    dt.datetime(2025, 7, 1, tzinfo=PARIS),
    dt.datetime(2025, 10, 26, 2, 30, tzinfo=PARIS, fold=1),
    dt.timedelta(days=-1, microseconds=5),
    uuid.UUID(int=5),
]

#: Values with the return annotation by which a store of bytes knows them.
TYPED = {
    "enum": (Colour, Colour.RED),
    "int enum": (Level, Level.LOW),
    "dataclass": (Point, Point(1.5, [1])),
    "dataclass, int for float": (Point, Point(1.0)),
    "struct": (Shape, Shape("a", [Point(1.0)])),
    "named tuple": (Pair, Pair(1, "a")),
    "list of dataclasses": (list[Point], [Point(1.0), Point(2.0)]),
    "dict of structs": (dict[str, Shape], {"a": Shape("b")}),
    "optional": (Point | None, Point(1.0)),
    "tuple of enums": (tuple[Colour, Colour], (Colour.RED, Colour.RED)),
    "typed dict": (Row, {"id": 1, "name": "a"}),
    "nan in a dataclass": (Point, Point(math.nan)),
}

#: Values that a store of bytes cannot give back, with the annotation that hides it.
UNSAFE = {
    "object": (None, Opaque(1)),
    "object, annotated": (Opaque, Opaque(1)),
    "dataclass without annotation": (None, Point(1.0)),
    "named tuple without annotation": (None, Pair(1, "a")),
    "subclass in a list": (list[Point], [Point3(1.0)]),
    "subclass as its base": (Point, Point3(1.0)),
    "named tuples as tuples": (list[tuple[int, str]], [Pair(1, "a")]),
    "enum as int": (list[int], [Level.LOW]),
    "another type than annotated": (Point, Shape("a")),
    "surrogate": (None, {"name": "\udcff"}),
    "annotation that leads nowhere": ("NoSuchName", Point(1.0)),
}


def returning(world, annotation, value, calls=None, **options):
    """Return a cached function of one value, and the count of its runs."""
    calls = calls or Calls()

    def body(k=0):
        calls()
        return value

    if annotation is not None:
        body.__annotations__["return"] = annotation
    return world.cached(**options)(body), calls


def same(one, other):
    """Whether two values are equal and of the same types."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other) and one.dtype == other.dtype
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return same(list(vars(one).values()), list(vars(other).values()))
    if isinstance(one, dt.datetime):
        return (one.isoformat(), one.fold, repr(one.tzinfo)) == (
            other.isoformat(),
            other.fold,
            repr(other.tzinfo),
        )
    return repr(one) == repr(other) or one == other


@pytest.mark.parametrize("value", PLAIN, ids=[f"{type(v).__name__} {n}" for n, v in enumerate(PLAIN)])
def test_plain_values_come_back_as_they_were(world, value):
    """20: every plain type comes back equal and of its own type, from every store, with no annotation."""
    f, calls = returning(world, None, value)
    for _ in range(3):
        assert same(world.run(f()), value)
    assert calls.count == 1


@pytest.mark.parametrize(("annotation", "value"), TYPED.values(), ids=TYPED)
def test_annotated_values_come_back_as_they_were(world, annotation, value):
    """20, 21: by the return annotation a store of bytes gives dataclasses, Structs, named tuples and enums back."""
    f, calls = returning(world, annotation, value)
    for _ in range(3):
        assert same(world.run(f()), value)
    assert calls.count == 1


def test_an_int_where_the_annotation_says_float_may_come_back_as_float():
    """21: Point(x=1) of a field x: float is cached; a store of bytes gives what the annotation says."""
    world = World("sync", "six methods")
    f, calls = returning(world, Point, Point(1))
    assert [f(), f()] == [Point(1), Point(1.0)]
    assert calls.count == 1


@pytest.mark.parametrize(("annotation", "value"), UNSAFE.values(), ids=UNSAFE)
def test_any_value_can_be_cached_in_memory(colour, annotation, value):
    """20: in this process any value that can be copied is cached, and comes back equal and of its type."""
    world = World(colour, "memory")
    f, calls = returning(world, annotation, value)
    for _ in range(3):
        assert same(world.run(f()), value)
    assert calls.count == 1


@pytest.mark.parametrize(("annotation", "value"), UNSAFE.values(), ids=UNSAFE)
def test_what_cannot_be_encoded_safely_is_returned_uncached(colour, annotation, value):
    """20, DESIGN: it is returned, counted as uncacheable, with one warning that names the function and the remedy."""
    world = World(colour, "six methods")
    f, calls = returning(world, annotation, value, name="app.load")
    with pytest.warns(RuntimeWarning) as caught:
        results = [world.run(f(k)) for k in (1, 1, 2)]
    assert all(same(result, value) for result in results)
    assert calls.count == 3
    assert (f.stats().uncacheable, f.stats().requests, f.stats().reasons) == (3, 3, {"unencodable": 3})
    text = str(caught[0].message)
    assert len(caught) == 1
    for part in ("app.load", "annotate the return type", "condition="):
        assert part in text


UNCOPYABLE = {
    "lock": threading.Lock,
    "generator": lambda: (x for x in ()),
    "lambda": lambda: lambda: 1,
    "file": lambda: pathlib.Path(__file__).open(),  # noqa: SIM115 - the test closes it
}


@pytest.mark.parametrize("make", UNCOPYABLE.values(), ids=UNCOPYABLE)
def test_what_cannot_be_copied_is_returned_uncached(world, make):
    """19: a lock, a generator, a lambda or a file is the caller's own, each time, on any store."""
    made = []

    def body():
        made.append(make())
        return made[-1]

    f = world.cached()(body)
    with pytest.warns(RuntimeWarning, match="cannot be cached"):
        first = world.run(f())
    second = world.run(f())
    assert first is made[0]
    assert second is made[1]
    assert f.stats().uncacheable == 2
    for each in made:
        getattr(each, "close", int)()


def test_strict_raises_where_a_result_cannot_be_stored(world):
    """DESIGN: `strict=True` raises EncodingError, with the same text, rather than warn; it counts as uncacheable."""
    f, calls = returning(world, None, threading.Lock(), strict=True, name="app.load")
    for _ in range(2):
        with pytest.raises(EncodingError, match=r"the result of app\.load cannot be cached.*condition="):
            world.run(f())
    assert calls.count == 2
    assert (f.stats().uncacheable, f.stats().requests) == (2, 2)
    assert len(world.cache.engine.flights) == 0


def test_a_warning_that_is_an_error_leaves_nothing_under_way(world):
    """DESIGN: under -W error the warning is raised, and the next caller is not kept waiting."""
    f, _ = returning(world, None, threading.Lock())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            world.run(f())
    assert len(world.cache.engine.flights) == 0
    world.background(f).result()


# -- None and condition -----------------------------------------------------------------------------------------


def test_none_is_cached(world):
    """18: None is a result like any other."""
    f, calls = returning(world, None, None)
    assert [world.run(f()) for _ in range(3)] == [None] * 3
    assert calls.count == 1
    assert f.stats().hit == 2


def test_condition_leaves_results_unstored(world):
    """18: `condition` is asked about each result; a false answer leaves it unstored, with its reason counted."""
    seen, calls = [], Calls()

    def condition(result):
        seen.append(result)
        return result is not None

    f = world.cached(condition=condition)(lambda k: None if calls() < 3 else k)
    assert [world.run(f(7)) for _ in range(4)] == [None, None, 7, 7]
    assert seen == [None, None, 7]
    stats = f.stats()
    assert (stats.uncacheable, stats.miss, stats.hit, stats.reasons) == (2, 1, 1, {"condition": 2})


def test_a_condition_that_raises_is_the_callers_error(world):
    """18: its error reaches the caller, is counted once, and leaves nobody waiting."""
    f = world.cached(condition=lambda result: result / 0)(lambda k: k)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            world.run(f(1))
    assert (f.stats().error, f.stats().requests) == (2, 2)
    assert len(world.cache.engine.flights) == 0


# -- caller-safety ----------------------------------------------------------------------------------------------


def spoil(value):
    """Change whatever can be changed, at every depth."""
    if isinstance(value, list):
        list(map(spoil, value))
        value.append("spoiled")
    elif isinstance(value, dict):
        list(map(spoil, value.values()))
        value["spoiled"] = True
    elif isinstance(value, (set, bytearray)):
        value.clear()
    elif isinstance(value, tuple):
        list(map(spoil, value))
    elif isinstance(value, np.ndarray):
        value[:] = 0
    elif hasattr(value, "__dict__"):
        list(map(spoil, vars(value).values()))
        value.x = "spoiled"


MUTABLE = {
    "list": lambda: [1, 2],
    "dict": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "nested": lambda: {"a": [1, {"b": [2]}], "c": {"d": {"e": []}}},
    "list in a tuple": lambda: (1, [2], ({"a": []},)),
    "dict with other keys": lambda: {1: [1], (2,): [2]},
    "set in a list": lambda: [{1}, {2}],
    "deep": lambda: {"a": {"b": {"c": {"d": {"e": [1]}}}}},
}
MUTABLE_IN_MEMORY = {
    "object": lambda: Opaque([1]),
    "dataclass": lambda: Point(1.0, [1]),
    "bytearray": lambda: bytearray(b"ab"),
    "array": lambda: np.array([1, 2]),
    "deque": lambda: collections.deque([[1]]),
    "shared twice": lambda: [[1]] * 2,
    "pydantic": lambda: Model(x=1),
}


@pytest.mark.parametrize("make", MUTABLE.values(), ids=MUTABLE)
def test_whatever_a_caller_does_the_next_read_is_unchanged(world, make):
    """19: the leader, a hit, the first hit of another spelling, peek: each gets a value of its own, nested too."""
    f = world.cached()(lambda k, l=0: make())  # noqa: E741
    ways = [lambda: f(1), lambda: f(1), lambda: f(k=1), lambda: f(1, 0), lambda: f.peek(1), lambda: f(1)]
    for call in ways * 2:
        value = world.run(call())
        assert same(value, make())
        spoil(value)
    assert f.stats().miss == 1


@pytest.mark.parametrize("make", MUTABLE_IN_MEMORY.values(), ids=MUTABLE_IN_MEMORY)
def test_in_memory_that_holds_for_any_object(colour, make):
    """19: objects of any class are copied for each caller."""
    world = World(colour, "memory")
    f = world.cached()(lambda k=0: make())
    for _ in range(3):
        value = world.run(f())
        assert same(value, make())
        spoil(value)


@pytest.mark.parametrize("make", MUTABLE.values(), ids=MUTABLE)
def test_what_was_set_or_computed_may_be_changed_afterwards(world, make):
    """19: neither the function nor who sets a value can change it afterwards by what it still holds."""
    held = []

    def body(k):
        held.append(make())
        return held[-1]

    f = world.cached()(body)
    world.run(f(1))
    value = make()
    world.run(f.set(value, 2))
    spoil(held[0])
    spoil(value)
    assert same(world.run(f(1)), make())
    assert same(world.run(f(2)), make())


def test_changing_an_argument_changes_no_entry(world):
    """19: an argument that is changed later is another key; the entry is under what it was."""
    f = world.cached()(lambda items: items.copy())
    items = [1]
    world.run(f(items))
    items.append(2)
    assert world.run(f(items)) == [1, 2]
    assert world.run(f([1])) == [1]
    assert f.stats().miss == 2


def test_immutable_values_are_not_copied(colour):
    """19: in memory what cannot be changed is given as it is."""
    world = World(colour, "memory")
    value = ("a" * 1000, (1, frozenset({2})), dt.datetime(2025, 1, 1, tzinfo=PARIS))
    f, _ = returning(world, None, value)
    world.run(f())
    assert world.run(f()) is value


# -- what is in the store ---------------------------------------------------------------------------------------


def test_foreign_bytes_are_a_miss_that_is_counted_and_overwritten(colour):
    """21: unknown, truncated or damaged bytes are computed anew and counted in backend_errors, never raised."""
    world = World(colour, "six methods")
    backend = world.cache.backend
    f, calls = returning(world, None, {"a": [1, 2]})
    world.run(f())
    good = backend.get(f.key_for())
    damaged = [
        b"",
        b"x",
        b"foreign bytes of some other program",
        good[:10],
        good[:-1],
        good[: len(good) // 2],
        good[:2] + b"\x63" + good[3:],  # another version
        good[:3] + b"\x63" + good[4:],  # another codec
        b"\x00" * len(good),
        good[:-3] + b"\xc1\xc1\xc1",
    ]
    for number, data in enumerate(damaged, 1):
        backend.set(f.key_for(), data)
        assert world.run(f()) == {"a": [1, 2]}
        assert calls.count == 1 + number, data
        assert world.cache.stats().backend_errors == number, data
        assert backend.get(f.key_for()) != data
        assert world.run(f()) == {"a": [1, 2]}
    assert f.stats().requests == 1 + 2 * len(damaged)


def test_a_class_whose_schema_changed_is_a_miss(colour):
    """21: old and new code coexist on one store: each computes what it cannot read, and neither raises."""
    world = World(colour, "six methods")
    there = world.cache_over(world.cache.backend)
    old = dataclasses.make_dataclass("User", [("id", int)])
    new = dataclasses.make_dataclass("User", [("id", int), ("name", str)])
    f, old_calls = returning(world, old, old(1), name="load_user")
    g, new_calls = returning(world, new, new(1, "ann"), name="load_user", cache=there)
    assert world.run(f()) == old(1)
    assert world.run(g()) == new(1, "ann")
    assert world.run(g()) == new(1, "ann")
    assert new_calls.count == 1
    assert there.stats().backend_errors == 1
    assert old_calls.count == 1


def test_bytes_of_ones_own_under_a_key_are_a_miss(world):
    """21: what a user stored under the very key by hand is computed anew, not returned."""
    f, calls = returning(world, None, "value", key="mine:{k}")
    world.cache.backend.set("mine:0", b"raw")
    assert [world.run(f()), world.run(f())] == ["value", "value"]
    assert calls.count == 1


def test_a_value_that_does_not_come_back_in_memory_is_a_miss(colour):
    """21: an object whose unpickling fails is computed anew and counted, never raised."""
    world = World(colour, "memory")
    f, calls = returning(world, None, Stubborn())
    for number in (1, 2, 3):
        assert type(world.run(f())) is Stubborn
        assert calls.count == number
    assert world.cache.stats().backend_errors == 2
    assert f.stats().requests == 3


def refuse():
    """Fail, as unpickling."""
    raise RuntimeError("does not come back")


class Stubborn:
    def __reduce__(self):
        return refuse, ()


def test_an_annotation_that_cannot_be_resolved_is_no_trouble(world):
    """21: names in annotations that lead nowhere leave plain values cached."""
    f, calls = returning(world, "NoSuchName", [1])
    assert [world.run(f()), world.run(f())] == [[1], [1]]
    assert calls.count == 1


def test_names_in_annotations_may_be_defined_later(colour):
    """21: an annotation is looked at when the first value needs it."""
    world = World(colour, "six methods")
    late = dataclasses.make_dataclass("LateClass", [("x", int)])
    globals()["LateClass"] = late
    try:
        g, calls = returning(world, "LateClass", late(1))
        assert [world.run(g()), world.run(g())] == [late(1)] * 2
        assert calls.count == 1
    finally:
        del globals()["LateClass"]
