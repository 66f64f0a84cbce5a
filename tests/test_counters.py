"""Counters that are exact under threads."""

import pytest

from cachelayer import counters
from cachelayer.counters import Counter
from cachelayer.testing.crowds import in_threads


@pytest.fixture(params=[False, True], ids=["GIL", "no GIL"], autouse=True)
def free_threaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs over both ways to count."""
    monkeypatch.setattr(counters, "FREE_THREADED", request.param)


def test_a_counter_starts_at_zero_and_counts():
    """Each tick adds one; looking adds nothing."""
    counter = Counter()
    assert counter.value == counter.value == counter.total == 0
    for _ in range(3):
        counter.tick()
    assert counter.value == counter.value == counter.total == 3


def test_counters_are_apart():
    """One counter's ticks are not another's."""
    first, second = Counter(), Counter()
    first.tick()
    assert (first.value, second.value) == (1, 0)


def test_reset_starts_again_from_zero():
    """After a reset the value is 0 and counts on; the total goes on from where it was."""
    counter = Counter()
    counter.tick()
    counter.reset()
    assert (counter.value, counter.total) == (0, 1)
    counter.tick()
    counter.tick()
    assert (counter.value, counter.total) == (2, 3)
    counter.reset()
    counter.reset()
    assert (counter.value, counter.total) == (0, 3)


def test_eight_threads_lose_no_count():
    """Ticks of eight threads at once are all counted, and values that are read meanwhile only grow."""
    counter = Counter()

    def work(number: int) -> list[int]:
        tick, seen = counter.tick, []
        for count in range(5_000):
            tick()
            if count % 500 == 0:
                seen.append(counter.value)
        return seen

    for seen in in_threads(8, work):
        assert seen == sorted(seen)
    assert counter.value == 40_000


def test_a_large_count_is_read_exactly():
    """The count is read right far beyond what fits a machine word."""
    import itertools

    counter = Counter()
    counter._count = itertools.count(10**30)
    assert counter.total == 10**30


def test_the_flag_tells_the_build():
    """FREE_THREADED is about this interpreter: a child of the same build says the same."""
    import subprocess
    import sys

    code = "import sys; print(not getattr(sys, '_is_gil_enabled', lambda: True)())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = "from cachelayer.counters import FREE_THREADED; print(FREE_THREADED)"
    ours = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ours.stdout == said.stdout
