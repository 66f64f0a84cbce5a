"""Ways around the key and the rules that were found by attacking the middlewares, each closed."""

import asyncio

import pytest

from cachelayer import Cache, Rule
from cachelayer.asgi import CacheMiddleware
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.shells import echo

FRESH = "Cache-Control: max-age=60"
ISOLATING = {
    "vary": Rule(path="/api/*", vary=("X-Api-Key",)),
    "key": Rule(path="/api/*", key=lambda request: dict(request.headers).get(b"x-api-key", b"")),
    "bypass": Rule(path="/api/*", bypass=lambda request: True),
    "disabled": Rule(path="/api/*", enabled=False),
}


@pytest.mark.parametrize("rule", ISOLATING.values(), ids=ISOLATING)
@pytest.mark.parametrize("target", ["/api/a%2Fb", "/api/a;b", "/%61pi/x", "/api/%2e/x"])
def test_a_path_in_disguise_does_not_shed_the_rule_that_keeps_users_apart(site, rule, target):
    """security.md, row 4 and 9: encoded and ambiguous paths give nobody another one's answer."""
    it = site(echo(FRESH), rules=[rule, Rule(path="/*", ttl=60)])
    seen = {it.get(target, f"X-Api-Key: {who}").status_field for who in ("alice", "bob")}
    assert not any("hit" in field for field in seen)


@pytest.mark.parametrize("space", ["\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0"], ids=ascii)
def test_white_space_around_a_cookies_name_makes_another_key(site, space):
    """http.md 10: what a framework takes for the cookie that a rule names is part of the key."""
    it = site(echo(), rules=[Rule(path="/*", ttl=60, cookies=("lang",))])
    it.get("/a", f"Cookie: {space}lang=evil")
    assert "hit" not in it.get("/a").status_field


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Port: 1",
        "x_forwarded_host: evil",
    ],
)
def test_what_applications_build_urls_from_is_part_of_the_key(site, field):
    """security.md, row 7, and its spelling with underscores, which CGI and WSGI read as the same field."""
    it = site(echo(FRESH))
    it.get("/a", field)
    assert "hit" not in it.get("/a").status_field


def test_the_order_of_languages_matters(site):
    """RFC 9110, section 12.5.4: some applications take the first of equal weight."""
    it = site(echo(FRESH, "Vary: Accept-Language"))
    it.get("/a", "Accept-Language: en, fr")
    assert "hit" not in it.get("/a", "Accept-Language: fr, en").status_field


async def ask(app, body=b"", **changes):
    """Send one request to an ASGI app and return the body of its answer."""
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/x", "raw_path": None, "query_string": b"",
        "headers": [(b"host", b"example.org")], "root_path": "", "http_version": "2",
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await app({**scope, **changes}, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


def answering(make):
    """Return an ASGI app that may be stored and answers by what it received and its scope."""

    async def app(scope, receive, send):
        message = await receive()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": iter([(b"cache-control", b"max-age=60")]),
            }
        )
        await send({"type": "http.response.body", "body": make(scope, message["body"])})

    return app


def test_a_get_with_a_body_over_http_2_is_not_stored():
    """RFC 9110, section 9.3.1: nothing announces the body there, and the key knows nothing of it."""
    app = CacheMiddleware(answering(lambda scope, body: b"you sent " + body), cache=Cache())
    assert asyncio.run(ask(app, b"evil")) == b"you sent evil"
    assert asyncio.run(ask(app)) == b"you sent "


def test_applications_under_two_prefixes_do_not_cross():
    """A server that takes the prefix off the path leaves it in root_path, and that is part of the key."""
    app = CacheMiddleware(answering(lambda scope, body: scope["root_path"].encode()), cache=Cache())
    assert [asyncio.run(ask(app, root_path=root)) for root in ("/one", "/two", "/one")] == [
        b"/one",
        b"/two",
        b"/one",
    ]


def test_fields_given_as_an_iterator_reach_the_client():
    """ASGI allows any iterable of fields, and the cache does not use it up."""
    sent = []

    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": iter([(b"x-frame-options", b"DENY")])}
        )
        await send({"type": "http.response.body", "body": None})

    async def run():
        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": iter([(b"host", b"e")]),
            "scheme": "http",
        }
        await CacheMiddleware(app, cache=Cache(), cache_status=None)(scope, None, send)

    asyncio.run(run())
    assert list(sent[0]["headers"]) == [(b"x-frame-options", b"DENY")]


def test_what_an_inner_cache_stored_does_not_pass_by_what_stands_between():
    """Of two middlewares over one cache only the outer one works: the guard between them is always asked."""
    cache = Cache()
    inner = CacheMiddleware(answering(lambda scope, body: b"secret"), cache=cache)

    async def guard(scope, receive, send):
        if (b"x-api-key", b"k") in scope["headers"]:
            await inner(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    outer = CacheMiddleware(guard, cache=cache, rules=[Rule(bypass=lambda request: True)])
    allowed = [(b"host", b"example.org"), (b"x-api-key", b"k")]
    assert [
        asyncio.run(ask(outer, headers=headers)) for headers in (allowed, [(b"host", b"example.org")])
    ] == [
        b"secret",
        b"no",
    ]


def call(app, **more):
    """Send one request to a WSGI app and return what it was told and its body."""
    told = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/x", "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "e",
        "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "e",
    }  # fmt: skip
    body = list(app({**environ, **more}, lambda *args: told.append(args)))
    return told[0], body


def test_a_user_whom_the_server_authenticated_is_guarded_like_authorization():
    """security.md, row 4: the server may keep the Authorization field to itself and give REMOTE_USER."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [environ.get("REMOTE_USER", "nobody").encode()]

    it = WsgiMiddleware(app, cache=Cache(), default_ttl=60)
    assert [call(it, REMOTE_USER=user)[1] for user in ("alice", "bob")] == [[b"alice"], [b"bob"]]
    assert call(it)[1] == [b"nobody"]


@pytest.mark.parametrize(
    "change", [{"REQUEST_METHOD": "HEAD"}, {"HTTP_IF_NONE_MATCH": '"1"'}], ids=["HEAD", "304"]
)
def test_an_answer_without_a_body_has_no_part_that_a_server_would_count(change):
    """http.md 23a: for [b""] servers add Content-Length: 0, which is not the length of what was asked for."""

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60"), ("ETag", '"1"')])
        return [b"body"]

    it = WsgiMiddleware(app, cache=Cache())
    call(it)
    assert call(it, **change)[1] == []
