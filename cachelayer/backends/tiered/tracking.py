"""Hearing of changes from Redis: the server itself tells of every key of the namespace that changes or goes.

Whoever wrote counts: other tiered backends, plain ones, redis-cli, expiry, eviction. On a cluster each primary tells of
its own keys.

A PING each heartbeat shows that the link is alive, and its answer that all that came before has been heard: copies are
vouched for until two heartbeats after the last PING that every server has answered.
"""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cachelayer.backends.tiered.feeds import ChangeFeed
from cachelayer.backends.tiered.listening import Listener, Servers
from cachelayer.backends.tiered.near import Near
from cachelayer.errors import BackendError

if TYPE_CHECKING:
    from cachelayer.backends.redis import RedisBackend


class TrackingFeed(ChangeFeed):
    """Listens to the servers of a `RedisBackend`.

    Args:
        near: the copies.
        redis: whose keys; connections are made as its own are.
        heartbeat: seconds between two PINGs.
    """

    def __init__(self, near: Near, redis: RedisBackend, *, heartbeat: float) -> None:
        super().__init__(near)
        self.bound = 2 * heartbeat
        self._servers = Servers(redis)
        self._heartbeat = heartbeat
        self._listeners: list[Listener] = []
        self._bell: tuple[socket.socket, socket.socket] | None = None

    def interrupt(self) -> None:
        """Wake the thread."""
        with self._lock:
            if self._bell is not None:
                self._bell[0].send(b"!")

    def forsake(self) -> None:
        """Close what the child inherited."""
        self._close()

    def follow(self) -> None:
        """Listen until closed, or until other servers hold the keys."""
        with self._servers.reached(), ExitStack() as stack:
            stack.callback(self._close)
            selector = stack.enter_context(selectors.DefaultSelector())
            with self._lock:
                self._bell = socket.socketpair()
            selector.register(self._bell[1], selectors.EVENT_READ)
            with self.busy:
                names = self._connect(selector)
            asked = time.monotonic()
            self.opened()
            self.near.valid_until = asked + self.bound
            self._listen(selector, names)

    def _connect(self, selector: selectors.BaseSelector) -> set[str]:
        pools = self._servers.pools()
        for pool in pools.values():
            listener = Listener(pool, self._servers.prefixes, self._heartbeat)
            self._listeners.append(listener)
            listener.subscribe()
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        return set(pools)

    def _listen(self, selector: selectors.BaseSelector, names: set[str]) -> None:
        asked = beat = time.monotonic()
        while not self.is_over:
            if time.monotonic() >= beat:
                asked, beat = time.monotonic(), time.monotonic() + self._heartbeat
                with self.busy:
                    if self._servers.pools().keys() != names:
                        return
                    self._ping()
            ready = selector.select(max(0.0, beat - time.monotonic()))
            with self.busy:
                for key, _ in ready:
                    if key.data is not None:
                        self._hear(key.data)
            if not any(listener.is_asked for listener in self._listeners):
                self.near.valid_until = asked + self.bound

    def _ping(self) -> None:
        for listener in self._listeners:
            if listener.is_asked:
                self._hear(listener)  # the answer may be here: this thread may have been late, not the server
            if listener.is_asked:
                raise BackendError(
                    f"no answer to a PING for {self._heartbeat} s: look at the server's load and network"
                )
            listener.ping()

    def _hear(self, listener: Listener) -> None:
        for names in listener.changes():
            if names is None:
                self.near.drop_all()
            else:
                self.near.drop(map(self._servers.key, names))

    def _close(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        with self._lock:
            bell, self._bell = self._bell, None
        for side in bell or ():
            side.close()
