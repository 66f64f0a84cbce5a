"""Rules and views: http.md, point 24."""

import pytest

from cachelayer import Cache
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.http import Rule
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"


def saying(say, *lines, status=200):
    """Return what makes an origin that says something to the cache of a site."""

    def make(site, **options):
        def origin(asked):
            say(it.cache, asked)
            return Reply(lines, b"%d" % it.calls, status)

        it = site(origin, **options)
        return it

    return make


def lives(it, seconds):
    """Whether the page is stored for so long, and no longer."""
    it.get()
    it.clock.advance(seconds - 1)
    before = it.get().status_field
    it.clock.advance(1)
    return "; hit" in before and "; hit" not in it.get().status_field


# -- within a view --------------------------------------------------------------------------------------------------


def test_a_view_gives_a_ttl(any_site):
    """To a response that says nothing itself [http 24]."""
    assert lives(saying(lambda cache, asked: cache.ttl(10))(any_site), 10)


@pytest.mark.parametrize("ttl", ["10s", 10.0])
def test_a_views_ttl_comes_before_all_else(site, ttl):
    """Before the response's own freshness and a rule's [http 24]."""
    make = saying(lambda cache, asked: cache.ttl(ttl), FRESH)
    assert lives(make(site, rules=[Rule(ttl=300, override=True)], default_ttl=400), 10)


@pytest.mark.parametrize("directive", ["private", "no-store"])
def test_a_views_ttl_never_shares_what_is_private(site, directive):
    """Nor what must not be stored [http 1, 24]."""
    it = saying(lambda cache, asked: cache.ttl(10), f"Cache-Control: {directive}")(site)
    it.get()
    assert it.get().body == b"2"


def test_a_views_ttl_never_shares_a_cookie(site):
    """Set-Cookie is for one client [http 7, 24]."""
    it = saying(lambda cache, asked: cache.ttl(10), "Set-Cookie: a=b")(site)
    it.get()
    assert it.get().get("cache-status") == "cachelayer; fwd=uri-miss; detail=SET-COOKIE"


def test_a_views_ttl_is_not_for_those_who_are_logged_in(site):
    """What their cookie or Authorization made is theirs [http 7, 24]."""
    it = saying(lambda cache, asked: cache.ttl(10))(site)
    for line in ("Cookie: sessionid=1", "Authorization: Bearer x"):
        it.get("/a", line)
        assert it.get("/a", line).status_field.endswith(("SESSION-COOKIE", "AUTHORIZATION"))
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"


@pytest.mark.parametrize("status", [400, 405, 413, 429, 500, 503])
def test_a_views_ttl_is_not_for_its_failure(site, status):
    """It was said before the view failed: an error page is not kept for as long [http 6, 24, security]."""
    it = saying(lambda cache, asked: cache.ttl(10), status=status)(site)
    it.get()
    assert it.get().body == b"2"


def test_a_views_ttl_of_0_keeps_nothing(site):
    """Whatever else says so [http 24]."""
    it = saying(lambda cache, asked: cache.ttl(0), FRESH)(site)
    it.get()
    assert it.get().body == b"2"


def test_a_view_gives_stale_windows(site):
    """Both of them [http 16, 24]."""
    it = saying(lambda cache, asked: cache.ttl(10, stale_while_revalidate=5, stale_if_error=20))(site)
    it.get()
    it.clock.advance(12)
    assert it.settled().body == b"1"
    assert it.get().body == b"2"


def test_a_view_keeps_its_response_out(any_site):
    """The reason tells who said so [http 24]."""
    it = saying(lambda cache, asked: cache.no_store(), FRESH)(any_site)
    it.get()
    answer = it.get()
    assert (answer.body, answer.status_field) == (b"2", "cachelayer; fwd=uri-miss; detail=VIEW")


