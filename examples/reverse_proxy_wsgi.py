"""A caching reverse proxy in WSGI: what the middleware has no answer for goes to the server that ORIGIN names.

To serve it: ORIGIN=http://127.0.0.1:9000 gunicorn reverse_proxy_wsgi:app --chdir examples

WSGI tells neither the order of a request's fields nor how their names were spelled, and joins repeated ones; all else
passes. The origin hears a request's body to its end before the client hears the answer, unless that is an error.
"""

import contextlib
import select
import socket
import threading
import wsgiref.simple_server
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import h11
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

from cachelayer.wsgi import CacheMiddleware


class ReverseProxy:
    """Passes every request on."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        try:
            return self._forward(environ, start_response)
        except RefusedError as error:
            start_response(f"{error.status} {error.phrase}", _native(error.fields))
            return [error.body]

    def _forward(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        fields = _fields_of(environ)
        body = find(fields, b"transfer-encoding") is not None
        talk = self.origin.ask(
            environ["REQUEST_METHOD"], _target(environ), fields, _client(environ), body=body
        )
        connection = self._connect()
        try:
            exchange = _Exchange(talk, connection, environ)
            response = exchange.ask(_parts(environ["wsgi.input"], fields))
            headers = _native(response_fields(response))
            start_response(f"{response.status_code} {response.reason.decode('latin-1')}", headers)
        except BaseException:
            connection.close()
            raise
        return exchange

    def _connect(self) -> socket.socket:
        origin = self.origin
        try:
            connection = socket.create_connection((origin.host, origin.port), origin.timeout)
            return (
                origin.tls.wrap_socket(connection, server_hostname=origin.host) if origin.tls else connection
            )
        except TimeoutError as error:
            raise RefusedError(504, "the origin cannot be reached in time") from error
        except OSError as error:
            raise RefusedError(502, "the origin cannot be reached") from error


class _Exchange:
    """A connection to the origin, and the body that comes from there; who lets go of it hangs up."""

    def __init__(self, talk: Conversation, connection: socket.socket, environ: Any) -> None:
        self._talk, self._connection, self._environ = talk, connection, environ

    def ask(self, parts: Iterable[bytes]) -> h11.Response:
        """Send the request, and return the head of the answer."""
        response = None
        # The origin may have heard enough: then its answer is what counts.
        with contextlib.suppress(OSError):
            self._connection.sendall(self._talk.head)
            for part in parts:
                self._connection.sendall(self._talk.data(part))
                if response is None and select.select([self._connection], [], [], 0)[0]:
                    self._talk.receive(self._connection.recv(PART))
                    response = self._response_so_far()
                if response is not None and response.status_code >= 400:
                    break
            else:
                self._connection.sendall(self._talk.end())
        while response is None:
            self._receive()
            response = self._response_so_far()
        return response

    def __iter__(self) -> Iterator[bytes]:
        try:
            while not isinstance(event := self._talk.next_event(), h11.EndOfMessage):
                if event is None:
                    self._receive()
                else:
                    yield bytes(event.data)
        except RefusedError as error:
            # The head is out: only a broken connection can tell the client.
            raise ConnectionError(f"the body came to no end: {error}") from error

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _response_so_far(self) -> h11.Response | None:
        while isinstance(event := self._talk.next_event(), h11.InformationalResponse):
            if event.status_code == 103 and "wsgi.early_hints" in self._environ:
                self._environ["wsgi.early_hints"](_native(event.headers.raw_items()))
        return event

    def _receive(self) -> None:
        try:
            self._talk.receive(self._connection.recv(PART))
        except TimeoutError as error:
            raise RefusedError(504, "the origin does not answer in time") from error
        except OSError as error:
            raise RefusedError(502, "the origin has gone away") from error


def _fields_of(environ: Any) -> Fields:
    content = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
    found = {name: environ[key] for key, name in content.items() if environ.get(key)}
    named = {
        key[5:].replace("_", "-").title(): value for key, value in environ.items() if key.startswith("HTTP_")
    }
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in {**found, **named}.items()]


def _target(environ: Any) -> bytes:
    sent: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if sent:
        return sent.encode("latin-1")
    path = quote((environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1"))
    return f"{path}?{environ['QUERY_STRING']}".removesuffix("?").encode("latin-1")


def _client(environ: Any) -> Client:
    version = environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/")
    return Client(environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"], version)


def _parts(body: Any, fields: Fields) -> Iterator[bytes]:
    """Yield a request's body; one of unknown length ends where the server says."""
    length = find(fields, b"content-length")
    chunked = find(fields, b"transfer-encoding") is not None
    left = 0 if length is None else int(length)
    while (chunked or left) and (part := body.read(PART if chunked else min(left, PART))):
        left -= len(part)
        yield part


def _native(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


app = CacheMiddleware(ReverseProxy(Origin.from_environment()), backend="memory://")


def main() -> None:
    """Serve an origin, a proxy before it, and ask that twice for each of two pages."""

    @contextlib.contextmanager
    def serving(origin: Origin) -> Any:
        proxy = CacheMiddleware(ReverseProxy(origin), backend="memory://")

        class Quiet(wsgiref.simple_server.WSGIRequestHandler):
            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        with wsgiref.simple_server.make_server("127.0.0.1", 0, proxy, handler_class=Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    demonstrate(serving)


if __name__ == "__main__":
    main()
