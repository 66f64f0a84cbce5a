"""The Memcached store, as users meet it."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from cachelayer.backends.connected import ConnectedBackend
from cachelayer.backends.memcached.calls import Calls
from cachelayer.backends.memcached.connections import check_installed
from cachelayer.backends.memcached.diagnosis import OVERHEAD
from cachelayer.backends.memcached.frames import Store
from cachelayer.backends.memcached.keys import PhysicalKeys
from cachelayer.backends.memcached.servers import Server, Servers
from cachelayer.backends.memcached.url import parse_servers
from cachelayer.clock import Clock, system_clock
from cachelayer.counters import Counter
from cachelayer.durations import parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.flows import Flow
from cachelayer.forks import ProcessLock

#: Memcached's own item limit, unless it is started with -I, less what the value is wrapped in.
_MAX_VALUE_BYTES: Final = 1024 * 1024 - OVERHEAD


class MemcachedBackend(ConnectedBackend):
    """Keeps entries in one or several Memcached servers, by `pymemcache`.

    A hit is one round trip, a bulk call one for each server involved. With several servers each key has its own, by
    rendezvous hashing: when one is lost, only its keys are; calls for those raise BackendError within the timeout,
    the others work. Under a `Cache` more is lost: entries are judged by generations, which are keys as well. All
    clients must name the servers alike, since names decide who has what.

    Async calls run on threads of the backend's own, as many as connections: of the native clients, `aiomcache` was
    last seen released in 2024, and `emcache` without builds for current Pythons. A call that is cancelled is
    finished by its thread, so that nothing is left half done.

    Memcached forgets what it has no room for; what of tags and fences it loses costs misses. It cannot list its
    keys: `keys()` raises, and `clear()` gives the namespace a new generation and returns 0. A server that comes back
    after it was unreachable during an invalidation still has the old entries: the invalidation raised for it.
    Expiry is exact by the clocks of the clients, which ought to agree; Memcached's own clock, which counts seconds,
    only reclaims the space.

    Args:
        servers: "host:port" (11211 where no port is given), (host, port), or the path of a Unix socket; one or several.
        namespace: any text; entries of other namespaces are neither seen nor cleared.
        timeout: seconds within which each call ends, connecting included; looking up a host's name is not.
        max_connections: connections to each server, in each process; callers wait for a free one.
        max_value_bytes: values, with their metadata, above so many bytes are refused: `set` returns False, with a
            warning in the log. The default fits Memcached's default item limit (its option -I).
        split: store larger values in several items instead.
        clock: returns epoch seconds; tests pass a fake one.

    Raises:
        ConfigurationError: no server, or an option that cannot work.
        OptionTypeError: an option of the wrong type.
        MissingExtraError: pymemcache is not installed.
    """

    def __init__(
        self,
        servers: str | tuple[str, int] | Iterable[str | tuple[str, int]] = "localhost:11211",
        *,
        namespace: str = "",
        timeout: float = 0.5,
        max_connections: int = 32,
        max_value_bytes: int = _MAX_VALUE_BYTES,
        split: bool = False,
        clock: Clock = system_clock,
    ) -> None:
        addresses = parse_servers(servers)
        self.timeout = self._seconds = _positive_duration(timeout)
        self.namespace = _text("namespace", namespace)
        self.max_value_bytes = _count("max_value_bytes", max_value_bytes)
        self._max_connections = _count("max_connections", max_connections)
        check_installed()
        super().__init__()
        keys = PhysicalKeys(namespace)
        self._servers = Servers(Server(address, keys.generation, max_connections) for address in addresses)
        self._store = Store(
            servers=self._servers,
            keys=keys,
            counters=self.counters,
            clock=clock,
            timeout=self._seconds,
            max_value_bytes=max_value_bytes,
            split=split,
            refusals=Counter(),
        )
        self._lock = ProcessLock()
        self._threads: ThreadPoolExecutor | None = None
        _all.add(self)

    def __repr__(self) -> str:
        names = ", ".join(server.name for server in self._servers.all)
        return f"<MemcachedBackend {names} namespace={self.namespace!r}>"

    def flow(self, operation: str, *args: Any) -> Flow[Any]:
        """See `TwofoldBackend.flow`."""
        if operation == "get_stats":
            return self.counters.snapshot()
        self.check_open()
        if operation == "keys":
            raise self._unsupported("keys()")
        # The time starts here: what waits for a thread longer than the timeout fails at once when it gets one.
        call = Calls(self._store, time.monotonic() + self._seconds)
        return (yield _Whole(self, call, operation, args))

    def threads(self) -> ThreadPoolExecutor:
        """Return the threads that async calls run on, started when they are first needed."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._max_connections, "cachelayer-memcached")
            return self._threads

    def start_anew(self) -> None:
        """Forget the parent's connections and threads, in a forked child."""
        self._threads = None
        for server in self._servers.all:
            server.pool.start_anew()

    def _disconnect(self) -> None:
        # Calls under way finish, within the timeout; their connections are closed as they come back.
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        for server in self._servers.all:
            server.pool.close()

    def _unsupported(self, what: str) -> Any:
        error = super()._unsupported(what)
        error.args = (f"Memcached cannot list its keys, so there is no {what}: use another store for that",)
        return error


class _Whole(msgspec.Struct, frozen=True):
    """One operation from beginning to end: one hop to a thread, and not to be cancelled halfway."""

    backend: MemcachedBackend
    call: Calls
    operation: str
    args: tuple[Any, ...]

    def take(self) -> Any:
        """Do it in this thread."""
        return getattr(self.call, self.operation)(*self.args)

    async def atake(self) -> Any:
        """Do it in a thread of the backend's."""
        return await asyncio.get_running_loop().run_in_executor(self.backend.threads(), self.take)


_all: weakref.WeakSet[MemcachedBackend] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for backend in list(_all):
        backend.start_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _positive_duration(timeout: float) -> float:
    seconds = parse_duration(timeout, name="timeout")
    if not seconds:
        raise ConfigurationError(f"timeout={timeout!r}: give seconds above 0")
    return seconds


def _count(name: str, value: int) -> int:
    if value.__class__ is not int or value <= 0:
        raise ConfigurationError(f"{name}={value!r}: give a whole number above 0")
    return value


def _text(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise OptionTypeError(f"{name} must be str, not {type(value).__name__}: {value!r}")
    return value
