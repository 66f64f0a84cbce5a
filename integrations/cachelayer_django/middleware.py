"""The middleware, for sync and async requests alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar, Final, cast

import msgspec
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from cachelayer import asgi, wsgi
from cachelayer.exchange import ROUTE, UNMATCHED, Exchange
from cachelayer.flows import arun, run
from cachelayer.http import Answer, Headers, Reason, Request, ResponseHead
from cachelayer_django.conf import get_caching

_SET_COOKIE: Final = b"set-cookie"


class CacheLayerMiddleware:
    """Answers requests from the cache, and stores what the views answer; options are in the setting `CACHELAYER`.

    Put it first in `MIDDLEWARE`: what the others do to a response is then in the stored one.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._caching = get_caching()
        # asgiref's until Python 3.12, whose inspect knows what Django marks.
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        return self._aserve(request) if self._is_async else self._serve(request)

    def _serve(self, request: HttpRequest) -> HttpResponseBase:
        bound, asked = self._caching.bind(), request_of(request)
        found = bound.find_here(asked) if bound.local else run(bound.find(asked))
        return self._forward(found, request) if isinstance(found, Exchange) else response_of(found)

    def _forward(self, exchange: Exchange, request: HttpRequest) -> HttpResponseBase:
        try:
            fencing = exchange.prepare()
            if fencing is not None:
                run(fencing)
            response: HttpResponseBase = self.get_response(request)
            if _start(exchange, request, response):
                run(exchange.finish())
        except BaseException as error:
            exchange.end(_env(request), error)
            raise
        return response

    async def _aserve(self, request: HttpRequest) -> HttpResponseBase:
        bound, asked = self._caching.bind(), request_of(request)
        found = bound.find_here(asked) if bound.local else await arun(bound.find(asked))
        return await self._aforward(found, request) if isinstance(found, Exchange) else response_of(found)

    async def _aforward(self, exchange: Exchange, request: HttpRequest) -> HttpResponseBase:
        drive = asgi.run_here if exchange.bound.local else arun
        try:
            fencing = exchange.prepare()
            if fencing is not None:
                await drive(fencing)
            response: HttpResponseBase = await self.get_response(request)
            if _start(exchange, request, response):
                await drive(exchange.finish())
        except BaseException as error:
            exchange.end(_env(request), error)
            raise
        return response


# -- from Django to the engine and back -------------------------------------------------------------------------


def request_of(request: HttpRequest) -> Request:
    """Return the request as the engine takes it."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        made = asgi.request_of(scope)
    else:
        # Django has decoded these as UTF-8 already, which PEP 3333 does not know.
        paths = {name: request.META[name].encode().decode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO")}
        made = wsgi.request_of({**request.META, **paths})
    scheme = request.scheme or made.scheme
    return made if scheme == made.scheme else msgspec.structs.replace(made, scheme=scheme)


def route_label(request: HttpRequest) -> str:
    """Return the route that a request matched as a path template, or `<unmatched>`."""
    match = request.resolver_match
    if match is None:
        return UNMATCHED
    # A regular expression stays one.
    return match.route if match.route.startswith("^") else "/" + match.route


def response_of(answer: Answer) -> HttpResponse:
    """Return an answer of the cache as a response of Django's."""
    response = HttpResponse(answer.body, status=answer.status, reason=answer.phrase.decode("latin-1") or None)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        field, text = name.decode("latin-1"), value.decode("latin-1")
        if name.lower() == _SET_COOKIE:
            response.cookies.load(text)
        elif field in response.headers:
            response.headers[field] += f", {text}"
        else:
            response.headers[field] = text
    return response


def _env(request: HttpRequest) -> dict[str, Any]:
    return {ROUTE: route_label(request)}


def _start(exchange: Exchange, request: HttpRequest, response: HttpResponseBase) -> bool:
    """Decide on a response, and let its body be collected; whether it is whole already."""
    session = getattr(request, "session", None)
    if session is not None and session.accessed:
        # Where the session's middleware is outside of this one, it will only say so later.
        patch_vary_headers(response, ("Cookie",))
    objection = Reason.SET_COOKIE if _will_set_cookie(request) else None
    headers = exchange.start(_head(response), _env(request), objection)
    if headers is not None:
        _put(response, headers)
    if not exchange.collecting:
        exchange.end({})
        return False
    if getattr(response, "streaming", False):
        _watch(exchange, response)
        return False
    exchange.feed(cast(HttpResponse, response).content)
    return True


def _will_set_cookie(request: HttpRequest) -> bool:
    """Whether middleware that may stand outside of this one is going to set a cookie for this visitor."""
    session, messages = getattr(request, "session", None), getattr(request, "_messages", None)
    return bool(
        request.META.get("CSRF_COOKIE_NEEDS_UPDATE")
        or (session is not None and session.modified)
        or (messages is not None and (messages.added_new or messages.used))
    )


def _put(response: HttpResponseBase, headers: Headers) -> None:
    """Give the response these fields. Django has one line for each name, cookies apart."""
    lines: dict[bytes, list[str]] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), [name.decode("latin-1")]).append(value.decode("latin-1"))
    for name, (field, *values) in lines.items():
        if name != _SET_COOKIE:
            response.headers[field] = ", ".join(values)
    for field in [field for field in response.headers if field.lower().encode("latin-1") not in lines]:
        del response.headers[field]


def _head(response: HttpResponseBase) -> ResponseHead | None:
    fields = [
        *response.items(),
        *(("Set-Cookie", cookie.output(header="").strip()) for cookie in response.cookies.values()),
    ]
    return wsgi.head_of(f"{response.status_code} {response.reason_phrase}", fields)


def _watch(exchange: Exchange, response: Any) -> None:
    """Collect the body while it streams."""
    parts = response.streaming_content
    response.streaming_content = (
        _acollect(exchange, parts) if response.is_async else _collect(exchange, parts)
    )
    response._resource_closers.append(lambda: exchange.end({}))


def _collect(exchange: Exchange, parts: Iterator[bytes]) -> Iterator[bytes]:
    try:
        for part in parts:
            due = exchange.take(part)
            if due is not None:
                run(due)
            yield part
        run(exchange.finish())
    except BaseException as error:
        exchange.end({}, error)
        raise


async def _acollect(exchange: Exchange, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    drive = asgi.run_here if exchange.bound.local else arun
    try:
        async for part in parts:
            due = exchange.take(part)
            if due is not None:
                await drive(due)
            yield part
        await drive(exchange.finish())
    except BaseException as error:
        exchange.end({}, error)
        raise
