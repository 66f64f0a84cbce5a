"""Pickle, for those who ask for it by name: through an allow-list, in both directions.

    MessagePack of [names of the classes that are not Python's own, fingerprint of these, pickle]

Nothing is ever imported, nor looked up in a module: what a pickle names is found in the allow-list or not at all. Only
classes are on it, of the types below, of the return annotation, and those that the user allows; so there is no function
that a pickle could call. On a shared store pickles are signed besides: a class may do things when it is made.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import io
import ipaddress
import pathlib
import pickle
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

from cachelayer.errors import DecodingError, EncodingError, OptionTypeError
from cachelayer.values.annotations import classes_in
from cachelayer.values.arrays import decode_array, encode_array
from cachelayer.values.kinds import type_of
from cachelayer.values.nodes import is_from
from cachelayer.values.schema import class_name, digest, schema_text
from cachelayer.values.tree import pack_plain, unpack_plain

_STANDARD: Final[tuple[type, ...]] = (
    bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, slice,
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo,
    decimal.Decimal, fractions.Fraction, uuid.UUID, uuid.SafeUUID,
    collections.OrderedDict, collections.Counter, collections.defaultdict, collections.deque,
    pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath,
    ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network,
    ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network,
)  # fmt: skip

_Names = dict[tuple[str, str], Any]


def _full_name(thing: Any) -> tuple[str, str]:
    return thing.__module__, thing.__qualname__


#: What every pickle may name. The only function makes an array of npy, which is checked there.
_ALWAYS: Final[_Names] = {_full_name(thing): thing for thing in (*_STANDARD, decode_array)}


class AllowList:
    """The classes that pickles may name.

    Args:
        annotation: the function's return annotation, or None.
        allow: further classes, and names of modules all of whose own classes are allowed.
    """

    def __init__(self, annotation: Any = None, allow: Iterable[type | str] = ()) -> None:
        kinds = [kind for kind in (*classes_in(annotation), *allow) if isinstance(kind, type)]
        self._names: _Names = {_full_name(kind): kind for kind in kinds} | _ALWAYS
        self._modules = frozenset(name for name in allow if isinstance(name, str))

    def find(self, module: str, name: str) -> Any:
        """Return what a pickle names, None where it may not."""
        found = self._names.get((module, name))
        if found is not None or module not in self._modules:
            return found
        place: Any = sys.modules.get(module)
        for part in name.split("."):
            place = getattr(place, "__dict__", {}).get(part)
            if not isinstance(place, type) or place.__module__ != module:
                return None
        return place

    def has(self, thing: Any) -> bool:
        """Whether a pickle may name this very class or function."""
        return self.find(*_full_name(thing)) is thing


class PickleCodec:
    """Encodes and decodes values by pickle, of allowed classes alone."""

    def __init__(self, annotation: Any = None, allow: Iterable[type | str] = ()) -> None:
        self._allowed = AllowList(annotation, allow)

    def encode(self, value: Any) -> bytes:
        """Return the value's bytes, or raise EncodingError, which names the class that is not allowed."""
        file = io.BytesIO()
        pickler = _Pickler(file, self._allowed)
        try:
            pickler.dump(value)
        except EncodingError:
            raise
        except Exception as error:  # noqa: BLE001 - __reduce__ is whoever's
            raise EncodingError(f"{type(value).__qualname__} cannot be pickled: {error}") from None
        names = sorted(pickler.met)
        return pack_plain([names, _fingerprint([pickler.met[name] for name in names]), file.getvalue()])

    def decode(self, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        try:
            names, expected, pickled = unpack_plain(data)
            kinds = [self._allowed.find(module, name) for module, name in names]
            if not all(isinstance(kind, type) for kind in kinds) or _fingerprint(kinds) != expected:
                raise DecodingError("a pickle of a class that has changed, or that is not allowed")
            return _Unpickler(io.BytesIO(pickled), self._allowed).load()
        except DecodingError:
            raise
        except Exception as error:  # noqa: BLE001 - foreign bytes can break a class in any way
            raise DecodingError(f"a pickle that does not come back: {error!r}") from None


def check_allow(allow: Any) -> tuple[type | str, ...]:
    """Return the option as a tuple, or raise OptionTypeError."""
    if isinstance(allow, str | type):
        raise OptionTypeError(f"allow must be a list, not one {type(allow).__name__}: allow=[...]")
    given: tuple[Any, ...] = tuple(allow)
    for item in given:
        if not isinstance(item, type | str):
            raise OptionTypeError(f"allow takes classes and names of modules, not {item!r}")
    return given


def _fingerprint(kinds: Iterable[type]) -> bytes:
    return digest(*map(schema_text, kinds))


class _Pickler(pickle.Pickler):
    """Refuses what would not come back, and notes the classes it meets."""

    def __init__(self, file: io.BytesIO, allowed: AllowList) -> None:
        super().__init__(file, protocol=5)
        self._allowed = allowed
        self.met: dict[tuple[str, str], type] = {}

    def reducer_override(self, obj: Any) -> Any:
        """See `pickle.Pickler`: called for all but plain builtin values; functions and classes, too."""
        if is_from(type_of(obj), "numpy", "ndarray"):
            return decode_array, (encode_array(obj),)
        named = (
            obj if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType) else type_of(obj)
        )
        if not self._allowed.has(named):
            raise EncodingError(
                f"{class_name(named)} is not allowed in pickles: name it in the return annotation, "
                f"or in PickleSerializer(allow=[...])"
            )
        if isinstance(named, type) and _full_name(named) not in _ALWAYS:
            self.met[_full_name(named)] = named
        return _reduced(obj)


def _reduced(value: Any) -> Any:
    """Return what a value is made by, where it is by a function that others could abuse."""
    if type_of(value) is zoneinfo.ZoneInfo and value.key:
        return zoneinfo.ZoneInfo, (value.key,)
    if isinstance(value, Enum):
        return type_of(value), (value.value,)
    return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, allowed: AllowList) -> None:
        super().__init__(file)
        self._find: Callable[[str, str], Any] = allowed.find

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """See `pickle.Unpickler`."""
        found = self._find(module_name, global_name)
        if found is None:
            raise DecodingError(f"a pickle that names {module_name}.{global_name}, which is not allowed")
        return found
