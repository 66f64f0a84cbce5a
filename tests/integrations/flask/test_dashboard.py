"""The dashboard as a blueprint: who sees it, what it shows, and a purge from its page's JSON."""

import pytest
from cachelayer_flask import CacheLayer, Rule
from flask import Flask, session

from cachelayer import CacheLayerError
from cachelayer.dashboard import Basic, Role, User

PASSWORDS = {"view": {"eve": "correct horse"}, "purge": {"ann": "battery staple"}}


def make_app(prefix="/cache", **options):
    """Return an application with a page and a dashboard."""
    app = Flask(__name__)
    app.secret_key = "a test's, and long enough"
    cache = CacheLayer(app, rules=[Rule(path="/*", ttl=60)])

    @app.get("/users/<int:user>")
    def show(user):
        return f"user {user}"

    app.register_blueprint(cache.dashboard(url_prefix=prefix, **options))
    return app


@pytest.mark.parametrize("prefix", ["/cache", "/intern/über"], ids=["plain", "umlaut"])
def test_those_who_may_see_it_see_the_figures(prefix):
    """On a page and as JSON, never from the cache that it is about [integrations 12]."""
    app = make_app(prefix, auth=Basic(**PASSWORDS))
    client = app.test_client()
    client.get("/users/7")
    assert client.get(f"{prefix}/").status_code == 401
    eve = {"auth": ("eve", "correct horse")}
    page = client.get(f"{prefix}/", **eve)
    assert (page.status_code, "GET /users/&lt;int:user&gt;" in page.text) == (200, True)
    assert page.headers["cache-control"].startswith("no-store")
    report = client.get(f"{prefix}/api/report", **eve)
    assert "GET /users/<int:user>" in {one["route"] for one in report.get_json()["routes"]}
    assert "hit" not in client.get(f"{prefix}/", **eve).headers.get("cache-status", "")
    assert client.get(f"{prefix}/none", **eve).status_code == 404


def test_a_purge_by_those_who_may():
    """It takes the token that the session's call gives [integrations 12]."""
    app = make_app(auth=Basic(**PASSWORDS))
    client, ann = app.test_client(), {"auth": ("ann", "battery staple")}
    client.get("/users/7")
    told = client.get("/cache/api/session", **ann).get_json()
    what = {
        "json": {"kind": "route", "value": "GET /users/<int:user>"},
        "headers": {"Origin": "http://localhost"},
    }
    refused = client.post("/cache/api/purge", **what, **ann)
    what["headers"]["X-CSRF-Token"] = next(value for name, value in told.items() if "token" in name)
    done = client.post("/cache/api/purge", **what, **ann)
    assert (refused.status_code, done.status_code) == (403, 200), (told, done.text)
    assert "fwd=uri-miss" in client.get("/users/7").headers["cache-status"]


def test_the_applications_own_users():
    """By a function in the request's context, with the application's SECRET_KEY [integrations 12]."""

    def who(request):
        name = session.get("name")
        return None if name is None else User(name, frozenset({Role.VIEW}))

    app = make_app(auth=who)
    client = app.test_client()
    assert client.get("/cache/").status_code == 404
    with client.session_transaction() as data:
        data["name"] = "eve"
    assert client.get("/cache/").status_code == 200


def test_what_cannot_work_shows_when_it_is_registered():
    """An application without a cache, options that are unknown or missing [integrations 12]."""
    cache = CacheLayer()
    with pytest.raises(CacheLayerError, match="init_app"):
        Flask("none").register_blueprint(cache.dashboard(auth=Basic(**PASSWORDS)))
    app = Flask("other")
    cache.init_app(app)
    with pytest.raises(TypeError, match="auth"):
        app.register_blueprint(cache.dashboard(name="second"))
    with pytest.raises(CacheLayerError, match="secret_key"):
        app.register_blueprint(cache.dashboard(name="third", auth=lambda request: None))
