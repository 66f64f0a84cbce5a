"""Plain values as MessagePack, each with its own type.

MessagePack by itself turns tuples and sets into lists and refuses ints beyond 64 bits. Here every list on the wire is
a node whose first element says what it is; None, bool, 64-bit int, float, str, bytes and dicts with str keys are
written as they are. Exact types only: a subclass would come back as its base.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.kinds import type_of
from cachelayer.values.nodes import (
    READERS,
    WRITERS,
    Reader,
    Reading,
    Writer,
    Writing,
    add_node,
    find_writer,
    refuse,
)

_AS_IS: Final = frozenset({type(None), bool, float, str, bytes})
_TEXT: Final = frozenset({str})
_BRANCHES: Final = frozenset({list, dict})
_INT64: Final = range(-(2**63), 2**64)
_DEEPEST: Final = 200

pack_plain: Final = msgspec.msgpack.encode
unpack_plain: Final = msgspec.msgpack.decode

LIST, TUPLE, SET, FROZENSET, DICT, INT = range(6)
OBJECT: Final = 13


def is_plain(kind: type) -> bool:
    """Whether values of a type are written without anything said about it."""
    return kind in _AS_IS or find_writer(kind) is not None


def encode_tree(value: Any) -> bytes:
    """Return `value` as bytes.

    Raises:
        EncodingError: the value, or something in it, is of no type that is known to come back as it was.
    """
    try:
        kind = type_of(value)
        is_leaf = kind in _AS_IS or (kind is int and value in _INT64)
        return pack_plain(value if is_leaf else down(value, 0, None))
    except (ValueError, OverflowError) as error:
        raise EncodingError(f"cannot be encoded: {error}") from None


def decode_tree(data: bytes) -> Any:
    """Return the value that `encode_tree` made `data` from, or raise DecodingError."""
    try:
        node = unpack_plain(data)
        return up(node, None) if type(node) in _BRANCHES else node
    except DecodingError:
        raise
    # Foreign bytes can break a constructor in any way; whichever way, they are not a value of ours.
    except Exception as error:  # noqa: BLE001
        raise DecodingError(f"damaged value: {error}") from None


def down(value: Any, depth: int, known: Writing | None) -> Any:
    """Return what MessagePack writes as it is, of a value at some depth; raises EncodingError, or as `pack_plain`."""
    kind = type_of(value)
    if kind in _AS_IS or (kind is int and value in _INT64):
        return value
    if depth > _DEEPEST:
        raise EncodingError(f"nested deeper than {_DEEPEST} levels")
    writer = WRITERS.get(kind) or find_writer(kind)
    if writer is not None:
        return writer(value, depth + 1, known)
    if known is None:
        raise refuse(kind)
    return known.write(value, depth + 1)


def up(node: Any, known: Reading | None) -> Any:
    """Return the value of what MessagePack read; raises anything for what is none of ours."""
    kind = type_of(node)
    if kind is list:
        return READERS[node[0]](node[1:], known)
    if kind is not dict or _BRANCHES.isdisjoint(map(type_of, node.values())):
        return node
    return {key: up(item, known) if type(item) in _BRANCHES else item for key, item in node.items()}


def _all_down(items: Any, depth: int, known: Writing | None) -> list[Any]:
    # Most items are leaves: to look at their type here saves a call for each.
    return [
        item
        if (kind := type_of(item)) in _AS_IS or (kind is int and item in _INT64)
        else down(item, depth, known)
        for item in items
    ]


def all_up(parts: list[Any], known: Reading | None) -> list[Any]:
    """Return the values of several nodes."""
    if _BRANCHES.isdisjoint(map(type_of, parts)):
        return parts
    return [up(part, known) if type(part) in _BRANCHES else part for part in parts]


def write_items(code: int) -> Writer:
    """Return the writer of a collection."""
    return lambda value, depth, known: [code, *_all_down(value, depth, known)]


def _write_dict(value: dict[Any, Any], depth: int, known: Writing | None) -> Any:
    if _TEXT.issuperset(map(type_of, value)):
        return {
            key: item
            if (kind := type_of(item)) in _AS_IS or (kind is int and item in _INT64)
            else down(item, depth, known)
            for key, item in value.items()
        }
    return write_pairs(DICT)(value, depth, known)


def write_pairs(code: int) -> Writer:
    """Return the writer of a mapping with keys of any type."""
    return lambda value, depth, known: [
        code,
        *_all_down((part for pair in value.items() for part in pair), depth, known),
    ]


def read_pairs(parts: list[Any], known: Reading | None) -> dict[Any, Any]:
    """Return the mapping of keys and values that take turns."""
    flat = all_up(parts, known)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _read_object(parts: list[Any], known: Reading | None) -> Any:
    if known is None:
        raise DecodingError("an instance of a class that is not known here")
    return known.read(parts)


def _add(number: int, kind: type, write: Writer, read: Reader) -> None:
    add_node(number, kind.__name__, read, {kind: write})


_add(LIST, list, write_items(LIST), all_up)
_add(TUPLE, tuple, write_items(TUPLE), lambda parts, known: tuple(all_up(parts, known)))
_add(SET, set, write_items(SET), lambda parts, known: set(all_up(parts, known)))
_add(FROZENSET, frozenset, write_items(FROZENSET), lambda parts, known: frozenset(all_up(parts, known)))
_add(DICT, dict, _write_dict, read_pairs)  # one with str keys is its own node
_add(INT, int, lambda value, depth, known: [INT, hex(value)], lambda parts, _: int(parts[0], 16))
add_node(OBJECT, "object", _read_object)
