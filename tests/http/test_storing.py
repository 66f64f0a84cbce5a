"""Storing: RFC 9111, sections 3, 3.1 and 3.5, and points 1, 4, 6, 7, 8 and 20 of the HTTP behaviour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Policy, Reason, ResponseHead, Rule, StoredResponse, admit, complete
from cachelayer.outcomes import Outcome
from tests.http.support import NOW, admitted, date, headers, planned, stored

FRESH = "Cache-Control: max-age=60"
PUBLIC = "Cache-Control: public, max-age=60"
BY_RULE = Policy(rules=(Rule(ttl=60),))
BY_DEFAULT = Policy(default_ttl=60)


@pytest.mark.parametrize(
    ("lines", "policy", "reason"),
    [
        ([], Policy(), Reason.NO_FRESHNESS),
        ([], BY_RULE, Reason.RULE),
        ([], BY_DEFAULT, Reason.DEFAULT),
        ([], Policy(default_ttl=60, rules=(Rule(ttl=5),)), Reason.RULE),
        ([], Policy(default_ttl=60, rules=(Rule(),)), Reason.DEFAULT),
        ([], Policy(default_ttl=0), Reason.STALE),
        ([FRESH], BY_RULE, Reason.EXPLICIT),
        ([FRESH], Policy(rules=(Rule(ttl=5, override=True),)), Reason.RULE),
        (["Expires: 0"], BY_RULE, Reason.STALE),
        (["Expires: 0"], Policy(rules=(Rule(ttl=5, override=True),)), Reason.RULE),
        ([f"Last-Modified: {date(-100)}", 'ETag: "x"'], Policy(), Reason.NO_FRESHNESS),
    ],
)
def test_the_freshness_that_a_response_is_stored_by(lines, policy, reason):
    """Its own goes before the rule's, that before the default; override turns the first two around."""
    assert admitted(*lines, policy=policy).reason is reason


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("Cache-Control: no-store, max-age=60", Reason.NO_STORE),
        ("Cache-Control: No-Store", Reason.NO_STORE),
        ("Cache-Control:\t , no-store\t,", Reason.NO_STORE),
        ("Cache-Control: private", Reason.PRIVATE),
        ("Cache-Control: PRIVATE, s-maxage=60", Reason.PRIVATE),
        ('Cache-Control: private="Set-Cookie", max-age=60', Reason.PRIVATE),
        ("Cache-Control: private=x, public, max-age=60", Reason.PRIVATE),
        ("Cache-Control: NO-CACHE, max-age=60", Reason.NO_CACHE),
        ('Cache-Control: no-cache="Set-Cookie", max-age=60', Reason.NO_CACHE),
        ("Pragma: no-cache", Reason.NO_CACHE),
        ("Cache-Control: private, no-store, no-cache", Reason.NO_STORE),
    ],
)
@pytest.mark.parametrize("policy", [BY_DEFAULT, Policy(rules=(Rule(ttl=60, override=True),))])
def test_what_the_origin_forbids_no_rule_allows(field, reason, policy):
    """no-store, private and no-cache, in any case and form, go before every ttl, overriding ones included."""
    assert admitted(field, policy=policy).reason is reason


def test_directives_may_stand_in_several_lines():
    """A restriction in the second line counts like one in the first."""
    assert admitted(FRESH, "Cache-Control: private").reason is Reason.PRIVATE


@pytest.mark.parametrize(
    ("field", "status", "reason"),
    [
        ("Cache-Control: must-understand, no-store, max-age=60", 200, Reason.EXPLICIT),
        ("Cache-Control: must-understand, no-store, max-age=60", 299, Reason.NO_STORE),
        ("Cache-Control: must-understand, max-age=60", 299, Reason.MUST_UNDERSTAND),
        ("Cache-Control: must-understand, private, no-store, max-age=60", 200, Reason.PRIVATE),
        (
            "Cache-Control: must-revalidate, proxy-revalidate, immutable, x=1, max-age=60",
            200,
            Reason.EXPLICIT,
        ),
        ("Cache-Control: max-age=60, stale-while-revalidate=x, private-x", 200, Reason.EXPLICIT),
        (FRESH, 299, Reason.EXPLICIT),
    ],
)
def test_directives_for_those_who_understand(field, status, reason):
    """must-understand lifts no-store where the status is understood (section 5.2.2.3); unknown ones change nothing."""
    assert admitted(field, status=status).reason is reason


