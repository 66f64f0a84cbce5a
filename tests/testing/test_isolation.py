"""Isolation for tests: caches over a store of the test's own, and caching switched off. Issue 3, point 8."""

import asyncio
import inspect
import time
import unittest

import httpx
import pytest

import cachelayer.asgi
import cachelayer.wsgi
from cachelayer import (
    Cache,
    InMemoryBackend,
    OptionTypeError,
    UnsupportedOperationError,
    cached,
    configure,
    default_cache,
)
from cachelayer import default as default_module
from cachelayer.backends.null import NullBackend
from cachelayer.backends.url import backend_from_url
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend, caching_disabled, isolated_cache
from cachelayer.testing.crowds import in_threads
from tests.shells import Site, numbered


@pytest.fixture(params=["none yet", "in use"])
def fresh(request, monkeypatch):
    """A process in which nobody has used the default cache yet, or in which it is in use."""
    monkeypatch.setattr(default_module, "_default", None)
    monkeypatch.setattr(default_module, "_used", False)
    monkeypatch.delenv("CACHELAYER_URL", raising=False)
    if request.param == "in use":
        default_cache()


@pytest.fixture
def used(monkeypatch):
    """A process whose default cache is in use."""
    monkeypatch.setattr(default_module, "_default", Cache(name="the application's"))
    monkeypatch.setattr(default_module, "_used", True)
    return default_module._default


def counting(*, is_async=False):
    """Return a function whose results say how often it ran."""
    runs = []

    def f(x=0):
        runs.append(x)
        return len(runs)

    async def af(x=0):
        return f(x)

    return af if is_async else f


def outcome(function):
    """Call a cached function of either colour; return its result."""
    result = function()
    return asyncio.run(result) if inspect.isawaitable(result) else result


COLOURS = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


# -- the default ------------------------------------------------------------------------------------------------


@COLOURS
@pytest.mark.usefixtures("fresh")
def test_functions_that_were_bound_before_use_the_isolated_cache(is_async):
    """What a function stored before the block is not seen in it, nor the other way round."""
    f = cached(counting(is_async=is_async))
    before = default_cache()
    assert [outcome(f), outcome(f)] == [1, 1]
    with isolated_cache() as cache:
        assert cache is default_cache() is before
        assert [outcome(f), outcome(f)] == [2, 2]
        assert (cache.stats().total.hit, cache.stats().total.miss) == (1, 1)
    assert [outcome(f), outcome(f)] == [1, 1]
    assert (f.stats().hit, f.stats().miss) == (3, 1)
    assert f.cache_info()[:2] == (3, 1)


@pytest.mark.usefixtures("fresh")
def test_functions_that_are_first_called_in_the_block_leave_nothing_behind():
    """Their entries are gone with the block, and they are bound to the application's cache afterwards."""
    f = cached(counting())
    with isolated_cache():
        assert [f(), f()] == [1, 1]
    assert [f(), f()] == [2, 2]
    assert default_cache().backend.get_stats().current_entries == 1


@pytest.mark.usefixtures("fresh")
def test_blocks_one_after_another_share_nothing():
    """Each has a store, statistics and a clock of its own."""
    f = cached(counting())
    clocks = []
    for number in (1, 2, 3):
        with isolated_cache() as cache:
            assert [f(), f()] == [number, number]
            assert cache.stats().total.requests == 2
            clocks.append(cache.clock)
    assert len(set(map(id, clocks))) == 3


def test_the_former_default_is_as_it_was_before(used):
    """Its own hits are quick again at once: entries, statistics and the hit path come back."""
    f = cached(counting())
    f()
    own = {name: value for name, value in vars(used).items() if name != "_on_change"}
    with isolated_cache():
        f()
    assert {name: value for name, value in vars(used).items() if name != "_on_change"} == own
    for _ in range(3):
        f()
    # The first one finds the way to the entry anew.
    assert (f.stats().hit, f._core().binding().counters.shortcut_hits.value) == (3, 2)


def test_methods_are_isolated_too(used):
    """Instances that live on have their own entries in each store."""

    class Shop:
        runs = 0

        @cached
        def price(self, article):
            self.runs += 1
            return self.runs

    shop = Shop()
    assert [shop.price("a"), shop.price("a")] == [1, 1]
    with isolated_cache():
        assert [shop.price("a"), shop.price("a")] == [2, 2]
        assert Shop().price("a") == 1
    assert [shop.price("a"), shop.price("a"), shop.price("b")] == [1, 1, 3]
    assert used.backend.get_stats().current_entries == 2


