"""Variants (RFC 9111, section 4.1): which stored response was selected by the request fields this request has.

A field is compared as the tuple of its lines, so that absent, empty, repeated and joined ones all differ, and no value
can be chosen to look like another. It is normalised only where the meaning cannot change.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cachelayer.http.fields import joined, lines, members
from cachelayer.http.messages import (
    Entry,
    FieldLines,
    Nominated,
    Request,
    RequestHeaders,
    StoredResponse,
    Variant,
    VariantIndex,
)

#: Lists of case-insensitive tokens without quoted strings, in which lines may be joined. Not Accept-Language: some
#: applications take the first of equal weight (RFC 9110, section 12.5.4).
_LISTS: Final = frozenset({b"accept-encoding", b"accept-charset"})
#: The response fields that say what selected it.
_SELECTING: Final = frozenset({b"vary", b"content-encoding", b"access-control-allow-origin"})
_FULL_WEIGHT: Final = re.compile(rb";q=1(?:\.0{0,3})?\Z")


def selecting_fields(fields: FieldLines) -> tuple[bytes, ...] | None:
    """Return the names of the request fields that selected this response, in lower case and sorted; None for `*`.

    Two are implied where an application forgets to say so: a response that is encoded was selected by
    Accept-Encoding, and one that is opened to some origin by Origin.
    """
    if _SELECTING.isdisjoint(fields):
        return ()
    names = {member.lower() for member in members(fields.get(b"vary", ()))}
    if any(b"*" in name for name in names):
        return None
    if any(coding.lower() != b"identity" for coding in fields.get(b"content-encoding", ())):
        names.add(b"accept-encoding")
    if any(origin != b"*" for origin in fields.get(b"access-control-allow-origin", ())):
        names.add(b"origin")
    return tuple(sorted(names))


def nominate(names: tuple[bytes, ...], headers: RequestHeaders) -> Nominated:
    """Return what a request has in each of the fields `names`."""
    odd = [field for field in headers if b"_" in field[0]]
    return tuple([(name, _normalised(name, _lines(headers, name, odd))) for name in names])


def _lines(headers: RequestHeaders, name: bytes, odd: RequestHeaders) -> tuple[bytes, ...]:
    """Return what a request has in a field. To an application behind CGI or WSGI "_" and "-" are one."""
    found, others = lines(headers, name), headers if b"_" in name else odd
    if not others:
        return found
    same = [
        value.strip(b" \t")
        for field, value in others
        if field.lower() != name and _hyphenated(field) == _hyphenated(name)
    ]
    # Told apart from those that everybody takes for this field: which of them counts is not known here.
    return (*found, b"_", *same) if same else found


def _hyphenated(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def _normalised(name: bytes, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if name not in _LISTS or not values:
        return values
    # Longer values are not remembered: clients send what they like.
    common = len(values) == 1 and len(values[0]) <= _COMMON_LENGTH
    return _normalised_again(values) if common else _normalised_list(values)


def _normalised_list(values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    # The order of a list with weights means nothing, and a weight of 1 is the default (RFC 9110, section 12.4.2).
    return (b",".join(sorted({_normalised_member(member) for member in members(values)})),)


_COMMON_LENGTH: Final = 200
_normalised_again: Final = lru_cache(maxsize=1024)(_normalised_list)


def _normalised_member(member: bytes) -> bytes:
    # Not by a pattern: over a long run of spaces one would take time that grows with its square.
    return _FULL_WEIGHT.sub(b"", b";".join([part.strip(b" \t") for part in member.lower().split(b";")]))


def matches(stored: StoredResponse, request: Request) -> bool:
    """Whether the request has what selected the stored response."""
    return all(_normalised(name, lines(request.headers, name)) == values for name, values in stored.vary)


def variant_key(primary_key: str, nominated: Nominated) -> str:
    """Return the key of one variant: no two different `nominated` share one."""
    parts = [part for name, values in nominated for part in (name, b"%d" % len(values), *values)]
    return f"{primary_key}#vary-{sha256(joined(parts)).hexdigest()}"


def find_variant(index: VariantIndex, primary_key: str, request: Request) -> str | None:
    """Return the key of the newest variant that this request selects, or None."""
    keys: dict[tuple[bytes, ...], str] = {}
    for variant in index.variants:
        if variant.fields not in keys:
            keys[variant.fields] = variant_key(primary_key, nominate(variant.fields, request.headers))
        if keys[variant.fields] == variant.key:
            return variant.key
    return None


def with_variant(entry: Entry | None, variant: Variant, limit: int) -> tuple[VariantIndex, tuple[str, ...]]:
    """Return the index with a new variant in front, and the keys that fell out of it.

    Args:
        entry: what is stored under the primary key now.
        variant: the newest one.
        limit: how many variants one URL may have.
    """
    older = entry.variants if isinstance(entry, VariantIndex) else ()
    variants = (variant, *(other for other in older if other.key != variant.key))
    return VariantIndex(variants[:limit]), tuple(other.key for other in variants[limit:])
