"""The points of the HTTP behaviour that the foundation has, through the shells: what the engine decides happens."""

import gzip

import pytest

from cachelayer.http import Rule
from tests.shells import Reply, echo, numbered

FRESH = "Cache-Control: max-age=60"
PUBLIC = "Cache-Control: public, max-age=60"


# -- 1, 2: storing and freshness ----------------------------------------------------------------------------------


def test_nothing_is_stored_unless_somebody_says_so(site):
    """No explicit freshness, no rule, no default: two requests, two calls."""
    it = site(numbered())
    assert [it.get().body, it.get().body] == [b"0", b"1"]
    assert it.reasons() == {"NO-FRESHNESS": 2}


@pytest.mark.parametrize("field", [FRESH, "Cache-Control: s-maxage=60", "Cache-Control: MAX-AGE=60, x=y"])
def test_explicit_freshness_is_kept_for_as_long_as_it_says(site, field):
    """Fresh until the last second, gone after it."""
    it = site(numbered(field))
    bodies = [it.get().body]
    it.clock.advance(59)
    bodies.append(it.get().body)
    it.clock.advance(1)
    bodies.append(it.get().body)
    assert bodies == [b"0", b"0", b"1"]


def test_expires_less_date_is_a_lifetime(site):
    """Where Cache-Control says nothing."""
    it = site(lambda asked: Reply([f"Date: {it.date()}", f"Expires: {it.date(30)}"], str(it.calls).encode()))
    first = it.get().body
    it.clock.advance(29)
    assert it.get().body == first
    it.clock.advance(2)
    assert it.get().body != first


@pytest.mark.parametrize(
    ("lines", "lives"),
    [
        (["Cache-Control: max-age=5, s-maxage=60"], True),
        (["Cache-Control: max-age=60, s-maxage=5"], False),
        (["Cache-Control: max-age=60", "Expires: 0"], True),
        (["Expires: 0"], False),
        (["Cache-Control: max-age=x"], False),
    ],
)
def test_the_first_source_of_freshness_decides(site, lines, lives):
    """s-maxage, then max-age, then Expires; an invalid one is stale."""
    it = site(numbered(*lines), default_ttl=60)
    it.get()
    it.clock.advance(30)
    assert (it.get().body == b"0") is lives


def test_a_rule_gives_a_ttl_to_the_paths_it_names(site):
    """And to no others."""
    it = site(numbered(), rules=[Rule(path="/static/*", ttl=60)])
    assert [it.get("/static/a").body for _ in range(2)] == [b"0", b"0"]
    assert [it.get("/other").body for _ in range(2)] == [b"1", b"2"]


def test_a_rule_by_route_waits_for_the_label(site):
    """It is known when the response starts, and counts from then on."""
    it = site(numbered(), rules=[Rule(route="GET /x", ttl=60, tags=("xs",))])
    assert [it.get().body for _ in range(2)] == [b"0", b"0"]
    it.cache.invalidate_tags("xs")
    assert it.get().body == b"1"


def test_the_default_ttl_is_for_those_that_say_nothing(site):
    """A response's own freshness goes before it."""
    it = site(
        lambda asked: Reply([FRESH] if asked.path == "/own" else [], str(it.calls).encode()), default_ttl=10
    )
    own, other = it.get("/own").body, it.get("/other").body
    it.clock.advance(20)
    assert it.get("/own").body == own
    assert it.get("/other").body != other


def test_a_rule_adds_no_cache_control_for_clients_unless_told(site):
    """`client_ttl` does, on the miss and on the hit alike."""
    silent = site(numbered(), rules=[Rule(ttl=60)])
    assert silent.get().get("cache-control") is None
    told = site(numbered(), rules=[Rule(ttl=60, client_ttl=5)])
    assert [told.get().get("cache-control") for _ in range(2)] == ["max-age=5", "max-age=5"]


# -- 4: what forbids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "directive", ["no-store", "private", "no-cache", 'private="X"', 'no-cache="X"', "No-Store"]
)
def test_what_the_response_forbids_is_not_stored(site, directive):
    """Not even under a rule that overrides."""
    it = site(numbered(f"Cache-Control: max-age=60, {directive}"), rules=[Rule(ttl=60, override=True)])
    assert [it.get().body for _ in range(2)] == [b"0", b"1"]


