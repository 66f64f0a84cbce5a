"""Values of the type that a return annotation names: dataclasses, msgspec Structs, named tuples, enums."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Any

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.kinds import type_of


class TypedCodec:
    """Encodes and decodes values of one annotated type by msgspec, without pickle.

    Args:
        annotation: any type that msgspec can decode to.

    Raises:
        EncodingError: msgspec cannot decode to this type.
    """

    def __init__(self, annotation: Any) -> None:
        try:
            self._decoder = msgspec.msgpack.Decoder(annotation)
        except (TypeError, NameError) as error:
            raise EncodingError(
                f"the return annotation {annotation!r} cannot be decoded to: {error}"
            ) from None

    def encode(self, value: Any) -> bytes:
        """Return the value's bytes, checked to come back as what it was: an annotation may name a base of its type."""
        try:
            data = msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise EncodingError(str(error)) from None
        self._check(value, data)
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value, or raise DecodingError where the bytes do not fit the annotation (any more)."""
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise DecodingError(str(error)) from None

    def _check(self, value: Any, data: bytes) -> None:
        try:
            copy = self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise EncodingError(f"does not fit the return annotation: {error}") from None
        if not _is_same(value, copy):
            raise EncodingError(f"{type(value).__qualname__} does not come back equal through its annotation")


def _is_same(one: Any, other: Any) -> bool:
    """Whether both are equal and of the same types, all the way down; nan is nan."""
    kind = type_of(one)
    if kind is not type_of(other):
        # What is annotated as float may be an int, and comes back as what the annotation says.
        return kind is int and type_of(other) is float and one == other
    if issubclass(kind, (list, tuple)):
        return _are_same(one, other)
    if issubclass(kind, dict):
        return _are_same(one, other) and _are_same(one.values(), other.values())
    if issubclass(kind, (set, frozenset)):
        found = {item: item for item in other}
        return len(one) == len(found) and all(_is_same(item, found.get(item)) for item in one)
    names = _field_names(kind)
    if names is not None:
        return _are_same(*([getattr(each, name, None) for name in names] for each in (one, other)))
    # A time with a named zone comes back with the offset alone.
    if type_of(getattr(one, "tzinfo", None)) is not type_of(getattr(other, "tzinfo", None)):
        return False
    return bool(one == other) or (kind is float and math.isnan(one) and math.isnan(other))


def _are_same(these: Collection[Any], those: Collection[Any]) -> bool:
    return len(these) == len(those) and all(map(_is_same, these, those))


def _field_names(kind: type[Any]) -> Collection[str] | None:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return None
