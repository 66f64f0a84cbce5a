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
from django.core.cache import DEFAULT_CACHE_ALIAS, InvalidCacheBackendError, caches
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

import cachelayer
from cachelayer import Cache, CacheBackend, Rule, StatsSnapshot
from cachelayer.errors import CacheLayerError, ConfigurationError
from cachelayer.exchange import Caching, option_names
from cachelayer.http.cookies import ANALYTICS_COOKIES, SESSION_COOKIES
from cachelayer.purging import Purged
from cachelayer.values.kinds import type_of
from cachelayer_django.stores import our_stores

_CACHE_OPTIONS: Final = ("backend", "namespace")
#: What a site can set; the route is Django's to know.
_NAMES: Final = {name.upper(): name for name in (*_CACHE_OPTIONS, *option_names()) if name != "route"}

#: Keeps pages by Django's manners, and fragments, apart from other entries of the same store.
_PAGES: Final = "pages"


class _Site:
    """What has been made of the settings."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.caching: Caching | None = None
        #: For single views, in the site's cache.
        self.views: Caching | None = None
        #: For pages by Django's manners, by the alias in `CACHES`.
        self.pages: dict[str, Caching] = {}
        #: The caches over the stores of `CACHES`.
        self.over: dict[CacheBackend, Cache] = {}
        #: Whether tests have changed the settings since they were read.
        self.overridden = False
        #: The cache that was made of the settings, with a store that is nobody else's.
        self.own: Cache | None = None


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


def get_view_caching() -> Caching:
    """Return what `cached_view` works with: the site's cache and options, but for rules and `DEFAULT_TTL`."""
    with _site.lock:
        if _site.views is None:
            options = _options_of_views(read_settings())
            # What Django does with its own cookies it says: by Vary, or by what it has touched.
            options["ignore_cookies"] = (*options.get("ignore_cookies", ANALYTICS_COOKIES), *_own_cookies())
            _site.views = Caching(cache=get_cache(), **options)
        return _site.views


def get_page_caching(alias: str) -> Caching:
    """Return what `cache_page` and the pair of middlewares work with.

    Args:
        alias: of `CACHES`. Where it is "default", and no cache of ours, pages are kept in the site's cache.

    Raises:
        ImproperlyConfigured: there is no such alias, or it is no cache of ours.
    """
    with _site.lock:
        if alias not in _site.pages:
            options = _options_of_views(read_settings())
            # Django knows who a page is for by its Vary alone.
            options["ignore_cookies"] = ("*",)
            _site.pages[alias] = Caching(
                cache=cache_at(alias, named="CACHE_MIDDLEWARE_ALIAS, or cache=,"), **options
            )
        return _site.pages[alias]


def cache_at(alias: str, *, named: str) -> Cache:
    """Return the cache over the store of an alias of `CACHES`.

    Args:
        alias: where it is "default", and no cache of ours, the site's cache takes its place.
        named: what the alias was named by, for errors.

    Raises:
        ImproperlyConfigured: there is no such alias, or it is no cache of ours.
    """
    # Not at the top: caches are made when their first is asked for, and settings may be read before.
    from cachelayer_django.cache import CacheLayerCache  # noqa: PLC0415

    try:
        found = caches[alias]
    except InvalidCacheBackendError as error:
        raise ImproperlyConfigured(f"{named} is {alias!r}: {error}") from error
    if isinstance(found, CacheLayerCache):
        return _cache_over(found.store.origin, alias)
    if alias == DEFAULT_CACHE_ALIAS:
        return get_cache()
    raise ImproperlyConfigured(
        f"{named} is {alias!r}, and CACHES[{alias!r}] is {type(found).__qualname__}: it has to be a "
        "cachelayer_django.cache.CacheLayerCache; else take Django's own"
    )


def get_cache() -> Cache:
    """Return the site's cache."""
    return get_caching().bind().cache


def get_caches() -> list[Cache]:
    """Return the site's cache, and those over stores of `CACHES` in which pages or fragments may be.

    Of a shared one nobody knows what other processes have put there; what is in memory is known.
    """
    with _site.lock:
        for alias, store in our_stores():
            if store.backend.shared:
                _cache_over(store.origin, alias)
        return [get_cache(), *_site.over.values()]


