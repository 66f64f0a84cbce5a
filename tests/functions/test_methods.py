"""Methods: acceptance functions.md 11 to 14."""

import functools
import gc
import inspect
import types
import typing
import weakref
from dataclasses import dataclass

import pytest

from cachelayer import Cache, KeyingError, OptionTypeError, cached
from cachelayer import default as default_module
from tests.functions.support import Calls, World
from tests.naming import named


@pytest.fixture
def memory(colour):
    """A world in memory: instances without a `__cache_key__` live in one process."""
    return World(colour, "memory")


def service_class(world, **options):
    """Return a class with a cached method."""

    class Service:
        def __init__(self, number):
            self.number = number

        @world.cached(**options)
        def method(self, x, y=0):
            return [self.number, x, y]

    return Service


# -- instances --------------------------------------------------------------------------------------------------


def test_two_instances_have_two_entries(memory):
    """11: an instance's results are its own, in every spelling of the call."""
    kind = service_class(memory)
    services = [kind(n) for n in range(3)]
    for _ in range(2):
        for service in services:
            assert memory.run(service.method(1)) == [service.number, 1, 0]
            assert memory.run(service.method(x=1, y=0)) == [service.number, 1, 0]
            assert memory.run(kind.method(service, 1)) == [service.number, 1, 0]
    assert kind.method.stats().miss == 3


def test_300_instances_in_a_loop_give_no_wrong_answer(memory):
    """11: an instance that comes to the address of one that is gone gets nothing of its."""
    kind = service_class(memory)
    wrong = 0
    for n in range(300):
        service = kind(n)
        wrong += [memory.run(service.method(1)) for _ in range(2)] != [[n, 1, 0]] * 2
        del service
    assert wrong == 0
    assert kind.method.stats().miss == kind.method.stats().hit == 300


def test_a_dropped_instance_is_collected_and_its_entries_with_it(memory):
    """11: the cache holds no strong reference, and forgets what it kept for instances that are gone."""
    kind = service_class(memory)
    survivor = kind(-1)
    memory.run(survivor.method(1))
    references = []
    for n in range(50):
        service = kind(n)
        memory.run(service.method(1))
        memory.run(service.method(2))
        references.append(weakref.ref(service))
        del service
    gc.collect()
    assert [reference() for reference in references if reference() is not None] == []
    memory.run(survivor.method(3))
    assert memory.cache.backend.get_stats().current_entries == 2
    receivers = kind.method._core().keys.receivers
    assert len(receivers._known) == len(receivers.finders) == 1
    assert not receivers.ended


def test_an_instance_in_a_cycle_that_calls_the_method_as_it_dies(memory):
    """11: a finalizer may call the method: it gets its own instance's result."""
    wrong = []

    class Service:
        def __init__(self, number):
            self.number, self.itself = number, self

        def __del__(self):
            if memory.run(self.method()) != self.number:
                wrong.append(self.number)

        @memory.cached()
        def method(self):
            return self.number

    for n in range(60):
        service = Service(n)
        assert memory.run(service.method()) == n
        del service
        if n % 7 == 0:
            gc.collect()
    gc.collect()
    assert wrong == []


class Money(int):
    """An int that takes no weak references."""

    @cached(cache=Cache())
    def doubled(self):
        """Return twice its value."""
        return int(self) * 2


class Place(typing.NamedTuple):
    x: int
    y: int

    @cached(cache=Cache())
    def total(self):
        """Return the sum."""
        return self.x + self.y


@dataclass(frozen=True, slots=True)
class Frozen:
    x: int

    @cached(cache=Cache())
    def doubled(self):
        """Return twice its value."""
        return self.x * 2


def test_instances_without_weak_references_are_known_by_their_value():
    """11: an int, a named tuple, a dataclass with slots: equal instances share an entry, others do not."""
    for _ in range(2):
        assert [Money(n).doubled() for n in (1, 2)] == [2, 4]
        assert [Place(n, 1).total() for n in (1, 2)] == [2, 3]
        assert [Frozen(n).doubled() for n in (1, 2)] == [2, 4]


