"""Single views that are cached: `cached_view` and `cache_page`, in sync and in async code."""

import asyncio
import threading

import pytest
from cachelayer_django import get_cache, invalidate_tags, purge, stats
from cachelayer_django.conf import get_page_caching
from cachelayer_django.decorators import cache_page, cached_view
from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, RequestFactory
from django.test.utils import override_settings

from cachelayer import Cache, InMemoryBackend
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.flow import background
from cachelayer.testing import FakeClock
from tests.integrations.browsers import Browser
from tests.integrations.django import site
from tests.integrations.django.conftest import COLOURS, OURS
from tests.shells import SixMethods

LAYER = "cachelayer_django.middleware.CacheLayerMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
VIEWS = (
    "/number",
    "/anumber",
    "/rendered",
    "/sync",
    "/async",
    "/amethod",
    "/rest",
    "/rest-function",
    "/page",
    "/apage",
)


@pytest.fixture(params=["memory", "six methods"])
def clock(request):
    """A site of those views over a store of each kind, by this clock."""
    clock = FakeClock()
    store = (InMemoryBackend if request.param == "memory" else SixMethods)(clock=clock)
    pages = InMemoryBackend(clock=clock)
    settings = {
        "ROOT_URLCONF": "tests.integrations.django.site",
        "CACHELAYER": {"CACHE": Cache(store, clock=clock)},
        "CACHES": {"default": {"BACKEND": LOCMEM}, "other": {"BACKEND": OURS, "LOCATION": pages}},
        "MIDDLEWARE": [LOCALE, SESSIONS, CSRF, MESSAGES],
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    }
    with override_settings(**settings):
        yield clock
    site.failing.clear()


@pytest.fixture(params=COLOURS)
def browser(request, clock):
    """A client in each colour."""
    return Browser(request.param)


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_of_any_kind_is_called_once(browser, clock, path):
    """Functions, classes, methods, REST framework's, templates that are rendered later [integrations 16]."""
    first, second = browser.get(path), browser.get(path)
    assert (second.is_hit, second.body, second.status) == (True, first.body, 200)
    clock.advance(61)
    assert browser.get(path).body != first.body


def test_the_label_is_the_route(browser):
    """On the miss and on the hit [integrations 18]."""
    browser.get("/items/5/")
    browser.get("/items/5/")
    counted = stats().routes["GET /items/<int:id>/"]
    assert (counted.miss, counted.hit) == (1, 1)


def test_tags_of_a_view_have_its_arguments(browser):
    """And invalidate what they are about [integrations 16]."""
    five, six = browser.get("/items/5/").body, browser.get("/items/6/").body
    invalidate_tags("item:5")
    assert browser.get("/items/6/").body == six
    assert browser.get("/items/5/").body != five
    invalidate_tags("items")
    assert browser.get("/items/6/").body != six


@pytest.fixture
def behind(browser, clock):
    """The same client, with the middleware around the site, outside or inside of the others."""

    def behind(place):
        others = [LOCALE, SESSIONS, CSRF, MESSAGES]
        cache = {**django_settings.CACHELAYER, "DEFAULT_TTL": 60}
        return override_settings(
            MIDDLEWARE=[LAYER, *others] if place == "outside" else [*others, LAYER], CACHELAYER=cache
        )

    return behind


@pytest.mark.parametrize("place", ["outside", "inside"])
def test_a_page_of_a_view_is_kept_once(browser, behind, place):
    """The middleware around the site neither keeps it nor counts it, so that its tags hold [integrations 16]."""
    with behind(place):
        first = browser.get("/items/5/").body
        assert browser.get("/items/5/").body == first
        invalidate_tags("item:5")
        assert browser.get("/items/5/").body != first
        for _ in range(2):
            browser.get("/sync", "post")
        counted = stats().routes
    items = counted["GET /items/<int:id>/"]
    assert (items.requests, items.hit, items.miss) == (3, 1, 2)
    assert counted["POST /sync"].bypass == 2


