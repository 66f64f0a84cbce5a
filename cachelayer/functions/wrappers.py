"""What users hold: cached functions and bound cached methods, sync and async.

All of them are thin: calls go through the compiled hit path, everything else to the `FunctionCore`. A sync and an
async class each drive the same flows with their own driver: see `controls`.
"""

from __future__ import annotations

import copy
import inspect
import types
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar, overload

import msgspec
import wrapt

from cachelayer.functions.batch import item_annotation, make_batch, make_batch_async
from cachelayer.functions.compiled import Bind, Shape, compile_bound_call, compile_call
from cachelayer.functions.controls import (
    AsyncBatchControls,
    AsyncControls,
    AsyncGeneratorControls,
    BatchControls,
    GeneratorControls,
    SyncControls,
    in_order,
)
from cachelayer.functions.core import Binding, FunctionCore
from cachelayer.functions.generators import collector, make_replay, make_replay_async, run_annotation
from cachelayer.functions.parameters import Call
from cachelayer.functions.quick import make_slow, make_slow_async
from cachelayer.values.kinds import type_of

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

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

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin: Self = type_of(self)(copy.deepcopy(self.instance, memo))
        return twin

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        call: Call = self._core().bind_call(self.instance, *args, **kwargs)
        return call


class BoundCachedFunction(SyncControls[P, R]):
    """A cached sync method on an instance or class: call it as the method, control it without naming the instance."""

    __slots__ = ()


class BoundAsyncCachedFunction(AsyncControls[P, R]):
    """A cached async method on an instance or class."""

    __slots__ = ()


class BoundCachedGenerator(GeneratorControls[P, T]):
    """A cached generator method on an instance or class."""

    __slots__ = ()


class BoundAsyncCachedGenerator(AsyncGeneratorControls[P, T]):
    """A cached async generator method on an instance or class."""

    __slots__ = ()


class BoundCachedBatch(BatchControls[P, R]):
    """A cached sync batch method on an instance or class."""

    __slots__ = ()


class BoundAsyncCachedBatch(AsyncBatchControls[P, R]):
    """A cached async batch method on an instance or class."""

    __slots__ = ()


# -- functions --------------------------------------------------------------------------------------------------


if TYPE_CHECKING:

    class _FunctionWrapper:
        """What the type checkers see of wrapt's class, whose own types are about other wrappers than ours."""

        __name__: str
        __qualname__: str
        _self_core: FunctionCore

        def __init__(self, wrapped: Any, wrapper: Any) -> None: ...

    # How `__get__` is understood: a function whose first parameter takes the class that it is found on is a class
    # method; one whose first parameter takes the instance is a method; what takes neither is a static method.
    # mypy objects that not all of these classes take a class first, and is told to ignore it.
    _TakesClass = Callable[Concatenate[type[S], Q], Any]
    _Takes = Callable[Concatenate[S, Q], Any]
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

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundCachedFunction[Q, R]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(
            self: _Takes[S, Q], instance: S, owner: type | None = None
        ) -> BoundCachedFunction[Q, R]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class AsyncCachedFunction(_Wrapper, AsyncControls[P, R]):
    """A cached async function."""

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundAsyncCachedFunction[Q, R]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(
            self: _Takes[S, Q], instance: S, owner: type | None = None
        ) -> BoundAsyncCachedFunction[Q, R]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class CachedGenerator(_Wrapper, GeneratorControls[P, T]):
    """A cached generator function."""

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundCachedGenerator[Q, T]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(
            self: _Takes[S, Q], instance: S, owner: type | None = None
        ) -> BoundCachedGenerator[Q, T]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class AsyncCachedGenerator(_Wrapper, AsyncGeneratorControls[P, T]):
    """A cached async generator function."""

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundAsyncCachedGenerator[Q, T]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(
            self: _Takes[S, Q], instance: S, owner: type | None = None
        ) -> BoundAsyncCachedGenerator[Q, T]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class CachedBatch(_Wrapper, BatchControls[P, R]):
    """A cached sync batch function."""

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundCachedBatch[Q, R]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(self: _Takes[S, Q], instance: S, owner: type | None = None) -> BoundCachedBatch[Q, R]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class AsyncCachedBatch(_Wrapper, AsyncBatchControls[P, R]):
    """A cached async batch function."""

    if TYPE_CHECKING:

        @overload
        def __get__(  # type: ignore[misc]
            self: _TakesClass[S, Q], instance: S | None, owner: type[S]
        ) -> BoundAsyncCachedBatch[Q, R]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(
            self: _Takes[S, Q], instance: S, owner: type | None = None
        ) -> BoundAsyncCachedBatch[Q, R]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> Self: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...


