"""Cache-Status (RFC 9211): what this cache did with a request, in a field line after those of caches upstream."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

_TOKEN: Final = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")


class Forward(StrEnum):
    """Why a request went to the origin (section 2.2)."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    REQUEST = "request"
    STALE = "stale"


def cache_name(name: object) -> str:
    """Return a cache's name as a Token where it is one, else as a String (RFC 9651, sections 3.3.3 and 3.3.4).

    Raises:
        ConfigurationError: it is empty or has characters that a String cannot have.
        OptionTypeError: it is no str.
    """
    if not isinstance(name, str):
        raise OptionTypeError(f"cache_status must be a name or None, not {name!r}")
    if not name or not (name.isascii() and name.isprintable()):
        raise ConfigurationError(
            f"cache_status={name!r} must be printable ASCII; give a name, or None for no field"
        )
    if _TOKEN.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@lru_cache(maxsize=4096)
def hit(name: str, ttl: int) -> tuple[bytes, bytes]:
    """Return the field line of a response from the store that is fresh for `ttl` more seconds."""
    return (b"cache-status", f"{name}; hit; ttl={ttl}".encode())


@lru_cache(maxsize=512)
def forwarded(name: str, fwd: Forward, stored: bool, detail: str | None = None) -> tuple[bytes, bytes]:
    """Return the field line of a response from the origin.

    Args:
        name: from `cache_name`.
        fwd: why the request was forwarded.
        stored: the response will be stored if its body comes through whole.
        detail: a token that says why it will not be.
    """
    stored_part = "; stored" if stored else ""
    detail_part = f"; detail={detail}" if detail else ""
    return (b"cache-status", f"{name}; fwd={fwd.value}{stored_part}{detail_part}".encode())


@lru_cache(maxsize=512)
def confirmed(name: str, fwd: Forward, status: int, *, stored: bool) -> tuple[bytes, bytes]:
    """Return the field line of a stored response that the origin has confirmed (sections 2.3 and 2.5)."""
    return (b"cache-status", f"{name}; fwd={fwd.value}; fwd-status={status}{'; stored' * stored}".encode())


@lru_cache(maxsize=512)
def stale_instead(
    name: str, status: int | None, ttl: int, detail: str, *, asked: bool = True
) -> tuple[bytes, bytes]:
    """Return the field line of a stale response in place of a failure; `status` None: the origin gave no response."""
    forwarded = "fwd=stale" if status is None else f"fwd=stale; fwd-status={status}"
    said = forwarded if asked else "hit"
    return (b"cache-status", f"{name}; {said}; ttl={ttl}; detail={detail}".encode())


@lru_cache(maxsize=512)
def collapsed(name: str, fwd: Forward, ttl: int) -> tuple[bytes, bytes]:
    """Return the field line of a response that another request brought (section 2.6)."""
    return (b"cache-status", f"{name}; fwd={fwd.value}; collapsed; ttl={ttl}".encode())


def generated(name: str, detail: str) -> tuple[bytes, bytes]:
    """Return the field line of a response that the cache made by itself, with neither a hit nor the origin."""
    return (b"cache-status", f"{name}; detail={detail}".encode())
