"""No-Vary-Search: which differences between queries do not matter to a response (draft-ietf-httpbis-no-vary-search).

Two URLs are equivalent under a response's variance if and only if `canonical_query` gives the same for both queries.
Of the field's two forms, `except=(...)` and browsers' older `params, except=(...)`, both are understood.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

import msgspec

from cachelayer.http.messages import FieldLines
from cachelayer.http.structured import dictionary, strings


class SearchVariance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What of a query a response depends on; without arguments, on every byte of it.

    Args:
        names: parameters, sorted: those that do not matter, or the only ones that do.
        only: they are the ones that do.
        ordered: the order of parameters with different names matters.
    """

    names: tuple[str, ...] = ()
    only: bool = False
    ordered: bool = True


#: Everything varies: nothing was said, or nothing that is understood.
EVERYTHING: Final = SearchVariance()


def parse(fields: FieldLines) -> SearchVariance:
    """Return what a response says; what breaks the rules anywhere counts for nothing, which costs hits at most."""
    values = fields.get(b"no-vary-search")
    if not values:
        return EVERYTHING
    value = b", ".join(values)
    return _parse_again(value) if len(value) <= _COMMON_LENGTH else _parse(value)


def _parse(value: bytes) -> SearchVariance:
    members = dictionary(value) or {}
    any_order, params, kept = members.get("key-order", False), members.get("params"), members.get("except")
    if params is True:
        params, kept = None, () if kept is None else kept
    if not isinstance(any_order, bool) or (params is not None and kept is not None):
        return EVERYTHING
    listed = params if kept is None else kept
    names = () if listed is None else strings(listed)
    return EVERYTHING if names is None else SearchVariance(_keys(names), kept is not None, not any_order)


def _keys(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({_text(name.encode()) for name in names}))


#: Longer values are not remembered: applications send what they like.
_COMMON_LENGTH: Final = 500
_parse_again: Final = lru_cache(maxsize=256)(_parse)


def canonical_query(query: bytes, variance: SearchVariance) -> bytes:
    """Return what a query comes down to under a variance: the same for equivalent queries, and for no others.

    Args:
        query: raw, without "?".
        variance: of the stored response; where everything varies, the query is returned as it is.
    """
    if variance == EVERYTHING:
        return query
    names = frozenset(variance.names)
    pairs = [pair for pair in _pairs(query) if (pair[0] in names) is variance.only]
    if not variance.ordered:
        # The order of parameters of one name stays.
        pairs.sort(key=_name)
    return "&".join([f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs]).encode()


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """Read a query as application/x-www-form-urlencoded, as URLs of the Web are (WHATWG URL, section 5.1)."""
    parts = (part.partition(b"=") for part in query.split(b"&") if part)
    return [(_text(name), _text(value)) for name, _, value in parts]


def _text(encoded: bytes) -> str:
    return unquote_to_bytes(encoded.replace(b"+", b" ")).decode("utf-8", "replace")


def _name(pair: tuple[str, str]) -> str:
    return pair[0]
