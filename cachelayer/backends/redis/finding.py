"""Listing and clearing a namespace: by SCAN, a batch at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from cachelayer.backends.arguments import matcher
from cachelayer.backends.redis.core import RedisCore
from cachelayer.backends.redis.links import Node
from cachelayer.flows import Flow, arun, run

#: Keys that a SCAN looks at in one round trip.
_BATCH: Final = 1000


class Finding(RedisCore):
    """What goes through all keys."""

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        """Iterate over the keys, a batch at a time; one that moves within the store meanwhile may come twice."""
        for node in run(self.flow("nodes")):
            cursor: Any = None
            while cursor != 0:
                cursor, keys = run(self.flow("found", pattern, cursor, node))
                yield from keys

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        """Async twin of `scan`."""
        for node in await arun(self.flow("nodes")):
            cursor: Any = None
            while cursor != 0:
                cursor, keys = await arun(self.flow("found", pattern, cursor, node))
                for key in keys:
                    yield key

    def _keys(self, pattern: str | None) -> Flow[list[str]]:
        found: dict[str, None] = {}
        for node in (yield from self._nodes()):
            cursor: Any = None
            while cursor != 0:
                cursor, keys = yield from self._found(pattern, cursor, node)
                found.update(dict.fromkeys(keys))
        return list(found)

    def _clear(self) -> Flow[int]:
        removed = 0
        pattern = self.layout.pattern(None)
        for node in (yield from self._nodes()):
            cursor: Any = None
            while cursor != 0:
                cursor, names = yield from self._scanned(pattern, cursor, node)
                if names:
                    removed += sum((yield from self._demand(*[("UNLINK", name) for name in names])))
        return removed

    def _found(self, pattern: str | None, cursor: Any, node: Node) -> Flow[tuple[Any, list[str]]]:
        matches = matcher(pattern)
        cursor, names = yield from self._scanned(self.layout.pattern(pattern), cursor, node)
        return cursor, [key for key in dict.fromkeys(map(self.layout.key, names)) if matches(key)]

    def _scanned(self, pattern: bytes, cursor: Any, node: Node) -> Flow[tuple[int, list[bytes]]]:
        command = ("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _BATCH)
        [(following, names)] = yield from self._demand(command, node=node)
        return int(following), names
