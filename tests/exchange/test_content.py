"""Requests with content: QUERY and POST by what they ask, and POST that answers for GET; on every store."""

from itertools import count

import pytest

from cachelayer.http import Rule
from cachelayer.http.bodies import MAX_CONTENT_BYTES
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"
JSON = "Content-Type: application/json"
GRAPHQL = Rule(path="/graphql", methods=("POST",), ttl=60)


def test_a_query_is_cached_by_its_content(site):
    """Two questions are two entries, and one that is asked again is a hit (http 15; RFC 10008, section 2.7)."""
    it = site(lambda asked: Reply([FRESH], b"answer to " + asked.content))
    for _ in range(2):
        assert it.get("/q", JSON, method="QUERY", content=b"a").body == b"answer to a"
        assert it.get("/q", JSON, method="QUERY", content=b"b").body == b"answer to b"
    assert it.calls == 2
    assert it.get("/q", "Content-Type: text/plain", method="QUERY", content=b"a").status_field.endswith(
        "stored"
    )


def test_a_query_is_not_the_get_of_its_url(site):
    """The method and the content are part of the key (http 15)."""
    it = site(numbered(FRESH))
    bodies = [it.get("/q", method="QUERY", content=b"a").body, it.get("/q").body]
    assert bodies == [b"0", b"1"]


def test_a_post_is_cached_where_a_rule_says_so(site):
    """GraphQL's questions are asked by POST, and nobody but the rule knows that they change nothing (http 15)."""
    it = site(lambda asked: Reply([], b"answer to " + asked.content), rules=(GRAPHQL,))
    for _ in range(2):
        assert it.get("/graphql", JSON, method="POST", content=b"a").body == b"answer to a"
        assert it.get("/graphql", JSON, method="POST", content=b"b").body == b"answer to b"
        assert it.get("/other", JSON, method="POST", content=b"a").body == b"answer to a"
    assert it.calls == 4


def test_a_post_by_rule_outdates_nothing(site):
    """It is a question (http 15)."""
    it = site(numbered(FRESH), rules=(GRAPHQL,))
    it.get("/graphql")
    it.get("/graphql", JSON, method="POST", content=b"a")
    assert "hit" in it.get("/graphql").status_field


def test_a_session_is_guarded_with_content_too(site):
    """What alice asked is not given to bob (http 7, 15)."""
    it = site(lambda asked: Reply([], asked.headers["cookie"].encode()), rules=(GRAPHQL,))
    for name in ("alice", "bob"):
        cookie = f"Cookie: sessionid={name}"
        assert it.get("/graphql", cookie, method="POST", content=b"me").body == f"sessionid={name}".encode()


def test_long_content_is_handed_on_unread_by_the_cache(site):
    """The application gets all of it (http 15)."""
    it = site(lambda asked: Reply([FRESH], b"%d" % len(asked.content)))
    for _ in range(2):
        long = b"x" * (MAX_CONTENT_BYTES + 1)
        assert it.get("/q", method="QUERY", content=long).body == b"%d" % len(long)
    assert it.calls == 2


def test_a_stale_query_is_asked_again(site):
    """Behind the client's back nobody has its content (http 16)."""
    it = site(numbered("Cache-Control: max-age=60, stale-while-revalidate=60"))
    it.get("/q", method="QUERY", content=b"a")
    it.clock.advance(70)
    assert it.get("/q", method="QUERY", content=b"a").body == b"1"


def test_a_post_answers_for_get(site):
    """It says how long it is fresh, and that it is what a GET would give (http 15; RFC 9110, section 9.3.3)."""
    it = site(numbered(FRESH, "Content-Location: /p"))
    it.get("/p")
    assert it.get("/p", method="POST").body == b"1"
    again = it.get("/p")
    assert (again.body, again.status_field) == (b"1", "cachelayer; hit; ttl=60")
    assert it.counts("POST /x") == {"bypass": 1}
    assert it.counts() == {"miss": 1, "hit": 1}


@pytest.mark.parametrize("lines", [[FRESH], ["Content-Location: /p"], [FRESH, "Content-Location: /other"]])
def test_other_posts_do_not(lines, site):
    """One of the two is not said, or of another URL (http 15)."""
    it = site(numbered(*lines))
    it.get("/p", method="POST")
    assert it.get("/p").body == b"1"


def test_an_invalidation_wins_over_a_post_under_way(site):
    """What is purged while the application answers a POST is not stored by it (http 15)."""
    calls = count()

    def origin(asked):
        if asked.method == "POST":
            it.cache.purge("http://example.org/p")
        return Reply([FRESH, "Content-Location: /p"], b"%d" % next(calls))

    it = site(origin)
    it.get("/p", method="POST")
    assert it.get("/p").body == b"1"
