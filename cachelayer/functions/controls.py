"""Control of cached callables: the verbs, in both colours, on functions and on bound methods alike.

Verbs take what a call takes, and drive the flows of the `FunctionCore`. Of generators they know lists of items, and of
batch functions one item where a call has the collection.

Some verbs take another first argument than the call does. They see the call's parameters by taking `self` for a
callable, which it is; the type checkers' objection, that not every such class is one, is ignored here.
"""
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from cachelayer.context import is_bypassed
from cachelayer.flow.lookups import Result
from cachelayer.flows import arun, run
from cachelayer.functions.core import CacheInfo, FunctionCore
from cachelayer.functions.parameters import Call
from cachelayer.functions.quick import give
from cachelayer.stats import RouteStats
from cachelayer.values.kinds import type_of

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
#: What calls of `many` differ in, and what a batch function's collection is of.
Item = TypeVar("Item")


class Common:
    """What all cached callables have in common; never awaitable."""

    __slots__ = ()

    def _core(self) -> FunctionCore:
        raise NotImplementedError

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        raise NotImplementedError

    def _shown(self, stored: Any) -> Any:
        """Return what users see of a stored value."""
        return stored

    def _kept(self, shown: Any) -> Any:
        """Return what is stored of a value that a user gives."""
        return shown

    def stats(self) -> RouteStats:
        """Return how this function's lookups ended. Functions of one label count together."""
        return self._core().stats()

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, maxsize and currsize, as `functools.lru_cache` does."""
        return self._core().info()

    def cache_clear(self) -> None:
        """Remove every entry of this function and let `cache_info` start from zero, as `functools` does."""
        run(self._core().invalidate_all())
        self._core().forget_counts()

    def cache_parameters(self) -> dict[str, Any]:
        """Return `maxsize`, `typed` (always True) and `ttl` in seconds, None for ever."""
        info, policy = self.cache_info(), self._core().binding().policy
        return {"maxsize": info.maxsize, "typed": True, "ttl": policy.ttl}


class Controls(Common, Generic[P, R]):
    """What sync and async cached callables have in common, beside batch functions; never awaitable."""

    __slots__ = ()

    def key_for(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of this call; raises KeyingError where an argument cannot be keyed."""
        return self._core().key_of(*self._bind(args, kwargs))

    def explain_key(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, str]:
        """Return each parameter with its part of the key, "" where it has none."""
        core = self._core()
        return core.keys.explain(*self._bind(args, kwargs), method=core.is_method)


