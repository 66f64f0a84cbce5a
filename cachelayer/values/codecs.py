"""Codecs: how one function's results become bytes, and which codec a stored value was made by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.exceptions import decode_exception, encode_exception, put_together, take_apart
from cachelayer.values.numbers import EXCEPTION, LOCAL, TREE, TYPED
from cachelayer.values.snapshot import Snapshot, snapshot
from cachelayer.values.tree import decode_tree, encode_tree
from cachelayer.values.typed import TypedCodec


class Codec(Protocol):
    """What the flow needs to keep a value: in this process, and as bytes."""

    def keep(self, value: Any) -> Snapshot:
        """Return the value kept for this process, or raise EncodingError."""
        ...

    def encode(self, value: Any) -> tuple[int, bytes]:
        """Return the codec's number and the value's bytes, or raise EncodingError."""
        ...

    def decode(self, codec: int, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        ...


class Failure:
    """Stands for an exception where a value would be: what a cached exception decodes to."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class ValueCodec:
    """Results of a function: by plain exact types first, then by the return annotation.

    Args:
        annotation: returns the function's return annotation, or None; asked at the first value that needs it,
            since the names in it may be defined after the function.
        exceptions: the exception classes that may be cached.
    """

    def __init__(
        self, annotation: Callable[[], Any] | None = None, exceptions: Iterable[type[BaseException]] = ()
    ) -> None:
        self._annotation = annotation
        self._exceptions = tuple(exceptions)
        self._typed: TypedCodec | None = None

    def keep(self, value: Any) -> Snapshot:
        """Return the value kept for this process, or raise EncodingError."""
        return snapshot(value) if type(value) is not Failure else _keep_failure(value)

    def encode(self, value: Any) -> tuple[int, bytes]:
        """Return the codec's number and the value's bytes, or raise EncodingError."""
        if type(value) is Failure:
            return EXCEPTION, encode_exception(value.error)
        try:
            return TREE, encode_tree(value)
        except EncodingError as plain:
            return TYPED, self._by_annotation(plain).encode(value)

    def decode(self, codec: int, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        if codec == TREE:
            return decode_tree(data)
        if codec == EXCEPTION:
            return Failure(decode_exception(data, self._exceptions))
        if codec != TYPED:
            raise DecodingError(f"codec {codec} is not known here")
        try:
            return self._by_annotation(None).decode(data)
        except EncodingError as error:
            raise DecodingError(str(error)) from None

    def _by_annotation(self, plain: EncodingError | None) -> TypedCodec:
        if self._typed is None:
            annotation = self._annotation() if self._annotation else None
            if annotation is None:
                raise plain or EncodingError("there is no return annotation to decode by")
            self._typed = TypedCodec(annotation)
        return self._typed


def _keep_failure(failure: Failure) -> Snapshot:
    kept = snapshot(take_apart(failure.error))

    def again(_: Any) -> Failure:
        return Failure(put_together(*kept.value()))

    return Snapshot(kept.payload, again, kept.encode, LOCAL, kept.size)
