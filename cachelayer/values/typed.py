"""Values of the type that a return annotation names, by msgspec: the quickest to read, and JSON for others to read.

    fingerprint of the annotation | MessagePack or JSON

Each value is read back and compared as it is written, for an annotation may name a base of the value's type, and
msgspec would bring that back.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.sameness import is_same
from cachelayer.values.schema import SIZE, fingerprint, type_text

_LITTLE: Final = 4096


class TypedCodec:
    """Encodes and decodes values of one annotated type by msgspec, without pickle.

    Args:
        annotation: any type that msgspec can decode to.
        json: write JSON rather than MessagePack.

    Raises:
        EncodingError: msgspec cannot decode to this type.
    """

    def __init__(self, annotation: Any, *, json: bool = False) -> None:
        form: Any = msgspec.json if json else msgspec.msgpack
        self._form = "JSON" if json else "MessagePack"
        self._encode = form.encode
        try:
            self._decoder = form.Decoder(annotation)
        # msgspec evaluates annotations, which are expressions.
        except Exception as error:  # noqa: BLE001
            raise EncodingError(
                f"the return annotation {type_text(annotation)} cannot be decoded to: {error}"
            ) from None
        self._fingerprint = fingerprint(annotation)

    def encode(self, value: Any) -> bytes:
        """Return the value's bytes, or raise EncodingError where they would not come back as what it is."""
        try:
            data: bytes = self._encode(value)
            copy = self._decoder.decode(data)
        except Exception as error:  # noqa: BLE001 - hooks of classes, such as __post_init__, raise what they like
            raise EncodingError(f"{self._form} by the return annotation is not possible: {error}") from None
        if not is_same(value, copy):
            raise EncodingError(
                f"{type(value).__qualname__} does not come back equal through {self._form} and its annotation"
            )
        return self._fingerprint + data

    def decode(self, data: bytes) -> Any:
        """Return the value, or raise DecodingError where the bytes do not fit the annotation (any more)."""
        if not data.startswith(self._fingerprint):
            raise DecodingError("the return annotation, or a class in it, has changed")
        try:
            # Of little data a copy costs less than a view.
            return self._decoder.decode(data[SIZE:] if len(data) < _LITTLE else memoryview(data)[SIZE:])
        except Exception as error:  # noqa: BLE001 - as above
            raise DecodingError(f"does not fit the return annotation: {error}") from None
