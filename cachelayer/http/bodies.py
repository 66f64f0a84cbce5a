"""Requests with content that are cached: QUERY and, by rule, POST, by their content; and POST that answers for GET."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cachelayer.http.cache_control import of_message
from cachelayer.http.fields import index, lines
from cachelayer.http.freshness import explicit_lifetime
from cachelayer.http.messages import Request, ResponseHead
from cachelayer.http.uris import resolve, target_of

#: Requests with more content than this, in bytes, are not looked up.
MAX_CONTENT_BYTES: Final = 64 * 1024

#: What says how the content is to be read.
_METADATA: Final = (b"content-type", b"content-encoding", b"content-language")


def body_part(request: Request, content: bytes) -> tuple[bytes, ...]:
    """Return the parts of the key for a request with content: its method, the content, and how it is to be read.

    A QUERY's key must have the content and its metadata in it (RFC 10008, section 2.7).
    Nothing is normalised: who writes the same question differently asks again.

    Args:
        request: any; its method is part of the key, since the rest of it is that of a GET.
        content: all of it, at most `MAX_CONTENT_BYTES`.
    """
    parts = [b"content", request.method.encode(), sha256(content).digest()]
    for name in _METADATA:
        values = lines(request.headers, name)
        parts += [name, b"%d" % len(values), *values]
    return tuple(parts)


def post_answers_get(request: Request, head: ResponseHead) -> bool:
    """Whether a response to POST may be stored for later GETs of the same URI (RFC 9110, section 9.3.3).

    It may if it says how long it is fresh, and by Content-Location that it is what a GET would give.
    """
    if request.method != "POST" or head.status != 200:
        return False
    fields = index(head.headers)
    locations = fields.get(b"content-location", ())
    target = target_of(request) if len(locations) == 1 else None
    if target is None or resolve(target, locations[0]) != target:
        return False
    # Whether anything is said, not for how long: that depends on when it came.
    return explicit_lifetime(of_message(fields), fields, 0.0) is not None
