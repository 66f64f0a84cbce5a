"""`@cached.batch`: a function of many items, of which each has an entry of its own.

The function takes a collection of items first, and returns a mapping by item (which may lack some), or a list in the
items' order. It is called once, with the items that are missing. Each item's key, tags and fence are those of a
function that takes this one item.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cachelayer.context import bypasses, is_bypassed
from cachelayer.errors import OptionTypeError
from cachelayer.flow.batch import get_or_compute_many
from cachelayer.flow.lookups import Lookup, Result
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow, arun, run
from cachelayer.functions.core import FunctionCore, Place
from cachelayer.outcomes import Outcome
from cachelayer.values.kinds import type_of

_ABSENT: Final = Result(Outcome.UNCACHEABLE, reason="absent")


def item_annotation(annotation: Any) -> Any:
    """Return the type of one item's value in this return annotation; None where that says too little."""
    arguments = typing.get_args(annotation)
    return arguments[-1] if arguments and arguments[-1] is not Ellipsis else (arguments or (None,))[0]


def make_batch(core: FunctionCore) -> Callable[..., Any]:
    """Return what a cached sync batch function calls."""
    function = core.function

    def batch(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> Any:
        if bypasses and is_bypassed():
            return function(*args, **kwargs)
        return run(_call(core, args, kwargs))

    return batch


def make_batch_async(core: FunctionCore) -> Callable[..., Any]:
    """Return what a cached async batch function awaits."""
    function = core.function

    async def batch(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> Any:
        if bypasses and is_bypassed():
            return await function(*args, **kwargs)
        return await arun(_call(core, args, kwargs))

    return batch


def _call(core: FunctionCore, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
    binding = core.binding()
    if binding.is_off:
        core.count(binding, "", Result(Outcome.BYPASS, reason="disabled"))
        return (yield Compute(core.function, args, kwargs))
    return (yield from Batch(core, args, kwargs).call())


class Batch:
    """One call of a batch function.

    Args:
        core: the function.
        args: its positional arguments, defaults included.
        kwargs: its keyword-only arguments.
    """

    def __init__(self, core: FunctionCore, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._core, self._args, self._kwargs = core, args, kwargs
        self._gives_list = _gives_list(core.function)
        self._place = int(core.is_method)
        self._items = self._given_items()
        self._asked: Sequence[str] = ()
        lookups = [core.lookup(self._with(item), kwargs) for item in self._items]
        self._keys = [lookup.key for lookup in lookups]
        self._lookups: dict[str, Lookup] = dict(zip(self._keys, lookups, strict=True))
        self._by_key = dict(zip(self._keys, self._items, strict=True))

    def call(self) -> Flow[Any]:
        """Return what the function would return, from the cache as far as that has it."""
        core, binding = self._core, self._core.binding()
        results = yield from get_or_compute_many(binding.engine, self._lookups, self._compute, self._values)
        for key in self._lookups:
            core.count(binding, key, results.get(key, _ABSENT))
        return self._shaped(results)

    def _given_items(self) -> list[Any]:
        items = self._args[self._place] if len(self._args) > self._place else None
        if items is None or isinstance(items, (str, bytes)):
            raise OptionTypeError(
                f"{self._core.label} is cached by batch: its first argument must be a collection of items, "
                f"not {items!r}"
            )
        return list(items)

    def _with(self, item: Any) -> tuple[Any, ...]:
        return (*self._args[: self._place], item, *self._args[self._place + 1 :])

    def _compute(self, keys: Sequence[str]) -> Compute:
        self._asked = keys
        return Compute(self._core.function, self._with([self._by_key[key] for key in keys]), self._kwargs)

    def _values(self, given: Any) -> Mapping[str, Any]:
        """Return what the function gave for the items that it was asked for, by key."""
        kind = type_of(given)
        if self._gives_list and issubclass(kind, Sequence) and len(given) == len(self._asked):
            return dict(zip(self._asked, given, strict=True))
        if not self._gives_list and issubclass(kind, Mapping):
            return {key: given[item] for key in self._asked if (item := self._by_key[key]) in given}
        wanted = "a list with a value for each item" if self._gives_list else "a mapping by item"
        raise OptionTypeError(
            f"{self._core.label} is cached by batch and must return {wanted}, as its return annotation says, "
            f"not {kind.__name__}"
        )

    def _shaped(self, results: Mapping[str, Result]) -> Any:
        values = ((key, results[key].give()) for key in self._keys if key in results)
        if self._gives_list:
            return [value for _, value in values]
        return {self._by_key[key]: value for key, value in values}


@lru_cache(maxsize=1000)
def _gives_list(function: Callable[..., Any]) -> bool:
    """Whether the return annotation names a sequence; a mapping is what it is taken for otherwise."""
    try:
        annotation = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):
        return False
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, Sequence)
