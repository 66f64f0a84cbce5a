"""What users hold: cached functions and bound cached methods, sync and async.

All of them are thin: calls go through the compiled hit path, everything else to the `FunctionCore`. A sync and an
async class each drive the same flows with their own driver.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    Self,
    TypeVar,
    cast,
    overload,
)

import msgspec
import wrapt

from cachelayer.context import is_bypassed
from cachelayer.flow.lookups import Result
from cachelayer.flows import arun, run
from cachelayer.functions.batch import item_annotation, make_batch, make_batch_async
from cachelayer.functions.compiled import Bind, Shape, compile_bound_call, compile_call
from cachelayer.functions.core import Binding, CacheInfo, FunctionCore
from cachelayer.functions.generators import collector, make_replay, make_replay_async, run_annotation
from cachelayer.functions.parameters import Call
from cachelayer.functions.quick import give, make_slow, make_slow_async
from cachelayer.stats import RouteStats

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


class Controls(Generic[P, R]):
    """What sync and async cached callables have in common; never awaitable."""

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

    def key_for(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of this call; raises KeyingError where an argument cannot be keyed."""
        return self._core().key_of(*self._bind(args, kwargs))

    def explain_key(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, str]:
        """Return each parameter with its part of the key, "" where it has none."""
        core = self._core()
        return core.keys.explain(*self._bind(args, kwargs), method=core.is_method)

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


class SyncControls(Controls[P, R]):
    """Control of a cached sync function."""

    __slots__ = ()

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

    def many(self, items: Iterable[Any], /, *args: Any, **kwargs: Any) -> list[R]:
        """Return the results of calls that differ in their first argument: one bulk read for all that are stored.

        Args:
            items: the first argument of each call.
            args: what all calls have beside it.
            kwargs: what all calls have beside it.
        """
        call: Any = self
        asked = list(items)
        found = self._found([self._bind((item, *args), kwargs) for item in asked])
        return [
            call(item, *args, **kwargs) if result is None else cast(R, give(result))
            for item, result in zip(asked, found, strict=True)
        ]

    def _found(self, calls: list[Call]) -> list[Result | None]:
        return [None] * len(calls) if is_bypassed() else run(self._core().find_many(calls))

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no reads, writes or counts."""
        bound, keywords = self._bind(args, kwargs)
        return cast(R, self._core().function(*bound, **keywords))


class AsyncControls(Controls[P, R]):
    """Control of a cached async function: see `SyncControls`, here awaitable."""

    __slots__ = ()

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

    async def many(self, items: Iterable[Any], /, *args: Any, **kwargs: Any) -> list[R]:
        """Return the results of calls that differ in their first argument: see `SyncControls.many`.

        What is missing is computed at the same time, each in a call of its own.
        """
        call: Any = self
        asked = list(items)
        found = await self._found([self._bind((item, *args), kwargs) for item in asked])

        async def one(item: Any, result: Result | None) -> R:
            return cast(R, await call(item, *args, **kwargs) if result is None else give(result))

        return await asyncio.gather(*map(one, asked, found))

    async def _found(self, calls: list[Call]) -> list[Result | None]:
        return [None] * len(calls) if is_bypassed() else await arun(self._core().find_many(calls))

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no reads, writes or counts."""
        bound, keywords = self._bind(args, kwargs)
        return cast(R, await self._core().function(*bound, **keywords))


class _Runs:
    """What is stored of a generator is its `Run`; what users see of that are its items."""

    __slots__ = ()

    def _shown(self, stored: Any) -> Any:
        return None if stored is None else stored[0]

    def _kept(self, shown: Any) -> Any:
        return list(shown), None


class GeneratorControls(_Runs, SyncControls[P, list[T]], Generic[P, T]):
    """Control of a cached generator function: results are lists of its items."""

    __slots__ = ()


class AsyncGeneratorControls(_Runs, AsyncControls[P, list[T]], Generic[P, T]):
    """Control of a cached async generator function: results are lists of its items."""

    __slots__ = ()

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """Run the generator itself to its end: no reads, writes or counts."""
        return [item async for item in self._core().function(*self._bind(args, kwargs)[0], **kwargs)]


# -- bound ------------------------------------------------------------------------------------------------------


class _Bound(msgspec.Struct, eq=False):
    """A cached method bound to an instance or class. Its subclasses are made for each function."""

    instance: Any

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        # So that inspect and others see a method.
        return types.MethodType

    @property
    def __self__(self) -> Any:
        """The instance or class."""
        return self.instance

    @property
    def __func__(self) -> Any:
        """The cached function."""
        return self._core().wrapper()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, types.MethodType) and getattr(other, "__func__", None) is self.__func__
        return same and getattr(other, "__self__", None) is self.instance

    def __hash__(self) -> int:
        return hash((id(self.instance), id(self.__func__)))

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.instance!r}>"

    def __reduce__(self) -> Any:
        return getattr, (self.instance, self.__func__.__name__)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        call: Call = self._core().bind_call(self.instance, *args, **kwargs)
        return call


class BoundCachedFunction(SyncControls[P, R]):
    """A cached sync method on an instance: call it as the method, control it without naming the instance."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call the method."""
        raise NotImplementedError


class BoundAsyncCachedFunction(AsyncControls[P, R]):
    """A cached async method on an instance."""

    __slots__ = ()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call and await the method."""
        raise NotImplementedError


class BoundCachedGenerator(GeneratorControls[P, T]):
    """A cached generator method on an instance."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, Any]:
        """Yield the cached items, or those of the method."""
        raise NotImplementedError


