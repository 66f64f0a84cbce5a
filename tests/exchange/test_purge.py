"""Purging by URL, tag, route and prefix: http.md, point 25."""

import pytest

from cachelayer import Cache, InMemoryBackend, UnsupportedOperationError, cached
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.http import Rule
from cachelayer.purging import Purged
from cachelayer.testing import FakeClock
from tests.shells import SHELLS, Reply, Site, numbered

FRESH = "Cache-Control: max-age=60"
SWR = "Cache-Control: max-age=60, stale-while-revalidate=60"
HOST = "http://example.org"
KINDS = {
    "url": {"url": HOST + "/a"},
    "tag": {"tag": "t"},
    "route": {"route": "GET /x"},
    "prefix": {"prefix": HOST + "/"},
}


def kinds(it):
    """Return the kinds that a site's store can do."""
    lists = it.store.__class__.__name__ != "SixMethods"
    return [kind for kind in KINDS if kind != "prefix" or lists]


def refuses(it, kind):
    """Check that the store says what it cannot do."""
    with pytest.raises(UnsupportedOperationError):
        it.cache.purge(**KINDS[kind])


def tagged(it_of, *lines, **options):
    """Return a site whose responses carry a tag."""
    return it_of(numbered(*(lines or (FRESH,))), rules=[Rule(tags=("t",))], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_purged_is_gone(any_site, kind):
    """The application is asked anew [http 25]."""
    it = tagged(any_site)
    if kind not in kinds(it):
        refuses(it, kind)
        return
    it.get()
    purged = it.cache.purge(**KINDS[kind])
    assert not purged.dry_run
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_purged_softly_is_stale(any_site, kind):
    """It is served while it is refreshed [http 16, 25]."""
    it = tagged(any_site, SWR)
    if kind not in kinds(it):
        refuses(it, kind)
        return
    it.get()
    it.cache.purge(**KINDS[kind], soft=True)
    stale = it.settled()
    assert stale.body == b"0"
    assert "hit; ttl=-" in stale.status_field or "hit; ttl=0" in stale.status_field
    assert it.get().body == b"1"
    assert it.counts() == {"miss": 1, "stale_hit": 1, "hit": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_window_a_soft_purge_has_it_confirmed(any_site, kind):
    """It is not served by itself [http 13, 25]."""

    def origin(asked):
        confirms = "if-none-match" in asked.headers
        return Reply([FRESH, 'ETag: "v"'], b"" if confirms else b"body", 304 if confirms else 200)

    it = any_site(origin, rules=[Rule(tags=("t",))])
    if kind not in kinds(it):
        refuses(it, kind)
        return
    it.get()
    it.cache.purge(**KINDS[kind], soft=True)
    assert it.get().status_field == "cachelayer; fwd=stale; fwd-status=304; stored"
    assert it.get().status_field == "cachelayer; hit; ttl=60"


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_changes_nothing(any_site, kind, soft):
    """It only counts [http 25]."""
    it = tagged(any_site)
    if kind not in kinds(it):
        refuses(it, kind)
        return
    it.get()
    assert it.cache.purge(**KINDS[kind], soft=soft, dry_run=True).dry_run
    assert it.get().status_field == "cachelayer; hit; ttl=60"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("kind", "count"), [("url", 2), ("tag", 4), ("route", 4), ("prefix", 4)])
def test_memory_counts_exactly(shell, kind, count):
    """Responses, each variant of them: for real and dry [http 25]."""
    it = Site(shell, "memory", numbered(FRESH, "Vary: X"), rules=[Rule(tags=("t",))])
    for target in ("/a", "/b"):
        for x in "12":
            it.get(target, f"X: {x}")
    assert it.cache.purge(**KINDS[kind], dry_run=True) == Purged(count, exact=True, dry_run=True)
    assert it.cache.purge(**KINDS[kind]) == Purged(count, exact=True)
    assert it.cache.purge(**KINDS[kind]) == Purged(0, exact=True)


def test_elsewhere_a_count_says_what_it_is(any_site):
    """By tag and route None; by prefix exact; by URL what was found, not exact [http 25]."""
    it = any_site(numbered(FRESH, "Vary: X"), rules=[Rule(tags=("t",))])
    if it.cache.engine.storage.local:
        return
    for x in "12":
        it.get("/a", f"X: {x}")
    assert it.cache.purge(**KINDS["tag"], dry_run=True) == Purged(None, exact=False, dry_run=True)
    assert it.cache.purge(**KINDS["route"], dry_run=True) == Purged(None, exact=False, dry_run=True)
    if "prefix" in kinds(it):
        assert it.cache.purge(**KINDS["prefix"], dry_run=True) == Purged(2, exact=True, dry_run=True)
    assert it.cache.purge(**KINDS["url"]) == Purged(2, exact=False)


@pytest.mark.parametrize("kind", ["url", "tag", "route", "prefix"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_purge_wins_over_what_is_under_way(any_site, kind, soft):
    """The response goes to its client, and to nobody after [http 25]."""

    def origin(asked):
        if it.calls == 1:
            it.cache.purge(**KINDS[kind], soft=soft)
        return Reply([FRESH], b"%d" % it.calls)

    it = any_site(origin, rules=[Rule(tags=("t",))])
    if kind not in kinds(it):
        refuses(it, kind)
        return
    assert it.get().body == b"1"
    assert it.get().body == b"2"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_purge_wins_over_a_revalidation(any_site, kind, soft):
    """Which began before it: its response is not stored as a fresh one [http 13, 25]."""

    def origin(asked):
        if it.calls == 2:
            it.cache.purge(**KINDS[kind], soft=soft)
        confirms = "if-none-match" in asked.headers
        return Reply([FRESH, 'ETag: "v"'], b"" if confirms else b"body", 304 if confirms else 200)

    it = any_site(origin, rules=[Rule(tags=("t",))])
    if kind not in kinds(it):
        refuses(it, kind)
        return
    it.get()
    it.clock.advance(61)
    assert it.get().body == b"body"
    assert "; hit" not in it.get().status_field


# -- by URL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_a_urls_variants_go_together(any_site, soft):
    """Whatever they vary by [http 9, 25]."""
    it = any_site(numbered(FRESH, "Vary: X"))
    for x in "abc":
        it.get("/a", f"X: {x}")
    it.cache.purge(HOST + "/a", soft=soft)
    assert not any("; hit" in it.get("/a", f"X: {x}").status_field for x in "abc")


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (Rule(cookies=("lang",)), ("Cookie: lang=de",)),
        (Rule(vary=("X",)), ("X: 1",)),
        (Rule(key=lambda request: b"k"), ()),
        (None, ("X-Forwarded-Host: evil.org",)),
    ],
    ids=["cookies", "fields", "a part of its own", "forwarding"],
)
def test_a_url_reaches_keys_that_say_more(any_site, rule, lines, soft):
    """By the tag that they carry [http 10, 25]."""
    it = any_site(numbered(FRESH), rules=[] if rule is None else [rule])
    it.get("/a", *lines)
    assert "; hit" in it.get("/a", *lines).status_field
    it.cache.purge(HOST + "/a", soft=soft)
    assert "; hit" not in it.get("/a", *lines).status_field


def test_a_soft_purge_by_prefix_leaves_what_a_url_reaches(any_site):
    """What it made stale is still found by its URL, its tag and its route [http 25]."""
    for last in ({"url": HOST + "/a"}, {"tag": "t"}, {"route": "GET /x"}):
        it = any_site(numbered(SWR), rules=[Rule(cookies=("lang",), tags=("t",))])
        if "prefix" not in kinds(it):
            return
        it.get("/a", "Cookie: lang=de")
        it.cache.purge(prefix=HOST + "/", soft=True)
        it.cache.purge(**last)
        assert it.get("/a", "Cookie: lang=de").status_field == "cachelayer; fwd=uri-miss; stored"


def test_a_soft_purge_brings_nothing_back(any_site):
    """What was invalidated by its tag a moment ago stays gone [http 25]."""
    it = tagged(any_site, SWR)
    it.get()
    it.cache.invalidate_tags("t")
    it.cache.purge(HOST + "/a", soft=True)
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"


@pytest.mark.parametrize(
    "url", ["http://EXAMPLE.org:80/a?b=1", "HTTP://example.org./a?b=1#part", "http://example.org/a?b=1"]
)
def test_a_url_may_be_written_in_any_way(any_site, url):
    """Case, default port, trailing dot and fragment make no difference; with no middleware here either [http 10]."""
    it = any_site(numbered(FRESH))
    it.get("/a?b=1")
    Cache(it.store, clock=it.clock).purge(url)
    assert it.get("/a?b=1").body == b"1"


def test_a_url_of_the_root_may_lack_its_slash(site):
    """It means the same [http 25]."""
    it = site(numbered(FRESH))
    it.get("/")
    it.cache.purge("http://example.org")
    assert it.get("/").body == b"1"


@pytest.mark.parametrize("other", ["/a?x=1", "/ab", "/a/", "/A"])
def test_other_urls_stay(any_site, other):
    """A URL is one resource [http 25]."""
    it = any_site(numbered(FRESH))
    it.get(other)
    it.cache.purge(HOST + "/a")
    assert "; hit" in it.get(other).status_field


def test_rules_that_leave_out_parts_of_the_query_are_heeded(any_site):
    """Any URL that has the same key will do [http 10, 25]."""
    it = any_site(numbered(FRESH), rules=[Rule(ignore_query=("utm_*",), key=lambda request: b"k")])
    it.get("/a?x=1&utm_source=a")
    it.cache.purge(HOST + "/a?utm_source=b&x=1")
    assert it.get("/a?x=1").body == b"1"


def test_a_rule_that_gives_no_key_without_a_cookie_is_heeded_too(any_site):
    """A purge has no cookies: the URL's own part of the key is enough [http 10, 25]."""
    rule = Rule(
        ignore_query=("utm_*",),
        key=lambda request: b"k" if any(name == b"x" for name, _ in request.headers) else None,
    )
    it = any_site(numbered(FRESH), rules=[rule])
    it.get("/a?x=1&utm_source=a", "X: 1")
    it.cache.purge(HOST + "/a?x=1&utm_source=a")
    assert it.get("/a?x=1", "X: 1").body == b"1"


@pytest.mark.parametrize(
    "url", ["/a", "example.org/a", "ftp://example.org/a", "http://", "", "http://exämple.org/"]
)
def test_a_url_must_be_absolute(url):
    """And written as it is sent [http 25]."""
    with pytest.raises(ConfigurationError):
        Cache().purge(url)


# -- by prefix ------------------------------------------------------------------------------------------------------


def test_a_prefix_is_taken_literally(any_site):
    """What means something in a pattern is itself [http 25, security]."""
    it = any_site(numbered(FRESH))
    if "prefix" not in kinds(it):
        return
    targets = ("/a*b", "/a[c]", "/axb", "/ac", "/a?b")
    for prefix, gone in (("/a*", {"/a*b"}), ("/a[c]", {"/a[c]"}), ("/a?", {"/a?b"}), ("/zz", set())):
        for target in targets:
            it.get(target)
        it.cache.purge(prefix=HOST + prefix)
        assert {one for one in targets if "; hit" not in it.get(one).status_field} == gone


def test_a_prefix_is_of_one_host(any_site):
    """Another host's entries stay, and other namespaces' [http 25]."""
    it = any_site(numbered(FRESH))
    if "prefix" not in kinds(it):
        return
    it.get("/a", "Host: example.organic")
    it.get("/a")
    assert it.cache.purge(prefix=HOST + "/").count == 1
    assert "; hit" in it.get("/a", "Host: example.organic").status_field


def test_a_prefix_stays_in_its_namespace(any_site):
    """Two caches over one store [http 25]."""
    one = any_site(numbered(FRESH), namespace="one")
    if "prefix" not in kinds(one):
        return
    two = any_site(numbered(FRESH), namespace="two", backend=one.store, clock=one.clock)
    one.get(), two.get()
    one.cache.purge(prefix=HOST + "/")
    assert ("; hit" in one.get().status_field, "; hit" in two.get().status_field) == (False, True)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("dry_run", [False, True], ids=["real", "dry"])
def test_a_store_that_cannot_list_says_so(shell, dry_run, memcached_server, tmp_path):
    """Memcached, and a user's six methods [http 25]."""
    clock = FakeClock()
    with MemcachedBackend(memcached_server.address, namespace=tmp_path.name, clock=clock) as backend:
        it = Site(shell, "memcached", numbered(FRESH), backend=backend, clock=clock)
        it.get()
        with pytest.raises(UnsupportedOperationError):
            it.cache.purge(prefix=HOST + "/", dry_run=dry_run)
        assert "; hit" in it.get().status_field
    six = Site(shell, "six methods", numbered(FRESH))
    with pytest.raises(UnsupportedOperationError):
        six.cache.purge(prefix=HOST + "/")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("kind", ["url", "tag", "route"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_memcached_purges_all_else(shell, kind, soft, memcached_server, tmp_path):
    """By its generations [http 25]."""
    clock = FakeClock()
    with MemcachedBackend(memcached_server.address, namespace=tmp_path.name, clock=clock) as backend:
        it = Site(shell, "memcached", numbered(SWR), backend=backend, clock=clock, rules=[Rule(tags=("t",))])
        it.get()
        it.cache.purge(**KINDS[kind], soft=soft)
        assert it.settled().body == (b"0" if soft else b"1")
        assert it.get().body == b"1"


# -- by route -------------------------------------------------------------------------------------------------------


def test_a_route_is_purged_alone(any_site):
    """Other labels stay [http 25]."""
    it = any_site(numbered(FRESH), route=None, name_route=_first_part)
    for target in ("/a/1", "/a/2", "/b/1"):
        it.get(target)
    it.cache.purge(route="GET /a")
    assert ["; hit" in it.get(target).status_field for target in ("/a/1", "/a/2", "/b/1")] == [
        False,
        False,
        True,
    ]


def _first_part(env):
    return "/" + (env.get("path") or env["PATH_INFO"]).split("/")[1]


def test_a_functions_label_is_a_route(any_site):
    """Results of cached functions are purged by it too [http 25]."""
    it = any_site(numbered(FRESH))
    calls = []

    @cached(cache=it.cache, name="shop.price")
    def price():
        calls.append(1)
        return len(calls)

    assert (price(), price()) == (1, 1)
    it.cache.purge(route="shop.price")
    assert price() == 2


# -- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{}, {"url": HOST, "tag": "t"}, {"tag": "t", "prefix": HOST}], ids=["none", "two", "others"]
)
def test_exactly_one_is_given(given):
    """Else the error says which there are [http 25]."""
    with pytest.raises(ConfigurationError, match="exactly one"):
        Cache().purge(**given)


@pytest.mark.parametrize("name", ["url", "tag", "route", "prefix"])
def test_each_is_text(name):
    """Nothing else is [http 25]."""
    with pytest.raises(OptionTypeError, match=name):
        Cache().purge(**{name: 1})


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_async_code_purges_too(kind):
    """By `apurge` [http 25]."""
    cache = Cache(InMemoryBackend())
    assert await cache.apurge(**KINDS[kind]) == Purged(0, exact=True)
