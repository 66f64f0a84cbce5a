"""Serving stale responses: http.md, point 16."""

import threading

import pytest

from cachelayer.flow.freshness import REST
from cachelayer.http import Rule
from tests.functions.support import Background
from tests.shells import Reply, numbered

SWR = "Cache-Control: max-age=60, stale-while-revalidate=30"
SIE = "Cache-Control: max-age=60, stale-if-error=30"
TAG = 'ETag: "v"'


def broken(asked):
    """Fail."""
    raise ValueError("the application failed")


class Failing:
    """An origin that can be made to fail.

    Attributes:
        failure: None, a status to answer with, or "raises".
    """

    def __init__(self, *lines):
        self.lines, self.failure, self.calls = lines, None, 0

    def __call__(self, asked):
        """Answer."""
        self.calls += 1
        if self.failure == "raises":
            return broken(asked)
        if self.failure is not None:
            return Reply(["X-Own: error"], b"error", self.failure)
        return Reply(self.lines, b"%d" % self.calls)


# -- stale-while-revalidate -----------------------------------------------------------------------------------------


def test_a_stale_response_is_served_while_it_is_refreshed(any_site):
    """The client has its answer at once, and the next one has the new response [http 16]."""
    it = any_site(numbered(SWR))
    it.get()
    it.clock.advance(70)
    stale = it.settled()
    assert (stale.body, stale.status_field, stale.get("age")) == (b"0", "cachelayer; hit; ttl=-10", "70")
    fresh = it.get()
    assert (fresh.body, fresh.status_field) == (b"1", "cachelayer; hit; ttl=60")
    assert it.calls == 2
    assert it.counts() == {"miss": 1, "stale_hit": 1, "hit": 1}


def test_a_crowd_of_stale_hits_causes_one_refresh(any_site):
    """Whoever comes while it is under way is served, and does not ask again [http 16]."""
    go_on = threading.Event()

    def origin(asked):
        return Reply([SWR], b"%d" % it.calls, when=go_on.is_set if it.calls == 2 else None)

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    assert {answer.body for answer in it.crowd(*[("/a",)] * 20)} == {b"1"}
    assert {it.get().body for _ in range(3)} == {b"1"}
    go_on.set()
    it.settle()
    assert it.get().body == b"2"
    assert it.calls == 2


def test_after_the_window_the_client_waits(site):
    """What is too old is not served [http 16]."""
    it = site(numbered(SWR))
    it.get()
    it.clock.advance(90)
    assert it.settled().body == b"1"
    assert it.counts() == {"miss": 2}


def test_a_refresh_asks_by_a_condition(any_site):
    """A 304 is enough to make the stored response fresh [http 13, 16]."""
    seen = []

    def origin(asked):
        seen.append(asked.headers.get("if-none-match"))
        return Reply([SWR, TAG], b"" if seen[-1] else b"body", 304 if seen[-1] else 200)

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    it.settled()
    answer = it.get()
    assert (answer.body, answer.status_field) == (b"body", "cachelayer; hit; ttl=60")
    assert seen == [None, '"v"']


def test_a_refresh_that_confirms_another_version_asks_again(site):
    """Without a condition: the whole response comes [http 13, 16]."""

    def origin(asked):
        if "if-none-match" in asked.headers:
            return Reply([SWR, 'ETag: "v2"'], b"", 304)
        return Reply([SWR, TAG], b"%d" % it.calls)

    it = site(origin)
    it.get()
    it.clock.advance(70)
    it.settled()
    assert it.get().body == b"3"


@pytest.mark.parametrize(
    "line", ["Range: bytes=0-1", 'If-None-Match: "mine"', "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT"]
)
def test_a_refresh_is_for_everyone(any_site, line):
    """The condition and the range of the client that caused it are its own [http 14, 16]."""
    seen = []

    def origin(asked):
        seen.append({"range", "if-none-match", "if-modified-since"} & set(asked.headers))
        return Reply([SWR], b"body %d" % len(seen))

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    it.settled("/a", line)
    assert seen == [set(), set()]
    assert it.get().body == b"body 2"


def test_a_head_request_refreshes_what_get_gives(any_site):
    """The stored response is one to GET [http 11, 16]."""
    methods = []

    def origin(asked):
        methods.append(asked.method)
        return Reply([SWR], b"body %d" % len(methods))

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    assert it.settled(method="HEAD").body == b""
    assert it.get().body == b"body 2"
    assert methods == ["GET", "GET"]


def test_a_view_speaks_of_its_refreshed_response_too(site):
    """What it says by the cache counts behind the client's back as it does before it [http 16, 24]."""

    def origin(asked):
        it.cache.ttl(60, stale_while_revalidate=30)
        it.cache.tag("all")
        return Reply([], b"%d" % it.calls)

    it = site(origin)
    it.get()
    it.clock.advance(70)
    it.settled()
    assert it.get().body == b"2"
    it.cache.invalidate_tags("all")
    assert it.get().body == b"3"