def test_slots_without_weak_references_raise(memory):
    """11: what can be told apart neither by reference nor by value says so, and what to do."""

    class Slots:
        __slots__ = ("x",)

        @memory.cached(name="app.Slots.method")
        def method(self):
            return 1

    with pytest.raises(KeyingError) as raised:
        memory.run(Slots().method())
    for part in ("app.Slots.method", "Slots", "__cache_key__", "__weakref__", "key="):
        assert part in str(raised.value)


def test_slots_with_weak_references_work(memory):
    """11: `__weakref__` in the slots is all it takes."""

    class Slots:
        __slots__ = ("__weakref__", "x")

        @memory.cached()
        def method(self):
            return self.x

    one, two = Slots(), Slots()
    one.x, two.x = 1, 2
    assert [memory.run(each.method()) for each in (one, two, one, two)] == [1, 2, 1, 2]


def test_instances_that_are_equal_or_not_hashable_are_told_apart(memory):
    """11: it is the instance that counts, not its `__eq__`."""

    @dataclass
    class Service:
        number: int

        def __eq__(self, other):
            return True

        __hash__ = None

        @memory.cached()
        def method(self):
            return self.number

    assert [memory.run(Service(n).method()) for n in (1, 2)] == [1, 2]


def test_a_cache_key_tells_instances_apart(world):
    """11: `__cache_key__` makes an instance's identity its value, on any store."""
    calls = Calls()

    class Service:
        def __init__(self, region):
            self.region = region

        def __cache_key__(self):
            return self.region

        @world.cached()
        def method(self, x):
            return [self.region, calls()]

    assert [world.run(Service(r).method(1)) for r in ("eu", "us", "eu")] == [["eu", 1], ["us", 2], ["eu", 1]]


def test_a_shared_store_wants_to_know_how_to_tell_instances_apart(colour):
    """11: without `__cache_key__` or key= the first call raises, names the method and says so."""
    world = World(colour, "six methods")
    kind = service_class(world, name="app.Service.method")
    with pytest.raises(
        KeyingError, match=r"app\.Service\.method .* shared store.* Service .*__cache_key__.*key="
    ):
        world.run(kind(1).method(1))
    by_key = service_class(world, key="service:{self.number}:{x}:{y}")
    assert [world.run(by_key(n).method(1)) for n in (1, 2, 1)] == [[1, 1, 0], [2, 1, 0], [1, 1, 0]]
    ignored = service_class(world, ignore=["self"])
    assert [world.run(ignored(n).method(1)) for n in (1, 2)] == [[1, 1, 0]] * 2


# -- classes ----------------------------------------------------------------------------------------------------


def both_orders(world, kind):
    """Return the two ways to stack `@cached` and classmethod or staticmethod."""
    return {
        "above": lambda body: world.cached()(kind(world.coloured(body))),
        "below": lambda body: kind(world.cached()(body)),
    }


@pytest.mark.parametrize("order", ["above", "below"])
def test_classmethods(world, order):
    """12: above or below @classmethod; each subclass has its own entry, instances share their class's."""
    calls = Calls()

    class Base:
        @both_orders(world, classmethod)[order]
        def create(cls, x):  # noqa: N805 - it becomes a classmethod
            return [cls.__name__, x, calls()]

    class Sub(Base):
        pass

    assert world.run(Base.create(1)) == world.run(Base().create(x=1)) == ["Base", 1, 1]
    assert world.run(Sub.create(1)) == world.run(Sub().create(1)) == ["Sub", 1, 2]
    assert world.run(Base.create(1)) == ["Base", 1, 1]