def test_what_stands_above_a_view_is_asked_before_each_hit(browser, behind):
    """Behind the middleware, too: whatever it looks at, the page itself need not show it [integrations 16]."""
    with behind("outside"):
        assert browser.get("/guarded", **{"X-Pass": "yes"}).status == 200
        assert browser.get("/guarded").status == 403
        assert browser.get("/guarded", **{"X-Pass": "yes"}).is_hit


def test_other_methods_reach_the_view(browser):
    """Each time [integrations 16]."""
    assert browser.get("/sync", "post").body != browser.get("/sync", "post").body


def test_a_query_is_another_page(browser):
    """For REST framework as for Django [integrations 16]."""
    assert browser.get("/rest?q=a").body != browser.get("/rest?q=b").body
    assert browser.get("/rest?q=a").is_hit


def test_a_stream_is_stored_whole(browser):
    """As it is by the middleware [integrations 16]."""
    if browser.is_async:
        return  # Django warns of a sync stream there, as the other tests of streams say
    first = browser.get("/stream")
    assert (browser.get("/stream").is_hit, browser.get("/stream").body) == (True, first.body)


@pytest.mark.parametrize("path", ["/private", "/never"])
def test_what_is_one_visitors_own_is_not_stored(browser, path):
    """By its own fields [integrations 17]."""
    assert browser.get(path).body != browser.get(path).body


@pytest.mark.parametrize("path", ["/session", "/page-session"])
def test_a_page_by_the_session_is_its_visitors_own(browser, path):
    """The session's middleware says so only outside of the decorator [integrations 17]."""
    other = Browser(browser.colour)
    first = browser.get(path, Cookie="sessionid=a").body
    assert browser.get(path, Cookie="sessionid=a").body == first
    assert other.get(path, Cookie="sessionid=b").body != first
    assert other.get(path).body != first


def test_pages_vary_by_what_they_say(browser):
    """By a cookie or a field [integrations 17]."""
    for path, field in (("/by-cookie", "Cookie"), ("/by-header", "X-Kind")):
        first = browser.get(path, **{field: "theme=a"}).body
        assert browser.get(path, **{field: "theme=b"}).body != first
        if field != "Cookie":  # which no rule names here: such requests reach the view
            assert browser.get(path, **{field: "theme=a"}).body == first


def test_a_form_with_a_token_is_not_stored(browser):
    """Whoever asks [integrations 17]."""
    assert len({browser.get("/form").body for _ in range(3)}) == 3


def test_messages_are_shown_to_one_visitor(browser):
    """A page that tells or shows one is not stored [integrations 17]."""
    assert not browser.get("/told").is_hit
    shown = browser.get("/messaged")
    assert b"told" in shown.body
    assert b"told" not in browser.get("/messaged").body
    assert b"told" not in Browser(browser.colour).get("/messaged").body


@pytest.mark.parametrize("path", ["/language", "/page-language"])
def test_languages_are_apart(browser, path):
    """By Accept-Language and by the cookie of the language [integrations 17]."""
    german = browser.get(path, **{"Accept-Language": "de"}).body
    english = browser.get(path, **{"Accept-Language": "en"}).body
    chosen = browser.get(path, **{"Accept-Language": "en", "Cookie": "django_language=de"}).body
    assert (german[:2], english[:2], chosen[:2]) == (b"de", b"en", b"de")
    assert browser.get(path, **{"Accept-Language": "de"}).body == german
    assert browser.get(path, **{"Accept-Language": "en"}).body == english


def test_conditional_views_stay_conditional(browser):
    """A hit answers If-None-Match by itself [integrations 17]."""
    first = browser.get("/conditional")
    again = browser.get("/conditional", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.is_hit, again.body) == (304, True, b"")


def test_a_view_decorated_twice_is_called_once(browser):
    """The inner one lets through what the outer one lets through [integrations 16]."""
    first = browser.get("/twice").body
    assert browser.get("/twice").body == first


def test_a_template_that_cannot_be_rendered_blocks_nobody(browser):
    """Those who wait for it go on [integrations 16]."""
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            browser.get("/broken")
    assert stats().routes["GET /broken"].error == 2


