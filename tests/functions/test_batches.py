"""Many calls at once: `f.many`, and `@cached.batch`."""

import asyncio
import dataclasses
from collections.abc import Sequence

import pytest

from cachelayer import Cache, bypass, cached
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.testing import WrappedBackend
from tests.functions.support import Background, Gate, SixMethods, World

# -- many -------------------------------------------------------------------------------------------------------


def test_many_reads_what_is_stored_and_computes_the_rest(world):
    """Results come in the order of the items; only what is missing is computed (37)."""
    calls = []

    def compute(number, factor=1):
        calls.append(number)
        return number * factor

    function = world.cached()(compute)
    world.run(function(2, 10))
    assert world.run(function.many([1, 2, 3], 10)) == [10, 20, 30]
    assert sorted(calls) == [1, 2, 3]
    assert world.run(function.many(iter([3, 1]), factor=10)) == [30, 10]
    assert len(calls) == 3
    stats = function.stats()
    assert (stats.miss, stats.hit) == (3, 3)
    assert world.run(function.many([])) == []


def test_many_reads_in_bulk():
    """Stored results take one bulk read, whatever their number (37)."""
    backend = WrappedBackend(SixMethods())
    function = cached(cache=Cache(backend), name="app.f")(lambda number: number)
    for number in range(50):
        function(number)
    backend.calls.clear()
    assert function.many(range(50)) == list(range(50))
    assert dict(backend.calls) == {"get_many": 1}


def test_many_of_a_method(world):
    """On an instance the items are what follows it (11, 37)."""

    class Thing:
        def __cache_key__(self):
            return "thing"

        @world.cached()
        def double(self, number):
            return number * 2

    assert world.run(Thing().double.many([1, 2])) == [2, 4]
    assert Thing.double.stats().miss == 2


def test_many_without_a_cache(world):
    """In a bypass block every call computes (37, 39)."""
    function = world.cached()(lambda number: number)
    with bypass():
        assert world.run(function.many([1, 2])) == [1, 2]
    assert function.stats().requests == 0


# -- batch ------------------------------------------------------------------------------------------------------


class Users:
    """A batch function that notes what it was asked for."""

    def __init__(self, world, **options):
        self.world, self.asked = world, []

        def load(ids, prefix="user"):
            self.asked.append(list(ids))
            return {number: [prefix, number] for number in ids if number >= 0}

        options = {"cache": world.cache, "name": f"users {id(self)}", **options}
        self.function = cached.batch(**options)(world.coloured(load))

    def __call__(self, *args, **kwargs):
        """Call it."""
        return self.world.run(self.function(*args, **kwargs))


def test_a_batch_computes_what_is_missing_in_one_call(world):
    """Each item has an entry of its own (37)."""
    users = Users(world)
    assert users([1, 2]) == {1: ["user", 1], 2: ["user", 2]}
    assert users([2, 3, 1]) == {2: ["user", 2], 3: ["user", 3], 1: ["user", 1]}
    assert users([3, 1]) == {3: ["user", 3], 1: ["user", 1]}
    assert users.asked == [[1, 2], [3]]
    stats = users.function.stats()
    assert (stats.miss, stats.hit) == (3, 4)


def test_other_arguments_are_part_of_the_key(world):
    """Items of calls that differ beside them are apart (37)."""
    users = Users(world)
    users([1])
    assert users([1], prefix="admin") == {1: ["admin", 1]}
    assert users([1], "user") == {1: ["user", 1]}
    assert len(users.asked) == 2


def test_an_item_that_the_function_leaves_out_is_not_stored(world):
    """A mapping may lack items; they are asked for again (37)."""
    users = Users(world)
    assert users([1, -1]) == {1: ["user", 1]}
    assert users([1, -1]) == {1: ["user", 1]}
    assert users.asked == [[1, -1], [-1]]
    assert users.function.stats().reasons == {"absent": 2}


