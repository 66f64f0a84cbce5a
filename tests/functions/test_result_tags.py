"""Tags that are computed from the result: acceptance functions.md 38 and 34."""

import asyncio

import pytest

from cachelayer import Cache, EncodingError, OptionTypeError, cached
from cachelayer.backends import generations, invalidations
from cachelayer.testing import FailingBackend, WrappedBackend
from tests.functions.support import Background, Calls, Gate, SixMethods, World


def team_of(user, *args, **kwargs):
    """The tag of a user's team."""
    return f"team:{user['team']}"


def users(world, calls, **options):
    """Return a cached function that loads the user of a number: even ones are in the red team."""
    options.setdefault("tags", [team_of])

    def load(number):
        return {"team": ("red", "blue")[number % 2], "call": calls()}

    return world.cached(**options)(load)


def test_a_tag_of_the_result_invalidates_it(world):
    """What its result is tagged with kills an entry, and no other one (38)."""
    function = users(world, Calls())
    assert [world.run(function(number))["call"] for number in (1, 2, 1, 2)] == [1, 2, 1, 2]
    world.cache.invalidate_tags("team:red")
    assert [world.run(function(number))["call"] for number in (1, 2, 1, 2)] == [1, 3, 1, 3]
    stats = function.stats()
    assert (stats.miss, stats.hit) == (3, 5)


@pytest.mark.parametrize(
    ("tags", "dying"),
    [
        (team_of, "team:blue"),
        ([team_of], "team:blue"),
        (lambda user, number: ["a", f"number {number}"], "number 1"),
        (lambda user, number: {"a", "b"}, "b"),
        (["user:{number}", team_of], "user:1"),
        (["user:{number}", team_of], "team:blue"),
        (["team:blue", team_of], "team:blue"),
    ],
    ids=["one", "listed", "list", "set", "beside a template", "beside a template, by it", "named twice"],
)
def test_forms_of_tags(world, tags, dying):
    """One callable, several, callables beside templates; each gives a tag or several (38)."""
    function = users(world, Calls(), tags=tags)
    assert [world.run(function(1))["call"] for _ in range(3)] == [1, 1, 1]
    world.cache.invalidate_tags(dying)
    assert [world.run(function(1))["call"] for _ in range(3)] == [2, 2, 2]


def test_a_callable_may_name_none(world):
    """None and an empty list are no tags (38)."""
    for named in (None, [], ()):
        function = users(world, Calls(), tags=lambda user, number, named=named: named)
        assert [world.run(function(1))["call"] for _ in range(2)] == [1, 1]


def test_the_tags_of_what_is_there_now_count(world):
    """A user who changes the team has the new one's tag, and no longer the old one's (38)."""
    teams = ["red"]
    calls = Calls()
    function = world.cached(tags=team_of)(lambda: {"team": teams[-1], "call": calls()})
    world.run(function())
    teams.append("blue")
    world.cache.invalidate_tags("team:red")
    assert world.run(function())["call"] == 2
    world.cache.invalidate_tags("team:red")
    assert world.run(function())["call"] == 2
    world.cache.invalidate_tags("team:blue")
    assert world.run(function())["call"] == 3


def test_what_is_set_has_them(world):
    """A value that a user sets is tagged as a result is (36, 38)."""
    function = users(world, Calls())
    world.run(function.set({"team": "green", "call": 0}, 1))
    assert world.run(function(1))["call"] == 0
    world.cache.invalidate_tags("team:green")
    assert world.run(function(1))["call"] == 1


def test_they_may_be_invalidated_softly(world):
    """Softly, what carries the result's tag is stale, and a spare where the function raises (38)."""
    failing = []

    def load():
        if failing:
            raise LookupError
        return {"team": "red"}

    function = world.cached(tags=team_of, ttl=100, stale_if_error=100)(load)
    world.run(function())
    world.cache.invalidate_tags("team:red", soft=True)
    assert world.run(function.peek()) is None
    failing.append(None)
    assert world.run(function()) == {"team": "red"}
    assert function.stats().error_hit == 1


def test_arguments_are_bound(world):
    """The callable gets all arguments, defaults and keyword-only ones as the function does (38, 1)."""
    seen = []

    def tags(result, first, second=0, *, third):
        seen.append((result, first, second, third))

    function = world.cached(tags=tags)(lambda first, second=5, *, third=7: "value")
    world.run(function(second=2, first=1))
    world.run(function(1))
    assert seen == [("value", 1, 2, 7), ("value", 1, 5, 7)]


@pytest.mark.parametrize("soft", [False, True])
def test_an_invalidation_during_the_computation_wins(store, soft):
    """Although the computation did not know the tag yet, its result is not stored: in every store (34, 38)."""
    world, gate = World("sync", store), Gate()

    def load():
        gate.hold()
        return {"team": "red"}

    function = world.cached(tags=team_of)(load)
    call = Background(function)
    gate.wait_for_somebody()
    world.cache.invalidate_tags("team:red", soft=soft)
    gate.open()
    assert call.result() == {"team": "red"}
    assert function.peek() is None
    assert function() == {"team": "red"}
    assert function.peek() == {"team": "red"}


