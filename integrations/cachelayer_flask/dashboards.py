"""The dashboard as a blueprint."""

from __future__ import annotations

import hashlib
import weakref
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

from cachelayer import Cache
from cachelayer.dashboard import Dashboard
from cachelayer.errors import ConfigurationError
from cachelayer.exchange.labels import DASHBOARD, ROUTE


def make_blueprint(name: str, url_prefix: str, options: dict[str, Any]) -> Blueprint:
    """Return a blueprint that shows the cache of the application it is registered on.

    Args:
        name: of the blueprint.
        url_prefix: where the page is.
        options: those of `cachelayer.dashboard.Dashboard`.
    """
    blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
    made: weakref.WeakKeyDictionary[Flask, Dashboard] = weakref.WeakKeyDictionary()

    def make(state: BlueprintSetupState) -> None:
        app: Any = state.app
        made[app] = _make_dashboard(app, options)

    def answer(path: str = "") -> BaseResponse:
        app: Any = current_app
        dashboard = made[app._get_current_object()]  # what is behind the proxy: Werkzeug's own way to it
        environ, below = request.environ, f"/{path}".encode().decode("latin-1")
        environ[ROUTE] = DASHBOARD  # who looks does not change what is seen
        root = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"].removesuffix(below)
        asked = {**environ, "SCRIPT_NAME": root, "PATH_INFO": below}
        return Response.from_app(dashboard.wsgi_app, asked, buffered=True)

    blueprint.record(make)
    for rule in ("/", "/<path:path>"):
        blueprint.add_url_rule(rule, "dashboard", answer, methods=["GET", "POST"])
    return blueprint


def _make_dashboard(app: Flask, options: dict[str, Any]) -> Dashboard:
    cache: Cache | None = app.extensions.get("cachelayer")
    if cache is None:
        raise ConfigurationError(
            "the dashboard shows an application's cache: call CacheLayer.init_app(app) before"
        )
    secret = app.secret_key
    if secret is None or "secret_key" in options:
        return Dashboard(cache, **options)
    text = secret.encode() if isinstance(secret, str) else secret
    derived = hashlib.blake2b(text, digest_size=32, person=b"cachelayer-board").digest()
    return Dashboard(cache, secret_key=derived, **options)
