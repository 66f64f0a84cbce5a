"""One round trip to Redis as a step of a flow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from cachelayer.backends.redis.connections import Connections
from cachelayer.backends.redis.errors import (
    foreign_errors,
    is_read_only,
    is_unknown_script,
    may_be_tried_again,
    translate,
)
from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.links import AsyncLink, Link, Node
from cachelayer.backends.redis.scripts import source_of


class Ask(msgspec.Struct, frozen=True):
    """Commands that are sent in one go; gives a reply for each, the server's errors among them.

    Where a pooled connection turns out to be dead they are sent once more, at once, over a fresh one.

    Attributes:
        connections: whom to ask.
        commands: one or more.
        store: what an error calls the store.
        timeout: seconds, in async code for everything together; None for no bound.
        node: a node of a cluster, where no key says which.
        repeatable: whether it does no harm to send them twice.

    Raises:
        BackendError: the store cannot be reached.
    """

    connections: Connections
    commands: Sequence[Command]
    store: str
    timeout: float | None
    node: Node = None
    repeatable: bool = True

    def take(self) -> list[Any]:
        """Send them and wait for the replies."""
        try:
            link = self.connections.link()
            return self._again_with_sources(link, self._asked(link))
        except foreign_errors() as error:
            raise translate(error, self.store) from error

    async def atake(self) -> list[Any]:
        """Async twin of `take`."""
        try:
            async with asyncio.timeout(self.timeout):
                link = await self.connections.async_link()
                return await self._aagain_with_sources(link, await self._aasked(link))
        except foreign_errors() as error:
            raise translate(error, self.store) from error

    # -- a second try -----------------------------------------------------------------------------------------

    def _asked(self, link: Link) -> list[Any]:
        started = time.monotonic()
        try:
            replies = link.ask(self.commands, self.node)
        except foreign_errors() as error:
            if not self._is_worth_a_second(error, started):
                raise
        else:
            if not any(map(is_read_only, replies)):
                return replies
            link.reset()
        return link.ask(self.commands, self.node)

    async def _aasked(self, link: AsyncLink) -> list[Any]:
        started = time.monotonic()
        try:
            replies = await link.ask(self.commands, self.node)
        except foreign_errors() as error:
            if not self._is_worth_a_second(error, started):
                raise
        else:
            if not any(map(is_read_only, replies)):
                return replies
            await link.reset()
        return await link.ask(self.commands, self.node)

    def _is_worth_a_second(self, error: BaseException, started: float) -> bool:
        # What failed late was no dead connection but a server that hangs: a second try would outlast the timeout.
        quick = self.timeout is None or time.monotonic() - started < self.timeout / 2
        return self.repeatable and quick and may_be_tried_again(error)

    # -- scripts that the server does not know (any more) -----------------------------------------------------

    def _again_with_sources(self, link: Link, replies: list[Any]) -> list[Any]:
        missing = _with_sources(self.commands, replies)
        if missing:
            for place, reply in zip(missing, link.ask(list(missing.values()), self.node), strict=True):
                replies[place] = reply
        return replies

    async def _aagain_with_sources(self, link: AsyncLink, replies: list[Any]) -> list[Any]:
        missing = _with_sources(self.commands, replies)
        if missing:
            for place, reply in zip(missing, await link.ask(list(missing.values()), self.node), strict=True):
                replies[place] = reply
        return replies


class Nodes(msgspec.Struct, frozen=True):
    """Asks which servers the keys are shared out among: see `Ask` for the attributes."""

    connections: Connections
    store: str
    timeout: float | None

    def take(self) -> list[Node]:
        """Ask."""
        try:
            return self.connections.link().nodes()
        except foreign_errors() as error:
            raise translate(error, self.store) from error

    async def atake(self) -> list[Node]:
        """Async twin of `take`."""
        try:
            async with asyncio.timeout(self.timeout):
                return await (await self.connections.async_link()).nodes()
        except foreign_errors() as error:
            raise translate(error, self.store) from error


def _with_sources(commands: Sequence[Command], replies: Sequence[Any]) -> dict[int, Command]:
    """Return, by their places, the commands that are to be sent again with the script's source."""
    if not any(map(is_unknown_script, replies)):
        return {}
    return {
        place: ("EVAL", source_of(command[1]), *command[2:])
        for place, (command, reply) in enumerate(zip(commands, replies, strict=True))
        if is_unknown_script(reply)
    }
