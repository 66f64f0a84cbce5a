"""Invalidation while a computation is under way: acceptance functions.md 34 and 35.

However it is done (a key, a tag, the function, everything, a value that is set, a refresh), whoever is computing
gets its value, nothing stale is stored, and who comes after the invalidation returned never gets what was computed
before.
"""

import asyncio
import threading

import pytest

from cachelayer import Cache, cached
from tests.functions.support import Background, Calls, Gate, SixMethods, World, auntil, until, waiters

#: How to invalidate f(1), whose tags are "t" and "user:1".
WAYS = {
    "key": lambda world, f: world.run(f.invalidate(1)),
    "function": lambda world, f: world.run(f.invalidate_all()),
    "cache_clear": lambda world, f: f.cache_clear(),
    "tag": lambda world, f: world.cache.invalidate_tags("t"),
    "tag, async": lambda world, f: asyncio.run(world.cache.ainvalidate_tags("t")),
    "templated tag": lambda world, f: world.cache.invalidate_tags("user:1"),
    "everything": lambda world, f: world.cache.clear(),
    "everything, async": lambda world, f: asyncio.run(world.cache.aclear()),
}


@pytest.fixture(params=list(WAYS))
def invalidate(request):
    """One way to invalidate."""
    return WAYS[request.param]


class Row:
    """A row of a database, and a cached function that reads it, slowly when told to."""

    def __init__(self, world, **options):
        self.version, self.calls = 1, Calls()
        self.gates: dict[int, Gate] = {}

        @world.cached(**options)
        def f(k):
            read = self.version
            gate = self.gates.get(self.calls())
            if gate is not None:
                gate.hold()
            return {"version": read}

        self.f = f

    def slow(self, number):
        """Hold the computation of this number, from 1, after it has read."""
        gate = self.gates[number] = Gate()
        return gate


TAGS = {"tags": ["t", "user:{k}"]}


def test_the_result_of_an_invalidated_computation_is_returned_but_not_stored(world, invalidate):
    """34: that caller gets its value, nothing stale is stored, the next call computes."""
    row = Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    row.version = 2
    invalidate(world, row.f)
    gate.open()
    assert leader.result() == {"version": 1}
    assert world.run(row.f.peek(1)) is None
    assert world.run(row.f(1)) == {"version": 2}
    assert world.run(row.f(1)) == {"version": 2}
    assert row.calls.count == 2


@pytest.mark.parametrize("way", ["key", "function", "everything"])
def test_it_is_so_for_functions_without_tags(world, way):
    """34: the shortest path, which plain functions in memory take, is fenced too."""
    row = Row(world)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    row.version = 2
    WAYS[way](world, row.f)
    late = world.run(row.f(1))
    gate.open()
    assert leader.result() == {"version": 1}
    assert late == world.run(row.f(1)) == {"version": 2}


def test_who_comes_after_an_invalidation_does_not_join_what_began_before(world, invalidate):
    """34: a late caller computes by itself rather than wait for a computation that is fenced off."""
    row = Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    row.version = 2
    invalidate(world, row.f)
    assert world.run(row.f(1)) == {"version": 2}  # while the leader still computes
    gate.open()
    assert leader.result() == {"version": 1}
    assert world.run(row.f(1)) == {"version": 2}
    assert row.calls.count == 2


def test_who_waited_before_an_invalidation_gets_what_it_waited_for(world, invalidate):
    """34: callers that came before the invalidation are served by the computation that they joined."""
    row = Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    waiter = world.background(row.f, 1)
    world.wait_for_waiters(1)
    flight = next(iter(world.cache.engine.flights.computing.flying.values()))
    row.version = 2
    invalidate(world, row.f)
    gate.open()
    assert leader.result() == waiter.result() == {"version": 1}
    assert not flight.waiters
    assert world.run(row.f(1)) == {"version": 2}


def test_late_callers_share_a_computation_of_their_own(world, invalidate):
    """30, 34: those who come after the invalidation compute once, together."""
    row = Row(world, **TAGS)
    old, new = row.slow(1), row.slow(2)
    leader = world.background(row.f, 1)
    old.wait_for_somebody()
    row.version = 2
    invalidate(world, row.f)
    late = [world.background(row.f, 1) for _ in range(4)]
    new.wait_for_somebody()
    world.wait_for_waiters(3)
    old.open()
    assert leader.result() == {"version": 1}
    new.open()
    assert [each.result() for each in late] == [{"version": 2}] * 4
    assert row.calls.count == 2


def test_an_invalidation_of_something_else_changes_nothing(world):
    """34: other keys, other tags and other functions do not fence a computation off."""
    row, other = Row(world, **TAGS), Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    world.run(row.f.invalidate(2))
    world.run(other.f.invalidate_all())
    world.cache.invalidate_tags("user:2", "unused")
    gate.open()
    leader.result()
    assert world.run(row.f(1)) == {"version": 1}
    assert row.calls.count == 1


