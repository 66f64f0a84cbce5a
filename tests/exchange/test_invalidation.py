"""Invalidation wins over responses that are under way, and tags reach what they name."""

import pytest

from cachelayer.flows import run
from cachelayer.http import Rule
from tests.shells import Reply

FRESH = "Cache-Control: max-age=60"
TAGGED = Rule(path="/users/{id}", ttl=60, tags=("user:{id}", "users"))


@pytest.mark.parametrize("vary", [(), ("Vary: X",)])
@pytest.mark.parametrize(
    "invalidate",
    [
        lambda cache, key: cache.invalidate_tags("user:1"),
        lambda cache, key: cache.invalidate_tags("other", "users"),
        lambda cache, key: cache.clear(),
        lambda cache, key: run(cache.engine.remove(key, "")),
    ],
    ids=["its tag", "another tag", "clear", "its key"],
)
@pytest.mark.parametrize("namespace", ["", "shop"])
def test_what_is_invalidated_during_a_request_is_not_stored(site, invalidate, vary, namespace):
    """The response goes to its client, and to nobody after."""

    def origin(asked):
        if it.calls == 1:
            invalidate(it.cache, it.cache.key("GET http://example.org/users/1"))
        return Reply(vary, str(it.calls).encode())

    it = site(origin, rules=[TAGGED], namespace=namespace)
    assert [it.get("/users/1").body for _ in range(3)] == [b"1", b"2", b"2"]


def test_what_is_invalidated_while_a_body_streams_is_not_stored(site):
    """The fence stands until the last part."""

    def parts():
        yield b"a"
        if it.calls == 1:
            it.cache.invalidate_tags("users")
        yield b"b"

    it = site(lambda asked: Reply([], parts()), rules=[TAGGED])
    for _ in range(3):
        assert it.get("/users/1").body == b"ab"
    assert it.calls == 2


def test_a_tag_reaches_the_entries_that_carry_it(site):
    """And no others."""
    it = site(lambda asked: Reply([], str(it.calls).encode()), rules=[TAGGED])
    first, second = it.get("/users/1").body, it.get("/users/2").body
    it.cache.invalidate_tags("user:1")
    assert it.get("/users/1").body != first
    assert it.get("/users/2").body == second


def test_a_tag_reaches_all_variants(site):
    """Of the URLs that carry it."""
    it = site(lambda asked: Reply(["Vary: X"], str(it.calls).encode()), rules=[TAGGED])
    first = [it.get("/users/1", f"X: {x}").body for x in range(3)]
    it.cache.invalidate_tags("users")
    assert not set(first) & {it.get("/users/1", f"X: {x}").body for x in range(3)}


def test_namespaces_keep_entries_and_tags_apart(site):
    """Two caches over one store: neither sees nor clears the other's."""
    one = site(lambda asked: Reply([FRESH], b"one"), namespace="one")
    two = site(lambda asked: Reply([FRESH], b"two"), namespace="two", backend=one.store, clock=one.clock)
    one.get(), two.get()
    one.cache.clear()
    assert (one.get().body, two.get().body) == (b"one", b"two")
    assert (one.calls, two.calls) == (2, 1)


def test_nothing_stays_behind_after_a_request(site):
    """Hit, miss, uncacheable, too large, and failed: no computation is noted as under way."""

    def origin(asked):
        if asked.path == "/error":
            raise OSError("gone")
        return Reply(
            [FRESH] if asked.path != "/un" else [], iter([b"x" * 20]) if asked.path == "/large" else b"x"
        )

    it = site(origin, max_body_bytes=10)
    for path in ("/a", "/a", "/un", "/large", "/error"):
        it.get(path)
    assert not it.cache.engine.flights.computing.under_way
