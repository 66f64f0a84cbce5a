"""Reuse: RFC 9111, sections 4 and 5.2.1; conditions: RFC 9110, section 13; hits: points 3, 5, 11, 12, 18, 23."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Policy, Reason, Request, Rule, answer, evaluate, forwarded_headers, plan_lookup
from cachelayer.http.cache_status import Forward
from cachelayer.outcomes import Outcome
from tests.http.support import NOW, admitted, date, headers, planned, reuse, stored

FRESH = "Cache-Control: max-age=60"
PUBLIC = "Cache-Control: public, max-age=60"
QUIET = Policy(cache_status=None)


@pytest.mark.parametrize(
    ("after", "reason"), [(0, Reason.FRESH), (59.9, Reason.FRESH), (60, Reason.STALE), (9e9, Reason.STALE)]
)
def test_a_response_is_used_while_it_is_fresh(after, reason):
    """Freshness ends when the lifetime is reached (section 4.2)."""
    assert reuse(stored(FRESH), after=after).reason is reason


def test_nothing_stored_is_a_miss():
    """The URL is not known."""
    decision = reuse(None)
    assert (decision.reason, decision.forward, decision.outcome) == (Reason.ABSENT, Forward.URI_MISS, None)


def test_no_cache_forbids_use_without_validation():
    """Section 5.2.2.4, for entries that another version may have stored for validation."""
    entry = msgspec.structs.replace(stored(FRESH), no_cache=True)
    assert reuse(entry).reason is Reason.NO_CACHE


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("Cache-Control: no-cache", Reason.REQUEST_NO_CACHE),
        ("Cache-Control: NO-CACHE, x", Reason.REQUEST_NO_CACHE),
        ("Pragma: no-cache", Reason.REQUEST_NO_CACHE),
        ("Cache-Control: max-age=0", Reason.REQUEST_MAX_AGE),
        ("Cache-Control: max-age=9", Reason.REQUEST_MAX_AGE),
        ("Cache-Control: max-age=10", Reason.FRESH),
        ("Cache-Control: max-age=x", Reason.REQUEST_MAX_AGE),
        ("Cache-Control: min-fresh=50", Reason.FRESH),
        ("Cache-Control: min-fresh=51", Reason.REQUEST_MIN_FRESH),
        ("Cache-Control: min-fresh", Reason.REQUEST_MIN_FRESH),
        ("Cache-Control: max-stale=50", Reason.FRESH),
        ("Cache-Control: no-store", Reason.FRESH),
        ("Cache-Control: only-if-cached", Reason.FRESH),
        ("Cache-Control: unknown=1", Reason.FRESH),
    ],
)
def test_a_client_may_ask_for_more_than_freshness(field, reason):
    """Section 5.2.1: what is stored is used only if it is as fresh as wished."""
    assert reuse(stored(FRESH), field, after=10).reason is reason


@pytest.mark.parametrize("field", ["Cache-Control: no-cache", "Pragma: no-cache", "Cache-Control: max-age=0"])
def test_clients_need_not_be_trusted(field):
    """With trust_request_directives=False no client can get past the cache."""
    assert reuse(stored(FRESH), field, policy=Policy(trust_request_directives=False)).reason is Reason.FRESH


@pytest.mark.parametrize("entry", [None, stored("Cache-Control: max-age=1"), stored(FRESH, "Vary: X")])
def test_only_if_cached_never_reaches_the_origin(entry):
    """Section 5.2.1.7: 504 where the store has no answer."""
    plan = planned("Cache-Control: only-if-cached", "X: y")
    decision = evaluate(entry, plan, NOW + 5)
    assert decision.answers
    assert decision.outcome is Outcome.UNCACHEABLE
    made = answer(entry, plan, decision, NOW + 5)
    assert (made.status, made.body) == (504, b"")
    assert made.headers == headers("content-length: 0", "cache-status: cachelayer; detail=ONLY-IF-CACHED")


@pytest.mark.parametrize(
    ("field", "reason"),
    [(FRESH, Reason.AUTHORIZATION), (PUBLIC, Reason.FRESH), ("Cache-Control: s-maxage=60", Reason.FRESH),
     ("Cache-Control: max-age=60, must-revalidate", Reason.FRESH)],
)  # fmt: skip
def test_credentials_get_only_what_is_permitted_for_them(field, reason):
    """An answer made for nobody is not given to alice, unless the origin says so (section 3.5)."""
    assert reuse(stored(field), "Authorization: Bearer x").reason is reason


def test_credentials_without_a_host_field_are_seen():
    """That no other field of the request matters is not concluded from their number."""
    request = Request("GET", "http", b"/a", b"", headers("Authorization: x"), b"example.org")
    assert evaluate(stored(FRESH), plan_lookup(request, Policy()), NOW).reason is Reason.AUTHORIZATION


@pytest.mark.parametrize(
    ("field", "cookie", "rule", "reason"),
    [
        (FRESH, "theme=dark", Rule(), Reason.FRESH),
        (FRESH, "sessionid=1", Rule(), Reason.SESSION_COOKIE),
        (PUBLIC, "sessionid=1", Rule(), Reason.FRESH),
        ("X: y", "theme=dark", Rule(ttl=60), Reason.COOKIE),
        ("X: y", "_ga=1", Rule(ttl=60), Reason.FRESH),
        ("X: y", "sessionid=1", Rule(ttl=60), Reason.SESSION_COOKIE),
        ("X: y", "theme=dark", Rule(ttl=60, cookies=()), Reason.FRESH),
    ],
)
def test_a_cookie_that_could_not_have_stored_an_answer_does_not_get_it(field, cookie, rule, reason):
    """The guard before reuse is the one before storing."""
    policy = Policy(rules=(rule,))
    assert reuse(stored(field, policy=policy), f"Cookie: {cookie}", policy=policy).reason is reason


@pytest.mark.parametrize("fields", [["Range: bytes=0-1"], ["range: x", "If-Range: y"]])
def test_a_range_is_looked_up(fields):
    """What is stored whole has every range in it."""
    assert planned(*fields).key == planned().key


@pytest.mark.parametrize("field", ['If-Match: "a"', f"If-Unmodified-Since: {date()}"])
def test_preconditions_are_for_the_origin(field):
    """RFC 9111, section 4.3.2: a cache must not evaluate them."""
    assert planned(field).reason is Reason.PRECONDITION


@pytest.mark.parametrize(
    ("field", "reason"),
    [("Content-Length: 1", Reason.BODY), ("Transfer-Encoding: chunked", Reason.BODY),
     ("Content-Length: x", Reason.BODY), ("Content-Length: 0", None), ("Content-Length: ", None)],
)  # fmt: skip
def test_a_get_with_a_body_bypasses(field, reason):
    """The body is no part of the key, and the application may read it."""
    assert planned(field).reason is reason


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "get", "FOO", ""])
def test_other_methods_bypass(method):
    """Only GET and HEAD are looked up; methods are case-sensitive."""
    plan = planned(method=method)
    assert (plan.key, plan.reason, plan.forward) == (None, Reason.METHOD, Forward.METHOD)
    admission = admitted(FRESH, plan=plan)
    assert (admission.store, admission.reason, admission.outcome) == (False, Reason.METHOD, Outcome.BYPASS)


def test_a_bypass_is_never_answered_and_says_nothing():
    """Without a lookup there is no stored answer, no 504 and no Cache-Status (point 18)."""
    plan = planned("Cache-Control: only-if-cached", method="POST")
    decision = evaluate(stored(FRESH), plan, NOW)
    assert (decision.answers, decision.reason) == (False, Reason.METHOD)
    admission = admitted(FRESH, plan=plan)
    assert forwarded_headers(plan, decision, admission) is admission.head.headers


CONDITIONS = [
    (['If-None-Match: "a"'], True),
    (['If-None-Match: W/"a"'], True),
    (['If-None-Match: "x", W/"a" , "y"'], True),
    (['If-None-Match: ,"a",'], True),
    (['If-None-Match: "x"', 'If-None-Match: "a"'], True),
    (["If-None-Match: *"], True),
    (['If-None-Match: "x"'], False),
    (['If-None-Match: "A"'], False),
    (["If-None-Match: a"], False),
    (['If-None-Match: "x,a"'], False),
    (["If-None-Match: "], False),
    (['If-None-Match: "a'], False),
    (['If-None-Match: "x" "a"'], False),
    ([f"If-Modified-Since: {date(-100)}"], True),
    ([f"If-Modified-Since: {date(-50)}"], True),
    ([f"If-Modified-Since: {date(-101)}"], False),
    (["If-Modified-Since: garbage"], False),
    ([f"If-Modified-Since: {date()}", f"If-Modified-Since: {date()}"], False),
    (['If-None-Match: "x"', f"If-Modified-Since: {date()}"], False),
    (['If-None-Match: "a"', f"If-Modified-Since: {date(-500)}"], True),
]


@pytest.mark.parametrize(("fields", "matches"), CONDITIONS)
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"'])
def test_a_condition_is_answered_from_the_store(fields, matches, etag):
    """Weak comparison, lists and *; If-None-Match hides If-Modified-Since (RFC 9110, section 13)."""
    entry = stored(FRESH, f"ETag: {etag}", f"Last-Modified: {date(-100)}")
    assert reuse(entry, *fields).reason is (Reason.NOT_MODIFIED if matches else Reason.FRESH)


@pytest.mark.parametrize(
    ("lines", "field", "reason"),
    [
        ([], 'If-None-Match: "a"', Reason.FRESH),
        (["ETag: a"], 'If-None-Match: "a"', Reason.FRESH),
        ([], f"If-Modified-Since: {date()}", Reason.NOT_MODIFIED),
        ([], f"If-Modified-Since: {date(-1)}", Reason.FRESH),
        ([f"Date: {date(-9)}"], f"If-Modified-Since: {date(-9)}", Reason.NOT_MODIFIED),
        (["Last-Modified: garbage"], f"If-Modified-Since: {date()}", Reason.FRESH),
    ],
)
def test_a_response_without_the_validator_is_given_whole_or_by_its_date(lines, field, reason):
    """Where there is no Last-Modified, Date or the time of receipt counts (RFC 9111, section 4.3.2)."""
    assert reuse(stored(FRESH, *lines), field).reason is reason


def test_a_condition_is_about_a_200():
    """Other stored answers are given whole."""
    assert reuse(stored(FRESH, 'ETag: "a"', status=404), 'If-None-Match: "a"').reason is Reason.FRESH


def test_a_stale_response_answers_no_condition():
    """Only what is fresh speaks for the origin."""
    assert reuse(stored(FRESH, 'ETag: "a"'), 'If-None-Match: "a"', after=61).reason is Reason.STALE


def test_a_304_has_the_fields_a_client_needs():
    """RFC 9110, section 15.4.5: validators and caching fields, no metadata of content that is not sent, no body."""
    kept = ['ETag: "a"', FRESH, f"Date: {date()}", "Vary: X", "Content-Location: /b", f"Expires: {date()}", "X: y",
            "Content-Security-Policy: x"]  # fmt: skip
    entry = stored(*kept, f"Last-Modified: {date()}", "Content-Type: text/plain", "Content-Length: 4",
                   "Content-Encoding: identity", "Content-Language: en")  # fmt: skip
    plan = planned('If-None-Match: "a"', policy=QUIET)
    made = answer(entry, plan, evaluate(entry, plan, NOW), NOW)
    assert (made.status, made.body) == (304, b"")
    assert made.headers == headers(*kept, "age: 0")


def test_a_304_by_date_keeps_last_modified():
    """It is then the only validator."""
    entry = stored(FRESH, f"Last-Modified: {date()}")
    plan = planned(f"If-Modified-Since: {date()}", policy=QUIET)
    made = answer(entry, plan, evaluate(entry, plan, NOW), NOW)
    assert made.headers == headers(FRESH, f"Last-Modified: {date()}", "age: 0")


def hit(entry, *lines: str, after: float = 0.0, **how):
    """Answer a request from a stored response, some seconds after it arrived."""
    plan = planned(*lines, **how)
    return answer(entry, plan, evaluate(entry, plan, NOW + after), NOW + after)


def test_a_hit_is_the_miss_with_age_and_cache_status():
    """Status, fields and body are the same bytes; the body is not even copied."""
    lines = ["X-B: 1", "x-a: 2", "X-B: 3", FRESH]
    entry = stored(*lines, "Age: 7", status=203)
    made = hit(entry, after=10.9)
    assert made.status == 203
    assert made.body is entry.body
    assert made.headers == headers(*lines, "age: 17", "cache-status: cachelayer; hit; ttl=42")


def test_a_clock_that_went_back_makes_no_negative_age():
    """Age is never less than it was on arrival."""
    assert (b"age", b"7") in hit(stored(FRESH, "Age: 7"), after=-100).headers


def test_cache_status_of_caches_upstream_stays():
    """Ours comes after what they sent (RFC 9211)."""
    entry = stored(FRESH, "Cache-Status: upstream; hit")
    lines = [value for name, value in hit(entry).headers if name.lower() == b"cache-status"]
    assert lines == [b"upstream; hit", b"cachelayer; hit; ttl=60"]


def test_head_is_answered_from_a_stored_get():
    """With the GET's fields, Content-Length included, and no body."""
    entry = stored(FRESH, "Content-Length: 4")
    made = hit(entry, method="HEAD", policy=QUIET)
    assert (made.status, made.body) == (200, b"")
    assert made.headers == headers(FRESH, "Content-Length: 4", "age: 0")


