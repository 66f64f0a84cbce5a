"""Validation of stale responses: http.md, points 11 and 13."""

import pytest

from tests.shells import Reply

SHORT = "Cache-Control: max-age=60"
TAG = 'ETag: "v1"'


class Pages:
    """An origin whose page has a version; it answers conditional requests as RFC 9110 says.

    Args:
        lines: further fields of every response.
        tag: the page has an entity tag; else a modification date alone.
        on_304: fields that only a 304 has.
    """

    def __init__(self, *lines, tag=True, on_304=()):
        self.lines, self.tag, self.on_304 = lines, tag, on_304
        self.version, self.asked, self.statuses = 1, [], []

    def __call__(self, asked):
        """Answer."""
        self.asked.append(asked)
        tag, date = f'"v{self.version}"', f"Mon, 02 Jan 2023 00:00:0{self.version} GMT"
        field = f"ETag: {tag}" if self.tag else f"Last-Modified: {date}"
        sent = asked.headers.get("if-none-match" if self.tag else "if-modified-since")
        unchanged = sent is not None and (tag in sent if self.tag else date == sent)
        self.statuses.append(304 if unchanged else 200)
        if unchanged:
            return Reply([*self.lines, field, *self.on_304], b"", 304)
        return Reply([*self.lines, field], b"page %d" % self.version)


@pytest.fixture(params=[True, False], ids=["etag", "date"])
def pages(request):
    """An origin with each kind of validator."""
    return Pages(SHORT, tag=request.param)


def test_a_stale_response_is_confirmed_with_its_validator(any_site, pages):
    """The body comes from the store, the freshness from the 304; the request after is a hit [http 13]."""
    it = any_site(pages)
    first = it.get()
    it.clock.advance(61)
    again = it.get()
    assert (again.status, again.body) == (200, b"page 1")
    assert again.status_field == "cachelayer; fwd=stale; fwd-status=304; stored"
    assert again.get("content-length") == first.get("content-length")
    assert it.get().status_field == "cachelayer; hit; ttl=60"
    assert pages.statuses == [200, 304]
    assert it.counts() == {"miss": 1, "revalidated": 1, "hit": 1}


def test_a_200_replaces_what_was_stale(any_site, pages):
    """The new page goes to its client and into the store [http 13]."""
    it = any_site(pages)
    it.get()
    it.clock.advance(61)
    pages.version = 2
    assert [it.get().body for _ in range(2)] == [b"page 2", b"page 2"]
    assert pages.statuses == [200, 200]
    assert it.counts() == {"miss": 2, "hit": 1}


def test_a_304_brings_new_fields(site):
    """They replace those of the same name; what describes the body stays; the client gets them all [http 13]."""
    pages = Pages(SHORT, on_304=["X-New: 1", "X-Both: new", "X-Both: too", "Content-Type: text/odd"])
    page = pages.__call__
    it = site(lambda asked: _with(page(asked), "X-Both: old", "X-Old: 1", "Content-Length: 6"))
    it.get()
    it.clock.advance(61)
    for answer in (it.get(), it.get()):
        assert (answer.get("x-new"), answer.get("x-both"), answer.get("x-old")) == ("1", "new, too", "1")
        assert (answer.get("content-length"), answer.get("content-type")) == ("6", None)
        assert answer.body == b"page 1"


def _with(reply, *lines):
    return reply if reply.status == 304 else reply._replace(lines=[*reply.lines, *lines])


def test_a_cookie_of_a_304_is_for_its_client_alone(site):
    """It goes through, and is not stored [http 13, 7]."""
    it = site(Pages(SHORT, on_304=["Set-Cookie: sid=alice"]))
    it.get()
    it.clock.advance(61)
    assert it.get().get("set-cookie") == "sid=alice"
    assert it.get().get("set-cookie") is None
    assert it.calls == 2


