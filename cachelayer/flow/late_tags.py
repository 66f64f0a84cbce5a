"""Which tags entries had that nobody could expect, when they were last seen."""

from __future__ import annotations

from typing import Final

#: How many entries' tags are remembered that only the entries name, and of how many tags each.
MOST_REMEMBERED: Final = 10_000
MOST_LATE_TAGS: Final = 20


class LateTags:
    """Which tags entries had that nobody could expect, when they were last seen: to read their generations with them.

    They only save a second read: what an entry has is in the entry.
    """

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}

    def get(self, key: str) -> tuple[str, ...] | None:
        """Return the tags that the entry had."""
        return self._names.get(key)

    def note(self, key: str, names: tuple[str, ...]) -> None:
        """Remember the tags of an entry."""
        if not names:
            self._names.pop(key, None)
        elif self._names.get(key) != names and len(names) <= MOST_LATE_TAGS:
            if len(self._names) >= MOST_REMEMBERED:
                self._names.clear()
            self._names[key] = names
