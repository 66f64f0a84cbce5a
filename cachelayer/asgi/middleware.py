"""The middleware."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Iterable
from typing import Final, Unpack

from cachelayer.asgi.drivers import driver, run_here
from cachelayer.asgi.fetching import fetch
from cachelayer.asgi.forwarding import Forwarding
from cachelayer.asgi.messages import request_of, send_answer, target_of, with_content
from cachelayer.asgi.passing import LetThrough
from cachelayer.asgi.types import ASGIApp, Message, Receive, Scope, Send
from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange import PASSED, Behind, Caching, Exchange, Options, Route, Shell
from cachelayer.flows import arun
from cachelayer.http import Answer, Rule
from cachelayer.http.plan import WITH_CONTENT, needs_content

#: What an application says when it has shut down.
_OVER: Final = frozenset(
    {"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"}
)


class CacheMiddleware(Shell):
    """Answers requests from the cache, and stores what the application answers.

    What it has opened itself from a URL, it closes when the application shuts down, and opens anew when that starts
    again. A `Cache` or backend that it was given is closed by whoever made it, such as with
    `contextlib.aclosing(cache)` in the application's lifespan.

    Args:
        app: the ASGI application.
        cache: where to store. Default: the process's, see `cachelayer.configure`.
        backend: a backend or URL to store in, instead of `cache`.
        default_ttl: how long a response without freshness of its own is fresh; None: it is not stored.
        rules: `Rule` objects; the first that matches counts.
        cache_status: the cache's name in the Cache-Status field; None adds the field to nothing.
        route: given the scope, returns the route of a request that `scope["cachelayer.route"]` does not name.
        options: the further ones of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work (a ValueError).
        OptionTypeError: an option is unknown or has the wrong type, or `app` is no ASGI application (a TypeError).
    """

    def __init__(
        self,
        app: ASGIApp,
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
        self.app, self._url = app, backend if isinstance(backend, str) else None
        self._caching = Caching(
            cache=cache,
            backend=backend,
            route=route or self.default_route,
            default_ttl=default_ttl,
            rules=rules,
            cache_status=cache_status,
            **options,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            closes = scope["type"] == "lifespan" and self._url is not None
            await self.app(scope, receive, self._closing(send) if closes else send)
            return
        bound = self._caching.bound or self._caching.bind()
        drive = run_here if bound.local else driver()
        #: Under another event loop than asyncio's nobody waits, and nothing goes on behind the client's back.
        waits = behind = asyncio._get_running_loop() is not None
        if drive is None:
            await self.app(scope, receive, send)
            return
        if bound.cache in scope.get(PASSED, ()):
            # Outside is another one over the same cache: what it lets through was meant to reach the application.
            await self.app(scope, receive, send)
            return
        target = target_of(scope) if bound.passing else None
        if target is not None and bound.lets_through(target):
            # The application may change its scope before a closer look is taken.
            asked = functools.partial(request_of, {**scope, "headers": [*scope["headers"]]})
            passing = bound.let_through(asked)
            await LetThrough(passing, drive, scope, receive, send, waits, target).run(self.app)
            return
        request = request_of(scope)
        if request.method in WITH_CONTENT and needs_content(request, bound.policy):
            request, receive = await with_content(request, receive)
            behind = waits and request.content is None
        found = (
            bound.find_here(request, behind=behind)
            if bound.local
            else await drive(bound.find(request, behind=behind))
        )
        if isinstance(found, Answer):
            # As `send_answer` does, without a call more, for most requests. That no more comes is the default, but some
            # test clients look for it.
            headers = [*found.stored, *found.added]
            await send({"type": "http.response.start", "status": found.status, "headers": headers})
            await send({"type": "http.response.body", "body": found.body, "more_body": False})
        elif isinstance(found, Exchange):
            if target is None and bound.may_pass:
                target = target_of(scope)
            await Forwarding(found, drive, scope, receive, send, waits, target).run(self.app)
        elif isinstance(found, Behind):
            await arun(found.begin(functools.partial(fetch, self.app, dict(scope), found)))
            await send_answer(found.answer, send)
        else:
            await send_answer(found, send)

    def _closing(self, send: Send) -> Send:
        """Close what was opened here once the application has shut down; another event loop may serve it again."""

        async def watch(message: Message) -> None:
            if message["type"] in _OVER and self._url is not None:
                cache = self._caching.bind().cache
                self._caching.reopen(self._url)
                await cache.aclose()
            await send(message)

        return watch


def check_app(app: object) -> None:
    """Raise OptionTypeError unless `app` can be called as an ASGI application."""
    remedy = "pass the application itself: CacheMiddleware(app), or app.add_middleware(CacheMiddleware)"
    # Of classes only those are applications whose instances are awaited, as Starlette's endpoints are.
    if not callable(app) or (isinstance(app, type) and not hasattr(app, "__await__")):
        raise OptionTypeError(f"app must be an ASGI application, not {app!r}; {remedy}")
    try:
        # Of the application itself: a decorator that makes one of a view keeps the view's as that which it wraps.
        signature = inspect.signature(app, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # Not every callable has one to look at.
    try:
        signature.bind({}, None, None)
    except TypeError:
        raise OptionTypeError(
            f"app must take (scope, receive, send), but {app!r} takes {signature}; {remedy}; "
            "WSGI applications go into cachelayer.wsgi.CacheMiddleware"
        ) from None
