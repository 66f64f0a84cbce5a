"""Whole sites behind the middlewares, in sync and in async code, with other middlewares within and around them."""

import asyncio
import gzip
import threading

import pytest
from cachelayer_django import get_cache, stats
from cachelayer_django.middleware import CacheMiddleware, FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.conf import settings
from django.core.cache import caches
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory
from django.test.utils import override_settings
from django.utils.decorators import sync_and_async_middleware

from cachelayer import Cache, InMemoryBackend, Rule
from cachelayer.flow import background
from cachelayer.testing import FakeClock
from tests.integrations.browsers import Browser
from tests.integrations.django import site
from tests.integrations.django.conftest import COLOURS, OURS
from tests.servers.redis import RedisServer
from tests.shells import SixMethods

LAYER, UPDATE, FETCH = (
    f"cachelayer_django.middleware.{name}"
    for name in ("CacheLayerMiddleware", "UpdateCacheMiddleware", "FetchFromCacheMiddleware")
)
LOCALE = "django.middleware.locale.LocaleMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
METRICS = f"{__name__}.metrics"

seen = []


@sync_and_async_middleware
def metrics(get_response):
    """Count what is answered, as a site's own metrics do."""
    if asyncio.iscoroutinefunction(get_response):

        async def acount(request):
            response = await get_response(request)
            seen.append((request.path, response.status_code))
            return response

        return acount

    def count(request):
        response = get_response(request)
        seen.append((request.path, response.status_code))
        return response

    return count


@pytest.fixture(params=["memory", "six methods"])
def store(request):
    """A store of each kind, by a clock of its own."""
    clock = FakeClock()
    return (InMemoryBackend if request.param == "memory" else SixMethods)(clock=clock), clock


@pytest.fixture(params=COLOURS)
def site_of(request, store):
    """Make a client of the site with these middlewares: `site_of(LAYER, SESSIONS, DEFAULT_TTL=60)`."""
    overrides, (backend, clock) = [], store

    def make(*middleware, settings=(), **options):
        override = override_settings(
            **dict(settings),
            ROOT_URLCONF="tests.integrations.django.site",
            CACHELAYER={"CACHE": Cache(backend, clock=clock), **options},
            CACHES={"default": {"BACKEND": OURS, "LOCATION": InMemoryBackend(clock=clock)}},
            MIDDLEWARE=list(middleware),
            CACHE_MIDDLEWARE_SECONDS=40,
        )
        override.enable()
        overrides.append(override)
        browser = Browser(request.param)
        browser.clock = clock
        return browser

    seen.clear()
    yield make
    site.failing.clear()
    for override in reversed(overrides):
        override.disable()


# -- languages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order", [(LAYER, LOCALE), (LOCALE, LAYER), (UPDATE, LOCALE, FETCH)], ids=["inside", "outside", "pair"]
)
@pytest.mark.parametrize("path", ["/plain-language", "/fresh-language"])
def test_a_language_is_its_visitors(site_of, order, path):
    """Whether it is chosen by Accept-Language or by the cookie, of which no Vary speaks [integrations 17]."""
    options = {} if UPDATE in order else {"DEFAULT_TTL": 60, "IGNORE_COOKIES": ["django_language"]}
    browser = site_of(*order, **options)
    asked = [{"Accept-Language": "de"}, {"Accept-Language": "en"}]
    asked += [{**each, "Cookie": "django_language=fr"} for each in asked]
    bodies = [browser.get(path, **each).body for each in asked]
    assert [body[:2] for body in bodies] == [b"de", b"en", b"fr", b"fr"]
    again = [browser.get(path, **each) for each in asked]
    assert [each.body for each in again] == bodies
    assert all(each.is_hit for each in again)


@pytest.mark.parametrize("order", [(LAYER, LOCALE), (LOCALE, LAYER)], ids=["inside", "outside"])
def test_rules_hold_wherever_the_language_is_chosen(site_of, order):
    """By the path alone [integrations 16]."""
    browser = site_of(*order, RULES=[{"path": "/plain", "ttl": 60}, {"path": "/items/*", "enabled": False}])
    first = browser.get("/plain").body
    assert browser.get("/plain").body == first
    assert not browser.get("/plain-language").is_hit


