"""The contract every store fulfils.

Six methods make a backend: `get`, `set`, `delete`, `exists`, `clear` and `get_stats`. Everything else here has
a default built on those six, so that a subclass with only them works under the decorator and both middlewares.
A store that can do better (one round trip, atomic across processes, natively async) overrides what it can.

Rules:
- Keys are `str`, values `bytes`; anything else raises TypeError before anything is written.
- `ttl` is seconds (a float may be below one); None is for ever; 0 or less removes the key and returns False.
- Each method `x` has an async twin `ax`. The twins here hop to a thread.
- Keys that start with `BOOKKEEPING` (generations, locks) belong to the library and are not counted as entries.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Final, Self

from cachelayer.backends.entry import CacheEntry, Metadata
from cachelayer.backends.generations import BOOKKEEPING, generation_key, lease_key, new_generation, softened
from cachelayer.backends.locks import Lock
from cachelayer.backends.stats import CacheStats
from cachelayer.errors import ConfigurationError, OptionTypeError, UnsupportedOperationError

_SOFTENING_TRIES: Final = 10
_INTEGER: Final = re.compile(rb"-?[0-9]{1,4000}")

__all__ = ["BOOKKEEPING", "CacheBackend", "CacheEntry", "CacheStats", "Metadata"]


class _ProcessGuard:
    """The lock that makes the read-then-write defaults atomic within this process, new in a forked child."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    @contextmanager
    def __call__(self) -> Generator[None]:
        with self._lock:
            yield


_guard = _ProcessGuard()


