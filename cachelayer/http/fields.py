"""Reading field lines (RFC 9110, section 5), and the fields that no cache may keep (RFC 9111, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from cachelayer.http.messages import FieldLines, Headers, RequestHeaders

_OWS: Final = b" \t"
_TCHAR: Final = b"!#$%&'*+.^_`|~-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TOKEN: Final = re.compile(b"[" + re.escape(_TCHAR) + b"]+")
_UNSAFE: Final = re.compile(rb"[\r\n\0]")

#: Members of a comma-separated list; a comma inside a quoted string does not separate.
_MEMBER: Final = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*+")++', re.DOTALL)
_BALANCED: Final = re.compile(rb'(?:[^"]|"(?:[^"\\]|\\.)*+")*+', re.DOTALL)
_PLAIN_MEMBER: Final = re.compile(rb"[^,]+")

#: Those of RFC 9110, section 7.6.1, and RFC 9111, section 3.1; Trailer, since trailers are not stored; and Age, which
#: is made anew.
_NOT_KEPT: Final = frozenset(
    {
        b"age", b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info",
        b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip


def index(headers: Headers) -> FieldLines:
    """Return the values of all lines by field name in lower case, in order, without outer whitespace."""
    found: dict[bytes, tuple[bytes, ...]] = {}
    for field, value in headers:
        name = field.lower()
        line = (value.strip(_OWS),)
        found[name] = found[name] + line if name in found else line
    return found


def lines(headers: RequestHeaders, name: bytes) -> tuple[bytes, ...]:
    """Return the values of every line of one field, its `name` in lower case, as `index` would."""
    return tuple([value.strip(_OWS) for field, value in headers if field.lower() == name])


def members(values: tuple[bytes, ...]) -> Iterator[bytes]:
    """Yield the members of a comma-separated list spread over `values`; empty ones do not count (section 5.6.1.2)."""
    for value in values:
        # After a quote that never closes every comma separates, so that no directive hides behind it.
        for member in (_MEMBER if _BALANCED.fullmatch(value) else _PLAIN_MEMBER).findall(value):
            if stripped := member.strip(_OWS):
                yield stripped


def joined(parts: Iterable[bytes]) -> bytes:
    """Return `parts` as one string, each with its length, so that no two different sequences give the same."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def tokens(value: bytes) -> list[bytes]:
    """Return all tokens in `value`, whatever stands between them."""
    return _TOKEN.findall(value)


def is_token(value: bytes) -> bool:
    """Whether `value` is a token (section 5.6.2)."""
    return _TOKEN.fullmatch(value) is not None


def well_formed(headers: Headers) -> bool:
    """Whether names are tokens and no value has a CR, LF or NUL, which could split the message (section 5.5)."""
    # On every hit from a shared store, so without a loop: what is left without the good bytes must be nothing.
    names = [name for name, _ in headers]
    values = b"".join([value for _, value in headers])
    return all(names) and not b"".join(names).translate(None, _TCHAR) and not _UNSAFE.search(values)


def storable(headers: Headers) -> Headers:
    """Return the fields to keep in the store: neither the hop-by-hop ones nor those that Connection lists."""
    listed = (member.lower() for member in members(lines(headers, b"connection")))
    dropped = _NOT_KEPT.union(listed)
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)
