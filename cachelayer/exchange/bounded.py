"""Small things that a middleware remembers about keys, each bounded in number."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final

#: How many keys are remembered; with more, all are forgotten, and learnt again.
MOST_KEYS: Final = 10_000
#: How long a response that was for one client only keeps requests for it from waiting for each other, in seconds.
UNSHARED_LIFETIME: Final = 60.0


class Recent:
    """The keys that were added within the last minute ("hit-for-miss", as Varnish calls what it is for)."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: Hashable) -> None:
        """Remember the key from now on."""
        if len(self._until) >= MOST_KEYS:
            self._until.clear()
        self._until[key] = time.monotonic() + UNSHARED_LIFETIME

    def discard(self, key: Hashable) -> None:
        """Forget the key."""
        self._until.pop(key, None)

    def has(self, key: Hashable) -> bool:
        """Whether the key was added lately."""
        return self._until.get(key, 0.0) > time.monotonic()


class Uses:
    """How often each key was asked for, for rules with `min_uses`."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, key: str) -> int:
        """Count a use of the key; return how many there have been."""
        if len(self._counts) >= MOST_KEYS:
            self._counts.clear()
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return count


class Varying:
    """By which fields URLs varied when they were last seen. What is remembered only saves a read."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields: dict[str, tuple[bytes, ...]] = {}

    def get(self, key: str) -> tuple[bytes, ...] | None:
        """Return the names of the fields, or None."""
        return self._fields.get(key)

    def note(self, key: str, fields: tuple[bytes, ...]) -> None:
        """Remember them."""
        if len(self._fields) >= MOST_KEYS:
            self._fields.clear()
        self._fields[key] = fields