class BoundAsyncCachedGenerator(AsyncGeneratorControls[P, T]):
    """A cached async generator method on an instance."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        """Yield the cached items, or those of the method."""
        raise NotImplementedError


# -- functions --------------------------------------------------------------------------------------------------


if TYPE_CHECKING:

    class _FunctionWrapper:
        """What the type checkers see of wrapt's class, whose own types are about other wrappers than ours."""

        __name__: str
        __qualname__: str
        _self_core: FunctionCore

        def __init__(self, wrapped: Any, wrapper: Any) -> None: ...
else:
    _FunctionWrapper = wrapt.FunctionWrapper


class _Wrapper(_FunctionWrapper):
    """The wrapt part: keeps name, signature, docstring, annotations, `__wrapped__` and what inspect asks."""

    def __init__(self, core: FunctionCore) -> None:
        super().__init__(core.function, _never_called)
        self._self_core = core

    def _core(self) -> FunctionCore:
        return self._self_core

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        return self._core().bind_call(*args, **kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        self._core().is_method = True

    def __reduce__(self) -> Any:
        # By reference, as functions are: the name finds the cached function again.
        return self.__qualname__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class CachedFunction(_Wrapper, SyncControls[P, R]):
    """A cached sync function: call it as the function it wraps."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call the function."""
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundCachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance."""
        raise NotImplementedError


class AsyncCachedFunction(_Wrapper, AsyncControls[P, R]):
    """A cached async function: call it as the function it wraps."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the cached result, or call and await the function."""
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncCachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundAsyncCachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance."""
        raise NotImplementedError


class CachedGenerator(_Wrapper, GeneratorControls[P, T]):
    """A cached generator function: call it as the function it wraps."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, Any]:
        """Yield the cached items, or those of the function."""
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CachedGenerator[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> BoundCachedGenerator[Q, T]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance."""
        raise NotImplementedError


class AsyncCachedGenerator(_Wrapper, AsyncGeneratorControls[P, T]):
    """A cached async generator function: call it as the function it wraps."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        """Yield the cached items, or those of the function."""
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncCachedGenerator[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> BoundAsyncCachedGenerator[Q, T]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance."""
        raise NotImplementedError


class _Kind(NamedTuple):
    """What differs between functions, coroutine functions, and generator functions of both."""

    make_slow: Callable[[FunctionCore], Any]
    function: Any
    bound: Any
    is_async: bool = False
    is_generator: bool = False


def _kind(function: Callable[..., Any], *, batch: bool) -> _Kind:
    if batch and inspect.iscoroutinefunction(function):
        return _Kind(make_batch_async, AsyncCachedFunction, BoundAsyncCachedFunction, is_async=True)
    if batch:
        return _Kind(make_batch, CachedFunction, BoundCachedFunction)
    if inspect.isasyncgenfunction(function):
        return _Kind(make_replay_async, AsyncCachedGenerator, BoundAsyncCachedGenerator, is_generator=True)
    if inspect.isgeneratorfunction(function):
        return _Kind(make_replay, CachedGenerator, BoundCachedGenerator, is_generator=True)
    if inspect.iscoroutinefunction(function):
        return _Kind(make_slow_async, AsyncCachedFunction, BoundAsyncCachedFunction, is_async=True)
    return _Kind(make_slow, CachedFunction, BoundCachedFunction)


def make_wrapper(core: FunctionCore) -> Any:
    """Return the wrapper of a function: of a class of its own, whose `__call__` is compiled for it."""
    kind = _kind(core.function, batch=core.options.batch)
    if kind.is_generator:
        core.origin, core.annotation_of = collector(core.function), run_annotation
    if core.options.batch:
        core.annotation_of = item_annotation
    direct = not (kind.is_generator or core.options.batch or core.keys.vary)
    shape = Shape(core.python_name, kind.is_async, direct, bool(core.options.tags), core.freshness)
    slow = kind.make_slow(core)
    call, bind = compile_call(core.parameters, shape, slow, core.shortcut.get)
    core.on_bound.append(_binder(bind, lambda: core.shortcut.get))
    namespace = {"__call__": staticmethod(call), "__get__": _getter(core, slow, shape, kind.bound)}
    wrapper = type(f"Cached_{core.function.__name__}", (kind.function,), namespace)(core)
    core.set_wrapper(wrapper)
    return wrapper


def _getter(core: FunctionCore, slow: Callable[..., Any], shape: Shape, controls: Any) -> Callable[..., Any]:
    """Return the function's first `__get__`: it makes the bound class, and a second one in its own place."""

    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:  # noqa: N807 - becomes that method
        if instance is None:
            return self
        bound = _bound_class(core, slow, shape, controls)

        def __get__(self: Any, instance: Any, owner: Any = None) -> Any:  # noqa: N807 - becomes that method
            return self if instance is None else bound(instance)

        type(self).__get__ = __get__
        return bound(instance)

    return __get__


def _bound_class(core: FunctionCore, slow: Callable[..., Any], shape: Shape, controls: Any) -> Any:
    core.is_method = True
    call, bind = compile_bound_call(core.parameters, shape, slow, core.keys.receivers.finders)
    core.on_bound.append(_binder(bind, lambda: core.keys.receivers.finders))
    core.rebind()

    def its_core(_: Any) -> FunctionCore:
        return core

    return type(f"Bound_{core.python_name}", (_Bound, controls), {"__call__": call, "_core": its_core})


def _binder(bind: Bind, where: Callable[[], Any]) -> Callable[[Binding], None]:
    def on_bound(binding: Binding) -> None:
        table = binding.table
        if table is not None:
            bind(where(), binding.clock, table.touch, binding.counters.shortcut_hits.tick)

    return on_bound


def _never_called(*args: Any) -> Any:
    raise NotImplementedError