@pytest.mark.parametrize("directive", ["no-store", "private"])
def test_a_304_may_end_what_is_stored(any_site, directive):
    """It says that the response must not be kept any longer: its client gets it, the next asks anew [http 4, 13]."""
    pages = Pages(on_304=[f"Cache-Control: {directive}"])
    it = any_site(lambda asked: _with(pages(asked), SHORT))
    it.get()
    it.clock.advance(61)
    answer = it.get()
    assert (answer.body, answer.status_field) == (b"page 1", "cachelayer; fwd=stale; fwd-status=304")
    assert it.get().status_field.startswith("cachelayer; fwd=uri-miss")
    assert pages.statuses == [200, 304, 200]


@pytest.mark.parametrize(
    ("line", "status", "body"),
    [
        ('If-None-Match: "v1"', 304, b""),
        ('If-None-Match: "other"', 200, b"page 1"),
        ("If-None-Match: *", 304, b""),
    ],
    ids=["its own", "another", "any"],
)
def test_the_clients_condition_is_for_the_caches_answer(any_site, line, status, body):
    """The application is asked about what is stored, and the client answered as it asked [http 12, 13]."""
    pages = Pages(SHORT)
    it = any_site(pages)
    it.get()
    it.clock.advance(61)
    answer = it.get("/a", line)
    assert (answer.status, answer.body) == (status, body)
    assert pages.asked[-1].headers["if-none-match"] == '"v1"'
    assert it.get().status_field.startswith("cachelayer; hit")


def test_a_client_with_the_newest_version_is_told_what_it_has_by_the_application_or_the_cache(site):
    """The stored one is older than the client's: it gets the new page or a 304, never the old one [http 12, 13]."""
    pages = Pages(SHORT)
    it = site(pages)
    it.get()
    it.clock.advance(61)
    pages.version = 2
    answer = it.get("/a", 'If-None-Match: "v2"')
    assert (answer.status, answer.body) in [(304, b""), (200, b"page 2")]
    assert it.get().body == b"page 2"


def test_a_range_of_a_stale_response_is_cut_from_the_confirmed_one(any_site):
    """And what was confirmed stays [http 13, 14]."""
    pages = Pages(SHORT)
    it = any_site(pages)
    it.get()
    it.clock.advance(61)
    answer = it.get("/a", "Range: bytes=0-3")
    assert (answer.status, answer.body, answer.get("content-range")) == (206, b"page", "bytes 0-3/6")
    assert "range" not in pages.asked[-1].headers
    assert it.get().body == b"page 1"
    assert pages.statuses == [200, 304]
    assert it.get().status_field.startswith("cachelayer; hit")


def test_a_request_that_stores_nothing_leaves_what_is_stored(site):
    """Its no-store is about its own response; the stored one is not for it to remove [http 5, 13]."""
    pages = Pages(SHORT)
    it = site(pages)
    it.get()
    it.clock.advance(61)
    assert it.get("/a", "Cache-Control: no-store").body == b"page 1"
    it.get()
    assert pages.statuses == [200, 304, 304]


def test_a_cookie_of_a_request_leaves_what_is_stored(site):
    """A client's cookie may keep it from the store, and others not [http 7, 13]."""
    pages = Pages(SHORT)
    it = site(pages)
    it.get()
    it.clock.advance(61)
    it.get("/a", "Cookie: sessionid=1")
    it.get()
    assert pages.statuses[-1] == 304


@pytest.mark.parametrize("target", ["", "no-cache"], ids=["stale", "no-cache"])
def test_what_must_be_confirmed_is_confirmed_each_time(site, target):
    """`no-cache` with a validator is kept, and never used without asking [http 4, 13]."""
    pages = Pages("Cache-Control: no-cache" if target else "Cache-Control: max-age=0")
    it = site(pages)
    assert [it.get().body for _ in range(3)] == [b"page 1"] * 3
    assert pages.statuses == [200, 304, 304]


def test_a_client_that_wants_no_old_answer_has_it_confirmed(site):
    """Its no-cache asks the application, by a condition [http 5, 13]."""
    pages = Pages(SHORT)
    it = site(pages)
    it.get()
    answer = it.get("/a", "Cache-Control: no-cache")
    assert answer.status_field == "cachelayer; fwd=request; fwd-status=304; stored"
    assert pages.statuses == [200, 304]


