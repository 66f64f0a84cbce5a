"""Responses that are brought behind the client's back."""

from __future__ import annotations

import asyncio

from cachelayer.asgi.messages import conditional, head_of, objection_in
from cachelayer.asgi.types import ASGIApp, Message, Scope
from cachelayer.exchange import PASSED, Behind, Fetched
from cachelayer.http import Headers, ResponseHead


async def fetch(app: ASGIApp, scope: Scope, found: Behind, conditions: Headers) -> Fetched:
    """Ask the application for what a request was for, whose client has its answer already."""
    limit = found.bound.policy.max_body_bytes
    scope = {**scope, "headers": conditional(scope["headers"], conditions)}
    if scope["method"] == "HEAD":
        scope["method"] = "GET"  # What is stored is what GET gives.
    scope[PASSED] = (*scope.get(PASSED, ()), found.bound.cache)
    for per_connection in ("extensions", "state"):
        # What the server offers for one response, such as pathsend; and the state is the connection's, not shared.
        if isinstance(scope.get(per_connection), dict):
            scope[per_connection] = {} if per_connection == "extensions" else dict(scope[per_connection])
    fetching = _Fetching(limit)
    try:
        await app(scope, fetching.receive, fetching.send)
    except Exception:
        if not fetching.is_too_long:
            raise
    objection = objection_in(scope)
    return Fetched(fetching.head, fetching.body if fetching.is_whole else None, scope, objection)


class _Fetching:
    """The server's side of a request that has no client any more."""

    def __init__(self, limit: int) -> None:
        self.head: ResponseHead | None = None
        self.is_whole = self.is_too_long = False
        self._parts: list[bytes] = []
        self._limit = limit
        self._asked = False
        self._over = asyncio.Event()

    @property
    def body(self) -> bytes:
        """The body as far as it has come."""
        return b"".join(self._parts)

    async def receive(self) -> Message:
        """Give an empty body, and no disconnect before the response is over."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the response, and end one that is too long, as a client does that goes away."""
        if self.is_too_long:
            raise OSError("nobody reads any further")
        if message["type"] == "http.response.start":
            self.head = head_of(message)
        elif message["type"] == "http.response.body" and not self._over.is_set():
            part = bytes(message.get("body") or b"")
            self._parts.append(part)
            self._limit -= len(part)
            if self._limit < 0:
                self._parts, self.is_too_long = [], True
                self._over.set()
            elif not message.get("more_body", False):
                self.is_whole = True
                self._over.set()
