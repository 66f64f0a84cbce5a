"""Keys of calls: acceptance functions.md 1 to 6, 8 (`ignore`), 9 and 10."""

import dataclasses
import datetime as dt
import enum
import functools
import pathlib
import sys
import types
import typing
from collections import Counter, OrderedDict, defaultdict
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic
import pytest

from cachelayer import Cache, ConfigurationError, InMemoryBackend, KeyingError, cached
from tests.functions.support import Calls, SixMethods, World

# -- what arguments are made of ---------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Hue(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    ONE = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: object


class Shape(msgspec.Struct):
    x: object


class Other(msgspec.Struct):
    x: object


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    x: int


class Pair(typing.NamedTuple):
    a: object
    b: object


class Text(str):  # noqa: SLOT000 - it takes attributes
    pass


class Known:
    def __init__(self, number):
        self.number = number

    def __cache_key__(self):
        return self.number


class Unknown:
    pass


class Marked(list):
    __slots__ = ("mark",)


def double(x):
    """Be a function that can be an argument."""
    return 2 * x


def multiplied(by):
    """Return a decorator whose wrappers take the wrapped function's name."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(x):
            return by * function(x)

        return wrapper

    return decorate


# -- spellings of a call ----------------------------------------------------------------------------------------


def plain(a, b=5):
    """The example of point 1."""
    return [a, b]


@pytest.mark.parametrize(
    "spellings",
    [
        [((1, 2), {}), ((1,), {"b": 2}), ((), {"a": 1, "b": 2}), ((), {"b": 2, "a": 1})],
        [((1,), {}), ((1, 5), {}), ((1,), {"b": 5}), ((), {"a": 1})],
    ],
    ids=["all given", "default"],
)
def test_spellings_of_a_call_are_one_entry(world, spellings):
    """1: positional, keyword and default spellings share an entry."""
    calls = Calls()

    @world.cached()
    def f(a, b=5):
        return [a, b, calls()]

    assert len({f.key_for(*args, **kwargs) for args, kwargs in spellings}) == 1
    for args, kwargs in spellings * 2:
        assert world.run(f(*args, **kwargs))[2] == 1


def signatures():
    """Return functions with spellings of one call each."""

    def positional_only(a, b=2, /): ...
    def keyword_only(*, a, b=2): ...
    def mixed(a, /, b=2, *, c=3): ...
    def star(a, *rest, b=2): ...
    def stars(*args, **kwargs): ...
    def everything(a, /, b, c=3, *args, d, e=5, **kwargs): ...

    return [
        (positional_only, [((1,), {}), ((1, 2), {})]),
        (keyword_only, [((), {"a": 1}), ((), {"b": 2, "a": 1})]),
        (mixed, [((1,), {}), ((1, 2), {}), ((1,), {"c": 3}), ((1,), {"c": 3, "b": 2})]),
        (star, [((1, 2), {}), ((1, 2), {"b": 2})]),
        (stars, [((1,), {"x": 1, "y": 2}), ((1,), {"y": 2, "x": 1})]),
        (everything, [((1, 2), {"d": 4}), ((1, 2, 3), {"e": 5, "d": 4}), ((1,), {"b": 2, "d": 4})]),
    ]


@pytest.mark.parametrize(("body", "spellings"), signatures(), ids=[body.__name__ for body, _ in signatures()])
def test_every_kind_of_parameter_is_bound(world, body, spellings):
    """1: the spellings of a call share an entry whatever kinds of parameters a function has."""
    calls = Calls()
    function = world.cached()(functools.wraps(body)(lambda *args, **kwargs: calls()))
    for args, kwargs in spellings * 2:
        assert world.run(function(*args, **kwargs)) == 1


@pytest.mark.parametrize(("body", "_"), signatures(), ids=[body.__name__ for body, _ in signatures()])
def test_a_call_that_does_not_fit_raises_what_the_function_would(body, _):
    """1: a wrong call is a TypeError with the function's name, and nothing is called."""
    function = cached(cache=Cache())(body)
    for args, kwargs in [((), {}), ((1, 2, 3, 4, 5, 6), {"q": 1, "q2": 2})]:
        try:
            body(*args, **kwargs)
        except TypeError as error:
            expected = str(error).split("()")[1]
        else:
            continue
        with pytest.raises(TypeError, match=body.__name__) as raised:
            function(*args, **kwargs)
        assert str(raised.value).endswith(expected)


