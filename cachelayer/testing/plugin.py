"""Fixtures for pytest: `cache`, `cache_clock` and `no_cache`.

They do not load by themselves, since pytest has a fixture called `cache` of its own. In the top `conftest.py`::

    pytest_plugins = ["cachelayer.testing.plugin"]
"""

from __future__ import annotations

import time
from collections.abc import Generator

import pytest

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.cache import Cache
from cachelayer.testing.clock import FakeClock
from cachelayer.testing.isolation import caching_disabled, isolated_cache


@pytest.fixture
def cache_clock() -> FakeClock:
    """The clock of this test's `cache`: it starts at the present time and moves when the test says so."""
    return FakeClock(float(int(time.time())))


@pytest.fixture
def cache(cache_clock: FakeClock) -> Generator[Cache]:
    """The process's default cache, over a new in-memory store and with a clock of this test's own.

    Functions and middlewares that name no cache use it; afterwards theirs is what it was before.
    """
    with isolated_cache(backend=InMemoryBackend(clock=cache_clock)) as isolated:
        yield isolated


@pytest.fixture
def no_cache() -> Generator[None]:
    """Caching is off: what uses the process's default cache is called each time, and nothing is stored."""
    with caching_disabled():
        yield
