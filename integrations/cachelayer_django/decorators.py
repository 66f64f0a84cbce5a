"""Decorators for views: `cached_view`, and a drop-in for Django's `cache_page`.

Both take sync and async views, `method_decorator` for class-based ones, views of Django REST framework, and responses
whose template is rendered later. What stands above them, such as `login_required`, runs before a hit is served.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.core.cache import DEFAULT_CACHE_ALIAS

from cachelayer.durations import Duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.flows import arun, run
from cachelayer_django.layer import Layer
from cachelayer_django.pages import Manners, Tag, view_layer

V = TypeVar("V", bound=Callable[..., Any])


def cached_view(
    ttl: Duration,
    *,
    tags: Iterable[Tag] = (),
    stale_while_revalidate: Duration = None,
    stale_if_error: Duration = None,
) -> Callable[[V], V]:
    """Keep a view's responses in the site's cache.

    What they vary by is what their Vary says, and Django's session, language and time zone, without being told.
    Requests with other cookies are answered by the view unless the response is `public` or the setting
    `IGNORE_COOKIES` has them. `private` and `no-store`, cookies that are set, and pages with a CSRF token are never
    stored.

    Args:
        ttl: how long: seconds, `timedelta`, or text like "2h5m".
        tags: groups for invalidation, as templates of the view's keyword arguments, such as "user:{id}"; or callables
            of the request and these.
        stale_while_revalidate: how long after that a response is served stale while it is made anew.
        stale_if_error: how long after that it is served stale where the view fails.

    Raises:
        ConfigurationError: a duration cannot work.
        OptionTypeError: an option has the wrong type.
    """
    if callable(ttl):
        raise OptionTypeError("cached_view takes a lifetime: @cached_view(ttl=60)")
    if isinstance(tags, str):
        raise OptionTypeError(f"tags must be a list, not one str: tags=[{tags!r}]")
    if ttl is None:
        raise ConfigurationError("cached_view needs a lifetime: @cached_view(ttl=60)")
    layer = view_layer(
        ttl, tags, stale_while_revalidate=stale_while_revalidate, stale_if_error=stale_if_error
    )
    return functools.partial(_around, layer)


def cache_page(
    timeout: float | None, *, cache: str | None = None, key_prefix: str | None = None
) -> Callable[[V], V]:
    """Do what `django.views.decorators.cache.cache_page` does.

    Args:
        timeout: seconds; None goes by the page's max-age, or else by `CACHE_MIDDLEWARE_SECONDS`.
        cache: an alias of `CACHES`; None takes "default".
        key_prefix: keeps pages apart; None has none. `CACHE_MIDDLEWARE_ALIAS` and `_KEY_PREFIX` are the middleware's.
    """
    if callable(timeout):
        raise OptionTypeError("cache_page takes a timeout: @cache_page(60)")

    def decorate(view: V) -> V:
        # Not earlier: settings may be read before they are there.
        manners = Manners()
        manners.page_timeout = timeout
        manners.cache_alias, manners.key_prefix = cache or DEFAULT_CACHE_ALIAS, key_prefix or ""
        return _around(manners.layer(is_of_view=True), view)

    return decorate


def _around(layer: Layer, view: V) -> V:
    """Return the view with the layer around it."""

    async def aserve(request: Any, *args: Any, **kwargs: Any) -> Any:
        async def respond(asked: Any) -> Any:
            return await view(asked, *args, **kwargs)

        return await arun(layer.serve(request, respond))

    def serve(request: Any, *args: Any, **kwargs: Any) -> Any:
        return run(layer.serve(request, lambda asked: view(asked, *args, **kwargs)))

    return cast("V", functools.wraps(view)(aserve if _is_async(view) else serve))


def _is_async(view: Any) -> bool:
    """Whether a view has to be awaited. A method that `method_decorator` gives does not say so by itself."""
    if iscoroutinefunction(view):  # pyright: ignore[reportDeprecated] # until Python 3.12, as in the middleware
        return True
    method = getattr(view, "func", None)
    instance = getattr(method, "__self__", None)
    is_dispatch = getattr(method, "__name__", "") == "dispatch"
    return bool(
        iscoroutinefunction(method)  # pyright: ignore[reportDeprecated]
        or (is_dispatch and getattr(instance, "view_is_async", False))
    )