NINE = [1, 1.0, True, "1", b"1", Decimal(1), None, "", "None"]


def test_nine_types_are_nine_entries(world):
    """2: 1, 1.0, True, "1", b"1", Decimal(1), None, "" and "None" come back with their own types."""
    f = world.cached()(lambda x: x)
    for _ in range(2):
        for value in NINE:
            got = world.run(f(value))
            assert (type(got), got) == (type(value), value)
    assert f.stats().miss == len(NINE)


#: Values of which no two may share an entry.
DISTINCT = [
    *NINE,
    0,
    False,
    0.0,
    -0.0,
    float("nan"),
    float("inf"),
    -1,
    2**63,
    2**200,
    10**400,
    10**400 + 1,
    0j,
    complex(0.0, -0.0),
    complex(-0.0, 0.0),
    "a",
    "A",
    "a\x00",
    "\ud800",
    b"",
    b"a",
    bytearray(b"a"),
    Decimal("1.0"),
    Decimal("-0"),
    Decimal("NaN"),
    Fraction(1, 2),
    [],
    (),
    set(),
    frozenset(),
    {},
    [1],
    (1,),
    {1},
    frozenset({1}),
    {1: None},
    {None: 1},
    [[1], 2],
    [1, [2]],
    [[]],
    [()],
    ["1", "2"],
    ["12"],
    ["1,2"],
    [1, 2],
    (1, 2),
    (1, (2,)),
    {"a": {"b": 1}},
    {"a": 1, "b": 1},
    ...,
    range(3),
    range(0, 3, 2),
    slice(3),
    slice(3, None),
    dt.date(2025, 1, 1),
    dt.datetime(2025, 1, 1),  # noqa: DTZ001 - without a zone is another value
    dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2025, 1, 1, tzinfo=ZoneInfo("UTC")),
    dt.datetime(2025, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
    dt.datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Paris")),
    dt.datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1),
    dt.time(1, 2),
    dt.time(1, 2, tzinfo=dt.UTC),
    dt.timedelta(1),
    dt.timedelta(seconds=1),
    UUID(int=1),
    UUID(int=2),
    Colour.RED,
    Colour.BLUE,
    Hue.RED,
    Level.ONE,
    Access.READ,
    Access.READ | Access.WRITE,
    Access(0),
    Point(1),
    Point(1, 1),
    Point("1"),
    Point(Point(1)),
    Slotted(1),
    Shape(1),
    Shape(1.0),
    Other(1),
    Model(x=1),
    Model(x=1, y=2),
    Model(x=1, y="2"),
    Pair(1, 2),
    Text("a"),
    Known(1),
    Known(2),
    pathlib.PurePosixPath("a/b"),
    pathlib.PureWindowsPath("a/b"),
    pathlib.Path("a/b"),
    OrderedDict(a=1),
    Counter("a"),
    defaultdict(int, a=1),
    int,
    float,
    Point,
    Shape,
    double,
    len,
    np.array([1, 2]),
    np.array([[1, 2]]),
    np.array([1, 2], dtype="int8"),
    np.array([1.0, 2.0]),
    np.array(["a"]),
    np.float64(1),
    np.float32(1),
    np.int64(1),
    np.datetime64("2025-01-01"),
]


def test_different_arguments_have_different_keys():
    """2 to 4, 6: no two of a hundred values of all kinds share a key."""
    f = cached(cache=Cache())(lambda x: None)
    keys: dict[str, object] = {}
    for value in DISTINCT:
        key = f.key_for(value)
        assert key not in keys, f"{value!r} and {keys[key]!r} share {key!r}"
        keys[key] = value


def rows(n):
    """Return a large array that differs in the middle."""
    values = np.arange(5000.0)
    values[2500] = n
    return values


