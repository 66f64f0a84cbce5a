"""cachelayer for Flask.

    cache = CacheLayer()

    @cache.cached(ttl="5m")
    def airport(code): ...

    def create_app():
        app = Flask(__name__)
        app.config["CACHELAYER_BACKEND"] = "memory://"
        cache.init_app(app)
        return app

    @app.get("/airports/<code>")
    @cache.cached_view(ttl="5m", tags=["airport:{code}"])
    def show_airport(code): ...

Around the whole application what says `Cache-Control: max-age=60` is kept for a minute, and rules and
`CACHELAYER_DEFAULT_TTL` cover those that say nothing. Statistics are kept by the rule that matched, such as
`GET /airports/<code>`. Templates have `{% cache "name", ttl="5m" %}`, the command line `flask cachelayer`, and those
who come from Flask-Caching `cachelayer_flask.compat`. See docs/flask.md.
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
