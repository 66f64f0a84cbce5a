"""Node codecs for the standard library: numbers, times, paths, addresses, collections."""

from __future__ import annotations

import ipaddress
import pathlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from cachelayer.errors import EncodingError
from cachelayer.values.nodes import Reader, Reading, Writer, Writing, add_node
from cachelayer.values.tree import all_up, down, read_pairs, write_items, write_pairs

COMPLEX, DECIMAL, DATETIME, DATE, TIME, TIMEDELTA, UUID_ = range(6, 13)
BYTEARRAY, RANGE, FRACTION, PATH, IP, ORDERED_DICT, COUNTER, DEQUE, DEFAULTDICT, ZONE, UNSET = range(14, 25)

_PATHS: Final[dict[str, type[pathlib.PurePath]]] = {
    kind.__name__: kind
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath)
}
_ADDRESSES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        ipaddress.IPv4Address,
        ipaddress.IPv4Interface,
        ipaddress.IPv4Network,
        ipaddress.IPv6Address,
        ipaddress.IPv6Interface,
        ipaddress.IPv6Network,
    )
}
#: What the missing values of a defaultdict may be made by.
_FACTORIES: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, int, float, str, bool)
}


def _write_path(path: pathlib.PurePath, depth: int, known: Any) -> Any:
    # Windows paths such as //./ do not come back from their own text on every Python.
    if type(path)(str(path)) != path:
        raise EncodingError(f"{path!r} does not come back as it was")
    return [PATH, type(path).__name__, str(path)]


# -- times --------------------------------------------------------------------------------------------------------


def _write_zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        named = name if timezone(offset).tzname(None) != name else None
        return {"offset": offset.total_seconds(), "name": named}
    if type(zone) is ZoneInfo and getattr(zone, "key", None):
        return zone.key
    raise EncodingError(f"time zone {zone!r} has no safe encoding: use timezone.utc or ZoneInfo")


def _read_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    offset, name = timedelta(seconds=zone["offset"]), zone["name"]
    if name is not None:
        return timezone(offset, name)
    return timezone(offset) if offset else UTC


def _write_moment(code: int) -> Writer:
    return lambda value, depth, known: [
        code,
        value.replace(tzinfo=None).isoformat(),
        value.fold,
        _write_zone(value.tzinfo),
    ]


def _read_moment(kind: Any) -> Reader:
    return lambda parts, _: kind.fromisoformat(parts[0]).replace(fold=parts[1], tzinfo=_read_zone(parts[2]))


# -- collections --------------------------------------------------------------------------------------------------


def _write_deque(value: deque[Any], depth: int, known: Writing | None) -> list[Any]:
    return [DEQUE, value.maxlen, *write_items(DEQUE)(value, depth, known)[1:]]


def _write_defaultdict(value: defaultdict[Any, Any], depth: int, known: Writing | None) -> list[Any]:
    factory: Any = value.default_factory
    if factory is None:
        name = None
    else:
        name = getattr(factory, "__name__", "")
        if _FACTORIES.get(name) is not factory:
            raise EncodingError(
                f"a defaultdict of {factory!r} has no safe encoding: only of {', '.join(_FACTORIES)}"
            )
    return [DEFAULTDICT, name, *write_pairs(DEFAULTDICT)(value, depth, known)[1:]]


def _read_defaultdict(parts: list[Any], known: Reading | None) -> defaultdict[Any, Any]:
    factory = None if parts[0] is None else _FACTORIES[parts[0]]
    return defaultdict(factory, read_pairs(parts[1:], known))


def _by_name(code: int) -> Writer:
    return lambda value, depth, known: [code, type(value).__name__, str(value)]


def _from_name(kinds: dict[str, Any]) -> Reader:
    return lambda parts, _: kinds[parts[0]](parts[1])


def _write_range(value: range, depth: int, known: Writing | None) -> list[Any]:
    return [RANGE, *(down(part, depth, known) for part in (value.start, value.stop, value.step))]


def _write_fraction(value: Fraction, depth: int, known: Writing | None) -> list[Any]:
    return [FRACTION, down(value.numerator, depth, known), down(value.denominator, depth, known)]


def _write_zone_info(value: Any, depth: int, known: Writing | None) -> list[Any]:
    return [ZONE, _write_zone(value)]


def _with(make: Callable[..., Any]) -> Reader:
    return lambda parts, known: make(*all_up(parts, known))


def _add(number: int, kind: type, write: Writer, read: Reader) -> None:
    add_node(number, kind.__name__, read, {kind: write})


_add(
    COMPLEX,
    complex,
    lambda value, depth, known: [COMPLEX, value.real, value.imag],
    lambda parts, _: complex(parts[0], parts[1]),
)
_add(DECIMAL, Decimal, lambda value, depth, known: [DECIMAL, str(value)], lambda parts, _: Decimal(parts[0]))
_add(DATETIME, datetime, _write_moment(DATETIME), _read_moment(datetime))
_add(
    DATE,
    date,
    lambda value, depth, known: [DATE, value.isoformat()],
    lambda parts, _: date.fromisoformat(parts[0]),
)
_add(TIME, time, _write_moment(TIME), _read_moment(time))
_add(
    TIMEDELTA,
    timedelta,
    lambda value, depth, known: [TIMEDELTA, value.days, value.seconds, value.microseconds],
    lambda parts, _: timedelta(parts[0], parts[1], parts[2]),
)
_add(UUID_, UUID, lambda value, depth, known: [UUID_, value.bytes], lambda parts, _: UUID(bytes=parts[0]))
_add(
    BYTEARRAY,
    bytearray,
    lambda value, depth, known: [BYTEARRAY, bytes(value)],
    lambda parts, _: bytearray(memoryview(parts[0])),
)
_add(RANGE, range, _write_range, _with(range))
_add(FRACTION, Fraction, _write_fraction, _with(Fraction))
add_node(PATH, "path", _from_name(_PATHS), dict.fromkeys(_PATHS.values(), _write_path))
add_node(IP, "address", _from_name(_ADDRESSES), dict.fromkeys(_ADDRESSES.values(), _by_name(IP)))
_add(
    ORDERED_DICT,
    OrderedDict,
    write_pairs(ORDERED_DICT),
    lambda parts, known: OrderedDict(read_pairs(parts, known)),
)
_add(COUNTER, Counter, write_pairs(COUNTER), lambda parts, known: Counter(read_pairs(parts, known)))
_add(DEQUE, deque, _write_deque, lambda parts, known: deque(all_up(parts[1:], known), parts[0]))
_add(DEFAULTDICT, defaultdict, _write_defaultdict, _read_defaultdict)
add_node(
    ZONE,
    "zone",
    lambda parts, _: _read_zone(parts[0]),
    {ZoneInfo: _write_zone_info, timezone: _write_zone_info},
)
add_node(
    UNSET,
    "unset",
    lambda parts, known: msgspec.UNSET,
    {msgspec.UnsetType: lambda value, depth, known: [UNSET]},
)
