"""One stored value with its times and metadata, as a backend shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachelayer.clock import Clock, system_clock

Metadata = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A stored value as `CacheBackend.get_entry` returns it.

    Attributes:
        key: the key it is stored under.
        value: the bytes.
        created_at: epoch seconds of the write.
        expires_at: epoch seconds after which it is gone; None means never.
        size_bytes: `len(value)`, unless the store counts otherwise.
        metadata: what the writer passed along, or None.
        clock: what "now" is for `is_expired` and `ttl_remaining`.
    """

    key: str
    value: bytes
    created_at: float
    expires_at: float | None = None
    size_bytes: int = 0
    metadata: Metadata | None = None
    clock: Clock = field(default=system_clock, repr=False, compare=False)

    @property
    def is_expired(self) -> bool:
        """Whether `expires_at` has passed."""
        return self.expires_at is not None and self.expires_at <= self.clock()

    @property
    def ttl_remaining(self) -> float | None:
        """Seconds until it expires, never below 0.0; None where it never does."""
        return None if self.expires_at is None else max(0.0, self.expires_at - self.clock())
