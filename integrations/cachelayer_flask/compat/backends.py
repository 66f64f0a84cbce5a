"""Stores that are written for Flask-Caching: objects with the methods of `BaseCache`."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from flask import Flask

from cachelayer.backends.base import CacheBackend, CacheStats, Metadata, check_item, check_key
from cachelayer.backends.counting import StoreCounters


class BaseCache:
    """What a store of one's own derives from; `get`, `set`, `delete`, `has` and `clear` are what it needs.

    Args:
        default_timeout: seconds that a value lives where `set` is told nothing.
    """

    def __init__(self, default_timeout: int = 300, **_: Any) -> None:
        self.default_timeout = default_timeout

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return the store of an application: `CACHE_TYPE` that names a subclass calls this."""
        return cls()


class ForeignBackend(CacheBackend):
    """A store with the methods of `BaseCache`, as a backend: what it is given to keep are bytes.

    Args:
        store: it; what it does beyond `get`, `set`, `delete`, `has` and `clear` is not used.
    """

    shared: ClassVar[bool] = True

    def __init__(self, store: Any) -> None:
        self.store = store
        self._counters = StoreCounters()

    def __repr__(self) -> str:
        return f"<ForeignBackend {self.store!r}>"

    def get(self, key: str) -> bytes | None:
        """See `CacheBackend.get`."""
        check_key(key)
        found = self.store.get(key)
        value = found if isinstance(found, bytes) else None
        self._counters.note_read(key, found=value is not None)
        return value

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """See `CacheBackend.set`; the store counts whole seconds, parts of one are rounded up."""
        check_item(key, value)
        if ttl is not None and ttl <= 0:
            self.delete(key)
            return False
        stored = self.store.set(key, value, timeout=0 if ttl is None else math.ceil(ttl))
        self._counters.note_sets([key])
        return stored is not False

    def delete(self, key: str) -> bool:
        """See `CacheBackend.delete`."""
        check_key(key)
        # What such stores return says more or less: some that the key is gone, some whether it was there.
        was_there = self.exists(key) and self.store.delete(key) is not False
        self._counters.note_deletes([key] if was_there else [])
        return was_there

    def exists(self, key: str) -> bool:
        """See `CacheBackend.exists`."""
        check_key(key)
        return bool(self.store.has(key))

    def clear(self) -> int:
        """See `CacheBackend.clear`: such a store cannot tell how many there were."""
        self.store.clear()
        return 0

    def get_stats(self) -> CacheStats:
        """See `CacheBackend.get_stats`."""
        return self._counters.snapshot()
