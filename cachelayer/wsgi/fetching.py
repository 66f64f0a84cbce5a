"""Responses that are brought behind the client's back."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cachelayer.exchange import OBJECTION, PASSED, Behind, Fetched
from cachelayer.http import Headers, ResponseHead
from cachelayer.wsgi.messages import head_of, make_conditional

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


def fetch(app: WSGIApplication, environ: WSGIEnvironment, found: Behind, conditions: Headers) -> Fetched:
    """Ask the application for what a request was for, whose client has its answer already."""
    environ = {**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    # What the server offers for the one connection.
    for key in ("wsgi.file_wrapper", "wsgi.input_terminated", "gunicorn.socket", "werkzeug.socket"):
        environ.pop(key, None)
    environ[PASSED] = (*environ.get(PASSED, ()), found.bound.cache)
    make_conditional(environ, conditions)
    if environ["REQUEST_METHOD"] == "HEAD":
        environ["REQUEST_METHOD"] = "GET"  # What is stored is what GET gives.
    head: list[ResponseHead | None] = []
    parts = _Parts(found.bound.policy.max_body_bytes)

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        head[:] = [head_of(status, headers)]
        return parts.add

    result = app(environ, start)
    try:
        for part in result:
            parts.add(part)
            if parts.are_too_many:
                break
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return Fetched(head[0] if head else None, parts.whole, environ, environ.get(OBJECTION))


class _Parts:
    """The parts of a body, as long as they are not too long together."""

    def __init__(self, limit: int) -> None:
        self._left, self._parts = limit, list[bytes]()

    @property
    def are_too_many(self) -> bool:
        """Whether the body is too long."""
        return self._left < 0

    @property
    def whole(self) -> bytes | None:
        """The body, or None where it is too long."""
        return None if self.are_too_many else b"".join(self._parts)

    def add(self, part: bytes) -> None:
        """Take a part."""
        self._left -= len(part)
        if self.are_too_many:
            self._parts = []
        else:
            self._parts.append(part)
