"""For those who come from Flask-Caching: its names and options, over cachelayer's stores.

    from cachelayer_flask.compat import Cache

    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    @app.route("/")
    @cache.cached(timeout=50)
    def index(): ...

What differs, and how to go on from here, is in docs/flask.md. `Cache.layer` is the `cachelayer.Cache` underneath.
"""

from __future__ import annotations

from cachelayer_flask.compat.backends import BaseCache
from cachelayer_flask.compat.extension import Cache
from cachelayer_flask.compat.fragments import make_template_fragment_key
from cachelayer_flask.compat.signals import (
    cache_memoize_hit,
    cache_memoize_miss,
    cache_view_hit,
    cache_view_miss,
)
from cachelayer_flask.compat.values import CachedResponse

__all__ = [
    "BaseCache",
    "Cache",
    "CachedResponse",
    "cache_memoize_hit",
    "cache_memoize_miss",
    "cache_view_hit",
    "cache_view_miss",
    "make_template_fragment_key",
]
