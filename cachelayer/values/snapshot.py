"""Values within this process: kept so that no caller can change what another one gets.

- Immutable values are kept as they are.
- A dict, list or set of immutable values is copied for each caller.
- Nested plain containers (dict, list of JSON-like values) are kept as MessagePack and rebuilt for each caller.
- Anything else is pickled, within the process and never read from outside it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.kinds import type_of
from cachelayer.values.numbers import LOCAL, TREE
from cachelayer.values.tree import encode_tree

_SIMPLE: Final = frozenset({type(None), bool, float, str, bytes})
_IMMUTABLE: Final = _SIMPLE | {int, complex, Decimal, datetime, date, time, timedelta, UUID}
_COPIES: Final[dict[type, Callable[[Any], Any]]] = {dict: dict.copy, list: list.copy, set: set.copy}
_DEEPEST: Final = 50

_encode_plain = msgspec.msgpack.encode
_decode_plain = msgspec.msgpack.decode


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A value that can be handed out again and again.

    Attributes:
        payload: the value itself, or bytes.
        load: makes a caller's own value out of `payload`; None where the payload is given as it is.
        encode: makes bytes of the payload; None where it is bytes already.
        codec: the number of the codec that those bytes belong to.
        size: length of those bytes.
    """

    payload: Any
    load: Callable[[Any], Any] | None
    encode: Callable[[Any], bytes] | None
    codec: int
    size: int

    def value(self) -> Any:
        """Return the value, one's own copy where it could be changed."""
        return self.payload if self.load is None else self.load(self.payload)


class LoadError(KeyError, DecodingError):
    """A value that was stored does not come back. A KeyError too: the hit path treats both as "not there"."""


def snapshot(value: Any) -> Snapshot:
    """Return `value` kept safe from its callers, or raise EncodingError where it cannot be copied."""
    kind = type_of(value)
    if kind is int and -(2**63) <= value < 2**63:
        return Snapshot(value, None, encode_tree, TREE, len(_encode_plain(value)))
    if _is_immutable(value, 0) and (size := _tree_size(value)) is not None:
        return Snapshot(value, None, encode_tree, TREE, size)
    copy = _COPIES.get(kind)
    if copy is not None and _is_flat(value, kind) and (size := _tree_size(value)) is not None:
        return Snapshot(copy(value), copy, encode_tree, TREE, size)
    if (kind is dict or kind is list) and _is_plain(value, 0):
        try:
            data = _encode_plain(value)
            return Snapshot(data, _decode_plain, None, LOCAL, len(data))
        except UnicodeEncodeError:
            pass  # A lone surrogate, as in a file name that is not UTF-8: pickle takes it.
    data = _pickle(value)
    return Snapshot(data, _unpickle, None, LOCAL, len(data))


def _tree_size(value: Any) -> int | None:
    """Length of the value in its portable encoding, None where it has none (a lone surrogate, say)."""
    try:
        return len(encode_tree(value))
    except EncodingError:
        return None


def _is_immutable(value: Any, depth: int) -> bool:
    kind = type_of(value)
    if kind in _SIMPLE:
        return True
    if kind in _IMMUTABLE:
        # Zones of one's own making may hold state.
        return kind not in (datetime, time) or value.tzinfo is None or _is_known_zone(value.tzinfo)
    if kind is tuple or kind is frozenset:
        return depth < _DEEPEST and all(_is_immutable(item, depth + 1) for item in value)
    return False


def _is_flat(value: Any, kind: type) -> bool:
    """Whether a container holds nothing that could be changed, so that a shallow copy is one's own."""
    if kind is dict and not all(_is_immutable(item, 0) for item in value.values()):
        return False
    return all(_is_immutable(item, 0) for item in value)


def _is_known_zone(zone: Any) -> bool:
    module: str = type(zone).__module__
    return module in ("datetime", "zoneinfo")


def _is_plain(value: Any, depth: int) -> bool:
    kind = type_of(value)
    if kind in _SIMPLE:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if depth > _DEEPEST:
        return False
    if kind is list:
        return all(_is_plain(item, depth + 1) for item in value)
    if kind is dict:
        return all(type(key) is str and _is_plain(item, depth + 1) for key, item in value.items())
    return False


def _pickle(value: Any) -> bytes:
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    # A class's own __reduce__ may fail in any way; whichever way, the value cannot be copied.
    except Exception as error:
        raise EncodingError(f"{type(value).__qualname__} cannot be copied: {error}") from error


def _unpickle(data: bytes) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301 - made by `_pickle` in this process, never read from a store
    except Exception as error:
        raise LoadError(f"a stored value does not come back: {error}") from error
