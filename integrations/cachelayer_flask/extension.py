"""The Flask extension."""

from __future__ import annotations

import os
import weakref
from typing import Any, Final, cast, overload

from flask import Flask, current_app, has_app_context

from cachelayer import Cache, StatsSnapshot
from cachelayer.cache import URL_VARIABLE
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.exchange import option_names
from cachelayer.functions.decorator import Decorator
from cachelayer.values.kinds import type_of
from cachelayer.wsgi import CacheMiddleware
from cachelayer_flask.functions import AppFunction
from cachelayer_flask.labels import route_label

#: How its settings in `app.config` begin.
PREFIX: Final = "CACHELAYER_"
_CACHE_OPTIONS: Final = ("backend", "namespace")


class CacheLayer:
    """Caches a Flask application's responses, and functions beside them.

    Each application has a cache of its own, in `app.extensions["cachelayer"]`. What this object does, it does with the
    cache of the current application, or of its only one.

    Args:
        app: the application; without it call `init_app` later, for as many applications as you like.
        options: those of `cachelayer.wsgi.CacheMiddleware`, and `namespace`. For an application, the setting
            `CACHELAYER_<OPTION>` in its `app.config` goes before the option given here. `default_ttl` is for
            responses and functions that name none.

    Raises:
        ConfigurationError: an option or setting cannot work.
        OptionTypeError: an option is unknown or has the wrong type.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        unknown = sorted(set(options) - set(_known()))
        if unknown:
            raise OptionTypeError(
                f"CacheLayer has no option {', '.join(unknown)}; it has {', '.join(_known())}"
            )
        self._options = options
        self._caches: weakref.WeakKeyDictionary[Flask, Cache] = weakref.WeakKeyDictionary()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put the cache around an application; call it after the settings are made."""
        if not isinstance(app, Flask):
            raise OptionTypeError(
                f"app must be a Flask application, not {app!r}; cachelayer.wsgi takes any WSGI one"
            )
        if "cachelayer" in app.extensions:
            raise ConfigurationError(
                f"{app!r} has a CacheLayer already; one is enough: leave one init_app() out"
            )
        options = {**self._options, **_settings(app)}
        cache = _make_cache(options)
        middleware = CacheMiddleware(
            app.wsgi_app, cache=cache, route=options.pop("route", None) or route_label, **options
        )
        app.wsgi_app = middleware  # type: ignore[method-assign] # as Flask's documentation says
        app.extensions["cachelayer"] = self._caches[app] = cache

    @property
    def cache(self) -> Cache:
        """The current application's cache."""
        if has_app_context():
            # What is behind the proxy: Werkzeug's own way to it.
            found = self._caches.get(cast(Any, current_app)._get_current_object())
            if found is not None:
                return found
        elif len(self._caches) == 1:
            return next(iter(self._caches.values()))
        raise ConfigurationError(
            "no application is current that this CacheLayer was given: call init_app(app), and use app.app_context()"
        )

    def stats(self) -> StatsSnapshot:
        """See `cachelayer.Cache.stats`."""
        return self.cache.stats()

    def invalidate_tags(self, *tags: str) -> int:
        """See `cachelayer.Cache.invalidate_tags`."""
        return self.cache.invalidate_tags(*tags)

    def clear(self) -> int:
        """See `cachelayer.Cache.clear`."""
        return self.cache.clear()

    @overload
    def cached(self, function: Any, /) -> Any: ...
    @overload
    def cached(self, /, **options: Any) -> Decorator: ...
    def cached(self, function: Any = None, /, **options: Any) -> Any:
        """Cache a function's results in the current application's cache; takes what `cachelayer.cached` takes."""
        for name in ("cache", "backend"):
            if name in options:
                raise ConfigurationError(
                    f"{name}= is the application's: leave it out, or use cachelayer.cached"
                )

        def decorate(decorated: Any) -> Any:
            if isinstance(decorated, (classmethod, staticmethod)):
                kind: Any = type_of(decorated)
                return kind(decorate(decorated.__func__))
            return AppFunction(decorated, options, lambda: self.cache)

        return cast(Decorator, decorate) if function is None else decorate(function)


def _known() -> tuple[str, ...]:
    return (*_CACHE_OPTIONS, *option_names())


def _settings(app: Flask) -> dict[str, Any]:
    """Return the options that the application's configuration has."""
    names = {PREFIX + name.upper(): name for name in _known()}
    config = cast("dict[str, Any]", app.config)
    given = {key: value for key, value in config.items() if key.startswith(PREFIX)}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ConfigurationError(
            f"app.config has {', '.join(unknown)}; cachelayer knows {', '.join(sorted(names))}"
        )
    return {names[key]: value for key, value in given.items()}


def _make_cache(options: dict[str, Any]) -> Cache:
    """Return the cache that the options name, or a new one, and take out of them what is only for it."""
    own = {name: options.pop(name) for name in _CACHE_OPTIONS if name in options}
    given = options.pop("cache", None)
    if given is None:
        backend = own.pop("backend", None) or os.environ.get(URL_VARIABLE)
        return Cache(backend, default_ttl=options.get("default_ttl"), **own)
    if own:
        raise ConfigurationError(
            f"cache= excludes {', '.join(own)}: the cache has its own; give one of the two"
        )
    if not isinstance(given, Cache):
        raise OptionTypeError(f"cache must be a Cache, not {type(given).__name__}: pass stores as backend=")
    return given