# -- compression, conditions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(LAYER, GZIP), (GZIP, LAYER)], ids=["inside", "outside"])
def test_compression_is_for_those_who_take_it(site_of, order):
    """A page is stored compressed, or compressed each time; nobody gets what was for others [integrations 17]."""
    browser = site_of(*order)
    for _ in range(2):
        zipped = browser.get("/zipped", **{"Accept-Encoding": "gzip"})
        plain = browser.get("/zipped")
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(zipped.body)[:9] == plain.body[:9] == b"x" * 9
    assert zipped.is_hit
    assert plain.is_hit


@pytest.mark.parametrize("order", [(LAYER, CONDITIONAL), (CONDITIONAL, LAYER)], ids=["inside", "outside"])
@pytest.mark.parametrize("path", ["/fresh", "/fresh-conditional"])
def test_conditional_requests_are_answered(site_of, order, path):
    """By the middleware's ETag or the view's [integrations 17]."""
    browser = site_of(*order)
    etag = browser.get(path).headers["ETag"]
    for _ in range(2):
        unchanged = browser.get(path, **{"If-None-Match": etag})
        assert (unchanged.status, unchanged.body) == (304, b"")
    assert browser.get(path, **{"If-None-Match": '"else"'}).status == 200
    assert browser.get(path).is_hit


def test_a_stale_page_is_confirmed_by_its_view(site_of):
    """The view is asked with the stored ETag, and answers 304 [integrations 17]."""
    browser = site_of(LAYER)
    first = browser.get("/fresh-conditional").body
    browser.clock.advance(61)
    assert browser.get("/fresh-conditional").body == first
    assert stats().routes["GET /fresh-conditional"].revalidated == 1


def test_a_confirmation_of_another_version_is_none(site_of):
    """The view is asked once more, without the condition (http 13; RFC 9111, section 4.3.4)."""
    browser = site_of(LAYER)
    first = browser.get("/fresh-confused").body
    browser.clock.advance(61)
    second = browser.get("/fresh-confused")
    assert (second.status, second.body != first) == (200, True)
    assert stats().routes["GET /fresh-confused"].revalidated == 0


# -- sessions, messages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(LAYER, SESSIONS), (SESSIONS, LAYER)], ids=["inside", "outside"])
def test_a_page_that_looked_at_the_session_is_for_one_visitor(site_of, order):
    """Also by a default lifetime [integrations 17]."""
    browser = site_of(*order, DEFAULT_TTL=60)
    first = browser.get("/plain-session", Cookie="sessionid=a").body
    assert browser.get("/plain-session", Cookie="sessionid=b").body != first
    assert browser.get("/plain-session").body != first


@pytest.mark.parametrize(
    "order", [(LAYER, SESSIONS, MESSAGES), (SESSIONS, MESSAGES, LAYER)], ids=["inside", "outside"]
)
def test_messages_go_to_one_visitor(site_of, order):
    """A page that shows one is not stored [integrations 17]."""
    browser = site_of(*order)
    browser.get("/told")
    assert b"told" in browser.get("/fresh-messaged").body
    assert b"told" not in browser.get("/fresh-messaged").body
    assert b"told" not in Browser(browser.colour).get("/fresh-messaged").body


