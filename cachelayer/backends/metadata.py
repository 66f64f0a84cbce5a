"""Metadata beside a value: a JSON-like mapping, copied on the way in."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cachelayer.backends.entry import Metadata
from cachelayer.errors import OptionTypeError

_REMEDY = (
    "metadata must be a mapping of strings to JSON-like values (str, int, float, bool, None, list, dict)"
)


def encode_metadata(metadata: Metadata) -> bytes:
    """Return `metadata` as JSON bytes, or raise OptionTypeError (a TypeError) that says what may be in it."""
    if not isinstance(metadata, Mapping):
        raise OptionTypeError(f"{_REMEDY}, not {type(metadata).__name__}")
    given = dict(metadata)
    try:
        encoded = msgspec.json.encode(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionTypeError(f"{_REMEDY}: {error}") from None
    # JSON has a text for bytes, nan, a tuple or an int key too, but not one that reads back as what it was.
    if msgspec.json.decode(encoded) != given:
        raise OptionTypeError(f"{_REMEDY}: {given!r} would not come back as it is")
    return encoded


def copy_metadata(metadata: Metadata | None) -> Metadata | None:
    """Return a copy that no caller can change, checked to be what any backend could store."""
    return (
        None if metadata is None else msgspec.json.decode(encode_metadata(metadata), type=dict[str, object])
    )
