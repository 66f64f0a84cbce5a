"""Every kind of cached function, and what may stand above, below and around it: acceptance functions.md 11 to 15."""

import abc
import copy
import dataclasses
import enum
import functools
import gc
import inspect
import pickle
import pydoc
import types
import typing
import weakref
from contextlib import aclosing
from unittest import mock

import pytest

from cachelayer import Cache, KeyingError, OptionTypeError, cached
from cachelayer.functions import classmethods
from cachelayer.functions.wrappers import is_cached
from tests.functions.support import Background, Gate, World, until
from tests.naming import named

CACHE = Cache()


# -- one function of each kind, and a class with a method of each ---------------------------------------------------


@cached(cache=CACHE)
def plain(ids: list[int], *, more: str = "") -> list[int]:
    """Document plain."""
    return list(ids)


@cached(cache=CACHE)
async def coroutine(ids: list[int], *, more: str = "") -> list[int]:
    """Document coroutine."""
    return list(ids)


@cached(cache=CACHE)
def generator(ids: list[int], *, more: str = "") -> typing.Iterator[int]:
    """Document generator."""
    yield from ids


@cached(cache=CACHE)
async def async_generator(ids: list[int], *, more: str = "") -> typing.AsyncIterator[int]:
    """Document async_generator."""
    for each in ids:
        yield each


@cached.batch(cache=CACHE)
def batch(ids: list[int], *, more: str = "") -> list[int]:
    """Document batch."""
    return list(ids)


@cached.batch(cache=CACHE)
async def async_batch(ids: list[int], *, more: str = "") -> list[int]:
    """Document async_batch."""
    return list(ids)


KINDS = {f.__name__: f for f in (plain, coroutine, generator, async_generator, batch, async_batch)}

ASKED = {
    "plain": (False, False, False),
    "coroutine": (True, False, False),
    "generator": (False, True, False),
    "async_generator": (False, False, True),
    "batch": (False, False, False),
    "async_batch": (True, False, False),
}


class Service:
    """Has methods of all kinds, each of which gives [[number of the instance, run]] for [0]."""

    def __init__(self, number=0):
        self.number, self.runs = number, 0

    def run(self):
        """Count a run."""
        self.runs += 1
        return [self.number, self.runs]

    @cached(cache=CACHE)
    def plain(self, ids: list[int]) -> list[list[int]]:
        """Document plain."""
        return [self.run() for _ in ids]

    @cached(cache=CACHE)
    async def coroutine(self, ids: list[int]) -> list[list[int]]:
        """Document coroutine."""
        return [self.run() for _ in ids]

    @cached(cache=CACHE)
    def generator(self, ids: list[int]) -> typing.Iterator[list[int]]:
        """Document generator."""
        for _ in ids:
            yield self.run()

    @cached(cache=CACHE)
    async def async_generator(self, ids: list[int]) -> typing.AsyncIterator[list[int]]:
        """Document async_generator."""
        for _ in ids:
            yield self.run()

    @cached.batch(cache=CACHE)
    def batch(self, ids: list[int]) -> list[list[int]]:
        """Document batch."""
        return [self.run() for _ in ids]

    @cached.batch(cache=CACHE)
    async def async_batch(self, ids: list[int]) -> list[list[int]]:
        """Document async_batch."""
        return [self.run() for _ in ids]

    first_of_plain = functools.partialmethod(plain, [0])
    first_of_coroutine = functools.partialmethod(coroutine, [0])
    first_of_generator = functools.partialmethod(generator, [0])
    first_of_async_generator = functools.partialmethod(async_generator, [0])
    first_of_batch = functools.partialmethod(batch, [0])
    first_of_async_batch = functools.partialmethod(async_batch, [0])


def taken(result):
    """Return what a call gave, of whatever kind the function is, as a list."""
    if inspect.isgenerator(result):
        return list(result)
    if inspect.isasyncgen(result):
        return World("async", "memory").run(_collected(result))
    return World("sync", "memory").run(result)


