"""The middleware class."""

from __future__ import annotations

from typing import ClassVar

from cachelayer import asgi
from cachelayer.exchange import Route
from cachelayer_starlette.labels import route_label


class CacheMiddleware(asgi.CacheMiddleware):
    """Caches the responses of a Starlette or FastAPI application; see `cachelayer.asgi.CacheMiddleware`.

    Without `route=` the path template that the router chose is the label.
    """

    default_route: ClassVar[Route | None] = staticmethod(route_label)