def test_a_refresh_that_fails_is_not_repeated_at_once(any_site, caplog):
    """The application rests for a moment; the stale response goes on being served [http 16]."""
    origin = Failing(SWR)
    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    for failure in ("raises", 500):
        origin.failure = failure
        calls = origin.calls
        assert [it.settled().body for _ in range(3)] == [b"1"] * 3
        assert origin.calls == calls + 1
        it.clock.advance(REST)
    origin.failure = None
    it.settled()
    assert it.get().body == b"%d" % origin.calls
    refreshed = it.middleware.stats().routes["GET /x"]
    assert (refreshed.refreshes, refreshed.refresh_errors) == (3, 2)


def test_a_refresh_that_ends_uncacheable_leaves_no_gate_closed(any_site):
    """Misses after it go to the application at once [http 16, 17]."""
    it = any_site(
        lambda asked: Reply([SWR] if it.calls == 1 else ["Cache-Control: private"], b"%d" % it.calls)
    )
    it.get()
    it.clock.advance(70)
    it.settled()
    it.clock.advance(30)
    assert it.get().body == b"3"


def test_what_is_purged_while_it_is_refreshed_is_not_stored(any_site):
    """The purge wins [http 16, 25]."""

    def origin(asked):
        if it.calls == 2:
            it.cache.purge("http://example.org/a")
        return Reply([SWR], b"%d" % it.calls)

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    it.settled()
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"


def test_a_late_stale_hit_finds_the_refresh_done(site, monkeypatch):
    """It looked before that ended and comes to it after: the application is not asked once more [http 16]."""
    it = site(numbered(SWR))
    it.get()
    it.clock.advance(70)
    bound = it.middleware._caching.bound
    read, look = bound.engine.enter, []

    def enter(key):
        if not look:
            # Between this request's look and its refresh, another one's has come and gone.
            look.append(key)
            assert Background(it.settled).result().body == b"0"
        return read(key)

    monkeypatch.setattr(bound.engine, "enter", enter)
    it.settled()
    assert it.calls == 2


@pytest.mark.parametrize("limit", [4, 8], ids=["too long", "as long as may be"])
def test_a_refreshed_body_is_bounded(site, limit):
    """What is too long is not stored, and its parts are not kept [http 16, 19]."""
    it = site(
        lambda asked: Reply([SWR], iter([b"a"] if it.calls == 1 else [b"bb"] * 4)), max_body_bytes=limit
    )
    it.get()
    it.clock.advance(70)
    it.settled()
    assert it.get().body == (b"a" if limit == 4 else b"b" * 8)


def test_an_endless_body_ends_a_refresh(site):
    """The application is told that nobody reads on [http 16, 19]."""

    def endless():
        while True:
            yield b"x" * 100

    it = site(lambda asked: Reply([SWR], b"a" if it.calls == 1 else endless()), max_body_bytes=1000)
    it.get()
    it.clock.advance(70)
    assert it.settled().body == b"a"
    assert it.calls == 2


# -- stale-if-error -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["raises", 500, 502, 503, 504])
@pytest.mark.parametrize("lines", [(SIE,), (SIE, TAG)], ids=["plain", "with a tag"])
def test_a_stale_response_stands_in_for_a_failure(any_site, failure, lines, caplog):
    """An exception before the response, or a 5xx [http 16]."""
    origin = Failing(*lines)
    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    origin.failure = failure
    answer = it.get()
    assert (answer.status, answer.body, answer.get("x-own"), answer.error) == (200, b"1", None, None)
    said = "" if failure == "raises" else f"fwd-status={failure}; "
    assert answer.status_field == f"cachelayer; fwd=stale; {said}ttl=-10; detail=STALE-IF-ERROR"
    assert it.counts() == {"miss": 1, "error_hit": 1}


@pytest.mark.parametrize("status", [400, 404, 429])
def test_a_clients_error_is_its_own(site, status):
    """A 4xx is the application's answer [http 16]."""
    origin = Failing(SIE)
    it = site(origin)
    it.get()
    it.clock.advance(70)
    origin.failure = status
    assert (it.get().status, it.get().body) == (status, b"error")


def test_after_its_window_a_failure_is_a_failure(site):
    """What is too old is not served [http 16]."""
    origin = Failing(SIE)
    it = site(origin)
    it.get()
    it.clock.advance(90)
    origin.failure = "raises"
    assert isinstance(it.get().error, ValueError)
    origin.failure = 503
    assert it.get().status == 503


