"""Async twins for stores whose calls never block: they call the sync method itself, with no thread hop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats, Metadata


class DirectBackend(CacheBackend):
    """A backend whose operations take microseconds and do no I/O."""

    async def aget(self, key: str) -> bytes | None:
        """Async twin of `get`."""
        return self.get(key)

    async def aset(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Async twin of `set`."""
        return self.set(key, value, ttl, metadata)

    async def adelete(self, key: str) -> bool:
        """Async twin of `delete`."""
        return self.delete(key)

    async def aexists(self, key: str) -> bool:
        """Async twin of `exists`."""
        return self.exists(key)

    async def aclear(self) -> int:
        """Async twin of `clear`."""
        return self.clear()

    async def aget_stats(self) -> CacheStats:
        """Async twin of `get_stats`."""
        return self.get_stats()

    async def aget_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Async twin of `get_many`."""
        return self.get_many(keys)

    async def aset_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        """Async twin of `set_many`."""
        return self.set_many(items, ttl)

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Async twin of `delete_many`."""
        return self.delete_many(keys)

    async def akeys(self, pattern: str | None = None) -> list[str]:
        """Async twin of `keys`."""
        return self.keys(pattern)

    async def aget_entry(self, key: str) -> CacheEntry | None:
        """Async twin of `get_entry`."""
        return self.get_entry(key)

    async def aget_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Async twin of `get_entries`."""
        return self.get_entries(keys)

    async def aadd(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Async twin of `add`."""
        return self.add(key, value, ttl, metadata)

    async def atouch(self, key: str, ttl: float | None) -> bool:
        """Async twin of `touch`."""
        return self.touch(key, ttl)

    async def aincr(self, key: str, delta: int = 1) -> int:
        """Async twin of `incr`."""
        return self.incr(key, delta)

    async def acompare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Async twin of `compare_and_set`."""
        return self.compare_and_set(key, value, expected, ttl, metadata)

    async def agenerations(self, names: Iterable[str]) -> dict[str, bytes]:
        """Async twin of `generations`."""
        return self.generations(names)

    async def abump_generations(self, names: Iterable[str]) -> None:
        """Async twin of `bump_generations`."""
        self.bump_generations(names)

    async def asoften_generations(self, names: Iterable[str]) -> None:
        """Async twin of `soften_generations`."""
        self.soften_generations(names)

    async def aacquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Async twin of `acquire_lease`."""
        return self.acquire_lease(name, token, lease)

    async def arelease_lease(self, name: str, token: bytes) -> bool:
        """Async twin of `release_lease`."""
        return self.release_lease(name, token)

    async def adiagnose(self) -> list[str]:
        """Async twin of `diagnose`."""
        return self.diagnose()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        self.close()
