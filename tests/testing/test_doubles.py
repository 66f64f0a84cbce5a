"""The doubles keep up with the contract, and fail as a test needs it. Issue 3, point 8."""

# ruff: noqa: D102 - the methods are the contract's

import asyncio
import datetime as dt
import inspect

import pytest

from cachelayer import Cache, ConfigurationError, InMemoryBackend, cached
from cachelayer.backends.base import CacheBackend
from cachelayer.errors import BackendError
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend, SlowBackend, WrappedBackend
from cachelayer.testing.colours import _Driven, in_colour
from cachelayer.testing.crowds import in_threads

#: What the contract makes of other operations, which are passed on; and what is about the wrapper itself.
COMPOSED = {"guarded", "lock"}


def operations(of=CacheBackend):
    """Return the names of the public methods that a class defines itself."""
    return {name for name, what in vars(of).items() if inspect.isfunction(what) and not name.startswith("_")}


# -- wrappers ---------------------------------------------------------------------------------------------------


def test_a_wrapper_passes_every_operation_on():
    """Nothing of the contract is left to the defaults, which would ask the store more often, or for less."""
    assert operations() - operations(WrappedBackend) == COMPOSED


def test_the_driver_of_the_other_colour_has_every_operation():
    """What the suite calls in the sync colour is run by the async twin."""
    sync = {name for name in operations() if not (name.startswith("a") and name[1:] in operations())}
    assert sync - operations(_Driven) == {"guarded"}


class Recorder(InMemoryBackend):
    """Notes what reaches it."""

    timeout = 1.5

    def __init__(self):
        super().__init__()
        self.reached = []

    def get_entries(self, keys):
        self.reached.append("get_entries")
        return super().get_entries(keys)

    def scan(self, pattern=None):
        self.reached.append("scan")
        return super().scan(pattern)

    def diagnose(self):
        self.reached.append("diagnose")
        return ["it is a test's"]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_wrapper_asks_the_inner_store_for_the_same(colour):
    """Many entries, a scan and a diagnosis are those of the store itself, and are counted by their names."""
    inner = Recorder()
    wrapper = WrappedBackend(inner)
    with in_colour(wrapper, colour) as ops:
        ops.set("a", b"1")
        assert ops.get_entries(["a", "b"])["a"].value == b"1"
        assert list(ops.scan("a*")) == ["a"]
        assert ops.diagnose() == ["it is a test's"]
        assert "scan" in inner.reached or colour == "async"  # a memory store's ascan asks akeys
        assert {"get_entries", "diagnose"} <= set(inner.reached)
        assert wrapper.calls == {"set": 1, "get_entries": 1, "scan": 1, "diagnose": 1}


def test_a_scan_fails_with_its_store():
    """In both colours, when it is gone through."""
    backend = FailingBackend(InMemoryBackend(), operations=["scan"])
    for colour in ("sync", "async"):
        with in_colour(backend, colour) as ops, pytest.raises(BackendError):
            list(ops.scan())


def test_a_wrapper_has_the_time_and_the_time_limit_of_what_it_wraps():
    """So that a cache over it goes by the clock that the entries expire by."""
    clock = FakeClock()
    wrapper = SlowBackend(FailingBackend(InMemoryBackend(clock=clock)))
    assert Cache(wrapper).clock is clock
    with pytest.raises(ConfigurationError, match="clock"):
        Cache(wrapper, clock=FakeClock())
    assert not hasattr(WrappedBackend(MinimalBackend()), "clock")
    assert (WrappedBackend(Recorder()).timeout, wrapper.timeout) == (1.5, None)


# -- the clock --------------------------------------------------------------------------------------------------


def test_a_clock_takes_what_durations_are_written_in():
    """Seconds and timedeltas."""
    clock = FakeClock(0.0)
    clock.advance(dt.timedelta(minutes=2))
    clock.advance(0.5)
    clock.advance(dt.timedelta(seconds=-1))
    assert clock() == 119.5
    clock.now = 7.0
    assert clock() == 7.0


# -- failing ----------------------------------------------------------------------------------------------------


def outcomes(backend, count, operation="exists"):
    """Call an operation so often; return which calls failed."""
    failed = []
    for _ in range(count):
        try:
            getattr(backend, operation)("a")
        except BackendError:
            failed.append(True)
        else:
            failed.append(False)
    return failed


def test_the_next_calls_fail_and_no_more():
    """A store that fails so many times and then works: those operations that were not chosen do not count."""
    backend = FailingBackend(InMemoryBackend(), operations=["exists"])
    backend.fail_next(2)
    assert backend.get("a") is None
    assert outcomes(backend, 4) == [True, True, False, False]
    assert backend.failing is False
    backend.fail_next()
    assert outcomes(backend, 2) == [True, False]
    backend.fail_next(0)
    assert outcomes(backend, 1) == [False]
    backend.break_down()
    assert outcomes(backend, 3) == [True] * 3


def test_the_next_calls_fail_whoever_makes_them():
    """Of eight threads and many tasks just so many calls fail."""
    backend = FailingBackend(InMemoryBackend())
    backend.fail_next(100)
    failed = in_threads(8, lambda _: sum(outcomes(backend, 50)))
    assert sum(failed) == 100

    async def tasks():
        backend.fail_next(3)
        return await asyncio.gather(*(backend.aget("a") for _ in range(9)), return_exceptions=True)

    assert sum(isinstance(result, BackendError) for result in asyncio.run(tasks())) == 3


def test_a_share_of_the_calls_fails():
    """A rate with a seed: about that many, and the very same ones in each run."""
    first, second, other = (
        outcomes(FailingBackend(InMemoryBackend(), rate=0.3, seed=seed), 1000) for seed in (1, 1, 2)
    )
    assert first == second != other
    assert 240 < sum(first) < 360
    backend = FailingBackend(InMemoryBackend(), rate=0.3)
    backend.mend()
    assert not any(outcomes(backend, 100))


def test_each_operation_can_have_its_own_error():
    """A mapping names what fails, and with what; the others work."""
    errors = {"get": TimeoutError("late"), "set": OSError("full")}
    backend = FailingBackend(InMemoryBackend(), error=errors)
    with pytest.raises(TimeoutError, match="late"):
        backend.get("a")
    with pytest.raises(OSError, match="full"):
        backend.set("a", b"1")
    assert backend.exists("a") is False
    chosen = FailingBackend(InMemoryBackend(), error=errors, operations=["set"])
    assert chosen.get("a") is None
    with pytest.raises(OSError, match="full"):
        chosen.set("a", b"1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate=0"),
        ({"rate": 1.5}, "rate=1.5"),
        ({"rate": float("nan")}, "rate=nan"),
        ({"error": {"get": OSError()}, "operations": ["get", "set"]}, "none for set"),
    ],
)
def test_options_that_cannot_work_raise(options, message):
    """At the place of the mistake."""
    with pytest.raises(ConfigurationError, match=message):
        FailingBackend(InMemoryBackend(), **options)


def test_a_function_over_a_store_that_fails_at_times_is_right_each_time():
    """What such a double is for: whatever fails, callers get the right value."""
    backend = FailingBackend(MinimalBackend(), rate=0.5, seed=7)
    f = cached(cache=Cache(backend))(lambda x: x * 2)
    assert [f(x % 5) for x in range(200)] == [x % 5 * 2 for x in range(200)]
    assert f.stats().hit > 0
