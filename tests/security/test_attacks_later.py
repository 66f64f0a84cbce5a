"""Attacks that were found by looking for them: each was a hole, through both shells or in an integration."""

import asyncio
import secrets
import time
from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest
from cachelayer_django.decorators import cached_view as django_cached_view
from cachelayer_flask import CacheLayer
from cachelayer_starlette import CacheMiddleware as StarletteMiddleware
from cachelayer_starlette import cache_control, cached_view
from django.http import HttpResponse
from django.test import Client
from django.test.utils import override_settings
from django.urls import path
from fastapi import Depends, FastAPI, Header, Request
from fastapi.testclient import TestClient
from flask import Flask, flash, render_template_string, request, session

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware, forwarding
from cachelayer.http import Rule
from cachelayer.http.keys import CREDENTIAL_FIELDS
from cachelayer.testing import FakeClock
from tests.functions.support import PATIENCE
from tests.integrations import django_site
from tests.shells import STORES, Reply, make_store, numbered

FRESH = "Cache-Control: max-age=60"


@pytest.mark.parametrize("field", ["Accept-Encoding", "Accept-Charset"])
def test_a_long_run_of_spaces_costs_no_time(site, field):
    """A field of 60 kB that a response varies by is read in less than a second; it took fifteen and more [http 9]."""
    it = site(numbered(FRESH, f"Vary: {field}"))
    it.get("/a")
    began = time.perf_counter()
    assert it.get("/a", f"{field}: a{' ' * 60_000}b").status == 200
    assert time.perf_counter() - began < 1


def test_a_confirmation_that_lists_less_does_not_mix_variants(site):
    """A 304 may leave out of Vary what selected the body that it confirms [http 9]."""

    def origin(asked):
        if "if-none-match" in asked.headers:
            return Reply(['ETag: "1"', FRESH, "Vary: Accept-Encoding"], b"", 304)
        return Reply(['ETag: "1"', FRESH, "Vary: X-Lang"], asked.headers.get("x-lang", "none").encode())

    it = site(origin)
    it.get("/a", "X-Lang: de")
    it.clock.advance(70)
    assert it.get("/a", "X-Lang: de").body == b"de"
    assert it.get("/a", "X-Lang: fr").body == b"fr"
    assert "hit" in it.get("/a", "X-Lang: de").status_field


@pytest.mark.parametrize("field", sorted(name.decode() for name in CREDENTIAL_FIELDS))
def test_who_proves_who_it_is_by_another_field_gets_what_is_theirs(site, field):
    """An API key is guarded by no standard, and no response says Vary of it [security 4]."""
    it = site(
        lambda asked: Reply([], asked.headers.get(field, "nobody").encode()),
        rules=[Rule(path="/*", ttl=60)],
    )
    seen = [it.get("/a", *lines).body for lines in ([f"{field}: alice"], [f"{field}: bob"], [])]
    assert seen == [b"alice", b"bob", b"nobody"]
    assert "hit" in it.get("/a", f"{field}: alice").status_field


@pytest.mark.parametrize("sent", ['x="; lang=de; y="', "a=1 lang=de", "a=1\tlang=de", 'a="1" lang=de'])
def test_a_cookie_that_only_some_parsers_see_makes_another_key(site, sent):
    """What Python's own parser finds in, or hides in, another cookie's value poisons no entry [http 10]."""

    def origin(asked):
        found = SimpleCookie(asked.headers.get("cookie", "")).get("lang")
        return Reply([], b"none" if found is None else found.value.encode())

    it = site(origin, rules=[Rule(path="/*", ttl=60, cookies=("lang",))])
    it.get("/a", f"Cookie: {sent}")
    assert [it.get("/a", "Cookie: lang=de").body, it.get("/a").body] == [b"de", b"none"]


def test_a_user_whom_a_middleware_outside_has_recognised_is_guarded_like_authorization():
    """By whatever it knew them: `user` is in the scope, as Starlette's middleware puts it [security 4]."""

    async def app(scope, receive, send):
        who = b"secret" if "user" in scope else b"public"
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]}
        )
        await send({"type": "http.response.body", "body": who})

    middleware = CacheMiddleware(app, cache=Cache())

    user = SimpleNamespace(is_authenticated=True)
    asked = ({"user": user}, {}, {"user": user})
    seen = [asyncio.run(_ask(middleware, "/a", **more)) for more in asked]
    assert seen == [b"secret", b"public", b"secret"]


@pytest.mark.parametrize("status", [400, 403, 406, 408, 412, 415, 421, 422, 425, 428])
def test_a_ttl_that_was_said_does_not_keep_the_fault_of_one_request(site, status):
    """The application says a ttl before it finds the request wanting; a clean one gets its answer [security 10]."""

    def origin(asked):
        it.cache.ttl(60)
        return Reply([], b"x", status) if "x-bad" in asked.headers else Reply()

    it = site(origin)
    assert it.get("/a", "X-Bad: 1").status == status
    assert it.get("/a").status == 200


