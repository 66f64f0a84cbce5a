"""Exceptions: acceptance functions.md 29."""

import gc
import sys
import traceback
import weakref

import pytest

from cachelayer import Cache, cached
from tests.functions.support import Calls, World


class NotFound(LookupError):  # noqa: N818 - the name of the acceptance
    def __init__(self, what, *, code=404):
        super().__init__(what)
        self.code = code
        self.detail = {"what": [what]}

    def __reduce__(self):
        raise TypeError("pickle is not for this one")


class Deleted(NotFound):
    pass


class Opaque(Exception):  # noqa: N818
    def __init__(self):
        super().__init__(lambda: None)


def failing(world, error, **options):
    """Return a cached function that raises, and the count of its runs."""
    calls = Calls()

    def body(k):
        raise error(calls())

    return world.cached(**options)(body), calls


def test_exceptions_are_not_cached(world):
    """29: without cache_exceptions= each call runs the function, and each error is counted."""
    f, _ = failing(world, NotFound)
    for number in (1, 2, 3):
        with pytest.raises(NotFound) as raised:
            world.run(f(1))
        assert raised.value.args == (number,)
    assert (f.stats().error, f.stats().requests) == (3, 3)


def test_chosen_exceptions_are_cached_for_negative_ttl(world):
    """29: cache_exceptions= with negative_ttl= answers from the cache, as a hit, until that has passed."""
    f, calls = failing(world, NotFound, cache_exceptions=(NotFound,), negative_ttl=5, ttl=1000)
    for _ in range(3):
        with pytest.raises(NotFound) as raised:
            world.run(f(1))
        assert raised.value.args == (1,)
        assert raised.value.code == 404
        assert raised.value.detail == {"what": [1]}
    assert calls.count == 1
    assert (f.stats().error, f.stats().hit) == (1, 2)
    world.clock.advance(5)
    with pytest.raises(NotFound):
        world.run(f(1))
    assert calls.count == 2


def test_subclasses_are_cached_and_come_back_as_themselves(world):
    """29: a subclass of a class that may be cached is cached, as what it is."""
    f, calls = failing(world, Deleted, cache_exceptions=NotFound, negative_ttl=5)
    for _ in range(2):
        with pytest.raises(Deleted):
            world.run(f(1))
    assert calls.count == 1


def test_other_exceptions_are_not_cached(world):
    """29: what is not named is computed each time."""
    f, calls = failing(world, ValueError, cache_exceptions=NotFound, negative_ttl=5)
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011 - its own
            world.run(f(1))
    assert calls.count == 2


def test_each_caller_gets_an_exception_of_its_own(world):
    """29: a fresh exception each time: what one caller does to it, another does not see."""
    f, _ = failing(world, NotFound, cache_exceptions=NotFound, negative_ttl=5)
    seen = []
    for _ in range(3):
        with pytest.raises(NotFound) as raised:
            world.run(f(1))
        assert raised.value.detail == {"what": [1]}
        raised.value.detail["what"].append("mine")
        raised.value.add_note("mine")
        seen.append(raised.value)
    assert len(set(map(id, seen))) == 3
    assert [getattr(error, "__notes__", None) for error in seen] == [["mine"]] * 3


def test_a_cached_exception_has_no_frames_of_the_first_run(world):
    """29: the traceback is that of the call at hand, and neither cause nor context are kept."""

    def body(k):
        try:
            raise ValueError("inside")
        except ValueError as error:
            raise NotFound(k) from error

    f = world.cached(cache_exceptions=NotFound, negative_ttl=5)(body)
    with pytest.raises(NotFound) as first:
        world.run(f(1))
    assert isinstance(first.value.__cause__, ValueError)
    with pytest.raises(NotFound) as second:
        world.run(f(1))
    assert second.value.__cause__ is None
    frames = traceback.extract_tb(second.value.__traceback__)
    assert "body" not in [frame.name for frame in frames if frame.filename == __file__]


@pytest.mark.parametrize(
    "options", [{}, {"cache_exceptions": NotFound, "negative_ttl": 5}], ids=["not", "cached"]
)
def test_nothing_of_the_callers_frames_is_kept(store, options):
    """29: after an error, what the function and its caller had in hand is freed at once."""
    world = World("sync", store)

    class Big:
        pass

    def body(k):
        big = Big()
        alive.append(weakref.ref(big))
        raise NotFound(k)

    alive = []
    f = world.cached(**options)(body)
    gc.disable()
    try:
        for _ in range(2):
            try:
                f(1)
            except NotFound:
                pass
        assert [reference() for reference in alive if reference() is not None] == []
    finally:
        gc.enable()


def test_an_exception_that_cannot_be_encoded_is_raised_uncached(world):
    """29, 18: with one warning that names the remedy; the caller gets the exception itself."""
    calls = Calls()

    def body():
        calls()
        raise Opaque

    f = world.cached(cache_exceptions=Opaque, negative_ttl=5, name="app.load")(body)
    with pytest.warns(RuntimeWarning, match=r"app\.load cannot be cached"), pytest.raises(Opaque):
        world.run(f())
    with pytest.raises(Opaque):
        world.run(f())
    assert calls.count == 2


def test_a_negative_ttl_of_zero_stores_nothing(world):
    """29, 23: 0 stores nothing here either."""
    f, calls = failing(world, NotFound, cache_exceptions=NotFound, negative_ttl=0)
    for _ in range(2):
        with pytest.raises(NotFound):
            world.run(f(1))
    assert calls.count == 2


def test_a_value_takes_the_place_of_a_cached_exception(world):
    """29: invalidating, or setting a value, ends a negative answer."""
    f, calls = failing(world, NotFound, cache_exceptions=NotFound, negative_ttl=50)
    with pytest.raises(NotFound):
        world.run(f(1))
    assert world.run(f.set("found", 1)) is True
    assert world.run(f(1)) == "found"
    assert world.run(f.invalidate(1)) is True
    with pytest.raises(NotFound):
        world.run(f(1))
    assert calls.count == 2


def test_only_named_classes_come_out_of_a_store():
    """29, 21: an exception in a shared store that this function does not name is a miss, never raised."""
    world, calls = World("sync", "six methods"), Calls()

    def body(k):
        if calls() == 1:
            raise NotFound(k)
        return "computed"

    writer = world.cached(key="{k}", cache_exceptions=NotFound, negative_ttl=5)(body)
    reader = world.cached(key="{k}", cache_exceptions=ValueError, negative_ttl=5)(body)
    with pytest.raises(NotFound):
        writer(1)
    assert reader(1) == "computed"
    assert world.cache.stats().backend_errors == 1


def test_a_functions_error_keeps_its_type_traceback_and_context(world):
    """31: what the function raises passes through as it is."""

    def body():
        raise NotFound("x") from KeyError("cause")

    f = world.cached()(body)
    with pytest.raises(NotFound) as raised:
        world.run(f())
    assert isinstance(raised.value.__cause__, KeyError)
    assert "body" in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]


def test_exceptions_that_python_uses_itself_pass_through():
    """31: StopIteration, SystemExit and GeneratorExit of a function reach its caller, and nothing is left waiting."""
    for options in ({}, {"tags": ["t"]}):
        for kind in (StopIteration, SystemExit, GeneratorExit, KeyboardInterrupt, StopAsyncIteration):
            cache = Cache()

            @cached(cache=cache, name="f", **options)
            def f(kind=kind):
                raise kind

            with pytest.raises(kind):
                f()
            assert len(cache.engine.flights) == 0
    assert sys.exc_info() == (None, None, None)
