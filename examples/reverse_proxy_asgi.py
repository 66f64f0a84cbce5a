"""A caching reverse proxy in ASGI: what the middleware has no answer for goes to the server that ORIGIN names.

To serve it: ORIGIN=http://127.0.0.1:9000 uvicorn reverse_proxy_asgi:app --app-dir examples --http h11

uvicorn's other parser refuses methods that it does not know. With --no-proxy-headers, --no-date-header and
--no-server-header it leaves to the proxy what that says by itself.

Bodies stream in both directions at once. A client that leaves takes its request to the origin with it; an origin that
cannot be reached, or talks nonsense, is a 502, and one that is silent a 504.
"""

import asyncio
import contextlib
import threading
from typing import Any

import h11
import uvicorn
from reverse_proxy.demonstration import demonstrate
from reverse_proxy.messages import (
    PART,
    Client,
    Conversation,
    Fields,
    Origin,
    RefusedError,
    find,
    response_fields,
)

from cachelayer.asgi import CacheMiddleware


class ReverseProxy:
    """Passes every request on."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; of lifespans and websockets it knows nothing."""
        if scope["type"] != "http":
            raise NotImplementedError(f"this proxy passes HTTP on, not {scope['type']}")
        try:
            await self._forward(scope, receive, send)
        except RefusedError as error:
            headers = _lower(error.fields)
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            await send({"type": "http.response.body", "body": error.body})

    async def _forward(self, scope: Any, receive: Any, send: Any) -> None:
        fields: Fields = list(scope["headers"])
        # Where no length tells, the first message does: HTTP/2 announces no body.
        first = None if find(fields, b"content-length") else await receive()
        body = first is not None and bool(first.get("body") or first.get("more_body"))
        talk = self.origin.ask(scope["method"], _target(scope), fields, _client(scope), body=body)
        reader, writer = await self._connect()
        writer.write(talk.head)
        uploading = asyncio.create_task(_upload(talk, first, receive, writer))
        downloading = asyncio.create_task(self._download(talk, reader, scope, send))
        try:
            await asyncio.wait({uploading, downloading}, return_when=asyncio.FIRST_COMPLETED)
            # If only the upload has ended, the client has gone.
            (downloading if downloading.done() else uploading).result()
        finally:
            writer.transport.abort()
            for task in (uploading, downloading):
                task.cancel()
            await asyncio.gather(uploading, downloading, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        origin = self.origin
        try:
            async with asyncio.timeout(origin.timeout):
                return await asyncio.open_connection(origin.host, origin.port, ssl=origin.tls)
        except TimeoutError as error:
            raise RefusedError(504, "the origin cannot be reached in time") from error
        except OSError as error:
            raise RefusedError(502, "the origin cannot be reached") from error

    async def _download(
        self, talk: Conversation, reader: asyncio.StreamReader, scope: Any, send: Any
    ) -> None:
        hints = "http.response.early_hint" in (scope.get("extensions") or ())
        while not isinstance(event := await self._next(talk, reader), h11.Response):
            if hints and event.status_code == 103:
                links = [value for name, value in event.headers if name == b"link"]
                await send({"type": "http.response.early_hint", "links": links})
        headers = _lower(response_fields(event))
        await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
        try:
            while isinstance(event := await self._next(talk, reader), h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        except RefusedError as error:
            # The head is out: only a broken connection can tell the client.
            raise ConnectionError(f"the body came to no end: {error}") from error
        await send({"type": "http.response.body"})

    async def _next(self, talk: Conversation, reader: asyncio.StreamReader) -> Any:
        while (event := talk.next_event()) is None:
            try:
                async with asyncio.timeout(self.origin.timeout):
                    talk.receive(await reader.read(PART))
            except TimeoutError as error:
                raise RefusedError(504, "the origin does not answer in time") from error
            except OSError as error:
                raise RefusedError(502, "the origin has gone away") from error
        return event


async def _upload(talk: Conversation, first: Any, receive: Any, writer: asyncio.StreamWriter) -> None:
    """Send the request's body, and return when the client has gone."""
    message = first or await receive()
    while message["type"] == "http.request":
        writer.write(talk.data(message.get("body", b"")))
        if not message.get("more_body"):
            writer.write(talk.end())
        # The origin may have heard enough: then its answer is what counts.
        with contextlib.suppress(OSError):
            await writer.drain()
        message = await receive()


def _target(scope: Any) -> bytes:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def _client(scope: Any) -> Client:
    address, _ = scope.get("client") or ("", 0)
    return Client(address, scope["scheme"], scope["http_version"])


def _lower(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]


app = CacheMiddleware(ReverseProxy(Origin.from_environment()), backend="memory://")


def main() -> None:
    """Serve an origin, a proxy before it, and ask that twice for each of two pages."""

    @contextlib.contextmanager
    def serving(origin: Origin) -> Any:
        proxy = CacheMiddleware(ReverseProxy(origin), backend="memory://")
        server = uvicorn.Server(uvicorn.Config(proxy, port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            thread.join(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join()

    demonstrate(serving)


if __name__ == "__main__":
    main()
