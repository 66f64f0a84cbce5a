"""Lifetimes: acceptance functions.md 23, and the precedence of DESIGN.md (decorator > cache > library)."""

import datetime as dt

import pytest

from cachelayer import ConfigurationError, OptionTypeError
from tests.functions.support import Calls

FORMS = {
    "int": (60, 60),
    "float": (0.5, 0.5),
    "timedelta": (dt.timedelta(minutes=1), 60),
    "text": ("2h5m", 7500),
    "text with spaces": ("1h 30m", 5400),
    "milliseconds": ("250ms", 0.25),
}


@pytest.mark.parametrize(("ttl", "seconds"), FORMS.values(), ids=FORMS)
def test_an_entry_lives_for_its_ttl(world, ttl, seconds):
    """23: seconds, timedelta or text: served until just before, computed anew at the very end."""
    calls = Calls()
    f = world.cached(ttl=ttl)(lambda k: calls())
    world.run(f(1))
    world.clock.advance(seconds - 0.1)
    assert world.run(f(1)) == 1
    world.clock.advance(0.1)
    assert world.run(f(1)) == 2
    assert f.cache_parameters()["ttl"] == seconds


@pytest.mark.parametrize("options", [{}, {"ttl": None}], ids=["not given", "None"])
def test_without_a_ttl_an_entry_lives_for_ever(world, options):
    """23: None is for ever."""
    calls = Calls()
    f = world.cached(**options)(lambda k: calls())
    world.run(f(1))
    world.clock.advance(1e9)
    assert world.run(f(1)) == 1


@pytest.mark.parametrize("ttl", [0, 0.0, "0s", dt.timedelta(0)], ids=str)
def test_a_ttl_of_zero_stores_nothing(world, ttl):
    """23: 0 computes each time, counted as uncacheable with its reason."""
    calls = Calls()
    f = world.cached(ttl=ttl)(lambda k: calls())
    assert [world.run(f(1)) for _ in range(3)] == [1, 2, 3]
    stats = f.stats()
    assert (stats.uncacheable, stats.requests) == (3, 3)
    assert stats.reasons == {"ttl=0": 3}
    assert not world.cache.backend.exists(f.key_for(1))


def test_a_callable_ttl_sees_the_result_and_the_arguments(world):
    """23: `ttl(result, *args)` decides for each result, in any of the forms."""
    seen, calls = [], Calls()

    def ttl(result, k, *, more):
        seen.append((result, k, more))
        return {1: "10s", 2: None, 3: 0, 4: dt.timedelta(seconds=20)}[k]

    f = world.cached(ttl=ttl)(lambda k, *, more=5: calls())
    first = [world.run(f(k)) for k in (1, 2, 3, 4)]
    assert seen == [(n, n, 5) for n in (1, 2, 3, 4)]
    assert [world.run(f(k)) for k in (1, 2, 3, 4)] == [1, 2, 5, 4]
    world.clock.advance(10)
    assert [world.run(f(k)) for k in (1, 2, 3, 4)] == [6, 2, 7, 4]
    world.clock.advance(10)
    assert world.run(f(4)) == 8
    assert first == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("returned", "error"),
    [(-1, ConfigurationError), ("soon", ConfigurationError), (object(), OptionTypeError)],
)
def test_a_callable_ttl_that_returns_nonsense_raises(world, returned, error):
    """23: the error names the function; the call is counted as an error, and nothing is stored or left waiting."""
    f = world.cached(ttl=lambda result, k: returned, name="app.load")(lambda k: k)
    with pytest.raises(error, match=r"ttl of app\.load"):
        world.run(f(1))
    assert (f.stats().error, f.stats().requests) == (1, 1)
    assert len(world.cache.engine.flights) == 0


def test_expiry_is_for_each_entry(world):
    """23: an entry's lifetime begins when it is stored."""
    calls = Calls()
    f = world.cached(ttl=10)(lambda k: calls())
    world.run(f(1))
    world.clock.advance(6)
    world.run(f(2))
    world.clock.advance(6)
    assert [world.run(f(1)), world.run(f(2))] == [3, 2]


def test_the_lifetime_begins_at_the_end_of_the_computation(world):
    """23: what took long to compute lives as long as anything else."""
    calls = Calls()

    def body(k):
        world.clock.advance(100)
        return calls()

    f = world.cached(ttl=10)(body)
    world.run(f(1))
    world.clock.advance(9)
    assert world.run(f(1)) == 1


def test_a_clock_that_is_set_back_serves_on(world):
    """23: a step back in time neither raises nor drops what lives."""
    calls = Calls()
    f = world.cached(ttl=10)(lambda k: calls())
    world.run(f(1))
    world.clock.advance(-1000)
    assert world.run(f(1)) == 1
    world.run(f(2))
    world.clock.advance(1000)
    assert [world.run(f(1)), world.run(f(2))] == [1, 3]


def test_the_decorators_ttl_wins_over_the_caches(world):
    """DESIGN, precedence: decorator > cache > library; None is a ttl, which is not the same as none given."""
    cache = world.cache_over(world.backend(), default_ttl=10)
    calls = Calls()
    by_cache = world.cached(cache=cache)(lambda k=0: calls())
    by_decorator = world.cached(cache=cache, ttl=20)(lambda k=0: calls())
    for_ever = world.cached(cache=cache, ttl=None)(lambda k=0: calls())
    functions = (by_cache, by_decorator, for_ever)
    assert [f.cache_parameters()["ttl"] for f in functions] == [10, 20, None]
    assert [world.run(f()) for f in functions] == [1, 2, 3]
    world.clock.advance(10)
    assert [world.run(f()) for f in functions] == [4, 2, 3]
    world.clock.advance(10)
    assert [world.run(f()) for f in functions] == [5, 6, 3]


def test_a_caches_default_ttl_of_zero_stores_nothing(world):
    """DESIGN, precedence: a cache whose default is 0 stores only what says otherwise."""
    cache = world.cache_over(world.backend(), default_ttl=0)
    calls = Calls()
    f = world.cached(cache=cache)(lambda k=0: calls())
    g = world.cached(cache=cache, ttl=5)(lambda k=0: calls())
    assert [world.run(f()), world.run(f()), world.run(g()), world.run(g())] == [1, 2, 3, 3]
