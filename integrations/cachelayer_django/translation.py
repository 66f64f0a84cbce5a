"""From Django's requests and responses to the engine's, and back."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils import translation as languages

from cachelayer import asgi, wsgi
from cachelayer.exchange import ROUTE, UNMATCHED
from cachelayer.http import Answer, Headers, Reason, Request, ResponseHead

_SET_COOKIE: Final = b"set-cookie"
_LOCALE: Final = "django.middleware.locale.LocaleMiddleware"
#: Set where a token was asked for; False once its cookie is in the response.
_TOKEN_USED: Final = "CSRF_COOKIE_NEEDS_UPDATE"  # noqa: S105 - a name, and no token
#: What is made of the fields and the body when somebody looks at it: not for a copy of the request.
_OF_ONE_REQUEST: Final = ("headers", "_body", "_post", "_files", "_messages")
_NAME: Final = re.compile(r"[a-zA-Z0-9-]{1,20}")


# -- requests ----------------------------------------------------------------------------------------------------


def request_of(request: HttpRequest, extra: bytes = b"") -> Request:
    """Return the request as the engine takes it.

    Args:
        request: Django's.
        extra: what the response depends on beside the request; of characters that a path may have, or no rule is tried.
    """
    scope = getattr(request, "scope", None)
    if scope is not None:
        query = scope.get("query_string", b"")
        # Django's test client gives text, and Django takes both.
        made = asgi.request_of(
            scope if isinstance(query, bytes) else {**scope, "query_string": query.encode()}
        )
    else:
        # Django has decoded these as UTF-8 already, which PEP 3333 does not know.
        paths = {name: request.META[name].encode().decode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO")}
        made = wsgi.request_of({**request.META, **paths})
    scheme = request.scheme or made.scheme
    if scheme == made.scheme and not extra:
        return made
    original = b"|".join(filter(None, (made.original, extra))) or None
    return msgspec.structs.replace(made, scheme=scheme, original=original)


def cookie_language(request: HttpRequest) -> bytes:
    """Return what the language cookie asks for: Django answers by it, and says no Vary of it."""
    if not settings.USE_I18N or _LOCALE not in settings.MIDDLEWARE:
        return b""
    sent = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if not _NAME.fullmatch(sent):
        return b""
    try:
        return b"language=" + languages.get_supported_language_variant(sent).encode()
    except LookupError:
        return b""


def surroundings() -> bytes:
    """Return the active language and time zone, as far as the site has them: pages are made by them."""
    language = languages.get_language() or "" if settings.USE_I18N else ""
    zone = timezone.get_current_timezone_name() if settings.USE_TZ else ""
    return f"language={language}|zone={zone.replace('/', '.')}".encode()


def copy_of(request: HttpRequest) -> HttpRequest:
    """Return the same request for another call of the views: a GET, whose body is empty."""
    made = type(request).__new__(type(request))
    vars(made).update({name: value for name, value in vars(request).items() if name not in _OF_ONE_REQUEST})
    made.META = dict(request.META)
    if made.method == "HEAD":
        # What is stored is what GET gives.
        made.method = made.META["REQUEST_METHOD"] = "GET"
    vars(made).update(_stream=io.BytesIO(), _read_started=False)
    return made


def make_conditional(request: HttpRequest, conditions: Headers) -> Callable[[], None]:
    """Put fields in place of the request's own conditions; return what undoes it."""
    restore = wsgi.make_conditional(request.META, conditions)
    vars(request).pop("headers", None)

    def undo() -> None:
        restore()
        vars(request).pop("headers", None)

    return undo


def route_label(request: HttpRequest) -> str:
    """Return the route that a request matched as a path template, or `<unmatched>`."""
    match = request.resolver_match
    if match is None:
        return UNMATCHED
    # A regular expression stays one.
    return match.route if match.route.startswith("^") else "/" + match.route


def env_of(request: HttpRequest) -> dict[str, Any]:
    """Return what names the route."""
    return {ROUTE: vars(request).get("cachelayer_route") or route_label(request)}


# -- responses ---------------------------------------------------------------------------------------------------


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


def instead(response: HttpResponseBase, answer: Answer) -> HttpResponse:
    """Return an answer in place of a response, whose resources are given back when this one is closed."""
    made, closers = response_of(answer), cast(Any, response)._resource_closers
    cast(Any, made)._resource_closers.extend(closers)
    closers.clear()
    return made


def put_headers(response: HttpResponseBase, headers: Headers) -> None:
    """Give the response these fields. Django has one line for each name, cookies apart."""
    lines: dict[bytes, list[str]] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), [name.decode("latin-1")]).append(value.decode("latin-1"))
    for name, (field, *values) in lines.items():
        if name != _SET_COOKIE:
            response.headers[field] = ", ".join(values)
    for field in [field for field in response.headers if field.lower().encode("latin-1") not in lines]:
        del response.headers[field]


def head_of(response: HttpResponseBase) -> ResponseHead | None:
    """Return status and fields, cookies among them."""
    fields = [
        *response.items(),
        *(("Set-Cookie", cookie.output(header="").strip()) for cookie in response.cookies.values()),
    ]
    return wsgi.head_of(f"{response.status_code} {response.reason_phrase}", fields)


def objection_to(request: HttpRequest) -> Reason | None:
    """Return why a response is for its visitor alone although its fields need not say so, or None.

    Middleware that stands outside may yet set a cookie; and a page that holds a CSRF token holds it, whatever becomes
    of the cookie.
    """
    session, messages = getattr(request, "session", None), getattr(request, "_messages", None)
    is_own = (
        _TOKEN_USED in request.META
        or (session is not None and session.modified)
        or (messages is not None and (messages.added_new or messages.used))
    )
    return Reason.SET_COOKIE if is_own else None