def test_pragma_counts_where_cache_control_is_absent(site):
    """And only there."""
    it = site(
        lambda asked: Reply(["Pragma: no-cache", *([FRESH] if asked.path == "/cc" else [])]), default_ttl=60
    )
    for _ in range(2):
        it.get("/p")
        it.get("/cc")
    assert it.calls == 3


# -- 6: status ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kept"), [(200, True), (301, True), (404, False), (500, False), (400, False)]
)
def test_a_ttl_is_for_a_few_statuses(site, status, kept):
    """Others are stored by their own freshness only."""
    it = site(lambda asked: Reply([], str(it.calls).encode(), status), default_ttl=60)
    assert (it.get().body == it.get().body) is kept
    own = site(lambda asked: Reply([FRESH], str(own.calls).encode(), status))
    first, second = own.get(), own.get()
    assert first.plain == second.plain


@pytest.mark.parametrize("status", [206, 304])
def test_parts_and_confirmations_are_not_answers(site, status):
    """206 and 304 are never stored as such, whatever they say."""
    it = site(lambda asked: Reply([FRESH], b"", status))
    it.get()
    it.get()
    assert it.calls == 2


# -- 7: whose response it is --------------------------------------------------------------------------------------


def test_authorization_needs_the_response_to_allow_it(site):
    """`public` does; without it each request goes to the application."""
    secret, open_ = site(numbered(FRESH)), site(numbered(PUBLIC))
    assert [secret.get("/a", "Authorization: Bearer a").body for _ in range(2)] == [b"0", b"1"]
    assert [open_.get("/a", "Authorization: Bearer a").body for _ in range(2)] == [b"0", b"0"]


def test_a_cookie_prevents_storing_by_a_ttl(site):
    """One that says nothing about it, and no analytics cookie."""
    it = site(numbered(), default_ttl=60)
    assert [it.get("/a", "Cookie: basket=1").body for _ in range(2)] == [b"0", b"1"]
    assert [it.get("/a", "Cookie: _ga=1").body for _ in range(2)] == [b"2", b"2"]


def test_a_rule_that_knows_a_cookie_keys_by_it(site):
    """So that each language has its page, whatever other cookies come along."""
    it = site(echo(), rules=[Rule(ttl=60, cookies=("lang",))])
    german, english = it.get("/a", "Cookie: lang=de; x=1"), it.get("/a", "Cookie: lang=en; x=2")
    assert german.body != english.body
    assert it.get("/a", "Cookie: y=3; lang=de").body == german.body


def test_set_cookie_is_not_stored(site):
    """Unless a rule strips the cookie: then what is stored has none."""
    guarded = site(numbered(FRESH, "Set-Cookie: a=1"))
    assert [guarded.get().body for _ in range(2)] == [b"0", b"1"]
    stripped = site(numbered(FRESH, "Set-Cookie: a=1"), rules=[Rule(ttl=60, strip_cookies=("a",))])
    assert [stripped.get().get("set-cookie") for _ in range(2)] == ["a=1", None]


# -- 8: fields ----------------------------------------------------------------------------------------------------


def test_hop_by_hop_fields_are_not_kept(site):
    """Nor those that Connection lists; all others come again, repeated ones in their order."""
    it = site(
        numbered(FRESH, "Connection: close, X-Hop", "X-Hop: 1", "X: 1", "Keep-Alive: 5", "X: 2", "Age: 3")
    )
    it.get()
    kept = [line for line in it.get().lines if line[0].lower() not in ("cache-status", "age")]
    assert [(name.lower(), value) for name, value in kept] == [
        ("cache-control", "max-age=60"),
        ("x", "1"),
        ("x", "2"),
    ]


# -- 9, 21: variants ----------------------------------------------------------------------------------------------


def test_each_value_of_a_varying_field_has_its_own_entry(site):
    """In any spelling of the field's name, absent and empty told apart."""
    it = site(echo(FRESH, "Vary: X-a"))
    requests = [(), ("X-A:",), ("X-A: 1",), ("x-a: 2",)]
    first = [it.get("/a", *lines).body for lines in requests]
    assert [it.get("/a", *lines).body for lines in requests] == first
    assert (it.calls, len(set(first))) == (4, 4)


