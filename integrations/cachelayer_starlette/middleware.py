"""The middleware class."""

from __future__ import annotations

from typing import Any, ClassVar

from cachelayer import asgi
from cachelayer.asgi import ASGIApp, Message, Receive, Scope, Send
from cachelayer.backends.base import CacheBackend
from cachelayer.exchange import Caching, Route
from cachelayer_starlette.labels import route_label

#: What an application says when it has shut down.
_OVER = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})


class CacheMiddleware(asgi.CacheMiddleware):
    """Caches the responses of a Starlette or FastAPI application; see `cachelayer.asgi.CacheMiddleware`.

    Without `route=` the path template that the router chose is the label.

    What it has opened itself from a URL, it closes when the application shuts down, and opens anew when that starts
    again. A `Cache` or backend that it was given is closed by whoever made it, such as with
    `contextlib.aclosing(cache)` in the application's lifespan.
    """

    default_route: ClassVar[Route | None] = staticmethod(route_label)

    def __init__(self, app: ASGIApp, *, backend: CacheBackend | str | None = None, **options: Any) -> None:
        self._url = backend if isinstance(backend, str) else None
        super().__init__(app, backend=backend, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the application's lifespan."""
        if self._url is None or scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return
        caching, url = self._caching, self._url

        async def watch(message: Message) -> None:
            if message["type"] in _OVER:
                await _close(caching, url)
            await send(message)

        await self.app(scope, receive, watch)


async def _close(caching: Caching, url: str) -> None:
    """Close the store that a middleware has opened. It may be served again, by another event loop."""
    cache = caching.bind().cache
    caching.reopen(url)
    await cache.aclose()