def is_outside(name: str, layer: str) -> bool:
    """Whether a middleware stands before another one in `MIDDLEWARE`."""
    names = [str(one) for one in settings.MIDDLEWARE]
    return name in names and layer in names and names.index(name) < names.index(layer)


def stats() -> StatsSnapshot:
    """See `cachelayer.Cache.stats`."""
    return get_cache().stats()


def invalidate_tags(*tags: str) -> int:
    """See `cachelayer.Cache.invalidate_tags`; what is in the stores of `CACHES` is reached, too."""
    return sum(cache.invalidate_tags(*tags) for cache in get_caches())


def purge(
    url: str | None = None,
    *,
    tag: str | None = None,
    route: str | None = None,
    prefix: str | None = None,
    soft: bool = False,
    dry_run: bool = False,
) -> Purged:
    """See `cachelayer.Cache.purge`; pages that are cached by Django's manners are reached, too."""
    done = [
        cache.purge(url, tag=tag, route=route, prefix=prefix, soft=soft, dry_run=dry_run)
        for cache in get_caches()
    ]
    counts = [each.count for each in done]
    total = None if None in counts else sum(count for count in counts if count is not None)
    return Purged(total, exact=all(each.exact for each in done), dry_run=dry_run)


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
    # Whatever this site calls them.
    options.setdefault("session_cookies", (*SESSION_COOKIES, *_own_cookies()[:2]))
    if "rules" in options:
        options["rules"] = _rules(options["rules"])
    return options


def _configure(backend: Any, default_ttl: Any, own: dict[str, Any]) -> Cache:
    try:
        made = cachelayer.configure(backend, default_ttl=default_ttl, replace=_site.overridden, **own)
        if _site.own is not None:
            _site.own.close()
        _site.own = None if isinstance(backend, CacheBackend) else made
        return made
    except ConfigurationError as error:
        if "in use" not in str(error):
            raise
        raise ImproperlyConfigured(
            "CACHELAYER: a cached function was called before these settings were read: call "
            "cachelayer_django.get_cache() before it, such as first in an AppConfig's ready()"
        ) from error


def _rules(given: Any) -> list[Any]:
    if type_of(given) not in (list, tuple):
        raise ImproperlyConfigured(f"CACHELAYER: RULES must be a list of rules, not {given!r}")
    return [_rule(one) for one in given]


def _rule(given: Any) -> Any:
    """Return the rule that a dict of its options stands for; anything else is for the policy to judge."""
    if type_of(given) is not dict:
        return given
    try:
        return Rule(**given)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"CACHELAYER: RULES has {given!r}: {error}") from error


def _make(options: dict[str, Any]) -> Caching:
    cache = options.pop("cache", None)
    own: dict[str, Any] = {name: options.pop(name) for name in _CACHE_OPTIONS if name in options}
    if cache is None and (own or options.get("default_ttl") is not None or _site.own is not None):
        backend = own.pop("backend", None)
        # Functions that name no cache use it too. Overridden settings come after its first use, and mean it.
        cache = _configure(backend, options.get("default_ttl"), own)
    elif own:
        raise ImproperlyConfigured(
            f"CACHELAYER has CACHE and {', '.join(map(str.upper, own))}: the cache has its own"
        )
    return Caching(cache=cache, backend=None, route=None, **options)


def _own_cookies() -> tuple[str, ...]:
    """Return the names of Django's own cookies; the first two identify a visitor."""
    return settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME, "messages"


def _options_of_views(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the middleware that hold for single views."""
    return {
        name: value
        for name, value in options.items()
        if name not in {*_CACHE_OPTIONS, "cache", "default_ttl", "rules"}
    }


def _cache_over(store: CacheBackend, alias: str) -> Cache:
    with _site.lock:
        if store not in _site.over:
            _site.over[store] = Cache(store, namespace=_PAGES, name=f"pages of {alias}")
        return _site.over[store]


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CACHELAYER":
        _site.caching, _site.views, _site.overridden = None, None, True
    if setting in {"CACHELAYER", "CACHES"}:
        over, _site.pages, _site.over = _site.over, {}, {}
        for cache in over.values():
            # The store is not this cache's own, what it writes down is.
            cache.recorder.close()


setting_changed.connect(_forget)
