"""Clients that the user made: their pools are used, and they are neither changed nor closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from cachelayer.backends.redis.connections import Connections
from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.links import AsyncLink, AsyncSingleLink, Link, Node, SingleLink
from cachelayer.errors import ConfigurationError, OptionTypeError, UnsupportedOperationError


def connections_of(client: Any, async_client: Any) -> Connections:
    """Return connections that use these clients of redis-py; one of them may be None.

    Raises:
        ConfigurationError: a client decodes responses.
        OptionTypeError: it is no client for its colour.
    """
    from redis import Redis, RedisCluster
    from redis import asyncio as aio

    _check("client", client, (Redis, RedisCluster), "redis.Redis or redis.RedisCluster")
    _check(
        "async_client",
        async_client,
        (aio.Redis, aio.RedisCluster),
        "redis.asyncio.Redis or redis.asyncio.RedisCluster",
    )
    make = _no_sync if client is None else _maker(client)
    if async_client is None:
        return Connections(make, lambda: _Threaded(make()))
    return Connections(make, _async_maker(async_client))


def is_cluster(client: Any) -> bool:
    """Whether it is redis-py's client for a cluster."""
    return hasattr(client, "nodes_manager")


def waits_for(client: Any) -> float | None:
    """Return the seconds that a client waits for a reply, None for ever."""
    wait: float | None = client.get_connection_kwargs().get("socket_timeout")
    return wait


def _check(name: str, client: Any, types: tuple[type[Any], ...], meant: str) -> None:
    if client is None:
        return
    if not isinstance(client, types):
        raise OptionTypeError(f"{name}= must be a {meant}, not {type(client).__name__}: {client!r}")
    if client.get_encoder().decode_responses:
        raise ConfigurationError(
            f"{name}= was made with decode_responses=True: a cache stores bytes, give it a client without"
        )


def _maker(client: Any) -> Callable[[], Link]:
    if is_cluster(client):
        return lambda: _GivenCluster(client)
    return lambda: _GivenLink(client.connection_pool)


def _async_maker(client: Any) -> Callable[[], AsyncLink]:
    if is_cluster(client):
        return lambda: _AsyncGivenCluster(client)
    return lambda: _AsyncGivenLink(client.connection_pool)


def _no_sync() -> NoReturn:
    raise UnsupportedOperationError("this RedisBackend has an async client only: give it client= as well")


class _GivenLink(SingleLink):
    def reset(self) -> None:
        """The pool is the user's."""

    def close(self) -> None:
        """The pool is the user's."""


class _AsyncGivenLink(AsyncSingleLink):
    async def reset(self) -> None:
        """The pool is the user's."""

    async def close(self) -> None:
        """The pool is the user's."""

    def cut(self, *, at_once: bool) -> None:
        """The pool is the user's."""


class _GivenCluster:
    """A `Link` by the pipelines of a `redis.RedisCluster`, which find the nodes and try again as it was told to."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        pipeline = self._client.pipeline()
        target = {} if node is None else {"target_nodes": self._client.get_node(node_name=node)}
        for command in commands:
            pipeline.execute_command(*command, **target)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies

    def nodes(self) -> list[Node]:
        return [node.name for node in self._client.get_primaries()]

    def pools(self) -> dict[str, Any]:
        primaries = self._client.get_primaries()
        return {node.name: self._client.get_redis_connection(node).connection_pool for node in primaries}

    def reset(self) -> None:
        """It is the user's."""

    def close(self) -> None:
        """It is the user's."""


class _AsyncGivenCluster:
    """The same for async code."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        await self._client.initialize()
        pipeline = self._client.pipeline()
        target = {} if node is None else {"target_nodes": self._client.get_node(node_name=node)}
        for command in commands:
            pipeline.execute_command(*command, **target)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    async def nodes(self) -> list[Node]:
        await self._client.initialize()
        return [node.name for node in self._client.get_primaries()]

    async def reset(self) -> None:
        """It is the user's."""

    async def close(self) -> None:
        """It is the user's."""

    def cut(self, *, at_once: bool) -> None:
        """It is the user's."""


class _Threaded:
    """A sync client for async code: an `AsyncLink` that waits in threads."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        return await asyncio.to_thread(self._link.ask, commands, node)

    async def nodes(self) -> list[Node]:
        return await asyncio.to_thread(self._link.nodes)

    async def reset(self) -> None:
        await asyncio.to_thread(self._link.reset)

    async def close(self) -> None:
        """It is the user's."""

    def cut(self, *, at_once: bool) -> None:
        """It is the user's."""
