"""Django: the middleware in sync and async, its setting, and what Django does with cookies, sessions and streams."""

import pytest
from asgiref.sync import iscoroutinefunction
from cachelayer_django import get_cache, invalidate_tags, stats
from cachelayer_django.middleware import CacheLayerMiddleware
from cachelayer_django.translation import response_of
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

import cachelayer
from cachelayer import Cache, InMemoryBackend, Rule, default_cache
from cachelayer.http import Answer as Stored
from tests.integrations.browsers import Browser
from tests.integrations.django_site import LAYER
from tests.shells import SixMethods

COMMON = "django.middleware.common.CommonMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
COLOURS = ("sync", "async")


@pytest.fixture(params=COLOURS)
def site(request):
    """Make a browser before a site with these settings: `site(CACHELAYER options, MIDDLEWARE inside)`."""
    overrides = []

    def make(*inside, first=(), **options):
        options.setdefault("BACKEND", InMemoryBackend())
        override = override_settings(CACHELAYER=options, MIDDLEWARE=[*first, LAYER, *inside])
        override.enable()
        overrides.append(override)
        return Browser(request.param)

    yield make
    for override in reversed(overrides):
        override.disable()


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "GET /"),
        ("/users/1/", "GET /users/<int:id>/"),
        ("/api/things/x", "GET /api/things/<slug:name>"),
        ("/api/old/1999/", "GET /api/old/(?P<year>[0-9]{4})/$"),
        ("/regular/1999/", "^regular/(?P<year>[0-9]{4})/$"),
        ("/async", "GET /async"),
        ("/missing", "GET /missing"),
        ("/nothing", "<unmatched>"),
        ("/users/x/", "<unmatched>"),
    ],
)
def test_a_label_is_the_route_that_matched(site, path, label):
    """Through includes; a view's own 404 keeps it [integrations 18]."""
    site().get(path)
    assert list(stats().routes) == [label]


@pytest.mark.parametrize("backend", [InMemoryBackend, SixMethods])
@pytest.mark.parametrize("path", ["/users/1/", "/async", "/own-stream", "/%C3%A4/%E4%BD%A0", "/a%2Fb"])
def test_a_hit_is_the_miss(site, backend, path):
    """Status, fields and body, under the label of the miss; sync and async views and streams [integrations 16]."""
    browser = site(COMMON, BACKEND=backend(), RULES=[Rule(status={404: 60})])
    path = browser.own_stream if path == "/own-stream" else path
    miss, hit = browser.get(path), browser.get(path)
    assert hit.is_hit
    assert (hit.status, hit.body) == (miss.status, miss.body)
    ours = ("age", "cache-status")
    kept = [line for line in hit.headers.items() if line[0] not in ours]
    assert kept == [line for line in miss.headers.items() if line[0] not in ours]
    (counted,) = stats().routes.values()
    assert (counted.hit, counted.miss) == (1, 1)


def test_what_says_nothing_is_stored_by_default_ttl_or_rule(site):
    """And else not at all [integrations 16]."""
    browser = site()
    assert browser.get("/silent").body != browser.get("/silent").body
    for options in ({"DEFAULT_TTL": "1m"}, {"RULES": [Rule(path="/sil*", ttl=60)]}):
        browser = site(**options)
        assert browser.get("/silent").body == browser.get("/silent").body


def test_never_cache_is_never_cached(site):
    """Django's decorator says so by its headers [integrations 17]."""
    browser = site(DEFAULT_TTL=60)
    assert browser.get("/never").body != browser.get("/never").body


def test_vary_on_headers_makes_variants(site):
    """Django's decorator says Vary [integrations 17]."""
    browser = site()
    for language in ("de", "en", "de"):
        answer = browser.get("/translated", **{"Accept-Language": language})
        assert answer.body == language.encode()
    assert answer.is_hit


@pytest.mark.parametrize("first", [(), (SESSIONS,)], ids=["layer outside", "layer inside"])
def test_a_session_is_its_visitors_own(site, first):
    """Wherever they stand: what was written is not stored, what was looked at is one's own [integrations 17]."""
    alice = site(*(() if first else (SESSIONS,)), first=first)
    bob, nobody = Browser(alice.colour), Browser(alice.colour)
    written = [browser.get("/session").body for browser in (alice, alice, bob)]
    seen = [browser.get("/looked").body for browser in (alice, bob, nobody) * 2]
    assert (written, seen) == ([b"1", b"2", b"1"], [b"2", b"1", b"0"] * 2)


@pytest.mark.parametrize("first", [(), (CSRF,)], ids=["layer outside", "layer inside"])
def test_a_page_with_a_csrf_token_is_not_stored(site, first):
    """Neither for those who have the cookie already [integrations 17]."""
    browser = site(*(() if first else (CSRF,)), first=first)
    answers = [browser.get("/form") for _ in range(3)]
    assert not any(answer.is_hit for answer in answers)
    assert len({answer.body for answer in answers}) == 3
    assert stats().routes["GET /form"].reasons == {"SET-COOKIE": 3}


def test_a_response_that_sets_a_cookie_is_not_stored(site):
    """Unless a rule strips the cookie; Django keeps cookies apart from fields [integrations 17]."""
    browser = site()
    assert [browser.get("/cookie").response.cookies["id"].value for _ in range(2)] == ["1", "1"]
    assert not browser.get("/cookie").is_hit
    browser = site(RULES=[Rule(strip_cookies=("id",))])
    browser.get("/cookie")
    hit = browser.get("/cookie")
    assert hit.is_hit
    assert not hit.response.cookies