#: Pairs that are equal, though made in another way.
EQUAL = {
    "dict order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "set order": ({"aa", "bb", "cc", "dd"}, {"dd", "cc", "bb", "aa"}),
    "frozenset of tuples": (frozenset({(1, "a"), (2, "b")}), frozenset({(2, "b"), (1, "a")})),
    "nested": ([{"a": {1, 2}, "b": [3]}], [{"b": [3], "a": {2, 1}}]),
    "mixed dict keys": ({1: "a", "1": "b", None: "c"}, {None: "c", "1": "b", 1: "a"}),
    "nan": (float("nan"), float("nan")),
    "nan within": ([float("nan")], [float("nan")]),
    "dataclass": (Point(1, [2]), Point(1, [2])),
    "slotted": (Slotted({1, 2}), Slotted({2, 1})),
    "struct": (Shape({"a": 1, "b": 2}), Shape({"b": 2, "a": 1})),
    "pydantic": (Model(x=1, a=1, b=2), Model(x=1, b=2, a=1)),
    "enum": (Colour.RED, Colour(1)),
    "path": (pathlib.Path("a/b"), pathlib.Path("a") / "b"),
    "array": (np.arange(5000), np.arange(5000)),
    "array order": (np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]], order="F")),
    "sliced array": (np.arange(10)[::2], np.arange(0, 10, 2)),
    "datetime": (dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)),
    "cache key": (Known(3), Known(3)),
}


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_equal_arguments_are_one_entry(world, pair):
    """4, 6: equal values share an entry, in whatever order a container was filled."""
    calls = Calls()
    f = world.cached()(lambda x: calls())
    assert [world.run(f(value)) for value in pair * 2] == [1] * 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("x:b:y", "z"), ("x", "y:b:z")),
        (("x y", "z"), ("x", "y z")),
        (("a", "b,c"), ("a,b", "c")),
        (("s1:a", ""), ("", "s1:a")),
        (("a)", "b"), ("a", ")b")),
        (("i1;", 1), (1, "i1;")),
    ],
)
def test_no_strings_make_two_calls_collide(world, first, second):
    """3: separators within arguments separate nothing."""
    f = world.cached()(lambda a, b: [a, b])
    for _ in range(2):
        assert world.run(f(*first)) == list(first)
        assert world.run(f(*second)) == list(second)


def test_positional_and_keyword_extras_do_not_collide(world):
    """3: f(("a", 1)) and f(a=1) of f(*a, **k) differ, and so do their relatives."""
    f = world.cached()(lambda *a, **k: [list(a), k])
    calls = [
        ((("a", 1),), {}),
        ((), {"a": 1}),
        (("a", 1), {}),
        (({"a": 1},), {}),
        ((), {}),
        (((),), {}),
        (({},), {}),
    ]
    for _ in range(2):
        for args, kwargs in calls:
            assert world.run(f(*args, **kwargs)) == [list(args), kwargs]
    assert f.stats().miss == len(calls)


def test_keyword_order_does_not_matter(world):
    """3: extra keywords are one entry in any order."""
    calls = Calls()
    f = world.cached()(lambda **k: calls())
    assert [world.run(f(a=1, b=2)), world.run(f(b=2, a=1)), world.run(f(a=2, b=1))] == [1, 1, 2]


def test_arrays_that_differ_in_one_middle_element_are_two_entries(world):
    """4: all of a large array is in the key, not what its repr shows."""
    f = world.cached()(lambda x: float(x[2500]))
    assert [world.run(f(rows(n))) for n in (1, 2, 1, 2)] == [1.0, 2.0, 1.0, 2.0]


def test_keys_of_long_arguments_are_short():
    """3: long arguments stand in the key as a digest of all of them."""
    f = cached(cache=Cache())(lambda x: None)
    long = "x" * 100_000
    assert len({f.key_for(long), f.key_for(long + "y"), f.key_for("y" + long)}) == 3
    assert len(f.key_for(long)) < 300


# -- what cannot be keyed ---------------------------------------------------------------------------------------


