"""Redis and Valkey as a store: each operation of the contract as a flow, mostly of one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

from cachelayer.backends.base import CacheStats
from cachelayer.backends.redis.atomics import Atomics
from cachelayer.backends.redis.diagnosis import diagnosed
from cachelayer.backends.redis.finding import Finding
from cachelayer.backends.redis.reading import Reading
from cachelayer.backends.redis.setup import set_up
from cachelayer.backends.redis.tags import Tags
from cachelayer.clock import Clock, system_clock
from cachelayer.flows import Flow


class RedisBackend(Reading, Finding, Atomics, Tags):
    """Keeps entries in Redis or Valkey: one key an entry, which expires by itself.

    Connections are opened when they are first needed: a pool for each process (a forked child opens its own) and
    for each event loop. Durations are seconds.

    Args:
        url: `redis://user:password@host:6379/0`, `rediss://` (TLS), `redis+cluster://host1,host2`,
            `redis+sentinel://host1,host2/name`, `unix:///path`; `valkey` may stand for `redis`. Its query may have the
            options below and, of redis-py's, `db`, `protocol` (2 or 3), `client_name`, `socket_keepalive`,
            `health_check_interval` and `ssl_*`; an argument counts more than the query.
        client: a `redis.Redis` or `redis.RedisCluster` to use instead of a URL. It is never changed nor closed. The
            async methods use it in threads, unless there is `async_client`.
        async_client: a client of `redis.asyncio` for the async methods, in the one event loop that it belongs to.
        namespace: keeps this cache's keys apart from others' in the same database.
        timeout: seconds to wait at most for a free connection, for a connect, and for each reply; in async code for
            the three of them together. 0.5 unless the URL or the client says otherwise.
        max_connections: connections in one pool, 50 by default; callers wait for a free one.
        options: more arguments of redis-py for each connection, such as `credential_provider`.
        clock: returns epoch seconds; Redis itself counts lifetimes by its own clock.

    Raises:
        ConfigurationError: an option cannot work; a client decodes responses.
        MissingExtraError: redis-py is not installed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        async_client: Any = None,
        namespace: str | None = None,
        timeout: float | None = None,
        max_connections: int | None = None,
        options: Mapping[str, Any] | None = None,
        clock: Clock = system_clock,
    ) -> None:
        setup = set_up(
            url,
            client,
            async_client,
            {"namespace": namespace, "timeout": timeout, "max_connections": max_connections},
            options or {},
        )
        super().__init__(setup, clock)

    def _get_stats(self) -> Flow[CacheStats]:
        # DBSIZE and INFO tell of the whole server, not of this namespace.
        return self.counters.snapshot()
        yield

    def _diagnose(self) -> Flow[list[str]]:
        shown, tags = self.setup.shown, self.layout.hash_tags
        return (yield from diagnosed(self._ask, self._nodes, shown, is_cluster=tags))


def from_url(parts: SplitResult) -> RedisBackend:
    """Make a Redis backend of a `redis://` URL or one of its kin."""
    return RedisBackend(parts.geturl())
