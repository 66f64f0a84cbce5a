"""The rows of the security table that the foundation has, as attacks from outside, through both shells."""

import gzip
import itertools
import os
import random
from pathlib import Path

import pytest

from cachelayer import InMemoryBackend
from cachelayer.http import Rule
from cachelayer.testing import FakeClock
from tests.shells import SHELLS, Reply, Site, SixMethods, echo, numbered

FRESH = "Cache-Control: max-age=60"
PUBLIC = "Cache-Control: public, max-age=60"
#: Every way to be stored: by one's own headers, by a rule, by the default.
POLICIES = [
    {},
    {"default_ttl": 60},
    {"rules": [Rule(path="/*", ttl=60)]},
    {"rules": [Rule(ttl=60, override=True)]},
]


@pytest.mark.parametrize("policy", POLICIES, ids=["headers", "default", "rule", "override"])
@pytest.mark.parametrize(
    "lines",
    [
        [f"{FRESH}, private"],
        [f"{FRESH}, No-Store"],
        [f"{FRESH}, NO-CACHE"],
        [f'{FRESH}, private="Set-Cookie"'],
        [FRESH, "Cache-Control: private"],
        ["cache-control: private", FRESH],
        ["Cache-Control:\t,, private ,max-age=60"],
        ['Cache-Control: max-age=60, "private'],
        ["Cache-Control: max-age=60; private"],
        ["Cache-Control: public, max-age=60, no-store=1"],
    ],
    ids=range(10),
)
def test_private_in_any_disguise_is_not_stored(site, lines, policy):
    """Two requests, two calls."""
    it = site(numbered(*lines), **policy)
    assert [it.get().body for _ in range(2)] == [b"0", b"1"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Vary: *"],
        ["Vary:  * "],
        ["Vary: *, *"],
        ["Vary: , *"],
        ["Vary: Foo, *"],
        ["Vary: Foo", "vary: *"],
        ['Vary: "*"'],
    ],
    ids=range(7),
)
@pytest.mark.parametrize("policy", POLICIES, ids=["headers", "default", "rule", "override"])
def test_vary_star_is_never_reused(site, lines, policy):
    """In any spelling."""
    it = site(numbered(FRESH, *lines), **policy)
    assert [it.get().body for _ in range(2)] == [b"0", b"1"]


@pytest.mark.parametrize("policy", POLICIES, ids=["headers", "default", "rule", "override"])
@pytest.mark.parametrize("control", [FRESH, PUBLIC, "X: 1"])
def test_nobody_gets_a_cookie_that_was_set_for_another(site, policy, control):
    """A client with an unrelated cookie is given one; another client comes."""

    def origin(asked):
        visitor = asked.headers.get("cookie", "nobody")
        return Reply([control, f"Set-Cookie: id={visitor}"], visitor.encode())

    it = site(origin, **policy)
    it.get("/a", "Cookie: theme=dark")
    second = it.get()
    assert second.get("set-cookie") == "id=nobody"


VISITORS = [
    ("Authorization: Bearer alice",),
    ("Authorization: Bearer bob",),
    ("Authorization: Basic YWxpY2U6eA==",),
    ("Cookie: sessionid=alice",),
    ("Cookie: theme=dark; SESSIONID=bob",),
    ("Cookie: auth_token=x", "Authorization: Bearer alice"),
    (),
]


@pytest.mark.parametrize(
    "policy", [*POLICIES, {"rules": [Rule(ttl=60, cookies=("theme",))]}],
    ids=["headers", "default", "rule", "override", "keyed"],
)  # fmt: skip
@pytest.mark.parametrize("control", [FRESH, "X: 1"], ids=["fresh", "silent"])
def test_everybody_gets_what_is_theirs(site, policy, control):
    """Alice, then Bob, then nobody, in every order of two, by Bearer, Basic or session cookie, and no Vary."""
    origin = echo(control)
    for pair in itertools.permutations(VISITORS, 2):
        it = site(origin, **policy)
        for lines in (*pair, *pair):
            sent = dict(line.split(": ", 1) for line in lines)
            seen = it.get("/a", *lines).body.decode()
            for name, value in sent.items():
                assert f"'{name.lower()}': {value!r}" in seen
            if not lines:
                assert "authorization" not in seen
                assert "cookie" not in seen


def test_what_a_session_sees_is_not_for_those_without():
    """Where the response is stored for them, it is theirs that comes back."""
    it = Site("asgi", "memory", echo(FRESH))
    anonymous = it.get().body
    assert it.get("/a", "Cookie: sessionid=alice").body != anonymous
    assert it.get().body == anonymous
    assert it.calls == 2