def test_validators_are_kept_for_a_while_only(site):
    """`keep_stale` says how long [http 13]."""
    pages = Pages(SHORT)
    it = site(pages, keep_stale=100)
    it.get()
    it.clock.advance(161)
    it.get()
    assert pages.statuses == [200, 200]
    assert it.store.get_stats().current_entries < 5


def test_without_keep_stale_nothing_is_kept_for_confirmation(site):
    """The client's own condition goes to the application then [http 13]."""
    pages = Pages(SHORT)
    it = site(pages, keep_stale=0)
    it.get()
    it.clock.advance(61)
    answer = it.get("/a", 'If-None-Match: "v1"')
    assert (answer.status, answer.status_field) == (304, "cachelayer; fwd=uri-miss; detail=STATUS")


def test_each_variant_is_confirmed_by_its_own_tag(any_site):
    """And only that one is fresh again [http 9, 13]."""

    def origin(asked):
        tag = f'"{asked.headers["x"]}"'
        lines = [SHORT, "Vary: X", f"ETag: {tag}"]
        if asked.headers.get("if-none-match") == tag:
            return Reply(lines, b"", 304)
        return Reply(lines, asked.headers["x"].encode())

    it = any_site(origin)
    for x in "ab":
        it.get("/a", f"X: {x}")
    it.clock.advance(61)
    answers = [it.get("/a", f"X: {x}") for x in "aab"]
    assert [answer.body for answer in answers] == [b"a", b"a", b"b"]
    assert [answer.status_field.split(";")[1] for answer in answers] == [" fwd=stale", " hit", " fwd=stale"]


def test_a_304_may_name_a_field_that_it_varies_by(site):
    """Later requests are told apart by it [http 9, 13]."""
    pages = Pages(SHORT, on_304=["Vary: X"])
    it = site(pages)
    it.get("/a", "X: 1")
    it.clock.advance(61)
    it.get("/a", "X: 1")
    assert it.get("/a", "X: 1").status_field.startswith("cachelayer; hit")
    assert it.get("/a", "X: 2").status_field.startswith("cachelayer; fwd=vary-miss")


def test_a_304_about_another_version_is_asked_about_again(any_site):
    """An application that answers for what it has cached itself: the stored body is not passed off for it [http 13]."""

    def origin(asked):
        if "if-none-match" in asked.headers:
            return Reply([SHORT, 'ETag: "v2"'], b"", 304)
        return Reply([SHORT, TAG if it.calls == 1 else 'ETag: "v2"'], b"%d" % it.calls)

    it = any_site(origin)
    assert it.get().body == b"1"
    it.clock.advance(61)
    answer = it.get()
    assert (answer.status, answer.body, answer.get("etag")) == (200, b"3", '"v2"')
    assert it.get().body == b"3"
    assert it.counts() == {"miss": 2, "hit": 1}


def test_the_application_is_asked_again_for_what_the_client_asked(site):
    """Without the cache's condition and with the client's own; its 304 then is the client's [http 12, 13]."""
    seen = []

    def origin(asked):
        seen.append(asked._replace(headers=asked.headers.get("if-none-match")))
        lines = [SHORT, TAG if it.calls == 1 else 'ETag: "v2"']
        return Reply(lines, b"", 304) if seen[-1].headers else Reply(lines)

    it = site(origin)
    it.get("/a?x=1&y=2")
    it.clock.advance(61)
    answer = it.get("/a?x=1&y=2", 'If-None-Match: "v2"')
    assert (answer.status, answer.body) == (304, b"")
    assert [one.headers for one in seen] == [None, '"v1"', '"v2"']
    assert len({one._replace(headers=None) for one in seen}) == 1


TODAY = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    "lines", [[SHORT], [SHORT, f"Last-Modified: {TODAY}", f"Date: {TODAY}"]], ids=["none", "weak date"]
)
def test_without_a_validator_nothing_is_asked_about(site, lines):
    """A date within the second proves nothing: the client's own condition reaches the application [http 13]."""
    seen = []

    def origin(asked):
        seen.append(dict(asked.headers))
        return Reply(lines, b"x")

    it = site(origin)
    it.get()
    it.clock.advance(61)
    it.get("/a", 'If-None-Match: "mine"')
    assert seen[1].get("if-none-match") == '"mine"'
    assert "if-modified-since" not in seen[1]


