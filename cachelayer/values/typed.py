"""Values of the type that a return annotation names: dataclasses, msgspec Structs, named tuples, enums."""

from __future__ import annotations

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
        self._checked: set[type] = set()

    def encode(self, value: Any) -> bytes:
        """Return the value's bytes; the first value of each type is checked to come back equal."""
        try:
            data = msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise EncodingError(str(error)) from None
        if type(value) not in self._checked:
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
        if type(copy) is not type(value) or copy != value:
            raise EncodingError(f"{type(value).__qualname__} does not come back equal through its annotation")
        self._checked.add(type_of(value))
