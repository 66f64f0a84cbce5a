"""The flow driven by hand, step by step, with no threads and no mocks: DESIGN "Sync and async from one source" 2."""

import asyncio
import contextvars

import pytest

from cachelayer import Cache, Outcome
from cachelayer.backends.operate import Operate
from cachelayer.errors import DecodingError
from cachelayer.flow.flights import ABANDONED
from cachelayer.flow.lookups import Lookup, Policy
from cachelayer.flow.steps import Compute, Wait
from cachelayer.flows import arun, run
from cachelayer.values.codecs import ValueCodec
from tests.functions.support import SixMethods

STORES = {"memory": Cache, "six methods": lambda: Cache(SixMethods())}


@pytest.fixture(params=STORES)
def engine(request):
    """The engine of a cache over each kind of storage."""
    cache = STORES[request.param]()
    yield cache.engine
    cache.close()


def lookup(key="k", tags=("t",), **policy):
    """Return a lookup of a key."""
    return Lookup(key, tags, Policy(label="app.f", codec=ValueCodec(), **policy), lambda: None, (), {})


class Hand:
    """Takes a flow's steps as a test says, in a context of its own; operations of the store are taken as they come."""

    def __init__(self, flow):
        self.flow, self.result, self.ended = flow, None, False
        self.context = contextvars.copy_context()
        self.step = None
        self._go(lambda: next(flow))

    def _go(self, move):
        try:
            self.step = self.context.run(move)
            while isinstance(self.step, Operate):
                self.step = self.context.run(self.flow.send, self.step.take())
        except StopIteration as end:
            self.result, self.ended, self.step = end.value, True, None

    def send(self, value):
        """Give the step's result."""
        self._go(lambda: self.flow.send(value))
        return self

    def throw(self, error):
        """Let the step fail."""
        self._go(lambda: self.flow.throw(error))
        return self


def test_a_miss_computes_and_stores(engine):
    """A cold key yields one Compute; its value is stored, and the next lookup yields none."""
    first = Hand(engine.get_or_compute(lookup()))
    assert isinstance(first.step, Compute)
    assert first.send([1]).result.outcome is Outcome.MISS
    second = Hand(engine.get_or_compute(lookup()))
    assert (second.result.outcome, second.result.value) == (Outcome.HIT, [1])
    assert len(engine.flights) == 0


def test_the_second_waits_for_the_first(engine):
    """While one computes, another yields a Wait, whose landing it returns as collapsed."""
    leader, waiter = (Hand(engine.get_or_compute(lookup())) for _ in range(2))
    assert isinstance(leader.step, Compute)
    assert isinstance(waiter.step, Wait)
    assert leader.send("value").result.value == "value"
    assert waiter.step.flight.landing is not None
    assert waiter.send(waiter.step.flight.landing).result.outcome is Outcome.COLLAPSED
    assert waiter.result.value == "value"


def test_a_leader_that_raises_lands_its_error(engine):
    """31: the error is the leader's result and its waiters' too; nothing is stored."""
    leader, waiter = (Hand(engine.get_or_compute(lookup())) for _ in range(2))
    error = LookupError("gone")
    assert leader.throw(error).result.error is error
    assert waiter.send(waiter.step.flight.landing).result.error is error
    assert (leader.result.outcome, waiter.result.outcome) == (Outcome.ERROR, Outcome.ERROR)
    assert isinstance(Hand(engine.get_or_compute(lookup())).step, Compute)


def test_a_cancelled_leader_promotes_one_waiter(engine):
    """31: of two waiters of an abandoned flight one computes, and the other waits for it."""
    leader, one, two = (Hand(engine.get_or_compute(lookup())) for _ in range(3))
    flight = one.step.flight
    with pytest.raises(asyncio.CancelledError):
        leader.throw(asyncio.CancelledError())
    assert flight.landing is ABANDONED
    assert isinstance(one.send(ABANDONED).step, Compute)
    assert isinstance(two.send(ABANDONED).step, Wait)
    assert one.send(5).result.outcome is Outcome.MISS
    assert two.send(two.step.flight.landing).result.value == 5


def test_an_abandoned_flight_that_was_not_cleared_away_is_passed_by(engine):
    """31: a leader whose stack was full may leave its flight behind: who finds it starts another."""
    leader, waiter = (Hand(engine.get_or_compute(lookup())) for _ in range(2))
    waiter.step.flight.landing = ABANDONED  # all that such a leader can still do
    assert isinstance(waiter.send(ABANDONED).step, Compute)
    assert waiter.send(1).result.outcome is Outcome.MISS
    leader.flow.close()


def test_a_wait_that_takes_too_long_computes_alone(engine):
    """33: after its timeout a waiter computes by itself; both results are right and nothing is left."""
    leader, waiter = (Hand(engine.get_or_compute(lookup(lock_timeout=1.5))) for _ in range(2))
    assert waiter.step.timeout == 1.5
    assert isinstance(waiter.send(None).step, Compute)
    assert waiter.send("alone").result.outcome is Outcome.MISS
    assert leader.send("first").result.outcome is Outcome.MISS
    assert len(engine.flights) == 0


def test_a_waiter_whose_landing_does_not_come_back_computes(engine):
    """21: a landing that cannot be decoded is computed anew."""
    leader, waiter = (Hand(engine.get_or_compute(lookup())) for _ in range(2))

    class Broken:
        def give(self):
            raise DecodingError("broken")

    assert isinstance(waiter.send(Broken()).step, Compute)
    leader.flow.close()


