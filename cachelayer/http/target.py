"""Which path a request asks for, where a server tells both the raw one and the one that the application sees.

Usually they are the same but for percent-encoding, and the raw one says more. Where they are not, something between
the server and this cache has rewritten the path: then the application's counts, and the client's is another part of
the key.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

#: The scheme and authority of a target in absolute form (RFC 9112, section 3.2.2).
_ORIGIN: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
#: What stands in a path as it is (RFC 3986, section 3.3).
_SAFE: Final = "/~!$&'()*+,;=:@"
_PLAIN: Final = bytes(byte for byte in range(0x80) if chr(byte).isalnum() or chr(byte) in _SAFE + "_.-")


def request_path(raw: bytes, path: bytes) -> tuple[bytes, bytes | None]:
    """Return `path` and `original` of a `Request`.

    Args:
        raw: the target as the client sent it, without the query; empty where the server does not tell.
        path: the path that the application is given, percent-decoded.
    """
    if raw == path:
        return raw, None
    if not raw:
        return _quoted(path), None
    sent = _ORIGIN.sub(b"", raw, count=1) if not raw.startswith(b"/") else raw
    if unquote_to_bytes(sent) == path:
        return sent, None
    return _quoted(path), sent


def _quoted(path: bytes) -> bytes:
    # Most paths are as they would be.
    return quote_from_bytes(path, _SAFE).encode() if path.translate(None, _PLAIN) else path
