"""Cache groups (RFC 9875), and queries by No-Vary-Search; on every store."""

from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"


def grouped(asked):
    """Be in the group "articles", or invalidate it."""
    if asked.method == "GET":
        return Reply([FRESH, 'Cache-Groups: "articles"'], asked.path.encode())
    return Reply(['Cache-Group-Invalidation: "articles"'])


def test_a_group_is_invalidated_together(site):
    """By the answer to an unsafe request to any URL of the origin (http 15; RFC 9875, section 3)."""
    it = site(grouped)
    for path in ("/a", "/b"):
        it.get(path)
    it.get("/other", method="POST")
    assert [it.get(path).status_field for path in ("/a", "/b")] == ["cachelayer; fwd=uri-miss; stored"] * 2


def test_a_safe_request_invalidates_no_group(site):
    """Whatever its response says (http 15; RFC 9875, section 3)."""
    it = site(lambda asked: Reply([FRESH, 'Cache-Groups: "a"', 'Cache-Group-Invalidation: "a"']))
    it.get("/a")
    it.get("/b")
    assert "hit" in it.get("/a").status_field


def test_another_origin_has_other_groups(site):
    """The same name there means another group (http 15; RFC 9875, section 2)."""
    it = site(grouped)
    it.get("/a")
    it.get("/a", "Host: example.com", method="POST")
    assert "hit" in it.get("/a").status_field


def test_parameters_are_left_out_of_the_key(site):
    """From the first response on that says so (http 10)."""
    it = site(numbered(FRESH, 'No-Vary-Search: params=("utm")'))
    it.get("/a?x=1&utm=0")
    assert [it.get(f"/a?x=1&utm={number}").body for number in range(1, 5)] == [b"1"] * 4
    assert it.get("/a?x=2&utm=1").body == b"2"


def test_the_application_gets_the_query_as_it_was_sent(site):
    """Only the key is shorter (http 10)."""
    it = site(lambda asked: Reply([FRESH, 'No-Vary-Search: params=("utm")'], asked.query.encode()))
    it.get("/a?x=1&utm=1")
    assert it.get("/a?utm=2&x=1").body == b"utm=2&x=1"


def test_a_response_that_says_it_no_longer_is_believed(site):
    """The newest response counts (http 10)."""
    lines = [FRESH, 'No-Vary-Search: params=("utm")']
    it = site(lambda asked: Reply(list(lines), asked.query.encode()))
    it.get("/a?utm=1")
    assert it.get("/a?utm=2").body == b"utm=2"
    lines.pop()
    it.clock.advance(60)
    it.get("/a?utm=3")
    assert it.get("/a?utm=4").body == b"utm=4"


def test_a_purge_by_any_of_the_urls_finds_the_entry(site):
    """They are one resource (http 10, 25)."""
    it = site(numbered(FRESH, 'No-Vary-Search: params=("utm")'))
    it.get("/a?x=1&utm=0")
    it.get("/a?x=1&utm=1")
    it.cache.purge("http://example.org/a?x=1&utm=77")
    assert it.get("/a?x=1&utm=1").body == b"2"


def test_another_host_says_it_for_itself(site):
    """What one host's response says is not believed of another's (http 10)."""
    it = site(
        lambda asked: Reply(
            [FRESH, *(['No-Vary-Search: params=("utm")'] if asked.headers["host"] == "a" else [])]
        )
    )
    it.get("/a?utm=1", "Host: a")
    it.get("/a?utm=1", "Host: b")
    assert "miss" in it.get("/a?utm=2", "Host: b").status_field
