"""The facade, the default cache, and which option wins: DESIGN "Public API", issue 2 point 4 and "Bad input"."""

import asyncio
import datetime as dt
import gc
import weakref

import pytest

from cachelayer import (
    BackendClosedError,
    Cache,
    ConfigurationError,
    InMemoryBackend,
    OptionTypeError,
    cached,
    configure,
    default_cache,
)
from cachelayer import default as default_module
from cachelayer.default import choose_cache
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend
from cachelayer.testing.crowds import in_threads


@pytest.fixture
def fresh(monkeypatch):
    """A process whose default cache nobody has used."""
    monkeypatch.setattr(default_module, "_default", None)
    monkeypatch.setattr(default_module, "_used", False)
    monkeypatch.delenv("CACHELAYER_URL", raising=False)
    return monkeypatch


def number():
    """Return a function whose results say how often it ran."""
    runs = []

    def f(x=0):
        runs.append(x)
        return len(runs)

    return f


# -- the default ------------------------------------------------------------------------------------------------


def test_the_default_cache_is_memory_and_one_for_all(fresh):
    """DESIGN: functions that name no cache share the process's, which is in memory."""
    f, g = cached(number()), cached(number())
    assert [f(), f(), g()] == [1, 1, 1]
    cache = default_cache()
    assert isinstance(cache.backend, InMemoryBackend)
    assert default_cache() is cache
    assert cache.backend.get_stats().current_entries == 2


def test_configure_comes_before_the_first_use_and_after_decoration(fresh):
    """DESIGN: the cache is bound at first use, so that configure() after the decoration still counts."""
    f = cached(number())
    backend = InMemoryBackend()
    cache = configure(backend, default_ttl=60)
    f()
    assert default_cache() is cache
    assert backend.get_stats().current_entries == 1
    assert f.cache_parameters()["ttl"] == 60


def test_configure_after_a_first_use_raises_unless_told_to_replace(fresh):
    """DESIGN: after a first use it raises unless replace=True; who named no cache goes over to the new one."""
    f = cached(number())
    f()
    with pytest.raises(ConfigurationError, match=r"in use already.*replace=True"):
        configure(InMemoryBackend())
    old = default_cache()
    new = configure(InMemoryBackend(), replace=True, default_ttl=7)
    assert default_cache() is new is not old
    assert [f(), f(), f()] == [2, 2, 2]
    assert f.cache_parameters()["ttl"] == 7
    assert (new.stats().functions[f.stats().route].hit, old.stats().total.requests) == (2, 1)
    assert new.backend.get_stats().current_entries == old.backend.get_stats().current_entries == 1


def test_configure_may_be_called_twice_before_use(fresh):
    """DESIGN: what nobody has used can be configured again."""
    configure(InMemoryBackend())
    assert configure(InMemoryBackend()) is default_cache()


def test_a_failed_configure_changes_nothing(fresh):
    """Bad input: the default cache is as before."""
    cache = configure(InMemoryBackend())
    for bad in ({"default_ttl": -1}, {"nonsense": 1}):
        with pytest.raises((ConfigurationError, TypeError)):
            configure(InMemoryBackend(), **bad)
    assert default_cache() is cache


def test_the_environment_names_the_default_store(fresh):
    """Issue 2: CACHELAYER_URL is the default's store; configure(...) wins over it, and takes it where it names none."""
    fresh.setenv("CACHELAYER_URL", "memory://?max_entries=7")
    assert default_cache().backend.table.max_entries == 7
    assert configure(replace=True, default_ttl=5).backend.table.max_entries == 7
    assert configure("memory://?max_entries=9", replace=True).backend.table.max_entries == 9


def test_an_environment_that_cannot_work_raises_at_first_use(fresh):
    """Issue 2: the error names the URL, without its password; afterwards the process can be configured."""
    fresh.setenv("CACHELAYER_URL", "nosuch://user:secret@host")
    f = cached(number())
    with pytest.raises(ConfigurationError, match=r"no backend for nosuch://user:\*\*\*@host"):
        f()
    configure(InMemoryBackend())
    assert f() == 1


