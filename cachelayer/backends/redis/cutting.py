"""Closing the connections of an event loop from outside it.

redis-py and asyncio only have coroutines for it, and the loop may never run again: this goes one level deeper.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def cut_pool(pool: Any, *, at_once: bool) -> None:
    """Close the connections of an async pool of redis-py without waiting for anything.

    Args:
        pool: the pool.
        at_once: the event loop is closed, and has no next turn in which to do it.
    """
    for connection in (*pool._available_connections, *pool._in_use_connections):
        if at_once:
            _bury(connection)
        else:
            connection._close()


def _bury(connection: Any) -> None:
    """Give a connection the end that its closed event loop would have given it."""
    writer, connection._reader, connection._writer = connection._writer, None, None
    transport: Any = getattr(writer, "transport", None)
    under_tls = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    # Other event loops than asyncio's have other insides, and close their sockets by themselves; under TLS the loop
    # is asked for one more turn, when the socket is closed already.
    with suppress(AttributeError, RuntimeError):
        transport._closed = transport._closing = True
        (under_tls or transport)._call_connection_lost(None)
