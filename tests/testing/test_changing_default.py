"""What named no cache follows the default when that is exchanged: in threads, coroutines and forked children."""

import asyncio
import gc
import threading
import weakref

import pytest

from cachelayer import Cache, InMemoryBackend, cached, configure, default_cache
from cachelayer import default as default_module
from cachelayer.backends.null import NullBackend
from cachelayer.exchange import Caching
from cachelayer.functions.quick import prepare
from cachelayer.testing.crowds import in_a_child, in_threads
from tests.functions.support import Background, Gate


@pytest.fixture(autouse=True)
def _used(monkeypatch):
    """A process whose default cache is in use."""
    monkeypatch.setattr(default_module, "_default", Cache())
    monkeypatch.setattr(default_module, "_used", True)


def exchange(**options):
    """Put another default cache in place."""
    return configure(InMemoryBackend(), replace=True, **options)


class Shop:
    """Has a cached method."""

    def __init__(self, prices):
        self.prices = prices

    @cached
    def price(self):
        """Return the price as it was when it was computed."""
        return self.prices[-1]


def test_hits_take_the_short_way_in_each_default():
    """After an exchange a function's hits are as quick as before, and counted by the new cache."""
    f = cached(lambda: [1])
    shop = Shop([1])
    for _ in range(3):
        new = exchange()
        for _ in range(5):
            f()
            shop.price()
        bindings = f._core().binding(), Shop.price._core().binding()
        assert [binding.counters.shortcut_hits.value for binding in bindings] == [4, 4]
        assert (new.stats().total.hit, new.stats().total.miss) == (8, 2)
        assert new.backend.get_stats().hits == 8


def test_who_named_a_cache_keeps_it():
    """cache= and backend= have nothing to do with the default."""
    for options in ({"cache": Cache()}, {"backend": InMemoryBackend()}):
        results = iter("ab")
        f = cached(**options)(lambda: next(results))  # noqa: B023 - called in this round only
        assert f() == "a"
        binding = f._core().binding()
        exchange()
        assert f() == "a"
        assert f._core().binding() is binding
    caching = Caching(cache=Cache())
    bound = caching.bind()
    exchange()
    assert caching.bind() is bound


def test_a_default_of_another_kind():
    """From memory to bytes, to a namespace, to no caching at all, and back: each call goes by the default of now."""
    runs = []
    f = cached(name="f of kinds")(lambda: runs.append(1))
    shop = Shop([1, 2])
    for backend, computed in (
        (InMemoryBackend(), 1),
        (NullBackend(), 3),
        (InMemoryBackend(), 1),
    ):
        configure(backend, replace=True, namespace="n")
        runs.clear()
        for _ in range(3):
            f()
            assert shop.price() == 2
        assert len(runs) == computed
    configure(InMemoryBackend(), replace=True)
    assert not f.key_for().startswith("1:n:")


def test_no_call_that_begins_after_an_exchange_gets_what_was_cached_before():
    """Eight threads call while the default is exchanged a hundred times: nothing old is served, quick way or not."""
    prices, exchanged = [0], [0]
    shop = Shop(prices)

    @cached(lock_timeout=5)
    def price(kind):
        return prices[-1]

    def work(number):
        if number == 0:
            for generation in range(1, 101):
                prices.append(generation)
                exchange()
                exchanged[0] = generation
            exchanged.append("end")
            return
        while len(exchanged) == 1:
            for call in (price, lambda _: shop.price()):
                least = exchanged[0]
                assert call(number % 2) >= least

    in_threads(8, work)
    assert [price(0), price(1), shop.price()] == [100] * 3
    assert default_cache().stats().total.requests >= 3


def test_a_middleware_is_bound_to_the_default_of_now():
    """Eight threads bind while the default is exchanged: who binds after an exchange has the new one."""
    caching, latest, ended = Caching(), [default_cache()], []

    def work(number):
        if number == 0:
            for _ in range(100):
                latest.append(exchange())  # noqa: PERF401 - others look at it meanwhile
            ended.append(True)
            return
        while not ended:
            known = len(latest) - 1
            bound = caching.bound or caching.bind()
            assert bound.cache not in latest[:known]

    in_threads(8, work)
    assert caching.bind().cache is latest[-1]


def test_what_is_under_way_ends_in_the_old_cache():
    """A computation that began before the exchange returns its result, which nobody finds in the new cache."""
    gate = Gate()

    @cached
    def f(x):
        gate.hold()
        return [x]

    old = default_cache()
    call = Background(lambda: f(1))
    gate.wait_for_somebody()
    new = exchange()
    assert f.peek(1) is None
    gate.open()
    assert call.result() == [1]
    assert (old.stats().total.miss, new.stats().total.requests) == (1, 0)
    assert f.peek(1) is None
    assert not f._core().shortcut


def test_coroutines_under_way_end_in_the_old_cache():
    """As in threads; a caller that comes after the exchange computes by itself rather than wait for it."""
    runs = []

    async def main():
        go = asyncio.Event()

        @cached
        async def f():
            runs.append(1)
            if len(runs) == 1:
                await go.wait()
            return len(runs)

        first = asyncio.create_task(f())
        await asyncio.sleep(0)
        exchange()
        assert await f() == 2
        go.set()
        assert await first == 2
        assert [await f(), len(runs)] == [2, 2]

    asyncio.run(main())


def test_a_quick_way_that_was_made_too_late_is_not_taken():
    """A thread that was about to arm the old cache's ways finds that they are old."""
    f = cached(lambda x: x)
    f(1)
    core = f._core()
    old = core.binding()
    quick = prepare(core)
    exchange()
    assert core.adopt(old, quick) is quick
    assert core.quick is None
    assert core.link_for(old, (1,), (int, 1)) is None
    f(1)
    assert core.quick is not quick


def test_functions_and_middlewares_are_held_weakly():
    """Those that are dropped are freed, also after exchanges; and so are the caches that they used."""
    f, caching, old = cached(lambda: 1), Caching(), default_cache()
    f()
    caching.bind()
    exchange()
    f()
    caching.bind()
    references = [weakref.ref(each) for each in (f._core(), caching, old, old.backend.table)]
    del f, caching, old
    default_module._default = None
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_fork_in_the_middle_of_an_exchange():
    """A child has none of the threads that exchange the default: it finishes what one of them had begun."""
    value = ["old"]
    functions = [cached(lambda number=number: [value[0], number]) for number in range(40)]
    for f in functions:
        f()
    gate = Gate()

    class Last:
        def unbind(self):
            gate.hold()

    last = Last()
    default_module.follow_default(last, default_cache)
    value[0] = "new"
    exchanging = Background(exchange)
    gate.wait_for_somebody()
    # Not one that waits here, in the child.
    Last.unbind = lambda self: None
    try:
        assert in_a_child(lambda: {f()[0] for f in functions}) == {"new"}
    finally:
        gate.open()
        exchanging.result()
    assert {f()[0] for f in functions} == {"new"}


def test_threads_that_bind_first_are_bound_once():
    """Of eight that come at the same time one makes the ties, and all count together."""
    f = cached(lambda x: x)
    start = threading.Barrier(8)

    def work(number):
        start.wait(10)
        f(number)
        return f._core().binding()

    assert len(set(in_threads(8, work))) == 1
    assert f.cache_info()[:2] == (0, 8)
