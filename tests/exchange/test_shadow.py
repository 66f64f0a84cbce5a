"""Watching without serving: http.md, point 26."""

import pytest

from cachelayer.errors import ConfigurationError
from cachelayer.exchange.shadow import MOST_DIFFERENCES, Difference
from cachelayer.http import Rule
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"


def report(it, label="GET /x"):
    """Return how often a route's requests would have been answered, and how many differ."""
    found = it.middleware.shadow_report()
    counted = found.routes[label]
    return counted.hit, found.differing.get(label, 0)


def test_nothing_is_served(any_site):
    """Every request reaches the application, and says that it was only watched [http 26]."""
    it = any_site(numbered(FRESH), shadow=True)
    answers = [it.get() for _ in range(3)]
    assert [answer.body for answer in answers] == [b"0", b"1", b"2"]
    assert "fwd=bypass" in answers[-1].status_field
    assert it.counts() == {"bypass": 3}


def test_the_rate_of_would_be_hits_is_counted_for_each_route(any_site):
    """As the requests would have ended [http 26]."""
    it = any_site(lambda asked: Reply([FRESH] if asked.path == "/a" else [], b"x"), shadow=True)
    for target in ("/a", "/a", "/a", "/b", "/b"):
        it.get(target)
    counted = it.middleware.shadow_report().routes["GET /x"]
    assert (counted.hit, counted.miss, counted.uncacheable) == (2, 1, 2)


def test_a_response_that_is_the_same_is_safe(any_site):
    """Fields that differ each time, such as Date, matter to nobody [http 26]."""
    it = any_site(
        lambda asked: Reply([FRESH, f"Date: {it.date(it.calls)}", f"X-Request-Id: {it.calls}"], b"x"),
        shadow=True,
    )
    for _ in range(3):
        it.get()
    assert report(it) == (2, 0)
    assert it.middleware.shadow_report().is_safe("GET /x")


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (Reply([FRESH], b"1"), Reply([FRESH], b"2"), ("body",)),
        (Reply([FRESH], b"1"), Reply([FRESH], b"1", 404), ("status",)),
        (Reply([FRESH, "X: 1"], b"1"), Reply([FRESH, "X: 2"], b"1"), ("x",)),
        (Reply([FRESH], b"1"), Reply([FRESH, "X: 2", "Y: 3"], b"1"), ("x", "y")),
        (Reply([FRESH, "X: 1"], b"1"), Reply([FRESH], b"1"), ("x",)),
        (Reply([FRESH, "X: 1"], b"1"), Reply([FRESH, "X: 1", "X: 1"], b"1"), ("x",)),
        (Reply([FRESH], b"1"), Reply(["Cache-Control: private"], b"2"), ("cache-control",)),
        (Reply([FRESH], b"1"), Reply([FRESH, "Set-Cookie: a=b"], b"1"), ("set-cookie",)),
    ],
    ids=["body", "status", "a field", "new fields", "a lost field", "a line more", "private", "a cookie"],
)
def test_what_differs_is_named(site, first, second, what):
    """Status, body, or fields; the body of what is not stored is not looked at [http 26]."""
    replies = iter([first, second])
    it = site(lambda asked: next(replies), shadow=True)
    it.get(), it.get()
    found = it.middleware.shadow_report()
    assert [one.what for one in found.differences] == [what]
    assert found.differing == {"GET /x": 1}
    assert not found.is_safe("GET /x")


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ("Accept-Language: de", ("accept-language",)),
        ("Cookie: theme=dark; _ga=1", ("cookie theme", "cookie _ga")),
        ("User-Agent: phone", ("user-agent",)),
    ],
)
def test_the_likely_cause_is_named(any_site, line, because):
    """A field or cookie that the cache does not tell apart [http 26]."""
    it = any_site(lambda asked: Reply([FRESH], repr(sorted(asked.headers.items())).encode()), shadow=True)
    it.get()
    it.get("/a", line)
    assert it.middleware.shadow_report().differences == (Difference("GET /x", ("body",), because),)