def test_a_stored_response_of_any_form_comes_back():
    """Cookies are Django's own again, and repeated fields, which it does not know, are joined [integrations 16]."""
    fields = (
        (b"Set-Cookie", b"id=1; Path=/"),
        (b"Set-Cookie", b"b=2"),
        (b"Link", b"</a>"),
        (b"Link", b"</b>"),
    )
    response = response_of(Stored(200, fields, (), b"x", b"Fine"))
    assert {name: morsel.value for name, morsel in response.cookies.items()} == {"id": "1", "b": "2"}
    assert (response.headers["Link"], response.reason_phrase) == ("</a>, </b>", "Fine")
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize("path", ["/failing", "/broken"])
def test_an_error_of_a_view_is_the_views(site, path):
    """It comes out as it would without us, and nothing is stored [integrations 16]."""
    browser = site()
    path = "/abroken" if path == "/broken" and browser.is_async else path
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            browser.get(path)
    assert stats().total.hit == 0


def test_a_stream_that_nobody_reads_is_not_stored(site):
    """It is closed, and counted once [integrations 16]."""
    browser = site()
    if browser.is_async:
        return
    response = browser.client.get("/stream")
    next(iter(response))
    response.close()
    assert stats().routes["GET /stream"].reasons == {"INCOMPLETE": 1}
    assert not browser.get("/stream").is_hit


def test_a_file_is_stored_with_what_it_says(site):
    """Its length and type are in the hit as in the miss [integrations 16]."""
    browser = site()
    if browser.is_async:
        return  # Django reads files in threads there, and warns of it
    miss, hit = browser.get("/file"), browser.get("/file")
    assert hit.is_hit
    assert (hit.body, hit.headers["Content-Length"]) == (miss.body, str(len(miss.body)))


def test_head_and_conditional_requests_are_answered_from_the_store(site):
    """Without a body; a 304 has no type or length either [integrations 17]."""
    browser = site("django.middleware.http.ConditionalGetMiddleware")
    etag = browser.get("/").headers["ETag"]
    head, unchanged = browser.get("/", "head"), browser.get("/", **{"If-None-Match": etag})
    assert (head.is_hit, head.body) == (True, b"")
    assert (unchanged.status, unchanged.is_hit, unchanged.body) == (304, True, b"")
    assert "Content-Type" not in unchanged.headers


def test_a_proxys_scheme_is_another_resource(site):
    """Where Django is told to trust it [integrations 16]."""
    browser = site()
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        plain, secure = browser.get("/"), browser.get("/", **{"X-Forwarded-Proto": "https"})
    assert plain.body != secure.body


def test_tags_are_invalidated_by_name(site):
    """Those of the rules [integrations 16]."""
    browser = site(RULES=[Rule(path="/users/{id}/", ttl=60, tags=("user:{id}",))])
    first = browser.get("/users/1/").body
    invalidate_tags("user:2")
    assert browser.get("/users/1/").body == first
    invalidate_tags("user:1")
    assert browser.get("/users/1/").body != first


def test_cached_functions_use_the_sites_cache(site):
    """Since the settings make the process's default [integrations 16]."""
    site(BACKEND=(backend := InMemoryBackend()), NAMESPACE="shop", DEFAULT_TTL=60)
    get_cache()
    cached = cachelayer.cached(lambda number: 2 * number)
    assert [cached(1), cached(1)] == [2, 2]
    assert get_cache().backend is backend
    assert (get_cache().namespace, get_cache().default_ttl, stats().total.hit) == ("shop", 60.0, 1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"TTL": 5}, "TTL.*DEFAULT_TTL"),
        ({"default_ttl": 5}, "default_ttl.*DEFAULT_TTL"),
        ({"DEFAULT_TTL": -5}, "default_ttl"),
        ({"BACKEND": "nosuch://"}, "nosuch"),
        ({"RULES": "all"}, "RULES must be a list"),
        ({"RULES": 5}, "RULES must be a list"),
        ({"RULES": [{"pth": "/x"}]}, "RULES has.*pth"),
        ({"RULES": [{"path": "/x", "ttl": "soon"}]}, "RULES has.*ttl='soon'"),
        ({"RULES": [5]}, "rules"),
        ({"CACHE": Cache(), "NAMESPACE": "x"}, "NAMESPACE"),
        ({"CACHE": "memory://"}, "cache must be"),
        ("memory://", "must be a dict"),
        ({5: 5}, "5"),
    ],
    ids=range(13),
)
def test_a_setting_that_cannot_work_is_refused(options, named):
    """In Django's way, by name, when the handler is made [integrations 19]."""
    with override_settings(CACHELAYER=options), pytest.raises(ImproperlyConfigured, match=named):
        CacheLayerMiddleware(lambda request: None)


def test_a_cache_of_ones_own_can_be_given():
    """With whatever it has [integrations 16]."""
    own = Cache()
    with override_settings(CACHELAYER={"CACHE": own}):
        assert get_cache() is own


def test_without_settings_the_processs_default_is_used():
    """And nothing is stored but by the responses' own headers [integrations 16]."""
    with override_settings(CACHELAYER={}):
        assert get_cache() is default_cache()


@pytest.mark.parametrize("is_async", [True, False])
def test_one_class_serves_both_colours(is_async):
    """It becomes a coroutine function where what it wraps is one: Django makes no thread hop [integrations 16]."""

    async def aget_response(request):
        """Never called."""

    with override_settings(CACHELAYER={}):
        middleware = CacheLayerMiddleware(aget_response if is_async else lambda request: None)
    assert iscoroutinefunction(middleware) is is_async
