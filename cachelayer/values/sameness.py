"""Whether a value came back as it was."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Collection
from datetime import datetime, time
from typing import Any

import msgspec

from cachelayer.values.annotations import is_model
from cachelayer.values.kinds import type_of


def is_same(one: Any, other: Any) -> bool:
    """Whether both are equal and of the same types, all the way down; nan is nan."""
    kind = type_of(one)
    if kind is not type_of(other):
        return False
    if issubclass(kind, (list, tuple, deque)):
        return _are_same(one, other)
    if issubclass(kind, dict):
        return _are_same(one, other) and _are_same(one.values(), other.values())
    if issubclass(kind, (set, frozenset)):
        return len(one) == len(other) and _have_same_items(one, other)
    names = _field_names(kind)
    if names is not None:
        if beside(one, names) - beside(other, names):
            return False
        return _are_same(*([getattr(each, name, None) for name in names] for each in (one, other)))
    # A time with a named zone may come back with the offset alone, which is equal.
    if issubclass(kind, (datetime, time)) and _clock(one) != _clock(other):
        return False
    return is_equal(one, other)


def _clock(moment: datetime | time) -> tuple[type, str, int]:
    return type(moment.tzinfo), repr(moment.tzinfo), moment.fold


def is_equal(one: Any, other: Any) -> bool:
    """Whether both are equal, or unequal to themselves, too; arrays are equal where all of their items are."""
    try:
        return bool(one == other) or (one != one and other != other)  # noqa: PLR0124
    # What cannot be compared, or gives more than one answer, such as an array, is judged by its bytes.
    except Exception:  # noqa: BLE001 - __eq__ is whoever's
        return _has_same_bytes(one, other)


def _has_same_bytes(one: Any, other: Any) -> bool:
    tobytes = getattr(one, "tobytes", None)
    if tobytes is None:
        return repr(one) == repr(other)
    return bool(one.shape == other.shape and one.dtype == other.dtype and tobytes() == other.tobytes())


def _are_same(these: Collection[Any], those: Collection[Any]) -> bool:
    return len(these) == len(those) and all(map(is_same, these, those))


def _have_same_items(these: Collection[Any], those: Collection[Any]) -> bool:
    found = {item: item for item in those}
    # What is equal to nothing, such as a nan, is looked for among what is left.
    odd = [item for item in these if item not in found or not is_same(item, found.pop(item))]
    left = list(found.values())
    for item in odd:
        match = next((place for place, other in enumerate(left) if is_same(item, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def beside(value: Any, names: Collection[str]) -> set[str]:
    """Return the attributes of an instance that are none of its fields, but for what a `cached_property` remembers."""
    held = getattr(value, "__dict__", None)
    if not held or held.keys() <= set(names):
        return set()
    kind = type_of(value)
    return {
        name
        for name in held.keys() - set(names)
        if not isinstance(getattr(kind, name, None), functools.cached_property)
    }


def _field_names(kind: type[Any]) -> Collection[str] | None:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind.model_fields) if is_model(kind) else None
