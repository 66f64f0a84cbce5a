"""Codecs: how one function's results become bytes, and which codec a stored value was made by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from cachelayer.errors import EncodingError
from cachelayer.values.exceptions import decode_exception, encode_exception, put_together, take_apart
from cachelayer.values.numbers import EXCEPTION, LOCAL, TREE
from cachelayer.values.serializers import Serializer, make_form
from cachelayer.values.snapshot import Snapshot, snapshot
from cachelayer.values.tree import decode_tree, encode_tree


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
    """Results of a function, by a serializer, and its exceptions.

    Args:
        annotation: returns the function's return annotation, or None; asked at the first value that needs it,
            since the names in it may be defined after the function.
        exceptions: the exception classes that may be cached.
        serializer: as `@cached` takes it.

    Raises:
        ConfigurationError: there is no serializer of that name.
        OptionTypeError: it is no serializer.
    """

    def __init__(
        self,
        annotation: Callable[[], Any] | None = None,
        exceptions: Iterable[type[BaseException]] = (),
        serializer: str | Serializer = "auto",
    ) -> None:
        self._exceptions = tuple(exceptions)
        self._form = make_form(serializer, annotation or _nothing)
        self._encode, self._decode = self._form.encode, self._form.decode
        #: Plain values take a shorter way, which is the way of most.
        self._is_auto = serializer == "auto"

    def keep(self, value: Any) -> Snapshot:
        """Return the value kept for this process, or raise EncodingError."""
        if type(value) is Failure:
            return _keep_failure(value)
        try:
            return snapshot(value)
        except EncodingError as error:
            return self._keep_bytes(value, error)

    def encode(self, value: Any) -> tuple[int, bytes]:
        """Return the codec's number and the value's bytes, or raise EncodingError."""
        if type(value) is Failure:
            return EXCEPTION, encode_exception(value.error)
        if self._is_auto:
            try:
                return TREE, encode_tree(value)
            except EncodingError:
                pass  # It is not plain.
        return self._encode(value)

    def decode(self, codec: int, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        if codec == TREE and self._is_auto:
            return decode_tree(data)
        if codec == EXCEPTION:
            return Failure(decode_exception(data, self._exceptions))
        return self._decode(codec, data)

    def _keep_bytes(self, value: Any, error: EncodingError) -> Snapshot:
        """Keep what pickle cannot copy as the bytes that a store would get: there may be a codec for it."""
        try:
            number, data = self._encode(value)
        except EncodingError:
            raise error from None
        return Snapshot(data, lambda kept: self._decode(number, kept), None, LOCAL, len(data))


def _nothing() -> None:
    return None


def _keep_failure(failure: Failure) -> Snapshot:
    kept = snapshot(take_apart(failure.error))

    def again(_: Any) -> Failure:
        return Failure(put_together(*kept.value()))

    return Snapshot(kept.payload, again, kept.encode, LOCAL, kept.size)
