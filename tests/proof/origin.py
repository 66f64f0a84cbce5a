"""An origin server that does what a test says, and keeps what it was sent, byte for byte."""

import contextlib
import socket
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, BinaryIO, Self

from tests.proof.wire import Message, read_body, read_head


class Connection:
    """What a proxy has opened."""

    def __init__(self, stream: BinaryIO, connection: socket.socket) -> None:
        self.stream, self._socket = stream, connection

    def send(self, data: bytes) -> None:
        """Send all of it, or raise ConnectionError."""
        self._socket.sendall(data)

    def receive(self, size: int = 2**20) -> bytes:
        """Return what comes next; nothing means that the proxy has hung up."""
        return self.stream.read1(size)  # type: ignore[attr-defined, no-any-return] # BinaryIO does not have it


#: Sends the response to a request.
Answering = Callable[[Message, Connection], None]


class Origin:
    """Serves on a free port of this host; a context manager.

    Attributes:
        port: where.
    """

    def __init__(self) -> None:
        self._answers: dict[str, list[bytes | Answering]] = {}
        self._left: set[str] = set()
        self._asked: defaultdict[str, list[Message]] = defaultdict(list)
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def on(self, path: str, *answers: bytes | Answering, leave_body: bool = False) -> None:
        """Answer the requests for a path by these, one after the other, and all further ones by the last.

        Args:
            path: without the query.
            answers: bytes, or what sends them.
            leave_body: the requests' bodies are for `answers` to receive.
        """
        with self._changed:
            self._answers[path] = list(answers)
            if leave_body:
                self._left.add(path)

    def asked(self, path: str) -> list[Message]:
        """Return the requests for a path so far."""
        with self._changed:
            return list(self._asked[path])

    def wait(self, path: str, number: int, patience: float = 10.0) -> list[Message]:
        """Return the requests for a path when there are as many."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._asked[path]) >= number, patience)
            return list(self._asked[path])

    def serve(self, connection: Connection) -> None:
        """Answer the one request of a connection: the proxies open one for each."""
        head = read_head(connection.stream)
        if head is None:
            return
        request = Message(*head)
        path = request.target.partition("?")[0]
        if path not in self._left:
            request = Message(*head, *read_body(connection.stream, head[1], until_closed=False))
        answer = self._choose(path, request)
        if isinstance(answer, bytes):
            connection.send(answer)
        else:
            answer(request, connection)

    def _choose(self, path: str, request: Message) -> bytes | Answering:
        with self._changed:
            self._asked[path].append(request)
            self._changed.notify_all()
            answers = self._answers.get(path) or [response("404 Not Found")]
            return answers.pop(0) if len(answers) > 1 else answers[0]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        raise  # noqa: PLE0704 - the error that is under way


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    rfile: BinaryIO

    def handle(self) -> None:
        """Serve one connection."""
        # A proxy may hang up before it has heard all.
        with contextlib.suppress(ConnectionError):
            self.server.origin.serve(Connection(self.rfile, self.connection))


def response(status: str, *lines: str, body: bytes = b"", length: bool = True) -> bytes:
    """Return the bytes of a response.

    Args:
        status: code and reason phrase.
        lines: its fields.
        body: its content.
        length: say how long it is; else it ends with the connection.
    """
    given = [*lines, f"Content-Length: {len(body)}"] if length else [*lines]
    return "\r\n".join([f"HTTP/1.1 {status}", *given, "", ""]).encode("latin-1") + body