def test_the_order_of_accept_encoding_makes_no_variant(site):
    """Nor does its whitespace: the meaning is the same."""
    it = site(numbered(FRESH, "Vary: Accept-Encoding"))
    assert it.get("/a", "Accept-Encoding: gzip, br").body == it.get("/a", "Accept-Encoding: br ,gzip").body


def test_variants_of_a_url_are_bounded(site):
    """The newest are kept."""
    it = site(echo(FRESH, "Vary: X"))
    for number in range(120):
        it.get("/a", f"X: {number}")
    for number in range(120):
        it.get("/a", f"X: {119 - number}")
    hits = it.counts()["hit"]
    assert hits == 50


def test_variants_that_are_stored_at_the_same_time_both_stay(site):
    """The index is read anew when a response is stored: another one came meanwhile."""

    def origin(asked):
        if asked.headers.get("x") == "outer":
            it.get("/a", "X: inner")
        return Reply([FRESH, "Vary: X"], asked.headers["x"].encode())

    it = site(origin)
    it.get("/a", "X: outer")
    assert [it.get("/a", f"X: {x}").status_field[:15] for x in ("outer", "inner")] == ["cachelayer; hit"] * 2


def test_a_compressed_response_is_for_those_who_accept_it(site):
    """Even where the application forgets to say Vary."""

    def origin(asked):
        if "gzip" in asked.headers.get("accept-encoding", ""):
            return Reply([FRESH, "Content-Encoding: gzip"], gzip.compress(b"hello"))
        return Reply([FRESH], b"hello")

    it = site(origin)
    assert it.get("/a", "Accept-Encoding: gzip").body != b"hello"
    assert it.get("/a").body == b"hello"


def test_a_response_that_no_longer_varies_answers_all(site):
    """And the variants before it are forgotten."""
    it = site(lambda asked: Reply([FRESH, *([] if it.calls > 2 else ["Vary: X"])], str(it.calls).encode()))
    it.get("/a", "X: 1")
    it.get("/a", "X: 2")
    assert it.get("/a", "X: 3").body == b"3"
    assert [it.get("/a", f"X: {number}").body for number in (1, 2, 4)] == [b"3"] * 3


# -- 10: the key --------------------------------------------------------------------------------------------------


def test_what_makes_another_resource_makes_another_entry(site):
    """Scheme, host, path as sent, and query."""
    it = site(echo(FRESH))
    requests = [
        ("/a",),
        ("/a?",),
        ("/a?b",),
        ("/a?b=",),
        ("/A",),
        ("/%61",),
        ("/a/",),
        ("/a", "Host: other.org"),
    ]
    bodies = [it.get(*request).body for request in requests] + [it.get("/a", scheme="https").body]
    assert it.calls == len(bodies) - 1  # "/a?" has an empty query, which no server tells from none


def test_rules_shape_the_query(site):
    """Parameters that do not count, and those in another order, share an entry."""
    it = site(echo(FRESH), rules=[Rule(path="/*", ttl=60, ignore_query=("utm_*",), sort_query=True)])
    bodies = {it.get(f"/a?{query}").body for query in ("b=1&c=2", "c=2&b=1&utm_source=x", "utm_x&b=1&c=2")}
    assert len(bodies) == 1


# -- 12, HEAD and the rest of what reuse has ----------------------------------------------------------------------


def test_head_is_answered_from_a_stored_get(site):
    """With its fields, Content-Length included, and no body."""
    it = site(numbered(FRESH, "Content-Length: 1"))
    it.get()
    head = it.get(method="HEAD")
    assert (head.body, head.get("content-length"), it.calls) == (b"", "1", 1)


def test_a_conditional_request_is_answered_with_304(site):
    """By the entity tag; without a body, Content-Length or Content-Type."""
    it = site(numbered(FRESH, 'ETag: "x"', "Content-Length: 1", "Content-Type: text/plain"))
    it.get()
    answer = it.get("/a", 'If-None-Match: "x"')
    assert (answer.status, answer.body, answer.get("content-length"), answer.get("content-type")) == (
        304,
        b"",
        None,
        None,
    )
    assert answer.get("etag") == '"x"'


def test_a_hit_says_how_old_it_is(site):
    """Age grows by the second, and begins with what upstream said."""
    it = site(numbered("Cache-Control: max-age=60", "Age: 10"))
    it.get()
    it.clock.advance(5)
    assert it.get().get("age") == "15"


