"""Commands over connections of redis-py's pools: everything is sent before any reply is read.

One level below redis-py's own clients and pipelines: those of a cluster send what failed again one command at a time,
each with a time limit of its own, so that a thousand keys of a node that hangs would take a thousand time limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

#: A command's words, the first of which is its name.
Command = tuple[Any, ...]
#: A pool of redis-py, and what is sent over a connection of it.
Parcel = tuple[Any, Sequence[Command]]


def exchange(pool: Any, commands: Sequence[Command]) -> list[Any]:
    """Send the commands to one server; return their replies, errors of the server among them."""
    # What `_borrowed` does, by hand: this is most of what a hit takes besides the network.
    connection = pool.get_connection(*_purpose())
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        return [_reply(connection) for _ in commands]
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def exchange_all(parcels: Sequence[Parcel]) -> list[list[Any]]:
    """Send to several servers, then read from each."""
    if len(parcels) == 1:
        return [exchange(*parcels[0])]
    with ExitStack() as stack:
        opened = [(stack.enter_context(_borrowed(pool)), commands) for pool, commands in parcels]
        for connection, commands in opened:
            connection.send_packed_command(connection.pack_commands(commands))
        return [[_reply(connection) for _ in commands] for connection, commands in opened]


async def aexchange(pool: Any, commands: Sequence[Command]) -> list[Any]:
    """Async twin of `exchange`."""
    connection = await pool.get_connection(*_purpose())
    try:
        await connection.send_packed_command(connection.pack_commands(commands))
        return [await _areply(connection) for _ in commands]
    except BaseException:
        await connection.disconnect(nowait=True)  # a reply may still be under way: the next one would read it
        raise
    finally:
        await pool.release(connection)


async def aexchange_all(parcels: Sequence[Parcel]) -> list[list[Any]]:
    """Async twin of `exchange_all`."""
    if len(parcels) == 1:
        return [await aexchange(*parcels[0])]
    return await asyncio.gather(*(aexchange(pool, commands) for pool, commands in parcels))


@cache
def _purpose() -> tuple[str, ...]:
    """Return what `get_connection` has to be told: before redis-py 5.3 a command's name, which it made no use of."""
    from redis import __version__

    major, minor, *_ = __version__.split(".")
    return () if (int(major), int(minor)) >= (5, 3) else ("_",)


@contextmanager
def _borrowed(pool: Any) -> Generator[Any]:
    connection = pool.get_connection(*_purpose())
    try:
        yield connection
    except BaseException:
        connection.disconnect()  # a reply may still be under way: the next one would read it as its own
        raise
    finally:
        pool.release(connection)


def _reply(connection: Any) -> Any:
    from redis.exceptions import ResponseError

    try:
        return connection.read_response()
    except ResponseError as error:
        return error


async def _areply(connection: Any) -> Any:
    from redis.exceptions import ResponseError

    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
