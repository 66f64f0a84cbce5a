"""What a confirmed, a collapsed and a stale answer are made of: http.md, points 12 to 14, 16 and 18."""

import pytest

from cachelayer.http import (
    Instructions,
    Policy,
    Reason,
    ResponseHead,
    Rule,
    answer_collapsed,
    answer_confirmed,
    answer_instead,
    update,
)
from cachelayer.http.cache_status import Forward
from tests.http.support import NOW, admitted, headers, planned, stored

FRESH = "Cache-Control: max-age=60"
TAG = 'ETag: "v"'
LATER = NOW + 100


def updated(entry, *lines, status=304, plan=None, said=None, took=0.0):
    """Update a stored response by a head that comes 100 seconds after it."""
    head = ResponseHead(status, headers(*lines))
    return update(plan or planned(), entry, head, request_time=LATER - took, response_time=LATER, said=said)


def test_a_304_makes_a_response_fresh_again():
    """From when it came, by its own new fields or else the stored ones [http 13]."""
    made = updated(stored(FRESH, TAG), TAG)
    assert (made.stays, made.reason, made.response.fresh_until) == (True, Reason.EXPLICIT, LATER + 60)
    assert updated(stored(FRESH, TAG), "Cache-Control: max-age=7").response.fresh_until == LATER + 7


def test_the_body_and_the_status_stay():
    """A 304 is no answer by itself [http 13]."""
    made = updated(stored(FRESH, TAG, status=404, body=b"none"), FRESH).response
    assert (made.status, made.body) == (404, b"none")


def test_an_age_of_the_304_counts():
    """It was made elsewhere some time ago; so does the time that it took [http 3, 13]."""
    assert updated(stored(FRESH, TAG), "Age: 10").response.fresh_until == LATER + 50
    assert updated(stored(FRESH, TAG), took=10).response.fresh_until == LATER + 50


def test_an_age_of_the_stored_response_is_over():
    """It said how old it was then [http 3, 13]."""
    entry = stored(FRESH, TAG, "Age: 50")
    assert updated(entry).response.fresh_until == LATER + 60


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Cache-Control: no-store", Reason.NO_STORE),
        ("Cache-Control: private", Reason.PRIVATE),
        ("Vary: *", Reason.VARY_STAR),
    ],
)
def test_a_304_may_say_that_it_is_not_to_be_kept(line, reason):
    """It governs what is stored from now on [http 4, 13]."""
    made = updated(stored(FRESH, TAG), line)
    assert (made.stays, made.reason) == (False, reason)


def test_a_cookie_of_a_304_is_not_taken_over():
    """It is for one client [http 7, 13]."""
    made = updated(stored(FRESH, TAG), "Set-Cookie: a=b")
    assert made.stays
    assert b"set-cookie" not in dict(made.response.headers)


def test_tags_add_up():
    """Those that it was stored with, and those that the application says now [http 24]."""
    plan = planned(policy=Policy(rules=(Rule(tags=("rule",)),)))
    entry = stored(FRESH, TAG, plan=plan, said=Instructions(tags=("old",)))
    made = updated(entry, plan=plan, said=Instructions(tags=("new",))).response
    assert set(made.tags) == {"rule", "old", "new"}


def test_a_head_request_updates_what_get_gave():
    """As a 304 does [http 11]."""
    made = updated(stored(FRESH, TAG), "X: 1", status=200, plan=planned(method="HEAD"))
    assert made.stays
    assert (b"X", b"1") in made.response.headers


ENTRY = stored(FRESH, TAG, "Content-Length: 4")


def makers():
    """Return what makes each kind of answer of a stored response."""
    head = ResponseHead(304, headers("Set-Cookie: a=b"))
    return {
        "confirmed": lambda plan: answer_confirmed(ENTRY, plan, Forward.STALE, NOW + 70, head, stored=True),
        "collapsed": lambda plan: answer_collapsed(ENTRY, plan, Forward.URI_MISS, NOW + 5),
        "instead": lambda plan: answer_instead(ENTRY, plan, 503, NOW + 70),
    }


@pytest.mark.parametrize("make", makers().values(), ids=makers())
def test_each_is_answered_as_the_request_asks(make):
    """Whole, a part, that the client has it, or without its body [http 11, 12, 14]."""
    assert (make(planned()).status, make(planned()).body) == (200, b"body")
    part = make(planned("Range: bytes=1-2"))
    assert (part.status, part.body) == (206, b"od")
    known = make(planned('If-None-Match: "v"'))
    assert (known.status, known.body) == (304, b"")
    assert b"content-length" not in {name.lower() for name, _ in known.headers}
    assert make(planned(method="HEAD")).body == b""


@pytest.mark.parametrize("make", makers().values(), ids=makers())
def test_each_says_how_old_it_is_and_how_it_came(make):
    """And nothing of the latter where no name is given [http 3, 18]."""
    fields = [name for name, _ in make(planned()).added]
    assert fields[-2:] == [b"age", b"cache-status"]
    silent = make(planned(policy=Policy(cache_status=None))).added
    assert b"cache-status" not in dict(silent)


def test_only_the_confirmed_one_has_the_cookie():
    """Of the 304 that was for this client [http 7, 13]."""
    found = {kind: (b"Set-Cookie", b"a=b") in make(planned()).added for kind, make in makers().items()}
    assert found == {"confirmed": True, "collapsed": False, "instead": False}


@pytest.mark.parametrize("status", [400, 405, 413, 414, 429, 431, 500, 503])
def test_what_a_view_says_is_not_for_its_failure(status):
    """It may have spoken before it failed [http 6, 24, security]."""
    said = Instructions(ttl=60)
    assert not admitted(status=status, said=said).store
    assert admitted(FRESH, status=status, said=said).draft.fresh_until == NOW + 60
