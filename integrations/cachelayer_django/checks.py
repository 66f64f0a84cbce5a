"""System checks: settings that cannot work, and those that work otherwise than one would think.

| id | what |
|---|---|
| cachelayer.E001 | `CACHELAYER` cannot work |
| cachelayer.E002 | an entry of `CACHES` cannot work |
| cachelayer.E003 | the middlewares of a pair stand the wrong way round |
| cachelayer.E004 | one of the middlewares stands in `MIDDLEWARE` twice |
| cachelayer.E005 | a dashboard lets strangers in (with `--deploy`) |
| cachelayer.E006 | `CACHE_MIDDLEWARE_ALIAS` names no cache that pages can be kept in |
| cachelayer.W001 | a middleware stands outside of the cache that had better stand inside |
| cachelayer.W002 | responses are cached twice |
| cachelayer.W003 | a store in memory, with several workers |
| cachelayer.W004 | pickles in a shared store are not signed |
| cachelayer.W005 | `TIMEOUT` is no number, and Django takes 300 for it |
| cachelayer.W006 | one middleware of a pair stands alone, and does nothing |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from cachelayer_django.conf import get_cache, get_page_caching
from cachelayer_django.dashboard import auths_in_urls, lets_strangers_in
from cachelayer_django.stores import our_entries, our_stores, store_of

LAYER: Final = "cachelayer_django.middleware.CacheLayerMiddleware"
UPDATE: Final = "cachelayer_django.middleware.UpdateCacheMiddleware"
FETCH: Final = "cachelayer_django.middleware.FetchFromCacheMiddleware"
#: What keeps pages by Django's manners: the pair, and both in one.
_PAGES: Final = frozenset({UPDATE, FETCH, "cachelayer_django.middleware.CacheMiddleware"})
_DJANGOS: Final = (
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.cache.CacheMiddleware",
)
#: Middlewares whose work had better be in what is stored, with what it costs where it is not.
_INSIDE: Final = {
    "django.middleware.gzip.GZipMiddleware": "each hit is compressed anew",
    "django.middleware.http.ConditionalGetMiddleware": "each hit's ETag is computed anew",
}
_WORKERS: Final = ("WEB_CONCURRENCY", "GUNICORN_WORKERS")

Messages = Iterator[checks.CheckMessage]


def check_setting(**_: Any) -> Messages:
    """Look at `CACHELAYER`."""
    try:
        get_cache()
    except ImproperlyConfigured as error:
        yield checks.Error(str(error), id="cachelayer.E001")


def check_caches(**_: Any) -> Messages:
    """Look at those entries of `CACHES` that are ours."""
    for alias, given in our_entries():
        try:
            store = store_of(given)
        except ImproperlyConfigured as error:
            yield checks.Error(str(error), obj=f"CACHES[{alias!r}]", id="cachelayer.E002")
            continue
        if store.backend.shared and not given.get("OPTIONS", {}).get("SIGNED", True):
            yield checks.Warning(
                f"CACHES[{alias!r}] has pickles in a shared store that are not signed",
                hint="Whoever can write to that store can run code here: take SIGNED out of OPTIONS.",
                id="cachelayer.W004",
            )
        if not _is_timeout(given.get("TIMEOUT", 300)):
            yield checks.Warning(
                f"CACHES[{alias!r}] has TIMEOUT={given['TIMEOUT']!r}, for which Django takes 300",
                hint="Give whole seconds, or None for ever.",
                id="cachelayer.W005",
            )


def check_middleware(**_: Any) -> Messages:
    """Look at the order of `MIDDLEWARE`."""
    names = [str(name) for name in settings.MIDDLEWARE]
    ours = [name for name in names if name in {LAYER, *_PAGES}]
    for name in dict.fromkeys(name for name in ours if ours.count(name) > 1):
        yield checks.Error(f"MIDDLEWARE has {name} more than once", id="cachelayer.E004")
    if UPDATE in names and FETCH in names and names.index(UPDATE) > names.index(FETCH):
        yield checks.Error(
            "MIDDLEWARE has UpdateCacheMiddleware after FetchFromCacheMiddleware",
            hint="Put UpdateCacheMiddleware first and FetchFromCacheMiddleware last.",
            id="cachelayer.E003",
        )
    if (UPDATE in names) != (FETCH in names):
        there, missing = sorted((UPDATE, FETCH), key=names.count, reverse=True)
        yield checks.Warning(
            f"MIDDLEWARE has {there} without {missing.rpartition('.')[2]}: nothing is cached",
            hint=f"Add {missing}: UpdateCacheMiddleware first, and FetchFromCacheMiddleware last.",
            id="cachelayer.W006",
        )
    if _PAGES.intersection(names):
        yield from _alias()
    if len(caching := [name for name in names if name in {*ours, *_DJANGOS}]) > 1 and not _is_pair(caching):
        yield checks.Warning(
            f"MIDDLEWARE caches responses more than once: {', '.join(caching)}",
            hint="Keep one of them.",
            id="cachelayer.W002",
        )
    if LAYER in names:
        yield from _outside(names[: names.index(LAYER)])


def _alias() -> Messages:
    try:
        get_page_caching(settings.CACHE_MIDDLEWARE_ALIAS)
    except ImproperlyConfigured as error:
        yield checks.Error(str(error), id="cachelayer.E006")


def _outside(names: list[str]) -> Messages:
    for name in names:
        if name in _INSIDE:
            yield checks.Warning(
                f"MIDDLEWARE has {name} before CacheLayerMiddleware: {_INSIDE[name]}",
                hint="Put it after; see docs/django.md for the order.",
                id="cachelayer.W001",
            )


def check_workers(**_: Any) -> Messages:
    """Look for stores that each worker would have to itself; where the number of workers is not known, say so."""
    said = [f"{name}={os.environ[name]}" for name in _WORKERS if os.environ.get(name, "1").strip() != "1"]
    if (said or not settings.DEBUG) and (local := list(_local_stores())):
        workers = (
            f"There are several workers ({', '.join(said)})" if said else "Where there are several workers"
        )
        yield checks.Warning(
            f"{' and '.join(local)}: kept in memory, so that each worker process has a cache of its own",
            hint=f"{workers}: an invalidation reaches one of them, and each computes by itself. Take a shared store.",
            id="cachelayer.W003",
        )


def check_dashboards(**_: Any) -> Messages:
    """Look for dashboards in the site's URLs whose `auth` lets in whoever comes."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    for auth in auths_in_urls():
        if lets_strangers_in(auth):
            yield checks.Error(
                f"a dashboard of the cache is in the URLs, and its auth, {auth!r}, lets strangers in",
                hint="Leave auth= out: then it takes staff with a permission.",
                id="cachelayer.E005",
            )


