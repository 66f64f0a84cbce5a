"""No store at all: caching is off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from urllib.parse import SplitResult

from cachelayer.backends.base import CacheStats, Metadata, check_item, check_key
from cachelayer.backends.direct import DirectBackend
from cachelayer.backends.url import query_options


class NullBackend(DirectBackend):
    """Stores nothing. Over it caching is off: functions and applications are called each time.

    Their lookups count as `bypass`, with the reason "disabled"; `null://` is its URL.
    """

    shared: ClassVar[bool] = False

    def __repr__(self) -> str:
        return "<NullBackend>"

    def get(self, key: str) -> bytes | None:
        """Return None."""
        check_key(key)
        return None

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Return False: nothing is stored."""
        check_item(key, value)
        return False

    def delete(self, key: str) -> bool:
        """Return False: nothing was there."""
        check_key(key)
        return False

    def exists(self, key: str) -> bool:
        """Return False."""
        check_key(key)
        return False

    def clear(self) -> int:
        """Return 0."""
        return 0

    def keys(self, pattern: str | None = None) -> list[str]:
        """Return an empty list."""
        return []

    def get_entry(self, key: str) -> None:
        """Return None."""
        check_key(key)

    def bump_generations(self, names: Iterable[str]) -> None:
        """Do nothing: nothing is stored under any generation."""

    def soften_generations(self, names: Iterable[str]) -> None:
        """Do nothing: nothing is stored under any generation."""

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """Raise UnsupportedOperationError: nobody else would see the lease."""
        raise self._unsupported("locks")

    def get_stats(self) -> CacheStats:
        """Return zeros: nobody asks this store anything."""
        return CacheStats()


def from_url(parts: SplitResult) -> NullBackend:
    """Make a null backend of a `null://` URL, which takes no options."""
    return NullBackend(**query_options(parts, {}))