@pytest.mark.parametrize(
    "requests",
    [
        [("X-A:",), ()],
        [("X-A: ab", "X-B:"), ("X-A: a", "X-B: b")],
        [("X-A: a,b",), ("X-A: a", "X-B: b")],
        [("X-A: a", "X-A: b"), ("X-A: b", "X-A: a")],
        [("X-A: a",), ("X-A: A",)],
        [("X-A: 1:a",), ("X-A: 11:a",)],
    ],
    ids=range(6),
)
def test_varying_fields_are_never_confused(site, requests):
    """Absent and empty, shifted boundaries, repeated lines."""
    it = site(echo(FRESH, "Vary: X-A, X-B"))
    first = [it.get("/a", *lines).body for lines in requests]
    assert [it.get("/a", *lines).body for lines in requests] == first
    assert len(set(first)) == 2


TARGETS = [
    "/a?b=1", "/ab=1", "/a%3Fb=1", "/%2F", "/", "//", "/a/b", "/a%2Fb", "/a%00", "/a", "/a%0A", "/a%0D%0Ab",
    "/" + "a" * 300, "/" + "a" * 299, "/" + "a" * 200 + "?" + "b" * 200, "/" + "a" * 201 + "?" + "b" * 199,
    "/%C3%A4", "/a%CC%88", "/\xe4",
    "/a?b", "/a?b=", "/a?=b", "/a?b&", "/a?b#c", "/a?b%23c", "/A", "/a/", "/a.", "/a;b", "/a?b=1&c=2", "/a?c=2&b=1",
    "/GET%20http://example.org/a", "/a#vary-0", "/.", "/..", "/a/../b", "/%2e%2e/b",
]  # fmt: skip


def test_no_two_resources_share_an_entry(site):
    """Whatever stands in the path or query."""
    it = site(echo(FRESH))
    sent = [it.get(target).plain for target in TARGETS]
    assert [it.get(target).plain for target in TARGETS] == sent
    assert it.calls == len(TARGETS)


def test_random_targets_are_never_confused(site):
    """Built of few characters, so that many are nearly the same."""
    rng = random.Random(7)
    it = site(lambda asked: Reply([FRESH, "Vary: X"], f"{it.asked}".encode()))
    seen = {}
    for _ in range(1500):
        target = "/" + "".join(
            rng.choices(["a", "%61", "/", "%2F", "?", "&", "=", ".", ":", "#"], k=rng.randint(0, 6))
        )
        target = target.rstrip("?")  # an empty query is none
        value = rng.choice(["", "a", "a,b", "a, b"])
        it.asked = (target, value)
        body = it.get(target, f"X: {value}").body
        assert seen.setdefault(it.asked, body) == body
        assert body.decode() == f"{it.asked}"


@pytest.mark.parametrize(
    "poison",
    ["X-Forwarded-Host: evil", "X-Original-URL: /evil", "X-Rewrite-URL: /evil", "Forwarded: host=evil", "Host: evil",
     "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "X-FORWARDED-HOST: evil"],
)  # fmt: skip
def test_what_is_reflected_from_a_poisoned_request_is_not_served_to_others(site, poison):
    """A clean request after it gets a clean answer."""
    it = site(echo(PUBLIC))
    it.get("/a", poison)
    clean = it.get().body
    assert b"evil" not in clean
    assert b"DELETE" not in clean


def test_hosts_are_told_apart_and_their_spellings_are_not(site):
    """Case, default port and trailing dot; userinfo and lists are no hosts at all."""
    it = site(echo(FRESH))
    good = it.get("/a", "Host: good.example").body
    for host in ("GOOD.example", "good.example:80", "good.example.", "good.example.:80"):
        assert it.get("/a", f"Host: {host}").body == good
    for host in (
        "evil.example",
        "good.example:8080",
        "good.example@evil",
        "good.example,evil",
        "good.example evil",
        "",
    ):
        assert it.get("/a", f"Host: {host}").body != good


@pytest.mark.parametrize(
    "target",
    ["/profile/x.css", "/profile;x.css", "/profile%2fx.css", "/profile/..%2fstatic/a.css", "/..%2fstatic/a.css",
     "/static/..%2fprofile", "/static/%2e%2e/profile", "/profile%3fx.css", "/profile%00.css", "/profile%0a.css",
     "/static;/../profile", "/static\\..\\profile", "/profile%5cx.css", "/static/%252e%252e/profile",
     "/profile%23.css"],
)  # fmt: skip
def test_a_rule_for_static_files_never_takes_in_a_dynamic_page(site, target):
    """Whatever the application makes of the path, it is decided on the raw one, and on the response."""
    it = site(numbered(), rules=[Rule(path="/static/*", ttl=60), Rule(path="/*.css", ttl=60)])
    assert [it.get(target).body for _ in range(2)] == [b"0", b"1"]


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 413, 414, 417, 429, 431, 500, 502, 503, 504]
)
@pytest.mark.parametrize("policy", POLICIES[1:], ids=["default", "rule", "override"])
def test_an_error_that_one_client_provokes_is_not_stored_for_all(site, status, policy):
    """A clean GET afterwards gets 200; only a response's own explicit freshness stores such a status."""

    def origin(asked):
        bad = len(asked.headers.get("x", "")) > 8000 or "\x01" in asked.headers.get("x", "")
        return Reply([], b"", status if bad else 200)

    for poison in ("X: " + "a" * 20_000, "X: \x01"):
        it = site(origin, **policy)
        assert it.get("/a", poison).status == status
        assert it.get().status == 200


