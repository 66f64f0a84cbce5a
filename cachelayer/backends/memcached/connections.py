"""Connections to one server: sockets that keep a deadline, and a bounded pool of clients over them.

A connection that failed, or on which anything lies that nobody asked for, is closed and never used again: answers
cannot get out of step with questions.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from cachelayer.errors import BackendError, MissingExtraError

#: Host and port, or the path of a Unix socket.
Address = tuple[str, int] | str

#: pymemcache asks for 4 KiB at a time and takes whatever comes.
_READ: Final = 1 << 16
_END: Final = b"END\r\n"
#: How any answer begins, however much of it has come.
_ANSWER: Final = re.compile(rb"[A-Z_]{1,16}([ \r]|\Z)")


class Client(Protocol):
    """What is used of `pymemcache.client.base.Client`, which comes without types."""

    sock: TimedSocket | None

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Read several."""
        ...

    def gets_many(self, keys: Iterable[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """Read several, each with its token."""
        ...

    def set(self, key: bytes, value: bytes, expire: int = 0) -> bool:
        """Store."""
        ...

    def add(self, key: bytes, value: bytes, expire: int = 0, noreply: bool | None = None) -> bool:
        """Store what is absent."""
        ...

    def cas(self, key: bytes, value: bytes, cas: bytes, expire: int = 0) -> bool | None:
        """Store what is unchanged."""
        ...

    def stats(self, *args: str) -> Mapping[bytes, Any]:
        """Return statistics."""
        ...


class TimedSocket(socket.socket):
    """A socket on which everything ends at `deadline`, a reading of `time.monotonic`."""

    deadline = 0.0

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of it in the time that is left."""
        self.settimeout(time_left(self.deadline))
        super().sendall(data, flags)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive what there is, or the first that comes in the time that is left."""
        self.settimeout(time_left(self.deadline))
        return super().recv(max(size, _READ), flags)

    def is_quiet(self) -> bool:
        """Whether it is open and there is nothing to read."""
        self.settimeout(0)
        try:
            super().recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False


class Connection:
    """A client over a connected socket.

    Attributes:
        is_fresh: nothing was asked on it so far.
    """

    def __init__(self, address: Address, deadline: float) -> None:
        self.client = _new_client(address)
        self.socket = self.client.sock = _connect(address, deadline)
        self.is_fresh = True

    def close(self) -> None:
        """Close the socket, in this process only."""
        self.socket.close()


class Pool:
    """Up to `most` connections to one server; the one used last is used next, so that few are kept busy."""

    def __init__(self, address: Address, most: int) -> None:
        self._address, self._most = address, most
        self._free: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._waiting = self._opening = 0
        self._change = threading.Condition()
        self._closed = False

    def take(self, deadline: float, *, fresh: bool = False) -> Connection:
        """Return a connection on which everything ends at `deadline`.

        Args:
            deadline: a reading of `time.monotonic`; waiting for a free connection ends then too.
            fresh: one that was never used.
        """
        while True:
            connection = self._take_free()
            if connection is None:
                break
            if not fresh and connection.socket.is_quiet():
                connection.socket.deadline = deadline
                return connection
            self.drop(connection)
        return self._open(deadline) or self._wait(deadline)

    def give_back(self, connection: Connection) -> None:
        """Take back one on which question and answer were in step."""
        connection.is_fresh = False
        self._free.append(connection)
        if self._closed:
            self.close()
        elif self._waiting:
            self._tell()

    def drop(self, connection: Connection) -> None:
        """Close one on which something went wrong."""
        connection.close()
        with self._change:
            self._all.discard(connection)
            self._change.notify()

    def close(self) -> None:
        """Close every free connection, and the others as they come back."""
        self._closed = True
        while (connection := self._take_free()) is not None:
            self.drop(connection)

    def start_anew(self) -> None:
        """Forget the parent's connections, in a forked child: it goes on using them."""
        for connection in self._all:
            connection.close()
        self._free.clear()
        self._all.clear()
        self._waiting = self._opening = 0
        self._change = threading.Condition()

    # -- inside -----------------------------------------------------------------------------------------------

    def _take_free(self) -> Connection | None:
        try:
            return self._free.pop()
        except IndexError:
            return None

    def _open(self, deadline: float) -> Connection | None:
        """Open a connection, None where there are as many as may be."""
        with self._change:
            if self._is_full():
                return None
            self._opening += 1  # holds the place without the lock: connecting takes time
        try:
            connection = Connection(self._address, deadline)
            with self._change:
                self._all.add(connection)
            return connection
        finally:
            with self._change:
                self._opening -= 1
                self._change.notify()

    def _is_full(self) -> bool:
        return len(self._all) + self._opening >= self._most

    def _wait(self, deadline: float) -> Connection:
        """Wait until a connection is free, or may be opened."""
        with self._change:
            # Counted before the look: who gives one back later sees the count, and tells.
            self._waiting += 1
            try:
                while not self._free and self._is_full():
                    if not self._change.wait(time_left(deadline)):
                        raise BackendError(
                            f"all {self._most} connections are busy: raise max_connections, or the timeout"
                        )
            finally:
                self._waiting -= 1
        return self.take(deadline)

    def _tell(self) -> None:
        with self._change:
            self._change.notify()


def converse(client: Client, text: bytes) -> bytes:
    """Send commands of which the last, and only that, is a `get`; return what comes back before its END.

    The client has a call for that, `raw_command`, but one that loses all but the last packet of an answer.
    """
    link = client.sock
    if link is None:
        raise ConnectionError("the connection was closed")
    link.sendall(text)
    answer = b""
    while not (answer == _END or answer.endswith(b"\r\n" + _END)):
        received = link.recv(_READ)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        answer += received
        if not _ANSWER.match(answer):
            raise ValueError(answer[:32])
    return answer[: -len(_END)]


def time_left(deadline: float) -> float:
    """Return the seconds until `deadline`; raises TimeoutError where it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def check_installed() -> None:
    """Raise MissingExtraError where pymemcache is not installed."""
    _new_client(("", 0))


def _new_client(address: Address) -> Client:
    try:
        from pymemcache.client import base  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingExtraError("MemcachedBackend", "memcached") from None
    untyped: Any = base
    client: Client = untyped.Client(address, default_noreply=False)
    return client


def _connect(address: Address, deadline: float) -> TimedSocket:
    """Connect to the first of the host's addresses that answers; pymemcache itself tries only one."""
    if isinstance(address, str):
        return _connect_to(socket.AF_UNIX, address, deadline)
    failure: OSError = OSError(f"no address for {address[0]}")
    for family, _, _, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        try:
            return _connect_to(family, place, deadline)
        except OSError as error:
            failure = error
    raise failure


def _connect_to(family: int, place: Any, deadline: float) -> TimedSocket:
    made = TimedSocket(family, socket.SOCK_STREAM)
    try:
        if not isinstance(place, str):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(time_left(deadline))
        made.connect(place)
    except BaseException:
        made.close()
        raise
    made.deadline = deadline
    return made
