"""Mistakes in options show where they are made, with a name and a remedy."""

import functools

import pytest

from cachelayer import Cache, CacheLayerError, ConfigurationError, InMemoryBackend, configure
from cachelayer import default as default_module
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.http import Rule
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware


async def asgi_app(scope, receive, send):
    """Do nothing."""


def wsgi_app(environ, start_response):
    """Do nothing."""


BOTH = [(AsgiMiddleware, asgi_app), (WsgiMiddleware, wsgi_app)]


@pytest.mark.parametrize(("middleware", "app"), BOTH, ids=["asgi", "wsgi"])
@pytest.mark.parametrize(
    ("options", "kind", "named"),
    [
        ({"tll": 5}, TypeError, "tll"),
        ({"tll": 5}, TypeError, "default_ttl"),
        ({"default_ttl": -1}, ValueError, "default_ttl"),
        ({"default_ttl": float("nan")}, ValueError, "default_ttl"),
        ({"default_ttl": "soon"}, ValueError, "default_ttl"),
        ({"default_ttl": True}, TypeError, "default_ttl"),
        ({"rules": Rule(ttl=1)}, TypeError, "rules"),
        ({"rules": [{"path": "/"}]}, TypeError, "Rule"),
        ({"cache_status": ""}, ValueError, "cache_status"),
        ({"cache_status": 5}, TypeError, "cache_status"),
        ({"max_body_bytes": -1}, ValueError, "max_body_bytes"),
        ({"max_body_bytes": "8MB"}, TypeError, "max_body_bytes"),
        ({"route": "/x"}, TypeError, "route"),
        ({"cache": InMemoryBackend()}, TypeError, "backend="),
        ({"backend": 5}, TypeError, "backend"),
        ({"backend": "nosuch://"}, ValueError, "nosuch"),
        ({"cache": Cache(), "backend": InMemoryBackend()}, ValueError, "exclude"),
        ({"session_cookies": "sid"}, TypeError, "session_cookies"),
    ],
)
def test_an_option_that_cannot_work_is_refused(middleware, app, options, kind, named):
    """By an error of ours that is also the builtin one would expect."""
    with pytest.raises(CacheLayerError, match=named) as raised:
        middleware(app, **options)
    assert isinstance(raised.value, kind)


@pytest.mark.parametrize("app", [None, "app:app", 5, object, Cache, lambda: None, wsgi_app])
def test_what_is_no_asgi_application_is_refused(app):
    """A name, a class, a WSGI application: at once, with what to pass instead."""
    with pytest.raises(TypeError, match=r"CacheMiddleware\(app\)"):
        AsgiMiddleware(app)


@pytest.mark.parametrize("app", [None, "app:app", 5, object, Cache, lambda: None, asgi_app])
def test_what_is_no_wsgi_application_is_refused(app):
    """A name, a class, an ASGI application: at once, with what to pass instead."""
    with pytest.raises(TypeError, match=r"CacheMiddleware\(app\)|cachelayer.asgi"):
        WsgiMiddleware(app)


class AsgiObject:
    """An application as an object."""

    async def __call__(self, scope, receive, send):
        """Do nothing."""


class WsgiObject:
    """An application as an object."""

    def __call__(self, environ, start_response):
        """Do nothing."""


@pytest.mark.parametrize(
    "app",
    [asgi_app, AsgiObject(), AsgiObject().__call__, functools.partial(asgi_app), lambda *args: None, max],
    ids=["function", "object", "method", "partial", "star", "builtin"],
)
def test_every_form_of_asgi_application_is_taken(app):
    """Functions, objects, partials, and callables that do not say what they take."""
    assert AsgiMiddleware(app).app is app


@pytest.mark.parametrize(
    "app",
    [wsgi_app, WsgiObject(), WsgiObject().__call__, functools.partial(wsgi_app), lambda *args: None, max],
    ids=["function", "object", "method", "partial", "star", "builtin"],
)
def test_every_form_of_wsgi_application_is_taken(app):
    """Functions, objects, partials, and callables that do not say what they take."""
    assert WsgiMiddleware(app).app is app


@pytest.mark.parametrize(("middleware", "app"), BOTH, ids=["asgi", "wsgi"])
def test_the_cache_is_bound_at_first_use(middleware, app, monkeypatch):
    """So that `configure()` may come after the middleware is made."""
    monkeypatch.setattr(default_module, "_default", None)
    monkeypatch.setattr(default_module, "_used", False)
    made = middleware(app)
    cache = configure(InMemoryBackend())
    made.stats()
    assert made._caching.bind().cache is cache
    with pytest.raises(ConfigurationError, match="in use"):
        configure(InMemoryBackend())


@pytest.mark.parametrize(("middleware", "app"), BOTH, ids=["asgi", "wsgi"])
def test_middlewares_over_one_backend_share_a_cache(middleware, app):
    """They count together, and invalidate together."""
    backend = InMemoryBackend()
    first, second = middleware(app, backend=backend), middleware(app, backend=backend)
    assert first._caching.bind().cache is second._caching.bind().cache
