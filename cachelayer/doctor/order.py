"""Which middlewares stand around an application, and which of them are better on the other side of the cache.

Nothing is imported but the application: a middleware is known by the name of its class.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from cachelayer import asgi, wsgi
from cachelayer.cache import Cache
from cachelayer.default import default_cache
from cachelayer.errors import ConfigurationError

_CACHES: Final = (asgi.CacheMiddleware, wsgi.CacheMiddleware)
#: Where a middleware may keep what it is around.
_INNER: Final = ("app", "wsgi_app", "application", "_app")
_MOST: Final = 100

#: What has to stand outside the cache, and why.
OUTSIDE: Final = {
    "TrustedHostMiddleware": "a host that it refuses is then answered from the cache, and stored under",
    "ProxyHeadersMiddleware": "the scheme and host that it settles are in the key, and come too late",
    "ProxyFix": "the scheme and host that it settles are in the key, and come too late",
    "HTTPSRedirectMiddleware": "its redirects are stored, and hits over http are not redirected",
    "AuthenticationMiddleware": "whom it refuses is then answered from the cache",
}
#: What is better inside, and why.
INSIDE: Final = {
    "GZipMiddleware": "outside it compresses each hit anew; inside, a page is compressed once and stored",
    "BrotliMiddleware": "outside it compresses each hit anew; inside, a page is compressed once and stored",
    "ConditionalGetMiddleware": "outside it computes the ETag of each hit anew",
}


class Layer(msgspec.Struct, frozen=True):
    """One thing around an application, or the application itself.

    Attributes:
        name: of its class.
        caches: whether it is this library's.
        cache: which cache it uses; None where it is none of this library's.
    """

    name: str
    caches: bool = False
    cache: Cache | None = None


def load(spec: str) -> object:
    """Return the application that "module:attribute" names, as from the current directory.

    Raises:
        ConfigurationError: there is none.
    """
    module, colon, name = spec.partition(":")
    if not colon or not module or not name:
        raise ConfigurationError(f"--app {spec}: write it as module:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in name.removesuffix("()").split("."):
            found = getattr(found, part)
        return found() if name.endswith("()") else found
    except Exception as error:
        raise ConfigurationError(f"--app {spec} cannot be imported: {error!r}") from error


def layers_of(app: object) -> list[Layer]:
    """Return what stands around an application, the outermost first, and it in the end."""
    found: list[Layer] = []
    inner: Any = app
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen and len(seen) < _MOST:
        seen.add(id(inner))
        found += map(_declared, _user_middleware(inner))
        found.append(_layer(inner))
        inner = None if _user_middleware(inner) else _inside(inner)
    return found


def _user_middleware(app: Any) -> list[Any]:
    """Return what Starlette and FastAPI keep a list of, the outermost first, and build with their first request."""
    found = getattr(app, "user_middleware", None)
    return list(found) if isinstance(found, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType]


def _inside(layer: Any) -> Any:
    own: dict[str, Any] = getattr(layer, "__dict__", {})
    return next((own[name] for name in _INNER if callable(own.get(name))), None)


def _layer(layer: Any) -> Layer:
    name = getattr(layer, "__name__", None) or type(layer).__name__
    if not isinstance(layer, _CACHES):
        return Layer(name)
    return Layer(name, True, getattr(layer, "_caching").bind().cache)  # noqa: B009 - its own, not for users


def _declared(middleware: Any) -> Layer:
    made: Any = getattr(middleware, "cls", None)
    if not (isinstance(made, type) and issubclass(made, _CACHES)):
        return Layer(str(getattr(made, "__name__", made)))  # pyright: ignore[reportUnknownArgumentType]
    options = getattr(middleware, "kwargs", {})
    cache, backend = options.get("cache"), options.get("backend")
    return Layer(made.__name__, True, cache or (default_cache() if backend is None else Cache(backend)))


def findings(layers: list[Layer]) -> Iterator[str]:
    """Yield what is wrong with the order, a sentence each."""
    places = [place for place, layer in enumerate(layers) if layer.caches]
    if not places:
        yield "no CacheMiddleware is around the application: functions alone are cached"
        return
    if len({id(layers[place].cache) for place in places}) < len(places):
        yield "the application is cached more than once by the same cache: keep the outermost CacheMiddleware"
    for layer in layers[places[0] + 1 :]:
        if layer.name in OUTSIDE:
            yield f"{layer.name} is inside the cache: {OUTSIDE[layer.name]}; put it outside"
    for layer in layers[: places[0]]:
        if layer.name in INSIDE:
            yield f"{layer.name} is outside the cache: {INSIDE[layer.name]}; put it inside"