def test_a_view_tags_its_response(any_site):
    """The tags add up, with a rule's too [http 24]."""

    def say(cache, asked):
        cache.tag("one", "two")
        cache.tag("three")

    it = saying(say, FRESH)(any_site, rules=[Rule(tags=("rule",))])
    for number, tag in enumerate(("one", "two", "three", "rule"), 1):
        assert it.get().body == b"%d" % number
        it.cache.invalidate_tags(tag)
    assert it.get().body == b"5"


def test_what_was_invalidated_by_a_tag_that_only_the_view_names_is_not_stored(any_site):
    """Though nobody could know of it before [http 24, 25]."""

    def say(cache, asked):
        if it.calls == 1:
            cache.invalidate_tags("late")
        cache.tag("late")

    it = saying(say, FRESH)(any_site)
    it.get()
    assert it.get().body == b"2"


def test_what_one_view_says_is_for_its_own_response(site):
    """The next request begins anew [http 24]."""
    it = saying(lambda cache, asked: cache.no_store() if asked.path == "/a" else None, FRESH)(site)
    it.get("/a")
    it.get("/b")
    assert it.get("/b").status_field.startswith("cachelayer; hit")


def test_without_a_middleware_nothing_happens():
    """A view may be called by a test, or by another one [http 24]."""
    cache = Cache()
    cache.tag("a")
    cache.ttl(1)
    cache.no_store()


def test_another_caches_response_is_not_meant(site):
    """Each cache speaks of its own [http 24]."""
    other = Cache()
    it = site(lambda asked: (other.no_store(), Reply([FRESH], b"x"))[1])
    it.get()
    assert it.get().status_field.startswith("cachelayer; hit")


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (lambda cache: cache.ttl(-1), ConfigurationError),
        (lambda cache: cache.ttl("soon"), ConfigurationError),
        (lambda cache: cache.ttl(1, stale_if_error=-1), ConfigurationError),
        (lambda cache: cache.tag(1), OptionTypeError),
    ],
    ids=["negative", "no duration", "a negative window", "a tag that is no text"],
)
def test_a_mistake_is_the_views(say, error):
    """It is raised where it was made, without a middleware too [http 24]."""
    with pytest.raises(error):
        say(Cache())


# -- by rule --------------------------------------------------------------------------------------------------------


def test_a_response_is_stored_from_its_nth_use_on(any_site):
    """`min_uses`: those before go to the application, and say why they are not stored [http 18, 24]."""
    it = any_site(numbered(FRESH), rules=[Rule(min_uses=3)])
    answers = [it.get() for _ in range(4)]
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"2"]
    assert [answer.status_field for answer in answers] == [
        "cachelayer; fwd=uri-miss; detail=MIN-USES",
        "cachelayer; fwd=uri-miss; detail=MIN-USES",
        "cachelayer; fwd=uri-miss; stored",
        "cachelayer; hit; ttl=60",
    ]
    assert it.reasons() == {"MIN-USES": 2}


def test_uses_count_for_each_url(site):
    """Another one begins from its first [http 24]."""
    it = site(numbered(FRESH), rules=[Rule(min_uses=2)])
    for target in ("/a", "/b", "/a", "/b"):
        it.get(target)
    assert [it.get(target).status_field for target in ("/a", "/b")] == ["cachelayer; hit; ttl=60"] * 2


def test_requests_at_the_same_time_are_uses_too(any_site):
    """Those who waited go on [http 17, 24]."""
    it = any_site(numbered(FRESH), rules=[Rule(min_uses=2)])
    it.crowd(*[("/a",)] * 10)
    assert it.calls == 2


def test_a_rules_stale_windows_begin_where_freshness_ends(site):
    """Whoever gave that [http 16, 24]."""
    it = site(numbered(), rules=[Rule(ttl=60, stale_while_revalidate=10)])
    it.get()
    it.clock.advance(65)
    assert it.settled().body == b"0"
    assert it.get().body == b"1"


def test_a_rule_by_route_gives_windows_too(site):
    """It is known when the response starts [http 16, 24]."""
    it = site(numbered(FRESH), rules=[Rule(route="GET /x", stale_while_revalidate=10)])
    it.get()
    it.clock.advance(65)
    assert it.settled().body == b"0"
