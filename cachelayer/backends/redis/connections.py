"""Which client a caller gets: one for each process, and one for each event loop.

A connection belongs to the process and the event loop that opened it. A forked child leaves its parent's alone and
opens its own. An event loop's connections are closed as it ends: an asynchronous generator that is suspended until
then does it, because that is what asyncio gives a last turn to (`loop.shutdown_asyncgens`).
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import msgspec

from cachelayer.backends.redis.links import AsyncLink, Link
from cachelayer.forks import ProcessLock


class _OfLoop(msgspec.Struct):
    link: AsyncLink
    guard: AsyncGenerator[None]


class Connections:
    """The clients of one backend.

    Args:
        make: gives a client for sync code.
        make_async: gives a client for the event loop that runs now.
    """

    def __init__(self, make: Callable[[], Link], make_async: Callable[[], AsyncLink]) -> None:
        self._make, self._make_async = make, make_async
        self._lock = ProcessLock()
        self._link: Link | None = None
        self._of_loops: dict[asyncio.AbstractEventLoop, _OfLoop] = {}
        self._inherited: list[Any] = []
        _all.add(self)

    def link(self) -> Link:
        """Return this process's client."""
        return self._link or self._new_link()

    async def async_link(self) -> AsyncLink:
        """Return the running event loop's client."""
        found = self._of_loops.get(asyncio.get_running_loop())
        return found.link if found is not None else await self._new_async_link()

    def close(self) -> None:
        """Close what this process has opened; event loops that run in other threads do it in their next turn."""
        with self._lock:
            link, self._link = self._link, None
            of_loops, self._of_loops = self._of_loops, {}
        if link is not None:
            link.close()
        for loop, each in of_loops.items():
            _cut(loop, each.link)

    async def aclose(self) -> None:
        """Close what this process has opened, that of the running event loop before this returns."""
        with self._lock:
            own = self._of_loops.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await own.guard.aclose()
        self.close()

    def inherit(self) -> None:
        """Leave alone, in a forked child, what the parent has opened."""
        # Kept, so that nothing here finalizes it: that would say goodbye on the parent's connections.
        self._inherited.append((self._link, self._of_loops))
        self._link, self._of_loops = None, {}

    def _new_link(self) -> Link:
        with self._lock:
            if self._link is None:
                self._link = self._make()
            return self._link

    async def _new_async_link(self) -> AsyncLink:
        loop = asyncio.get_running_loop()
        link = self._make_async()
        guard = self._until_the_end(loop, link)
        await anext(guard)
        with self._lock:
            ended = [self._of_loops.pop(each) for each in list(self._of_loops) if each.is_closed()]
            self._of_loops[loop] = _OfLoop(link, guard)
        for each in ended:
            each.link.cut(at_once=True)
        return link

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop, link: AsyncLink) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            with self._lock:
                self._of_loops.pop(loop, None)
            await link.close()


def _cut(loop: asyncio.AbstractEventLoop, link: AsyncLink) -> None:
    """Close a client of another event loop, in its own thread or, where it does not run, in its next turn."""
    try:
        loop.call_soon_threadsafe(partial(link.cut, at_once=False))
    except RuntimeError:  # it is closed
        link.cut(at_once=True)


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for connections in list(_all):
        connections.inherit()


os.register_at_fork(after_in_child=_after_fork_in_child)
