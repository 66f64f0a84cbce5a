"""What a request is for, and what a reference in its response points to (RFC 3986, section 5), in raw bytes.

Nothing is decoded or encoded: keys are made of paths and queries as they are sent. What is no URI reference at all, or
points to something else than HTTP, is None.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from cachelayer.http.fields import lines
from cachelayer.http.keys import normalised_host
from cachelayer.http.messages import Request

#: RFC 3986, appendix B; a backslash is none of its characters, but some clients take it for a slash.
_REFERENCE: Final = re.compile(
    rb"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_CHARACTERS: Final = bytes(set(range(0x21, 0x7F)) - set(b"\\"))
_SCHEMES: Final = ("http", "https")


class Target(msgspec.Struct, frozen=True, gc=False):
    """A URI of this server, in the parts that keys are made of.

    Args:
        scheme: "http" or "https".
        host: with its port if that is not the default one, normalised as in keys.
        path: raw.
        query: raw, without "?".
    """

    scheme: str
    host: str
    path: bytes
    query: bytes

    @property
    def origin(self) -> str:
        """Scheme, host and port (RFC 9110, section 4.3.1), such as "https://example.org"."""
        return f"{self.scheme}://{self.host}"


def target_of(request: Request) -> Target | None:
    """Return what a request is for, or None where it does not say so in a way that has a key."""
    hosts = () if request.relevant is not None else lines(request.headers, b"host")
    if len(hosts) > 1 or not request.path.startswith(b"/"):
        return None
    host = normalised_host(request.scheme, hosts[0] if hosts else request.host or b"")
    return None if host is None else Target(request.scheme, host, request.path, request.query)


def resolve(base: Target, reference: bytes) -> Target | None:
    """Return what a reference means that is found at `base` (RFC 3986, section 5.2.2)."""
    reference = reference.strip(b" \t")
    match = None if reference.translate(None, _CHARACTERS) else _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    scheme, authority, path, query = match["scheme"], match["authority"], match["path"], match["query"]
    if scheme is not None or authority is not None:
        return _absolute(base.scheme if scheme is None else scheme.decode().lower(), authority, path, query)
    if not path:
        return Target(base.scheme, base.host, base.path, base.query if query is None else query)
    merged = path if path.startswith(b"/") else base.path[: base.path.rindex(b"/") + 1] + path
    return Target(base.scheme, base.host, _without_dots(merged), query or b"")


def _absolute(scheme: str, authority: bytes | None, path: bytes, query: bytes | None) -> Target | None:
    host = normalised_host(scheme, authority) if authority and scheme in _SCHEMES else None
    return None if host is None else Target(scheme, host, _without_dots(path or b"/"), query or b"")


def _without_dots(path: bytes) -> bytes:
    """Section 5.2.4, for a path that starts with a slash."""
    if b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
