"""The words for how a lookup ends."""

import json

from cachelayer.outcomes import SERVED, Outcome


def test_the_words_are_those_of_the_design():
    """Statistics, headers and metrics use these nine words."""
    assert [outcome.value for outcome in Outcome] == [
        "hit", "stale_hit", "error_hit", "revalidated", "miss", "collapsed", "uncacheable", "bypass", "error",
    ]  # fmt: skip


def test_an_outcome_is_its_word():
    """An outcome can be used as the text that it is: as a label, in JSON, as a key."""
    assert Outcome.STALE_HIT == "stale_hit"
    assert f"{Outcome.STALE_HIT}" == str(Outcome.STALE_HIT) == "stale_hit"
    assert json.dumps({Outcome.HIT: Outcome.MISS}) == '{"hit": "miss"}'
    assert Outcome("collapsed") is Outcome.COLLAPSED


def test_served_are_those_without_a_computation_of_their_own():
    """The hit rate's numerator: whoever was served by the cache."""
    assert set(Outcome) - SERVED == {Outcome.MISS, Outcome.UNCACHEABLE, Outcome.BYPASS, Outcome.ERROR}
