"""A store's failure is never the function's failure: DESIGN "Correct by construction"."""

import logging

import pytest

from cachelayer import BackendError
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.testing import FailingBackend
from tests.functions.support import COLOURS, Calls, SixMethods, World

OPERATIONS = [
    None,
    "set",
    "delete",
    "get_many",
    "compare_and_set",
    "generations",
    "bump_generations",
    "clear",
]
ERRORS = [
    BackendError("gone"),
    OSError("no route"),
    TimeoutError(),
    ValueError("odd"),
    KeyError("k"),
    StopIteration(),
]


class Unreliable:
    """A function whose store fails when told to."""

    def __init__(self, colour, **options):
        self.world = World(colour, "six methods")
        self.backend = FailingBackend(SixMethods(clock=self.world.clock), **options)
        self.backend.mend()
        # As the cache does by itself, but with pauses by this world's clock.
        self.cache = self.world.cache_over(ResilientBackend(self.backend, clock=self.world.clock))
        self.calls = Calls()
        self.f = self.world.cached(cache=self.cache, tags=["k:{k}"])(lambda k: [k, self.calls()])

    def mend(self):
        """Let the store work again, and the time be over in which it is left alone."""
        self.backend.mend()
        self.world.clock.advance(60)

    def run(self, result):
        """Return the result, awaited if need be."""
        return self.world.run(result)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_calls_and_control_go_on_while_the_store_fails(colour, operation, caplog):
    """Whichever operation fails: calls return, control returns, nothing raises, and failures are counted and logged."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    it = Unreliable(colour, operations=None if operation is None else [operation])
    f = it.f
    it.run(f(1))
    it.backend.break_down()
    for _ in range(2):
        assert it.run(f(1))[0] == 1
        assert it.run(f(2))[0] == 2
    it.run(f.peek(1))
    it.run(f.invalidate(1))
    it.run(f.set([1, "set"], 1))
    it.run(f.invalidate_all())
    assert it.run(f.refresh(1))[0] == 1
    it.cache.invalidate_tags("k:1")
    it.cache.clear()
    errors = it.cache.engine.storage.errors.value
    assert errors > 0
    it.mend()
    assert it.run(f(1))[0] == it.run(f(1))[0] == 1
    assert it.cache.stats().backend_errors == errors
    assert f.stats().requests == 7
    assert len(it.cache.engine.flights) == 0


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_whatever_a_store_raises_is_its_own_affair(error, caplog):
    """Client libraries raise what they like; the function is called, and the log says what happened."""
    it = Unreliable("sync", error=error)
    it.backend.break_down()
    with caplog.at_level(logging.WARNING, logger="cachelayer"):
        assert it.f(1) == [1, 1]
    assert "FailingBackend failed in get" in caplog.text
    assert {record.name.split(".")[0] for record in caplog.records} == {"cachelayer"}


@pytest.mark.parametrize("colour", COLOURS)
def test_what_could_not_be_stored_is_a_miss(colour, caplog):
    """DESIGN, outcomes: a computed value that may be stored is a miss, stored or not; failures are counted apart."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    it = Unreliable(colour)
    it.backend.break_down()
    assert [it.run(it.f(1)) for _ in range(3)] == [[1, 1], [1, 2], [1, 3]]
    assert (it.f.stats().miss, it.f.stats().requests) == (3, 3)
    it.mend()
    assert [it.run(it.f(1)) for _ in range(2)] == [[1, 4]] * 2


def test_a_functions_own_error_is_not_taken_for_the_stores():
    """An error of the function is raised and counted as the function's."""
    it = Unreliable("sync")

    def body(k):
        raise BackendError("of the function")

    f = it.world.cached(cache=it.cache)(body)
    with pytest.raises(BackendError, match="of the function"):
        f(1)
    assert (f.stats().error, it.cache.stats().backend_errors) == (1, 0)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_store_that_fails_before_a_computation_stores_nothing_unfenced(colour, caplog):
    """34: where the fence could not be captured, the result is returned and not stored."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    it = Unreliable(colour, operations=["get_many", "generations"])
    it.backend.break_down()
    original = it.calls

    class Mending(Calls):
        def __call__(self):
            it.backend.mend()
            return original()

    it.calls = Mending()
    assert it.run(it.f(1)) == [1, 1]
    assert it.run(it.f.peek(1)) is None


class Liar(SixMethods):
    """A store that gives back something else than it was given."""

    lie = None

    def get(self, key):
        """Return the value, or what the lie makes of it."""
        value = super().get(key)
        return value if value is None or self.lie is None else self.lie(value)


LIES = {
    "text": lambda value: value.decode("latin-1"),
    "bytearray": bytearray,
    "None": lambda value: None,
    "int": len,
    "empty": lambda value: b"",
    "other bytes": lambda value: value[::-1],
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_store_that_gives_back_something_else_is_a_miss(colour, lie, caplog):
    """21: whatever a user's own backend returns, the function's value is right."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    world, calls = World(colour, "six methods"), Calls()
    backend = Liar(clock=world.clock)
    f = world.cached(cache=world.cache_over(backend), tags=["t"])(lambda k: [k, calls()])
    world.run(f(1))
    backend.lie = lie
    for _ in range(3):
        assert world.run(f(1))[0] == 1
        assert world.run(f(2))[0] == 2
    assert f.stats().requests == 7
    backend.lie = None
    assert world.run(f(3)) == world.run(f(3))


def test_the_cache_of_a_shared_store_outlives_its_process(colour):
    """30: a second cache over the same store is served what the first computed."""
    world = World(colour, "six methods")
    calls = Calls()
    backend = SixMethods(clock=world.clock)
    functions = [
        world.cached(cache=world.cache_over(backend), name="app.f", tags=["t"], ttl=60)(
            lambda k: [k, calls()]
        )
        for _ in range(2)
    ]
    assert [world.run(f(1)) for f in functions] == [[1, 1]] * 2
    world.clock.advance(60)
    assert [world.run(f(1)) for f in reversed(functions)] == [[1, 2]] * 2
