"""`Cache.memoize`, and how its results are removed: by key, or by a tag of the function or of one instance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cachelayer.errors import OptionTypeError
from cachelayer_flask.compat import signals
from cachelayer_flask.compat.arguments import Arguments, identity
from cachelayer_flask.compat.calls import Call, Function, Options, label_of
from cachelayer_flask.compat.timeouts import Timeout

if TYPE_CHECKING:
    from cachelayer_flask.compat.extension import Cache


def make_memoized(
    cache: Cache,
    function: Callable[..., Any],
    options: Options,
    *,
    timeout: Timeout,
    make_name: Callable[[str], str] | None,
    hash_method: Callable[..., Any] | None,
    source_check: bool | None,
    args_to_ignore: tuple[str, ...],
) -> Any:
    """Return the decorated function: see `Cache.memoize`."""
    label, arguments = label_of(function), Arguments(function, args_to_ignore)

    def make_cache_key(f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
        name = label if make_name is None else make_name(label)
        text = f"{name}({arguments.text(args, kwargs)})"
        if cache.settings.source_check if source_check is None else source_check:
            text += inspect.getsource(function)
        digest = (hash_method or cache.settings.hash_method)(
            text.encode("utf-8", "surrogatepass")
        ).hexdigest()
        return f"{name}:{digest}"

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        tags = [_tag(label)]
        if arguments.by_instance and args:
            tags.append(_tag(label, args[0]))
        return Call(
            key=memoized.make_cache_key(function, *args, **kwargs),
            tags=tuple(tags),
            timeout=memoized.cache_timeout,
            counters=cache.layer.functions.counters(label),
        )

    def tell(key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, found: bool) -> None:
        if cache.settings.sends_signals:
            signal = signals.cache_memoize_hit if found else signals.cache_memoize_miss
            signal.send(None, cache=cache, cache_key=key, f=function, args=args, kwargs=kwargs)

    cached = Function(cache, function, options, make, tell)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return cached.call(args, kwargs)

    memoized: Any = wrapper
    memoized.uncached, memoized.cache_timeout = function, timeout
    memoized.make_cache_key = make_cache_key
    memoized.delete_memoized = lambda: forget(cache, wrapper, (), {})
    return memoized


def forget(cache: Cache, f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Remove one call's result, one instance's, or all of a function's: see `Cache.delete_memoized`."""
    function = getattr(f, "uncached", None)
    if function is None:
        raise OptionTypeError(f"delete_memoized takes the memoized function itself, not {f!r}")
    receiver, label = getattr(f, "__self__", None), label_of(function)
    if args or kwargs:
        if receiver is not None and not (args and args[0] is receiver):
            args = (receiver, *args)
        cache.delete(f.make_cache_key(function, *args, **kwargs))
    elif receiver is None or isinstance(receiver, type):
        cache.layer.invalidate_tags(_tag(label))
    else:
        cache.layer.invalidate_tags(_tag(label, receiver))


def _tag(label: str, instance: Any = None) -> str:
    return f"memoized:{label}" if instance is None else f"memoized:{label}:{identity(instance)}"
