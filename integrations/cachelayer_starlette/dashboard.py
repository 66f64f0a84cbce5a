"""Who may see the dashboard, by the users that Starlette's `AuthenticationMiddleware` knows."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import HTTPConnection

from cachelayer.dashboard import Auth, Request, Role, User


def dashboard_users(*, view: str = "cachelayer.view", purge: str = "cachelayer.purge") -> Auth:
    """Return what tells a `Dashboard` who asks: the user that the application has recognised.

    Args:
        view: who has this scope among their credentials may look.
        purge: who has this one may purge, too.

    Example:
        >>> from cachelayer import Cache
        >>> from cachelayer.dashboard import Dashboard
        >>> from fastapi import FastAPI
        >>> app = FastAPI()
        >>> dashboard = Dashboard(Cache(), auth=dashboard_users(), secret_key="the same text in every worker")
        >>> app.mount("/cache", dashboard.asgi_app)
    """
    roles = {view: Role.VIEW, purge: Role.PURGE}

    def recognise(request: Request) -> User | None:
        scope = cast("dict[str, Any] | None", request.source)
        if not scope or "user" not in scope:
            return None
        connection = HTTPConnection(scope)
        found = frozenset(role for name, role in roles.items() if name in connection.auth.scopes)
        if not found or not connection.user.is_authenticated:
            return None
        return User(str(connection.user.display_name), found)

    return recognise
