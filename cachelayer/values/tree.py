"""Plain values as MessagePack, each with its own type.

MessagePack by itself turns tuples and sets into lists and refuses ints beyond 64 bits. Here every list on the wire is
a node whose first element says what it is; None, bool, 64-bit int, float, str, bytes and dicts with str keys are
written as they are. Exact types only: a subclass would come back as its base.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.kinds import type_of

_AS_IS: Final = frozenset({type(None), bool, float, str, bytes})
_INT64: Final = range(-(2**63), 2**64)
_DEEPEST: Final = 200

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode

LIST, TUPLE, SET, FROZENSET, DICT, INT, COMPLEX, DECIMAL, DATETIME, DATE, TIME, TIMEDELTA, UUID_ = range(13)


def encode_tree(value: Any) -> bytes:
    """Return `value` as bytes.

    Raises:
        EncodingError: the value, or something in it, is of no type that is known to come back as it was.
    """
    try:
        return _encode(_down(value, 0))
    except (ValueError, OverflowError, UnicodeEncodeError) as error:
        raise EncodingError(f"cannot be encoded: {error}") from None


def decode_tree(data: bytes) -> Any:
    """Return the value that `encode_tree` made `data` from, or raise DecodingError."""
    try:
        return _up(_decode(data))
    except DecodingError:
        raise
    # Foreign bytes can break a constructor in any way; whichever way, they are not a value of ours.
    except Exception as error:  # noqa: BLE001
        raise DecodingError(f"damaged value: {error}") from None


def _down(value: Any, depth: int) -> Any:
    kind = type_of(value)
    if kind in _AS_IS or (kind is int and value in _INT64):
        return value
    writer = _WRITERS.get(kind)
    if writer is None:
        raise EncodingError(f"{kind.__module__}.{kind.__qualname__} has no safe encoding")
    if depth > _DEEPEST:
        raise EncodingError(f"nested deeper than {_DEEPEST} levels")
    return writer(value, depth + 1)


def _up(node: Any) -> Any:
    kind = type_of(node)
    if kind is dict:
        return {key: _up(item) for key, item in node.items()}
    return _READERS[node[0]](node[1:]) if kind is list else node


def _items(code: int) -> Callable[[Any, int], Any]:
    return lambda value, depth: [code, *(_down(item, depth) for item in value)]


def _down_dict(value: dict[Any, Any], depth: int) -> Any:
    if all(type(key) is str for key in value):
        return {key: _down(item, depth) for key, item in value.items()}
    return [DICT, *(_down(part, depth) for pair in value.items() for part in pair)]


def _up_dict(parts: list[Any]) -> Any:
    flat = [_up(part) for part in parts]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _down_zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        named = name if timezone(offset).tzname(None) != name else None
        return {"offset": offset.total_seconds(), "name": named}
    if type(zone) is ZoneInfo and getattr(zone, "key", None):
        return zone.key
    raise EncodingError(f"time zone {zone!r} has no safe encoding: use timezone.utc or ZoneInfo")


def _up_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    offset, name = timedelta(seconds=zone["offset"]), zone["name"]
    if name is not None:
        return timezone(offset, name)
    return timezone(offset) if offset else UTC


def _down_moment(code: int) -> Callable[[Any, int], Any]:
    return lambda value, _: [
        code,
        value.replace(tzinfo=None).isoformat(),
        value.fold,
        _down_zone(value.tzinfo),
    ]


def _up_moment(kind: Any) -> Callable[[list[Any]], Any]:
    return lambda parts: kind.fromisoformat(parts[0]).replace(fold=parts[1], tzinfo=_up_zone(parts[2]))


_WRITERS: Final[dict[type, Callable[[Any, int], Any]]] = {
    list: _items(LIST),
    tuple: _items(TUPLE),
    set: _items(SET),
    frozenset: _items(FROZENSET),
    dict: _down_dict,
    int: lambda value, _: [INT, hex(value)],
    complex: lambda value, _: [COMPLEX, value.real, value.imag],
    Decimal: lambda value, _: [DECIMAL, str(value)],
    datetime: _down_moment(DATETIME),
    date: lambda value, _: [DATE, value.isoformat()],
    time: _down_moment(TIME),
    timedelta: lambda value, _: [TIMEDELTA, value.days, value.seconds, value.microseconds],
    UUID: lambda value, _: [UUID_, value.bytes],
}

_READERS: Final[dict[int, Callable[[list[Any]], Any]]] = {
    LIST: lambda parts: [_up(part) for part in parts],
    TUPLE: lambda parts: tuple(_up(part) for part in parts),
    SET: lambda parts: {_up(part) for part in parts},
    FROZENSET: lambda parts: frozenset(_up(part) for part in parts),
    DICT: _up_dict,
    INT: lambda parts: int(parts[0], 16),
    COMPLEX: lambda parts: complex(parts[0], parts[1]),
    DECIMAL: lambda parts: Decimal(parts[0]),
    DATETIME: _up_moment(datetime),
    DATE: lambda parts: date.fromisoformat(parts[0]),
    TIME: _up_moment(time),
    TIMEDELTA: lambda parts: timedelta(parts[0], parts[1], parts[2]),
    UUID_: lambda parts: UUID(bytes=parts[0]),
}