def test_a_lone_computation_is_fenced_too(world, invalidate):
    """33, 34: who computes by itself after lock_timeout stores nothing stale either."""
    row = Row(world, **TAGS, lock_timeout=0)
    first, second = row.slow(1), row.slow(2)
    running = [world.background(row.f, 1)]
    first.wait_for_somebody()
    running.append(world.background(row.f, 1))
    second.wait_for_somebody()
    row.version = 2
    invalidate(world, row.f)
    first.open()
    second.open()
    assert [each.result() for each in running] == [{"version": 1}] * 2
    assert world.run(row.f(1)) == {"version": 2}


def test_a_value_that_is_set_during_a_computation_wins(world):
    """35: f.set(...) during a computation is what stays."""
    row = Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    assert world.run(row.f.set({"version": 2}, 1)) is True
    assert world.run(row.f(1)) == {"version": 2}
    gate.open()
    assert leader.result() == {"version": 1}
    assert world.run(row.f(1)) == {"version": 2}
    assert row.calls.count == 1


def test_a_refresh_is_not_overwritten_by_a_computation_that_began_before_it(world):
    """35, 36: f.refresh(...) computes anew, and an older computation that ends later does not undo it."""
    row = Row(world, **TAGS)
    gate = row.slow(1)
    leader = world.background(row.f, 1)
    gate.wait_for_somebody()
    row.version = 2
    assert world.run(row.f.refresh(1)) == {"version": 2}
    gate.open()
    assert leader.result() == {"version": 1}
    assert world.run(row.f(1)) == {"version": 2}


def test_invalidating_while_a_refresh_runs_wins(world, invalidate):
    """34, 36: the result of a refresh is fenced as any other."""
    row = Row(world, **TAGS)
    world.run(row.f(1))
    gate = row.slow(2)
    refresh = world.background(row.f.refresh, 1)
    gate.wait_for_somebody()
    row.version = 2
    invalidate(world, row.f)
    gate.open()
    assert refresh.result() == {"version": 1}
    assert world.run(row.f(1)) == {"version": 2}


def test_an_invalidation_inside_the_function_itself_wins(world, invalidate):
    """34: a function that invalidates what it is computing stores nothing, and does not wait for itself."""
    version = Calls()

    @world.cached(**TAGS)
    def f(k):
        invalidate_here()
        return version()

    def invalidate_here():
        # In a thread of its own: event loops cannot be nested.
        thread = threading.Thread(target=invalidate, args=(world, f))
        thread.start()
        thread.join()

    assert [world.run(f(1)) for _ in range(3)] == [1, 2, 3]


def test_a_cached_exception_is_fenced_too(world, invalidate):
    """29, 34: an error that is cached is not stored after an invalidation either."""
    gate, found = Gate(), []

    @world.cached(cache_exceptions=LookupError, negative_ttl=60, **TAGS)
    def f(k):
        if not found:
            gate.hold()
            raise LookupError(k)
        return found[0]

    leader = world.background(f, 1)
    gate.wait_for_somebody()
    found.append("now it is there")
    invalidate(world, f)
    gate.open()
    with pytest.raises(LookupError):
        leader.result()
    assert world.run(f(1)) == "now it is there"


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [Cache, lambda: Cache(SixMethods())], ids=["memory", "six methods"])
async def test_tasks_of_one_event_loop_are_fenced(make):
    """34: what holds between threads holds between tasks."""
    cache, version, started, go = make(), [1], asyncio.Event(), asyncio.Event()

    @cached(cache=cache, name="f", tags=["t"])
    async def f(k):
        read = version[0]
        if read == 1:
            started.set()
            await go.wait()
        return read

    leader = asyncio.ensure_future(f(1))
    waiter = asyncio.ensure_future(f(1))
    await started.wait()
    await auntil(lambda: waiters(cache) == 1)
    version[0] = 2
    await cache.ainvalidate_tags("t")
    assert await f(1) == 2
    go.set()
    assert await asyncio.gather(leader, waiter) == [1, 1]
    assert await f(1) == 2


# -- between the steps ------------------------------------------------------------------------------------------


def test_who_leads_with_a_value_that_was_found_is_fenced_too(world):
    """34: a leader that finds what landed just before it leads does not hand it to who comes after an invalidation."""
    row = Row(world, **TAGS)
    storage, gate = world.cache.engine.storage, Gate()
    flights, read = world.cache.engine.flights, storage.read
    join = flights.join
    steps: list[str] = []

    def join_after_another(key):
        if threading.current_thread().name == "leader" and not steps:
            steps.append("landed")
            world.run(row.f(1))  # computes and stores, after the leader has found nothing
        return join(key)

    def read_then_wait(key, codec, tags):
        record = yield from read(key, codec, tags)
        if steps == ["landed"] and threading.current_thread().name == "leader" and record is not None:
            steps.append("read")
            gate.hold()
        return record

    flights.join, storage.read = join_after_another, read_then_wait
    leader = Background(lambda: world.run(row.f(1)), name="leader")
    gate.wait_for_somebody()
    row.version = 2
    world.cache.invalidate_tags("t")
    late = world.background(row.f, 1)
    until(lambda: late.ended or waiters(world.cache) > 0)
    gate.open()
    leader.result()
    assert late.result() == {"version": 2}
    assert world.run(row.f(1)) == {"version": 2}


