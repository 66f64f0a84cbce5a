"""Cache-Status for each kind of answer: http.md, point 18; by a parser of structured fields (RFC 9651)."""

import http_sf
import pytest

from cachelayer.http import Rule
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"
BOTH = "Cache-Control: max-age=60, stale-while-revalidate=30, stale-if-error=30"

SPARE = "Cache-Control: max-age=60, stale-if-error=30"


def members(answer):
    """Return the members of Cache-Status: names, with their parameters."""
    found = http_sf.parse(answer.status_field.encode(), tltype="list")
    return [
        (str(name), {key: _plain(value) for key, value in parameters.items()}) for name, parameters in found
    ]


def _plain(value):
    return str(value) if isinstance(value, http_sf.Token) else value


def said(answer):
    """Return the parameters of the one member."""
    [(name, parameters)] = members(answer)
    assert name == "cachelayer"
    return parameters


def test_a_miss_that_is_stored(site):
    """It went to the origin, and the next one need not [http 18]."""
    assert said(site(numbered(FRESH)).get()) == {"fwd": "uri-miss", "stored": True}


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        ([FRESH, "Set-Cookie: a=b"], "SET-COOKIE"),
        (["Cache-Control: no-store"], "NO-STORE"),
        (["Cache-Control: private"], "PRIVATE"),
        ([], "NO-FRESHNESS"),
        ([FRESH, "Vary: *"], "VARY-STAR"),
    ],
)
def test_a_miss_that_is_not_stored(site, lines, detail):
    """It says why [http 18]."""
    assert said(site(numbered(*lines)).get()) == {"fwd": "uri-miss", "detail": detail}


def test_a_hit(site):
    """With the time that is left [http 18]."""
    it = site(numbered(FRESH))
    it.get()
    it.clock.advance(18)
    assert said(it.get()) == {"hit": True, "ttl": 42}
    assert said(it.get("/a", "Range: bytes=0-0")) == {"hit": True, "ttl": 42}
    assert said(it.get(method="HEAD")) == {"hit": True, "ttl": 42}


def test_a_stale_hit(site):
    """Its time is over: the ttl is negative [http 18]."""
    it = site(numbered(BOTH))
    it.get()
    it.clock.advance(70)
    assert said(it.settled()) == {"hit": True, "ttl": -10}


def test_a_client_that_takes_it_stale(site):
    """By max-stale [http 5, 18]."""
    it = site(numbered(FRESH, 'ETag: "v"'))
    it.get()
    it.clock.advance(70)
    assert said(it.get("/a", "Cache-Control: max-stale")) == {"hit": True, "ttl": -10}


def test_another_variant(site):
    """What is stored was for another request [http 18]."""
    it = site(numbered(FRESH, "Vary: X"))
    it.get("/a", "X: 1")
    assert said(it.get("/a", "X: 2")) == {"fwd": "vary-miss", "stored": True}


def test_a_request_that_refuses_what_is_stored(site):
    """Its own wish sent it to the origin [http 18]."""
    it = site(numbered(FRESH))
    it.get()
    assert said(it.get("/a", "Cache-Control: no-cache")) == {"fwd": "request", "stored": True}


def confirming(*lines):
    """Return an origin that confirms whatever it is asked about."""

    def origin(asked):
        known = "if-none-match" in asked.headers
        return Reply([*lines, 'ETag: "v"'], b"" if known else b"body", 304 if known else 200)

    return origin


def test_a_confirmed_response(site):
    """The origin's own status, and that it is stored [http 18]."""
    it = site(confirming(FRESH))
    it.get()
    it.clock.advance(70)
    assert said(it.get()) == {"fwd": "stale", "fwd-status": 304, "stored": True}


def test_a_response_that_replaces_a_stale_one(site):
    """As a miss; it was stale that sent it there [http 18]."""
    it = site(numbered(FRESH, 'ETag: "v"'))
    it.get()
    it.clock.advance(70)
    assert said(it.get()) == {"fwd": "stale", "stored": True}


@pytest.mark.parametrize("status", [500, 503])
def test_a_stale_response_in_place_of_an_error(site, status):
    """With the status that the client does not see [http 16, 18]."""
    it = site(lambda asked: Reply([SPARE], b"x", 200 if it.calls == 1 else status))
    it.get()
    it.clock.advance(70)
    assert said(it.get()) == {"fwd": "stale", "fwd-status": status, "ttl": -10, "detail": "STALE-IF-ERROR"}


def test_a_stale_response_in_place_of_an_exception(site, caplog):
    """Which has no status [http 16, 18]."""

    def origin(asked):
        if it.calls > 1:
            raise ValueError("gone")
        return Reply([SPARE], b"x")

    it = site(origin)
    it.get()
    it.clock.advance(70)
    assert said(it.get()) == {"fwd": "stale", "ttl": -10, "detail": "STALE-IF-ERROR"}


def test_one_response_for_many(site):
    """Those who waited say so [http 17, 18]."""
    it = site(lambda asked: Reply([FRESH], b"x", when=lambda: it.waiting == 1))
    found = sorted((said(answer) for answer in it.crowd(("/a",), ("/a",))), key=len)
    assert found == [{"fwd": "uri-miss", "stored": True}, {"fwd": "uri-miss", "collapsed": True, "ttl": 60}]


def test_only_if_cached(site):
    """Made by the cache itself: neither a hit, nor from the origin [http 5, 18]."""
    answer = site(numbered(FRESH)).get("/a", "Cache-Control: only-if-cached")
    assert (answer.status, said(answer)) == (504, {"detail": "ONLY-IF-CACHED"})


@pytest.mark.parametrize("name", ["edge.example", "my cache", 'a "quoted" one'])
def test_each_answer_has_the_name_that_was_given(site, name):
    """A token or a string [http 18]."""
    it = site(confirming(FRESH), cache_status=name)
    answers = [it.get(), it.get()]
    it.clock.advance(70)
    assert {member for answer in [*answers, it.get()] for member, _ in members(answer)} == {name}


def test_what_upstream_said_comes_first(site):
    """The stored line too [http 18]."""
    it = site(confirming(FRESH, "Cache-Status: Origin; hit"))
    answers = [it.get(), it.get()]
    it.clock.advance(70)
    for answer in [*answers, it.get()]:
        assert [name for name, _ in members(answer)] == ["Origin", "cachelayer"]


def test_without_a_name_no_answer_says_anything(site):
    """However it was made [http 18]."""
    it = site(confirming(BOTH), cache_status=None)
    answers = [it.get(), it.get(), it.get("/a", "Cache-Control: only-if-cached")]
    it.clock.advance(70)
    answers += [it.settled(), it.get("/b", "Cache-Control: only-if-cached")]
    it.clock.advance(100)
    answers.append(it.get())
    assert {answer.get("cache-status") for answer in answers} == {None}


def test_one_that_is_not_stored_yet(site):
    """A rule wants more requests first [http 18, 24]."""
    assert said(site(numbered(FRESH), rules=[Rule(min_uses=2)]).get()) == {
        "fwd": "uri-miss",
        "detail": "MIN-USES",
    }
