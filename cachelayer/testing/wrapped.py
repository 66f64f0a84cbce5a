"""A backend that passes every call on to another one, and lets a subclass step in between."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats, Metadata
from cachelayer.clock import Clock

T = TypeVar("T")


class WrappedBackend(CacheBackend):
    """Passes every call on to `inner`, in its own colour, and counts the calls.

    Attributes:
        inner: the backend that does the work.
        calls: how often each operation was called, by name; `get` and `aget` both count as "get".
    """

    def __init__(self, inner: CacheBackend) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self._calls_lock = threading.Lock()
        # Set past the type, which knows it as the class's: a wrapper is as shared as what it wraps.
        vars(self)["shared"] = inner.shared
        self.timeout = inner.timeout
        clock: Clock | None = getattr(inner, "clock", None)
        if clock is not None:
            #: So that a cache goes by the time that the entries expire by.
            self.clock = clock

    # -- what a subclass overrides ----------------------------------------------------------------------------

    def before(self, operation: str) -> None:
        """Run before each call of the sync colour."""

    async def abefore(self, operation: str) -> None:
        """Run before each call of the async colour."""
        self.before(operation)

    def _count(self, operation: str) -> None:
        with self._calls_lock:
            self.calls[operation] += 1

    def _do(self, operation: str, call: Callable[..., T], *args: Any) -> T:
        self._count(operation)
        self.before(operation)
        return call(*args)

    async def _ado(self, operation: str, call: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        self._count(operation)
        await self.abefore(operation)
        return await call(*args)

    # -- sync -------------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Pass on."""
        return self._do("get", self.inner.get, key)

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Pass on."""
        return self._do("set", self.inner.set, key, value, ttl, metadata)

    def delete(self, key: str) -> bool:
        """Pass on."""
        return self._do("delete", self.inner.delete, key)

    def exists(self, key: str) -> bool:
        """Pass on."""
        return self._do("exists", self.inner.exists, key)

    def clear(self) -> int:
        """Pass on."""
        return self._do("clear", self.inner.clear)

    def get_stats(self) -> CacheStats:
        """Pass on."""
        return self._do("get_stats", self.inner.get_stats)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Pass on."""
        return self._do("get_many", self.inner.get_many, keys)

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        """Pass on."""
        return self._do("set_many", self.inner.set_many, items, ttl)

    def delete_many(self, keys: Iterable[str]) -> int:
        """Pass on."""
        return self._do("delete_many", self.inner.delete_many, keys)

    def keys(self, pattern: str | None = None) -> list[str]:
        """Pass on."""
        return self._do("keys", self.inner.keys, pattern)

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        """Pass on."""
        yield from self._do("scan", self.inner.scan, pattern)

    def get_entry(self, key: str) -> CacheEntry | None:
        """Pass on."""
        return self._do("get_entry", self.inner.get_entry, key)

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Pass on."""
        return self._do("get_entries", self.inner.get_entries, keys)

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Pass on."""
        return self._do("add", self.inner.add, key, value, ttl, metadata)

    def touch(self, key: str, ttl: float | None) -> bool:
        """Pass on."""
        return self._do("touch", self.inner.touch, key, ttl)

    def incr(self, key: str, delta: int = 1) -> int:
        """Pass on."""
        return self._do("incr", self.inner.incr, key, delta)

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Pass on."""
        return self._do("compare_and_set", self.inner.compare_and_set, key, value, expected, ttl, metadata)

    def generations(self, names: Iterable[str]) -> dict[str, bytes]:
        """Pass on."""
        return self._do("generations", self.inner.generations, names)

    def bump_generations(self, names: Iterable[str]) -> None:
        """Pass on."""
        self._do("bump_generations", self.inner.bump_generations, names)

    def soften_generations(self, names: Iterable[str]) -> None:
        """Pass on."""
        self._do("soften_generations", self.inner.soften_generations, names)

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Pass on."""
        return self._do("acquire_lease", self.inner.acquire_lease, name, token, lease)

    def release_lease(self, name: str, token: bytes) -> bool:
        """Pass on."""
        return self._do("release_lease", self.inner.release_lease, name, token)

    def diagnose(self) -> list[str]:
        """Pass on."""
        return self._do("diagnose", self.inner.diagnose)

    def close(self) -> None:
        """Close the inner backend."""
        self.inner.close()

    # -- async ------------------------------------------------------------------------------------------------

    async def aget(self, key: str) -> bytes | None:
        """Pass on."""
        return await self._ado("get", self.inner.aget, key)

    async def aset(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Pass on."""
        return await self._ado("set", self.inner.aset, key, value, ttl, metadata)

    async def adelete(self, key: str) -> bool:
        """Pass on."""
        return await self._ado("delete", self.inner.adelete, key)

    async def aexists(self, key: str) -> bool:
        """Pass on."""
        return await self._ado("exists", self.inner.aexists, key)

    async def aclear(self) -> int:
        """Pass on."""
        return await self._ado("clear", self.inner.aclear)

    async def aget_stats(self) -> CacheStats:
        """Pass on."""
        return await self._ado("get_stats", self.inner.aget_stats)

    async def aget_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Pass on."""
        return await self._ado("get_many", self.inner.aget_many, keys)

    async def aset_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        """Pass on."""
        return await self._ado("set_many", self.inner.aset_many, items, ttl)

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Pass on."""
        return await self._ado("delete_many", self.inner.adelete_many, keys)

    async def akeys(self, pattern: str | None = None) -> list[str]:
        """Pass on."""
        return await self._ado("keys", self.inner.akeys, pattern)

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        """Pass on."""
        self._count("scan")
        await self.abefore("scan")
        async for key in self.inner.ascan(pattern):
            yield key

    async def aget_entry(self, key: str) -> CacheEntry | None:
        """Pass on."""
        return await self._ado("get_entry", self.inner.aget_entry, key)

    async def aget_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Pass on."""
        return await self._ado("get_entries", self.inner.aget_entries, keys)

    async def aadd(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Pass on."""
        return await self._ado("add", self.inner.aadd, key, value, ttl, metadata)

    async def atouch(self, key: str, ttl: float | None) -> bool:
        """Pass on."""
        return await self._ado("touch", self.inner.atouch, key, ttl)

    async def aincr(self, key: str, delta: int = 1) -> int:
        """Pass on."""
        return await self._ado("incr", self.inner.aincr, key, delta)

    async def acompare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Pass on."""
        call = self.inner.acompare_and_set
        return await self._ado("compare_and_set", call, key, value, expected, ttl, metadata)

    async def agenerations(self, names: Iterable[str]) -> dict[str, bytes]:
        """Pass on."""
        return await self._ado("generations", self.inner.agenerations, names)

    async def abump_generations(self, names: Iterable[str]) -> None:
        """Pass on."""
        await self._ado("bump_generations", self.inner.abump_generations, names)

    async def asoften_generations(self, names: Iterable[str]) -> None:
        """Pass on."""
        await self._ado("soften_generations", self.inner.asoften_generations, names)

    async def aacquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Pass on."""
        return await self._ado("acquire_lease", self.inner.aacquire_lease, name, token, lease)

    async def arelease_lease(self, name: str, token: bytes) -> bool:
        """Pass on."""
        return await self._ado("release_lease", self.inner.arelease_lease, name, token)

    async def adiagnose(self) -> list[str]:
        """Pass on."""
        return await self._ado("diagnose", self.inner.adiagnose)

    async def aclose(self) -> None:
        """Close the inner backend."""
        await self.inner.aclose()
