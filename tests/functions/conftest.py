"""Every test of a `world` runs in both colours and on every kind of storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions.support import COLOURS, REAL_STORES, STORES, World, opened, places


@pytest.fixture(params=STORES + REAL_STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The kind of storage."""
    if request.param == "disk":
        places["disk"] = tmp_path
    if request.param == "redis":
        places["redis"] = request.getfixturevalue("redis_server").url
    yield request.param
    while opened:
        opened.pop().close()


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    """The colour of functions and of control."""
    return request.param


@pytest.fixture
def world(colour: str, store: str) -> World:
    """A cache, a clock, and functions of one colour."""
    return World(colour, store)