def test_time_passes_when_the_test_says_so(used):
    """The block's clock starts at the present time and stands still."""
    f = cached(ttl=60)(counting())
    with isolated_cache() as cache:
        assert isinstance(cache.clock, FakeClock)
        assert abs(cache.clock() - time.time()) < 60
        assert [f(), f()] == [1, 1]
        cache.clock.advance(59)
        assert f() == 1
        cache.clock.advance(1)
        assert f() == 2


def test_a_store_of_ones_own(used):
    """backend= is used in the block, and left open afterwards."""
    f = cached(counting())
    store = FailingBackend(MinimalBackend(), operations=["get", "get_many"])
    with isolated_cache(backend=store) as cache:
        assert cache.backend is store
        assert [f(), f()] == [1, 2]
        store.mend()
        assert [f(), f()] == [3, 3]
    assert f() == 4
    assert store.set("still", b"open") is True


def test_options_of_the_isolated_cache_stay(used):
    """Its namespace, lifetime and name are the application's."""
    cache = Cache(namespace="shop", default_ttl=30, name="shop")
    f = cached(cache=cache, name="f")(counting())
    with isolated_cache(cache):
        key = f.key_for()
        assert f.cache_parameters()["ttl"] == 30
        assert (cache.namespace, cache.name, set(cache.stats().backends)) == ("shop", "shop", {"shop"})
    assert f.key_for() == key


def test_a_test_that_fails_leaves_nothing_behind(used):
    """An error in the block passes, and the application's cache is back."""
    f = cached(counting())
    f()
    with pytest.raises(ZeroDivisionError), isolated_cache():
        raise ZeroDivisionError(f())
    assert f() == 1


def test_blocks_nest(used):
    """An inner block is apart from the outer one."""
    f = cached(counting())
    f()
    with isolated_cache():
        assert f() == 2
        with isolated_cache() as inner:
            assert f() == 3
            with caching_disabled():
                assert [f(), f()] == [4, 5]
            assert f() == 3
            assert inner.stats().total.requests == 2
        assert f() == 2
    assert f() == 1


def test_a_computation_that_outlives_the_block_is_kept_where_it_began(used):
    """A result that comes in after the end of the block is not found in the application's cache."""
    block = isolated_cache()

    @cached
    def f(x):
        if x == "leave":
            block.__exit__(None, None, None)
        return [x]

    block.__enter__()
    f("leave")
    assert used.backend.get_stats().current_entries == 0
    assert f.peek("leave") is None


# -- configure in the block -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh")
def test_what_is_configured_in_a_block_is_isolated_at_once():
    """An application that configures itself in a test, as factories do, does not reach its real store."""
    f, real, before = cached(counting()), InMemoryBackend(), default_module._default
    with isolated_cache() as cache:
        made = configure(real, default_ttl=9)
        assert default_cache() is made
        assert [f(), f(), f.cache_parameters()["ttl"]] == [1, 1, 9]
        assert made.backend is cache.backend
    assert real.get_stats().current_entries == 0
    assert made.backend is real
    assert [f(), f()] == [2, 2]
    assert default_cache() is (made if before is None else before)


@pytest.mark.usefixtures("fresh")
def test_every_block_can_configure():
    """In a block the default counts as unused until something uses it."""
    for _ in range(2):
        with isolated_cache():
            configure("memory://")


# -- explicit caches --------------------------------------------------------------------------------------------


@COLOURS
def test_an_explicit_cache_is_isolated(is_async):
    """Functions with cache= follow it, and what the application itself does with the cache reaches the same store."""
    cache = Cache()
    f = cached(cache=cache, tags=["t"])(counting(is_async=is_async))
    other = cached(cache=Cache())(counting())
    assert [outcome(f), outcome(f), other()] == [1, 1, 1]
    with isolated_cache(cache) as isolated:
        assert isolated is cache
        assert [outcome(f), outcome(f), other()] == [2, 2, 1]
        assert cache.invalidate_tags("t") == 1
        assert outcome(f) == 3
        assert cache.clear() == 1
    assert [outcome(f), other()] == [1, 1]


