"""What an endpoint says about the caching of its response, as a dependency of FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import Request

from cachelayer import Cache, default_cache
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import OptionTypeError
from cachelayer_starlette.around import cache_around
from cachelayer_starlette.tags import PathTags


class CacheControl:
    """A handle on the caching of the response that is being made.

    Args:
        cache: the cache it is about; None: the process's default.
    """

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache

    @property
    def cache(self) -> Cache:
        """The cache it is about."""
        return default_cache() if self._cache is None else self._cache

    def tag(self, *tags: str) -> None:
        """Give the response these tags; see `Cache.tag`."""
        self.cache.tag(*tags)

    def ttl(
        self,
        ttl: Duration,
        *,
        stale_while_revalidate: Duration = None,
        stale_if_error: Duration = None,
    ) -> None:
        """Say how long the response is fresh, where it does not say so itself; see `Cache.ttl`."""
        self.cache.ttl(ttl, stale_while_revalidate=stale_while_revalidate, stale_if_error=stale_if_error)

    def no_store(self) -> None:
        """Keep the response from being stored; see `Cache.no_store`."""
        self.cache.no_store()

    def invalidate(self, *tags: str, soft: bool = False) -> int:
        """Invalidate all that carries one of the tags; see `Cache.invalidate_tags`."""
        return self.cache.invalidate_tags(*tags, soft=soft)

    async def ainvalidate(self, *tags: str, soft: bool = False) -> int:
        """Async twin of `invalidate`."""
        return await self.cache.ainvalidate_tags(*tags, soft=soft)

    def __cache_key__(self) -> str:
        # An endpoint under `cached_view` that takes a handle answers the same with any.
        return ""


def cache_control(
    *,
    ttl: Duration = None,
    tags: Iterable[str] = (),
    stale_while_revalidate: Duration = None,
    stale_if_error: Duration = None,
    no_store: bool = False,
    cache: Cache | None = None,
) -> Callable[[Request], Awaitable[CacheControl]]:
    """Return a dependency that says how the response of its endpoint is cached, and gives a `CacheControl`.

    The response is stored by the middleware; without one that uses the cache it says this to nobody.

    Args:
        ttl: how long the response is fresh, where it does not say so itself.
        tags: groups for invalidation, with parameters of the path: ("user:{id}",).
        stale_while_revalidate: how long after that it is served stale while it is refreshed.
        stale_if_error: how long after that it is served stale where the application fails.
        no_store: it is not stored.
        cache: the cache it is about; None: that of the middleware around the endpoint, else the process's default.

    Raises:
        ConfigurationError: a template or duration cannot work.
        OptionTypeError: `cache` or `tags` is of the wrong type.

    Example:
        >>> from typing import Annotated
        >>> from fastapi import Depends, FastAPI
        >>> app = FastAPI()
        >>> @app.get("/users/{id}", dependencies=[Depends(cache_control(ttl=60, tags=["user:{id}"]))])
        ... def user(id: int) -> dict[str, int]:
        ...     return {"id": id}
        >>> @app.put("/users/{id}")
        ... def rename(id: int, caching: Annotated[CacheControl, Depends(cache_control())]) -> None:
        ...     caching.invalidate(f"user:{id}")
    """
    if cache is not None and not isinstance(cache, Cache):
        raise OptionTypeError(f"cache must be a Cache, not {type(cache).__name__}")
    templates = PathTags(tags, "tags= of cache_control()")
    seconds = parse_duration(ttl, name="ttl")
    windows: dict[str, Any] = {
        "stale_while_revalidate": parse_duration(stale_while_revalidate, name="stale_while_revalidate"),
        "stale_if_error": parse_duration(stale_if_error, name="stale_if_error"),
    }

    async def control(request: Request) -> CacheControl:
        handle = CacheControl(cache or cache_around(request.scope))
        if no_store:
            handle.no_store()
        if seconds is not None:
            handle.ttl(seconds, **windows)
        found = templates.render(request.path_params)
        if found:
            handle.tag(*found)
        return handle

    return control
