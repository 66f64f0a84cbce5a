"""Random numbers of the library's own."""

import random

from cachelayer import Cache, cached, chance
from cachelayer.testing.crowds import in_a_child


def test_a_seeded_program_draws_what_it_would_without_a_cache():
    """Jitter takes nothing from `random`."""
    calls = cached(cache=Cache(), ttl=60, jitter=0.5)(lambda k: k)
    random.seed(1)
    expected = [random.random() for _ in range(3)]
    random.seed(1)
    drawn = []
    for k in range(3):
        calls(k)
        drawn.append(random.random())
    assert drawn == expected


def test_workers_draw_apart():
    """A forked child goes on with numbers of its own, or all would try again at the same moment."""
    assert len({in_a_child(chance.draw) for _ in range(3)} | {chance.draw()}) == 4