def test_duplicates_are_asked_for_once(world):
    """An item that is named twice is one item (37)."""
    users = Users(world)
    assert users([1, 1, 2, 1]) == {1: ["user", 1], 2: ["user", 2]}
    assert users.asked == [[1, 2]]


def test_an_empty_batch_asks_for_nothing(world):
    """No items, no call (37)."""
    users = Users(world)
    assert users([]) == {}
    assert users.asked == []


def test_a_batch_may_return_a_list(world):
    """Where the return annotation is a sequence, values come in the items' order, duplicates included (37)."""
    asked = []

    def double(numbers) -> Sequence[int]:
        asked.append(list(numbers))
        return [number * 2 for number in numbers]

    function = cached.batch(cache=world.cache, name="double")(world.coloured(double))
    assert world.run(function([1, 2, 1])) == [2, 4, 2]
    assert world.run(function([3, 2, 1])) == [6, 4, 2]
    assert asked == [[1, 2], [3]]


def test_verbs_take_one_item(world):
    """Control names an item where the call has the collection (36, 37)."""
    users = Users(world, tags=["user:{ids}"])
    function, run = users.function, world.run
    users([1, 2, 3])
    assert run(function.peek(1)) == ["user", 1]
    assert run(function.invalidate(1)) is True
    assert run(function.set(["set", 2], 2)) is True
    world.cache.invalidate_tags("user:3")
    assert users([1, 2, 3]) == {1: ["user", 1], 2: ["set", 2], 3: ["user", 3]}
    assert users.asked == [[1, 2, 3], [1, 3]]


def test_callers_may_change_what_they_get(world):
    """Results are the caller's own (19, 37)."""
    users = Users(world)
    for _ in range(3):
        users([1])[1].append("changed")
    assert users([1]) == {1: ["user", 1]}


def test_lifetimes(world):
    """Items expire each by its own time (23, 37)."""
    users = Users(world, ttl=10)
    users([1])
    world.clock.advance(6)
    users([1, 2])
    world.clock.advance(6)
    users([1, 2])
    assert users.asked == [[1], [2], [1]]


def test_an_invalidated_item_is_not_stored_and_the_others_are(store):
    """Each item has a fence of its own (34, 37)."""
    world = World("sync", store)
    gate = Gate()

    def load(ids):
        gate.hold()
        return {number: number for number in ids}

    function = cached.batch(cache=world.cache, name="load")(load)
    call = Background(lambda: function([1, 2, 3]))
    gate.wait_for_somebody()
    function.invalidate(2)
    gate.open()
    assert call.result() == {1: 1, 2: 2, 3: 3}
    assert [function.peek(number) for number in (1, 2, 3)] == [1, None, 3]


def test_overlapping_batches_share_computations(store):
    """Two callers with items in common compute each item once, and do not wait for each other for ever (30, 33, 37)."""
    world = World("sync", store)
    gates = {1: Gate(), 3: Gate()}
    asked = []

    def load(ids):
        asked.append(list(ids))
        gates[ids[0]].hold()
        return {number: number for number in ids}

    function = cached.batch(cache=world.cache, name="load")(load)
    first = Background(lambda: function([1, 2]))
    gates[1].wait_for_somebody()
    second = Background(lambda: function([2, 3]))
    gates[3].wait_for_somebody()
    third = Background(lambda: function([3, 1]))
    for gate in gates.values():
        gate.open()
    assert [first.result(), second.result(), third.result()] == [{1: 1, 2: 2}, {2: 2, 3: 3}, {3: 3, 1: 1}]
    assert asked == [[1, 2], [3]]


def test_an_error_is_everybodys(store):
    """A batch that raises stores nothing, and its waiters get the error too (31, 37)."""
    world = World("sync", store)
    gate = Gate()

    def load(ids):
        gate.hold()
        raise LookupError("no database")

    function = cached.batch(cache=world.cache, name="load")(load)
    calls = [Background(lambda: function([1, 2]))]
    gate.wait_for_somebody()
    calls.append(Background(lambda: function([1])))
    while len(world.cache.engine.flights.computing.flying["load(i1;)"].waiters) < 1:
        pass
    gate.open()
    for call in calls:
        with pytest.raises(LookupError, match="no database"):
            call.result()
    assert function.stats().error == 3
    assert len(world.cache.engine.flights) == 0


