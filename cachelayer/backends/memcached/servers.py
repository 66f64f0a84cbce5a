"""One Memcached server and several: what is asked of them, how it fails, and who has which key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from itertools import chain
from typing import Any, Final, TypeVar

from cachelayer.backends.generations import home_of
from cachelayer.backends.memcached.connections import Address, Client, Connection, Pool, converse
from cachelayer.backends.memcached.items import new_namespace_generation
from cachelayer.errors import BackendError, CacheLayerError

T = TypeVar("T")
#: A command in pieces, so that a large value is copied once.
Command = tuple[bytes, ...]
#: Answers to commands that are no failure. The last: the server takes no item of this size.
STORED: Final = b"STORED"
DELETED: Final = b"DELETED"
TOO_LARGE: Final = b"SERVER_ERROR object too large for cache"
_ANSWERS: Final = frozenset({STORED, DELETED, TOO_LARGE, b"NOT_FOUND"})


class Server:
    """One server, in one namespace.

    Attributes:
        name: host and port, or the path of a Unix socket.
        generation: the namespace's generation there, as this process saw it last.
    """

    def __init__(self, address: Address, generation_key: bytes, most: int) -> None:
        self.name = address if isinstance(address, str) else "{}:{}".format(*address)
        self.pool = Pool(address, most)
        self.generation: bytes | None = None
        self._generation_key = generation_key
        self._hash = blake2b(self.name.encode(), digest_size=8)

    def score(self, data: bytes) -> bytes:
        """Return how much `data` belongs here: of several servers the one with the highest score has it."""
        hasher = self._hash.copy()
        hasher.update(data)
        return hasher.digest()

    # -- questions --------------------------------------------------------------------------------------------

    def ask(self, deadline: float, question: Callable[[Client], T], *, repeatable: bool) -> T:
        """Put a question over some connection, and map whatever goes wrong.

        Args:
            deadline: a reading of `time.monotonic`.
            question: asks the client; what it raises costs the connection.
            repeatable: it may be put again where a connection that was in use before turns out to be dead.

        Raises:
            BackendError: no answer, or none that makes sense.
        """
        try:
            return self._ask(deadline, question, repeatable=repeatable)
        except CacheLayerError:
            raise
        except Exception as error:  # an answer that makes no sense fails anywhere in the client
            raise self._explain(error) from error

    def get(self, deadline: float, keys: Iterable[bytes]) -> tuple[dict[bytes, bytes], bytes | None]:
        """Return the items under `keys`, and the generation that was read after them."""
        wanted = [*keys, self._generation_key]
        held = self.ask(deadline, lambda client: client.get_many(wanted), repeatable=True)
        self.generation = generation = held.pop(self._generation_key, None)
        return held, generation

    def gets(
        self, deadline: float, keys: Iterable[bytes], place: tuple[bytes, bytes, int] | None
    ) -> tuple[dict[bytes, tuple[bytes, bytes]], bytes | None]:
        """Return the items under `keys` with their tokens, read in the order of `keys`; and the generation.

        Args:
            deadline: a reading of `time.monotonic`.
            keys: physical keys.
            place: key, item and expiry of what is added before, in the same round trip, if that key is absent.
        """
        wanted = [*keys, self._generation_key]

        def question(client: Client) -> dict[bytes, tuple[bytes, bytes]]:
            if place is not None:
                # Without a reply: whether it was added is seen in what is read.
                client.add(*place, noreply=True)
            return client.gets_many(wanted)

        held = self.ask(deadline, question, repeatable=True)
        self.generation = generation = held.pop(self._generation_key, (None, None))[0]
        return held, generation

    def command(self, deadline: float, commands: Iterable[Command]) -> tuple[list[bytes], bytes | None]:
        """Give commands that are answered by a line each, all in one round trip.

        Returns:
            The answers, and the generation that was read after them.
        """
        text = b"".join((*chain.from_iterable(commands), b"get %b\r\n" % self._generation_key))
        answer = self.ask(deadline, lambda client: converse(client, text), repeatable=True)
        head, _, tail = answer.partition(b"VALUE ")
        self.generation = generation = tail.split(b"\r\n")[1] if tail else None
        return [self._check(line) for line in head.split(b"\r\n")[:-1]], generation

    def put(self, deadline: float, key: bytes, data: bytes, expiry: int, token: bytes | None) -> bool:
        """Store if the key is absent (no token), or unchanged since the token was had."""
        if token is None:
            return self.ask(deadline, lambda client: client.add(key, data, expiry), repeatable=False)
        return bool(self.ask(deadline, lambda client: client.cas(key, data, token, expiry), repeatable=False))

    # -- the namespace's generation ---------------------------------------------------------------------------

    def find_generation(self, deadline: float) -> bytes:
        """Return the generation as this process saw it last; where it saw none, make sure that there is one."""
        return self.generation or self.make_generation(deadline)

    def make_generation(self, deadline: float) -> bytes:
        """Return the generation; where the server has none, make one that was never used."""
        fresh, generation = new_namespace_generation(), None
        while generation is None:
            # It may be put again: whoever's is there is read.
            self.ask(deadline, lambda client: client.add(self._generation_key, fresh), repeatable=True)
            _, generation = self.get(deadline, ())
        return generation

    def renew_generation(self, deadline: float) -> None:
        """Give the namespace a new generation: every item written before is dead."""
        fresh = new_namespace_generation()
        self.ask(deadline, lambda client: client.set(self._generation_key, fresh), repeatable=True)
        self.generation = fresh

    # -- inside -----------------------------------------------------------------------------------------------

    def _ask(self, deadline: float, question: Callable[[Client], T], *, repeatable: bool) -> T:
        connection = self.pool.take(deadline)
        was_fresh = connection.is_fresh
        try:
            return self._over(connection, question)
        except TimeoutError:
            raise
        except Exception as error:
            if was_fresh or not repeatable or not _is_loss(error):
                raise
        return self._over(self.pool.take(deadline, fresh=True), question)

    def _over(self, connection: Connection, question: Callable[[Client], T]) -> T:
        try:
            answer = question(connection.client)
        except BaseException:
            self.pool.drop(connection)
            raise
        self.pool.give_back(connection)
        return answer

    def _check(self, line: bytes) -> bytes:
        if line not in _ANSWERS:
            raise self._explain(ValueError(line))
        return line

    def _explain(self, error: Exception) -> BackendError:
        said = error.args[0] if error.args else ""
        text = (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)).split("\r\n")[0]
        told = f"memcached at {self.name} failed: {type(error).__name__}: {text[:200] or 'connection closed'}"
        remedy = (
            "check that it runs, is reached from here and answers within the timeout"
            if _is_loss(error)
            else "check that it is a Memcached server, and its memory"
        )
        return BackendError(f"{told}; {remedy}")


def _is_loss(error: Exception) -> bool:
    from pymemcache import exceptions  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

    untyped: Any = exceptions
    return isinstance(error, (OSError, untyped.MemcacheUnexpectedCloseError))


class Servers:
    """Several servers, each with the keys that score highest there: when one is lost, only its keys move."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self.all = tuple(servers)

    def of(self, key: str) -> Server:
        """Return the server that has `key`: that of the key which it marks, where it is a mark."""
        if len(self.all) == 1:
            return self.all[0]
        data = home_of(key).encode("utf-8", "surrogatepass")
        return max(self.all, key=lambda server: server.score(data))

    def group(self, keys: Iterable[str]) -> Mapping[Server, list[str]]:
        """Return the keys by the server that has them."""
        if len(self.all) == 1:
            names = list(keys)
            return {self.all[0]: names} if names else {}
        groups: dict[Server, list[str]] = {}
        for key in keys:
            groups.setdefault(self.of(key), []).append(key)
        return groups