def test_a_field_with_underscores_is_no_condition_beside_the_caches(site):
    """To an application behind WSGI both are one: a 304 must be about the cache's own condition [http 13]."""
    seen = []

    def origin(asked):
        seen.append(dict(asked.headers))
        return Reply([SHORT, TAG], b"x")

    it = site(origin)
    it.get()
    it.clock.advance(61)
    it.get("/a", 'if_none_match: "mine"')
    assert "if_none_match" not in seen[1]
    assert seen[1]["if-none-match"] == '"v1"'


def test_what_is_purged_while_it_is_confirmed_is_not_stored_again(any_site):
    """The 304 was about what is no more [http 13, 25]."""
    pages = Pages(SHORT)

    def origin(asked):
        if it.calls == 2:
            it.cache.purge("http://example.org/a")
        return pages(asked)

    it = any_site(origin)
    it.get()
    it.clock.advance(61)
    assert it.get().body == b"page 1"
    it.get()
    assert pages.statuses == [200, 304, 200]


# -- HEAD -----------------------------------------------------------------------------------------------------------


def head_origin(*lines, head=None):
    """Return an origin whose answers to HEAD have other fields than those to GET, if `head` says so."""
    return lambda asked: Reply(head if head is not None and asked.method == "HEAD" else lines, b"body")


def test_head_refreshes_what_it_confirms(any_site):
    """Same validator, same length: the stored response to GET is as new as that [http 11]."""
    fields = [SHORT, TAG, "Content-Length: 4"]
    it = any_site(head_origin(*fields, head=[*fields, "X-New: 1"]))
    it.get()
    it.clock.advance(61)
    it.get(method="HEAD")
    answer = it.get()
    assert (answer.status_field, answer.body) == ("cachelayer; hit; ttl=60", b"body")
    assert answer.get("x-new") == "1"


@pytest.mark.parametrize(
    "head",
    [[SHORT, 'ETag: "v2"', "Content-Length: 4"], [SHORT, TAG, "Content-Length: 5"]],
    ids=["another tag", "another length"],
)
def test_head_ends_what_it_contradicts(any_site, head):
    """The next GET asks the application without a condition [http 11]."""
    it = any_site(head_origin(SHORT, TAG, "Content-Length: 4", head=head))
    it.get()
    it.clock.advance(61)
    it.get(method="HEAD")
    assert it.get().status_field == "cachelayer; fwd=uri-miss; stored"


def test_head_that_proves_nothing_changes_nothing(site):
    """Without a validator the stored response is as stale as before [http 11]."""
    it = site(head_origin(SHORT, TAG, head=[SHORT]))
    it.get()
    it.clock.advance(61)
    it.get(method="HEAD")
    assert it.get().status_field.startswith("cachelayer; fwd=stale")


def test_head_never_poisons_get(any_site):
    """A HEAD on a cold URL leaves nothing [http 11]."""
    it = any_site(head_origin(SHORT, TAG))
    assert it.get(method="HEAD").body == b""
    assert it.get().body == b"body"
    assert it.calls == 2


def test_what_is_purged_during_a_head_is_not_brought_back_by_it(any_site):
    """The purge wins [http 11, 25]."""

    def origin(asked):
        if asked.method == "HEAD":
            it.cache.purge("http://example.org/a")
        return Reply([SHORT, TAG], b"body")

    it = any_site(origin)
    it.get()
    it.clock.advance(61)
    it.get(method="HEAD")
    it.get()
    assert it.calls == 3
    assert it.counts()["miss"] == 2


def test_a_conditional_head_keeps_its_own_condition(site):
    """Its answer is the application's [http 11, 12]."""
    seen = []

    def origin(asked):
        seen.append(asked.headers.get("if-none-match"))
        return Reply([SHORT, TAG], b"", 304 if seen[-1] else 200)

    it = site(origin)
    it.get()
    it.clock.advance(61)
    assert it.get("/a", 'If-None-Match: "mine"', method="HEAD").status == 304
    assert seen == [None, '"mine"']