def test_only_if_cached_does_not_ask_the_application(site):
    """504 where nothing is stored."""
    it = site(numbered(FRESH))
    assert it.get("/a", "Cache-Control: only-if-cached").status == 504
    assert it.calls == 0


# -- 18: Cache-Status ---------------------------------------------------------------------------------------------


def test_cache_status_tells_what_happened(site):
    """A miss that is stored, a hit with its remaining time, and why something was not stored."""
    it = site(lambda asked: Reply([FRESH] if asked.path == "/a" else []))
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"
    it.clock.advance(10)
    assert it.get().status_field == "cachelayer; hit; ttl=50"
    assert it.get("/b").status_field == "cachelayer; fwd=uri-miss; detail=NO-FRESHNESS"


def test_cache_status_is_appended_to_what_upstream_sent(site):
    """In a line of its own, after it."""
    it = site(numbered(FRESH, "Cache-Status: upstream; hit"), cache_status="edge")
    assert it.get().status_field == "upstream; hit, edge; fwd=uri-miss; stored"
    assert it.get().status_field == "upstream; hit, edge; hit; ttl=60"


def test_a_request_that_is_not_looked_up_has_no_cache_status(site):
    """Nor is anything else about it changed."""
    it = site(numbered("X: 1"))
    assert it.get(method="POST").lines == [("X", "1")]


def test_without_a_name_there_is_no_field(site):
    """`cache_status=None` adds nothing anywhere."""
    it = site(numbered(FRESH), cache_status=None)
    assert [it.get().status_field, it.get().status_field] == ["", ""]


# -- 19, 20: bodies -----------------------------------------------------------------------------------------------


def test_a_streamed_body_is_stored_whole(site):
    """Part by part to the client, in one piece afterwards."""
    it = site(lambda asked: Reply([FRESH], iter([b"a", b"", b"bc"])))
    assert [it.get().body for _ in range(2)] == [b"abc", b"abc"]
    assert it.calls == 1


@pytest.mark.parametrize("lines", [[FRESH], [FRESH, "Content-Length: 100"]])
def test_a_body_beyond_the_limit_goes_on_unstored(site, lines):
    """Whether it says so beforehand or not."""
    it = site(lambda asked: Reply(lines, iter([b"x" * 10] * 10)), max_body_bytes=99)
    assert [len(it.get().body) for _ in range(2)] == [100, 100]
    assert it.reasons() == {"TOO-LARGE": 2}


def test_a_body_as_large_as_the_limit_is_stored(site):
    """The limit itself is allowed."""
    it = site(lambda asked: Reply([FRESH], iter([b"x" * 50] * 2)), max_body_bytes=100)
    it.get()
    it.get()
    assert it.calls == 1


def broken(*parts):
    """Return a body that raises after these parts."""
    yield from parts
    raise OSError("the database is gone")


def test_an_error_in_the_middle_of_a_body_stores_nothing(site):
    """And it is the application's own error that comes out."""
    it = site(lambda asked: Reply([FRESH], broken(b"a")))
    answers = [it.get(), it.get()]
    assert [str(answer.error) for answer in answers] == ["the database is gone"] * 2
    assert it.counts() == {"error": 2}


@pytest.mark.parametrize("length", [2, 4])
@pytest.mark.parametrize("body", [b"abc", [b"a", b"bc"], [b"ab", b"c"], [b"ab", b"c", b""]])
def test_a_body_of_another_length_than_it_says_is_not_stored(site, length, body):
    """Too short or too long, in whatever parts it comes."""
    it = site(
        lambda asked: Reply([FRESH, f"Content-Length: {length}"], body if type(body) is bytes else iter(body))
    )
    it.get()
    it.get()
    assert it.calls == 2


# -- 23: hits and misses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 203, 301, 404, 418])
def test_a_hit_is_the_miss_byte_for_byte(site, status):
    """Status, fields in their order and spelling, and body."""
    lines = [
        FRESH,
        "X-B: 2",
        "x-a: \xe4 ",
        "X-B: 1",
        "Content-Type: text/x",
        "Date: Mon, 01 Jan 2024 00:00:00 GMT",
        "E:",
    ]
    it = site(lambda asked: Reply([*lines, "Cache-Control: max-age=999999999"], bytes(range(256)), status))
    miss, hit = it.get(), it.get()
    assert miss.plain == hit.plain
