"""`Cache`, as Flask-Caching has it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from flask import Flask, current_app

import cachelayer
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer_flask.compat.calls import Options
from cachelayer_flask.compat.fragments import install
from cachelayer_flask.compat.memoized import forget, make_memoized
from cachelayer_flask.compat.proxies import Proxies
from cachelayer_flask.compat.settings import Settings, check_hash_method
from cachelayer_flask.compat.store import Store
from cachelayer_flask.compat.timeouts import Timeout, seconds_of
from cachelayer_flask.compat.viewkeys import QueryArgs
from cachelayer_flask.compat.views import make_view

#: Where an application has its stores, by extension.
EXTENSION: Final = "cache"


class Cache(Proxies):
    """Flask-Caching's extension, over cachelayer.

    Args:
        app: the application; without it call `init_app` later.
        with_jinja2_ext: let its templates use `{% cache %}`.
        config: settings that go before those of the application.

    Raises:
        ConfigurationError: a setting cannot work; the message names it.
        OptionTypeError: a setting is of the wrong type.
    """

    def __init__(
        self, app: Flask | None = None, with_jinja2_ext: bool = True, config: dict[str, Any] | None = None
    ) -> None:
        self.with_jinja2_ext = with_jinja2_ext
        self.config = _checked(config)
        self.app: Flask | None = None
        self._settings: weakref.WeakKeyDictionary[Flask, Settings] = weakref.WeakKeyDictionary()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, config: dict[str, Any] | None = None) -> None:
        """Give an application a store of its own.

        Args:
            app: the application.
            config: settings that go before all others.
        """
        settings = Settings(app, {**self.config, **_checked(config)})
        layer = cachelayer.Cache(settings.backend, secret_keys=settings.secret_keys, name=app.name)
        app.extensions.setdefault(EXTENSION, {})[self] = Store(layer, settings)
        self._settings[app] = settings
        self.app = app
        if self.with_jinja2_ext:
            install(app.jinja_env, self)

    @property
    def cache(self) -> Store:
        """The current application's store, or that of the application which came last."""
        stores: Mapping[Cache, Store] = self.current.extensions[EXTENSION]
        return stores[self]

    @property
    def layer(self) -> cachelayer.Cache:
        """The `cachelayer.Cache` underneath: statistics, tags, listeners."""
        return self.cache.layer

    @property
    def settings(self) -> Settings:
        """The current application's settings."""
        return self._settings[self.current]

    @property
    def current(self) -> Flask:
        """The current application, or the one that came last where none is current."""
        # What is behind the proxy: Werkzeug's own way to it.
        app = cast(Any, current_app)._get_current_object() if current_app else self.app
        if app is None or app not in self._settings:
            raise ConfigurationError(
                "no application is current that this Cache was given: call init_app(app)"
            )
        return app

    # -- what is decorated ------------------------------------------------------------------------------------

    def cached(  # noqa: PLR0917 - as Flask-Caching has it
        self,
        timeout: Timeout = None,
        key_prefix: str | Callable[[], str] = "view/%s",
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        is_stale: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        query_string: bool = False,
        hash_method: Callable[..., Any] | None = None,
        cache_none: bool = False,
        make_cache_key: Callable[..., Any] | None = None,
        source_check: bool | None = None,
        response_hit_indication: bool | None = False,
    ) -> Callable[[Callable[..., Any]], Any]:
        """Cache what a view returns, or another function, under one key.

        A page that used the session, sets a cookie, or says `private` or `no-store` is not stored where the key is made
        of the request's path alone.

        Args:
            timeout: seconds or a timedelta; None is the application's default, 0 for ever.
            key_prefix: the key, in which "%s" stands for the request's path; or a callable that returns the key.
            unless: the cache is passed by where this returns True; called with the function and its arguments, if
                it takes any.
            forced_update: where this returns True the function is called and its result stored, whatever is there.
            is_stale: called with what is stored, and the arguments, if it takes them: True has it computed anew.
            response_filter: called with the result; where it returns false the result is not stored.
            query_string: the query is part of the key, its parameters in any order.
            hash_method: makes the hash of the query; None is the application's CACHE_HASH_METHOD.
            cache_none: None is a result like others.
            make_cache_key: called with the function's arguments, returns the key.
            source_check: the function's source is part of the key; None is the application's CACHE_SOURCE_CHECK.
            response_hit_indication: responses from the cache have the field `hit_cache`.

        Returns:
            A decorator. The function that it makes has `uncached`, `cache_timeout` and `make_cache_key`.
        """
        _check(timeout, hash_method)
        options = Options(
            unless=unless, forced_update=forced_update, is_stale=is_stale,
            response_filter=response_filter, cache_none=cache_none,
        )  # fmt: skip
        return lambda function: make_view(
            self,
            function,
            options,
            timeout=timeout,
            key_prefix=key_prefix,
            query_string=query_string,
            hash_method=hash_method,
            make_cache_key=make_cache_key,
            source_check=source_check,
            indicates_hits=bool(response_hit_indication),
        )

    def memoize(  # noqa: PLR0917 - as Flask-Caching has it
        self,
        timeout: Timeout = None,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        is_stale: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        hash_method: Callable[..., Any] | None = None,
        cache_none: bool = False,
        source_check: bool | None = None,
        args_to_ignore: list[str] | None = None,
    ) -> Callable[[Callable[..., Any]], Any]:
        """Cache a function's results by its arguments.

        Args:
            timeout: as for `cached`, and so are `unless`, `forced_update`, `is_stale`, `response_filter`,
                `hash_method`, `cache_none` and `source_check`.
            make_name: called with the function's name, returns the one that the key has.
            unless: see `cached`.
            forced_update: see `cached`.
            is_stale: see `cached`.
            response_filter: see `cached`.
            hash_method: see `cached`.
            cache_none: see `cached`.
            source_check: see `cached`.
            args_to_ignore: names of parameters that make no difference.

        Returns:
            A decorator. The function that it makes has `uncached`, `cache_timeout`, `make_cache_key` and
            `delete_memoized`.
        """
        _check(timeout, hash_method)
        options = Options(
            unless=unless, forced_update=forced_update, is_stale=is_stale,
            response_filter=response_filter, cache_none=cache_none,
        )  # fmt: skip
        return lambda function: make_memoized(
            self,
            function,
            options,
            timeout=timeout,
            make_name=make_name,
            hash_method=hash_method,
            source_check=source_check,
            args_to_ignore=tuple(args_to_ignore or ()),
        )

    def delete_cached(
        self, f: Any, path: str | None = None, query_args: QueryArgs | None = None, **kwargs: Any
    ) -> bool:
        """Remove what is stored of a view under `cached`.

        Args:
            f: the decorated view.
            path: that was asked for; None is the one that the view has with `kwargs`.
            query_args: the query, where that is part of the key: text, a mapping, or pairs.
            kwargs: arguments of the view.
        """
        return self.delete(f.make_cache_key(path=path, query_args=query_args, **kwargs))

    def delete_memoized(self, f: Any, *args: Any, **kwargs: Any) -> None:
        """Remove what is stored of a function under `memoize`: of one call, of one instance, or all of it.

        Args:
            f: the decorated function; a bound method stands for its instance.
            args: those of the call, of a class method with the class in front.
            kwargs: as `args`.
        """
        forget(self, f, args, kwargs)

    def delete_memoized_verhash(self, f: Any, *args: Any) -> None:
        """Do what `delete_memoized(f)` does: there is no other way to it here."""
        forget(self, f, (), {})


def _checked(config: dict[str, Any] | None) -> dict[str, Any]:
    if config is not None and not isinstance(config, dict):
        raise ConfigurationError(f"config must be a dict of settings, or None, not {config!r}")
    return config or {}


def _check(timeout: Timeout, hash_method: Any) -> None:
    if callable(timeout):
        raise OptionTypeError("the decorator goes with parentheses: @cache.cached() or @cache.memoize()")
    seconds_of(timeout)
    if hash_method is not None:
        check_hash_method(hash_method)
