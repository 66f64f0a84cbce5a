"""Flights: who waits is woken, once, whatever comes first (functions.md 30 to 33)."""

import asyncio

import pytest

from cachelayer.backends.computing import Computing
from cachelayer.flow.flights import (
    ABANDONED,
    Flight,
    Flights,
    Landed,
    is_leading,
    start_leading,
    stop_leading,
)
from cachelayer.testing.crowds import in_threads

VALUE = Landed(lambda: "value")


@pytest.fixture
def flights():
    """The flights of a store."""
    return Flights(Computing())


def test_the_first_to_join_leads_and_the_others_follow(flights):
    """One leader a key; another key has its own."""
    flight, leads = flights.join("a")
    assert leads
    assert flights.join("a") == (flight, False)
    assert flights.join("b")[1]
    assert len(flights) == 2
    flights.land(flight, VALUE)
    assert flights.join("a")[1]


def test_of_many_threads_one_leads():
    """Joining is one atomic step."""
    for _ in range(50):
        flights = Flights(Computing())
        assert sum(in_threads(8, lambda _: flights.join("k")[1])) == 1  # noqa: B023


def test_a_landing_that_came_before_the_wait_is_seen(flights):
    """Who waits for what has landed already does not wait."""
    flight, _ = flights.join("k")
    flights.land(flight, VALUE)
    assert flight.wait(60) is VALUE
    assert asyncio.run(flight.await_landing(60)) is VALUE


def test_a_wait_ends_after_its_timeout(flights):
    """None is what a timeout gives, in both colours, and a later landing harms nobody."""
    flight, _ = flights.join("k")
    assert flight.wait(0) is None
    assert flight.wait(0.001) is None
    assert asyncio.run(flight.await_landing(0.001)) is None
    flights.land(flight, VALUE)
    assert flight.wait(None) is VALUE


def test_threads_and_tasks_are_woken_by_one_landing(flights):
    """Waiters in threads and in the event loops of other threads get the same landing."""
    flight, _ = flights.join("k")

    def work(number):
        if number == 0:
            while len(flight.waiters) < 7:
                pass
            flights.land(flight, VALUE)
            return VALUE
        return flight.wait(20) if number % 2 else asyncio.run(flight.await_landing(20))

    assert in_threads(8, work) == [VALUE] * 8
    assert flight.waiters == []


def test_a_landing_and_a_wait_that_meet_lose_nobody():
    """However a wait and the landing interleave, the waiter is woken."""
    for _ in range(200):
        flights = Flights(Computing())
        flight, _ = flights.join("k")

        def work(number, flights=flights, flight=flight):
            if number == 0:
                flights.land(flight, VALUE)
                return VALUE
            return flight.wait(20)

        assert in_threads(3, work) == [VALUE] * 3


def test_a_detached_flight_is_joined_by_nobody_and_still_lands(flights):
    """34: a fenced-off flight is left to those who wait already."""
    old, _ = flights.join("k")
    flights.detach(old)
    new, leads = flights.join("k")
    assert leads
    flights.land(old, VALUE)
    assert flights.join("k") == (new, False)


def test_breaking_a_key_off_reaches_its_flights(flights):
    """34: the flight that can be joined and those of who computes alone are broken; others are not."""
    flight, _ = flights.join("k")
    alone, other = flights.alone("k"), flights.join("other")[0]
    computing = flights.computing
    with computing.lock:
        computing.break_off("k")
    assert (flight.broken, alone.broken, other.broken) == (True, True, False)
    assert flights.join("k")[0] is not flight
    computing.break_all()
    assert other.broken


def test_landings_grow_with_each_end(flights):
    """30: whoever sees the number unchanged knows that nothing was stored by another meanwhile."""
    seen = [flights.landings]
    for end in (lambda f: flights.land(f, VALUE), flights.abandon, flights.detach):
        flight, _ = flights.join("k")
        end(flight)
        seen.append(flights.landings)
    assert seen == sorted(set(seen))


def test_leading_is_known_in_the_thread_and_in_what_it_starts():
    """33: the leader's own context, and tasks and threads that inherit it, are leading; others are not."""
    flight = Flight("k")
    before = start_leading(flight)
    try:
        assert is_leading(flight)

        async def main():
            here = is_leading(flight)
            task = await asyncio.create_task(there())
            return here, task, await asyncio.to_thread(is_leading, flight)

        async def there():
            return is_leading(flight)

        assert asyncio.run(main()) == (True, True, True)
    finally:
        stop_leading(before)
    assert not is_leading(flight)


def test_an_abandoned_flight_wakes_everybody(flights):
    """31: its waiters race anew."""
    flight, _ = flights.join("k")

    def work(number):
        if number == 0:
            while len(flight.waiters) < 3:
                pass
            flights.abandon(flight)
            return ABANDONED
        return flight.wait(20)

    assert in_threads(4, work) == [ABANDONED] * 4
