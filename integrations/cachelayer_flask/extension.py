"""The Flask extension."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, overload

from flask import Blueprint, Flask, current_app, has_app_context

from cachelayer import Cache, StatsSnapshot
from cachelayer.default import URL_VARIABLE
from cachelayer.durations import Duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.exchange import option_names
from cachelayer.functions.decorator import Decorator
from cachelayer.purging import Purged
from cachelayer.values.kinds import type_of
from cachelayer.wsgi import CacheMiddleware
from cachelayer_flask import fragments
from cachelayer_flask.commands import group
from cachelayer_flask.dashboards import make_blueprint
from cachelayer_flask.functions import AppFunction
from cachelayer_flask.labels import route_label
from cachelayer_flask.signals import listener_of
from cachelayer_flask.views import CachedView

V = TypeVar("V", bound=Callable[..., Any])

#: How its settings in `app.config` begin.
PREFIX: Final = "CACHELAYER_"
_CACHE_OPTIONS: Final = ("backend", "namespace", "secret_keys", "shared_stats", "stats_dir", "stats_interval")
#: Options of the extension alone.
_OWN_OPTIONS: Final = ("signals",)


class CacheLayer:
    """Caches a Flask application's responses, and functions beside them.

    Each application has a cache of its own, in `app.extensions["cachelayer"]`. What this object does, it does with the
    cache of the current application, or of its only one.

    Args:
        app: the application; without it call `init_app` later, for as many applications as you like.
        options: those of `cachelayer.wsgi.CacheMiddleware`; `namespace`, `secret_keys` and those for statistics of
            `cachelayer.Cache`; and `signals=True`, which sends the signals of `cachelayer_flask.signals`. For an
            application, the setting `CACHELAYER_<OPTION>` in its `app.config` goes before the option given here.
            `default_ttl` is for responses, functions and fragments that name none.

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
        #: What each application's middleware was told.
        self._told: weakref.WeakKeyDictionary[Flask, dict[str, Any]] = weakref.WeakKeyDictionary()
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
        settings = _settings(app)
        try:
            self._attach(app, {**self._options, **settings})
        except (ConfigurationError, OptionTypeError) as error:
            named = [PREFIX + name.upper() for name in settings if name in str(error)]
            if not named:
                raise
            raise type(error)(f"{', '.join(named)}: {error}") from error

    def _attach(self, app: Flask, options: dict[str, Any]) -> None:
        cache = _make_cache(options)
        if _flag(options, "signals"):
            cache.add_listener(listener_of(app))
        middleware = CacheMiddleware(
            app.wsgi_app, cache=cache, route=options.pop("route", None) or route_label, **options
        )
        app.wsgi_app = middleware  # type: ignore[method-assign] # as Flask's documentation says
        app.extensions["cachelayer"] = self._caches[app] = cache
        self._told[app] = options
        fragments.install(app)
        app.cli.add_command(group)

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

    def purge(self, url: str | None = None, **options: Any) -> Purged:
        """See `cachelayer.Cache.purge`."""
        return self.cache.purge(url, **options)

    def clear(self) -> int:
        """See `cachelayer.Cache.clear`."""
        return self.cache.clear()

    # -- from within a view -----------------------------------------------------------------------------------

    def tag(self, *tags: str) -> None:
        """See `cachelayer.Cache.tag`."""
        self.cache.tag(*tags)

    def ttl(self, ttl: Duration, **options: Any) -> None:
        """See `cachelayer.Cache.ttl`."""
        self.cache.ttl(ttl, **options)

    def no_store(self) -> None:
        """See `cachelayer.Cache.no_store`."""
        self.cache.no_store()

    # -- the dashboard ----------------------------------------------------------------------------------------

    @staticmethod
    def dashboard(*, name: str = "cachelayer", url_prefix: str = "/cache", **options: Any) -> Blueprint:
        """Return a blueprint with the dashboard of the application that it is registered on.

        Args:
            name: of the blueprint.
            url_prefix: where the page is.
            options: those of `cachelayer.dashboard.Dashboard`: `auth` says who may see it and who may purge. Where it
                is a function, the application needs a SECRET_KEY; it is called in the request's context.
        """
        return make_blueprint(name, url_prefix, options)

    # -- decorators -------------------------------------------------------------------------------------------

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

    @overload
    def cached_view(self, view: V, /) -> V: ...
    @overload
    def cached_view(self, /, **options: Any) -> Callable[[V], V]: ...
    def cached_view(self, view: Any = None, /, **options: Any) -> Any:
        """Cache the responses of one view; the decorator goes below `@route`, and below what checks who asks.

        Hooks and decorators outside of it run before anything is served from the cache. A response is kept as the
        application's middleware would keep it: not if it says private or no-store, sets a cookie, or used the
        session; and requests with cookies or Authorization get the view's own answer, unless an option says otherwise.

        Args:
            view: the view, where the decorator is used bare.
            options: those of `cachelayer.Rule`, apart from `path`, `route` and `enabled`; and besides, or otherwise:
                `tags`, templates of the view's arguments, such as `["user:{id}"]`.
                `shared=True`: whoever gets as far as the view may have what others were given: requests with
                Authorization or session cookies are answered from the cache as well.
                `key`, called without arguments, returns who may share an entry, such as `lambda: g.user.id`; None has
                the response not cached. Then the session may be used, too.
                `bypass`, called without arguments, tells which requests are not looked up.

        Raises:
            ConfigurationError: an option cannot work.
            OptionTypeError: an option is unknown or has the wrong type.
        """

        def decorate(function: Any) -> Any:
            cached = CachedView(function, dict(options), self._here)

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return cached(args, kwargs)

            cast(Any, wrapper).uncached = function
            return wrapper

        return decorate if view is None else decorate(view)

    def _here(self) -> tuple[Flask, Cache, dict[str, Any]]:
        app: Flask = cast(Any, current_app)._get_current_object()
        return app, self.cache, self._told[app]


def _known() -> tuple[str, ...]:
    return (*_CACHE_OPTIONS, *_OWN_OPTIONS, *option_names())


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


def _flag(options: dict[str, Any], name: str) -> bool:
    value = options.pop(name, False)
    if not isinstance(value, bool):
        raise OptionTypeError(f"{name} must be True or False, not {value!r}")
    return value


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