async def _collected(run):
    async with aclosing(run):
        return [item async for item in run]


def methods_of(base, kind):
    """Return a subclass whose method overrides that of `base` and calls it by `super()`."""
    if kind in ("plain", "batch"):

        def method(self, ids) -> list:
            return [["sub", *each] for each in getattr(super(sub, self), kind)(ids)]

    elif kind in ("coroutine", "async_batch"):

        async def method(self, ids) -> list:
            return [["sub", *each] for each in await getattr(super(sub, self), kind)(ids)]

    elif kind == "generator":

        def method(self, ids):
            for each in getattr(super(sub, self), kind)(ids):
                yield ["sub", *each]

    else:

        async def method(self, ids):
            async for each in getattr(super(sub, self), kind)(ids):
                yield ["sub", *each]

    decorate = cached.batch if "batch" in kind else cached
    sub = type("Sub", (base,), {kind: decorate(cache=CACHE)(method)})
    return sub


@pytest.fixture(params=KINDS)
def kind(request):
    """The name of a function and of a method of one kind."""
    return request.param


# -- 11: instances --------------------------------------------------------------------------------------------------


def test_instances_are_told_apart(kind):
    """Each of 300 instances that come and go gets its own results (11)."""
    for number in range(300):
        service = Service(number)
        assert [taken(getattr(service, kind)([0])) for _ in range(2)] == [[[number, 1]]] * 2


def test_an_instance_is_collected(kind):
    """Nothing holds an instance on which a method was called (11)."""
    service = Service()
    taken(getattr(service, kind)([0]))
    reference = weakref.ref(service)
    del service
    gc.collect()
    assert reference() is None


def test_an_instance_that_is_dropped_while_its_generator_runs():
    """A run keeps its instance to the end; then it is let go of (11, 17)."""
    service = Service(1)
    reference = weakref.ref(service)
    run = service.generator([0, 0])
    assert next(run) == [1, 1]
    del service
    gc.collect()
    assert list(run) == [[1, 2]]
    del run
    gc.collect()
    assert reference() is None
    assert taken(Service(2).generator([0, 0])) == [[2, 1], [2, 2]]


def test_an_instance_that_is_dropped_while_its_refresh_runs():
    """A refresh in the background keeps its instance to the end; then it is let go of (11, 25)."""
    world, gate, held = World("sync", "memory"), Gate(), []

    class Slow:
        @world.cached(ttl=10, stale_while_revalidate=60)
        def method(self):
            if held:
                gate.hold()
            held.append(1)
            return len(held)

    slow = Slow()
    assert slow.method() == 1
    world.clock.advance(20)
    assert slow.method() == 1
    gate.wait_for_somebody()
    reference = weakref.ref(slow)
    del slow
    gc.collect()
    assert reference() is not None
    gate.open()

    def is_gone():
        gc.collect()
        return reference() is None

    until(is_gone)
    assert Slow().method() == 3


def test_an_instance_that_is_dropped_while_its_batch_runs():
    """A batch under way keeps its instance to the end (11, 37)."""
    world, gate = World("sync", "memory"), Gate()

    class Slow:
        @cached.batch(cache=world.cache)
        def method(self, ids) -> list:
            gate.hold()
            return [number * 2 for number in ids]

    call = Background(lambda: Slow().method([1, 2]))
    gate.wait_for_somebody()
    gc.collect()
    gate.open()
    assert call.result() == [2, 4]


def test_a_frozen_dataclass_is_told_apart_by_instance():
    """Equal frozen instances are two, as they may hold what their equality leaves out (11)."""

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        label: str = dataclasses.field(compare=False, default="")

        @cached(cache=CACHE)
        def shown(self):
            return f"{self.label}{self.x}"

    one, two = Point(1, "a"), Point(1, "b")
    assert one == two
    assert [one.shown(), two.shown(), one.shown()] == ["a1", "b1", "a1"]


