"""Where a Redis is, and how to get there: what a URL or the arguments of `RedisBackend` say."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

#: A host's name or address, and the port.
Host = tuple[str, int]
Kind = Literal["standalone", "cluster", "sentinel"]


class Target(msgspec.Struct, frozen=True):
    """What connections are made of.

    Attributes:
        kind: one server, a cluster, or a primary that sentinels name.
        shown: the URL, with its password masked.
        hosts: the servers to ask first: the one, nodes of the cluster, or sentinels.
        service: what the sentinels call the primary.
        options: arguments of redis-py for each connection; never changed.
        sentinel_options: the same, for connections to sentinels.
        timeout: seconds to wait, at most, for a free connection, for a connect, and for each reply.
        max_connections: connections in one pool, of which there is one for each process, event loop and node.
    """

    kind: Kind
    shown: str
    hosts: tuple[Host, ...]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]
    timeout: float
    max_connections: int

    def __repr__(self) -> str:
        # The options hold passwords.
        return f"<Target {self.kind} {self.shown}>"
