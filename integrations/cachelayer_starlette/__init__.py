"""cachelayer for Starlette and FastAPI.

    app = FastAPI()
    app.add_middleware(CacheMiddleware, rules=[Rule(path="/airports/*", ttl="5m")])

or, in the list of middleware:

    app = Starlette(routes=[...], middleware=[Middleware(CacheMiddleware, default_ttl=60)])

It takes the options of `cachelayer.asgi.CacheMiddleware`. Statistics are kept by path template, mounts and router
prefixes included, such as `GET /api/users/{id}`.

A view alone is cached by `cached_view`, behind its dependencies; an endpoint speaks of its response by `cache_control`.

Middleware that is added later stands outside: what it does to a response is done to hits too, and what middleware
inside does is in the stored response.
"""

from __future__ import annotations

from cachelayer.errors import MissingExtraError
from cachelayer.http import Rule

try:
    from cachelayer_starlette.labels import route_label
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "starlette":
        raise
    raise MissingExtraError("cachelayer_starlette", "starlette") from error

from cachelayer_starlette.control import CacheControl, cache_control
from cachelayer_starlette.middleware import CacheMiddleware
from cachelayer_starlette.views import cached_view

__all__ = [
    "CacheControl",
    "CacheMiddleware",
    "Rule",
    "cache_control",
    "cached_view",
    "route_label",
]