def test_a_cancelled_batch_is_taken_over(store):
    """When the task that computes is cancelled, one that waits computes (31, 37)."""
    world = World("async", store)

    async def scenario():
        began, go_on = asyncio.Event(), asyncio.Event()
        asked = []

        async def load(ids):
            asked.append(list(ids))
            began.set()
            await go_on.wait()
            return {number: number for number in ids}

        function = cached.batch(cache=world.cache, name="load")(load)
        leader = asyncio.create_task(function([1, 2]))
        await began.wait()
        waiter = asyncio.create_task(function([1, 2]))
        await asyncio.sleep(0)
        leader.cancel()
        go_on.set()
        assert await waiter == {1: 1, 2: 2}
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert len(world.cache.engine.flights) == 0

    asyncio.run(scenario())


def test_a_batch_reads_in_bulk_and_captures_in_bulk():
    """A batch of n cold items takes two bulk reads and n writes (37)."""
    backend = WrappedBackend(SixMethods())
    function = cached.batch(cache=Cache(backend), name="load")(lambda ids: {number: number for number in ids})
    function([0])
    backend.calls.clear()
    function(range(1, 21))
    assert dict(backend.calls) == {"get_many": 2, "compare_and_set": 20}
    backend.calls.clear()
    function(range(1, 21))
    assert dict(backend.calls) == {"get_many": 1}


@dataclasses.dataclass
class User:
    """A record."""

    name: str


def test_typed_values_come_back_through_bytes():
    """The annotation dict[K, V] tells the type of a value to a store of bytes (21, 37)."""

    def load(ids: list[int]) -> dict[int, User]:
        return {number: User(str(number)) for number in ids}

    function = cached.batch(cache=Cache(SixMethods()), name="load")(load)
    function([1])
    assert function([1]) == {1: User("1")}
    assert function.stats().hit == 1


def test_a_batch_method(world):
    """A method's items follow the instance (11, 37)."""

    class Repository:
        def __init__(self):
            self.asked = []

        def __cache_key__(self):
            return "repository"

        @cached.batch(cache=world.cache, name=f"repository {id(world)}")
        def _load(self, ids):
            self.asked.append(list(ids))
            return {number: number for number in ids}

    repository = Repository()
    assert repository._load([1, 2]) == {1: 1, 2: 2}
    assert repository._load([2, 3]) == {2: 2, 3: 3}
    assert repository.asked == [[1, 2], [3]]


@pytest.mark.parametrize("given", ["text", b"bytes", None])
def test_what_is_no_collection_is_refused(given):
    """The error names the function (37)."""
    function = cached.batch(cache=Cache(), name="app.load")(lambda ids: {})
    with pytest.raises(OptionTypeError, match=r"app\.load is cached by batch: its first argument"):
        function(given)


@pytest.mark.parametrize("given", [None, [1], {1}, 3])
def test_a_function_that_returns_something_else_is_told_so(given):
    """The error says what to return (37)."""
    function = cached.batch(cache=Cache(), name="app.load")(lambda ids: given)
    with pytest.raises(
        OptionTypeError, match=r"app\.load is cached by batch and must return a mapping by item"
    ):
        function([1])


def test_options_that_a_batch_does_not_take():
    """They are refused at decoration (23, 37)."""
    for options in (
        {"lock": "distributed"},
        {"hard_timeout": 1},
        {"stale_if_error": 1},
        {"refresh_ahead": 0.5},
    ):
        with pytest.raises(ConfigurationError, match="batch takes no"):
            cached.batch(**options)(lambda ids: {})
    with pytest.raises(OptionTypeError, match="no option batch"):
        cached(batch=True)(lambda ids: {})
