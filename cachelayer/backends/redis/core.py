"""What all operations on Redis stand on: asking it, and reading and making what it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from cachelayer.backends.base import BOOKKEEPING, CacheEntry, Metadata, check_key
from cachelayer.backends.connected import ConnectedBackend
from cachelayer.backends.frame import Frame, make_frame, pack_frame, unpack_frame
from cachelayer.backends.generations import generation_key
from cachelayer.backends.redis.asking import Ask, Nodes
from cachelayer.backends.redis.errors import first_error, is_wrong_type, translate
from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.layout import make_layout
from cachelayer.backends.redis.lifetimes import milliseconds
from cachelayer.backends.redis.links import Node
from cachelayer.backends.redis.setup import Setup
from cachelayer.clock import Clock
from cachelayer.flows import Flow

#: Milliseconds that a generation is kept since it was made: so that those of tags that are used no more do not pile
#: up. One that goes while it is used costs misses, as one that was evicted does.
GENERATION_LIFETIME: Final = 30 * 86_400_000
_GENERATIONS: Final = generation_key("")


class RedisCore(ConnectedBackend):
    """A store whose operations are flows, named for the contract's methods with an underscore before."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        super().__init__()
        self.setup = setup
        self.layout = make_layout(setup.namespace, hash_tags=setup.is_cluster)
        self.timeout = setup.timeout
        self.namespace = setup.namespace
        self.clock = clock

    def __repr__(self) -> str:
        space = f" namespace={self.namespace!r}" if self.namespace else ""
        return f"<RedisBackend {self.setup.shown}{space}>"

    def flow(self, operation: str, *args: Any) -> Flow[Any]:
        """Return the flow of one operation."""
        self.check_open()
        flow: Flow[Any] = getattr(self, f"_{operation}")(*args)
        return flow

    # -- asking -----------------------------------------------------------------------------------------------

    def _ask(self, *commands: Command, node: Node = None, repeatable: bool = True) -> Flow[list[Any]]:
        """Send commands in one go; the replies may be errors of the server."""
        setup = self.setup
        step = Ask(setup.connections, commands, setup.shown, setup.timeout, node, repeatable)
        replies: list[Any] = yield step
        return replies

    def _demand(self, *commands: Command, node: Node = None, repeatable: bool = True) -> Flow[list[Any]]:
        """Send commands in one go, and raise the first error of the server."""
        replies = yield from self._ask(*commands, node=node, repeatable=repeatable)
        self._raise_first_error(replies)
        return replies

    def _raise_first_error(self, replies: Iterable[Any]) -> None:
        error = first_error(replies)
        if error is not None:
            raise translate(error, self.setup.shown) from error

    def _nodes(self) -> Flow[list[Node]]:
        nodes: list[Node] = yield Nodes(self.setup.connections, self.setup.shown, self.setup.timeout)
        return nodes

    def _read(self, keys: Sequence[str]) -> Flow[list[Any]]:
        """Read the keys in one round trip, on a cluster in one to each node."""
        for key in keys:
            check_key(key)
        if not keys:
            return []
        names = [self.layout.name(key) for key in keys]
        if self.layout.hash_tags:
            return (yield from self._ask(*[("GET", name) for name in names]))
        [values] = yield from self._demand(("MGET", *names))
        return values  # type: ignore[no-any-return]

    # -- what is kept -----------------------------------------------------------------------------------------

    def _value(self, key: str, reply: Any) -> bytes | None:
        if key.startswith(BOOKKEEPING):
            return self._text(reply)
        frame = self._frame(reply)
        return None if frame is None else frame.value

    def _entry(self, key: str, reply: Any) -> CacheEntry | None:
        if key.startswith(BOOKKEEPING):  # raw bytes, of which Redis alone knows the times
            value = self._text(reply)
            return None if value is None else CacheEntry(key, value, self.clock(), None, len(value))
        frame = self._frame(reply)
        return None if frame is None else frame.entry(key, self.clock)

    def _frame(self, reply: Any) -> Frame | None:
        """Return what a reply holds; foreign or damaged bytes count as corrupted, and are nothing."""
        data = self._text(reply)
        frame = None if data is None else unpack_frame(data)
        if frame is None and (data is not None or is_wrong_type(reply)):
            self.counters.corrupted.tick()
        return frame

    def _text(self, reply: Any) -> bytes | None:
        if isinstance(reply, Exception) and not is_wrong_type(reply):
            self._raise_first_error([reply])
        return reply if isinstance(reply, bytes) else None

    def _pack(
        self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None
    ) -> tuple[bytes, int | None]:
        """Return what is stored, and for how many milliseconds. Book-keeping has no frame."""
        lifetime = milliseconds(ttl)
        if key.startswith(_GENERATIONS) and lifetime is None:
            return value, GENERATION_LIFETIME
        if key.startswith(BOOKKEEPING):
            return value, lifetime
        seconds = None if lifetime is None else lifetime / 1000
        return pack_frame(make_frame(value, self.clock(), seconds, metadata)), lifetime

    # -- life -------------------------------------------------------------------------------------------------

    def _disconnect(self) -> None:
        self.setup.connections.close()

    async def _adisconnect(self) -> None:
        await self.setup.connections.aclose()
