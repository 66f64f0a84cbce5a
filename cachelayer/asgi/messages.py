"""From ASGI to the engine and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from cachelayer.asgi.types import Message, Receive, Scope, Send
from cachelayer.exchange import EXAMINED, Target
from cachelayer.http import Answer, Headers, Reason, Request, ResponseHead
from cachelayer.http.bodies import MAX_CONTENT_BYTES
from cachelayer.http.target import request_path
from cachelayer.http.validation import unconditional


def request_of(scope: Scope) -> Request:
    """Return the request that a scope stands for."""
    given: Iterable[tuple[bytes, bytes]] = scope["headers"]
    headers = tuple(given)
    if headers and headers[0].__class__ is not tuple and not isinstance(headers[0], Sequence):
        headers = tuple((name, value) for name, value in headers)
        scope["headers"] = list(headers)  # each field could be gone through once only
    elif given.__class__ is not list and isinstance(given, Iterator):
        scope["headers"] = list(headers)  # it could be gone through once only, and the application wants to
    decoded: str = scope["path"]
    given_path = decoded.encode() if decoded.isascii() else decoded.encode("utf-8", "surrogatepass")
    path, original = request_path(scope.get("raw_path") or b"", given_path)
    root = scope.get("root_path")
    if root and not decoded.startswith(root):
        # The server has taken the prefix off the path, and the application answers by both.
        # Without a space, which would be one of those characters that keep rules from matching.
        original = b"%s|%s" % (original or b"", root.encode("utf-8", "surrogatepass"))
    # Most servers give Host first; of the others the engine finds it before it looks at this.
    host = None if headers and headers[0][0] == b"host" else _host(scope)
    query = scope.get("query_string") or b""
    if "user" in scope and getattr(scope["user"], "is_authenticated", False):
        # Whoever was recognised further out is guarded like one who sends Authorization, whatever it was known by.
        headers += ((b"authorization", b""),)
    return Request(scope["method"], scope.get("scheme") or "http", path, query, headers, host, original)


def target_of(scope: Scope) -> Target | None:
    """Return what a GET asks for, as far as it is told from others that are let through; None: look closer."""
    headers = scope["headers"]
    if (
        scope["method"] != "GET"
        or headers.__class__ is not list
        or not headers
        or headers[0].__class__ not in READABLE
        or "user" in scope
    ):
        return None
    if headers[0][0] != b"host" or not EXAMINED.isdisjoint([name for name, _ in headers]):
        return None
    query, raw = scope.get("query_string") or b"", scope.get("raw_path") or b""
    return scope.get("scheme") or "", headers[0][1], scope["path"], raw, query


#: What fields, and lists of them, can be read from again and again.
READABLE: Final = frozenset({tuple, list})


def _host(scope: Scope) -> bytes:
    """Return the server's own name, for requests without Host."""
    server: Iterable[Any] = scope.get("server") or (None, None)
    if isinstance(server, Iterator):
        server = scope["server"] = tuple(server)
    name, port = server
    if name is None or port is None:
        return b""
    return (f"[{name}]:{port}" if ":" in name else f"{name}:{port}").encode("latin-1", "replace")


async def with_content(request: Request, receive: Receive) -> tuple[Request, Receive]:
    """Read a request's body, if it is not too long for the key; return the request, and what gives the body again."""
    messages: list[Message] = []
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        messages.append(message)
        parts.append(message.get("body") or b"")
        size += len(parts[-1])
        if message["type"] != "http.request" or size > MAX_CONTENT_BYTES:
            break
        more = bool(message.get("more_body", False))

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return (request if more else msgspec.structs.replace(request, content=b"".join(parts))), again


def head_of(message: Message) -> ResponseHead | None:
    """Return the head that a message starts a response with; None where it is not as the specification says."""
    try:
        headers = tuple(message.get("headers", ()))
        return ResponseHead(int(message["status"]), headers, trailers=message.get("trailers", False))
    except (KeyError, TypeError, ValueError):
        return None  # The server will say what it thinks of it.


def conditional(headers: Iterable[tuple[bytes, bytes]], conditions: Headers) -> list[tuple[bytes, bytes]]:
    """Return a request's fields with others in place of its own conditions, which are for the cache's answer."""
    return [*unconditional(tuple(headers)), *conditions]


def objection_in(scope: Scope) -> Reason | None:
    """Return why the application's use of its session keeps the response from being stored, or None.

    A session's middleware that stands outside of the cache adds its Set-Cookie and Vary only after the response was
    stored. The session itself is in the scope, by a convention that Starlette began.
    """
    session = scope.get("session")
    if session is None:
        return None
    if getattr(session, "modified", False):
        return Reason.SET_COOKIE
    return Reason.SESSION_COOKIE if getattr(session, "accessed", bool(session)) else None


async def send_answer(answer: Answer, send: Send) -> None:
    """Send a whole response."""
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [*answer.stored, *answer.added]}
    )
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
