"""Arguments as text: typed, canonical and length-prefixed, so that no two different calls share a key.

1, 1.0, True, "1", b"1" and Decimal(1) differ; equal dicts and sets are one, in whatever order they were filled and
under whatever hash seed. Each value starts with a letter for its type and is as long as it says.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import secrets
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from cachelayer.values.kinds import type_of

_DEEPEST: Final = 200


class UnkeyableError(Exception):
    """A value has no identity that a key could be made of; the caller turns this into a KeyingError."""


def encode(value: Any, depth: int = 0) -> str:
    """Return the canonical text of `value`, or raise UnkeyableError."""
    kind = type_of(value)
    writer = _WRITERS.get(kind)
    if writer is not None:
        if depth > _DEEPEST:
            raise UnkeyableError(f"it is nested deeper than {_DEEPEST} levels, or contains itself")
        return writer(value, depth + 1)
    return _encode_object(value, kind, depth + 1)


def _sized(letter: str, text: str) -> str:
    return f"{letter}{len(text)}:{text}"


def _series(letter: str, parts: Iterable[str]) -> str:
    listed = list(parts)
    return f"{letter}{len(listed)}[{''.join(listed)}]"


def _items(letter: str) -> Callable[[Any, int], str]:
    return lambda value, depth: _series(letter, (encode(item, depth) for item in value))


def _sorted_items(letter: str) -> Callable[[Any, int], str]:
    return lambda value, depth: _series(letter, sorted(encode(item, depth) for item in value))


def _encode_dict(value: dict[Any, Any], depth: int) -> str:
    return _series("d", sorted(encode(key, depth) + encode(item, depth) for key, item in value.items()))


def _encode_float(value: float, _: int) -> str:
    # repr tells -0.0 from 0.0 and writes every nan as "nan".
    return f"f{value!r};"


def _encode_moment(letter: str) -> Callable[[Any, int], str]:
    return lambda value, _: _sized(
        letter, f"{value.replace(tzinfo=None).isoformat()}/{value.fold}/{_zone(value)}"
    )


def _zone(value: Any) -> str:
    zone = value.tzinfo
    if zone is None:
        return ""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if isinstance(zone, timezone):
        return str(zone.utcoffset(None))
    raise UnkeyableError(f"its time zone {zone!r} is neither a ZoneInfo nor a datetime.timezone")


def _encode_class(value: type, depth: int) -> str:
    return _sized("c", class_name(value))


def has_cache_key(value: Any) -> bool:
    """Whether the value's class says what its identity is."""
    kind = type_of(value)
    return hasattr(kind, "__cache_key__")