def test_a_backend_that_functions_name_is_isolated():
    """Functions with backend= are reached by that backend, those that are decorated in the block too."""
    backend = InMemoryBackend()
    f = cached(backend=backend)(counting())
    f()
    with isolated_cache(backend):
        g = cached(backend=backend)(counting())
        assert [f(), f(), g(), g()] == [2, 2, 1, 1]
        assert backend.get_stats().current_entries == 1
    assert [f(), g()] == [1, 2]
    assert backend.get_stats().current_entries == 2


def test_what_is_no_cache_is_refused():
    """A URL or a function names no cache that could be isolated."""
    for wrong in ("memory://", counting(), 5):
        with pytest.raises(OptionTypeError, match="must be a Cache, a CacheBackend or None"):
            isolated_cache(wrong).__enter__()
        with pytest.raises(TypeError, match="must be a Cache"):
            caching_disabled(wrong).__enter__()


# -- middlewares ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["asgi", "wsgi"])
@pytest.mark.parametrize("store", ["memory", "six methods"])
def test_middlewares_are_isolated(shell, store):
    """A middleware that has served already serves from the block's store, and from its own again afterwards."""
    site = Site(shell, store, numbered("Cache-Control: max-age=60"))
    assert [site.get("/").body, site.get("/").body] == [b"0", b"0"]
    with isolated_cache(site.cache):
        first, second = site.get("/"), site.get("/")
        assert (first.body, first.status_field) == (b"1", "cachelayer; fwd=uri-miss; stored")
        assert (second.body, second.status_field) == (b"1", "cachelayer; hit; ttl=60")
        assert site.cache.stats().total.requests == 2
    assert site.get("/").body == b"0"


@pytest.mark.parametrize("shell", ["asgi", "wsgi"])
@pytest.mark.parametrize("store", ["memory", "six methods"])
def test_middlewares_pass_requests_on_while_caching_is_off(shell, store):
    """Each request reaches the application, counts as a bypass, and has no Cache-Status: it was not looked up."""
    site = Site(shell, store, numbered("Cache-Control: max-age=60"))
    site.get("/")
    with caching_disabled(site.cache):
        responses = [site.get("/"), site.get("/"), site.get("/", method="POST")]
        stats = site.cache.stats().total
        assert [response.body for response in responses] == [b"1", b"2", b"3"]
        assert [response.status_field for response in responses] == ["", "", ""]
        assert (stats.bypass, stats.requests, dict(stats.reasons)) == (3, 3, {"DISABLED": 2, "METHOD": 1})
    assert site.get("/").body == b"0"


def wsgi_app(environ, start_response):
    """Answer with what can be stored."""
    start_response("200 OK", [("Cache-Control", "max-age=60")])
    return [b"hello"]


