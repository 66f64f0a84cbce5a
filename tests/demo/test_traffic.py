"""Who asks for what in the demo."""

import random
from collections import Counter

import pytest

from cachelayer.demo.airports import load_airports
from cachelayer.demo.traffic import Skewed, Visitors


@pytest.fixture(scope="module")
def airports():
    """Return all airports."""
    return load_airports()


def test_the_same_seed_makes_up_the_same_visits(airports):
    """A run can be repeated."""
    assert Visitors(airports, 7).visits(50) == Visitors(airports, 7).visits(50)


def test_another_seed_makes_up_other_visits(airports):
    """The seed is what the visits come from."""
    assert Visitors(airports, 7).visits(50) != Visitors(airports, 8).visits(50)


def test_every_endpoint_is_visited(airports):
    """All kinds of pages are asked for: cached, private and changing ones."""
    assert {visit.endpoint for visit in Visitors(airports, 1).visits(500)} == {
        "GET /airports/{icao}",
        "GET /search",
        "GET /countries",
        "GET /countries/{code}",
        "GET /my/trip",
        "POST /reports",
    }


def test_first_items_are_drawn_most_often():
    """The skew is that of Zipf's law: the first item twice as often as the second."""
    skewed = Skewed[str]("abcd", random.Random(1))
    drawn = Counter(skewed.draw() for _ in range(10_000))
    assert drawn["a"] / drawn["b"] == pytest.approx(2, rel=0.1)
    assert drawn["a"] / drawn["d"] == pytest.approx(4, rel=0.1)


def test_everybody_in_the_rush_wants_the_same_that_nobody_had_before(airports):
    """The rush needs one computation that the visits have not made."""
    visitors = Visitors(airports, 1)
    visits, rush = visitors.visits(2000), visitors.rush()
    assert len({visit.url for visit in rush}) == 1
    assert len({visit.visitor for visit in rush}) == len(rush)
    assert rush[0].url not in {visit.url for visit in visits}