@pytest.mark.parametrize("name", ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"])
def test_cookies_of_visitors_are_known_by_their_settings(site_of, name):
    """Whatever a site calls them [integrations 17]."""
    browser = site_of(LAYER, RULES=[Rule(path="/plain", ttl=60, cookies=())], settings={name: "plain"})
    browser.get("/plain")
    assert browser.get("/plain").is_hit
    assert not browser.get("/plain", Cookie="plain=1").is_hit


# -- failures, staleness -----------------------------------------------------------------------------------------


def test_an_error_page_is_stood_in_for(site_of):
    """As long as `stale-if-error` says [integrations 16]."""
    browser = site_of(LAYER)
    first = browser.get("/fresh-stale").body
    browser.clock.advance(200)
    site.failing.set()
    assert (browser.get("/fresh-stale").body, stats().total.error_hit) == (first, 1)
    browser.clock.advance(600)
    assert browser.get("/fresh-stale").status == 500


def test_a_stale_page_is_made_anew_behind(site_of):
    """Through all middlewares, as a request of its own [integrations 16]."""
    browser = site_of(LAYER, SESSIONS, LOCALE)
    if browser.is_async:
        return  # its tasks end with each asyncio.run of this client; see the next test
    first = browser.get("/fresh-stale", **{"Accept-Language": "de"}).body
    browser.clock.advance(70)
    assert browser.get("/fresh-stale", **{"Accept-Language": "de"}).body == first
    assert background.join(30)
    assert browser.get("/fresh-stale", **{"Accept-Language": "de"}).body != first


@pytest.mark.parametrize("path", ["/fresh-stale", "/afresh-stale"])
def test_a_stale_page_is_made_anew_by_a_task(site_of, path):
    """For sync views and async ones [integrations 16]."""
    clock = site_of(LAYER, SESSIONS).clock

    async def ask():
        client = AsyncClient()
        first = (await client.get(path)).content
        clock.advance(70)
        stale = (await client.get(path)).content
        await background.ajoin()
        return first, stale, await client.get(path)

    first, stale, fresh = asyncio.run(ask())
    assert first == stale != fresh.content
    assert "; hit" in fresh.headers["Cache-Status"]


# -- the pair, by Django's manners -------------------------------------------------------------------------------


def test_the_pair_stores_every_page(site_of):
    """For CACHE_MIDDLEWARE_SECONDS, in the cache that CACHE_MIDDLEWARE_ALIAS names [integrations 16]."""
    browser = site_of(UPDATE, FETCH)
    first = browser.get("/plain")
    assert first.headers["Cache-Control"] == "max-age=40"
    again = browser.get("/plain")
    assert (again.body, again.is_hit) == (first.body, True)
    browser.clock.advance(41)
    assert browser.get("/plain").body != first.body
    assert caches["default"].store.origin.get_stats().current_entries
    assert get_cache().stats().total.requests == 0


def test_the_pairs_key_prefix_keeps_sites_apart(site_of):
    """CACHE_MIDDLEWARE_KEY_PREFIX, which the middlewares read when the site starts [integrations 16]."""
    browser = site_of(UPDATE, FETCH)
    first = browser.get("/plain").body
    with override_settings(CACHE_MIDDLEWARE_KEY_PREFIX="other"):
        other = Browser(browser.colour).get("/plain")
    assert other.body != first
    assert browser.get("/plain").body == first


def test_what_stands_between_the_pair_is_in_the_stored_page(site_of):
    """The outer half stores, so that a page which a middleware makes private is not stored [integrations 16]."""
    browser = site_of(UPDATE, f"{__name__}.make_private", FETCH)
    assert browser.get("/plain").body != browser.get("/plain").body


@sync_and_async_middleware
def make_private(get_response):
    """Let no page be shared."""

    def private(response):
        response["Cache-Control"] = "private"
        return response

    if asyncio.iscoroutinefunction(get_response):

        async def arespond(request):
            return private(await get_response(request))

        return arespond
    return lambda request: private(get_response(request))


def test_the_inner_half_alone_stores_nothing(site_of):
    """Nobody is there to do it [integrations 16]."""
    browser = site_of(FETCH)
    assert browser.get("/plain").body != browser.get("/plain").body


def test_an_error_between_the_pair_blocks_nobody(site_of):
    """Those who wait for the page go on at once [integrations 16]."""
    browser = site_of(UPDATE, f"{__name__}.fail", FETCH)
    for _ in range(2):
        with pytest.raises(OSError, match="between"):
            browser.get("/plain")


@sync_and_async_middleware
def fail(get_response):
    """Fail after the view."""
    if asyncio.iscoroutinefunction(get_response):

        async def arespond(request):
            await get_response(request)
            raise OSError("between")

        return arespond

    def respond(request):
        get_response(request)
        raise OSError("between")

    return respond


def test_the_middlewares_have_djangos_attributes():
    """Those that subclasses of Django's own look at [integrations 16]."""
    default = {"default": {"BACKEND": OURS}, "other": {"BACKEND": OURS}}
    made = {
        "CACHE_MIDDLEWARE_ALIAS": "other",
        "CACHE_MIDDLEWARE_KEY_PREFIX": "p",
        "CACHE_MIDDLEWARE_SECONDS": 7,
    }

    def attributes(middleware):
        return (
            middleware.cache_alias,
            middleware.key_prefix,
            middleware.cache_timeout,
            middleware.page_timeout,
        )

    with override_settings(CACHES=default, **made):
        for kind in (UpdateCacheMiddleware, FetchFromCacheMiddleware, CacheMiddleware):
            assert attributes(kind(HttpResponse)) == ("other", "p", 7, None)
        plain = CacheMiddleware(HttpResponse, cache_alias=None, key_prefix=None, page_timeout=3)
        assert attributes(plain) == ("default", "", 7, 3)
        own = CacheMiddleware(HttpResponse, cache_timeout=5, cache_alias="default", key_prefix="x")
        assert attributes(own) == ("default", "x", 5, None)
        assert own.cache is caches["default"]


def test_cache_middleware_is_the_pair_in_one(site_of):
    """As Django's [integrations 16]."""
    browser = site_of("cachelayer_django.middleware.CacheMiddleware")
    first = browser.get("/plain").body
    assert browser.get("/plain").body == first


# -- the site around it ------------------------------------------------------------------------------------------


def test_metrics_outside_see_hits(site_of):
    """A site's own middleware that stands before ours counts them as it counts misses [integrations 24]."""
    browser = site_of(METRICS, LAYER)
    browser.get("/fresh")
    assert browser.get("/fresh").is_hit
    assert seen == [("/fresh", 200)] * 2


def test_metrics_inside_see_misses_alone(site_of):
    """So they had better stand outside [integrations 24]."""
    browser = site_of(LAYER, METRICS)
    for _ in range(3):
        browser.get("/fresh")
    assert seen == [("/fresh", 200)]


def test_a_hit_in_async_code_hops_to_no_thread(site_of):
    """And neither does a miss of an async view [integrations 16]."""
    if not site_of(LAYER).is_async:
        return

    async def ask():
        client = AsyncClient()
        threads = []

        def note(*_):
            threads.append(threading.current_thread())

        get_cache().add_listener(note)
        for _ in range(2):
            await client.get("/afresh-stale")
        return threads

    threads = asyncio.run(ask())
    assert threads
    assert set(threads) == {threading.main_thread()}


def test_a_request_that_has_passed_the_cache_outside_is_not_looked_up(site_of):
    """By server-level middleware over the same cache, which says so in the environ [integrations 16]."""
    from cachelayer_django.middleware import CacheLayerMiddleware

    site_of(LAYER)
    middleware = CacheLayerMiddleware(site.number)
    request = RequestFactory().get("/x", **{"cachelayer.passed": (get_cache(),)})
    assert middleware(request).content != middleware(request).content
    assert stats().total.requests == 0


@pytest.mark.parametrize("colour", COLOURS)
def test_a_store_that_dies_in_mid_traffic_fails_no_request(colour):
    """Requests go on within bounds, and hit again by themselves once it is back [integrations 22]."""
    with RedisServer() as server:
        options = {"BACKEND": f"{server.url}?timeout=2", "DEFAULT_TTL": 60}
        with override_settings(
            ROOT_URLCONF="tests.integrations.django.site", CACHELAYER=options, MIDDLEWARE=[LAYER]
        ):
            browser = Browser(colour)
            browser.get("/fresh")
            assert browser.get("/fresh").is_hit
            server.stop()
            assert {browser.get("/fresh").status for _ in range(20)} == {200}
            server.start()
            for _ in range(400):
                if browser.get("/fresh").is_hit:
                    break
                threading.Event().wait(0.05)
            assert browser.get("/fresh").is_hit
            get_cache().close()
    assert settings.MIDDLEWARE
