"""Backends whose operations are written once and serve both colours."""

# ruff: noqa: D102 - what the methods do is said by the contract

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats, Metadata
from cachelayer.flows import Flow, arun, run


class TwofoldBackend(CacheBackend):
    """Each operation, and its async twin, drives the flow that the subclass gives for it."""

    @abstractmethod
    def flow(self, operation: str, *args: Any) -> Flow[Any]:
        """Return the flow of one operation of the contract.

        Args:
            operation: the sync method's name; "scan" is asked for as "keys" unless a subclass overrides it.
            args: its arguments, all positional, defaults filled in.
        """

    # -- sync -------------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        return run(self.flow("get", key))

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        return run(self.flow("set", key, value, ttl, metadata))

    def delete(self, key: str) -> bool:
        return run(self.flow("delete", key))

    def exists(self, key: str) -> bool:
        return run(self.flow("exists", key))

    def clear(self) -> int:
        return run(self.flow("clear"))

    def get_stats(self) -> CacheStats:
        return run(self.flow("get_stats"))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return run(self.flow("get_many", list(keys)))

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        return run(self.flow("set_many", items, ttl))

    def delete_many(self, keys: Iterable[str]) -> int:
        return run(self.flow("delete_many", list(keys)))

    def keys(self, pattern: str | None = None) -> list[str]:
        return run(self.flow("keys", pattern))

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        yield from self.keys(pattern)

    def get_entry(self, key: str) -> CacheEntry | None:
        return run(self.flow("get_entry", key))

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        return run(self.flow("get_entries", list(keys)))

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        return run(self.flow("add", key, value, ttl, metadata))

    def touch(self, key: str, ttl: float | None) -> bool:
        return run(self.flow("touch", key, ttl))

    def incr(self, key: str, delta: int = 1) -> int:
        return run(self.flow("incr", key, delta))

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        return run(self.flow("compare_and_set", key, value, expected, ttl, metadata))

    def generations(self, names: Iterable[str]) -> dict[str, bytes]:
        return run(self.flow("generations", list(names)))

    def bump_generations(self, names: Iterable[str]) -> None:
        run(self.flow("bump_generations", list(names)))

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        return run(self.flow("acquire_lease", name, token, lease))

    def release_lease(self, name: str, token: bytes) -> bool:
        return run(self.flow("release_lease", name, token))

    def diagnose(self) -> list[str]:
        return run(self.flow("diagnose"))

    # -- async twins ------------------------------------------------------------------------------------------

    async def aget(self, key: str) -> bytes | None:
        return await arun(self.flow("get", key))

    async def aset(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        return await arun(self.flow("set", key, value, ttl, metadata))

    async def adelete(self, key: str) -> bool:
        return await arun(self.flow("delete", key))

    async def aexists(self, key: str) -> bool:
        return await arun(self.flow("exists", key))

    async def aclear(self) -> int:
        return await arun(self.flow("clear"))

    async def aget_stats(self) -> CacheStats:
        return await arun(self.flow("get_stats"))

    async def aget_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return await arun(self.flow("get_many", list(keys)))

    async def aset_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        return await arun(self.flow("set_many", items, ttl))

    async def adelete_many(self, keys: Iterable[str]) -> int:
        return await arun(self.flow("delete_many", list(keys)))

    async def akeys(self, pattern: str | None = None) -> list[str]:
        return await arun(self.flow("keys", pattern))

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        for key in await self.akeys(pattern):
            yield key

    async def aget_entry(self, key: str) -> CacheEntry | None:
        return await arun(self.flow("get_entry", key))

    async def aget_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        return await arun(self.flow("get_entries", list(keys)))

    async def aadd(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        return await arun(self.flow("add", key, value, ttl, metadata))

    async def atouch(self, key: str, ttl: float | None) -> bool:
        return await arun(self.flow("touch", key, ttl))

    async def aincr(self, key: str, delta: int = 1) -> int:
        return await arun(self.flow("incr", key, delta))

    async def acompare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        return await arun(self.flow("compare_and_set", key, value, expected, ttl, metadata))

    async def agenerations(self, names: Iterable[str]) -> dict[str, bytes]:
        return await arun(self.flow("generations", list(names)))

    async def abump_generations(self, names: Iterable[str]) -> None:
        await arun(self.flow("bump_generations", list(names)))

    async def aacquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        return await arun(self.flow("acquire_lease", name, token, lease))

    async def arelease_lease(self, name: str, token: bytes) -> bool:
        return await arun(self.flow("release_lease", name, token))

    async def adiagnose(self) -> list[str]:
        return await arun(self.flow("diagnose"))
