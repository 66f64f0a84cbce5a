"""Ways to a store: each sends commands in one go, and gives a reply for each, errors of the server among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cachelayer.backends.redis.cutting import cut_pool
from cachelayer.backends.redis.exchange import Command, aexchange, exchange

#: The name of a cluster's node; None is whichever the keys belong to.
Node = str | None


class Link(Protocol):
    """A way for sync code, of one process."""

    def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """Send the commands, and return their replies."""
        ...

    def nodes(self) -> list[Node]:
        """Return the names of the servers among which the keys are shared out."""
        ...

    def pools(self) -> dict[str, Any]:
        """Return redis-py's pools of connections, by the name of the server."""
        ...

    def reset(self) -> None:
        """Close the connections; new ones are made."""
        ...

    def close(self) -> None:
        """Close the connections for good."""
        ...


class AsyncLink(Protocol):
    """A way for async code, of one event loop."""

    async def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """Send the commands, and return their replies."""
        ...

    async def nodes(self) -> list[Node]:
        """Return the names of the servers among which the keys are shared out."""
        ...

    async def reset(self) -> None:
        """Close the connections; new ones are made."""
        ...

    async def close(self) -> None:
        """Close the connections for good."""
        ...

    def cut(self, *, at_once: bool) -> None:
        """Close the connections without waiting for anything.

        Args:
            at_once: the event loop is closed, and has no next turn in which to do it.
        """
        ...


class SingleLink:
    """Talks to one server at a time: alone, or the primary that sentinels name.

    Args:
        pool: of redis-py.
        helpers: pools that are closed together with it: of connections to sentinels.
    """

    def __init__(self, pool: Any, helpers: Sequence[Any] = ()) -> None:
        self._pool = pool
        self._helpers = helpers

    def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """See `Link.ask`."""
        return exchange(self._pool, commands)

    def nodes(self) -> list[Node]:
        """See `Link.nodes`."""
        return [None]

    def pools(self) -> dict[str, Any]:
        """See `Link.pools`."""
        return {"": self._pool}

    def reset(self) -> None:
        """See `Link.reset`."""
        self._pool.disconnect()

    def close(self) -> None:
        """See `Link.close`."""
        for pool in (self._pool, *self._helpers):
            pool.disconnect()


class AsyncSingleLink:
    """The same for async code."""

    def __init__(self, pool: Any, helpers: Sequence[Any] = ()) -> None:
        self._pool = pool
        self._helpers = helpers

    async def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """See `AsyncLink.ask`."""
        return await aexchange(self._pool, commands)

    async def nodes(self) -> list[Node]:
        """See `AsyncLink.nodes`."""
        return [None]

    async def reset(self) -> None:
        """See `AsyncLink.reset`."""
        await self._pool.disconnect()

    async def close(self) -> None:
        """See `AsyncLink.close`."""
        for pool in (self._pool, *self._helpers):
            await pool.disconnect()

    def cut(self, *, at_once: bool) -> None:
        """See `AsyncLink.cut`."""
        for pool in (self._pool, *self._helpers):
            cut_pool(pool, at_once=at_once)
