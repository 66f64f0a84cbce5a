"""Which stored responses a request may have made outdated (RFC 9111, section 4.4)."""

from __future__ import annotations

from typing import Final

from cachelayer.http.messages import Request, ResponseHead
from cachelayer.http.uris import Target, resolve, target_of

#: Methods that change nothing, as registered (RFC 9110, section 16.1.1). All others do, or may.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"})
_POINTERS: Final = (b"location", b"content-location")


def is_safe(method: str) -> bool:
    """Whether a method is known to change nothing (RFC 9110, section 9.2.1)."""
    return method in _SAFE


def invalidates(method: str, status: int) -> bool:
    """Whether a response outdates stored ones: its method is unsafe or unknown, and it is no error."""
    return 200 <= status <= 399 and not is_safe(method)


def invalidated(request: Request, head: ResponseHead) -> tuple[Target, ...]:
    """Return the URIs whose stored responses are to be invalidated: all variants, whatever the method.

    First what the request was for, which must be; then what Location and Content-Location point to, where they are of
    the same origin: no other's may be.

    Args:
        request: any.
        head: the final response to it.
    """
    if not invalidates(request.method, head.status):
        return ()
    target = target_of(request)
    if target is None:
        return ()
    pointed = (resolve(target, value) for name, value in head.headers if name.lower() in _POINTERS)
    same_origin = (other for other in pointed if other is not None and other.origin == target.origin)
    return tuple(dict.fromkeys((target, *same_origin)))
