"""The whole contract over six methods and the defaults of `CacheBackend`."""

import pytest

from cachelayer.backends.base import CacheEntry, Metadata, check_key
from cachelayer.backends.metadata import copy_metadata
from cachelayer.clock import Clock
from cachelayer.testing import MinimalBackend
from cachelayer.testing.contract import BackendContract


class TestMinimalBackend(BackendContract):
    supports_keys = supports_entries = supports_touch = supports_incr = False
    hides_bookkeeping = False
    raises_when_closed = False

    def make_backend(self) -> MinimalBackend:
        """Return the backend under test."""
        return MinimalBackend(clock=self.clock)


class SevenMethods(MinimalBackend):
    """One method more, get_entry(): touch() and incr() then work by their defaults."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._details: dict[str, tuple[float, Metadata | None]] = {}

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store the value and what get_entry tells of it."""
        kept = copy_metadata(metadata)
        stored = super().set(key, value, ttl)
        self._details[key] = (self._clock(), kept)
        return stored

    def get_entry(self, key: str) -> CacheEntry | None:
        """Return value, times and metadata."""
        check_key(key)
        with self._lock:
            item = self._living().get(key)
        if item is None:
            return None
        created, metadata = self._details[key]
        expires = None if item[1] == float("inf") else item[1]
        return CacheEntry(key, item[0], created, expires, len(item[0]), copy_metadata(metadata), self._clock)


class TestSevenMethods(BackendContract):
    supports_keys = False
    hides_bookkeeping = False
    raises_when_closed = False

    def make_backend(self) -> SevenMethods:
        """Return the backend under test."""
        return SevenMethods(clock=self.clock)


def test_defaults_say_what_is_missing():
    """What six methods cannot do raises an error that names the class, the method and the remedy."""
    backend = MinimalBackend()
    for call in (backend.keys, lambda: backend.get_entry("key"), lambda: backend.touch("key", 1)):
        with pytest.raises(
            NotImplementedError, match=r"^MinimalBackend does not support \w+\(\): override it"
        ):
            call()
