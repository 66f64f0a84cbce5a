"""cachelayer for Flask.

    cache = CacheLayer()

    @cache.cached(ttl="5m")
    def airport(code): ...

    def create_app():
        app = Flask(__name__)
        app.config["CACHELAYER_BACKEND"] = "memory://"
        cache.init_app(app)
        return app

Responses are cached by the whole application: what says `Cache-Control: max-age=60` is kept for a minute, and rules and
`CACHELAYER_DEFAULT_TTL` cover those that say nothing. Statistics are kept by the rule that matched, such as
`GET /airports/<code>`.
"""

from __future__ import annotations

from cachelayer.errors import MissingExtraError
from cachelayer.http import Rule

try:
    from cachelayer_flask.extension import CacheLayer
except ModuleNotFoundError as error:
    if error.name != "flask":
        raise
    raise MissingExtraError("cachelayer_flask", "flask") from error

from cachelayer_flask.labels import route_label

__all__ = ["CacheLayer", "Rule", "route_label"]