def test_a_model_with_the_equality_of_its_primary_key():
    """Two objects of one row, as an ORM makes them, are two: one may have changed (11)."""

    class Model:
        def __init__(self, pk, name):
            self.pk, self.name = pk, name

        def __eq__(self, other):
            return isinstance(other, Model) and self.pk == other.pk

        def __hash__(self):
            return hash(self.pk)

        @cached(cache=CACHE)
        def title(self):
            return self.name.title()

    one, two = Model(1, "before"), Model(1, "after")
    assert [one.title(), two.title(), one.title()] == ["Before", "After", "Before"]


def test_a_shared_store_asks_how_to_tell_instances_apart(kind):
    """Each kind of method says what to do, before it computes (11)."""
    cache = World("sync", "six methods").cache
    method = getattr(Service, kind).__wrapped__
    decorate = cached.batch if "batch" in kind else cached
    shared = type("Shared", (Service,), {kind: decorate(cache=cache, name="app.Shared.method")(method)})
    service = shared()
    with pytest.raises(KeyingError, match=r"app\.Shared\.method .*shared store.*__cache_key__.*key="):
        taken(getattr(service, kind)([0]))
    assert service.runs == 0


# -- 12: class methods and static methods ---------------------------------------------------------------------------


class Above:
    """`@cached` above."""

    name = "above"

    @cached(cache=CACHE)
    @classmethod
    def plain(cls, ids):
        """Document plain."""
        return [cls.name for _ in ids]

    @cached(cache=CACHE)
    @classmethod
    async def coroutine(cls, ids):
        """Document coroutine."""
        return [cls.name for _ in ids]

    @cached(cache=CACHE)
    @classmethod
    def generator(cls, ids):
        """Document generator."""
        for _ in ids:
            yield cls.name

    @cached(cache=CACHE)
    @classmethod
    async def async_generator(cls, ids):
        """Document async_generator."""
        for _ in ids:
            yield cls.name

    @cached.batch(cache=CACHE)
    @classmethod
    def batch(cls, ids) -> list:
        """Document batch."""
        return [cls.name for _ in ids]

    @cached.batch(cache=CACHE)
    @classmethod
    async def async_batch(cls, ids) -> list:
        """Document async_batch."""
        return [cls.name for _ in ids]

    @cached(cache=CACHE)
    @staticmethod
    def static(first, second=0):
        """Document static."""
        return [first, second]


class Below:
    """`@cached` below."""

    name = "below"

    @classmethod
    @cached(cache=CACHE)
    def plain(cls, ids):
        """Document plain."""
        return [cls.name for _ in ids]

    @classmethod
    @cached(cache=CACHE)
    async def coroutine(cls, ids):
        """Document coroutine."""
        return [cls.name for _ in ids]

    @classmethod
    @cached(cache=CACHE)
    def generator(cls, ids):
        """Document generator."""
        for _ in ids:
            yield cls.name

    @classmethod
    @cached(cache=CACHE)
    async def async_generator(cls, ids):
        """Document async_generator."""
        for _ in ids:
            yield cls.name

    @classmethod
    @cached.batch(cache=CACHE)
    def batch(cls, ids) -> list:
        """Document batch."""
        return [cls.name for _ in ids]

    @classmethod
    @cached.batch(cache=CACHE)
    async def async_batch(cls, ids) -> list:
        """Document async_batch."""
        return [cls.name for _ in ids]

    @staticmethod
    @cached(cache=CACHE)
    def static(first, second=0):
        """Document static."""
        return [first, second]


class SubAbove(Above):
    """Has entries of its own."""

    name = "sub"


class SubBelow(Below):
    """Has entries of its own."""

    name = "sub"