def test_an_invalidation_of_a_tag_in_use_wins(store):
    """Also where other entries carry the tag already (34, 38)."""
    world, gate, slow = World("sync", store), Gate(), []

    def load(number):
        if slow:
            gate.hold()
        return {"team": "red"}

    function = world.cached(tags=team_of)(load)
    function(1)
    slow.append(None)
    call = Background(lambda: function(2))
    gate.wait_for_somebody()
    world.cache.invalidate_tags("team:red")
    gate.open()
    assert call.result() == {"team": "red"}
    assert function.peek(2) is None
    assert function.peek(1) is None


def test_an_invalidation_between_the_tags_name_and_the_writing_wins(store):
    """The tag fences the result from the moment on that it is known (34, 38)."""
    world = World("sync", store)
    cache, storage = world.cache, world.cache.engine.storage
    function = world.cached(tags=team_of)(lambda: {"team": "red"})
    write = storage.write

    def write_late(*args):
        cache.invalidate_tags("team:red")
        return write(*args)

    storage.write = write_late
    function()
    storage.write = write
    assert function.peek() is None


def test_what_was_invalidated_before_the_computation_does_not_matter(world):
    """The next result after an invalidation is stored at once (38)."""
    function = users(world, Calls())
    world.cache.invalidate_tags("team:blue")
    assert [world.run(function(1))["call"] for _ in range(2)] == [1, 1]


def test_many_computations_may_be_first_to_use_a_tag(store):
    """Results that share a tag which nobody has used before are all stored, however they overlap (38)."""
    world, gates = World("sync", store), [Gate() for _ in range(4)]

    def load(number):
        gates[number].hold()
        return {"team": "red"}

    function = world.cached(tags=team_of)(load)
    running = [Background(lambda number=number: function(number)) for number in range(4)]
    for gate in gates:
        gate.wait_for_somebody()
    for gate, call in zip(reversed(gates), reversed(running), strict=True):
        gate.open()
        call.result()
    assert [function.peek(number) for number in range(4)] == [{"team": "red"}] * 4


@pytest.mark.parametrize("tags", [lambda result: [7], lambda result: 7], ids=["of ints", "int"])
def test_what_is_no_tag_is_an_error_that_names_the_function(world, tags):
    """A callable that returns nonsense is told what to return, and nothing is left under way (38)."""
    function = world.cached(tags=tags, name="app.load")(lambda: "value")
    with pytest.raises(OptionTypeError, match=r"tags= of app\.load: .* must return a tag, several, or None"):
        world.run(function())
    assert function.stats().error == 1
    assert len(world.cache.engine.flights) == 0


def test_a_callable_that_raises_is_an_error(world):
    """Its own error reaches the caller, and the next one computes (38)."""
    function = world.cached(tags=lambda result: result["missing"])(lambda: {"other": 1})
    for _ in range(2):
        with pytest.raises(KeyError, match="missing"):
            world.run(function())
    assert len(world.cache.engine.flights) == 0


def test_batches_have_tags_of_each_items_value(world):
    """Each item has its own value's tags (37, 38)."""
    asked = []

    def load(ids):
        asked.append(list(ids))
        return {number: {"team": number % 2} for number in ids}

    function = cached.batch(cache=world.cache, name="load", tags=team_of)(world.coloured(load))
    world.run(function([1, 2, 3]))
    world.cache.invalidate_tags("team:1")
    world.run(function([1, 2, 3]))
    world.run(function([1, 2, 3]))
    assert asked == [[1, 2, 3], [1, 3]]


def test_a_batch_that_an_invalidation_meets_stores_the_others(store):
    """Items whose tag was invalidated meanwhile are not stored, and the others are (34, 37, 38)."""
    world, gate = World("sync", store), Gate()

    def load(ids):
        gate.hold()
        return {number: {"team": number} for number in ids}

    function = cached.batch(cache=world.cache, name="load", tags=team_of)(load)
    call = Background(lambda: function([1, 2]))
    gate.wait_for_somebody()
    world.cache.invalidate_tags("team:1")
    gate.open()
    assert call.result() == {1: {"team": 1}, 2: {"team": 2}}
    assert (function.peek(1), function.peek(2)) == (None, {"team": 2})


def test_generators_have_tags_of_their_items(world):
    """The callable gets the list of items, as condition= and a callable ttl= do (17, 38)."""
    seen, runs = [], Calls()

    def see(items, *args):
        seen.append(items)
        return 60

    options = {"cache": world.cache, "name": "letters", "condition": see, "ttl": see}
    tags = {"tags": lambda items: [f"letter:{each}" for each in items]}

    if world.colour == "sync":

        @cached(**options, **tags)
        def letters():
            runs()
            yield from "ab"

        def take():
            return list(letters())
    else:

        @cached(**options, **tags)
        async def letters():
            runs()
            for letter in "ab":
                yield letter

        def take():
            async def scenario():
                return [letter async for letter in letters()]

            return asyncio.run(scenario())

    assert take() == take() == ["a", "b"]
    assert seen == [["a", "b"], ["a", "b"]]
    world.cache.invalidate_tags("letter:b")
    assert take() == ["a", "b"]
    assert runs.count == 2