def test_a_part_is_not_stored_as_the_whole(site):
    """Range, then GET."""

    def origin(asked):
        if "range" in asked.headers:
            return Reply([PUBLIC, "Content-Range: bytes 0-1/5"], b"he", 206)
        return Reply([PUBLIC], b"hello")

    it = site(origin)
    it.get("/a", "Range: bytes=0-1")
    assert (it.get().status, it.get().body) == (200, b"hello")
    ignoring = site(lambda asked: Reply([PUBLIC], b"he" if "range" in asked.headers else b"hello"))
    ignoring.get("/a", "Range: bytes=0-1")
    assert ignoring.get().body == b"hello"


def test_head_does_not_poison_get(site):
    """HEAD, then GET: the whole body."""
    it = site(lambda asked: Reply([PUBLIC, "Content-Length: 5"], b"hello"))
    assert it.get(method="HEAD").body == b""
    assert it.get().body == b"hello"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get", "GET ", "OPTIONS", "FOO"])
def test_other_methods_do_not_poison_get(site, method):
    """Nor are they answered from what is stored."""
    it = site(echo(PUBLIC))
    odd = it.get(method=method).body
    clean = it.get().body
    assert odd != clean
    assert it.get(method=method).body == odd
    assert it.calls == 3


def test_a_body_in_a_get_is_not_stored_for_those_without(site):
    """An application may answer by it, and the key does not know it."""
    it = site(echo(PUBLIC))
    fat = it.get("/a", "Content-Length: 5").body
    chunked = it.get("/a", "Transfer-Encoding: chunked").body
    assert it.get().body not in (fat, chunked)


@pytest.mark.parametrize(
    "lines", [["X: a\r\nSet-Cookie: x=1"], ["X: a\nb"], ["X: a\0b"], ["X\r\nY: a"], ["X Y: a"]], ids=range(5)
)
@pytest.mark.parametrize("policy", POLICIES, ids=["headers", "default", "rule", "override"])
def test_a_field_that_could_split_a_response_is_not_stored(site, lines, policy):
    """An application that lets one through harms one response, not all that come after."""
    it = site(numbered(FRESH, *lines), **policy)
    assert [it.get().body for _ in range(2)] == [b"0", b"1"]


class Executed:
    """A pickle that runs a command when it is read."""

    def __reduce__(self):
        return os.system, ("touch /tmp/cachelayer-owned",)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_planted_pickle_is_never_read(shell, caplog):
    """In any place of the stored bytes: a miss, counted, and nothing runs."""
    import pickle

    caplog.set_level("CRITICAL", logger="cachelayer")
    evil = pickle.dumps(Executed())
    it = Site(shell, "six methods", numbered(FRESH))
    it.get()
    (key, (data, _)), *_ = ((key, item) for key, item in it.store._items.items() if key.startswith("GET"))
    plants = [
        evil,
        data[:4] + evil,
        data[: -len(evil)] + evil if len(data) > len(evil) else evil,
        data + evil,
    ]
    for number, planted in enumerate(plants, 1):
        it.store.set(key, planted)
        assert it.get().body == str(number).encode()
    assert not Path("/tmp/cachelayer-owned").exists()
    assert it.middleware.stats().backend_errors >= len(plants)


