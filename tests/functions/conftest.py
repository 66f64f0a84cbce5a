"""Every test of a `world` runs in both colours and on both kinds of storage."""

import pytest

from tests.functions.support import COLOURS, STORES, World


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """The kind of storage."""
    return request.param


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    """The colour of functions and of control."""
    return request.param


@pytest.fixture
def world(colour: str, store: str) -> World:
    """A cache, a clock, and functions of one colour."""
    return World(colour, store)
