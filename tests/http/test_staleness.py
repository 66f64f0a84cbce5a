"""For how long a response is used stale: http.md, points 5 and 16; RFC 9111, section 4.2.4, and RFC 5861."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Instructions, Policy, Reason, Rule
from cachelayer.http.cache_control import parse
from cachelayer.http.staleness import NO_WINDOWS, Windows, client_takes, is_strict, windows
from cachelayer.outcomes import Outcome
from tests.http.support import NOW, admitted, planned, reuse, stored

RULE = Rule(stale_while_revalidate=7, stale_if_error=8)
SAID = Instructions(while_revalidate=1, if_error=2)


def of(directives, rule=None, said=None):
    """Return the windows of a response with these directives."""
    return windows(parse((directives.encode(),)), rule, said)


@pytest.mark.parametrize(
    ("directives", "rule", "said", "found"),
    [
        ("max-age=1", None, None, NO_WINDOWS),
        ("stale-while-revalidate=3, stale-if-error=4", None, None, Windows(3, 4)),
        ('Stale-While-Revalidate="3"', None, None, Windows(3, 0)),
        ("stale-while-revalidate=3", RULE, None, Windows(3, 8)),
        ("max-age=1", RULE, None, Windows(7, 8)),
        ("stale-if-error=0", RULE, None, Windows(7, 0)),
        ("stale-while-revalidate=3, stale-if-error=4", RULE, SAID, Windows(1, 2)),
        ("stale-if-error=4", RULE, Instructions(while_revalidate=1), Windows(1, 4)),
        ("stale-while-revalidate=x", RULE, None, Windows(0, 8)),
        ("stale-while-revalidate", RULE, None, Windows(0, 8)),
        ("stale-while-revalidate=-3", RULE, None, Windows(0, 8)),
        ("s-maxage=1", RULE, None, NO_WINDOWS),
        ("s-maxage=1, stale-if-error=4", RULE, None, Windows(0, 4)),
        ("s-maxage=1", RULE, SAID, Windows(1, 2)),
    ],
)  # fmt: skip
def test_the_first_that_states_a_window_decides(directives, rule, said, found):
    """The application, the response, the rule; what cannot be read is none [http 16]."""
    assert of(directives, rule, said) == found


@pytest.mark.parametrize(
    "directive",
    [
        "must-revalidate",
        "proxy-revalidate",
        "no-cache",
        'no-cache="x"',
        "MUST-REVALIDATE",
        "must-revalidate=1",
    ],
)
def test_strict_responses_have_none(directive):
    """Whoever states one [http 16]."""
    assert of(f"{directive}, stale-while-revalidate=3, stale-if-error=4", RULE, SAID) == NO_WINDOWS
    assert is_strict(parse((directive.encode(),)))


@pytest.mark.parametrize(
    "directives", ["", "max-age=1", "public", "immutable", "must-understand", "x-must-revalidate"]
)
def test_other_responses_are_not_strict(directives):
    """Nothing else forbids it [http 16]."""
    assert not is_strict(parse((directives.encode(),)))


def test_windows_begin_where_freshness_ends():
    """Counted from there, in epoch seconds [http 16]."""
    entry = stored("Cache-Control: max-age=60, stale-while-revalidate=10, stale-if-error=20")
    assert (entry.fresh_until, entry.stale_until, entry.error_until) == (NOW + 60, NOW + 70, NOW + 80)
    assert entry.keep_until == NOW + 80


def test_an_old_response_has_what_is_left_of_its_windows():
    """It was fresh elsewhere before it came [http 3, 16]."""
    entry = stored("Cache-Control: max-age=60, stale-while-revalidate=100", "Age: 90")
    assert (entry.fresh_until, entry.stale_until) == (NOW - 30, NOW + 70)


@pytest.mark.parametrize(("age", "reason"), [(69, Reason.EXPLICIT), (70, Reason.STALE)])
def test_a_response_beyond_its_windows_is_of_no_use(age, reason):
    """Without a validator it is not stored [http 16]."""
    assert admitted("Cache-Control: max-age=60, stale-if-error=10", f"Age: {age}").reason is reason


SWR = "Cache-Control: max-age=60, stale-while-revalidate=30"


@pytest.mark.parametrize(
    ("after", "outcome", "refreshes"),
    [
        (59, Outcome.HIT, False),
        (60, Outcome.STALE_HIT, True),
        (89, Outcome.STALE_HIT, True),
        (90, None, False),
    ],
)
def test_a_stale_response_is_served_within_its_window(after, outcome, refreshes):
    """And refreshed behind the client's back [http 16]."""
    decision = reuse(stored(SWR), after=after)
    assert (decision.outcome, decision.refreshes) == (outcome, refreshes)


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("max-stale", True), ("max-stale=10", True), ("max-stale=9", False), ("max-stale=x", False),
        ("max-stale, no-cache", False), ("max-stale, max-age=70", True), ("max-stale, max-age=69", False),
        ("max-stale, max-age=x", False), ("max-stale, min-fresh=1", False), ("max-age=100", False),
    ],
)  # fmt: skip
def test_a_client_may_take_it_stale(line, answers):
    """As long as its other wishes are met [http 5]."""
    decision = reuse(stored("Cache-Control: max-age=60", 'ETag: "v"'), f"Cache-Control: {line}", after=70)
    assert decision.answers is answers
    assert not decision.refreshes


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "s-maxage=60"])
def test_no_client_takes_what_must_be_confirmed(directive):
    """A response that says so is not used stale by its own freshness's end [http 5, 16]."""
    entry = stored(f"Cache-Control: max-age=60, {directive}", 'ETag: "v"')
    assert not reuse(entry, "Cache-Control: max-stale", after=70).answers
    assert not client_takes(entry, parse((b"max-stale",)), NOW + 70)


def test_where_clients_are_not_trusted_their_wishes_change_nothing():
    """A stale response is refreshed as ever [http 5]."""
    policy = Policy(trust_request_directives=False)
    assert reuse(stored(SWR), "Cache-Control: no-cache", after=70, policy=policy).refreshes
    assert not reuse(stored(SWR), "Cache-Control: max-stale", after=100, policy=policy).answers


@given(
    st.lists(st.sampled_from(["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=1", "max-age=1", "public",
                              "stale-while-revalidate=5", "stale-if-error=6", "immutable"])),
    st.sampled_from([None, RULE]),
    st.sampled_from([None, SAID, Instructions(if_error=9)]),
)  # fmt: skip
def test_no_combination_breaks_a_prohibition(directives, rule, said):
    """Strict: none. With s-maxage: none but its own and the application's [http 16]."""
    found = of(", ".join(directives), rule, said)
    if {"must-revalidate", "proxy-revalidate", "no-cache"} & {*directives}:
        assert found == NO_WINDOWS
    elif "s-maxage=1" in directives:
        assert found.while_revalidate in {0, 1, 5}
        assert found.if_error in {0, 2, 6, 9}
    assert min(found.while_revalidate, found.if_error) >= 0


def test_a_plan_that_bypasses_is_never_answered():
    """However stale or fresh [http 16]."""
    assert not reuse(stored(SWR), "If-Match: x", after=70).answers
    assert planned("If-Match: x").key is None
