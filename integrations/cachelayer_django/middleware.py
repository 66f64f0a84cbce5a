"""The middlewares, each for sync and async requests alike.

`CacheLayerMiddleware` is what a new site takes: first in `MIDDLEWARE`, with its options in `CACHELAYER`. The others
have the names and the manners of Django's own, and stand where those stood.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow, arun, run
from cachelayer_django.conf import get_caching, is_outside
from cachelayer_django.layer import Layer, Open
from cachelayer_django.pages import Manners
from cachelayer_django.translation import cookie_language, surroundings

_LOCALE = "django.middleware.locale.LocaleMiddleware"
_OPEN = "_cachelayer_open"
_IS_EXPECTED = "_cachelayer_is_expected"


class _Middleware:
    """A middleware that is written as a flow."""

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        # asgiref's until Python 3.12, whose inspect knows what Django marks.
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        return arun(self.flow(request)) if self._is_async else run(self.flow(request))

    def flow(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """Serve one request, in either colour."""
        raise NotImplementedError


class CacheLayerMiddleware(_Middleware):
    """Answers requests from the cache, and stores what the views answer; options are in the setting `CACHELAYER`.

    Put it first in `MIDDLEWARE`: what the others do to a response is then in the stored one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        get_caching()  # so that a setting that cannot work is found now
        # Where the language is chosen outside, it is chosen by now, and the response says only later what by.
        is_chosen = is_outside(_LOCALE, f"{__name__}.{type(self).__name__}")
        self._layer = Layer(
            get_caching, vary=(lambda request: surroundings()) if is_chosen else cookie_language
        )

    def flow(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """See `Layer.serve`."""
        return self._layer.serve(request, self.get_response)


class _PageMiddleware(_Middleware, Manners):
    """A middleware with Django's manners."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        _Middleware.__init__(self, get_response)
        Manners.__init__(self)
        self._layer = self.layer()


class CacheMiddleware(_PageMiddleware):
    """What `django.middleware.cache.CacheMiddleware` is: the pair in one.

    Args:
        get_response: answers requests.
        cache_timeout: seconds for which pages are kept that say no max-age; None is `CACHE_MIDDLEWARE_SECONDS`.
        page_timeout: seconds for which pages are kept, whatever they say.
        options: `cache_alias` and `key_prefix`; left out, they are those of the settings, and None is Django's default.
    """

    def __init__(
        self,
        get_response: Callable[[HttpRequest], Any],
        cache_timeout: float | None = None,
        page_timeout: float | None = None,
        **options: str | None,
    ) -> None:
        super().__init__(get_response)
        if "key_prefix" in options:
            self.key_prefix = options["key_prefix"] or ""
        if "cache_alias" in options:
            self.cache_alias = options["cache_alias"] or DEFAULT_CACHE_ALIAS
        if cache_timeout is not None:
            self.cache_timeout = cache_timeout
        self.page_timeout = page_timeout

    def flow(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """See `Layer.serve`."""
        return self._layer.serve(request, self.get_response)


class FetchFromCacheMiddleware(_PageMiddleware):
    """The inner half of the pair: answers from the cache, once the other middlewares have seen the request."""

    def flow(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """Answer, or have the views answer; the outer half goes on from there."""
        return self._open(request) if vars(request).get(_IS_EXPECTED) else self._pass(request)

    def _open(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        found = yield from self._layer.look_up(request, self.get_response)
        if not isinstance(found, Open):
            return found
        vars(request)[_OPEN] = found
        return (yield from found.ask(request, self.get_response))

    def _pass(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """Cache nothing: nobody is there to store it."""
        response: HttpResponseBase = yield Compute(self.get_response, (request,), {})
        return response


class UpdateCacheMiddleware(_PageMiddleware):
    """The outer half of the pair: stores what came of a request, with all that the other middlewares did to it."""

    def flow(self, request: HttpRequest) -> Flow[HttpResponseBase]:
        """Have the request answered, and go on with what the inner half has begun."""
        vars(request)[_IS_EXPECTED] = True
        try:
            response: HttpResponseBase = yield Compute(self.get_response, (request,), {})
            opened: Open | None = vars(request).get(_OPEN)
            return response if opened is None else (yield from opened.close(request, response))
        except BaseException as error:
            opened = vars(request).get(_OPEN)
            if opened is not None:
                yield from opened.abort(request, error)
            raise