@pytest.mark.parametrize(("base", "sub"), [(Above, SubAbove), (Below, SubBelow)], ids=["above", "below"])
def test_class_methods_have_their_verbs_in_either_order(kind, base, sub):
    """Verbs never name the class, on the class, its instances and its subclasses, which have their own entries (12)."""
    argument = 0 if "batch" in kind else [0]
    shown = base.name if "batch" in kind else [base.name]
    for owner in (base, sub, base(), sub()):
        getattr(owner, kind).cache_clear()
    for _ in range(2):
        assert taken(getattr(base, kind)([0])) == taken(getattr(base(), kind)([0])) == [base.name]
        assert taken(getattr(sub, kind)([0])) == taken(getattr(sub(), kind)([0])) == ["sub"]
    assert taken(getattr(base, kind).peek(argument)) == shown
    assert taken(getattr(sub, kind).invalidate(argument)) is True
    assert taken(getattr(sub, kind).peek(argument)) is None
    assert taken(getattr(base(), kind).peek(argument)) == shown
    assert taken(getattr(base, kind).refresh(argument)) == shown
    assert taken(getattr(sub, kind).uncached([0])) == ["sub"]
    assert getattr(base, kind).key_for(argument) != getattr(sub, kind).key_for(argument)
    assert getattr(base, kind).__self__ is base
    assert not [name for name in vars(base) if "cachelayer" in name]


@pytest.mark.parametrize("base", [Above, Below])
def test_static_methods_have_their_verbs_in_either_order(base):
    """A static method is the cached function itself (12)."""
    for owner in (base, base()):
        assert owner.static(1) == owner.static(first=1, second=0) == [1, 0]
        assert owner.static.peek(1) == [1, 0]
        assert owner.static.invalidate(1) is True
        assert owner.static.peek(1) is None


def exchanged(monkeypatch):
    """Let class methods be found as they have to be since Python 3.13, on all Pythons."""
    monkeypatch.setattr(classmethods, "CHAINS", False)


def test_the_class_takes_its_cached_class_methods(monkeypatch):
    """Where `classmethod` asks nobody, the class binds what stands below it, and shows no trace of how (12)."""
    exchanged(monkeypatch)

    class Base:
        @classmethod
        @cached(cache=CACHE)
        def create(cls):
            return cls.__name__

        @classmethod
        def other(cls):
            return cls

        @staticmethod
        @cached(cache=CACHE)
        def static(x):
            return x

        @cached(cache=CACHE)
        def this(this):  # noqa: N805 - its name does not say what it is
            return "method"

    assert type(vars(Base)["create"]) is classmethods.CachedClassMethod
    assert type(vars(Base)["other"]) is classmethod
    assert type(vars(Base)["static"]) is staticmethod
    assert not [name for name in vars(Base) if "cachelayer" in name]
    assert Base.create() == Base.create.peek() == "Base"
    assert (Base.other(), Base.static(1), Base().this()) == (Base, 1, "method")


def test_a_nested_class_and_a_decorator_between_are_no_trouble(monkeypatch):
    """It is the class in whose body the method is written (12)."""
    exchanged(monkeypatch)

    def deeply(function):
        def between():
            return cached(cache=CACHE)(function)

        return between()

    class Outer:
        class Inner:
            @classmethod
            @deeply
            def create(cls):
                return cls.__qualname__.rpartition(".")[2]

        @classmethod
        @deeply
        def create(cls):
            return cls.__name__

    assert [Outer.create(), Outer.create.peek()] == ["Outer", "Outer"]
    assert [Outer.Inner.create(), Outer.Inner.create.peek()] == ["Inner", "Inner"]


def test_class_methods_of_an_enum_a_dataclass_and_an_abstract_class(monkeypatch):
    """Classes that are made in ways of their own keep their members and fields (12, 15)."""
    exchanged(monkeypatch)

    class Colour(enum.Enum):
        RED = 1

        @classmethod
        @cached(cache=CACHE)
        def names(cls):
            return [each.name for each in cls]

        @cached(cache=CACHE)
        def shown(self):
            return self.name

    @dataclasses.dataclass(slots=True)
    class Point:
        x: int

        @classmethod
        @cached(cache=CACHE)
        def names(cls):
            return [field.name for field in dataclasses.fields(cls)]

    class Base(abc.ABC):
        @classmethod
        @cached(cache=CACHE)
        @abc.abstractmethod
        def names(cls): ...

    assert Colour.names() == Colour.names.peek() == ["RED"]
    assert Colour.RED.shown() == Colour.RED.shown.peek() == "RED"
    assert list(Colour) == [Colour.RED]
    assert Point.names() == Point.names.peek() == ["x"]
    assert Base.__abstractmethods__ == {"names"}
    assert all(is_cached(vars(each)["names"].__func__) for each in (Colour, Point, Base))


