"""A network that a test controls: a TCP proxy that passes on, hangs, is slow, answers garbage, refuses, or is cut."""

import contextlib
import selectors
import socket
import threading
import time
from typing import Final, Literal, Self

from tests.servers.processes import HOST

Mode = Literal["pass", "hang", "slow", "garbage"]

_GARBAGE: Final = b"\x00\xffHTTP/1.1 400 Bad Request\r\n\r\n" * 4


class Proxy:
    """Stands between a client and the server on `target`, a port of this host; a context manager.

    Attributes:
        port: where it listens.
        mode: "pass"; "hang" takes what the client sends and passes nothing on; "slow" holds each reply back for
            `delay` seconds; "garbage" answers whatever comes with bytes of no protocol.
        delay: seconds, for "slow".
        round_trips: how often a client asked, over all connections: what it sends in a row, before anything comes
            back, counts once.
        connections: how many were ever accepted.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode: Mode = "pass"
        self.delay = 0.0
        self.round_trips = 0
        self.connections = 0
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._asking: set[socket.socket] = set()
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._ended = False
        self.port = 0

    def __enter__(self) -> Self:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self.accept()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended = True
        self._wake.send(b"x")
        self._thread.join()
        self.refuse()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    # -- what a test does with it -----------------------------------------------------------------------------

    def accept(self) -> None:
        """Take new connections (again), on the same port."""
        with self._lock:
            if self._listener is None:
                self._listener = socket.create_server((HOST, self.port))
                self.port = self._listener.getsockname()[1]
                self._selector.register(self._listener, selectors.EVENT_READ)
                self._wake.send(b"x")

    def refuse(self) -> None:
        """Refuse new connections and cut those there are: a server that is gone."""
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            self.cut()

    def cut(self) -> None:
        """Close every connection there is; new ones are taken."""
        with self._lock:
            for side in list(self._pairs):
                self._drop(side)

    # -- inside -----------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select():
                with self._lock:
                    ready: socket.socket = key.fileobj  # type: ignore[assignment] # only sockets are registered
                    if ready is self._woken:
                        ready.recv(1024)
                    elif ready is self._listener:
                        self._take()
                    elif ready in self._pairs:
                        self._pass_on(ready)

    def _take(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        self.connections += 1
        try:
            server = socket.create_connection((HOST, self.target), timeout=5)
        except OSError:
            client.close()
            return
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(side, selectors.EVENT_READ)
        self._pairs |= {client: server, server: client}
        self._clients.add(client)

    def _pass_on(self, side: socket.socket) -> None:
        other = self._pairs[side]
        try:
            data = side.recv(1 << 18)
            if not data:
                self._drop(side)
            elif side not in self._clients:
                self._reply(other, data)
            else:
                self._ask(side, other, data)
        except OSError:
            self._drop(side)

    def _ask(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        if client not in self._asking:
            self._asking.add(client)
            self.round_trips += 1
        if self.mode == "garbage":
            self._reply(client, _GARBAGE)
        elif self.mode != "hang":
            server.sendall(data)

    def _reply(self, client: socket.socket, data: bytes) -> None:
        self._asking.discard(client)
        if self.mode == "slow":
            time.sleep(self.delay)  # this is what "slow" means; nothing waits for it to be over
        if self.mode != "hang":
            client.sendall(data)

    def _drop(self, side: socket.socket) -> None:
        for each in (side, self._pairs.pop(side, side)):
            self._pairs.pop(each, None)
            self._clients.discard(each)
            self._asking.discard(each)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()
