"""Serializers: how results become bytes, by name, or by an object of the user's.

| name | what it does |
|---|---|
| `"auto"` | plain values each with their own type; else by the return annotation; else by the codecs of their classes |
| `"msgspec"` | MessagePack, read back as the return annotation says |
| `"json"` | JSON, read back as the return annotation says |
| `"raw"` | bytes and text as they are |
| `"pickle"` | whatever pickle takes, of allowed classes; signed, where the store is shared |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol, runtime_checkable

from cachelayer.errors import ConfigurationError, DecodingError, EncodingError, OptionTypeError
from cachelayer.values.kinds import type_of
from cachelayer.values.numbers import JSON, OBJECTS, OWN, PICKLE, RAW, TEXT, TYPED
from cachelayer.values.objects import ObjectCodec
from cachelayer.values.pickled import PickleCodec, check_allow
from cachelayer.values.schema import SIZE, digest
from cachelayer.values.typed import TypedCodec

#: The names that `serializer=` takes.
SerializerName = Literal["auto", "msgspec", "json", "raw", "pickle"]


@runtime_checkable
class Serializer(Protocol):
    """A serializer of one's own.

    Where it has a true attribute `needs_signature`, it is refused on shared stores without secret keys: set it
    where foreign bytes could do harm, as pickles can.
    """

    @property
    def name(self) -> str:
        """What stored bytes call it: give it another when the format changes."""
        ...

    def encode(self, value: Any, /) -> bytes:
        """Return the value as bytes; whatever it raises means that the result is not stored."""
        ...

    def decode(self, data: bytes, /) -> Any:
        """Return the value; whatever it raises counts as a miss."""
        ...


class PickleSerializer:
    """`serializer="pickle"` with further classes.

    Args:
        allow: classes that pickles may contain beside those of the return annotation and Python's own plain types;
            and names of modules all of whose classes may.

    Raises:
        OptionTypeError: `allow` is no list of classes and names.
    """

    name = "pickle"
    needs_signature = True

    def __init__(self, allow: Iterable[type | str] = ()) -> None:
        self.allow = check_allow(allow)
        self._codec = PickleCodec(None, self.allow)

    def encode(self, value: Any, /) -> bytes:
        """Return the value as bytes, or raise EncodingError."""
        return self._codec.encode(value)

    def decode(self, data: bytes, /) -> Any:
        """Return the value, or raise DecodingError."""
        return self._codec.decode(data)


class Form(Protocol):
    """A serializer for one function: as `Codec`, for results alone."""

    def encode(self, value: Any) -> tuple[int, bytes]:
        """Return the codec's number and the value's bytes, or raise EncodingError."""
        ...

    def decode(self, number: int, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        ...


#: Returns the return annotation of the function, None where it has none.
Annotation = Callable[[], Any]


class Auto:
    """`"auto"`, of what is not plain: by the return annotation or its classes' codecs."""

    def __init__(self, annotation: Annotation) -> None:
        self._annotation = annotation
        self._objects: ObjectCodec | None = None
        self._typed: TypedCodec | None = None
        self._tries_typed = False

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `Form.encode`."""
        objects = self._by_class()
        if self._tries_typed and self._typed is not None:
            try:
                return TYPED, self._typed.encode(value)
            except EncodingError:
                pass
        found = OBJECTS, objects.encode(value)
        # What msgspec could not bring back once, such as a zone, it will be given in vain again.
        self._tries_typed = False
        return found

    def decode(self, number: int, data: bytes) -> Any:
        """See `Form.decode`."""
        if number == TYPED:
            return (self._typed or self._by_type()).decode(data)
        if number == OBJECTS:
            return self._by_class().decode(data)
        raise unknown(number)

    def _by_type(self) -> TypedCodec:
        self._by_class()
        if self._typed is None:
            raise DecodingError("there is no return annotation, or none to decode by")
        return self._typed

    def _by_class(self) -> ObjectCodec:
        if self._objects is None:
            annotation = self._annotation()
            self._typed = _typed_or_none(annotation)
            self._tries_typed = self._typed is not None
            self._objects = ObjectCodec(annotation)
        return self._objects


class ByAnnotation:
    """`"msgspec"` and `"json"`."""

    def __init__(self, annotation: Annotation, number: int) -> None:
        self._annotation, self._number = annotation, number
        self._codec: TypedCodec | None = None

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `Form.encode`."""
        return self._number, self._typed().encode(value)

    def decode(self, number: int, data: bytes) -> Any:
        """See `Form.decode`."""
        if number != self._number:
            raise unknown(number)
        try:
            codec = self._typed()
        except EncodingError as error:
            raise DecodingError(str(error)) from None
        return codec.decode(data)

    def _typed(self) -> TypedCodec:
        if self._codec is None:
            annotation = self._annotation()
            self._codec = TypedCodec(Any if annotation is None else annotation, json=self._number == JSON)
        return self._codec