def test_an_application_that_failed_is_left_alone_for_a_moment(any_site, caplog):
    """And asked again then [http 16]."""
    origin = Failing(SIE)
    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    origin.failure = 500
    assert {it.get().body for _ in range(5)} == {b"1"}
    assert origin.calls == 2
    it.clock.advance(REST)
    origin.failure = None
    assert it.get().body == b"3"


def test_a_crowd_learns_of_a_failure_from_one(any_site, caplog):
    """Those who waited for it are served the stale response too [http 16, 17]."""

    def origin(asked):
        if it.calls == 1:
            return Reply([SIE], b"1")
        return Reply([], b"error", 500, when=lambda: it.waiting == 19 or it.calls > 2)

    it = any_site(origin)
    it.get()
    it.clock.advance(70)
    assert {answer.body for answer in it.crowd(*[("/a",)] * 20)} == {b"1"}
    assert it.calls == 2


STRICT = ["must-revalidate", "proxy-revalidate", "no-cache"]


@pytest.mark.parametrize("directive", STRICT)
@pytest.mark.parametrize("by", ["response", "rule", "view"])
@pytest.mark.parametrize("failure", ["raises", 503])
def test_what_must_be_confirmed_is_never_served_stale(site, directive, by, failure):
    """Whoever gave the windows [http 16]."""
    windows = {"stale_while_revalidate": 100, "stale_if_error": 100}
    failing = Failing(
        f"Cache-Control: max-age=60, {directive}"
        + (", stale-while-revalidate=100, stale-if-error=100" if by == "response" else ""),
        TAG,
    )

    def origin(asked):
        if by == "view":
            it.cache.ttl(60, **windows)
        return failing(asked)

    it = site(origin, rules=[Rule(**windows)] if by == "rule" else [])
    it.get()
    it.clock.advance(70)
    failing.failure = failure
    answer = it.settled()
    assert (answer.status, answer.body) != (200, b"1")
    assert failing.calls == 2


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ("s-maxage=60", b"error"),
        ("s-maxage=60, stale-if-error=30", b"1"),
        ("s-maxage=60, stale-while-revalidate=30", b"1"),
    ],
)
def test_s_maxage_leaves_the_responses_own_windows_alone(site, lines, body):
    """A rule's windows are not for it [http 16]."""
    origin = Failing(f"Cache-Control: {lines}")
    it = site(origin, rules=[Rule(stale_if_error=30, stale_while_revalidate=30)])
    it.get()
    it.clock.advance(70)
    origin.failure = 500
    assert it.settled().body == body


def test_a_rule_gives_windows_to_a_response_that_has_none(site):
    """And its own are not overruled [http 16, 24]."""
    origin = Failing("Cache-Control: max-age=60")
    it = site(origin, rules=[Rule(stale_if_error=30)])
    it.get()
    it.clock.advance(70)
    origin.failure = 500
    assert it.get().body == b"1"
    it.clock.advance(20)
    assert it.get().status == 500


def test_the_responses_own_windows_come_before_a_rules(site):
    """0 is said too [http 16, 24]."""
    origin = Failing("Cache-Control: max-age=60, stale-if-error=0")
    it = site(origin, rules=[Rule(stale_if_error=30)])
    it.get()
    it.clock.advance(70)
    origin.failure = 500
    assert it.get().status == 500


def test_a_failure_in_the_middle_of_a_body_is_the_clients(site):
    """Its head has gone out: nothing can stand in for it [http 16, 20]."""

    def parts():
        yield b"half"
        raise ValueError("gone")

    it = site(lambda asked: Reply([SIE], b"whole" if it.calls == 1 else parts()))
    it.get()
    it.clock.advance(70)
    answer = it.get()
    assert (answer.body, type(answer.error)) == (b"half", ValueError)
    it.get()
    assert it.calls == 3


def test_the_client_gets_of_a_stale_response_what_it_asked_for(site):
    """A part, or that it has it [http 12, 14, 16]."""
    origin = Failing(SIE, TAG)
    it = site(origin)
    it.get()
    it.clock.advance(70)
    origin.failure = 500
    assert (it.get("/a", 'If-None-Match: "v"').status, it.get("/a", "Range: bytes=0-0").status) == (304, 206)
    assert it.get(method="HEAD").body == b""


def test_a_request_for_something_new_is_refreshed_too(site):
    """A client that says no-cache waits; and gets the stale response where the application fails [http 5, 16]."""
    origin = Failing(SWR + ", stale-if-error=30")
    it = site(origin)
    it.get()
    it.clock.advance(70)
    assert it.settled("/a", "Cache-Control: no-cache").body == b"2"
    origin.failure = 500
    assert it.settled("/a", "Cache-Control: no-cache").body == b"2"
