"""`@cached`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator
from functools import cached_property, partial, partialmethod, singledispatchmethod
from typing import Any, Final, Literal, ParamSpec, Protocol, TypeVar, final, overload

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache
from cachelayer.default import choose_cache
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.functions import classmethods
from cachelayer.functions.core import FunctionCore
from cachelayer.functions.options import OPTION_NAMES, FunctionOptions, TagsOf, Ttl, Vary
from cachelayer.functions.wrappers import (
    AsyncCachedBatch,
    AsyncCachedFunction,
    AsyncCachedGenerator,
    CachedBatch,
    CachedFunction,
    CachedGenerator,
    is_cached,
    make_wrapper,
)
from cachelayer.values.serializers import Serializer, SerializerName

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@final
class _Nothing:
    """No function returns it. To type checkers a function returns it where they know nothing of what it returns."""


class Decorator(Protocol):
    """What `@cached(...)` gives: applied to a function, it returns the cached function."""

    # The first overload that fits is the better one: a coroutine function is a function too, and a function that is
    # annotated to return Any fits them all.
    @overload
    def __call__(self, function: Callable[P, _Nothing], /) -> CachedFunction[P, Any]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncIterable[T]], /
    ) -> AsyncCachedGenerator[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Iterator[T]], /
    ) -> CachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


class BatchDecorator(Protocol):
    """What `@cached.batch(...)` gives: applied to a function of many items, it returns the cached one."""

    @overload
    # As in `Decorator`.
    def __call__(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedBatch[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedBatch[P, R]: ...


class Cached:
    """The decorator: `@cached` and `@cached(...)`, and `@cached.batch` for functions of many items."""

    # As in `Decorator`.
    @overload
    def __call__(self, function: Callable[P, _Nothing], /) -> CachedFunction[P, Any]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, AsyncIterable[T]], /
    ) -> AsyncCachedGenerator[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Iterator[T]], /
    ) -> CachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...
    @overload
    def __call__(
        self,
        /,
        *,
        ttl: Ttl = ...,
        key: str | Callable[..., Any] | None = None,
        tags: TagsOf | Iterable[str | TagsOf] = (),
        ignore: Iterable[str] = (),
        vary: Vary | Iterable[Vary] = (),
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        name: str | None = None,
        condition: Callable[[Any], bool] | None = None,
        cache_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
        negative_ttl: Duration = None,
        lock_timeout: Duration = None,
        strict: bool = False,
        jitter: float = 0.0,
        stale_while_revalidate: Duration = None,
        stale_if_error: Duration = None,
        refresh_ahead: float | None = None,
        beta: float = 0.0,
        soft_timeout: Duration = None,
        hard_timeout: Duration = None,
        lock: Literal["local", "distributed"] = "local",
        serializer: SerializerName | Serializer = "auto",
    ) -> Decorator: ...
    def __call__(  # noqa: D417 - its options are those of the last overload
        self,
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
            tags: templates of the parameters; `cache.invalidate_tags` removes all entries of a tag at once. A callable
                in their place, or as one of them, is called with the result and the arguments and returns a tag,
                several, or None. On a shared store such tags go by the clocks of the hosts: one that is behind by a
                second misses, of what it invalidates, what another began to compute within that second.
            ignore: names of parameters that make no difference to the result.
            vary: what makes a difference to the result beside the arguments: a context variable, a callable without
                arguments such as `get_language`, or several.
            cache: where to store. Default: the process's, see `configure`.
            backend: a backend or URL to store in, instead of `cache`.
            name: the label in keys and statistics. Functions of one name share their entries. Default:
                `module.qualname`, and functions made inside others are kept apart.
            condition: called with the result; where it returns false the result is not stored.
            cache_exceptions: classes of exceptions to cache too, for `negative_ttl`.
            negative_ttl: lifetime of a cached exception.
            lock_timeout: how long to wait for another caller's computation before computing by oneself.
            strict: raise EncodingError where a result cannot be stored, rather than warn once.
            jitter: lifetimes are spread over [ttl, (1 + jitter) * ttl], so that what was stored together does not
                expire together.
            stale_while_revalidate: how long after its ttl a result is still returned, at once, while one computation of
                it runs in the background: in a thread, or in a task of the event loop.
            stale_if_error: how long after its ttl a result is still returned where computing it anew raises.
            refresh_ahead: the part of its ttl, such as 0.8, after which a result that is asked for is computed anew in
                the background.
            beta: compute results anew in the background before they expire, at random, the more likely the costlier
                they are and the nearer their end: XFetch, for which 1.0 is a good value.
            soft_timeout: how long a caller waits for a computation where a stale result is at hand; then it returns
                that, and the computation goes on in the background.
            hard_timeout: how long a caller waits where there is nothing stale; then it raises
                `ComputationTimeoutError`, and the computation goes on in the background.
            lock: "distributed" lets one process of all that share the store compute a result at a time; the others
                wait for it up to `lock_timeout`. It costs a round trip or two for each computation.
            serializer: how results become bytes for a store that holds bytes: "auto" (each value with its own type, by
                the return annotation and the codecs of classes), "msgspec", "json", "raw" (bytes and text), "pickle"
                (signed, on a shared store: `Cache(secret_keys=...)`), or a `Serializer` of one's own. One that reads
                only what is signed raises ConfigurationError at the first use of a shared store that signs nothing.

        Raises:
            ConfigurationError: an option's value cannot work (a ValueError).
            OptionTypeError: an option has the wrong type, or this cannot be decorated (a TypeError).
        """
        if "batch" in options:
            raise OptionTypeError("@cached has no option batch: use @cached.batch")
        return _apply(function, cache, backend, options)

    @overload
    def batch(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedBatch[P, R]: ...
    @overload
    def batch(self, function: Callable[P, R], /) -> CachedBatch[P, R]: ...
    @overload
    def batch(
        self,
        /,
        *,
        ttl: Ttl = ...,
        key: str | Callable[..., Any] | None = None,
        tags: TagsOf | Iterable[str | TagsOf] = (),
        ignore: Iterable[str] = (),
        vary: Vary | Iterable[Vary] = (),
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        name: str | None = None,
        condition: Callable[[Any], bool] | None = None,
        cache_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
        negative_ttl: Duration = None,
        lock_timeout: Duration = None,
        strict: bool = False,
        jitter: float = 0.0,
        serializer: SerializerName | Serializer = "auto",
    ) -> BatchDecorator: ...
    def batch(
        self,
        function: Any = None,
        /,
        *,
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        **options: Any,
    ) -> Any:
        """Cache a function of many items, such that each item has an entry of its own.

        The function takes a collection of items first, and returns a mapping by item, which may lack some, or, where
        its return annotation says so, a list with a value for each item in their order. It is called with the items
        that are missing, once. `invalidate`, `peek`, `set`, `key_for` take one item in the collection's place.

        Args:
            function: the function, where the decorator is used bare.
            cache: as for `cached`.
            backend: as for `cached`.
            options: those of `cached`, but for timeouts, stale values, early refreshes and `lock`.

        Raises:
            ConfigurationError: an option's value cannot work (a ValueError).
            OptionTypeError: an option has the wrong type, or this cannot be decorated (a TypeError).
        """
        return _apply(function, cache, backend, {**options, "batch": True})


cached: Final = Cached()

#: What is made of a method, and has no signature of its own.
_ABOVE: Final = (property, cached_property, singledispatchmethod)

#: What a function is known by.
_NAMES: Final = ("__module__", "__qualname__")


def _apply(
    function: Any, cache: Cache | None, backend: CacheBackend | str | None, options: dict[str, Any]
) -> Any:
    choose = choose_cache(cache, backend)
    unknown = sorted(set(options) - {*OPTION_NAMES, "batch"})
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
        return classmethods.CachedClassMethod(_decorate(function.__func__, options, choose))
    _check(function)
    core = FunctionCore(function, options, choose)
    if not classmethods.CHAINS and core.parameters.positional[:1] not in ((), ("self",)):
        classmethods.bind_in_class(function, is_cached)
    return make_wrapper(core)


def _check(function: Any) -> None:
    what = type(function).__name__
    if isinstance(function, _ABOVE):
        raise OptionTypeError(f"@cached goes below @{what}, on the method itself")
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
    if not inspect.isroutine(function) or not all(hasattr(function, name) for name in _NAMES):
        raise OptionTypeError(
            f"@cached goes on functions: wrap this {what} in one (def f(...): return it(...))"
        )