def class_name(kind: type[Any]) -> str:
    """Return module and qualified name, with a number where this does not lead back to the class."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if _is_found(kind) else f"{name}@{_serial(kind)}"


def _is_found(value: Any) -> bool:
    """Whether a class or function is what its module and qualified name lead to, so that no other has its name."""
    found: Any = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _encode_path(value: pathlib.PurePath, _: int) -> str:
    return _sized("p", f"{type(value).__name__}:{value}")


_WRITERS: Final[dict[type, Callable[[Any, int], str]]] = {
    type(None): lambda value, depth: "n",
    bool: lambda value, depth: "T" if value else "F",
    int: lambda value, depth: f"i{value};" if -(10**300) < value < 10**300 else f"i{value:#x};",
    float: _encode_float,
    complex: lambda value, depth: f"j{value!r};",
    str: lambda value, depth: _sized("s", value),
    bytes: lambda value, depth: _sized("b", value.hex()),
    bytearray: lambda value, depth: _sized("B", value.hex()),
    Decimal: lambda value, depth: _sized("D", str(value)),
    Fraction: lambda value, depth: _sized("R", str(value)),
    datetime: _encode_moment("t"),
    time: _encode_moment("h"),
    date: lambda value, depth: _sized("y", value.isoformat()),
    timedelta: lambda value, depth: f"w{value.days},{value.seconds},{value.microseconds};",
    UUID: lambda value, depth: f"u{value.hex};",
    range: lambda value, depth: f"r{value.start},{value.stop},{value.step};",
    slice: lambda value, depth: _series(
        "x", (encode(part, depth) for part in (value.start, value.stop, value.step))
    ),
    type(...): lambda value, depth: "e",
    list: _items("l"),
    tuple: _items("q"),
    set: _sorted_items("S"),
    frozenset: _sorted_items("Z"),
    dict: _encode_dict,
    type: _encode_class,
    pathlib.PurePosixPath: _encode_path,
    pathlib.PureWindowsPath: _encode_path,
    pathlib.PosixPath: _encode_path,
    pathlib.WindowsPath: _encode_path,
}


def _encode_object(value: Any, kind: type[Any], depth: int) -> str:
    if depth > _DEEPEST:
        raise UnkeyableError(f"it is nested deeper than {_DEEPEST} levels, or contains itself")
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return _sized("g", _function_name(value))
    parts = _parts(value, kind, depth)
    if parts is None:
        raise UnkeyableError(f"{kind.__module__}.{kind.__qualname__} has no identity but its address")
    return _series("o", (_sized("c", class_name(kind)), *parts))


def _parts(value: Any, kind: type[Any], depth: int) -> tuple[str, ...] | None:
    """Return what tells `value` from others of its class, or None where nothing does."""
    own = getattr(kind, "__cache_key__", None)
    if own is not None:
        return (encode(own(value), depth),)
    if isinstance(value, type):
        return (_encode_class(value, depth),)
    if isinstance(value, Enum):
        return (_sized("s", value.name or repr(value.value)),)
    fields = _fields(value, kind)
    if fields is not None:
        return tuple(encode(name, depth) + encode(item, depth) for name, item in fields)
    array = _array_parts(value, kind)
    return array if array is not None else _base_parts(value, depth)


def _fields(value: Any, kind: type[Any]) -> list[tuple[str, Any]] | None:
    """Return names and values of a dataclass, a msgspec Struct or a pydantic model."""
    if dataclasses.is_dataclass(kind):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(kind)]
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if hasattr(kind, "model_fields") and hasattr(kind, "__pydantic_validator__"):
        extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
        fields: dict[str, Any] = {**vars(value), **extra}
        return sorted(fields.items())
    return None


def _array_parts(value: Any, kind: type[Any]) -> tuple[str, ...] | None:
    """Return type, shape and a digest of all bytes of a numpy array or scalar."""
    if kind.__module__.partition(".")[0] != "numpy" or not hasattr(value, "tobytes"):
        return None
    dtype = value.dtype
    if dtype.hasobject or hasattr(value, "mask"):
        raise UnkeyableError("it is a numpy array of objects, or one with a mask")
    digest = hashlib.blake2b(value.tobytes(), digest_size=20).hexdigest()
    return (_sized("s", f"{dtype.descr}{value.shape}"), digest)


def _base_parts(value: Any, depth: int) -> tuple[str, ...] | None:
    """Return a subclass of a builtin type (a named tuple, say) as that type; it may hold nothing else."""
    if getattr(value, "__dict__", None):
        return None
    for base in type(value).__mro__:
        if base in _WRITERS and base is not type:
            return (_WRITERS[base](value, depth),)
        if vars(base).get("__slots__"):
            return None
    return None


def _function_name(value: Any) -> str:
    name = f"{value.__module__}.{value.__qualname__}"
    owner = getattr(value, "__self__", None)
    # functools.wraps gives a wrapper the name of what it wraps: a name must lead back to its function.
    if not _is_found(value) or not (owner is None or isinstance(owner, types.ModuleType)):
        raise UnkeyableError(f"{name} is a function without a name that others could know it by")
    return name


# Random rather than counted: two processes on one store can never take each other's local class for their own.
_local_classes: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()


def _serial(kind: type[Any]) -> str:
    return _local_classes.setdefault(kind, secrets.token_hex(8))
