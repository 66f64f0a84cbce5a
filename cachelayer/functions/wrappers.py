"""What users hold: cached functions and bound cached methods, sync and async.

All of them are thin: calls go through the compiled hit path, everything else to the `FunctionCore`. A sync and an
async class each drive the same flows with their own driver.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

import msgspec
import wrapt

from cachelayer.flows import arun, run
from cachelayer.functions.compiled import compile_bound_call, compile_call
from cachelayer.functions.core import Binding, CacheInfo, FunctionCore
from cachelayer.functions.parameters import Call
from cachelayer.functions.quick import make_slow, make_slow_async
from cachelayer.stats import RouteStats

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Controls(Generic[P, R]):
    """What sync and async cached callables have in common; never awaitable."""

    __slots__ = ()

    def _core(self) -> FunctionCore:
        raise NotImplementedError

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        raise NotImplementedError

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
        return cast(R, run(self._core().refresh(self._bind(args, kwargs))).give())

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return the stored result of this call, or None; computes and counts nothing."""
        return cast("R | None", run(self._core().peek(self._bind(args, kwargs), None)))

    def set(self, value: R, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store `value` as this call's result; whether it was stored."""
        return run(self._core().set(value, self._bind(args, kwargs)))

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
        return cast(R, (await arun(self._core().refresh(self._bind(args, kwargs)))).give())

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return the stored result of this call, or None; computes and counts nothing."""
        return cast("R | None", await arun(self._core().peek(self._bind(args, kwargs), None)))

    async def set(self, value: R, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Store `value` as this call's result; whether it was stored."""
        return await arun(self._core().set(value, self._bind(args, kwargs)))

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself: no reads, writes or counts."""
        bound, keywords = self._bind(args, kwargs)
        return cast(R, await self._core().function(*bound, **keywords))


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


def make_wrapper(core: FunctionCore) -> Any:
    """Return the wrapper of a function: of a class of its own, whose `__call__` is compiled for it."""
    is_async = inspect.iscoroutinefunction(core.function)
    name, tagged = core.function.__name__, bool(core.options.tags)
    slow: Any = make_slow_async(core) if is_async else make_slow(core)
    call, bind = compile_call(
        core.parameters, core.python_name, slow, core.shortcut.get, is_async=is_async, tagged=tagged
    )
    core.on_bound.append(_binder(bind))
    base: Any = AsyncCachedFunction if is_async else CachedFunction
    namespace = {"__call__": staticmethod(call), "__get__": _getter(core, slow, is_async, tagged)}
    wrapper = type(f"Cached_{name}", (base,), namespace)(core)
    core.set_wrapper(wrapper)
    return wrapper


def _getter(core: FunctionCore, slow: Callable[..., Any], is_async: bool, tagged: bool) -> Callable[..., Any]:
    """Return the function's first `__get__`: it makes the bound class, and a second one in its own place."""

    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:  # noqa: N807 - becomes that method
        if instance is None:
            return self
        bound = _bound_class(core, slow, is_async, tagged)

        def __get__(self: Any, instance: Any, owner: Any = None) -> Any:  # noqa: N807 - becomes that method
            return self if instance is None else bound(instance)

        type(self).__get__ = __get__
        return bound(instance)

    return __get__


def _bound_class(core: FunctionCore, slow: Callable[..., Any], is_async: bool, tagged: bool) -> Any:
    core.is_method = True
    call, bind = compile_bound_call(
        core.parameters, core.python_name, slow, core.keys.receivers.finders, is_async=is_async, tagged=tagged
    )
    core.on_bound.append(_binder(bind))
    core.rebind()
    controls: Any = BoundAsyncCachedFunction if is_async else BoundCachedFunction

    def its_core(_: Any) -> FunctionCore:
        return core

    return type(f"Bound_{core.python_name}", (_Bound, controls), {"__call__": call, "_core": its_core})


def _binder(bind: Callable[[Any, Any, Any], None]) -> Callable[[Binding], None]:
    def on_bound(binding: Binding) -> None:
        table = binding.table
        if table is not None:
            bind(binding.cache.clock, table.touch, binding.counters.shortcut_hits.tick)

    return on_bound


def _never_called(*args: Any) -> Any:
    raise NotImplementedError