def register_all() -> None:
    """Register these checks; those for production run with `check --deploy`, and with the number of workers known."""
    for check in (check_setting, check_caches, check_middleware):
        _register(check)
    if any(os.environ.get(name, "1").strip() != "1" for name in _WORKERS):
        _register(check_workers)
    else:
        _register(check_workers, deploy=True)
    _register(check_dashboards, deploy=True)


def _register(check: Callable[..., Messages], **how: bool) -> None:
    def listed(**options: Any) -> Iterable[checks.CheckMessage]:
        return list(check(**options))

    listed.__name__ = check.__name__
    checks.register("cachelayer", **how)(listed)


def _local_stores() -> Iterator[str]:
    """Yield the settings whose stores are this process's own."""
    try:
        if LAYER in settings.MIDDLEWARE and not get_cache().backend.shared:
            yield "CACHELAYER"
        for alias, store in our_stores():
            if not store.backend.shared:
                yield f"CACHES[{alias!r}]"
    except ImproperlyConfigured:
        pass  # an error of its own


def _is_pair(names: list[str]) -> bool:
    pairs = ([UPDATE, FETCH], [FETCH, UPDATE], list(_DJANGOS[:2]), list(_DJANGOS[1::-1]))
    return names in pairs


def _is_timeout(value: Any) -> bool:
    try:
        int(0 if value is None else value)
    except (TypeError, ValueError):
        return False
    return True
