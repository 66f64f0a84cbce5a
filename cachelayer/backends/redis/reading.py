"""Reading from Redis."""

from __future__ import annotations

from collections.abc import Sequence

from cachelayer.backends.base import CacheEntry, check_key
from cachelayer.backends.redis.core import RedisCore
from cachelayer.flows import Flow


class Reading(RedisCore):
    """What looks values up."""

    def _get(self, key: str) -> Flow[bytes | None]:
        check_key(key)
        [reply] = yield from self._ask(("GET", self.layout.name(key)))
        value = self._value(key, reply)
        self.counters.note_read(key, found=value is not None)
        return value

    def _get_many(self, keys: Sequence[str]) -> Flow[dict[str, bytes]]:
        wanted = list(dict.fromkeys(keys))
        replies = yield from self._read(wanted)
        found: dict[str, bytes] = {}
        for key, reply in zip(wanted, replies, strict=True):
            value = self._value(key, reply)
            self.counters.note_read(key, found=value is not None)
            if value is not None:
                found[key] = value
        return found

    def _exists(self, key: str) -> Flow[bool]:
        check_key(key)
        [count] = yield from self._demand(("EXISTS", self.layout.name(key)))
        return bool(count)

    def _get_entry(self, key: str) -> Flow[CacheEntry | None]:
        found = yield from self._get_entries([key])
        return found.get(key)

    def _get_entries(self, keys: Sequence[str]) -> Flow[dict[str, CacheEntry]]:
        wanted = list(dict.fromkeys(keys))
        replies = yield from self._read(wanted)
        entries = {key: self._entry(key, reply) for key, reply in zip(wanted, replies, strict=True)}
        return {key: entry for key, entry in entries.items() if entry is not None}