@pytest.mark.parametrize("status", [200, 203, 204, 302, 400, 404, 405, 413, 414, 431, 500, 503, 599])
def test_any_final_status_is_stored_by_its_own_freshness(status):
    """Section 3: explicit freshness is the origin's word for this very response."""
    assert admitted(FRESH, status=status).store


@pytest.mark.parametrize("status", [100, 101, 103, 199, 206, 304, 600, -1])
def test_parts_confirmations_and_interim_answers_are_never_stored(status):
    """206 and 304 are no full answers; what is not final is no answer."""
    assert admitted(FRESH, status=status).reason is Reason.STATUS


@pytest.mark.parametrize("policy", [BY_DEFAULT, BY_RULE, Policy(rules=(Rule(ttl=60, override=True),))])
@pytest.mark.parametrize("status", [201, 204, 302, 400, 403, 404, 405, 413, 414, 431, 500, 502])
def test_a_ttl_is_for_a_few_statuses_only(status, policy):
    """By rule or default only 200, 301, 308 and 410 are stored."""
    assert admitted(status=status, policy=policy).reason is Reason.STATUS


@pytest.mark.parametrize("status", [200, 301, 308, 410])
@pytest.mark.parametrize("policy", [BY_DEFAULT, BY_RULE])
def test_the_statuses_a_ttl_is_for(status, policy):
    """Those of which a second client's answer is the first's."""
    assert admitted(status=status, policy=policy).store


def test_a_rule_names_further_statuses_each_with_its_ttl():
    """`status={404: 10}` stores 404 for ten seconds, and 200 as before."""
    policy = Policy(rules=(Rule(ttl=60, status={404: 10}),))
    assert stored(status=404, policy=policy).fresh_until == NOW + 10
    assert stored(status=200, policy=policy).fresh_until == NOW + 60
    assert admitted(status=403, policy=policy).reason is Reason.STATUS


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("Cache-Control: max-age=60", Reason.AUTHORIZATION),
        ("Cache-Control: public, max-age=60", Reason.EXPLICIT),
        ("Cache-Control: s-maxage=60", Reason.EXPLICIT),
        ("Cache-Control: must-revalidate, max-age=60", Reason.EXPLICIT),
        ("Cache-Control: proxy-revalidate, max-age=60", Reason.AUTHORIZATION),
        ("Cache-Control: public=x, max-age=60", Reason.AUTHORIZATION),
        ("X: y", Reason.AUTHORIZATION),
    ],
)
@pytest.mark.parametrize("scheme", ["Bearer x", "Basic eDp5", ""])
def test_authorization_needs_the_origins_permission(field, reason, scheme):
    """Section 3.5: with credentials only public, s-maxage or must-revalidate allow storing."""
    plan = planned(f"AUTHORIZATION: {scheme}", policy=Policy(default_ttl=60))
    assert admitted(field, plan=plan).reason is reason


