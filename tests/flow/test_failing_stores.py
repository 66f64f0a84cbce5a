"""A shared store that goes away under a cache: what functions and whole applications see of it (22, 30)."""

import asyncio
import logging
import time

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cachelayer import BackendError, Cache, ConfigurationError, InMemoryBackend, cached
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.backends import TieredBackend
from cachelayer.backends.resilience import ResilientBackend, State
from cachelayer.testing import FailingBackend, FakeClock, MinimalBackend
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.functions.support import COLOURS, Background, Calls, Gate, SixMethods, World, until, waiters
from tests.shells import SHELLS, Site, numbered

FRESH = "Cache-Control: max-age=3600"


class Outage:
    """A cache over a shared store that fails when told to, wrapped as the cache does it, on a clock of the test's."""

    def __init__(self, colour="sync", **options):
        self.world = World(colour, "six methods")
        self.store = FailingBackend(SixMethods(clock=self.world.clock), error=OSError("no route"))
        self.store.mend()
        resilient = ResilientBackend(self.store, clock=self.world.clock, background=False)
        self.cache = self.world.cache_over(resilient, **options)
        self.calls = Calls()

    def begin(self):
        """Let the store go away."""
        self.store.break_down()

    def end(self):
        """Let it be back, and the pause be over."""
        self.store.mend()
        self.world.clock.advance(60)


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.INFO, logger="cachelayer")


# -- the cache --------------------------------------------------------------------------------------------------


def test_a_cache_wraps_a_shared_store_by_itself():
    """Functions and middlewares get all of it with no option; `backend` stays what was given."""
    store = FailingBackend(SixMethods(), error=OSError("no route"))
    cache = Cache(store)
    assert cache.backend is store
    f = cached(cache=cache, name="f")(lambda: "computed")
    assert [f() for _ in range(20)] == ["computed"] * 20
    assert cache.health().state is State.OPEN
    assert store.calls.total() == 3
    assert cache.stats().backend_errors >= 40


def test_the_memory_of_this_process_is_not_wrapped():
    """It does not go away, and must not get slower."""
    for backend in (InMemoryBackend(), MinimalBackend()):
        cache = Cache(backend)
        assert cache.health() is None
        assert cache._store is backend


def test_caches_over_one_store_know_the_same_of_it():
    """What one has invalidated while the store was away, another does not serve."""
    store = FailingBackend(SixMethods())
    one, two = Cache(store), Cache(store, namespace="other")
    f = cached(cache=one, name="f")(lambda: 1)
    f()
    f()
    assert two.health() == one.health()
    assert two.health().state is State.OPEN


def test_a_wrapper_of_ones_own_keeps_its_options():
    """A `ResilientBackend` is used as it is; the cache's own options go before its."""
    store = ResilientBackend(FailingBackend(SixMethods()), failures=7, on_error="raise")
    f = cached(backend=store, name="f")(lambda: 1)
    with pytest.raises(BackendError):
        f()
    g = cached(cache=Cache(store, on_error="open"), name="g")(lambda: 1)
    assert g() == 1
    assert store.health().state is State.CLOSED