@pytest.mark.parametrize("shell", SHELLS)
def test_any_flipped_bit_is_a_miss_or_harmless(shell, caplog):
    """Never an exception, never a field or status that splits or breaks a response."""
    caplog.set_level("CRITICAL", logger="cachelayer")
    it = Site(shell, "six methods", lambda asked: Reply([FRESH, 'ETag: "x"'], b"body"))
    it.get()
    key = next(key for key in it.store._items if key.startswith("GET"))
    whole = it.store.get(key)
    for place in range(len(whole)):
        it.store.set(key, whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        answer = it.get()
        assert answer.error is None
        assert 200 <= answer.status <= 599
        assert not any(character in name + value for name, value in answer.lines for character in "\r\n\0")


@pytest.mark.parametrize(
    "value", ["') redis.call('FLUSHALL')--", "*[]", "a flush_all", "{id}", "%s%n", "\ud7ff\xe4", "a" * 500]
)
def test_tags_and_keys_are_taken_literally(site, value):
    """Invalidating one that looks like a command or pattern invalidates what has that very tag."""
    from urllib.parse import quote

    it = site(
        lambda asked: Reply([], str(it.calls).encode()),
        rules=[Rule(path="/u/{id}", ttl=60, tags=("u:{id}",))],
    )
    target = "/u/" + quote(value, safe="")
    first, other = it.get(target).body, it.get("/u/other").body
    it.cache.invalidate_tags("u:*", "u:", "u:o*", "*")
    assert (it.get(target).body, it.get("/u/other").body) == (first, other)


def test_a_tag_of_odd_characters_is_invalidated(site):
    """By its very name."""
    it = site(
        lambda asked: Reply([], str(it.calls).encode()),
        rules=[Rule(path="/u/{id}", ttl=60, tags=("u:{id}",))],
    )
    first = it.get("/u/a'%29*").body
    it.cache.invalidate_tags("u:a')*")
    assert it.get("/u/a'%29*").body != first


def test_a_path_with_control_characters_has_no_tag(site):
    """No rule is tried on it, so that none can be planted in a store's protocol."""
    it = site(
        lambda asked: Reply([FRESH], str(it.calls).encode()),
        rules=[Rule(path="/u/{id}", ttl=60, tags=("u:{id}",))],
    )
    it.get("/u/a%0D%0Aflush_all%0D%0A")
    keys = it.store._items if isinstance(it.store, SixMethods) else it.store.keys()
    assert not [key for key in keys if "\r" in key or "\n" in key]


def test_a_flood_of_distinct_urls_variants_and_labels_is_bounded():
    """Entries by the store's bounds, labels by theirs, what is remembered of fields by its own."""
    clock = FakeClock()
    backend = InMemoryBackend(max_entries=100, clock=clock)
    it = Site(
        "wsgi", "memory", lambda asked: Reply([FRESH, f"Vary: X-{it.calls}"], b""), backend=backend, clock=clock,
        route=None, name_route=lambda env: f"/{it.calls}",
    )  # fmt: skip
    for number in range(3000):
        it.get(f"/a?{number}", f"X-{number}: {number}", method="GET" if number % 2 else f"M{number}")
    assert backend.get_stats().current_entries <= 100
    assert len(it.middleware.stats().routes) <= 501


def test_who_does_not_accept_gzip_gets_none(site):
    """A gzip client first, an identity client second, with Vary or without."""
    for vary in ([], ["Vary: Accept-Encoding"]):

        def origin(asked, vary=vary):
            if "gzip" in asked.headers.get("accept-encoding", ""):
                return Reply([PUBLIC, "Content-Encoding: gzip", *vary], gzip.compress(b"hello"))
            return Reply([PUBLIC, *vary], b"hello")

        it = site(origin)
        it.get("/a", "Accept-Encoding: gzip")
        assert it.get("/a", "Accept-Encoding: identity").body == b"hello"
        assert it.get().body == b"hello"


def test_a_reflected_origin_is_not_reused_for_another(site):
    """Access-Control-Allow-Origin without Vary: Origin."""

    def origin(asked):
        return Reply([PUBLIC, f"Access-Control-Allow-Origin: {asked.headers.get('origin', 'null')}"], b"x")

    it = site(origin)
    it.get("/a", "Origin: https://evil.example")
    assert (
        it.get("/a", "Origin: https://good.example").get("access-control-allow-origin")
        == "https://good.example"
    )
    assert it.get().get("access-control-allow-origin") == "null"


def test_a_store_that_others_write_to_answers_only_with_responses():
    """An entry of a function under the key of a page is a miss, not a crash."""
    from cachelayer import cached

    it = Site("wsgi", "memory", numbered(FRESH))
    cached(key="GET http://example.org/a", ttl=60, cache=it.cache)(lambda: {"not": "a response"})()
    assert it.get().body == b"0"
    six = SixMethods(clock=it.clock)
    shared = Site("asgi", "six methods", numbered(FRESH), backend=six, clock=it.clock)
    cached(key="GET http://example.org/a", ttl=60, cache=shared.cache, name="f")(
        lambda: {"not": "a response"}
    )()
    assert shared.get().body == b"0"