@pytest.mark.parametrize("colour", COLOURS)
def test_what_stands_above_runs_before_a_hit(clock, colour):
    """Such as login_required [integrations 16]."""
    seen = []

    class User:
        is_authenticated = True

    if colour == "sync":
        view = cached_view(ttl=60)(lambda request: HttpResponse("secret"))
        request = RequestFactory().get("/x")
        request.user, request.auser = User(), None
        guarded = login_required(view)
        call = guarded
    else:

        @cached_view(ttl=60)
        async def secret(request):
            return HttpResponse("secret")

        request = AsyncRequestFactory().get("/x")

        async def auser():
            return request.user

        request.user, request.auser = User(), auser
        guarded = login_required(secret)

        def call(request):
            return asyncio.run(guarded(request))

    seen = [call(request).content for _ in range(2)]
    User.is_authenticated = False
    assert seen == [b"secret"] * 2
    assert call(request).status_code == 302


def test_one_of_many_requests_calls_the_view(clock):
    """The others wait for its response [integrations 16]."""
    begun, may_end, calls, bodies = threading.Event(), threading.Event(), [], []

    @cached_view(ttl=60)
    def slow(request):
        calls.append(1)
        begun.set()
        assert may_end.wait(30)
        return HttpResponse("slow")

    def ask():
        bodies.append(slow(RequestFactory().get("/slow")).content)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join()
    assert (len(calls), bodies) == (1, [b"slow"] * 5)


def test_one_of_many_tasks_calls_the_view(clock):
    """The same in async code [integrations 16]."""
    calls = []

    async def ask():
        begun, may_end = asyncio.Event(), asyncio.Event()

        @cached_view(ttl=60)
        async def slow(request):
            calls.append(1)
            begun.set()
            await may_end.wait()
            return HttpResponse("slow")

        tasks = [asyncio.ensure_future(slow(AsyncRequestFactory().get("/slow"))) for _ in range(5)]
        await begun.wait()
        may_end.set()
        return [response.content for response in await asyncio.gather(*tasks)]

    assert asyncio.run(ask()) == [b"slow"] * 5
    assert len(calls) == 1


def test_a_stale_page_is_served_and_made_anew(clock):
    """By a thread, with a request of its own [integrations 16]."""
    browser = Browser("sync")
    first = browser.get("/stale").body
    clock.advance(70)
    assert browser.get("/stale").body == first
    assert background.join(30)
    fresh = browser.get("/stale")
    assert fresh.body != first
    assert fresh.is_hit
    assert site.asked[-1] is not site.asked[-2]


def test_a_stale_page_is_made_anew_by_a_task(clock):
    """In async code [integrations 16]."""

    async def ask():
        client = AsyncClient()
        first = (await client.get("/astale")).content
        clock.advance(70)
        stale = (await client.get("/astale")).content
        await background.ajoin()
        return first, stale, await client.get("/astale")

    first, stale, fresh = asyncio.run(ask())
    assert first == stale != fresh.content
    assert "; hit" in fresh.headers["Cache-Status"]


def test_an_async_view_under_wsgi_is_made_anew_at_once(clock):
    """Its event loop ends with the request: nothing could go on behind it [integrations 16]."""
    browser = Browser("sync")
    first = browser.get("/astale").body
    clock.advance(70)
    assert browser.get("/astale").body != first


def test_a_failing_view_is_stood_in_for(browser, clock):
    """By the stale page, as long as `stale_if_error` says [integrations 16]."""
    first = browser.get("/stale").body
    clock.advance(200)
    site.failing.set()
    assert browser.get("/stale").body == first
    clock.advance(600)
    assert browser.get("/stale").status == 500


# -- cache_page --------------------------------------------------------------------------------------------------


def test_cache_page_says_how_long_it_lasts(browser):
    """As Django's own does [integrations 16]."""
    page = browser.get("/page")
    assert page.headers["Cache-Control"] == "max-age=60"
    assert "Expires" in page.headers


