"""The setting `CACHELAYER`, and the cache that it makes.

CACHELAYER = {
    "BACKEND": "memory://",    # a URL or a backend; left out: CACHELAYER_URL in the environment, else memory
    "NAMESPACE": "shop",       # keeps this site's entries apart from others' in the same store
    "DEFAULT_TTL": 60,         # of responses and functions that name no lifetime; left out: by their headers only
    "RULES": [{"path": "/airports/*", "ttl": "5m"}],    # what a Rule takes, or Rules
    "CACHE_STATUS": None,      # and so on: every option of `cachelayer.asgi.CacheMiddleware`, in capitals
}
"""

from __future__ import annotations

import threading
from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

import cachelayer
from cachelayer import Cache, Rule, StatsSnapshot
from cachelayer.errors import CacheLayerError, ConfigurationError
from cachelayer.exchange import Caching, option_names

_CACHE_OPTIONS: Final = ("backend", "namespace")
#: What a site can set; the route is Django's to know.
_NAMES: Final = {name.upper(): name for name in (*_CACHE_OPTIONS, *option_names()) if name != "route"}


class _Site:
    """What has been made of the settings."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.caching: Caching | None = None
        #: Whether tests have changed the settings since they were read.
        self.overridden = False


_site: Final = _Site()


def get_caching() -> Caching:
    """Return what the middleware works with: one for the process, made of the settings at first use.

    Raises:
        ImproperlyConfigured: a setting is unknown or cannot work.
    """
    with _site.lock:
        if _site.caching is None:
            try:
                _site.caching = _make(read_settings())
            except CacheLayerError as error:
                raise ImproperlyConfigured(f"CACHELAYER: {error}") from error
        return _site.caching


def get_cache() -> Cache:
    """Return the site's cache."""
    return get_caching().bind().cache


def stats() -> StatsSnapshot:
    """See `cachelayer.Cache.stats`."""
    return get_cache().stats()


def invalidate_tags(*tags: str) -> int:
    """See `cachelayer.Cache.invalidate_tags`."""
    return get_cache().invalidate_tags(*tags)


def read_settings() -> dict[str, Any]:
    """Return `CACHELAYER` with the names that cachelayer's options have."""
    found: object = getattr(settings, "CACHELAYER", {})
    if not isinstance(found, dict):
        raise ImproperlyConfigured(f"CACHELAYER must be a dict, such as {{'DEFAULT_TTL': 60}}, not {found!r}")
    given = cast("dict[str, Any]", found)
    unknown = sorted(map(str, set(given) - set(_NAMES)))
    if unknown:
        raise ImproperlyConfigured(
            f"CACHELAYER has {', '.join(unknown)}; it can have {', '.join(sorted(_NAMES))}"
        )
    options = {_NAMES[name]: value for name, value in given.items()}
    if "rules" in options:
        options["rules"] = list(map(_rule, options["rules"]))
    return options


def _configure(backend: Any, default_ttl: Any, own: dict[str, Any]) -> Cache:
    try:
        return cachelayer.configure(backend, default_ttl=default_ttl, replace=_site.overridden, **own)
    except ConfigurationError as error:
        if "in use" not in str(error):
            raise
        raise ImproperlyConfigured(
            "CACHELAYER: a cached function was called before these settings were read: call "
            "cachelayer_django.get_cache() before it, such as first in an AppConfig's ready()"
        ) from error


def _rule(given: Any) -> Any:
    """Return the rule that a dict of its options stands for; anything else is for the policy to judge."""
    options: dict[str, Any] = given
    return Rule(**options) if isinstance(given, dict) else given


def _make(options: dict[str, Any]) -> Caching:
    cache = options.pop("cache", None)
    own: dict[str, Any] = {name: options.pop(name) for name in _CACHE_OPTIONS if name in options}
    if cache is None and (own or options.get("default_ttl") is not None):
        backend = own.pop("backend", None)
        # Functions that name no cache use it too. Overridden settings come after its first use, and mean it.
        cache = _configure(backend, options.get("default_ttl"), own)
    elif own:
        raise ImproperlyConfigured(
            f"CACHELAYER has CACHE and {', '.join(map(str.upper, own))}: the cache has its own"
        )
    return Caching(cache=cache, backend=None, route=None, **options)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CACHELAYER":
        _site.caching, _site.overridden = None, True


setting_changed.connect(_forget)