def test_an_empty_environment_variable_is_none(fresh):
    """Issue 2: CACHELAYER_URL= is as if it were not there."""
    fresh.setenv("CACHELAYER_URL", "")
    assert isinstance(default_cache().backend, InMemoryBackend)


def test_threads_that_come_first_share_one_default(fresh):
    """DESIGN: the default is made once."""
    assert len(set(map(id, in_threads(8, lambda _: default_cache())))) == 1


# -- which cache ------------------------------------------------------------------------------------------------


def test_the_decorators_cache_wins_over_the_default(fresh):
    """DESIGN, precedence: cache= and backend= are used, and leave the default alone."""
    cache, backend = Cache(), InMemoryBackend()
    f, g = cached(cache=cache)(number()), cached(backend=backend)(number())
    f()
    g()
    assert cache.backend.get_stats().current_entries == backend.get_stats().current_entries == 1
    assert default_module._used is False


def test_functions_of_one_backend_share_a_cache():
    """DESIGN: backend= given twice is one cache: one tag space, one count."""
    backend = InMemoryBackend()
    f, g = (cached(backend=backend, tags=["t"], name=name)(number()) for name in ("f", "g"))
    f()
    g()
    cache = choose_cache(None, backend)()
    assert set(cache.stats().functions) == {"f", "g"}
    assert cache.invalidate_tags("t") == 2
    assert choose_cache(None, backend)() is cache
    assert choose_cache(None, InMemoryBackend())() is not cache


def test_a_backend_may_be_a_url():
    """DESIGN: backend= takes a URL."""
    f = cached(backend="memory://?max_entries=1")(number())
    assert [f(1), f(1), f(2), f(1)] == [1, 1, 2, 3]


def test_functions_that_name_a_url_have_a_store_each():
    """DESIGN: a URL is made into a backend where it stands; who wants to share one names the backend or a cache."""
    url = "memory://"
    f, g = cached(backend=url, name="f")(number()), cached(backend=url, name="g")(number())
    f()
    assert set(choose_cache(None, url)().stats().functions) == set()
    assert g.stats().requests == 0
    assert f._core().binding().cache is not g._core().binding().cache


def test_a_cache_is_freed_with_its_functions():
    """DESIGN, bounded: nothing of a cache stays behind."""
    cache = Cache()
    f = cached(cache=cache)(number())
    f(1)
    references = [weakref.ref(each) for each in (cache, cache.backend, f.__wrapped__)]
    del cache, f
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_a_function_is_freed_while_its_cache_lives_on():
    """DESIGN, bounded: closures that are cached and dropped do not pile up."""
    cache = Cache()
    references = []
    for n in range(5):
        f = cached(cache=cache)(lambda x, n=n: n)
        f(1)
        references.append(weakref.ref(f.__wrapped__))
        del f
    gc.collect()
    assert [reference() for reference in references] == [None] * 5


# -- the facade -------------------------------------------------------------------------------------------------


def test_a_cache_makes_a_memory_store_of_its_own():
    """DESIGN: two caches without a backend share nothing."""
    one, two = Cache(), Cache()
    assert one.backend is not two.backend


def test_the_clock_is_the_backends_own():
    """DESIGN: without clock= a cache goes by its backend's; with no backend the store goes by the cache's."""
    clock = FakeClock()
    assert Cache(InMemoryBackend(clock=clock)).clock is clock
    assert Cache(clock=clock).backend.clock is clock
    assert Cache(InMemoryBackend(clock=clock), clock=clock).clock is clock
    assert Cache(MinimalBackend(), clock=clock).clock is clock


@pytest.mark.parametrize("backend", [InMemoryBackend(), "memory://"], ids=["backend", "url"])
def test_two_clocks_raise(backend):
    """Bad input: a store that goes by another clock than its cache would expire at the wrong time."""
    with pytest.raises(ConfigurationError, match="clock= is not the backend's own"):
        Cache(backend, clock=FakeClock())