@pytest.mark.parametrize("order", ["above", "below"])
def test_staticmethods(world, order):
    """12: above or below @staticmethod: one entry, from class and instance alike."""
    calls = Calls()

    class Base:
        @both_orders(world, staticmethod)[order]
        def compute(x, y=0):  # noqa: N805 - it becomes a staticmethod
            return [x, y, calls()]

    assert world.run(Base.compute(1)) == world.run(Base().compute(1, 0)) == [1, 0, 1]
    assert world.run(Base().compute(2)) == [2, 0, 2]


def test_a_classmethod_above_keeps_its_controls(world):
    """12, 36: with @cached above @classmethod the bound method has the controls."""
    calls = Calls()

    class Base:
        @world.cached()
        @classmethod
        def create(cls, x):
            return calls()

    world.run(Base.create(1))
    assert world.run(Base.create.peek(1)) == 1
    assert world.run(Base.create.invalidate(1)) is True
    assert world.run(Base.create(1)) == 2
    assert Base.create.key_for(1) == Base().create.key_for(1)


def test_an_async_classmethod_above_is_cached():
    """12: an async function below @classmethod below @cached is awaited and cached."""
    world, calls = World("async", "memory"), Calls()

    class Base:
        @cached(cache=world.cache)
        @classmethod
        async def create(cls, x):
            return [x, calls()]

        @cached(cache=world.cache)
        @staticmethod
        async def compute(x):
            return [x, calls()]

    assert [world.run(Base.create(1)) for _ in range(2)] == [[1, 1]] * 2
    assert [world.run(Base().compute(1)) for _ in range(2)] == [[1, 2]] * 2


def test_an_override_that_calls_super_shares_no_entry_with_it(memory):
    """13: the methods of a class and of its subclass are two functions, on one instance too."""

    class Base:
        @memory.cached()
        def method(self, x):
            return ["base", x]

    class Sub(Base):
        @memory.cached()
        def method(self, x):
            below = super().method(x)
            return _after(memory, below, lambda result: ["sub", *result])

    sub = Sub()
    for _ in range(2):
        assert memory.run(sub.method(1)) == ["sub", "base", 1]
        assert memory.run(super(Sub, sub).method(1)) == ["base", 1]


def test_an_inherited_method_is_cached_for_each_instance(memory):
    """11, 13: instances of a class and of its subclass that does not override are told apart."""
    kind = service_class(memory)
    sub = type("Sub", (kind,), {})
    one, two = kind(1), sub(2)
    assert [memory.run(each.method(1))[0] for each in (one, two, one, two)] == [1, 2, 1, 2]


def _after(world, result, then):
    async def wait():
        return then(await result)

    return wait() if world.colour == "async" else then(result)


# -- other callables --------------------------------------------------------------------------------------------


def test_a_function_that_a_class_takes_as_attribute_still_works_by_itself(memory):
    """14: `class Options: loader = f` makes a method of f, and leaves calls of f as they are."""
    f = memory.cached()(lambda x: x)

    class Options:
        loader = f

    for _ in range(2):
        assert memory.run(f(3)) == memory.run(Options.loader(3)) == 3
        assert memory.run(f("a")) == "a"
    options = Options()
    assert memory.run(f.invalidate(3)) is True
    del options


def test_a_property_over_a_cached_method(memory):
    """14: @property goes above @cached."""
    calls = Calls()

    class Service:
        @property
        @memory.cached()
        def value(self):
            return calls()

    one, two = Service(), Service()
    assert [memory.run(each.value) for each in (one, two, one)] == [1, 2, 1]


def test_a_partial_of_a_cached_function(world):
    """14: functools.partial and partialmethod of a cached function share its entries."""
    calls = Calls()
    f = world.cached()(lambda x, y=0: [x, y, calls()])
    assert world.run(functools.partial(f, 1)()) == world.run(functools.partial(f, y=0)(1)) == [1, 0, 1]


def test_a_partialmethod_of_a_cached_method(memory):
    """14: partialmethod binds the instance and its own arguments."""
    calls = Calls()

    class Service:
        @memory.cached()
        def method(self, x):
            return [x, calls()]

        first = functools.partialmethod(method, 1)

    service = Service()
    assert memory.run(service.first()) == memory.run(service.method(1)) == [1, 1]


