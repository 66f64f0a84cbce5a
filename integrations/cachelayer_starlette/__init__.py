"""cachelayer for Starlette and FastAPI.

    app = FastAPI()
    app.add_middleware(CacheMiddleware, rules=[Rule(path="/airports/*", ttl="5m")])

or, in the list of middleware:

    app = Starlette(routes=[...], middleware=[Middleware(CacheMiddleware, default_ttl=60)])

It takes the options of `cachelayer.asgi.CacheMiddleware`. Statistics are kept by path template, mounts and router
prefixes included, such as `GET /api/users/{id}`.

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

from cachelayer_starlette.middleware import CacheMiddleware

__all__ = ["CacheMiddleware", "Rule", "route_label"]