@pytest.mark.parametrize("store", STORES)
def test_a_client_that_does_not_read_holds_up_nobody_else(store, monkeypatch):
    """Others wait for its response for a moment, not as long as it likes; and theirs is stored [http 17]."""
    monkeypatch.setattr(forwarding, "STALLED", 0.02)
    backend = make_store(store, FakeClock())
    middleware = CacheMiddleware(_streamed, cache=Cache(backend, deadline=PATIENCE))

    look = forwarding.Forwarding._step_aside

    async def attack():
        stalls, noticed, goes_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        def looked(forwarding):
            look(forwarding)
            noticed.set()

        # Others come only after it has stalled for a while, when nobody waited yet.
        monkeypatch.setattr(forwarding.Forwarding, "_step_aside", looked)

        async def stall(message):
            if message["type"] == "http.response.body":
                stalls.set()
                await goes_on.wait()

        await _ask(middleware, "/warm")
        reading = asyncio.create_task(_ask(middleware, "/a", stall))
        await stalls.wait()
        # Those who come when it stalls already for a while, too.
        await asyncio.sleep(0.05)
        crowd = [_ask(middleware, "/a") for _ in range(3)]
        bodies = await asyncio.wait_for(asyncio.gather(*crowd), PATIENCE)
        goes_on.set()
        await reading
        return bodies

    assert asyncio.run(attack()) == [b"xxx"] * 3
    assert asyncio.run(_ask(middleware, "/a")) == b"xxx"
    assert middleware.stats().routes["<unlabelled>"].hit >= 1


async def _streamed(scope, receive, send):
    headers = [(b"cache-control", b"max-age=60")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _ask(app, target, stall=None, **more):
    parts = []

    async def send(message):
        if stall is not None:
            await stall(message)
        parts.append(message.get("body", b""))

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": target, "query_string": b"", "scheme": "http"}
    await app({**scope, "headers": [(b"host", b"example.org")], **more}, receive, send)
    return b"".join(parts)


# -- integrations -------------------------------------------------------------------------------------------------


def test_a_field_that_does_not_validate_is_not_everybodys_error():
    """FastAPI answers 422 after a dependency has said for how long to keep the page [security 10]."""
    app = FastAPI()
    app.add_middleware(StarletteMiddleware, cache=Cache())

    @app.get("/a", dependencies=[Depends(cache_control(ttl=60))])
    def page(x_n: int = Header(default=1)) -> int:
        return x_n

    with TestClient(app) as client:
        assert client.get("/a", headers={"x-n": "no number"}).status_code == 422
        assert client.get("/a").status_code == 200


def test_a_dependency_that_reads_an_api_key_keeps_clients_apart():
    """Its result is in the request's state only, which no key of a view has [security 4]."""

    def who(request: Request) -> None:
        request.state.who = request.headers.get("x-api-key", "nobody")

    app = FastAPI()

    @app.get("/a", dependencies=[Depends(who)])
    @cached_view(ttl=60, cache=Cache())
    def page(request: Request) -> str:
        return request.state.who

    with TestClient(app) as client:
        keys = [{"x-api-key": "alice"}, {"x-api-key": "bob"}, {}]
        assert [client.get("/a", headers=key).json() for key in keys] == ["alice", "bob", "nobody"]


def test_a_fragment_of_flasks_holds_no_other_visitors_token_or_messages():
    """What uses the session, and does not say what it varies on, is each visitor's own [security 4]."""
    app = Flask(__name__)
    app.secret_key = "s" * 32
    CacheLayer(app)
    app.jinja_env.globals["token"] = lambda: session.setdefault("token", secrets.token_hex(4))

    @app.route("/form")
    def form():
        return render_template_string('{% cache "form", ttl=60 %}{{ token() }}{% endcache %}')

    @app.route("/messages")
    def messages():
        if "flash" in request.args:
            flash(request.args["flash"])
        source = '{% cache "messages", ttl=60 %}{{ get_flashed_messages() | join }}{% endcache %}'
        return render_template_string(source)

    alice, bob = app.test_client(), app.test_client()
    assert alice.get("/form").text != bob.get("/form").text
    assert [alice.get("/messages?flash=secret").text, bob.get("/messages").text] == ["secret", ""]


def _django_page(request):
    if "X-Bad" in request.headers:
        return HttpResponse("bad", status=int(request.headers["X-Bad"]))
    return HttpResponse(request.COOKIES.get("tenant", "none"))


@pytest.fixture
def django_client():
    """A site with one cached view."""
    urls = type("Urls", (), {"urlpatterns": [path("page", django_cached_view(60)(_django_page))]})
    assert django_site.settings.configured
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[], CACHELAYER={"CACHE": Cache()}):
        yield Client()


def test_a_view_of_djangos_that_reads_a_cookie_gives_nobody_another_ones_page(django_client):
    """`cached_view` gives a ttl as a rule does: an unknown cookie keeps a page from being shared [security 4]."""
    pages = [django_client.get("/page", headers={"cookie": f"tenant={who}"}) for who in ("alice", "bob")]
    assert [page.content for page in (*pages, django_client.get("/page"))] == [b"alice", b"bob", b"none"]


@pytest.mark.parametrize("status", [302, 403, 404, 406, 415, 422])
def test_a_view_of_djangos_that_refuses_one_request_serves_the_next(django_client, status):
    """As a rule's, the ttl of `cached_view` counts for what is there, not for what one request has provoked."""
    assert django_client.get("/page", headers={"x-bad": str(status)}).status_code == status
    assert django_client.get("/page").status_code == 200