@pytest.mark.parametrize(
    ("cookie", "field", "policy", "reason"),
    [
        ("theme=dark", FRESH, Policy(), Reason.EXPLICIT),
        ("theme=dark", "X: y", BY_DEFAULT, Reason.COOKIE),
        ("theme=dark", "X: y", BY_RULE, Reason.COOKIE),
        ("theme=dark", "Cache-Control: public", BY_DEFAULT, Reason.COOKIE),
        ("theme=dark", FRESH, Policy(rules=(Rule(ttl=60, override=True),)), Reason.COOKIE),
        ("theme=dark", "X: y", Policy(rules=(Rule(ttl=60, cookies=("theme",)),)), Reason.RULE),
        ("theme=dark", "X: y", Policy(rules=(Rule(ttl=60, cookies=()),)), Reason.RULE),
        ("theme=dark", "X: y", Policy(default_ttl=60, ignore_cookies=("theme",)), Reason.DEFAULT),
        ("_ga=1; _gid=2; _ga_X1=3", "X: y", BY_DEFAULT, Reason.DEFAULT),
        ("_ga=1; theme=dark", "X: y", BY_DEFAULT, Reason.COOKIE),
        ("sessionid=1", FRESH, Policy(), Reason.SESSION_COOKIE),
        ("_ga=1; PHPSESSID=1", FRESH, Policy(), Reason.SESSION_COOKIE),
        ("connect.sid=1", FRESH, Policy(), Reason.SESSION_COOKIE),
        ("wordpress_logged_in_x=1", FRESH, Policy(), Reason.SESSION_COOKIE),
        ("sessionid=1", PUBLIC, Policy(), Reason.EXPLICIT),
        ("sessionid=1", "Cache-Control: s-maxage=9", Policy(), Reason.EXPLICIT),
        ("sessionid=1", "Cache-Control: s-maxage=x, max-age=9", Policy(), Reason.SESSION_COOKIE),
        ("sessionid=1", "X: y", Policy(rules=(Rule(ttl=60, cookies=("theme",)),)), Reason.SESSION_COOKIE),
        ("sessionid=1", "X: y", Policy(rules=(Rule(ttl=60, cookies=("sessionid",)),)), Reason.RULE),
        ("sessionid=1", FRESH, Policy(session_cookies=("mine",)), Reason.EXPLICIT),
        ("Mine=1", FRESH, Policy(session_cookies=("m*",)), Reason.SESSION_COOKIE),
        ("sessionid", FRESH, Policy(), Reason.SESSION_COOKIE),
        ("", "X: y", BY_DEFAULT, Reason.DEFAULT),
        (" ; ;; ", "X: y", BY_DEFAULT, Reason.DEFAULT),
    ],
)
def test_a_request_cookie_prevents_storing_unless_it_is_harmless_or_keyed(cookie, field, policy, reason):
    """Harmless means ignored; keyed means named by the rule; a session cookie needs public or s-maxage."""
    assert admitted(field, plan=planned(f"Cookie: {cookie}", policy=policy)).reason is reason


@pytest.mark.parametrize(
    ("lines", "policy", "reason"),
    [
        (["Set-Cookie: a=1", FRESH], Policy(), Reason.SET_COOKIE),
        (["Set-Cookie: a=1", PUBLIC], Policy(), Reason.SET_COOKIE),
        (["Set-Cookie: a=1"], BY_RULE, Reason.SET_COOKIE),
        (["set-cookie: a=1", PUBLIC], Policy(store_set_cookie=True), Reason.EXPLICIT),
        (["Set-Cookie: a=1", FRESH], Policy(store_set_cookie=True), Reason.SET_COOKIE),
        (["Set-Cookie: a=1; Path=/"], Policy(rules=(Rule(ttl=60, strip_cookies=("a",)),)), Reason.RULE),
        (["Set-Cookie: a=1"], Policy(rules=(Rule(ttl=60, strip_cookies=("b",)),)), Reason.SET_COOKIE),
        (
            ["Set-Cookie: a=1", "Set-Cookie: b=1"],
            Policy(rules=(Rule(ttl=60, strip_cookies=("a",)),)),
            Reason.SET_COOKIE,
        ),
        (["Set-Cookie: "], Policy(rules=(Rule(ttl=60, strip_cookies=("a",)),)), Reason.SET_COOKIE),
    ],
)
def test_set_cookie_prevents_storing_unless_it_is_stripped_or_meant_for_all(lines, policy, reason):
    """A cookie is set for one client."""
    assert admitted(*lines, policy=policy).reason is reason


def test_stripped_cookies_reach_the_first_client_but_not_the_store():
    """The rule takes the named cookies out of the stored copy only."""
    admission = admitted(
        "Set-Cookie: a=1", "X: y", policy=Policy(rules=(Rule(ttl=60, strip_cookies=("a*",)),))
    )
    assert admission.head.headers == headers("Set-Cookie: a=1", "X: y")
    entry = complete(admission, b"")
    assert isinstance(entry, StoredResponse)
    assert entry.headers == headers("X: y")