def test_a_six_method_store_cannot_be_invalidated_between_compare_and_set():
    """34: the default compare-and-set of a store with only `get` and `set` excludes an invalidation of the key."""
    gate = Gate()

    class Slow(SixMethods):
        def set(self, key, value, ttl=None, metadata=None):
            if threading.current_thread().name == "leader" and not key.startswith("\x00"):
                gate.hold()  # it has compared: nothing was invalidated yet
            return super().set(key, value, ttl, metadata)

    world, version = World("sync", "six methods"), [1]
    cache = Cache(Slow())

    @cached(cache=cache, name="f")
    def f(k):
        return version[0]

    leader = Background(lambda: f(1), name="leader")
    gate.wait_for_somebody()
    version[0] = 2
    invalidation = world.background(f.invalidate, 1)
    gate.open()
    leader.result()
    invalidation.result()
    assert f(1) == 2


def test_invalidations_reach_other_caches_over_the_same_store(colour):
    """34: of two caches over one store, as two processes have them, one fences the other's computations off."""
    world = World(colour, "six methods")
    there = world.cache_over(world.cache.backend)
    row = Row(world, name="row", **TAGS)
    elsewhere = world.cached(cache=there, name="row", **TAGS)(lambda k: {"version": row.version})
    for invalidate in (
        lambda: world.run(elsewhere.invalidate(1)),
        lambda: world.run(elsewhere.invalidate_all()),
        lambda: there.invalidate_tags("user:1"),
        there.clear,
        lambda: world.run(elsewhere.set({"version": row.version}, 1)),
        lambda: world.run(elsewhere.refresh(1)),
    ):
        world.cache.clear()
        gate = row.slow(row.calls.count + 1)
        leader = world.background(row.f, 1)
        gate.wait_for_somebody()
        row.version += 1
        invalidate()
        gate.open()
        leader.result()
        assert world.run(row.f(1)) == {"version": row.version}
        assert world.run(elsewhere(1)) == {"version": row.version}


def test_two_namespaces_of_one_store_do_not_invalidate_each_other(world):
    """34: clearing one namespace, or a tag in it, leaves the other's entries and computations alone."""
    backend = world.cache.backend
    caches = [world.cache_over(backend, namespace=name) for name in ("a", "b")]
    calls = Calls()
    functions = [world.cached(cache=cache, name="f", tags=["t"])(lambda k: calls()) for cache in caches]
    assert [world.run(f(1)) for f in functions] == [1, 2]
    caches[0].clear()
    caches[0].invalidate_tags("t")
    assert [world.run(f(1)) for f in functions] == [3, 2]


def test_a_tag_reaches_entries_that_another_function_gave_it(world):
    """34: a function without tags that shares its key= with one that has them is invalidated with the entry."""
    calls = Calls()
    tagged = world.cached(key="k:{x}", tags=["t"])(lambda x: calls())
    plain = world.cached(key="k:{x}")(lambda x: calls())
    world.run(tagged.set("set", 1))
    assert [world.run(plain(1)) for _ in range(3)] == ["set"] * 3
    world.cache.invalidate_tags("t")
    assert world.run(plain(1)) == 1


def test_tags_survive_any_mix_of_lifetimes(world):
    """38: an entry that expired does not make its tag forget one that lives longer."""
    calls = Calls()
    short = world.cached(ttl=1, tags=["t"])(lambda k=0: calls())
    long = world.cached(ttl=1000, tags=["t"])(lambda k=0: calls())
    assert [world.run(long()), world.run(short())] == [1, 2]
    world.clock.advance(10)
    assert [world.run(short()), world.run(long())] == [3, 1]
    world.cache.invalidate_tags("t")
    assert [world.run(short()), world.run(long())] == [4, 5]


def test_long_tags_work(world):
    """38: a tag is as long as the argument in it."""
    calls = Calls()
    f = world.cached(tags=["q:{query}"])(lambda query: calls())
    texts = ["x" * 70_000, "x" * 69_999 + "y"]
    assert [world.run(f(text)) for text in texts * 2] == [1, 2, 1, 2]
    world.cache.invalidate_tags("q:" + texts[0])
    assert [world.run(f(text)) for text in texts] == [3, 2]


def test_the_count_of_invalidated_entries(world):
    """34: `invalidate_tags`, `invalidate_all` and `clear` say how many entries they removed, where the store can."""
    f = world.cached(tags=["t", "k:{k}"])(lambda k: k)
    memory = world.store == "memory"
    for count in (
        lambda: world.cache.invalidate_tags("t"),
        lambda: world.run(f.invalidate_all()),
        world.cache.clear,
    ):
        for k in range(3):
            world.run(f(k))
        removed = count()
        assert removed == 3 if memory else removed >= 0
    assert world.cache.invalidate_tags("never used") == 0
    assert world.cache.invalidate_tags() == 0


def test_a_tag_must_be_text():
    """Bad input: a tag of another type is named in the error."""
    with pytest.raises(TypeError, match="tag must be str, not int: 7"):
        Cache().invalidate_tags(7)
