"""Reading and writing in one step, by scripts that Redis runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cachelayer.backends.base import BOOKKEEPING, Metadata, check_delta, check_item, check_key
from cachelayer.backends.generations import lease_key
from cachelayer.backends.redis.errors import is_out_of_memory
from cachelayer.backends.redis.scripts import COMPARE_AND_SET, INCR, RELEASE
from cachelayer.backends.redis.writing import Writing
from cachelayer.errors import ConfigurationError
from cachelayer.flows import Flow

_INT64: Final = range(-(2**63), 2**63)


class Atomics(Writing):
    """What is atomic among processes: counts, compare-and-set, leases."""

    def _incr(self, key: str, delta: int) -> Flow[int]:
        check_key(key)
        check_delta(delta)
        if delta not in _INT64:
            raise ConfigurationError(f"incr: delta {delta} is beyond the 64 bits that Redis counts in")
        digits = b"%d" % delta
        names = [self.layout.name(key), self.layout.beside(key)]
        command = INCR.call(names, digits, self._pack(key, digits, None, None)[0])
        [total] = yield from self._demand(command, repeatable=False)
        if total == 0:
            raise ConfigurationError(f"incr: the value under {key!r} is not an integer")
        if total == 1:
            raise ConfigurationError(
                f"incr: the sum under {key!r} is beyond the 64 bits that Redis counts in"
            )
        self.counters.note_sets([key])
        return int(total)

    def _compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None,
        metadata: Metadata | None,
    ) -> Flow[bool]:
        check_item(key, value)
        for other in expected:
            check_key(other)
        data, lifetime = self._pack(key, value, ttl, metadata)
        here = [other for other in expected if self.layout.together(key, other)]
        elsewhere = {other: old for other, old in expected.items() if other not in set(here)}
        if not (yield from self._still_holds(elsewhere)):
            return False
        words: list[bytes | int | str] = [data, "" if lifetime is None else lifetime]
        for other in here:
            words += _expectation(other, expected[other])
        names = [self.layout.name(other) for other in (key, *here)]
        command = COMPARE_AND_SET.call(names, *words)
        # Not repeatable where it compares: the second of two would find what the first has stored.
        [stored] = replies = yield from self._ask(command, repeatable=not expected)
        if is_out_of_memory(stored):
            yield from self._ask(("UNLINK", names[0]))
        self._raise_first_error(replies)
        if stored:
            self.counters.note_sets([key])
        return bool(stored)

    def _still_holds(self, expected: Mapping[str, bytes | None]) -> Flow[bool]:
        """Whether keys in other hash slots than the one that is to be stored hold what is expected.

        No script can compare those: they are read just before it runs. Of the fences only tags' generations are
        elsewhere. A tag that is invalidated in between lets an entry be stored that carries the tag's old
        generation, and each read of an entry compares its generations with those of that moment: it is dead.
        """
        replies = yield from self._read(list(expected))
        held = {key: self._value(key, reply) for key, reply in zip(expected, replies, strict=True)}
        return held == dict(expected)

    def _acquire_lease(self, name: str, token: bytes, lease: float) -> Flow[bool]:
        return (yield from self._add(lease_key(name), token, lease, None))

    def _release_lease(self, name: str, token: bytes) -> Flow[bool]:
        # Not repeatable: the second of two would say that the lease was lost.
        command = RELEASE.call([self.layout.name(lease_key(name))], token)
        [released] = yield from self._demand(command, repeatable=False)
        return bool(released)


def _expectation(key: str, old: bytes | None) -> tuple[bytes | str, bytes]:
    """Return what the script is told of a key that it compares."""
    form = "raw" if key.startswith(BOOKKEEPING) else "framed"
    return (form, old) if old is not None else (form + "-", b"")
