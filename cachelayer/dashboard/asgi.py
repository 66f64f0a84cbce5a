"""The dashboard as an ASGI application: a shell that reads requests and sends responses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from cachelayer.dashboard.messages import MOST_BODY_BYTES, Request, Response
from cachelayer.exchange.labels import DASHBOARD, ROUTE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Respond = Callable[[Request], Response]


class AsgiApp:
    """Answers the requests of an ASGI server with `respond`."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            # For a cache's middleware around the application that this is mounted in.
            scope[ROUTE] = DASHBOARD
            body = await _read(receive)
            if body is not None:
                response = await _in_thread(self._respond, request_of(scope, body))
                await _send(response, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise RuntimeError(f"the dashboard speaks HTTP, not {scope['type']}")


def request_of(scope: Scope, body: bytes) -> Request:
    """Return the request that a scope stands for."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    # By the specification the path includes the root; some servers take it off.
    below = path[len(root) :] if root and _is_below(path, root) else path
    return Request(
        method=scope["method"],
        path=below,
        query=(scope.get("query_string") or b"").decode("latin-1"),
        headers=_fields(scope["headers"]),
        body=body,
        root=root,
        source=scope,
    )


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _fields(lines: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in lines:
        key, line = name.decode("latin-1").lower(), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {line}" if key in fields else line
    return fields


async def _read(receive: Receive) -> bytes | None:
    """Return the body, cut where it is too long; None where the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body") or b""
        if len(body) > MOST_BODY_BYTES:
            return bytes(body[: MOST_BODY_BYTES + 1])
        if not message.get("more_body", False):
            return bytes(body)


async def _send(response: Response, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _in_thread(respond: Respond, request: Request) -> Response:
    """Respond in a thread: statistics may come from a store that is slow, and the event loop must not wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Trio, or another event loop that anyio knows; anyio is there, as some framework runs on it.
        from anyio import to_thread  # noqa: PLC0415

        return await to_thread.run_sync(respond, request)
    return await asyncio.to_thread(respond, request)