def test_a_class_that_is_made_without_a_body_calls_its_class_methods():
    """Calls are right there too; since Python 3.13 its verbs want the class (12)."""
    made = type("Made", (), {"create": classmethod(cached(cache=CACHE)(lambda cls: cls.__name__))})
    assert made.create() == made.create() == "Made"
    assert made.create.peek(*() if classmethods.CHAINS else (made,)) == "Made"


def test_a_hit_on_a_class_goes_the_short_way_and_holds_no_class():
    """A class has a shortcut as an instance has one; a key that the user makes keeps the long way (11, 12)."""

    class Base:
        @cached(cache=CACHE)
        @classmethod
        def create(cls, x):
            return [cls.__name__, x]

        @cached(cache=CACHE, key=lambda cls, x: f"create:{cls.region}:{x}")
        @classmethod
        def by_key(cls, x):
            return [cls.region, x]

        region = "eu"

    sub, receivers = type("Sub", (Base,), {}), Base.create._core().keys.receivers
    for _ in range(2):
        assert [Base.create(1), sub.create(1)] == [["Base", 1], ["Sub", 1]]
    assert [len(receivers.shortcut(each)) for each in (Base, sub)] == [1, 1]
    assert sub.create.invalidate(1) is True
    assert [len(receivers.shortcut(each)) for each in (Base, sub)] == [1, 0]
    assert Base.by_key(1) == ["eu", 1]
    Base.region = "us"
    assert Base.by_key(1) == ["us", 1]
    reference = weakref.ref(sub)
    del sub
    gc.collect()
    assert reference() is None
    assert len(receivers.finders) == 1


def test_a_class_that_is_used_before_its_module_has_it():
    """What is invalidated later is what the class was given then, although its keys are others by now (12, 34)."""
    given = []

    class Base:
        def __init_subclass__(cls):
            given.append(cls.create())

        @cached(cache=CACHE)
        @classmethod
        def create(cls):
            return len(given)

    made = type("MadeInThisModule", (Base,), {"__module__": __name__, "__qualname__": "MadeInThisModule"})
    before = made.create.key_for()
    with mock.patch.dict(globals(), {"MadeInThisModule": made}):
        assert made.create.key_for() != before
        made.create.invalidate()
        assert (given, made.create(), made.create()) == ([0], 1, 1)


def test_methods_of_a_metaclass():
    """The classes are its instances (12)."""

    class Meta(type):
        @cached(cache=CACHE)
        def described(cls, x):
            return [cls.__name__, x]

    one, two = Meta("One", (), {}), Meta("Two", (), {})
    for _ in range(2):
        assert [one.described(1), two.described(1)] == [["One", 1], ["Two", 1]]
    assert one.described.invalidate(1) is True
    assert (one.described.peek(1), two.described.peek(1)) == (None, ["Two", 1])


# -- 13, 14: overrides, and what stands around ----------------------------------------------------------------------


def test_an_override_that_calls_super(kind):
    """Whatever kind they are, the method of a class and that of its subclass are two (13)."""
    service = methods_of(Service, kind)(7)
    for _ in range(2):
        assert taken(getattr(service, kind)([0])) == [["sub", 7, 1]]
        assert taken(getattr(super(type(service), service), kind)([0])) == [[7, 1]]
    assert service.runs == 1


def test_partial_and_partialmethod(kind):
    """They share the entries of what they are made of (14)."""
    service = Service()
    assert taken(functools.partial(getattr(service, kind), [0])()) == [[0, 1]]
    assert taken(getattr(service, f"first_of_{kind}")()) == [[0, 1]]
    assert taken(functools.partial(KINDS[kind], more="x")([1])) == [1]
    assert service.runs == 1