class CacheBackend(ABC):
    """A store of bytes under string keys."""

    #: True where other processes see what is stored here: values are then encoded by safe codecs only.
    shared: ClassVar[bool] = True
    #: Seconds within which each sync call ends by itself, by the store's own time limits; None where there are none.
    timeout: float | None = None
    #: Whether it tells the log by itself, once, that it has gone away.
    tells_when_away: bool = False

    # -- the six ----------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""

    @abstractmethod
    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store `value` under `key`, replacing value, ttl and metadata.

        Args:
            key: any string.
            value: any bytes.
            ttl: seconds until it expires; None means never; 0 or less removes the key.
            metadata: JSON-like mapping kept beside the value.

        Returns:
            Whether it is stored. After False no older value is left under the key.
        """

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether the key is there, without touching counters or recency."""

    @abstractmethod
    def clear(self) -> int:
        """Remove every entry of this cache; return how many, 0 where the store cannot tell."""

    @abstractmethod
    def get_stats(self) -> CacheStats:
        """Return a snapshot of the store's counters."""

    # -- bulk -------------------------------------------------------------------------------------------------

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that are there."""
        found = ((key, self.get(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        """Store each item; return the number stored."""
        for key, value in items.items():
            check_item(key, value)
        return sum(self.set(key, value, ttl) for key, value in items.items())

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove the keys; return how many were there."""
        wanted = list(keys)
        for key in wanted:
            check_key(key)
        return sum(self.delete(key) for key in wanted)

    def keys(self, pattern: str | None = None) -> list[str]:
        """Return the keys, or those that match a glob: `*`, `?`, `[ab]`, `[!a]`; `[*]` is a literal star."""
        raise self._unsupported("keys()")

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        """Iterate over the keys without holding them all; keys written meanwhile may or may not be seen."""
        yield from self.keys(pattern)

    # -- further abilities ------------------------------------------------------------------------------------

    def get_entry(self, key: str) -> CacheEntry | None:
        """Return value, times and metadata, without touching counters or recency."""
        raise self._unsupported("get_entry()")

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Return the entries of those keys that are there, as `get_entry` does."""
        found = ((key, self.get_entry(key)) for key in keys)
        return {key: entry for key, entry in found if entry is not None}

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store only if the key is absent or expired. This default is atomic within one process."""
        with _guard():
            return not self.exists(key) and self.set(key, value, ttl, metadata)

    def touch(self, key: str, ttl: float | None) -> bool:
        """Give the key a new ttl and keep its value and metadata; False if it is not there."""
        with _guard():
            entry = self.get_entry(key)
            return entry is not None and self.set(key, entry.value, ttl, entry.metadata)

    def incr(self, key: str, delta: int = 1) -> int:
        """Add `delta` to a decimal integer, keeping its ttl; a missing key starts at `delta`.

        Raises:
            ConfigurationError: the stored value is not an integer (a ValueError).
        """
        check_delta(delta)
        with _guard():
            entry = self.get_entry(key)
            total = delta if entry is None else parse_integer(key, entry.value) + delta
            ttl, metadata = (None, None) if entry is None else (entry.ttl_remaining, entry.metadata)
            self.set(key, b"%d" % total, ttl, metadata)
            return total

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Store `value` only if every key in `expected` holds just these bytes now (None: is absent).

        With `{key: old}` it is the usual compare-and-set; with generation keys it is how a fenced result is
        stored. This default is atomic within one process.
        """
        with _guard():
            held = self.get_many(expected)
            if any(held.get(name) != old for name, old in expected.items()):
                return False
            return self.set(key, value, ttl, metadata)

    # -- generations (tags, namespaces, fences) ---------------------------------------------------------------

    def generations(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the generation of each name; a missing one is created with a never-used value."""
        wanted = {name: generation_key(name) for name in names}
        held = self.get_many(wanted.values())
        return {name: held.get(key) or self._create_generation(key) for name, key in wanted.items()}

    def bump_generations(self, names: Iterable[str]) -> None:
        """Give each name a new generation: whatever was stored under the old one is dead."""
        self.set_many({generation_key(name): new_generation() for name in names})

    def soften_generations(self, names: Iterable[str]) -> None:
        """Change each name's generation so that what was stored under the old one is stale, and not dead."""
        left = list(names)
        for _ in range(_SOFTENING_TRIES):
            if not left:
                return
            held = self.generations(left)
            keys = {name: generation_key(name) for name in left}
            # Who was faster made another generation of it: what that one covers is not what this one has to.
            left = [
                name
                for name, old in held.items()
                if not self.compare_and_set(keys[name], softened(old), {keys[name]: old})
            ]
        # A store that refuses, or callers without end: what is dead was invalidated too.
        self.bump_generations(left)

    def _create_generation(self, key: str) -> bytes:
        fresh = new_generation()
        if self.add(key, fresh):
            return fresh
        # Another caller was first; if the store lost it again at once, our own never-used value only costs misses.
        return self.get(key) or fresh

    # -- locks with leases ------------------------------------------------------------------------------------

    def lock(self, name: str, *, lease: float = 30.0) -> Lock:
        """Return a lock that frees itself `lease` seconds after it was taken."""
        return Lock(self, name, lease=lease)

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Take the lease called `name` for `lease` seconds if nobody holds it."""
        return self.add(lease_key(name), token, lease)

    def release_lease(self, name: str, token: bytes) -> bool:
        """Give the lease back if `token` still holds it; False (and harmless) otherwise."""
        key = lease_key(name)
        with _guard():
            return self.get(key) == token and self.delete(key)

    # -- life cycle -------------------------------------------------------------------------------------------

    def close(self) -> None:  # noqa: B027 - a store without connections has nothing to close
        """Give connections back. Closing twice is fine; use after close raises."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def guarded(self, guard: Callable[[CacheBackend], CacheBackend]) -> CacheBackend:
        """Return this store with `guard` around what may go away: all of it, unless a subclass knows better."""
        return guard(self)

    def diagnose(self) -> list[str]:
        """Look the store over, and return what is wrong with it, a sentence each that says what to do; [] is well."""
        return []

    def _unsupported(self, what: str) -> UnsupportedOperationError:
        return UnsupportedOperationError(
            f"{type(self).__name__} does not support {what}: override it to add it"
        )

    # -- async twins ------------------------------------------------------------------------------------------

    async def aget(self, key: str) -> bytes | None:
        """Async twin of `get`."""
        return await asyncio.to_thread(self.get, key)

    async def aset(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Async twin of `set`."""
        return await asyncio.to_thread(self.set, key, value, ttl, metadata)

    async def adelete(self, key: str) -> bool:
        """Async twin of `delete`."""
        return await asyncio.to_thread(self.delete, key)

    async def aexists(self, key: str) -> bool:
        """Async twin of `exists`."""
        return await asyncio.to_thread(self.exists, key)

    async def aclear(self) -> int:
        """Async twin of `clear`."""
        return await asyncio.to_thread(self.clear)

    async def aget_stats(self) -> CacheStats:
        """Async twin of `get_stats`."""
        return await asyncio.to_thread(self.get_stats)

    async def aget_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Async twin of `get_many`."""
        return await asyncio.to_thread(self.get_many, keys)

    async def aset_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        """Async twin of `set_many`."""
        return await asyncio.to_thread(self.set_many, items, ttl)

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Async twin of `delete_many`."""
        return await asyncio.to_thread(self.delete_many, keys)

    async def akeys(self, pattern: str | None = None) -> list[str]:
        """Async twin of `keys`."""
        return await asyncio.to_thread(self.keys, pattern)

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        """Async twin of `scan`."""
        for key in await self.akeys(pattern):
            yield key

    async def aget_entry(self, key: str) -> CacheEntry | None:
        """Async twin of `get_entry`."""
        return await asyncio.to_thread(self.get_entry, key)

    async def aget_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Async twin of `get_entries`."""
        return await asyncio.to_thread(self.get_entries, keys)

    async def aadd(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None
    ) -> bool:
        """Async twin of `add`."""
        return await asyncio.to_thread(self.add, key, value, ttl, metadata)

    async def atouch(self, key: str, ttl: float | None) -> bool:
        """Async twin of `touch`."""
        return await asyncio.to_thread(self.touch, key, ttl)

    async def aincr(self, key: str, delta: int = 1) -> int:
        """Async twin of `incr`."""
        return await asyncio.to_thread(self.incr, key, delta)

    async def acompare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Async twin of `compare_and_set`."""
        return await asyncio.to_thread(self.compare_and_set, key, value, expected, ttl, metadata)

    async def agenerations(self, names: Iterable[str]) -> dict[str, bytes]:
        """Async twin of `generations`."""
        return await asyncio.to_thread(self.generations, names)

    async def abump_generations(self, names: Iterable[str]) -> None:
        """Async twin of `bump_generations`."""
        await asyncio.to_thread(self.bump_generations, names)

    async def asoften_generations(self, names: Iterable[str]) -> None:
        """Async twin of `soften_generations`."""
        await asyncio.to_thread(self.soften_generations, names)

    async def aacquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Async twin of `acquire_lease`. Who is cancelled meanwhile does not have it in the end."""
        is_cancelled = threading.Event()

        def take() -> bool:
            taken = self.acquire_lease(name, token, lease)
            if taken and is_cancelled.is_set():
                # The thread was late: whoever asked may have given back what was not taken yet.
                self.release_lease(name, token)
            return taken

        try:
            return await asyncio.to_thread(take)
        except asyncio.CancelledError:
            is_cancelled.set()
            raise

    async def arelease_lease(self, name: str, token: bytes) -> bool:
        """Async twin of `release_lease`."""
        return await asyncio.to_thread(self.release_lease, name, token)

    async def adiagnose(self) -> list[str]:
        """Async twin of `diagnose`."""
        return await asyncio.to_thread(self.diagnose)

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await asyncio.to_thread(self.close)


def check_key(key: object) -> None:
    """Raise OptionTypeError (a TypeError) unless `key` is a str."""
    if not isinstance(key, str):
        raise OptionTypeError(f"key must be str, not {type(key).__name__}: {key!r}")


def check_item(key: object, value: object) -> None:
    """Raise OptionTypeError (a TypeError) unless `key` is a str and `value` is bytes."""
    check_key(key)
    if not isinstance(value, bytes):
        raise OptionTypeError(f"value must be bytes, not {type(value).__name__}: encode it first")


def check_delta(delta: object) -> None:
    """Raise OptionTypeError (a TypeError) unless `delta` is an int."""
    if not isinstance(delta, int):
        raise OptionTypeError(f"delta must be int, not {type(delta).__name__}: {delta!r}")


def parse_integer(key: str, value: bytes) -> int:
    """Return the decimal integer in `value`, or raise ConfigurationError (a ValueError)."""
    # Stricter than int(), which takes " 1" and "1_0": stores that count by themselves take neither.
    if not _INTEGER.fullmatch(value):
        raise ConfigurationError(f"incr: the value under {key!r} is not an integer")
    return int(value)