def nested(depth):
    """Return lists in lists."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def endless():
    """Return a list that contains itself."""
    value = []
    value.append(value)
    return value


def masked():
    """Return an array with a mask."""
    return np.ma.masked_array([1, 2], mask=[False, True])


def marked():
    """Return a list with an attribute in a slot."""
    value = Marked([1])
    value.mark = 1
    return value


def extended_text():
    """Return a text with an attribute."""
    value = Text("a")
    value.more = 1
    return value


UNKEYABLE = {
    "object": Unknown,
    "within a list": lambda: [1, {"a": Unknown()}],
    "in a dataclass": lambda: Point(Unknown()),
    "lambda": lambda: lambda x: x,
    "local function": lambda: multiplied(2)(lambda x: x),
    "a wrapper with another's name": lambda: multiplied(2)(double),
    "bound method": lambda: [].append,
    "generator": lambda: (x for x in ()),
    "array of objects": lambda: np.array([object()]),
    "masked array": masked,
    "nested too deep": lambda: nested(300),
    "contains itself": endless,
    "builtin with attributes": extended_text,
    "builtin with slots": marked,
    "zone of one's own": lambda: dt.datetime(2025, 1, 1, tzinfo=Zone()),
    "memoryview": lambda: memoryview(b"a"),
}


class Zone(dt.tzinfo):
    def utcoffset(self, when):
        """Be a zone."""
        return dt.timedelta(0)


@pytest.mark.parametrize("make", UNKEYABLE.values(), ids=UNKEYABLE)
def test_what_has_no_identity_raises_with_function_parameter_and_remedy(world, make):
    """5: the error names the function, the parameter and the three remedies, and nothing is called."""
    calls = Calls()

    @world.cached(name="app.load")
    def load(first, thing):
        return calls()

    with pytest.raises(KeyingError) as raised:
        world.run(load(1, make()))
    text = str(raised.value)
    assert isinstance(raised.value, TypeError)
    assert "app.load" in text
    assert "argument 'thing'" in text
    assert "ignore=('thing',)" in text
    assert "key=" in text
    assert "__cache_key__" in text
    assert calls.count == 0


def test_functions_are_known_by_a_name_that_leads_back_to_them(world):
    """5: a function can be an argument; two wrappers that functools.wraps gave one name never share an entry."""
    f = world.cached()(lambda function, x: function(x))
    assert [world.run(f(double, 1)), world.run(f(abs, -1))] == [2, 1]
    for by in (2, 3):
        with pytest.raises(KeyingError, match="without a name that others could know it by"):
            world.run(f(multiplied(by)(double), 1))


def test_a_cache_key_that_cannot_be_keyed_raises(world):
    """5: `__cache_key__` must return something that can be part of a key."""

    class Bad:
        def __cache_key__(self):
            return object()

    f = world.cached()(lambda x: None)
    with pytest.raises(KeyingError, match="argument 'x'"):
        world.run(f(Bad()))


def test_instances_of_classes_that_share_a_name_do_not_collide(world):
    """4, 10: two classes made with one name, and values of theirs, are two entries."""
    f = world.cached()(lambda x: x.z if isinstance(x, type) else type(x).z)
    one = type("Same", (Known,), {"z": 1})
    two = type("Same", (Known,), {"z": 2})
    assert [world.run(f(x)) for x in (one, two, one(1), two(1)) * 2] == [1, 2, 1, 2] * 2


def test_local_classes_of_one_name_do_not_collide(world):
    """4, 10: the same for classes made inside a function."""

    def make(z_):
        @dataclasses.dataclass
        class Local:
            x: int
            z = z_

        return Local

    one, two = make(1), make(2)
    f = world.cached()(lambda x: x.z)
    assert [world.run(f(kind(1))) for kind in (one, two, one, two)] == [1, 2, 1, 2]


# -- ignore -----------------------------------------------------------------------------------------------------


def test_ignored_parameters_make_no_difference(world):
    """8: `ignore` leaves parameters out, such as those that cannot be keyed."""
    calls = Calls()
    f = world.cached(ignore=("db", "request"))(lambda x, db, request=None: [x, calls()])
    assert world.run(f(1, Unknown())) == world.run(f(1, Unknown(), request=Unknown())) == [1, 1]
    assert world.run(f(2, Unknown())) == [2, 2]


def test_ignored_extras_make_no_difference(world):
    """8: `ignore` takes the names of `*args` and `**kwargs` too."""
    calls = Calls()
    f = world.cached(ignore=["rest", "more"])(lambda x, *rest, **more: calls())
    assert [world.run(f(1)), world.run(f(1, Unknown(), y=Unknown())), world.run(f(2))] == [1, 1, 2]


# -- key_for and explain_key ------------------------------------------------------------------------------------


def test_key_for_gives_the_key_that_is_stored(world):
    """9: `f.key_for(*args)` is the key under which the store has the entry."""
    f = world.cached()(lambda a, b=2: a)
    world.run(f(1))
    assert world.cache.backend.exists(f.key_for(1))
    assert f.key_for(1) == f.key_for(a=1, b=2) != f.key_for(1, 3)
    with pytest.raises(TypeError, match="missing"):
        f.key_for()


def test_explain_key_says_which_part_came_from_which_argument(world):
    """9: `f.explain_key(*args)` maps each parameter to its part of the key, "" where it has none."""
    f = world.cached(ignore=["db"])(lambda a, db, *rest, b="x", **more: a)
    parts = f.explain_key(1, None, 2, c=3)
    assert list(parts) == ["a", "db", "rest", "b", "more"]
    assert parts["db"] == ""
    assert "".join(parts.values()) in f.key_for(1, None, 2, c=3)
    assert [name for name, part in parts.items() if part != f.explain_key(9, None, 2, c=3)[name]] == ["a"]


# -- functions of one name --------------------------------------------------------------------------------------


def make_closure(factor):
    """Return a cached closure."""

    @cached(cache=CLOSURES)
    def scaled(x):
        return factor * x

    return scaled


CLOSURES = Cache()


def test_closures_of_one_qualified_name_never_share_entries():
    """10: each closure has entries of its own."""
    functions = [make_closure(factor) for factor in range(5)]
    for _ in range(2):
        assert [f(1) for f in functions] == list(range(5))


def test_a_closure_for_a_shared_store_needs_a_name_or_a_key():
    """10: workers must agree on what to call a function that is made anew in each."""
    cache = Cache(SixMethods())

    def local(x):
        return x

    with pytest.raises(ConfigurationError, match=r"defined inside another function.*name= or key="):
        cached(cache=cache)(local)(1)
    assert cached(cache=cache, name="local")(local)(1) == 1
    assert cached(cache=cache, key="local:{x}")(local)(1) == 1


MODULE = """
from cachelayer import cached

