"""The links that a target needs, on pools of redis-py whose callers wait for a free connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cachelayer.backends.redis.cluster import AsyncClusterLink, ClusterLink
from cachelayer.backends.redis.links import AsyncLink, AsyncSingleLink, Link, SingleLink
from cachelayer.backends.redis.target import Host, Target

#: Options of the connections to the store that count for those to sentinels too.
_FOR_SENTINELS: Final = frozenset({"retry", "protocol", "maint_notifications_config"})


def make_link(target: Target) -> Link:
    """Return a link for sync code; it connects when it is first used."""
    import redis.connection
    from redis.retry import Retry

    options = _options(target, Retry)
    if target.kind == "sentinel":
        return _sentinel_link(target, options)
    make_pool = partial(_pool, redis.connection, options)
    if target.kind == "cluster":
        return ClusterLink(target.hosts, make_pool)
    return SingleLink(make_pool(target.hosts[0]))


def make_async_link(target: Target) -> AsyncLink:
    """Return a link for the event loop that runs now; it connects when it is first used."""
    import redis.asyncio.connection
    from redis.asyncio.retry import Retry

    # The timeout of a whole round trip, see `Ask`, ends each wait: one timer rather than four.
    options = {**_options(target, Retry), "timeout": None, "socket_timeout": None}
    if target.kind == "sentinel":
        return _async_sentinel_link(target, options)
    make_pool = partial(_pool, redis.asyncio.connection, options)
    if target.kind == "cluster":
        return AsyncClusterLink(target.hosts, make_pool)
    return AsyncSingleLink(make_pool(target.hosts[0]))


def _options(target: Target, retry: Any) -> dict[str, Any]:
    """Return what a pool is made with: no retries by itself, and no waiting beyond the timeout."""
    from redis.backoff import NoBackoff

    return {
        "max_connections": target.max_connections,
        "timeout": target.timeout,
        "socket_timeout": target.timeout,
        "socket_connect_timeout": target.timeout,
        "retry": retry(NoBackoff(), 0),
        **_no_notifications(),
        **target.options,
    }


def _no_notifications() -> dict[str, Any]:
    """Return the option that keeps redis-py from asking, at each connect, for notices of a managed service."""
    try:
        from redis.maint_notifications import MaintNotificationsConfig
    except ImportError:  # an older redis-py, which does not ask
        return {}
    return {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def _pool(module: Any, options: dict[str, Any], host: Host) -> Any:
    """Return a pool of connections to one server; `module` is redis-py's, of either colour."""
    options = dict(options)
    tls = options.pop("ssl", False)
    if "path" in options:
        return module.BlockingConnectionPool(connection_class=module.UnixDomainSocketConnection, **options)
    made = module.SSLConnection if tls else module.Connection
    return module.BlockingConnectionPool(connection_class=made, host=host[0], port=host[1], **options)


def _sentinel_link(target: Target, options: dict[str, Any]) -> Link:
    from redis import __version__
    from redis.connection import BlockingConnectionPool
    from redis.sentinel import Sentinel, SentinelConnectionPool

    class Pool(SentinelConnectionPool, BlockingConnectionPool):
        """Asks the sentinels for each connection, and lets callers wait for one."""

        def disconnect(self, inuse_connections: bool = True) -> None:
            """Close the connections; before redis-py 7.0 the blocking pool has no choice which."""
            if int(__version__.partition(".")[0]) >= 7:
                super().disconnect(inuse_connections)
            else:
                super().disconnect()

    return SingleLink(*_managed(Sentinel, Pool, target, options))


def _async_sentinel_link(target: Target, options: dict[str, Any]) -> AsyncLink:
    from redis.asyncio.connection import BlockingConnectionPool
    from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

    class Pool(SentinelConnectionPool, BlockingConnectionPool):
        """The same for async code."""

    return AsyncSingleLink(*_managed(Sentinel, Pool, target, options))


def _managed(
    sentinel: Callable[..., Any], pool: Callable[..., Any], target: Target, options: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """Return the pool of connections to the primary, and those of connections to the sentinels."""
    manager = sentinel(list(target.hosts), sentinel_kwargs=_sentinel_options(target, options))
    return pool(target.service, manager, **options), [each.connection_pool for each in manager.sentinels]


def _sentinel_options(target: Target, options: dict[str, Any]) -> dict[str, Any]:
    # They are asked one after another: those that hang must not use up more than one timeout together.
    share = target.timeout / len(target.hosts)
    kept = {
        name: value for name, value in options.items() if name.startswith("ssl") or name in _FOR_SENTINELS
    }
    return {
        **kept,
        "socket_timeout": share,
        "socket_connect_timeout": share,
        **target.sentinel_options,
    }
