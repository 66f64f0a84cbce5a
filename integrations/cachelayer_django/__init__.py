"""cachelayer for Django.

    MIDDLEWARE = ["cachelayer_django.middleware.CacheLayerMiddleware", ...]     # first, outside of all others
    CACHELAYER = {"BACKEND": "memory://", "DEFAULT_TTL": "1m", "RULES": [Rule(path="/static/*", ttl="1h")]}

Responses are cached by what they say themselves (`Cache-Control: max-age=60`, as `cache_control` and
`patch_response_headers` write it), by rules, and by `DEFAULT_TTL`. `private`, `no-store`, `Set-Cookie`, sessions and
pages with a CSRF token are guarded. Statistics are kept by the route that matched, such as `GET /airports/<code>/`.

Functions are cached by `cachelayer.cached`: they use the same cache, since these settings make the process's default.
Single views are cached by `cached_view`, fragments of templates by `{% cachelayer %}`, and Django's own cache API is
served by `cachelayer_django.cache.CacheLayerCache`. Models are tied to tags in `cachelayer_django.signals`. See
docs/django.md.
"""

from __future__ import annotations

from cachelayer import cached
from cachelayer.errors import MissingExtraError
from cachelayer.http import Rule

try:
    from cachelayer_django.conf import get_cache, invalidate_tags, purge, stats
    from cachelayer_django.decorators import cached_view
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "django":
        raise
    raise MissingExtraError("cachelayer_django", "django") from error

__all__ = ["Rule", "cached", "cached_view", "get_cache", "invalidate_tags", "purge", "stats"]
