"""What statistics are told of responses beyond their outcome; on every store."""

import pytest

from cachelayer.stats import route_detail
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"


def detail(it, label="GET /x"):
    """Return what the dashboard's drawer shows of a route."""
    return route_detail(it.cache, label)


def test_hits_tell_their_key_and_age(site):
    """One in so many: its URL, its age, and what Cache-Status said (observability 1, 10)."""
    it = site(numbered(FRESH))
    it.get("/a?page=2")
    it.clock.advance(30)
    for _ in range(200):
        it.get("/a?page=2")
    examples = [one for one in detail(it).examples if one.outcome == "hit"]
    assert examples
    assert examples[-1].key == "http://example.org/a?page=2"
    assert (examples[-1].age, examples[-1].cache_status) == (30.0, "cachelayer; hit; ttl=30")
    assert it.cache.stats().routes["GET /x"].age_buckets


def test_misses_tell_which_parameter_splits_the_cache(site):
    """By its name and how many values it has; no value is kept (observability 9, 10)."""
    it = site(lambda asked: Reply([FRESH]))
    for number in range(300):
        it.get(f"/a?page=1&utm_source=s{number}")
    worst = detail(it).splits[0]
    assert (worst.kind, worst.name) == ("query", "utm_source")
    assert worst.share > 0.5
    assert "s299" not in repr(detail(it).splits)


@pytest.mark.parametrize("cookie", ["sessionid=secret", "theme=secret"])
def test_refusals_tell_which_cookie_was_the_cause(cookie, site):
    """Its name, never its value (observability 9)."""
    it = site(lambda asked: Reply([]), default_ttl=60)
    for number in range(100):
        it.get(f"/{number}", f"Cookie: {cookie}; _ga=1")
    found = detail(it)
    assert [(one.kind, one.name) for one in found.splits] == [("cookie", cookie.partition("=")[0])]
    assert "secret" not in repr(found)


@pytest.mark.parametrize(("status", "changes", "unchanged"), [(200, 1, 0), (304, 0, 1)])
def test_what_is_made_anew_tells_if_it_was_worth_it(status, changes, unchanged, site):
    """How old the stale response was, and whether the new one differs (observability 9)."""
    calls = iter([200, status])

    def origin(asked):
        now = next(calls)
        return Reply([FRESH, 'ETag: "1"'], b"" if now == 304 else b"%d" % it.calls, now)

    it = site(origin)
    it.get()
    it.clock.advance(90)
    it.get()
    stats = it.cache.stats().routes["GET /x"]
    assert (sum(stats.change_buckets.values()), stats.unchanged) == (changes, unchanged)