def test_a_callable_instance():
    """A cached `__call__`, sync or async, is one of its class (14)."""

    class Sync:
        @cached(cache=CACHE)
        def __call__(self, x):
            return [id(self), x]

    class Async:
        @cached(cache=CACHE)
        async def __call__(self, x):
            return [id(self), x]

    for each in (Sync(), Sync(), Async(), Async()):
        assert taken(each(1)) == taken(each(1)) == [id(each), 1]
    assert inspect.iscoroutinefunction(Async().__call__)


def test_properties():
    """`@property` and `@cached_property` go above (14)."""

    class Owner:
        def __init__(self, number):
            self.number = number

        @property
        @cached(cache=CACHE)
        def value(self):
            return [self.number]

        @functools.cached_property
        @cached(cache=CACHE)
        def once(self):
            return [self.number]

    one, two = Owner(1), Owner(2)
    for _ in range(2):
        assert [one.value, two.value, one.once, two.once] == [[1], [2], [1], [2]]


def test_singledispatchmethod():
    """`@singledispatchmethod` goes above, and each implementation has its own entries (14)."""

    class Owner:
        @functools.singledispatchmethod
        @cached(cache=CACHE)
        def shown(self, x):
            return "object"

        @shown.register
        @cached(cache=CACHE)
        def _(self, x: int):
            return "int"

    owner = Owner()
    assert [owner.shown(x) for x in (1, "1", 1, "1")] == ["int", "object", "int", "object"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (functools.cached_property(len), "below @cached_property"),
        (functools.singledispatchmethod(len), "below @singledispatchmethod"),
        ("".__len__, "wrap this method-wrapper in one"),
        (str.upper, "wrap this method_descriptor in one"),
        (functools.partial(len), "wrap this partial in one"),
    ],
    ids=named,
)
def test_what_cannot_be_decorated_says_what_to_do(what, message):
    """The error at decoration names the remedy, with and without options (14)."""
    for decorate in (cached, cached(ttl=60), cached.batch):
        with pytest.raises(OptionTypeError, match=message):
            decorate(what)


def test_abstract_methods(kind):
    """A cached abstract method stays abstract, in either order (14, 15)."""
    body = KINDS[kind].__wrapped__
    abstract = abc.abstractmethod(types.FunctionType(body.__code__, globals(), "method"))
    decorate = cached.batch(cache=CACHE) if "batch" in kind else cached(cache=CACHE)
    base = abc.ABCMeta("Base", (), {"method": decorate(abstract)})
    assert base.__abstractmethods__ == {"method"}
    with pytest.raises(TypeError, match="abstract"):
        base()
    above = abc.ABCMeta("Above", (), {"method": abc.abstractmethod(decorate(body))})
    assert above.__abstractmethods__ == {"method"}
    del above.method.__wrapped__.__isabstractmethod__


# -- 15: what it looks like -----------------------------------------------------------------------------------------


def test_inspect_sees_the_function(kind):
    """`inspect` and documentation tools get the function's own answers, of functions and bound methods (15)."""
    for function in (KINDS[kind], Service.__dict__[kind]):
        inner = function.__wrapped__
        assert inspect.signature(function) == inspect.signature(inner)
        assert inspect.unwrap(function) is inner
        assert inspect.getdoc(function) == f"Document {kind}."
        assert (function.__module__, function.__qualname__) == (__name__, inner.__qualname__)
        assert typing.get_type_hints(function) == typing.get_type_hints(inner)
        asked = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        assert tuple(ask(function) for ask in asked) == ASKED[kind]
        assert inspect.isfunction(function)
        assert f"Document {kind}." in pydoc.render_doc(function, renderer=pydoc.plaintext)