class _Kind(NamedTuple):
    """What differs between functions, coroutine functions, and generator functions of both."""

    make_slow: Callable[[FunctionCore], Any]
    function: Any
    bound: Any
    is_async: bool = False
    is_generator: bool = False


def _kind(function: Callable[..., Any], *, batch: bool) -> _Kind:
    if batch and inspect.iscoroutinefunction(function):
        return _Kind(make_batch_async, AsyncCachedBatch, BoundAsyncCachedBatch, is_async=True)
    if batch:
        return _Kind(make_batch, CachedBatch, BoundCachedBatch)
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
        core.origin, core.annotation_of = _of_one(core), item_annotation
    direct = not (kind.is_generator or core.options.batch or core.keys.vary)
    shape = Shape(core.python_name, kind.is_async, direct, bool(core.options.tags), core.freshness)
    slow = kind.make_slow(core)
    call, bind = compile_call(core.parameters, shape, slow, core.shortcut.get)
    core.on_bound.append(_binder(bind, lambda: core.shortcut.get))
    namespace: dict[str, Any] = {
        "__call__": staticmethod(call),
        "__get__": _getter(core, slow, shape, kind.bound),
    }
    # In this very class: who looks at a class's annotations leaves an empty dict there, which would hide wrapt's.
    namespace["__annotations__"] = property(_annotations)
    wrapper = type(f"Cached_{core.function.__name__}", (kind.function,), namespace)(core)
    core.set_wrapper(wrapper)
    return wrapper


def is_cached(function: Any) -> bool:
    """Tell whether it is the wrapper of a cached function."""
    return issubclass(type_of(function), _Wrapper)


def _of_one(core: FunctionCore) -> Callable[..., Any]:
    """Return what gives a batch function's value for one item: for `refresh`."""
    function = core.function

    def asked(args: tuple[Any, ...]) -> tuple[Any, ...]:
        place = int(core.is_method)
        return (*args[:place], [args[place]], *args[place + 1 :])

    def of(given: Any, args: tuple[Any, ...]) -> Any:
        return in_order(given, asked(args)[int(core.is_method)])[0]

    if inspect.iscoroutinefunction(function):

        async def aone(*args: Any, **kwargs: Any) -> Any:
            return of(await function(*asked(args), **kwargs), args)

        return aone

    def one(*args: Any, **kwargs: Any) -> Any:
        return of(function(*asked(args), **kwargs), args)

    return one


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

    namespace = {"__call__": call, "_core": its_core, "__module__": core.function.__module__}
    bound = type(f"Bound_{core.python_name}", (_Bound, controls), namespace)
    # Found before `__getattr__` is asked, and the class's own otherwise; not for msgspec to read as a struct's.
    for name in ("__doc__", "__annotations__"):
        setattr(bound, name, property(partial(_of_function, name=name)))
    return bound


def _annotations(wrapper: Any) -> Any:
    return wrapper.__wrapped__.__annotations__


def _of_function(bound: Any, name: str) -> Any:
    return getattr(bound.__func__, name)


def _binder(bind: Bind, where: Callable[[], Any]) -> Callable[[Binding], None]:
    def on_bound(binding: Binding) -> None:
        table = binding.table
        if table is not None:
            tick, note = binding.counters.shortcut_hits.tick, binding.counters.note_shortcut

            def sampled(began: float, entry: Any, now: float) -> None:
                note(began, entry, now)
                if table.curve is not None:
                    table.curve.look_if_due()

            bind(where(), binding.clock, table.touch, tick, sampled)

    return on_bound


def _never_called(*args: Any) -> Any:
    raise NotImplementedError