def test_a_field_that_it_varies_by_is_no_cause(site):
    """The cache would have told it apart [http 9, 26]."""
    it = site(
        lambda asked: Reply([FRESH, "Vary: Accept-Language"], asked.headers["accept-language"].encode()),
        shadow=True,
    )
    for language in "abab":
        it.get("/a", f"Accept-Language: {language}")
    assert report(it) == (2, 0)


@pytest.mark.parametrize(
    ("lines", "status"),
    [(('If-None-Match: "v"',), 304), (("Range: bytes=0-1",), 206), (("Range: bytes=99-",), 416)],
    ids=["confirmed", "a part", "no part"],
)
def test_another_kind_of_answer_is_no_difference(site, lines, status):
    """The client asked for it; the cache would have answered likewise [http 12, 14, 26]."""

    def origin(asked):
        special = {"if-none-match", "range"} & set(asked.headers)
        return Reply([FRESH, 'ETag: "v"'], b"" if special else b"body", status if special else 200)

    it = site(origin, shadow=True)
    it.get()
    assert it.get("/a", *lines).status == status
    assert report(it) == (1, 0)


def test_head_is_compared_by_its_fields(site):
    """It has no body [http 11, 26]."""
    it = site(lambda asked: Reply([FRESH, "Content-Length: 4"], b"body"), shadow=True)
    it.get()
    it.get(method="HEAD")
    assert report(it) == (1, 0)


def test_a_request_that_would_not_have_been_served_is_not_compared(site):
    """One for the cache alone, that has only something stale [http 5, 26]."""
    it = site(numbered("Cache-Control: max-age=60", 'ETag: "v"'), shadow=True)
    it.get()
    it.clock.advance(61)
    it.get("/a", "Cache-Control: only-if-cached")
    assert report(it) == (0, 0)


def test_what_changes_something_still_does(site):
    """A twin that would have been forgotten is [http 15, 26]."""
    it = site(numbered(FRESH), shadow=True)
    it.get()
    it.get(method="POST")
    it.get()
    assert report(it) == (0, 0)


def test_nobody_waits(site):
    """As without a cache [http 17, 26]."""
    it = site(lambda asked: Reply([FRESH], b"x", when=lambda: it.calls == 5), shadow=True)
    it.crowd(*[("/a",)] * 5)
    assert it.calls == 5


def test_nothing_is_asked_behind_the_clients_back(site):
    """Nor is anything confirmed, or served where the application fails [http 13, 16, 26]."""
    seen = []

    def origin(asked):
        seen.append(asked.headers.get("if-none-match"))
        return Reply(
            ["Cache-Control: max-age=60, stale-while-revalidate=60, stale-if-error=60", 'ETag: "v"'],
            b"x",
            500 if len(seen) > 1 else 200,
        )

    it = site(origin, shadow=True)
    it.get()
    it.clock.advance(70)
    assert it.settled().status == 500
    assert seen == [None, None]


def test_the_report_is_bounded(site):
    """The newest differences are kept; the counts go on [http 26]."""
    it = site(numbered(FRESH), shadow=True)
    for _ in range(MOST_DIFFERENCES + 10):
        it.get()
    found = it.middleware.shadow_report()
    assert len(found.differences) == MOST_DIFFERENCES
    assert found.differing == {"GET /x": MOST_DIFFERENCES + 9}


def test_a_middleware_that_serves_has_no_report(site):
    """The error says what to pass [http 26]."""
    it = site(numbered(FRESH))
    it.get()
    with pytest.raises(ConfigurationError, match="shadow=True"):
        it.middleware.shadow_report()


def test_a_rule_is_tried_before_it_serves(site):
    """Its ttl makes would-be hits, and shows what it would mix up [http 24, 26]."""
    it = site(lambda asked: Reply([], asked.headers.get("x", "").encode()), rules=[Rule(ttl=60)], shadow=True)
    it.get("/a", "X: 1")
    it.get("/a", "X: 2")
    assert report(it) == (1, 1)
