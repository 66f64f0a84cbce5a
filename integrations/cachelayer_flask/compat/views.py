"""`Cache.cached`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, Response, current_app, g, has_request_context, request

from cachelayer.exchange import UNMATCHED, make_label
from cachelayer_flask.compat import signals
from cachelayer_flask.compat.calls import Call, Function, Options, label_of
from cachelayer_flask.compat.timeouts import Timeout
from cachelayer_flask.compat.viewkeys import QueryArgs, ViewKey

if TYPE_CHECKING:
    from cachelayer.stats.routes import RouteCounters
    from cachelayer_flask.compat.extension import Cache

_HIT_FIELD: Final = "hit_cache"


def make_view(
    cache: Cache,
    function: Callable[..., Any],
    options: Options,
    *,
    timeout: Timeout,
    key_prefix: str | Callable[[], str],
    query_string: bool,
    hash_method: Callable[..., Any] | None,
    make_cache_key: Callable[..., Any] | None,
    source_check: bool | None,
    indicates_hits: bool,
) -> Any:
    """Return the decorated function: see `Cache.cached`."""
    keys = ViewKey(
        function,
        key_prefix,
        query_string=query_string,
        make_hash=lambda: hash_method or cache.settings.hash_method,
        checks_source=lambda: cache.settings.source_check if source_check is None else source_check,
    )
    is_page = make_cache_key is None and keys.by_path

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        make_key = make_cache_key or functools.partial(view.make_cache_key, use_request=True)
        return Call(
            key=make_key(*args, **kwargs),
            timeout=view.cache_timeout,
            counters=_counters(cache, function, is_page=is_page),
            is_page=is_page,
        )

    def tell(key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, found: bool) -> None:
        if indicates_hits and found and has_request_context():
            _indicate_hit()
        if cache.settings.sends_signals:
            signal = signals.cache_view_hit if found else signals.cache_view_miss
            signal.send(None, cache=cache, cache_key=key, args=args, kwargs=kwargs)

    cached = Function(cache, function, options, make, tell)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return cached.call(args, kwargs)

    view: Any = wrapper
    view.uncached, view.cache_timeout = function, timeout
    view.make_cache_key = _key_maker(function, keys)
    return view


def _key_maker(function: Callable[..., Any], keys: ViewKey) -> Callable[..., str]:
    names = (
        function.__code__.co_varnames[: function.__code__.co_argcount]
        if hasattr(function, "__code__")
        else ()
    )

    def make_cache_key(*args: Any, use_request: bool = False, **kwargs: Any) -> str:
        if use_request:
            return keys.of_request()
        given = {**kwargs, **dict(zip(names, args, strict=False))}
        path: str | None = given.pop("path", None)
        query: QueryArgs | None = given.pop("query_args", None)
        return keys.of_path(path, query, given)

    return make_cache_key


def _counters(cache: Cache, function: Callable[..., Any], *, is_page: bool) -> RouteCounters:
    if not is_page:
        return cache.layer.functions.counters(label_of(function))
    rule = UNMATCHED if request.url_rule is None else request.url_rule.rule
    return cache.layer.routes.counters(make_label(request.method, rule))


def _indicate_hit() -> None:
    """Give the response of this request the field that says it is from the cache."""
    g.cachelayer_flask_hit = True
    app: Flask = cast(Any, current_app)._get_current_object()
    hooks = app.after_request_funcs.setdefault(None, [])
    if _add_hit_field not in hooks:
        hooks.append(_add_hit_field)


def _add_hit_field(response: Response) -> Response:
    if g.get("cachelayer_flask_hit"):
        response.headers[_HIT_FIELD] = "True"
    return response
