"""Methods that change something: http.md, point 15."""

import pytest

from cachelayer.http import Rule
from tests.shells import Reply

FRESH = "Cache-Control: max-age=60"


def changes(*lines, status=200):
    """Return an origin that answers GET with a page that counts calls, and other methods with these fields."""
    calls = iter(range(1000))

    def origin(asked):
        if asked.method in ("GET", "HEAD"):
            return Reply([FRESH], b"%d" % next(calls))
        return Reply(lines, b"done", status)

    return origin


def outdates(it, target="/a", *lines, changed="/a", method="POST"):
    """Whether what is stored for a target is gone after a request that changes something."""
    before = it.get(target, *lines).body
    it.get(changed, method=method)
    return it.get(target, *lines).body != before


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL", "ODD"])
def test_what_a_method_may_have_changed_is_forgotten(any_site, method):
    """Unknown methods too [http 15]."""
    assert outdates(any_site(changes()), method=method)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
def test_safe_methods_change_nothing(site, method):
    """As they are registered [http 15]."""
    assert not outdates(site(changes()), method=method)


@pytest.mark.parametrize(
    ("status", "forgotten"),
    [(200, True), (201, True), (204, True), (303, True), (400, False), (403, False), (500, False)],
)
def test_an_error_changes_nothing(site, status, forgotten):
    """Only 2xx and 3xx do [http 15]."""
    assert outdates(site(changes(status=status))) is forgotten


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("uri", "forgotten"),
    [
        ("/b?x=1", True),
        ("http://example.org/b?x=1", True),
        ("b?x=1", True),
        ("//example.org/b?x=1", True),
        ("HTTP://EXAMPLE.org:80/b?x=1", True),
        ("https://example.org/b?x=1", False),
        ("http://other.org/b?x=1", False),
        ("http://example.org:8080/b?x=1", False),
        ("/b", False),
    ],
)
def test_what_it_points_to_is_forgotten_where_it_is_of_the_same_origin(site, field, uri, forgotten):
    """Another site's is not for it to end [http 15]."""
    assert outdates(site(changes(f"{field}: {uri}", status=201)), "/b?x=1", changed="/a") is forgotten


def test_all_variants_are_forgotten(any_site):
    """Whatever the request that changed something had [http 9, 15]."""
    calls = iter(range(1000))
    it = any_site(
        lambda asked: Reply([FRESH, "Vary: X"] if asked.method == "GET" else [], b"%d" % next(calls))
    )
    before = [it.get("/a", f"X: {x}").body for x in "abc"]
    it.get("/a", "X: z", method="POST")
    assert not {*before} & {it.get("/a", f"X: {x}").body for x in "abc"}


def test_entries_whose_key_says_more_than_the_url_are_forgotten(any_site):
    """By cookies, by fields, by a rule's own part [http 10, 15]."""
    rules = [
        Rule(path="/cookie", cookies=("lang",)),
        Rule(path="/vary", vary=("X",)),
        Rule(path="/key", key=lambda request: request.query),
        Rule(path="/query", ignore_query=("utm_*",)),
    ]
    it = any_site(changes(), rules=rules)
    assert outdates(it, "/cookie", "Cookie: lang=de", changed="/cookie")
    assert outdates(it, "/vary", "X: 1", changed="/vary")
    assert outdates(it, "/key?a=1", changed="/key?a=1")
    assert outdates(it, "/query?utm_x=1", changed="/query?utm_y=2")


def test_other_urls_stay(any_site):
    """Another query, path or host is another resource [http 15]."""
    it = any_site(changes())
    for target in ("/a?x=1", "/ab", "/a/"):
        assert not outdates(it, target)
    assert not outdates(it, "/a", "Host: other.org")


def test_what_is_computed_meanwhile_is_not_stored(any_site):
    """The change comes while a GET is under way [http 15, 25]."""

    def origin(asked):
        if asked.method == "POST":
            return Reply([], b"done")
        if it.calls == 1:
            it.get("/a", method="POST")
        return Reply([FRESH], b"%d" % it.calls)

    it = any_site(origin)
    it.get()
    assert it.get().body == b"3"


def test_the_change_itself_goes_through_untouched(site):
    """No field is added, and it counts as a bypass [http 15, 18]."""
    it = site(changes("X: 1", status=201))
    answer = it.get(method="POST")
    assert (answer.status, answer.lines, answer.body) == (201, [("X", "1")], b"done")
    assert it.counts("POST /x") == {"bypass": 1}


def test_a_redirect_after_a_change_ends_its_target(site):
    """Post, redirect, get: the page that the client comes to is new [http 15]."""
    assert outdates(site(changes("Location: /list", status=303)), "/list", changed="/new")
