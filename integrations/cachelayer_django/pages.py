"""Caching by the manners of Django's own: `cache_page`, and the pair of middlewares.

What they have in common with Django's: a page is stored as the settings `CACHE_MIDDLEWARE_ALIAS`, `_SECONDS` and
`_KEY_PREFIX` say, told apart by language and time zone, and says Expires and max-age; only status 200 and 304 count;
what a page varies by is what its Vary says, so that cookies matter only where it says Cookie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_max_age, patch_response_headers, patch_vary_headers

from cachelayer.control import Control
from cachelayer.durations import Duration, parse_duration
from cachelayer.http import Reason
from cachelayer_django.conf import get_page_caching, get_view_caching
from cachelayer_django.layer import Layer
from cachelayer_django.translation import surroundings

#: A template of the view's keyword arguments, or a callable of the request and these.
Tag = str | Callable[..., str | Iterable[str] | None]


class Manners:
    """How pages are kept; the attributes are those of Django's own middlewares.

    Attributes:
        cache_alias: of `CACHES`.
        key_prefix: keeps pages apart.
        cache_timeout: seconds for which pages are kept that say no max-age.
        page_timeout: seconds for which these pages are kept, whatever they say; None: as they say.
    """

    def __init__(self) -> None:
        self.cache_alias: str = settings.CACHE_MIDDLEWARE_ALIAS
        self.key_prefix: str = settings.CACHE_MIDDLEWARE_KEY_PREFIX
        self.cache_timeout: float = settings.CACHE_MIDDLEWARE_SECONDS
        self.page_timeout: float | None = None

    @property
    def cache(self) -> BaseCache:
        """The cache of that alias."""
        return caches[self.cache_alias]

    def layer(self, *, is_of_view: bool = False) -> Layer:
        """Return a layer with these manners, for one view or for a site."""
        return Layer(
            lambda: get_page_caching(self.cache_alias),
            vary=self._vary,
            declare=self._declare,
            amend=self._amend,
            is_of_view=is_of_view,
        )

    def _vary(self, request: HttpRequest) -> bytes:
        return b"page|%b|%b" % (self.key_prefix.encode().hex().encode(), surroundings())

    def _declare(self, control: Control, request: HttpRequest) -> None:
        if self.page_timeout is not None:
            control.said, control.ttl = True, max(0.0, float(self.page_timeout))

    def _amend(self, request: HttpRequest, response: HttpResponseBase) -> Reason | None:
        if response.status_code not in {200, 304}:
            return Reason.STATUS
        said = {
            part.partition("=")[0].strip() for part in response.get("Cache-Control", "").lower().split(",")
        }
        if said & {"private", "no-cache", "no-store"}:
            return None  # which is seen in its fields
        timeout = self.page_timeout
        if timeout is None:
            timeout = get_max_age(response)
            if timeout == 0:
                return Reason.NO_FRESHNESS
            timeout = self.cache_timeout if timeout is None else timeout
        patch_response_headers(response, int(timeout))
        if request.headers.get("Authorization") and "public" not in said:
            patch_vary_headers(response, ("Authorization",))
        return None


def view_layer(
    ttl: Duration,
    tags: Iterable[Tag],
    *,
    stale_while_revalidate: Duration = None,
    stale_if_error: Duration = None,
) -> Layer:
    """Return a layer for one view; see `cachelayer_django.decorators.cached_view`."""
    seconds = parse_duration(ttl)
    behind = parse_duration(stale_while_revalidate, name="stale_while_revalidate")
    on_error = parse_duration(stale_if_error, name="stale_if_error")
    listed = tuple(tags)

    def vary(request: HttpRequest) -> bytes:
        return b"view|" + surroundings()

    def declare(control: Control, request: HttpRequest) -> None:
        control.said, control.ttl, control.is_general = True, seconds, True
        control.while_revalidate, control.if_error = behind, on_error
        control.tags = (*control.tags, *_made(listed, request))

    return Layer(get_view_caching, vary=vary, declare=declare, is_of_view=True)


def _made(tags: Iterable[Tag], request: HttpRequest) -> Iterable[str]:
    match = request.resolver_match
    given: dict[str, Any] = {} if match is None else match.kwargs
    for tag in tags:
        made = tag.format_map(given) if isinstance(tag, str) else tag(request, **given)
        if made is not None:
            yield from (made,) if isinstance(made, str) else made