@pytest.mark.parametrize(
    ("entry", "request_lines", "response_lines", "value"),
    [
        (None, [], [FRESH], "fwd=uri-miss; stored"),
        (None, [], [], "fwd=uri-miss; detail=NO-FRESHNESS"),
        (None, [], [FRESH, "Set-Cookie: a=1"], "fwd=uri-miss; detail=SET-COOKIE"),
        (stored("Cache-Control: max-age=1"), [], [FRESH], "fwd=stale; stored"),
        (stored(FRESH, "Vary: X"), ["X: y"], [FRESH], "fwd=vary-miss; stored"),
        (stored(FRESH), ["Cache-Control: no-cache"], [FRESH], "fwd=request; stored"),
        (stored(FRESH), ["Authorization: x"], [FRESH], "fwd=request; detail=AUTHORIZATION"),
    ],
)
def test_a_forwarded_response_says_why_and_whether_it_is_stored(entry, request_lines, response_lines, value):
    """RFC 9211: fwd, stored, and a detail where it is not."""
    plan = planned(*request_lines)
    admission = admitted(*response_lines, plan=plan)
    sent = forwarded_headers(plan, evaluate(entry, plan, NOW + 5), admission)
    assert sent == headers(*response_lines, f"cache-status: cachelayer; {value}")


def test_without_a_name_nothing_is_added():
    """cache_status=None leaves a miss as the application made it, and a hit with Age alone."""
    plan = planned(policy=QUIET)
    admission = admitted(FRESH, plan=plan)
    assert forwarded_headers(plan, evaluate(None, plan, NOW), admission) is admission.head.headers
    assert hit(stored(FRESH), policy=QUIET).headers == headers(FRESH, "age: 0")


NAMES = st.sampled_from([b"if-none-match", b"if-modified-since", b"cache-control", b"pragma", b"cookie"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=30)), max_size=4))
def test_no_request_makes_the_decision_raise(lines):
    """Whatever a client sends, the decision is a value."""
    entry = stored(FRESH, 'ETag: "a"')
    plan = planned(*(f"{name.decode()}: {value.decode('latin-1')}" for name, value in lines))
    decision = evaluate(entry, plan, NOW)
    if decision.answers:
        answer(entry, plan, decision, NOW)