@pytest.mark.parametrize(
    ("request_field", "policy", "reason"),
    [
        ("Cache-Control: no-store", Policy(), Reason.REQUEST_NO_STORE),
        ("Cache-Control: no-store", Policy(trust_request_directives=False), Reason.EXPLICIT),
        ("Cache-Control: no-cache", Policy(), Reason.EXPLICIT),
    ],
)
def test_a_client_may_ask_not_to_be_stored(request_field, policy, reason):
    """Section 5.2.1.5, where clients are trusted."""
    assert admitted(FRESH, plan=planned(request_field, policy=policy)).reason is reason


def test_a_response_to_head_is_never_stored():
    """A HEAD has no body, and must not stand in for a GET."""
    assert admitted(FRESH, plan=planned(method="HEAD")).reason is Reason.HEAD


@pytest.mark.parametrize("value", ["*", " * ", "*, *", ", *", "Foo, *", "*,Foo", "\t*", "Foo,*x"])
def test_vary_star_is_not_stored(value):
    """Section 4.1: it matches nothing, in any spelling."""
    assert admitted(FRESH, f"Vary: {value}").reason is Reason.VARY_STAR


def test_vary_star_on_a_second_line_is_not_stored():
    """All lines count."""
    assert admitted(FRESH, "Vary: Foo", "Vary: *").reason is Reason.VARY_STAR


def test_an_event_stream_is_not_stored():
    """It has no end to wait for."""
    assert (
        admitted("Content-Type: text/event-stream; charset=utf-8", policy=BY_RULE).reason
        is Reason.EVENT_STREAM
    )


@pytest.mark.parametrize("line", ["X: a\rb", "X: a\nb", "X: a\0b", "X y: a", ": a", "Content-Length: x",
                                  "Content-Length: -1", "Content-Length: 1, 2"])  # fmt: skip
def test_a_malformed_response_is_not_stored(line):
    """What could split a message, or has no readable length, is passed on and forgotten."""
    assert admitted(FRESH, line).reason is Reason.MALFORMED_RESPONSE


def test_a_body_that_says_it_is_too_large_is_not_collected():
    """Content-Length is believed when it is too much."""
    policy = Policy(max_body_bytes=10)
    assert admitted(FRESH, "Content-Length: 11", policy=policy).reason is Reason.TOO_LARGE
    assert admitted(FRESH, "Content-Length: 10", policy=policy).store


@pytest.mark.parametrize(
    ("length", "body", "result"),
    [("3", b"abc", None), (None, b"abc", None), ("4", b"abc", Reason.INCOMPLETE), ("2", b"abc", Reason.INCOMPLETE),
     (None, b"x" * 11, Reason.TOO_LARGE), ("0", b"", None)],
)  # fmt: skip
def test_only_a_whole_body_is_stored(length, body, result):
    """A body that is not as long as it says, or longer than allowed, is not stored (section 3.3)."""
    lines = [FRESH] if length is None else [FRESH, f"Content-Length: {length}"]
    made = complete(admitted(*lines, policy=Policy(max_body_bytes=10)), body)
    assert made is result if result else isinstance(made, StoredResponse)


def test_what_is_not_admitted_is_not_completed():
    """The reason of the first decision stays the reason."""
    assert complete(admitted(), b"x") is Reason.NO_FRESHNESS


def test_fields_are_kept_byte_for_byte_and_in_order():
    """Repeated fields, case and padding stay; hop-by-hop fields, those that Connection lists, and Age go."""
    kept = ["X-B: 1", "x-a:  padded ", "X-B: 2", "Content-Type: text/plain", FRESH, "Date: x", "Via: 1.1 x"]
    gone = ["Connection: X-Hop, close", "x-hop: 1", "Keep-Alive: 1", "Transfer-Encoding: chunked", "TE: x", "Age: 1",
            "Upgrade: x", "Proxy-Authenticate: x", "Proxy-Connection: x", "Trailer: x"]  # fmt: skip
    assert stored(*kept[:3], *gone, *kept[3:]).headers == headers(*kept)


