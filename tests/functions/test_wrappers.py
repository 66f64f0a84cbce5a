"""What users hold looks like the function they wrote: acceptance functions.md 15."""

import asyncio
import copy
import inspect
import pickle
import pickletools
import typing

import pytest

from cachelayer import Cache, cached

CACHE = Cache()


@cached(cache=CACHE)
def load(user_id: int, *rest: str, fresh: bool = False) -> list[int]:
    """Load a user."""
    return [user_id]


@cached(cache=CACHE)
async def aload(user_id: int, *, fresh: bool = False) -> list[int]:
    """Load a user, async."""
    return [user_id]


class Service:
    @cached(cache=CACHE)
    def method(self, x: int) -> int:
        """Compute."""
        return x

    @cached(cache=CACHE)
    async def amethod(self, x: int) -> int:
        """Compute, async."""
        return x


def bare(x):
    """Return it."""
    return x


FUNCTIONS = {"sync": load, "async": aload, "method": Service.method, "async method": Service.amethod}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_name_signature_docstring_and_annotations_are_kept(function):
    """15: all that introspection asks is answered as the function itself would."""
    inner = function.__wrapped__
    assert inspect.signature(function) == inspect.signature(inner)
    assert typing.get_type_hints(function) == typing.get_type_hints(inner)
    for name in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__defaults__",
        "__code__",
    ):
        assert getattr(function, name) == getattr(inner, name)
    assert inspect.getsource(function) == inspect.getsource(inner)
    assert inspect.isfunction(function)
    assert inspect.isroutine(function)
    assert callable(function)
    assert inspect.unwrap(function) is inner


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_look_at_the_class_hides_no_annotations(function):
    """15: Python gives each class a dict of annotations when somebody asks for it; a function keeps its own."""
    for kind in type(function).__mro__:
        getattr(kind, "__annotations__", None)
    assert function.__annotations__ == function.__wrapped__.__annotations__ != {}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_coroutine_function_stays_one(function):
    """15: `inspect.iscoroutinefunction` tells the colour."""
    assert inspect.iscoroutinefunction(function) == function.__name__.startswith("a")
    assert inspect.iscoroutinefunction(cached(bare)) is False


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles_by_reference(function, protocol):
    """15: a pickle holds the name alone, which finds the very same cached function again."""
    data = pickle.dumps(function, protocol)
    assert pickle.loads(data) is function
    assert len(data) < 150
    assert "cachelayer" not in str([argument for _, argument, _ in pickletools.genops(data)])


def test_a_bound_method_pickles_with_its_instance():
    """15: a bound method comes back bound to a copy of its instance."""
    bound = pickle.loads(pickle.dumps(Service().method))
    assert type(bound.__self__) is Service
    assert bound(1) == 1


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_it_copies_and_deepcopies_as_functions_do(function):
    """15: a copy of a function is the function."""
    assert copy.copy(function) is function
    assert copy.deepcopy(function) is function
    assert copy.deepcopy({"f": [function]})["f"][0] is function


def test_attributes_of_the_function_are_its_own():
    """15: attributes that are set on the cached function are seen on it and kept."""

    def f():
        return 1

    f.marked = True
    wrapped = cached(cache=Cache())(f)
    assert wrapped.marked is True
    wrapped.more = 2
    assert wrapped.more == 2
    assert wrapped == f
    assert hash(wrapped) == hash(f)
    assert "f" in repr(wrapped)


def test_two_functions_do_not_share_their_class_attributes():
    """15: each cached function is called by its own code."""
    one, two = (cached(cache=Cache())(body) for body in (lambda x: x + 1, lambda x: x + 2))
    assert [one(1), two(1), one(1), two(1)] == [2, 3, 2, 3]
    assert type(one) is not type(two)


ODD = {
    "parameters named as ours": lambda _place, _entry, _get=1, _slow=2, _type=3: [
        _place,
        _entry,
        _get,
        _slow,
        _type,
    ],
    "more of ours": lambda _now, _touch=2, _tick=3, _value=4, _id=5: [_now, _touch, _tick, _value, _id],
    "defaults": lambda x=None, y={}, z=[]: [x, y, z],
    "keyword": lambda *, value: [value],
    "lambda": lambda x: [x],
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_no_names_of_parameters_disturb_the_compiled_code(body):
    """15: generated code keeps out of the function's own names."""
    f = cached(cache=Cache())(body)
    count = len([p for p in inspect.signature(body).parameters.values() if p.default is p.empty])
    kwargs = {"value": 1} if "value" in inspect.signature(body).parameters else {}
    args = [] if kwargs else list(range(10, 10 + count))
    for _ in range(3):
        assert f(*args, **kwargs) == body(*args, **kwargs)
    assert f.stats().hit == 2


def test_a_method_with_parameters_named_as_ours():
    """15: the same for bound methods, whose code has more names of its own."""

    class Odd:
        @cached(cache=Cache())
        def method(this, _bound, _instance=1, _get=2):  # noqa: N805
            return [_bound, _instance, _get]

    odd = Odd()
    assert [odd.method(1), odd.method(1), odd.method(1, 5)] == [[1, 1, 2], [1, 1, 2], [1, 5, 2]]


@pytest.mark.parametrize(
    "name", ["not a name", "class", "<lambda>", "é", "None", "_get", "_slow", "_make", "type", "x"]
)
def test_a_function_of_any_name_is_cached(name):
    """15: a name that is no identifier is no trouble."""

    def f(x):
        return [x]

    f.__name__ = name
    wrapped = cached(cache=Cache())(f)
    assert [wrapped(1), wrapped(1)] == [[1], [1]]
    assert wrapped.__name__ == name


def test_a_bare_decorator_and_an_empty_one_are_the_same():
    """DESIGN: `@cached` and `@cached()` both decorate."""
    assert cached(bare)(1) == cached()(bare)(1) == 1


def test_an_async_function_returns_a_coroutine():
    """15: a call of a cached async function is a coroutine, on a hit too."""

    async def twice():
        for _ in range(2):
            call = aload(3)
            assert asyncio.iscoroutine(call)
            assert await call == [3]

    asyncio.run(twice())
