"""Writing to Redis, and removing."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cachelayer.backends.base import BOOKKEEPING, Metadata, check_item, check_key
from cachelayer.backends.redis.core import RedisCore
from cachelayer.backends.redis.errors import is_out_of_memory
from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.lifetimes import milliseconds
from cachelayer.backends.redis.scripts import TOUCH
from cachelayer.flows import Flow

_EXPIRY: Final = struct.Struct("<d")


class Writing(RedisCore):
    """What changes one key or many, each by itself."""

    def _set(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> Flow[bool]:
        check_item(key, value)
        data, lifetime = self._pack(key, value, ttl, metadata)
        if lifetime == 0:
            yield from self._delete(key)
            return False
        yield from self._write({key: data}, lifetime)
        return True

    def _set_many(self, items: Mapping[str, bytes], ttl: float | None) -> Flow[int]:
        for key, value in items.items():
            check_item(key, value)
        packed = {key: self._pack(key, value, ttl, None)[0] for key, value in items.items()}
        lifetime = milliseconds(ttl)
        if lifetime == 0:
            yield from self._delete_many(list(items))
            return 0
        if packed:
            yield from self._write(packed, lifetime)
        return len(packed)

    def _write(self, items: Mapping[str, bytes], lifetime: int | None) -> Flow[None]:
        """Store packed items in one round trip; where there is no memory for one, remove what is there."""
        names = {key: self.layout.name(key) for key in items}
        replies = yield from self._ask(
            *[("SET", name, items[key], *_expiry_words(lifetime)) for key, name in names.items()]
        )
        refused = [key for key, reply in zip(names, replies, strict=True) if isinstance(reply, Exception)]
        self.counters.note_sets(key for key in names if key not in set(refused))
        if any(map(is_out_of_memory, replies)):
            yield from self._ask(*[("UNLINK", names[key]) for key in refused])
        self._raise_first_error(replies)

    def _add(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> Flow[bool]:
        check_item(key, value)
        data, lifetime = self._pack(key, value, ttl, metadata)
        if lifetime == 0:
            return False
        words = ("SET", self.layout.name(key), data, "NX", *_expiry_words(lifetime))
        # Not repeatable: the second of two would find what the first has stored.
        [stored] = yield from self._demand(words, repeatable=False)
        if stored:
            self.counters.note_sets([key])
        return bool(stored)

    def _delete(self, key: str) -> Flow[bool]:
        return bool((yield from self._delete_many([key])))

    def _delete_many(self, keys: Sequence[str]) -> Flow[int]:
        for key in keys:
            check_key(key)
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return 0
        counts = yield from self._demand(*[("UNLINK", self.layout.name(key)) for key in wanted])
        self.counters.note_deletes(key for key, count in zip(wanted, counts, strict=True) if count)
        return sum(counts)

    def _touch(self, key: str, ttl: float | None) -> Flow[bool]:
        check_key(key)
        lifetime = milliseconds(ttl)
        if lifetime == 0:
            yield from self._delete(key)
            return False
        name = self.layout.name(key)
        expires = _EXPIRY.pack(float("inf") if lifetime is None else self.clock() + lifetime / 1000)
        if key.startswith(BOOKKEEPING):
            command: Command = ("PERSIST", name) if lifetime is None else ("PEXPIRE", name, lifetime)
        else:
            command = TOUCH.call([name], expires, "" if lifetime is None else lifetime)
        [touched] = yield from self._demand(command)
        return bool(touched)


def _expiry_words(lifetime: int | None) -> tuple[Any, ...]:
    return () if lifetime is None else ("PX", lifetime)