def test_inspect_sees_the_bound_method(kind):
    """A bound method answers as one of the function itself would (15)."""
    service = Service()
    bound, inner = getattr(service, kind), types.MethodType(Service.__dict__[kind].__wrapped__, service)
    assert inspect.signature(bound) == inspect.signature(inner)
    for name in ("__doc__", "__module__", "__name__", "__qualname__", "__annotations__"):
        assert getattr(bound, name) == getattr(inner, name)
    assert inspect.getdoc(bound) == f"Document {kind}."
    assert typing.get_type_hints(bound) == typing.get_type_hints(inner)
    asked = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    assert tuple(ask(bound) for ask in asked) == ASKED[kind]
    assert inspect.ismethod(bound)
    shown = pydoc.render_doc(bound, renderer=pydoc.plaintext)
    assert f"method {kind} in module {__name__}" in shown
    assert f"Document {kind}." in shown


def test_pickles_and_copies(kind):
    """Functions go by reference; bound methods go with their instance (15)."""
    function, service = KINDS[kind], Service(3)
    assert pickle.loads(pickle.dumps(function)) is copy.copy(function) is copy.deepcopy(function) is function
    assert weakref.ref(function)() is function
    bound = getattr(service, kind)
    assert taken(pickle.loads(pickle.dumps(bound))([0])) == [[3, 1]]
    assert copy.copy(bound).__self__ is service
    deep = copy.deepcopy({"service": service, "bound": bound})
    assert deep["bound"].__self__ is deep["service"] is not service
    assert taken(deep["bound"]([0])) == [[3, 1]]
    assert service.runs == 0


def test_mocks_and_monkeypatches(kind, monkeypatch):
    """Tests may replace the method, on the class or an instance, and one of its verbs, and all is as before (15)."""
    service = Service()
    with mock.patch.object(Service, kind, return_value=7):
        assert taken(getattr(service, kind)([0])) == 7
    with mock.patch.object(KINDS[kind], "key_for", return_value="patched"):
        assert KINDS[kind].key_for([1]) == "patched"
    assert KINDS[kind].key_for([1]) != "patched"
    with monkeypatch.context() as patch:
        patch.setattr(service, kind, lambda ids: "instance")
        assert getattr(service, kind)([0]) == "instance"
    assert taken(getattr(service, kind)([0])) == [[0, 1]]
    assert inspect.signature(mock.create_autospec(KINDS[kind])) == inspect.signature(KINDS[kind])


# -- 36: verbs of each kind -----------------------------------------------------------------------------------------


def test_verbs_know_what_a_call_gives(kind):
    """Results are as of the call, lists of items for generators, the item's own for batch functions (36, 37)."""
    service = Service(5)
    bound = getattr(service, kind)
    argument, shown = (0, [5, 1]) if "batch" in kind else ([0], [[5, 1]])
    assert taken(bound.peek(argument)) is None
    assert taken(bound.refresh(argument)) == shown
    assert taken(bound.peek(argument)) == shown
    assert taken(bound([0])) == [[5, 1]]
    assert taken(bound.set(shown * 2, argument)) is True
    assert taken(bound.peek(argument)) == shown * 2
    assert taken(bound.invalidate(argument)) is True
    assert taken(bound.uncached(ids=[0])) == [[5, 2]]
    assert taken(bound.peek(argument)) is None


def test_many_of_each_kind(kind):
    """`many` gives what each call gives, from the cache as far as that has it (36, 37)."""
    service = Service(5)
    bound = getattr(service, kind)
    if "batch" in kind:
        taken(bound([1]))
        assert taken(bound.many(iter([1, 2, 1]))) == [[5, 1], [5, 2], [5, 1]]
    else:
        taken(bound([1]))
        assert taken(bound.many(iter([[1], [2, 2]]))) == [[[5, 1]], [[5, 2], [5, 3]]]


def test_refresh_of_an_item_that_the_function_leaves_out():
    """There is nothing to return or to store: KeyError (36, 37)."""

    @cached.batch(cache=CACHE)
    def load(ids) -> dict:
        return {number: number for number in ids if number > 0}

    assert load.refresh(1) == load.peek(1) == 1
    with pytest.raises(KeyError):
        load.refresh(-1)
    with pytest.raises(KeyError):
        load.many([1, -1])
    assert load.peek(-1) is None
