"""A connection over which one Redis server tells of the keys that change.

    CLIENT TRACKING ON REDIRECT <this connection> BCAST PREFIX cl:NAMESPACE: PREFIX cl-book:NAMESPACE:
    SUBSCRIBE __redis__:invalidate

Redirected to the very connection that asks for it, messages come over pub/sub as RESP2 has it, which every version of
redis-py reads.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator, Iterator
from typing import Any, Final

from cachelayer.backends.generations import BOOKKEEPING
from cachelayer.backends.redis.errors import foreign_errors, translate
from cachelayer.errors import BackendError

_CHANNEL: Final = b"__redis__:invalidate"
_REMEDY: Final = (
    "tracking needs Redis 6 or later, and a user that may use +client, +subscribe, +ping and the channel "
    "&__redis__:invalidate; or use feed='poll' in every process"
)
#: Arguments of a pool's connections that are not for one outside of it.
_OF_THE_POOL: Final = ("maint", "orig_", "oss_", "himport")


class Listener:
    """One server's word on what changes.

    Args:
        pool: redis-py's pool of connections to the server: this one is made alike.
        prefixes: what the names of the keys start with.
        timeout: seconds to wait for each reply.

    Attributes:
        is_asked: whether a PING has not been answered yet.
    """

    def __init__(self, pool: Any, prefixes: tuple[bytes, ...], timeout: float) -> None:
        kept = {
            name: each for name, each in pool.connection_kwargs.items() if not name.startswith(_OF_THE_POOL)
        }
        options = {**kept, "protocol": 2, "socket_timeout": timeout, "health_check_interval": 0}
        self._connection = pool.connection_class(**options)
        self._prefixes = prefixes
        self.is_asked = False

    @property
    def socket(self) -> socket.socket:
        """What to wait at for messages."""
        found: socket.socket = self._connection._sock
        return found

    def subscribe(self) -> None:
        """Connect; from now on every change is told."""
        from redis.exceptions import ResponseError

        self._connection.connect()
        words = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
        try:
            number = self._ask("CLIENT", "ID")
            self._ask("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", *words)
            self._ask("SUBSCRIBE", _CHANNEL)
        except ResponseError as error:
            raise BackendError(f"the server refuses to tell of changes ({error}): {_REMEDY}") from error

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.is_asked = True
        self._connection.send_command("PING", check_health=False)

    def changes(self) -> Iterator[list[bytes] | None]:
        """Yield the names that have come in, in lists; None where everything is gone."""
        while self._connection.can_read(0):
            kind, *rest = self._connection.read_response(disable_decoding=True)
            if kind == b"message":
                yield rest[1]
            elif kind == b"pong":
                self.is_asked = False

    def close(self) -> None:
        """Close the connection; in a forked child its own end alone, the parent's goes on."""
        self._connection.disconnect()

    def _ask(self, *words: Any) -> Any:
        self._connection.send_command(*words, check_health=False)
        return self._connection.read_response(disable_decoding=True)


class Servers:
    """The servers that hold the keys of a `RedisBackend`.

    Args:
        backend: the `RedisBackend`.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def pools(self) -> dict[str, Any]:
        """Return redis-py's pools of connections, by the name of the server."""
        pools: dict[str, Any] = self._backend.setup.connections.link().pools()
        return pools

    @property
    def prefixes(self) -> tuple[bytes, bytes]:
        """What the names of the backend's keys start with."""
        layout = self._backend.layout
        return layout.entries, layout.books

    def key(self, name: bytes) -> str:
        """Return the key that has this name in the server."""
        layout = self._backend.layout
        if not name.startswith(layout.books):
            return str(layout.key(name))
        # The rest is laid out as an entry's is.
        return BOOKKEEPING + str(layout.key(layout.entries + name[len(layout.books) :]))

    @contextlib.contextmanager
    def reached(self) -> Generator[None]:
        """Turn what redis-py raises into an error of ours."""
        try:
            yield
        except foreign_errors() as error:
            if isinstance(error, BackendError):
                raise
            raise translate(error, self._backend.setup.shown) from error