@pytest.mark.parametrize(
    ("rule", "lines", "added"),
    [
        (Rule(ttl=60), [], []),
        (Rule(ttl=60, client_ttl=5), [], ["cache-control: max-age=5"]),
        (Rule(ttl=60, client_ttl=5, cookies=("a",)), [], ["cache-control: private, max-age=5"]),
        (Rule(ttl=60, client_ttl=5), [FRESH], []),
        (Rule(ttl=60, client_ttl=5), [f"Expires: {date(60)}"], []),
    ],
)
def test_clients_are_told_nothing_unless_client_ttl_says_so(rule, lines, added):
    """A rule's ttl is for this cache; client_ttl is for clients, and the response's own word goes before it."""
    admission = admitted(*lines, policy=Policy(rules=(rule,)))
    assert admission.head.headers == headers(*lines, *added)
    assert admission.draft is not None
    assert admission.draft.headers == admission.head.headers


def test_an_overriding_client_ttl_replaces_what_the_response_says():
    """With override=True both its freshness fields go."""
    policy = Policy(rules=(Rule(ttl=60, client_ttl=5, override=True),))
    sent = admitted(FRESH, "Expires: 0", "X: y", policy=policy).head.headers
    assert sent == headers("X: y", "cache-control: max-age=5")


def test_the_label_and_tags_of_the_miss_are_stored():
    """A hit is counted under the route that made it, and invalidated by the rule's tags."""
    policy = Policy(rules=(Rule(path="/users/{id}", ttl=60, tags=("users", "user:{id}")),))
    entry = stored(plan=planned(path="/users/a%20b", policy=policy), label="GET /users/{id}")
    assert entry.label == "GET /users/{id}"
    assert entry.tags == ("users", "user:a b")


def test_a_rule_by_route_is_applied_when_the_route_is_known():
    """It is found when the response starts; before that it matches nothing."""
    policy = Policy(rules=(Rule(route="GET /a", ttl=60),))
    assert admitted(policy=policy, label="GET /a").reason is Reason.RULE
    assert admitted(policy=policy, label="GET /b").reason is Reason.NO_FRESHNESS
    assert admitted(policy=policy).reason is Reason.NO_FRESHNESS


def test_a_disabled_rule_by_route_prevents_storing():
    """enabled=False is honoured as soon as the route is known."""
    policy = Policy(default_ttl=60, rules=(Rule(route="GET /a", enabled=False),))
    assert admitted(policy=policy, label="GET /a").reason is Reason.DISABLED


def test_the_outcome_of_a_response_is_miss_or_uncacheable():
    """What may be stored is a miss; the rest is uncacheable."""
    assert admitted(FRESH).outcome is Outcome.MISS
    assert admitted().outcome is Outcome.UNCACHEABLE


NAMES = st.sampled_from(
    [b"cache-control", b"Vary", b"age", b"expires", b"date", b"set-cookie", b"connection", b"content-length", b"etag",
     b"pragma", b"last-modified", b"content-type", b"cdn-cache-control"]
) | st.binary(max_size=5)  # fmt: skip
LINES = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=6).map(tuple)


@given(st.integers(), LINES)
def test_no_response_makes_the_decision_raise(status, response_lines):
    """Whatever an application says, the decision is a value."""
    policy = Policy(default_ttl=60, targeted=("CDN-Cache-Control",), heuristic_freshness=True)
    plan = planned(policy=policy)
    admission = admit(plan, ResponseHead(status, response_lines), request_time=NOW, response_time=NOW)
    complete(admission, b"x")


def test_a_response_with_trailers_is_not_stored():
    """They are no part of what is stored, and without them it would be another response."""
    head = ResponseHead(200, headers(FRESH), trailers=True)
    assert admit(planned(), head, request_time=NOW, response_time=NOW).reason is Reason.TRAILERS


def test_the_reason_phrase_is_stored():
    """A hit over HTTP/1.1 has that of its miss."""
    admission = admit(
        planned(), ResponseHead(200, headers(FRESH), b"Fine"), request_time=NOW, response_time=NOW
    )
    made = complete(admission, b"")
    assert isinstance(made, StoredResponse)
    assert made.phrase == b"Fine"


@pytest.mark.parametrize("phrase", [b"a\r\nX: 1", b"a\nb", b"a\0b"])
def test_a_reason_phrase_that_could_split_a_response_is_not_stored(phrase):
    """As with any field."""
    head = ResponseHead(200, headers(FRESH), phrase)
    assert admit(planned(), head, request_time=NOW, response_time=NOW).reason is Reason.MALFORMED_RESPONSE
