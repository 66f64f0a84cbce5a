"""One test source for both colours: a backend's async twins behind the sync names."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, Self, TypeVar

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats, Metadata
from cachelayer.backends.locks import Lock

T = TypeVar("T")
Colour = Literal["sync", "async"]
COLOURS: Final[tuple[Colour, ...]] = ("sync", "async")


@contextmanager
def in_colour(backend: CacheBackend, colour: Colour) -> Generator[CacheBackend]:
    """Give `backend` itself for "sync"; for "async" one whose sync methods call the async twins."""
    if colour == "sync":
        yield backend
        return
    driven = _Driven(backend)
    try:
        yield driven
    finally:
        driven.end()


class _Driven(CacheBackend):
    """Calls the async twins of `inner` from sync code, in one event loop for each thread that calls."""

    def __init__(self, inner: CacheBackend) -> None:
        self.inner = inner
        self._local = threading.local()
        self._runners: list[asyncio.Runner] = []

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Run `call` in this thread's event loop."""
        runner: asyncio.Runner | None = getattr(self._local, "runner", None)
        if runner is None:
            # With a factory the runner leaves the thread's current event loop as it is.
            runner = self._local.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            self._runners.append(runner)
        return runner.run(call)

    def end(self) -> None:
        """Close the backend and the event loops."""
        self.run(self.inner.aclose())
        for runner in self._runners:
            runner.close()

    def get(self, key: str) -> bytes | None:
        return self.run(self.inner.aget(key))

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        return self.run(self.inner.aset(key, value, ttl, metadata))

    def delete(self, key: str) -> bool:
        return self.run(self.inner.adelete(key))

    def exists(self, key: str) -> bool:
        return self.run(self.inner.aexists(key))

    def clear(self) -> int:
        return self.run(self.inner.aclear())

    def get_stats(self) -> CacheStats:
        return self.run(self.inner.aget_stats())

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return self.run(self.inner.aget_many(keys))

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        return self.run(self.inner.aset_many(items, ttl))

    def delete_many(self, keys: Iterable[str]) -> int:
        return self.run(self.inner.adelete_many(keys))

    def keys(self, pattern: str | None = None) -> list[str]:
        return self.run(self.inner.akeys(pattern))

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        async def scanned() -> list[str]:
            return [key async for key in self.inner.ascan(pattern)]

        return iter(self.run(scanned()))

    def get_entry(self, key: str) -> CacheEntry | None:
        return self.run(self.inner.aget_entry(key))

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        return self.run(self.inner.aget_entries(keys))

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        return self.run(self.inner.aadd(key, value, ttl, metadata))

    def touch(self, key: str, ttl: float | None) -> bool:
        return self.run(self.inner.atouch(key, ttl))

    def incr(self, key: str, delta: int = 1) -> int:
        return self.run(self.inner.aincr(key, delta))

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        return self.run(self.inner.acompare_and_set(key, value, expected, ttl, metadata))

    def generations(self, names: Iterable[str]) -> dict[str, bytes]:
        return self.run(self.inner.agenerations(names))

    def bump_generations(self, names: Iterable[str]) -> None:
        self.run(self.inner.abump_generations(names))

    def soften_generations(self, names: Iterable[str]) -> None:
        self.run(self.inner.asoften_generations(names))

    def lock(self, name: str, *, lease: float = 30.0) -> Lock:
        return _DrivenLock(self, name, lease=lease)

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        return self.run(self.inner.aacquire_lease(name, token, lease))

    def release_lease(self, name: str, token: bytes) -> bool:
        return self.run(self.inner.arelease_lease(name, token))

    def diagnose(self) -> list[str]:
        return self.run(self.inner.adiagnose())

    def close(self) -> None:
        self.run(self.inner.aclose())

    def __enter__(self) -> Self:
        self.run(self.inner.__aenter__())
        return self

    def __exit__(self, *exc: object) -> None:
        self.run(self.inner.__aexit__(*exc))


class _DrivenLock(Lock):
    """A lock of the inner backend, taken and freed by its async methods."""

    def __init__(self, driven: _Driven, name: str, *, lease: float) -> None:
        super().__init__(driven, name, lease=lease)
        self._driven, self._inner = driven, driven.inner.lock(name, lease=lease)

    @property
    def fence(self) -> dict[str, bytes]:
        return self._inner.fence

    def acquire(self, timeout: float = 0.0) -> bool:
        return self._driven.run(self._inner.aacquire(timeout))

    def release(self) -> bool:
        return self._driven.run(self._inner.arelease())

    def __enter__(self) -> Self:
        self._driven.run(self._inner.__aenter__())
        return self

    def __exit__(self, *exc: object) -> None:
        self._driven.run(self._inner.__aexit__(*exc))