def test_cache_page_without_a_timeout_goes_by_the_page(browser, clock):
    """And else by CACHE_MIDDLEWARE_SECONDS [integrations 16]."""
    first = browser.get("/page-by-age").body
    clock.advance(9)
    assert browser.get("/page-by-age").body == first
    clock.advance(2)
    assert browser.get("/page-by-age").body != first


def test_prefixes_and_caches_are_apart(browser):
    """One view under one URL, and three pages [integrations 16]."""
    request = RequestFactory().get("/same")
    decorated = [
        cache_page(60, **options)(site.number) for options in ({}, {"key_prefix": "p"}, {"cache": "other"})
    ]
    assert len({view(request).content for view in decorated}) == 3
    assert len({view(request).content for view in decorated * 2}) == 3


def test_pages_of_other_caches_have_the_same_tags(browser):
    """`invalidate_tags` reaches them; their statistics are their cache's own [integrations 16]."""
    tagged = cache_page(60, cache="other")(lambda request: get_tagged())

    def get_tagged():
        get_page_caching("other").bind().cache.tag("tagged")
        return HttpResponse(str(next(site.count)))

    request = RequestFactory().get("/tagged")
    first = tagged(request).content
    assert tagged(request).content == first
    invalidate_tags("tagged")
    assert tagged(request).content != first


@pytest.mark.parametrize(
    "what",
    [{"url": "http://testserver/page-other"}, {"route": "GET /page-other"}],
    ids=["url", "route"],
)
def test_purge_reaches_pages_of_other_caches(browser, what):
    """It says how many there were, of all caches, if the stores can tell [integrations 16]."""
    for path in ("/page-other", "/number"):
        browser.get(path)
    would, done = purge(**what, dry_run=True), purge(**what)
    assert (would.dry_run, done.dry_run) == (True, False)
    assert {would.count, done.count} <= {1, None}
    assert done.count == 1 or not done.exact
    assert not browser.get("/page-other").is_hit
    assert browser.get("/number").is_hit


def test_cookies_matter_where_vary_says_so(browser):
    """Django knows a visitor by that alone, and so does `cache_page` [integrations 16]."""
    first = browser.get("/page", Cookie="sessionid=a; x=b").body
    assert browser.get("/page").body == first


def test_a_cache_that_is_not_ours_is_refused_by_name(clock):
    """Unless it is the default one, where pages are in the site's cache [integrations 16]."""
    page = cache_page(60, cache="locmem")(site.number)
    with (
        override_settings(CACHES={"default": {"BACKEND": LOCMEM}, "locmem": {"BACKEND": LOCMEM}}),
        pytest.raises(ImproperlyConfigured, match=r"CACHES\['locmem'\] is LocMemCache"),
    ):
        page(RequestFactory().get("/x"))
    with pytest.raises(ImproperlyConfigured, match="'missing'"):
        cache_page(60, cache="missing")(site.number)(RequestFactory().get("/x"))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: cached_view(site.number), OptionTypeError, "takes a lifetime"),
        (lambda: cached_view(None), ConfigurationError, "needs a lifetime"),
        (lambda: cached_view("soon"), ConfigurationError, "ttl='soon'"),
        (lambda: cached_view(60, tags="x"), OptionTypeError, "must be a list"),
        (lambda: cached_view(60, stale_if_error=-1), ConfigurationError, "stale_if_error"),
        (lambda: cache_page(site.number), OptionTypeError, "takes a timeout"),
    ],
    ids=range(6),
)
def test_a_decorator_that_cannot_work_is_refused(make, error, said):
    """Where it stands [integrations 16]."""
    with pytest.raises(error, match=said):
        make()


def test_overridden_settings_hold_for_views(browser):
    """They are in the new cache [integrations 20]."""
    first = browser.get("/number").body
    with override_settings(CACHELAYER={"BACKEND": InMemoryBackend()}):
        assert browser.get("/number").body != first
        assert get_cache().stats().total.miss == 1
    assert browser.get("/number").body == first