class Raw:
    """`"raw"`: bytes and text."""

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `Form.encode`."""
        kind = type_of(value)
        if kind is bytes:
            return RAW, value
        if kind is not str:
            raise EncodingError(f"serializer='raw' takes bytes and str, not {kind.__qualname__}")
        try:
            return TEXT, value.encode()
        except UnicodeEncodeError as error:
            raise EncodingError(f"a text that is not valid Unicode: {error}") from None

    def decode(self, number: int, data: bytes) -> Any:
        """See `Form.decode`."""
        if number == RAW:
            return data
        if number != TEXT:
            raise unknown(number)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise DecodingError(f"a text that is not valid Unicode: {error}") from None


class Pickled:
    """`"pickle"`."""

    def __init__(self, annotation: Annotation, allow: tuple[type | str, ...] = ()) -> None:
        self._annotation, self._allow = annotation, allow
        self._codec: PickleCodec | None = None

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `Form.encode`."""
        return PICKLE, self._by_annotation().encode(value)

    def decode(self, number: int, data: bytes) -> Any:
        """See `Form.decode`."""
        if number != PICKLE:
            raise unknown(number)
        return self._by_annotation().decode(data)

    def _by_annotation(self) -> PickleCodec:
        if self._codec is None:
            self._codec = PickleCodec(self._annotation(), self._allow)
        return self._codec


class Own:
    """A serializer of the user's."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer
        self._digest = digest("serializer", serializer.name)

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `Form.encode`."""
        try:
            data = self._serializer.encode(value)
        except EncodingError:
            raise
        except Exception as error:
            raise EncodingError(f"the serializer {self._serializer.name!r} failed: {error!r}") from error
        if type_of(data) is not bytes:
            raise EncodingError(f"the serializer {self._serializer.name!r} gave no bytes but {type(data)}")
        return OWN, self._digest + data

    def decode(self, number: int, data: bytes) -> Any:
        """See `Form.decode`."""
        if number != OWN or data[:SIZE] != self._digest:
            raise unknown(number)
        try:
            return self._serializer.decode(data[SIZE:])
        except Exception as error:  # noqa: BLE001 - foreign bytes can break it in any way
            raise DecodingError(f"the serializer {self._serializer.name!r} failed: {error!r}") from None


_BY_NAME: Final[dict[str, Callable[[Annotation], Form]]] = {
    "auto": Auto,
    "msgspec": lambda annotation: ByAnnotation(annotation, TYPED),
    "json": lambda annotation: ByAnnotation(annotation, JSON),
    "raw": lambda _: Raw(),
    "pickle": Pickled,
}


def make_form(serializer: Any, annotation: Annotation) -> Form:
    """Return the serializer for a function with this return annotation; raises as `check_serializer`."""
    check_serializer(serializer)
    if isinstance(serializer, str):
        return _BY_NAME[serializer](annotation)
    if isinstance(serializer, PickleSerializer):
        return Pickled(annotation, serializer.allow)
    return Own(serializer)


def check_serializer(serializer: Any) -> None:
    """Check the option `serializer=`.

    Raises:
        ConfigurationError: there is none of that name.
        OptionTypeError: it is no serializer.
    """
    if isinstance(serializer, str):
        if serializer not in _BY_NAME:
            names = ", ".join(map(repr, _BY_NAME))
            raise ConfigurationError(f"there is no serializer {serializer!r}: there are {names}")
        return
    name = getattr(serializer, "name", None)
    if isinstance(serializer, type) or not isinstance(serializer, Serializer) or not isinstance(name, str):
        raise OptionTypeError(
            f"serializer must be a name, or an object with name, encode and decode, not {serializer!r}"
        )


def needs_signature(serializer: str | Serializer) -> bool:
    """Whether what it reads from a shared store must be signed."""
    return serializer == "pickle" or bool(getattr(serializer, "needs_signature", False))


def unknown(number: int) -> DecodingError:
    """Return the error for bytes by a codec that is not this function's."""
    return DecodingError(f"codec {number} is not known here")


def _typed_or_none(annotation: Any) -> TypedCodec | None:
    try:
        return None if annotation is None else TypedCodec(annotation)
    except EncodingError:
        return None