@pytest.mark.parametrize("way", ["remove", "invalidate_tags", "clear", "set"])
def test_what_comes_between_the_computation_and_its_end_wins(engine, way):
    """34: the result is returned and not stored, and who comes later does not join."""
    leader = Hand(engine.get_or_compute(lookup()))
    if way == "remove":
        run(engine.remove("k", "app.f"))
    elif way == "invalidate_tags":
        run(engine.invalidate_tags(("t",)))
    elif way == "set":
        run(engine.set(lookup(), "set"))
    else:
        run(engine.invalidate_tags(("t",)))
        run(engine.storage.clear())
    late = Hand(engine.get_or_compute(lookup()))
    if way == "set":
        assert late.result.value == "set"
    else:
        assert isinstance(late.step, Compute)
        late.send("new")
    assert leader.send("old").result.value == "old"
    assert run(engine.peek(lookup())).value == ("set" if way == "set" else "new")


def test_closing_a_flow_abandons_its_flight(engine):
    """31: a coroutine that is thrown away counts as cancelled."""
    leader, waiter = (Hand(engine.get_or_compute(lookup())) for _ in range(2))
    leader.flow.close()
    assert waiter.step.flight.landing is ABANDONED
    assert len(engine.flights) == 0


def test_a_result_that_lands_before_the_next_one_leads_is_not_computed_again(engine):
    """30: between storing and landing there is no moment in which another would compute again."""
    leader = Hand(engine.get_or_compute(lookup()))
    flights, seen = engine.flights, []
    remove, land = flights.computing.remove, flights.land

    def land_later(flight, landing):
        # As another thread would, between the result's being stored and its landing.
        late = Hand(engine.get_or_compute(lookup()))
        seen.append(late.result)
        land(flight, landing)

    flights.land = land_later
    leader.send("value")
    flights.computing.remove = remove
    assert seen[0].outcome is Outcome.HIT


def test_who_looked_before_the_result_was_stored_and_leads_after_it_looks_again(engine):
    """30: a caller that found nothing, then leads because the key is free again, takes what was stored meanwhile."""
    leader = Hand(engine.get_or_compute(lookup()))
    flights = engine.flights
    join, land, outcome = flights.join, flights.land, []

    def join_after_the_result_is_stored(key):
        flights.join = join
        leader.send("value")
        return join(key)

    def land_after_the_other(flight, landing):
        flights.land = land
        land(flight, landing)

    flights.join, flights.land = join_after_the_result_is_stored, land_after_the_other
    late = Hand(engine.get_or_compute(lookup()))
    outcome.append(late.result.outcome if late.ended else late.step)
    assert outcome == [Outcome.HIT]


# -- the drivers ------------------------------------------------------------------------------------------------


class Add:
    """A step: adds one, or raises."""

    def __init__(self, number, error=None):
        self.number, self.error = number, error

    def take(self):
        """Add, or raise."""
        if self.error is not None:
            raise self.error
        return self.number + 1

    async def atake(self):
        """Async twin of `take`."""
        await asyncio.sleep(0)
        return self.take()


def sums():
    """Take a step, and one that fails."""
    one = yield Add(1)
    try:
        yield Add(0, LookupError("thrown in"))
    except LookupError as error:
        two = yield Add(one)
        return one, two, str(error)


def fails():
    """Take a step that interrupts."""
    yield Add(0, KeyboardInterrupt("through"))


def returns_at_once():
    """Take no step."""
    return 7
    yield


DRIVERS = {"sync": run, "async": lambda flow: asyncio.run(arun(flow))}


@pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_sends_results_and_throws_errors_back(drive):
    """A step's result is sent into the flow, its error is thrown into it, and the flow's result is returned."""
    assert drive(sums()) == (2, 3, "thrown in")
    assert drive(returns_at_once()) == 7
    with pytest.raises(KeyboardInterrupt, match="through"):
        drive(fails())


@pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_passes_a_flows_own_error_on(drive):
    """An error that the flow raises reaches who drives it."""

    def flow():
        yield Add(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(flow())


@pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
def test_an_operation_is_the_sync_method_or_its_async_twin(drive):
    """An Operate step calls `x` in sync code and `ax` in async code."""
    called = []

    class Backend(SixMethods):
        def get(self, key):
            called.append("get")

        async def aget(self, key):
            called.append("aget")

    def flow():
        return (yield Operate(Backend(), "get", ("k",)))

    assert drive(flow()) is None
    assert called == ["get" if drive is run else "aget"]


def test_who_is_cancelled_while_it_takes_its_turn_gives_it_back():
    """A lease that was taken just before the cancellation is not held until it runs out: functions.md 30, 31."""
    backend = SixMethods()
    flow = Cache(backend).engine.get_or_compute(lookup(distributed=True))
    step = next(flow)
    while step.operation != "acquire_lease":
        step = flow.send(step.take())
    name, _token, seconds = step.args
    assert step.take() is True
    step = flow.throw(asyncio.CancelledError())
    while step.operation != "release_lease":
        step = flow.send(step.take())
    assert step.take() is True
    with pytest.raises(asyncio.CancelledError):
        flow.send(True)
    assert backend.acquire_lease(name, b"the next", seconds) is True