@cached(cache=CACHE{options})
def f(x):
    return {result}
"""


def run_module(name, cache, result, options=""):
    """Define f in a module, as importing or reloading it would."""
    module = sys.modules.setdefault(name, types.ModuleType(name))
    module.CACHE = cache
    exec(MODULE.format(result=result, options=options), vars(module))
    return module


@pytest.fixture
def modules():
    """Names for modules, which are gone afterwards."""
    names = [f"tests_made_up_{n}" for n in range(3)]
    yield names
    for name in names:
        sys.modules.pop(name, None)


def test_a_function_decorated_for_two_caches_is_one_function(modules):
    """10: its keys are the same whichever cache it is used with first, and neither drops the other's entries."""
    caches = [Cache(InMemoryBackend()) for _ in range(2)]
    module = run_module(modules[0], caches[0], "__import__('uuid').uuid4().hex")
    first, second = module.f, cached(cache=caches[1])(module.f.__wrapped__)
    assert first.key_for(1) == second.key_for(1)
    results = [first(1), second(1)]
    assert [first(1), second(1)] == results
    run_module(modules[0], caches[0], "'new'")
    assert (first.peek(1), second.peek(1)) == (None, None)


def test_same_named_functions_in_two_modules_never_share_entries(store, modules):
    """10: the module is part of the name."""
    cache = World("sync", store).cache
    first, second, _ = (run_module(name, cache, repr(name)) for name in modules)
    for _ in range(2):
        assert [first.f(1), second.f(1)] == modules[:2]


@pytest.mark.parametrize("options", ["", ", name='f'", ", key='f:{x}'"], ids=["plain", "name", "key"])
def test_redefining_a_function_drops_the_entries_of_the_old_one(store, modules, options):
    """10: after a reload, or in a notebook, nobody gets what the old code computed."""
    cache = World("sync", store).cache
    old = run_module(modules[0], cache, "'old'", options).f
    assert old(1) == "old"
    new = run_module(modules[0], cache, "'new'", options).f
    assert [new(1), new(1)] == ["new", "new"]
    assert new.stats().miss >= 1


def test_functions_of_one_name_in_one_module_never_share_entries(store, modules):
    """10: two lambdas, or two functions called `_`, are two functions on a shared store too."""
    cache = World("sync", store).cache
    module = types.ModuleType(modules[0])
    sys.modules[modules[0]] = module
    vars(module).update(cached=cached, cache=cache)
    source = "functions = [cached(cache=cache)(lambda x: x), cached(cache=cache)(lambda x: -x)]"
    exec(source, vars(module))
    for _ in range(2):
        assert [f(1) for f in module.functions] == [1, -1]


def test_functions_that_share_a_name_on_purpose_share_entries(world):
    """10: `name=` is what the user says it is."""
    calls = Calls()
    first = world.cached(name="shared name")(lambda x: calls())
    second = world.cached(name="shared name")(lambda x: calls())
    assert [world.run(first(1)), world.run(second(1))] == [1, 1]
