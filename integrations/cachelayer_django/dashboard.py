"""The dashboard as views: in the admin by itself, or anywhere else.

    from cachelayer_django.dashboard import dashboard_urls

    urlpatterns = [path("cache/", include(dashboard_urls())), ...]

Who may see it is staff with the permission `cachelayer_django.view_dashboard`; to purge takes
`cachelayer_django.purge_cache`. Superusers have both.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any, Final

from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, path
from django.utils.crypto import salted_hmac
from django.views.decorators.csrf import csrf_exempt

from cachelayer.dashboard import Auth, Dashboard, Request, Role, User
from cachelayer.dashboard.messages import MOST_BODY_BYTES
from cachelayer.exchange.labels import DASHBOARD
from cachelayer_django.conf import get_cache

logger = logging.getLogger("cachelayer_django.dashboard")

VIEW: Final = "cachelayer_django.view_dashboard"
PURGE: Final = "cachelayer_django.purge_cache"


def staff(request: Request) -> User | None:
    """Return who asks, if that is a member of staff who has one of the permissions."""
    user: Any = getattr(request.source, "user", None)
    if user is None or not (user.is_active and user.is_staff):
        return None
    roles = {
        role for role, permission in ((Role.VIEW, VIEW), (Role.PURGE, PURGE)) if user.has_perm(permission)
    }
    if not roles:
        return None
    session: str = request.source.session.session_key or ""
    return User(user.get_username(), frozenset(roles), session)


def dashboard_urls(auth: Auth = staff, **options: Any) -> list[URLPattern]:
    """Return the dashboard's URLs, for `include`.

    Args:
        auth: tells users apart, as `cachelayer.dashboard.Dashboard` takes it; a request's `source` is Django's.
        options: of `cachelayer.dashboard.Dashboard`.
    """
    view = dashboard_view(auth, **options)
    return [path("", view, name="cachelayer_dashboard"), path("<path:path>", view)]


def dashboard_view(auth: Auth = staff, **options: Any) -> Any:
    """Return the dashboard as a view, which takes the rest of the path as `path`; see `dashboard_urls`."""
    made = _Views(auth, options)

    # It checks its own forms, and who may send them.
    @csrf_exempt
    def cachelayer_dashboard(request: HttpRequest, **place: str) -> HttpResponse:
        vars(request)["cachelayer_route"] = DASHBOARD  # who looks does not change what is seen
        return _answer(made.get(), request, place.get("path", ""))

    vars(cachelayer_dashboard)["cachelayer_auth"] = auth
    return cachelayer_dashboard


def auths_in_urls() -> Iterator[Any]:
    """Yield what tells users apart at the dashboards in the site's URLs."""
    yield from {id(auth): auth for auth in _auths(get_resolver())}.values()


class _Views:
    """A dashboard over the site's cache, which is another one once settings are overridden."""

    def __init__(self, auth: Auth, options: dict[str, Any]) -> None:
        self._auth, self._options = auth, options
        self.get = functools.cache(self._make)
        setting_changed.connect(self._forget)

    def _make(self) -> Dashboard:
        options = dict(self._options)
        options.setdefault(
            "secret_key", salted_hmac("cachelayer_django.dashboard", "", algorithm="sha256").digest()
        )
        return Dashboard(get_cache(), auth=self._auth, **options)

    def _forget(self, *, setting: str, **_: Any) -> None:
        if setting in {"CACHELAYER", "SECRET_KEY"}:
            self.get.cache_clear()


def _answer(dashboard: Dashboard, request: HttpRequest, place: str) -> HttpResponse:
    own = request.path_info.removesuffix(place).rstrip("/")
    asked = Request(
        method=request.method or "GET",
        path="/" + place,
        query=request.META.get("QUERY_STRING", ""),
        # The host as the site's settings know it, behind a proxy too: forms are checked against it.
        headers={
            **{name.lower(): value for name, value in request.headers.items()},
            "host": request.get_host(),
        },
        body=request.read(MOST_BODY_BYTES + 1),
        root=request.META.get("SCRIPT_NAME", "").rstrip("/") + own,
        source=request,
    )
    answer = dashboard.respond(asked)
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _auths(resolver: URLResolver) -> Iterator[Any]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _auths(pattern)
            continue
        auth = getattr(pattern.callback, "cachelayer_auth", None)
        if auth is not None:
            yield auth


def lets_strangers_in(auth: Any) -> bool:
    """Whether somebody who has shown nothing at all gets in."""
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - the application need not be installed

    stranger = HttpRequest()
    stranger.META.update(SERVER_NAME="localhost", SERVER_PORT="80")
    stranger.method = "GET"
    vars(stranger).update(user=AnonymousUser(), session={})
    try:
        return auth(Request(method="GET", path="/", source=stranger)) is not None
    except Exception as error:  # noqa: BLE001 - it is the site's own, and may need more than a check can give
        logger.info("%r cannot be checked: %r", auth, error)
        return False
