"""`@cached`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from functools import partial, partialmethod
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache, choose_cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.functions.core import FunctionCore
from cachelayer.functions.options import OPTION_NAMES, FunctionOptions, Ttl
from cachelayer.functions.wrappers import AsyncCachedFunction, CachedFunction, make_wrapper
from cachelayer.values.kinds import type_of

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What `@cached(...)` gives: applied to a function, it returns the cached function."""

    @overload
    # A coroutine function is a function too; the first overload that fits is the better one.
    def __call__(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncCachedFunction[P, R]: ...
@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(
    *,
    ttl: Ttl = ...,
    key: str | Callable[..., Any] | None = None,
    tags: Iterable[str] = (),
    ignore: Iterable[str] = (),
    cache: Cache | None = None,
    backend: CacheBackend | str | None = None,
    name: str | None = None,
    condition: Callable[[Any], bool] | None = None,
    cache_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
    negative_ttl: Duration = None,
    lock_timeout: Duration = None,
    strict: bool = False,
) -> Decorator: ...
def cached(  # noqa: D417 - its options are those of the last overload
    function: Any = None,
    /,
    *,
    cache: Cache | None = None,
    backend: CacheBackend | str | None = None,
    **options: Any,
) -> Any:
    """Cache a function's results: sync, async, or a method.

    Calls that mean the same, however they are spelled, share one entry; at most one of them computes it at a time.
    Callers can change what they get without changing what others get. An invalidation that arrives during a
    computation wins: its result is returned but not stored.

    Args:
        function: the function, where the decorator is used bare.
        ttl: lifetime of a result: seconds, `timedelta`, text like "2h5m", None for ever, or a callable of the
            result and the arguments that returns one of these; 0 stores nothing. Default: the cache's.
        key: a template of the parameters such as "user:{user_id}", or a callable with the function's own
            signature that returns the key. It is the whole key: functions whose keys are the same share one entry,
            so begin it with what the value is. Default: the function and all its arguments.
        tags: templates; `cache.invalidate_tags` removes all entries of a tag at once.
        ignore: names of parameters that make no difference to the result.
        cache: where to store. Default: the process's, see `configure`.
        backend: a backend or URL to store in, instead of `cache`.
        name: the label in keys and statistics. Functions of one name share their entries. Default:
            `module.qualname`, and functions made inside others are kept apart.
        condition: called with the result; where it returns false the result is not stored.
        cache_exceptions: classes of exceptions to cache too, for `negative_ttl`.
        negative_ttl: lifetime of a cached exception.
        lock_timeout: how long to wait for another caller's computation before computing by oneself.
        strict: raise EncodingError where a result cannot be stored, rather than warn once.

    Raises:
        ConfigurationError: an option's value cannot work (a ValueError).
        OptionTypeError: an option has the wrong type, or this cannot be decorated (a TypeError).
    """
    choose = choose_cache(cache, backend)
    unknown = sorted(set(options) - set(OPTION_NAMES))
    if unknown:
        names = ", ".join(("cache", "backend", *OPTION_NAMES))
        raise OptionTypeError(f"@cached has no option {', '.join(unknown)}; it has {names}")
    checked = FunctionOptions(**options)
    if function is None:
        return partial(_decorate, options=checked, choose=choose)
    return _decorate(function, checked, choose)


def _decorate(function: Any, options: FunctionOptions, choose: Callable[[], Cache]) -> Any:
    if isinstance(function, staticmethod):
        return staticmethod(_decorate(function.__func__, options, choose))
    if isinstance(function, classmethod):
        return CachedClassMethod(_decorate(function.__func__, options, choose))
    _check(function)
    return make_wrapper(FunctionCore(function, options, choose))


if TYPE_CHECKING:
    _ClassMethod = classmethod[Any, Any, Any]
else:
    _ClassMethod = classmethod


class CachedClassMethod(_ClassMethod):
    """`@cached` above `@classmethod`: binds the cached function to the class it is called on."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to the class."""
        return self.__func__.__get__(type_of(instance) if owner is None else owner)


def _check(function: Any) -> None:
    what = type(function).__name__
    if isinstance(function, property):
        raise OptionTypeError("@cached goes below @property, on the method itself")
    if isinstance(function, partialmethod):
        raise OptionTypeError(
            "@cached goes on the method that partialmethod is made of, not on the partialmethod"
        )
    if isinstance(function, type):
        raise OptionTypeError(
            f"@cached goes on functions: decorate a function that makes a {function.__name__}"
        )
    if not callable(function):
        raise OptionTypeError(
            f"@cached goes on a function, not on {what} {function!r}; options go by keyword"
        )
    if not inspect.isroutine(function) or not hasattr(function, "__qualname__"):
        raise OptionTypeError(
            f"@cached goes on functions: wrap this {what} in one (def f(...): return it(...))"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise OptionTypeError(
            f"{function.__qualname__} is a generator: cache a function that returns a list of it"
        )