async def asgi_app(scope, receive, send):
    """Answer with what can be stored."""
    headers = [(b"cache-control", b"max-age=60")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def ask(shell, middleware):
    """Send one request; return what Cache-Status says."""
    if shell == "wsgi":
        with httpx.Client(transport=httpx.WSGITransport(middleware), base_url="http://app.test") as client:
            return client.get("/").headers["cache-status"]

    async def get():
        transport = httpx.ASGITransport(middleware)
        async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as client:
            return (await client.get("/")).headers["cache-status"]

    return asyncio.run(get())


MISS, HIT = "cachelayer; fwd=uri-miss; stored", "cachelayer; hit; ttl=60"
MIDDLEWARES = pytest.mark.parametrize(
    ("shell", "make"),
    [
        ("asgi", lambda: cachelayer.asgi.CacheMiddleware(asgi_app)),
        ("wsgi", lambda: cachelayer.wsgi.CacheMiddleware(wsgi_app)),
    ],
    ids=["asgi", "wsgi"],
)


@MIDDLEWARES
def test_middlewares_of_the_default_cache_are_isolated(used, shell, make):
    """One that named no cache follows the default."""
    middleware = make()
    assert ask(shell, middleware) == MISS
    with isolated_cache() as cache:
        assert [ask(shell, middleware), ask(shell, middleware)] == [MISS, HIT]
        assert cache.stats().routes["<unlabelled>"].requests == 2
    assert ask(shell, middleware).startswith("cachelayer; hit")


@MIDDLEWARES
def test_middlewares_go_over_to_a_new_default(used, shell, make):
    """configure(replace=True) reaches a middleware that has served already, with its listeners."""
    middleware, heard = make(), []
    ask(shell, middleware)
    new = configure(InMemoryBackend(clock=FakeClock()), replace=True)
    new.add_listener(lambda event: heard.append(event.kind))
    assert [ask(shell, middleware), ask(shell, middleware)] == [MISS, HIT]
    assert heard == ["miss", "stored", "hit"]
    assert used.stats().total.requests == 1


# -- caching is off ---------------------------------------------------------------------------------------------


@COLOURS
def test_functions_are_called_each_time_while_caching_is_off(used, is_async):
    """Every call computes, counts as a bypass with its reason, and leaves nothing in any store."""
    f = cached(counting(is_async=is_async))
    assert [outcome(f), outcome(f)] == [1, 1]
    with caching_disabled():
        assert [outcome(f), outcome(f)] == [2, 3]
        stats = f.stats()
        assert (stats.bypass, stats.requests, dict(stats.reasons)) == (2, 2, {"disabled": 2})
        assert (stats.hit_rate, stats.coverage) == (0.0, 0.0)
        assert f.cache_info() == (0, 2, None, None)
        assert default_cache().backend.get_stats().current_entries == 0
    assert [outcome(f), f.stats().bypass] == [1, 0]


def test_calls_at_the_same_time_all_compute_while_caching_is_off(used):
    """Nobody gets another caller's result."""
    f = cached(counting())
    with caching_disabled():
        assert sorted(in_threads(8, lambda _: f())) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_control_of_functions_goes_on_while_caching_is_off(used):
    """What would remove, look or store finds nothing to do."""
    f = cached(tags=["t"])(counting())
    with caching_disabled():
        assert f.invalidate() is False
        assert f.invalidate_all() == 0
        assert f.peek() is None
        assert f.set(5) is False
        assert f.refresh() == 1
        assert default_cache().invalidate_tags("t") == 0
        assert default_cache().clear() == 0


def test_errors_and_arguments_without_keys_pass_while_caching_is_off(used):
    """A function fails as it does by itself, and no key is made, so none can fail."""

    @cached
    def f(x):
        raise LookupError(x)

    with caching_disabled():
        with pytest.raises(LookupError):
            f(object())
        assert (f.stats().bypass, f.stats().error) == (1, 0)


def test_listeners_hear_of_bypassed_calls(used):
    """An event says the outcome."""
    f, heard = cached(counting()), []
    with caching_disabled():
        default_cache().add_listener(lambda event: heard.append((event.kind, event.outcome, event.reason)))
        f()
    assert heard == [("miss", "bypass", "disabled")]


def test_an_explicit_cache_can_be_switched_off():
    """Others go on."""
    cache = Cache()
    f, g = cached(cache=cache)(counting()), cached(cache=Cache())(counting())
    with caching_disabled(cache):
        assert [f(), f(), g(), g()] == [1, 2, 1, 1]


# -- the store that is none -------------------------------------------------------------------------------------


def test_the_null_store_stores_nothing():
    """Every read misses and every write says that it stored nothing; what is wrong is still refused."""
    store = backend_from_url("null://")
    assert isinstance(store, NullBackend)
    assert store.set("a", b"1") is store.add("a", b"1") is store.delete("a") is store.exists("a") is False
    assert store.get("a") is store.get_entry("a") is None
    assert (store.keys(), store.clear(), store.get_many(["a"]), store.set_many({"a": b"1"})) == ([], 0, {}, 0)
    assert store.get_stats().current_entries == 0
    store.bump_generations(["a"])
    store.soften_generations(["a"])
    for wrong in (lambda: store.set("a", "1"), lambda: store.get(1)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(UnsupportedOperationError, match="locks"):
        store.lock("a").acquire()


def test_the_null_store_switches_caching_off_for_good():
    """`null://` is a configuration too."""
    f = cached(backend="null://")(counting())
    assert [f(), f(), f.stats().bypass] == [1, 2, 2]


# -- unittest ---------------------------------------------------------------------------------------------------

price = cached(counting())


class TestWithUnittest(unittest.TestCase):
    """The context managers in setUp: each test starts with nothing cached."""

    def setUp(self):
        """Isolate the default cache until the test's end."""
        self.cache = self.enterContext(isolated_cache())

    def test_one(self):
        """The first call is a miss."""
        price()
        price()
        assert (price.stats().miss, price.stats().hit) == (1, 1)

    def test_two(self):
        """In the other test it is one again."""
        price()
        assert self.cache.stats().total.miss == 1