def test_the_first_hit_costs_one_more_round_trip():
    """Tags that the call does not name are read in one step, whatever their number, and then with the entry (38)."""
    backend = WrappedBackend(SixMethods())
    cache = Cache(backend)
    tags = [lambda result, number: [f"tag {number} {each}" for each in range(5)]]
    function = cached(cache=cache, name="app.f", tags=tags)(lambda number: number)
    for number in range(20):
        function(number)
    other = cached(cache=Cache(backend), name="app.f", tags=tags)(lambda number: number)
    for reads in (2, 1):
        backend.calls.clear()
        other(0)
        assert dict(backend.calls) == {"get_many": reads}
    for reads in (2, 1):
        backend.calls.clear()
        assert other.many(range(20)) == list(range(20))
        assert dict(backend.calls) == {"get_many": reads}


def test_a_generation_that_was_lost_costs_a_miss():
    """A tag that the store let go of does not bring an entry back (38)."""
    backend = SixMethods()
    cache, calls = Cache(backend), Calls()
    function = cached(cache=cache, name="app.f", tags=lambda result: "tag")(lambda: [calls()])
    assert (function(), function()) == ([1], [1])
    backend.delete(generations.generation_key(cache.tag_name("tag")))
    assert (function(), function()) == ([2], [2])


@pytest.mark.parametrize("operation", ["add", "get_many"])
def test_a_failing_store_stores_nothing(operation):
    """Where the tags cannot be read or made the result is returned and not stored (34, 38)."""
    backend = FailingBackend(SixMethods(), operations=[operation])
    backend.mend()
    cache, gate = Cache(backend), Gate()

    def load():
        gate.hold()
        return "value"

    function = cached(cache=cache, name="app.f", tags=lambda result: "tag")(load)
    call = Background(function)
    gate.wait_for_somebody()
    backend.break_down()
    gate.open()
    assert call.result() == "value"
    backend.mend()
    assert function.peek() is None


def test_more_invalidations_than_are_noted_are_all_taken_to_have_met(monkeypatch):
    """Memory notes a bounded number of invalidations; beyond, results that say their own tags are not stored (38)."""
    monkeypatch.setattr(invalidations, "_MOST", 3)
    world, gate = World("sync", "memory"), Gate()

    def load():
        gate.hold()
        return {"team": "red"}

    function = world.cached(tags=team_of)(load)
    call = Background(function)
    gate.wait_for_somebody()
    world.cache.invalidate_tags("team:red", *map(str, range(10)))
    assert len(world.cache.backend.table._invalidations) <= 3
    gate.open()
    call.result()
    assert function.peek() is None
    assert function() == {"team": "red"}
    assert function.peek() == {"team": "red"}
    world.cache.invalidate_tags("anything")
    assert len(world.cache.backend.table._invalidations) == 0


def test_a_tag_that_is_too_long_for_the_store_is_told_by_its_digest(world):
    """Long tags work as any other's do (38)."""
    function = users(world, Calls(), tags=lambda user, number: "x" * 70_000)
    assert [world.run(function(1))["call"] for _ in range(2)] == [1, 1]
    world.cache.invalidate_tags("x" * 70_000)
    assert world.run(function(1))["call"] == 2


def test_strict_functions_raise_what_cannot_be_encoded():
    """Tags of the result change nothing about what strict= says (20, 38)."""
    function = cached(cache=Cache(SixMethods()), name="app.f", strict=True, tags=lambda result: "tag")(
        lambda: [object()]
    )
    with pytest.raises(EncodingError):
        function()


@pytest.mark.parametrize("many", [False, True], ids=["one", "batch"])
def test_who_calls_after_the_invalidation_does_not_get_what_began_before(store, many):
    """Also who joins the computation, and cannot know yet which tags its result will have, computes anew (34, 38)."""
    world, gate, row = World("sync", store), Gate(), ["old"]

    def load(numbers):
        seen = row[0]
        if seen == "old":
            gate.hold()
        return dict.fromkeys(numbers, seen)

    options = {"tags": lambda *_: "late", "cache": world.cache, "name": "app.load"}
    one = cached(**options)(lambda number: load([number])[number])
    batch = cached.batch(**options)(load)
    call = (lambda: batch([1])[1]) if many else (lambda: one(1))
    first = Background(call)
    gate.wait_for_somebody()
    row[0] = "new"
    world.cache.invalidate_tags("late")
    second = Background(call)
    world.wait_for_waiters(1)
    gate.open()
    assert (first.result(), second.result()) == ("old", "new")
    assert call() == "new"
    assert len(world.cache.engine.flights) == 0