class SyncControls(Controls[P, R]):
    """Control of a cached sync function."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call the function."""
        raise NotImplementedError

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove this call's entry, and keep a computation of it under way from being stored."""
        return run(self._core().invalidate(self._bind(args, kwargs)))

    def invalidate_all(self) -> int:
        """Remove every entry of this function, in O(1); return how many, 0 where the store cannot tell."""
        return run(self._core().invalidate_all())

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute this call now, store the result and return it."""
        return cast(R, self._shown(run(self._core().refresh(self._bind(args, kwargs))).give()))

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return the stored result of this call, or None; computes and counts nothing."""
        return cast("R | None", self._shown(run(self._core().peek(self._bind(args, kwargs), None))))

    def set(self, value: R, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store `value` as this call's result; whether it was stored."""
        return run(self._core().set(self._kept(value), self._bind(args, kwargs)))

    def many(
        self: Callable[Concatenate[Item, Q], Any], items: Iterable[Item], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> list[R]:
        """Return the results of calls that differ in their first argument: one bulk read for all that are stored.

        Args:
            items: the first argument of each call.
            args: what all calls have beside it.
            kwargs: what all calls have beside it.
        """
        controls = cast("SyncControls[..., R]", self)
        asked = list(items)
        found = controls._found([controls._bind((item, *args), kwargs) for item in asked])
        return [
            controls._taken(self(item, *args, **kwargs)) if result is None else controls._shown(give(result))
            for item, result in zip(asked, found, strict=True)
        ]

    def _taken(self, called: Any) -> Any:
        """Return what `many` gives of what a call gave."""
        return called

    def _found(self, calls: list[Call]) -> list[Result | None]:
        return [None] * len(calls) if is_bypassed() else run(self._core().find_many(calls))

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no reads, writes or counts."""
        bound, keywords = self._bind(args, kwargs)
        return cast(R, self._taken(self._core().function(*bound, **keywords)))


class AsyncControls(Controls[P, R]):
    """Control of a cached async function: see `SyncControls`, here awaitable."""

    __slots__ = ()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call and await the function."""
        raise NotImplementedError

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove this call's entry, and keep a computation of it under way from being stored."""
        return await arun(self._core().invalidate(self._bind(args, kwargs)))

    async def invalidate_all(self) -> int:
        """Remove every entry of this function, in O(1); return how many, 0 where the store cannot tell."""
        return await arun(self._core().invalidate_all())

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute this call now, store the result and return it."""
        return cast(R, self._shown((await arun(self._core().refresh(self._bind(args, kwargs)))).give()))

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return the stored result of this call, or None; computes and counts nothing."""
        return cast("R | None", self._shown(await arun(self._core().peek(self._bind(args, kwargs), None))))

    async def set(self, value: R, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store `value` as this call's result; whether it was stored."""
        return await arun(self._core().set(self._kept(value), self._bind(args, kwargs)))

    async def many(
        self: Callable[Concatenate[Item, Q], Any], items: Iterable[Item], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> list[R]:
        """Return the results of calls that differ in their first argument: see `SyncControls.many`.

        What is missing is computed at the same time, each in a call of its own.
        """
        controls = cast("AsyncControls[..., R]", self)
        asked = list(items)
        found = await controls._found([controls._bind((item, *args), kwargs) for item in asked])

        async def one(item: Item, result: Result | None) -> Any:
            if result is None:
                return await controls._taken(self(item, *args, **kwargs))
            return controls._shown(give(result))

        results: list[R] = await asyncio.gather(*map(one, asked, found))
        return results

    async def _taken(self, called: Any) -> Any:
        return await called

    async def _found(self, calls: list[Call]) -> list[Result | None]:
        return [None] * len(calls) if is_bypassed() else await arun(self._core().find_many(calls))

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no reads, writes or counts."""
        bound, keywords = self._bind(args, kwargs)
        return cast(R, await self._taken(self._core().function(*bound, **keywords)))


# -- generators -------------------------------------------------------------------------------------------------


class _Runs:
    """What is stored of a generator is its `Run`; what users see of that are its items."""

    __slots__ = ()

    def _shown(self, stored: Any) -> Any:
        return None if stored is None else stored[0]

    def _kept(self, shown: Any) -> Any:
        return list(shown), None


class GeneratorControls(_Runs, SyncControls[P, list[T]], Generic[P, T]):
    """Control of a cached generator function: a call gives a run, verbs give and take lists of its items."""

    __slots__ = ()

    if TYPE_CHECKING:
        # A run is no list of the items, which is what all verbs are about.
        def __call__(  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
            self, *args: P.args, **kwargs: P.kwargs
        ) -> Generator[T, None, Any]:
            """Yield the cached items, or those of the function."""
            raise NotImplementedError

    def _taken(self, called: Any) -> Any:
        return list(called)


class AsyncGeneratorControls(_Runs, AsyncControls[P, list[T]], Generic[P, T]):
    """Control of a cached async generator function: see `GeneratorControls`."""

    __slots__ = ()

    if TYPE_CHECKING:
        # As above.
        def __call__(  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
            self, *args: P.args, **kwargs: P.kwargs
        ) -> AsyncGenerator[T, None]:
            """Yield the cached items, or those of the function."""
            raise NotImplementedError

    async def _taken(self, called: Any) -> Any:
        return [item async for item in called]


# -- batch functions --------------------------------------------------------------------------------------------


if TYPE_CHECKING:
    # The function is given a list of the items that are missing: whatever it is annotated with takes one.
    _Batch = Callable[Concatenate[list[Item], Q], Mapping[Any, T] | Sequence[T]]
    _AsyncBatch = Callable[Concatenate[list[Item], Q], Coroutine[Any, Any, Mapping[Any, T] | Sequence[T]]]

    class BatchControls(Common, Generic[P, R]):
        """Control of a cached batch function: verbs take one item, and are about its value.

        `refresh` and `many` raise KeyError where the function gives nothing for an item.
        """

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Return what the function would return, from the cache as far as that has it."""
            raise NotImplementedError

        def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Call the function itself, with all items: no reads, writes or counts."""
            raise NotImplementedError

        def invalidate_all(self) -> int:
            """Remove every entry of this function, in O(1); return how many, 0 where the store cannot tell."""
            raise NotImplementedError

        def key_for(  # type: ignore[misc]
            self: _Batch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> str:
            """Return this item's key; raises KeyingError where an argument cannot be keyed."""
            raise NotImplementedError

        def explain_key(  # type: ignore[misc]
            self: _Batch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> dict[str, str]:
            """Return each parameter with its part of the key, "" where it has none."""
            raise NotImplementedError

        def invalidate(  # type: ignore[misc]
            self: _Batch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> bool:
            """Remove this item's entry, and keep a computation of it under way from being stored."""
            raise NotImplementedError

        def refresh(  # type: ignore[misc]
            self: _Batch[Item, Q, T], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> T:
            """Ask the function for this item now, store the value and return it."""
            raise NotImplementedError

        def peek(  # type: ignore[misc]
            self: _Batch[Item, Q, T], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> T | None:
            """Return this item's stored value, or None; computes and counts nothing."""
            raise NotImplementedError

        def set(  # type: ignore[misc]
            self: _Batch[Item, Q, T], value: T, item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> bool:
            """Store `value` as this item's; whether it was stored."""
            raise NotImplementedError

        def many(  # type: ignore[misc]
            self: _Batch[Item, Q, T], items: Iterable[Item], /, *args: Q.args, **kwargs: Q.kwargs
        ) -> list[T]:
            """Return the values of these items, in their order: one call."""
            raise NotImplementedError

    class AsyncBatchControls(Common, Generic[P, R]):
        """Control of a cached async batch function: see `BatchControls`, here awaitable."""

        async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Return what the function would return, from the cache as far as that has it."""
            raise NotImplementedError

        async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Call the function itself, with all items: no reads, writes or counts."""
            raise NotImplementedError

        async def invalidate_all(self) -> int:
            """Remove every entry of this function, in O(1); return how many, 0 where the store cannot tell."""
            raise NotImplementedError

        def key_for(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> str:
            """Return this item's key; raises KeyingError where an argument cannot be keyed."""
            raise NotImplementedError

        def explain_key(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> dict[str, str]:
            """Return each parameter with its part of the key, "" where it has none."""
            raise NotImplementedError

        async def invalidate(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, Any], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> bool:
            """Remove this item's entry, and keep a computation of it under way from being stored."""
            raise NotImplementedError

        async def refresh(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, T], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> T:
            """Ask the function for this item now, store the value and return it."""
            raise NotImplementedError

        async def peek(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, T], item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> T | None:
            """Return this item's stored value, or None; computes and counts nothing."""
            raise NotImplementedError

        async def set(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, T], value: T, item: Item, /, *args: Q.args, **kwargs: Q.kwargs
        ) -> bool:
            """Store `value` as this item's; whether it was stored."""
            raise NotImplementedError

        async def many(  # type: ignore[misc]
            self: _AsyncBatch[Item, Q, T], items: Iterable[Item], /, *args: Q.args, **kwargs: Q.kwargs
        ) -> list[T]:
            """Return the values of these items, in their order: one call."""
            raise NotImplementedError

else:

    class BatchControls(SyncControls[P, R]):
        """Control of a cached batch function: verbs take one item, and are about its value."""

        __slots__ = ()

        def many(self, items: Iterable[Any], /, *args: Any, **kwargs: Any) -> list[Any]:
            """Return the values of these items, in their order: one call."""
            asked = list(items)
            return in_order(self(asked, *args, **kwargs), asked)

    class AsyncBatchControls(AsyncControls[P, R]):
        """Control of a cached async batch function: see `BatchControls`, here awaitable."""

        __slots__ = ()

        async def many(self, items: Iterable[Any], /, *args: Any, **kwargs: Any) -> list[Any]:
            """Return the values of these items, in their order: one call."""
            asked = list(items)
            return in_order(await self(asked, *args, **kwargs), asked)


def in_order(given: Any, items: Sequence[Any]) -> list[Any]:
    """Return the items' values from what a batch function gave for them; raises KeyError where it gave none."""
    return [given[item] for item in items] if issubclass(type_of(given), Mapping) else list(given)
