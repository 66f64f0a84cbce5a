"""The dashboard in a Starlette application, for the users that the application knows [integrations 20]."""

import pytest
from cachelayer_starlette import CacheMiddleware
from cachelayer_starlette.dashboard import dashboard_users
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Mount
from starlette.testclient import TestClient

from cachelayer import Cache
from cachelayer.dashboard import Dashboard, Request, Role

SCOPES = {"ann": ["cachelayer.view"], "eve": ["cachelayer.view", "cachelayer.purge"], "bo": ["shop"]}


class ByField(AuthenticationBackend):
    """Knows users by a field of their own."""

    async def authenticate(self, conn):
        """Return the user and what they may do."""
        name = conn.headers.get("x-user")
        return None if name is None else (AuthCredentials(SCOPES[name]), SimpleUser(name))


@pytest.mark.parametrize(("name", "status"), [("ann", 200), ("eve", 200), ("bo", 404), (None, 404)])
def test_who_has_the_scope_may_look(name, status):
    """Through the middleware, which never keeps what the dashboard shows."""
    cache = Cache()
    dashboard = Dashboard(cache, auth=dashboard_users(), secret_key="the same in every worker")
    app = Starlette(
        routes=[Mount("/cache", dashboard.asgi_app)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=ByField()),
            Middleware(CacheMiddleware, cache=cache, default_ttl=60),
        ],
    )
    headers = {} if name is None else {"x-user": name}
    answers = [TestClient(app).get("/cache/", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert not any("; hit" in answer.headers.get("cache-status", "") for answer in answers)


@pytest.mark.parametrize(("name", "roles"), [("ann", {Role.VIEW}), ("eve", {Role.VIEW, Role.PURGE})])
def test_a_scope_is_a_role(name, roles):
    """And the audit log has the user's name."""
    source = {"type": "http", "user": SimpleUser(name), "auth": AuthCredentials(SCOPES[name])}
    user = dashboard_users()(Request(method="GET", path="/", source=source))
    assert (user.name, user.roles) == (name, roles)


def test_without_authentication_nobody_is_known():
    """Where the middleware for it is missing, nobody gets in."""
    for source in (None, {"type": "http"}):
        assert dashboard_users()(Request(method="GET", path="/", source=source)) is None


def test_scopes_have_the_names_that_the_application_gives_them():
    """Such as one for all of its administration."""
    source = {"type": "http", "user": SimpleUser("bo"), "auth": AuthCredentials(["shop"])}
    user = dashboard_users(purge="shop")(Request(method="GET", path="/", source=source))
    assert user.roles == {Role.PURGE}
