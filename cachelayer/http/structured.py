"""Structured fields (RFC 9651), read by the library `http_sf`, which is imported when the first one is met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast


def dictionary(value: bytes) -> Mapping[str, object] | None:
    """Return the members of a Dictionary without their parameters, or None: it breaks the syntax, and counts as absent.

    Inner lists are tuples; what else there is has the types of `http_sf`: a String is a str, a Token is not.

    Args:
        value: all lines of the field, joined by commas.
    """
    parsed = cast("dict[str, tuple[object, object]] | None", _parsed(value, "dictionary"))
    return None if parsed is None else {key: _bare(member) for key, member in parsed.items()}


def sequence(value: bytes) -> tuple[object, ...] | None:
    """Return the members of a List, as `dictionary` does."""
    parsed = cast("list[tuple[object, object]] | None", _parsed(value, "list"))
    return None if parsed is None else tuple(map(_bare, parsed))


def strings(members: object) -> tuple[str, ...] | None:
    """Return an inner list, or the members of a List, if all are Strings, else None."""
    if not isinstance(members, tuple):
        return None
    found = cast("tuple[object, ...]", members)
    return cast("tuple[str, ...]", found) if all(isinstance(member, str) for member in found) else None


def _parsed(value: bytes, kind: str) -> object:
    from http_sf import StructuredFieldError, parse  # noqa: PLC0415 - few responses have one

    try:
        return parse(value.strip(b" "), tltype=kind)
    except StructuredFieldError:
        return None


def _bare(member: tuple[object, object]) -> object:
    value = member[0]
    if isinstance(value, list):
        return tuple(map(_bare, cast("list[tuple[object, object]]", value)))
    return value
