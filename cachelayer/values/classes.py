"""Instances of classes as their parts: dataclasses, Structs, named tuples, enums, models of pydantic, attrs.

An instance is put together from its parts without its `__init__`, so that it comes back as it was, whatever that does.
What is kept elsewhere than in its fields would be lost, so a value that has such a thing is refused; what a
`cached_property` remembers may be lost. The first instance of each class is put together at once and compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import Enum, Flag
from typing import Any, Final

import msgspec

from cachelayer.errors import EncodingError
from cachelayer.values.annotations import is_model, is_named_tuple
from cachelayer.values.kinds import type_of
from cachelayer.values.sameness import beside, is_equal, is_same
from cachelayer.values.schema import class_fingerprint, class_name

#: In the base class: without it, a class has no instances that could be made of fields alone.
_PLAIN_NEW: Final = object.__new__
_set: Final = object.__setattr__


class Plan:
    """How the instances of one class become parts, and come back.

    Args:
        kind: the class, exactly.
        digest: what stands for it in bytes: other code, or code that changed, must have another one.
        take_apart: returns the parts, each of a type that can be encoded.
        put_together: returns an instance; it may raise anything.
    """

    __slots__ = ("digest", "is_proven", "kind", "put_together", "take_apart")

    def __init__(
        self,
        kind: type,
        digest: bytes,
        take_apart: Callable[[Any], Sequence[Any]],
        put_together: Callable[[list[Any]], Any],
    ) -> None:
        self.kind, self.digest = kind, digest
        self.take_apart, self.put_together = take_apart, put_together
        #: Whether an instance was seen to come back as it was.
        self.is_proven = False

    def prove(self, value: Any, copy: Any) -> None:
        """Compare the first instance with what it came back as; raises EncodingError where these differ."""
        if type_of(copy) is not self.kind or not self._is_same(value, copy):
            raise EncodingError(
                f"{class_name(self.kind)} does not come back as it was: use register_codec for it"
            )
        self.is_proven = True

    def _is_same(self, value: Any, copy: Any) -> bool:
        before, after = list(self.take_apart(value)), list(self.take_apart(copy))
        if not is_same(before, after):
            return False
        # What has a nan in it is equal to nothing; without an __eq__, nothing is.
        return not _compares(self.kind) or is_equal(value, copy) or not is_equal(before, after)


def _compares(kind: type[Any]) -> bool:
    return any("__eq__" in vars(base) for base in kind.__mro__ if base is not object)


def plan_of(kind: type[Any]) -> Plan | None:
    """Return how instances of a class are taken apart, None where it is of no sort that is known."""
    for applies, make in _SORTS:
        if applies(kind):
            take_apart, put_together = make(kind)
            return Plan(kind, class_fingerprint(kind), take_apart, put_together)
    return None


_Pair = tuple[Callable[[Any], Sequence[Any]], Callable[[list[Any]], Any]]


def _plan_enum(kind: Any) -> _Pair:
    def name(value: Any) -> list[Any]:
        if kind.__members__.get(value.name) is not value:
            raise EncodingError(f"{value!r} is no member that has a name")
        return [value.name]

    if issubclass(kind, Flag):
        return lambda value: [value.value], lambda parts: kind(parts[0])
    return name, lambda parts: kind[parts[0]]


def _plan_tuple(kind: Any) -> _Pair:
    size = len(kind._fields)

    def take_apart(value: Any) -> list[Any]:
        _check_no_more(value, ())
        if len(value) != size:
            raise EncodingError(f"{kind.__qualname__} with {len(value)} fields, which has {size}")
        return list(value)

    def put_together(parts: list[Any]) -> Any:
        _check_count(parts, size)
        return tuple.__new__(kind, parts)

    return take_apart, put_together


def _plan_struct(kind: Any) -> _Pair:
    names: tuple[str, ...] = kind.__struct_fields__
    has_hook = hasattr(kind, "__post_init__")

    def put_together(parts: list[Any]) -> Any:
        _check_count(parts, len(names))
        copy = kind(**dict(zip(names, parts, strict=True)))
        if has_hook:
            for name, part in zip(names, parts, strict=True):
                msgspec.structs.force_setattr(copy, name, part)
        return copy

    return _fields_taker(names), put_together


def _plan_fields(kind: Any) -> _Pair:
    names = tuple(each.name for each in _declared(kind))

    def put_together(parts: list[Any]) -> Any:
        _check_count(parts, len(names))
        copy = _PLAIN_NEW(kind)
        for name, part in zip(names, parts, strict=True):
            _set(copy, name, part)
        return copy

    if kind.__new__ is not _PLAIN_NEW or _other_slots(kind, names):
        return _refuse, put_together
    return _fields_taker(names), put_together


def _plan_model(kind: Any) -> _Pair:
    """Plan a model of pydantic by its state, as pickle does: validated, or not, once, when it was made."""
    names = tuple(kind.model_fields)

    def take_apart(value: Any) -> list[Any]:
        state = kind.__getstate__(value)
        values = state["__dict__"]
        _check_no_more(value, names)
        missing = [name for name in names if name not in values]
        if missing:
            raise EncodingError(f"{kind.__qualname__} without {', '.join(missing)}")
        # A RootModel has neither extra nor private ones.
        extra, private = state.get("__pydantic_extra__"), state.get("__pydantic_private__")
        return [[values[name] for name in names], extra, state["__pydantic_fields_set__"], private]

    def put_together(parts: list[Any]) -> Any:
        values, extra, given, private = parts
        if type_of(given) is not set or not {type_of(extra), type_of(private)} <= {dict, type(None)}:
            raise ValueError("not the state of a model")
        copy = kind.__new__(kind)
        kind.__setstate__(
            copy,
            {
                "__dict__": dict(zip(names, values, strict=True)),
                "__pydantic_extra__": extra,
                "__pydantic_fields_set__": given,
                "__pydantic_private__": private,
            },
        )
        return copy

    return take_apart, put_together


def _fields_taker(names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    def take_apart(value: Any) -> list[Any]:
        _check_no_more(value, names)
        try:
            return [getattr(value, name) for name in names]
        except AttributeError as error:
            raise EncodingError(f"{type(value).__qualname__} without one of its fields: {error}") from None

    return take_apart


def _refuse(value: Any) -> list[Any]:
    raise EncodingError(
        f"{class_name(type(value))} has a __new__, or slots, beside its fields: use register_codec for it"
    )


def _check_no_more(value: Any, names: tuple[str, ...]) -> None:
    """Refuse a value that holds more than its fields, which would be lost."""
    for name in sorted(beside(value, names)):
        raise EncodingError(f"{class_name(type_of(value))} with {name!r}, which is none of its fields")


def _check_count(parts: list[Any], count: int) -> None:
    if len(parts) != count:
        raise ValueError(f"{len(parts)} parts instead of {count}")


def _declared(kind: Any) -> Sequence[Any]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else kind.__attrs_attrs__


def _other_slots(kind: type[Any], names: tuple[str, ...]) -> bool:
    allowed = {*names, "__dict__", "__weakref__"}
    slots: set[str] = set()
    for base in kind.__mro__:
        own = vars(base).get("__slots__", ())
        slots.update((own,) if isinstance(own, str) else own)
    return not slots <= allowed


#: In this order: a dataclass of pydantic, for one, is a dataclass, and a Struct may be nothing else.
_SORTS: Final[tuple[tuple[Callable[[type[Any]], bool], Callable[[Any], _Pair]], ...]] = (
    (lambda kind: issubclass(kind, Enum), _plan_enum),
    (is_named_tuple, _plan_tuple),
    (lambda kind: issubclass(kind, msgspec.Struct), _plan_struct),
    (lambda kind: dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__"), _plan_fields),
    (is_model, _plan_model),
)
