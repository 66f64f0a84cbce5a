"""An ASGI server that does what a test says, one message at a time."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware

FRESH = (b"cache-control", b"max-age=60")
START = "http.response.start"
BODY = "http.response.body"


def scope(path: str = "/a", *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    """Return the scope of a GET request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org"), *headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 5000),
        **more,
    }


def start(*headers: tuple[bytes, bytes], status: int = 200, **more: Any) -> dict[str, Any]:
    """Return the message that starts a response, fresh for a minute."""
    return {"type": START, "status": status, "headers": [FRESH, *headers], **more}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    """Return a message with a part of the body."""
    return {"type": BODY, "body": data, "more_body": more}


def sends(*messages: Any) -> Any:
    """Return an application that sends these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        app.calls += 1  # type: ignore[attr-defined]
        for message in messages:
            await send(message)

    app.calls = 0  # type: ignore[attr-defined]
    return app


class Server:
    """Sends requests to an application behind the middleware, and keeps what comes back."""

    def __init__(self, app: Any, **options: Any) -> None:
        options.setdefault("cache", Cache())
        self.app = app
        self.middleware = CacheMiddleware(app, **options)

    async def asend(
        self,
        asked: dict[str, Any] | None = None,
        receive: Callable[[], Any] | None = None,
        send: Callable[[Any], Any] | None = None,
    ) -> list[Any]:
        """Send a request; return the messages of the response."""
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        async def wait() -> Any:
            await asyncio.Event().wait()

        await self.middleware(asked or scope(), receive or wait, send or keep)
        return sent

    def send(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Do as `asend` does, from sync code."""
        return asyncio.run(self.asend(*args, **kwargs))

    @property
    def outcomes(self) -> dict[str, int]:
        """All outcomes counted, without those that are 0."""
        total = self.middleware.stats().total
        return {
            name: n
            for name in ("hit", "miss", "uncacheable", "bypass", "error")
            if (n := getattr(total, name))
        }


def field(messages: Iterable[Any], name: bytes) -> bytes | None:
    """Return the last line of a field in the start of a response."""
    headers = next(message for message in messages if message["type"] == START)["headers"]
    return next((value for field, value in reversed(list(headers)) if field == name), None)


def is_hit(messages: list[Any]) -> bool:
    """Whether the cache gave this response."""
    return b"; hit" in (field(messages, b"cache-status") or b"")