class Callable_:  # noqa: N801 - it stands for any class
    def __call__(self, x):
        """Return it."""
        return x

    def method(self, x):
        """Return it."""
        return x


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (functools.partial(len), "wrap this partial in one"),
        (functools.partialmethod(len), "partialmethod"),
        (property(len), "below @property"),
        (Callable_(), "wrap this Callable_ in one"),
        (Callable_, "decorate a function that makes a Callable_"),
        (int, "decorate a function that makes a int"),
        (7, "not on int 7; options go by keyword"),
        ("user:{id}", "options go by keyword"),
        (60.0, "options go by keyword"),
    ],
    ids=named,
)
def test_what_cannot_be_decorated_raises_at_decoration(what, message):
    """14: the error says what to do instead."""
    for decorate in (cached, cached(cache=Cache())):
        with pytest.raises(OptionTypeError, match=message):
            decorate(what)


def test_builtins_and_bound_methods_can_be_decorated():
    """14: whatever is a function with a readable signature."""
    calls = []
    length = cached(cache=Cache())(len)
    assert [length([1, 2]), length([1, 2]), length("abc")] == [2, 2, 3]
    bound = cached(cache=Cache(), name="bound")(Callable_().method)
    assert [bound(1), bound(1)] == [1, 1]
    assert calls == []


def test_a_function_without_a_signature_raises():
    """14: what cannot be bound cannot be keyed, and says so."""
    with pytest.raises(OptionTypeError, match="no readable signature"):
        cached(cache=Cache())(max)


# -- bound methods ----------------------------------------------------------------------------------------------


def test_a_bound_method_looks_like_one(memory):
    """15: `__self__`, `__func__`, equality, hash and inspect are those of a bound method."""
    kind = service_class(memory)
    service, other = kind(1), kind(2)
    bound = service.method
    assert bound.__self__ is service
    assert bound.__func__ is kind.method
    assert isinstance(bound, types.MethodType)
    assert inspect.ismethod(bound)
    assert inspect.iscoroutinefunction(bound) == (memory.colour == "async")
    assert bound == service.method
    assert hash(bound) == hash(service.method)
    assert bound != other.method
    assert bound.__name__ == "method"
    assert str(inspect.signature(bound)) == "(x, y=0)"
    assert "method" in repr(bound)
    assert repr(service) in repr(bound)


def test_looking_at_a_method_binds_no_cache(monkeypatch):
    """DESIGN: the cache is bound at first use: reading an attribute of an instance is none."""
    monkeypatch.setattr(default_module, "_used", False)
    monkeypatch.setattr(default_module, "_default", None)

    class Service:
        @cached
        def method(self):
            return 1

    service = Service()
    inspect.getmembers(service)
    assert not default_module._used
    assert service.method() == service.method() == 1
    assert service.method.stats().hit == 1
    assert default_module._used


def test_control_of_bound_methods_is_for_their_instance(memory):
    """36: invalidate, peek, set, refresh and uncached on a bound method do not name the instance."""
    kind = service_class(memory)
    one, two = kind(1), kind(2)
    for service in (one, two):
        memory.run(service.method(1))
    assert memory.run(one.method.invalidate(1)) is True
    assert memory.run(one.method.peek(1)) is None
    assert memory.run(two.method.peek(1)) == [2, 1, 0]
    assert memory.run(one.method.set(["set"], 1)) is True
    assert memory.run(one.method(1)) == ["set"]
    assert memory.run(one.method.uncached(1)) == [1, 1, 0]
    assert memory.run(one.method.refresh(1)) == memory.run(one.method(1)) == [1, 1, 0]
    assert one.method.key_for(1) != two.method.key_for(1)
    assert list(one.method.explain_key(1)) == ["self", "x", "y"]
    assert one.method.stats() == kind.method.stats()
    assert memory.run(one.method.invalidate_all()) == 2
    assert memory.run(two.method.peek(1)) is None