def test_clear_empties_the_cache_in_both_colours():
    """DESIGN: `clear` and `aclear` say how many entries there were."""
    cache = Cache()
    f = cached(cache=cache)(number())
    for clear in (cache.clear, lambda: asyncio.run(cache.aclear())):
        f(1)
        f(2)
        assert clear() == 2
        assert cache.backend.get_stats().current_entries == 0


def test_clearing_a_namespace_leaves_the_rest_of_the_store():
    """DESIGN: a cache with a namespace clears that alone."""
    backend = InMemoryBackend()
    one, two, bare = Cache(backend, namespace="one"), Cache(backend, namespace="two"), Cache(backend)
    functions = [cached(cache=cache, name="f")(number()) for cache in (one, two, bare)]
    for f in functions:
        f()
    one.clear()
    assert [f() for f in functions] == [2, 1, 1]
    bare.clear()
    assert [f() for f in functions] == [3, 2, 2]


def test_close_closes_the_backend():
    """DESIGN: use after close raises, and a cached function is called all the same."""
    for close in (Cache.close, lambda cache: asyncio.run(cache.aclose())):
        cache = Cache()
        close(cache)
        close(cache)
        with pytest.raises(BackendClosedError):
            cache.backend.set("k", b"v")


def test_a_repr_says_what_it_is_and_keeps_secrets():
    """STYLE: name, namespace and backend."""
    text = repr(Cache(namespace="shop", name="main"))
    assert "main" in text
    assert "shop" in text
    assert "InMemoryBackend" in text


BAD = {
    "backend: int": (
        {"backend": 7},
        OptionTypeError,
        "backend must be a CacheBackend, a URL or None, not int: 7",
    ),
    "backend: cache": ({"backend": Cache()}, OptionTypeError, "not Cache"),
    "backend: class": ({"backend": InMemoryBackend}, OptionTypeError, "backend must be"),
    "backend: URL": (
        {"backend": "x://"},
        ConfigurationError,
        "no backend for x://: the URL must start with .*memory://",
    ),
    "namespace": ({"namespace": b"x"}, OptionTypeError, "namespace must be str, not bytes"),
    "ttl: negative": ({"default_ttl": -1}, ConfigurationError, "default_ttl=-1"),
    "ttl: nan": ({"default_ttl": float("nan")}, ConfigurationError, "default_ttl=nan"),
    "ttl: type": ({"default_ttl": [1]}, OptionTypeError, "default_ttl cannot be list"),
    "clock": ({"clock": 5}, OptionTypeError, "clock must be a callable"),
    "clock beside a backend": (
        {"clock": 5, "backend": MinimalBackend()},
        OptionTypeError,
        "clock must be a callable",
    ),
    "unknown": ({"ttl": 5}, TypeError, "ttl"),
}


@pytest.mark.parametrize(("options", "error", "message"), BAD.values(), ids=BAD)
def test_bad_options_raise_at_once(options, error, message):
    """Bad input: an error at the place of the mistake, naming the option."""
    with pytest.raises(error, match=message):
        Cache(**options)


@pytest.mark.parametrize("ttl", [60, 60.0, dt.timedelta(minutes=1), "60s", "1m"], ids=str)
def test_default_ttl_takes_every_form(ttl):
    """functions.md 23: seconds, timedelta or text."""
    assert Cache(default_ttl=ttl).default_ttl == 60.0


def test_tags_reach_every_function_of_the_cache():
    """functions.md 41: one tag space for all that is in a cache."""
    cache = Cache()
    functions = [cached(cache=cache, tags=["shared"], name=f"f{n}")(number()) for n in range(3)]
    for f in functions:
        f()
    assert cache.invalidate_tags("shared", "unused") == 3
    assert [f() for f in functions] == [2, 2, 2]
    assert asyncio.run(cache.ainvalidate_tags("shared")) == 3


def test_statistics_survive_a_store_that_gives_none():
    """What the store would tell is unknown then, and everything else is there."""
    cache = Cache(FailingBackend(InMemoryBackend(), operations=["get_stats"]))
    stats = cache.stats()
    assert (stats.backends["default"].hits, stats.total.requests) == (None, 0)
    assert stats.to_dict()["backends"]["default"]["hit_rate"] == 0.0
