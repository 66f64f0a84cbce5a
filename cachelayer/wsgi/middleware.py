"""The middleware."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange import PASSED, Behind, Caching, Exchange, Options, Route, Shell
from cachelayer.flows import run
from cachelayer.http import Answer, Rule
from cachelayer.http.plan import WITH_CONTENT, needs_content
from cachelayer.wsgi.fetching import fetch
from cachelayer.wsgi.forwarding import Forwarding
from cachelayer.wsgi.messages import (
    keep_fields,
    native,
    native_again,
    native_line,
    request_of,
    status_line,
    target_of,
    with_content,
)
from cachelayer.wsgi.passing import LetThrough

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class CacheMiddleware(Shell):
    """Answers requests from the cache, and stores what the application answers.

    Args:
        app: the WSGI application.
        cache: where to store. Default: the process's, see `cachelayer.configure`.
        backend: a backend or URL to store in, instead of `cache`.
        default_ttl: how long a response without freshness of its own is fresh; None: it is not stored.
        rules: `Rule` objects; the first that matches counts.
        cache_status: the cache's name in the Cache-Status field; None adds the field to nothing.
        route: given the environ, returns the route of a request that `environ["cachelayer.route"]` does not name.
        options: the further ones of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work (a ValueError).
        OptionTypeError: an option is unknown or has the wrong type, or `app` is no WSGI application (a TypeError).
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        default_ttl: Duration = None,
        rules: Iterable[Rule] = (),
        cache_status: str | None = "cachelayer",
        route: Route | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_app(app)
        self.app = app
        self._caching = Caching(
            cache=cache,
            backend=backend,
            route=route or self.default_route,
            default_ttl=default_ttl,
            rules=rules,
            cache_status=cache_status,
            **options,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        bound = self._caching.bound or self._caching.bind()
        if bound.cache in environ.get(PASSED, ()):
            # Outside is another one over the same cache: what it lets through was meant to reach the application.
            return self.app(environ, start_response)
        target = target_of(environ) if bound.passing else None
        if target is not None and bound.lets_through(target):
            # The application may change its environ before a closer look is taken.
            passing = bound.let_through(functools.partial(request_of, dict(environ)))
            return LetThrough(passing, environ, start_response, target).run(self.app)
        request = request_of(environ)
        if request.method in WITH_CONTENT and needs_content(request, bound.policy):
            request = with_content(request, environ)
        behind = request.content is None
        found = (
            bound.find_here(request, behind=behind)
            if bound.local
            else run(bound.find(request, behind=behind))
        )
        if not isinstance(found, Answer):
            keep_fields(found)
        if isinstance(found, Exchange):
            if target is None and bound.may_pass:
                target = target_of(environ)
            return Forwarding(found, environ, start_response, target).run(self.app)
        if isinstance(found, Behind):
            run(found.begin(functools.partial(fetch, self.app, dict(environ), found)))
            found = found.answer
        stored = native_again(found.stored) if bound.local else native(found.stored)
        start_response(status_line(found), [*stored, *map(native_line, found.added)])
        # Not [b""]: for that some servers would add a Content-Length of 0, also to a 304 and to HEAD.
        return [found.body] if found.body else []


def check_app(app: object) -> None:
    """Raise OptionTypeError unless `app` can be called as a WSGI application."""
    remedy = (
        "pass the application itself: CacheMiddleware(app), or app.wsgi_app = CacheMiddleware(app.wsgi_app)"
    )
    # Of classes only those are applications whose instances are what goes out (PEP 3333, "The Application Side").
    if not callable(app) or (isinstance(app, type) and not hasattr(app, "__iter__")):
        raise OptionTypeError(f"app must be a WSGI application, not {app!r}; {remedy}")
    asgi = "; ASGI applications go into cachelayer.asgi.CacheMiddleware"
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        raise OptionTypeError(f"app must be a WSGI application, but {app!r} is a coroutine function{asgi}")
    try:
        # Of the application itself: a decorator that makes one of a view keeps the view's as that which it wraps.
        signature = inspect.signature(app, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # Not every callable has one to look at.
    try:
        signature.bind({}, None)
    except TypeError:
        raise OptionTypeError(
            f"app must take (environ, start_response), but {app!r} takes {signature}; {remedy}{asgi}"
        ) from None