@pytest.mark.parametrize("options", [{"on_error": "close"}, {"deadline": 0}, {"deadline": -1}], ids=repr)
def test_options_that_cannot_work_raise(options):
    """At the place of the mistake, naming the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Cache(SixMethods(), **options)


def test_a_deadline_bounds_a_store_that_hangs():
    """`deadline=` of the cache is that of each operation, also for a store with no time limits (30)."""
    gate = Gate()

    class Hanging(SixMethods):
        timeout = None

        def get(self, key):
            gate.hold()
            return super().get(key)

    cache = Cache(Hanging(), deadline=0.05)
    f = cached(cache=cache, name="f")(lambda: "computed")
    started = time.monotonic()
    assert [f() for _ in range(20)] == ["computed"] * 20
    assert time.monotonic() - started < 20 * 0.05
    gate.open()


def test_statistics_do_not_ask_a_store_that_is_away():
    """A dashboard is not held up; and what counts are to be had is not made up."""
    it = Outage()
    f = it.world.cached(cache=it.cache)(it.calls.__call__)
    it.begin()
    for _ in range(5):
        f()
    calls = it.store.calls.total()
    stats = it.cache.stats()
    assert it.store.calls.total() == calls
    assert stats.backends["default"].hits is None
    assert stats.backend_errors == it.cache.engine.storage.errors.value > 0
    it.cache.reset_stats()
    assert it.cache.stats().backend_errors == 0


@pytest.mark.parametrize("colour", COLOURS)
def test_closing_tells_the_store_what_it_missed(colour):
    """An invalidation right before the end of a process that saw the store come back is not lost."""
    it = Outage(colour)
    f = it.world.cached(cache=it.cache, name="f")(it.calls.__call__)
    it.world.run(f())
    it.begin()
    it.world.run(f.invalidate())
    it.store.mend()
    assert it.store.inner.exists(f.key_for())
    if colour == "sync":
        it.cache.close()
    else:
        asyncio.run(it.cache.aclose())
    assert not it.store.inner.exists(f.key_for())


# -- invalidation -----------------------------------------------------------------------------------------------

WAYS = {
    "invalidate": lambda it, f: it.world.run(f.invalidate(1)),
    "invalidate_all": lambda it, f: it.world.run(f.invalidate_all()),
    "invalidate_tags": lambda it, f: it.cache.invalidate_tags("t"),
    "clear": lambda it, f: it.cache.clear(),
    "set": lambda it, f: it.world.run(f.set([1, "set"], 1)),
    "refresh": lambda it, f: it.world.run(f.refresh(1)),
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_invalidated_during_an_outage_is_not_served_after_it(colour, way):
    """In whatever way: the function is called again once the store is back, here and in other processes (30)."""
    it = Outage(colour)
    f = it.world.cached(cache=it.cache, name="f", tags=["t"])(lambda k: [k, it.calls()])
    there = it.world.cached(cache=it.world.cache_over(it.store.inner), name="f", tags=["t"])(
        lambda k: [k, it.calls()]
    )
    assert it.world.run(f(1)) == it.world.run(there(1)) == [1, 1]
    it.begin()
    WAYS[way](it, f)
    meanwhile = it.world.run(f(1))
    assert meanwhile != [1, 1]
    it.end()
    after = it.world.run(f(1))
    assert after not in ([1, 1], meanwhile)
    assert it.world.run(there(1)) == after


@pytest.mark.parametrize("way", ["invalidate", "invalidate_tags", "clear"])
def test_a_computation_under_way_is_fenced_off_though_the_store_is_away(way):
    """Who comes after the invalidation does not get the result of a computation from before it (34, 30)."""
    it, gate = Outage(), Gate()

    def body(k):
        number = it.calls()
        if number == 1:
            gate.hold()
        return [k, number]

    f = it.world.cached(cache=it.cache, name="f", tags=["t"])(body)
    it.begin()
    early = Background(lambda: f(1))
    gate.wait_for_somebody()
    WAYS[way](it, f)
    assert f(1) == [1, 2]
    gate.open()
    assert early.result() == [1, 1]
    it.end()
    assert f(1) == [1, 3]
    assert f(1) == [1, 3]


def test_a_computation_from_within_an_outage_is_fenced_off_after_it():
    """It has no fence in the store, so that an invalidation which reaches the store ends it here (34, 30)."""
    it, gate = Outage(), Gate()

    def body(k):
        number = it.calls()
        if number == 1:
            gate.hold()
        return [k, number]

    f = it.world.cached(cache=it.cache, name="f", tags=["t"])(body)
    it.begin()
    early = Background(lambda: f(1))
    gate.wait_for_somebody()
    it.end()
    it.cache.invalidate_tags("t")
    assert it.store.calls["bump_generations"] == 1
    assert f(1) == [1, 2]
    gate.open()
    assert early.result() == [1, 1]
    assert f(1) == [1, 2]


def test_callers_still_share_a_computation_while_the_store_is_away():
    """An outage does not let a herd loose on the origin (30)."""
    it, gate = Outage(), Gate()

    def body():
        gate.hold()
        return it.calls()

    f = it.world.cached(cache=it.cache, name="f")(body)
    it.begin()
    callers = [Background(f)]
    gate.wait_for_somebody()
    callers += [Background(f) for _ in range(5)]
    until(lambda: waiters(it.cache) == 5)
    gate.open()
    assert [caller.result() for caller in callers] == [1] * 6


# -- by choice --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_by_choice_a_failing_store_raises(colour):
    """`on_error="raise"`: the error reaches the caller, and the lookup counts as one that ended in an error (30)."""
    it = Outage(colour, on_error="raise")
    f = it.world.cached(cache=it.cache, name="f", tags=["t"])(it.calls.__call__)
    assert it.world.run(f()) == 1
    it.begin()
    for _ in range(5):
        with pytest.raises(BackendError, match="no route"):
            it.world.run(f())
    for control in (f.invalidate, f.invalidate_all, f.refresh, lambda: f.set(5), f.peek):
        with pytest.raises(BackendError, match="no route"):
            it.world.run(control())
    with pytest.raises(BackendError, match="no route"):
        it.cache.invalidate_tags("t")
    assert (it.calls.count, f.stats().error) == (1, 5)
    it.end()
    assert it.world.run(f()) == 2
    assert len(it.cache.engine.flights) == 0


def test_by_choice_a_store_of_this_process_raises_too():
    """The choice does not depend on who sees the store."""
    store = FailingBackend(MinimalBackend(), error=OSError("disk"))
    f = cached(cache=Cache(store, on_error="raise"), name="f")(lambda: 1)
    with pytest.raises(BackendError, match="disk"):
        f()
    store.mend()
    assert f() == 1


# -- applications -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_responses_go_on_and_the_log_has_two_lines(shell, caplog):
    """Fifty requests while the store is away: one line when it goes and one when it is back (30)."""
    clock = FakeClock()
    store = FailingBackend(SixMethods(clock=clock), error=OSError("no route"))
    store.mend()
    resilient = ResilientBackend(store, clock=clock, background=False)
    site = Site(shell, "six methods", numbered(FRESH), backend=resilient, clock=clock)
    assert [site.get().body, site.get().body] == [b"0", b"0"]
    caplog.clear()
    store.break_down()
    for number in range(1, 51):
        response = site.get()
        assert (response.status, response.body, response.error) == (200, b"%d" % number, None)
        clock.advance(1)
    store.mend()
    clock.advance(60)
    assert site.get().body == b"0"
    assert [record.message.split(",")[0].split(" after")[0] for record in caplog.records] == [
        "FailingBackend failed in get_many",
        "FailingBackend is back",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_by_choice_a_request_ends_in_the_stores_error(shell):
    """`on_error="raise"`: the server gets it before the application is asked, and all is well afterwards (30)."""
    clock = FakeClock()
    store = FailingBackend(SixMethods(clock=clock), error=OSError("no route"))
    store.mend()
    resilient = ResilientBackend(store, clock=clock, background=False, on_error="raise")
    site = Site(shell, "six methods", numbered(FRESH), backend=resilient, clock=clock)
    site.get()
    store.break_down()
    for _ in range(5):
        assert isinstance(site.get().error, BackendError)
    assert site.calls == 1
    store.mend()
    clock.advance(60)
    assert (site.get().body, site.calls) == (b"0", 1)


class App:
    """An application with a page and a cached function behind one cache, as its framework has it."""

    def __init__(self, framework):
        self.store = FailingBackend(SixMethods(), error=OSError("no route"))
        self.store.mend()
        self.cache = Cache(ResilientBackend(self.store, probe_interval=0.01))
        self.calls = Calls()
        self.get = getattr(self, framework)()

    def starlette(self):
        """Serve by Starlette."""

        @cached(cache=self.cache, name="number", tags=["n"])
        async def number():
            return self.calls()

        async def page(request):
            return JSONResponse(await number(), headers={"cache-control": "max-age=60"})

        async def plain(request):
            return JSONResponse(await number())

        app = Starlette(
            routes=[Route("/page", page), Route("/plain", plain)],
            middleware=[Middleware(AsgiMiddleware, cache=self.cache)],
        )
        client = TestClient(app)

        def get(path):
            response = client.get(path)
            return response.status_code, response.json()

        return get

    def flask(self):
        """Serve by Flask."""
        number = cached(cache=self.cache, name="number", tags=["n"])(self.calls.__call__)
        app = Flask(__name__)
        app.testing = True  # exceptions reach the test
        app.add_url_rule("/page", "page", lambda: (str(number()), {"Cache-Control": "max-age=60"}))
        app.add_url_rule("/plain", "plain", lambda: str(number()))
        app.wsgi_app = WsgiMiddleware(app.wsgi_app, cache=self.cache)
        client = app.test_client()

        def get(path):
            response = client.get(path)
            return response.status_code, int(response.data)

        return get


@pytest.mark.parametrize("framework", ["starlette", "flask"])
def test_an_application_sees_nothing_of_an_outage(framework):
    """Pages and functions go on, uncached, are cached again afterwards, and nothing stale is served (30)."""
    app = App(framework)
    assert [app.get("/page"), app.get("/page"), app.get("/plain")] == [(200, 1)] * 3
    for outage in range(3):
        app.store.break_down()
        before = app.calls.count
        app.cache.invalidate_tags("n")
        for _ in range(5):
            assert app.get("/plain")[0] == app.get("/page")[0] == 200
        assert app.calls.count == before + 10
        app.store.mend()
        end = time.monotonic() + 20
        while app.cache.health().state is not State.CLOSED or app.cache.health().pending:
            assert time.monotonic() < end, "the store is not used again"
            time.sleep(0.001)
        status, value = app.get("/plain")
        assert value > before
        assert app.get("/plain") == (status, value) == (200, value), outage
    app.cache.close()


def test_a_tiered_store_that_goes_away_is_two_lines_in_the_log(caplog):
    """The shared store of a tiered one is guarded too: one line when it goes, one when it is back (30)."""
    store = FailingBackend(SixMethods(), error=OSError("no route"))
    store.mend()
    guard = ResilientBackend(store, background=False, probe_interval=0.01)
    with TieredBackend(l2=guard, feed="poll", poll_interval=5.0) as tiered:
        cache = Cache(tiered)
        function = cached(cache=cache, name="app.f")(lambda number: number)
        assert function(0) == 0
        store.break_down()
        assert [function(number) for number in range(50)] == list(range(50))
        store.mend()
        until(lambda: function(0) == 0 and guard.health().state == "closed")
    told = [record.message for record in caplog.records if record.name.startswith("cachelayer")]
    assert len([line for line in told if "failed in" in line]) == 1
    assert len([line for line in told if "is back" in line]) == 1
