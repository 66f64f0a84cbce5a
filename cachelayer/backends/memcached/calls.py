"""The operations of the contract on Memcached, as plain code: one object a call, which knows when it must end.

How clearing works. Each server keeps the namespace's generation under a key of its own, and each item says under
which it was written. A read fetches both in one request: an item of another generation is a miss. A write uses the
generation that this process saw last and reads the present one in the same request; only where somebody cleared
meanwhile it is written again. A generation that the server lost is made anew with a never-used value.

How changes in one step work (`add`, `incr`, `touch`, leases, `compare_and_set`). `gets` reads the item with its
token, which changes with every write; `cas` stores if the token still holds, `add` if there is no item. Who loses
looks again. An item is given up by `cas` to one that has expired: a plain delete could hit what came meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from cachelayer.backends.arguments import is_positive
from cachelayer.backends.base import CacheEntry, Metadata, check_delta, check_key, parse_integer
from cachelayer.backends.frame import Frame
from cachelayer.backends.generations import generation_key, lease_key, mark_key, new_generation
from cachelayer.backends.memcached.diagnosis import diagnose_server
from cachelayer.backends.memcached.frames import Frames, Store
from cachelayer.backends.memcached.items import GONE
from cachelayer.errors import BackendError


class Calls:
    """One call of a backend.

    Args:
        store: what it works on.
        deadline: when it must end, a reading of `time.monotonic`.
    """

    def __init__(self, store: Store, deadline: float) -> None:
        self._store, self._deadline = store, deadline
        self._frames = Frames(store, deadline)
        self._now = self._frames.now

    # -- reading ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """See `CacheBackend.get`."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See `CacheBackend.get_many`."""
        found = self._frames.look(keys)
        for key in dict.fromkeys(keys):
            self._store.counters.note_read(key, found=key in found)
        return {key: frame.value for key, frame in found.items()}

    def exists(self, key: str) -> bool:
        """See `CacheBackend.exists`."""
        return key in self._frames.look([key])

    def get_entry(self, key: str) -> CacheEntry | None:
        """See `CacheBackend.get_entry`."""
        return self.get_entries([key]).get(key)

    def get_entries(self, keys: Sequence[str]) -> dict[str, CacheEntry]:
        """See `CacheBackend.get_entries`."""
        return {key: frame.entry(key, self._store.clock) for key, frame in self._frames.look(keys).items()}

    # -- writing ----------------------------------------------------------------------------------------------

    def set(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> bool:
        """See `CacheBackend.set`."""
        frame, stores = self._frames.make(key, value, ttl, metadata)
        return bool(self._frames.set({key: frame}, stores=stores))

    def set_many(self, items: Mapping[str, bytes], ttl: float | None) -> int:
        """See `CacheBackend.set_many`."""
        frames = {key: self._frames.make(key, value, ttl, None)[0] for key, value in items.items()}
        return self._frames.set(frames, stores=ttl is None or is_positive(ttl))

    def delete(self, key: str) -> bool:
        """See `CacheBackend.delete`."""
        return bool(self.delete_many([key]))

    def delete_many(self, keys: Sequence[str]) -> int:
        """See `CacheBackend.delete_many`."""
        deleted = self._frames.remove(keys)
        self._store.counters.note_deletes(deleted)
        return len(deleted)

    def clear(self) -> int:
        """See `CacheBackend.clear`."""
        failures: list[BackendError] = []
        for server in self._store.servers.all:
            try:
                server.renew_generation(self._deadline)
            except BackendError as error:
                failures.append(error)  # the others are cleared all the same
        if failures:
            raise failures[0]
        return 0

    # -- changing in one step ---------------------------------------------------------------------------------

    def add(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> bool:
        """See `CacheBackend.add`."""
        frame, stores = self._frames.make(key, value, ttl, metadata)
        if not stores:
            return False
        if not self._frames.fits(frame):
            return self._frames.refuse(key, frame)
        return self._frames.change(key, lambda held: frame if held is None else None, counts=True)

    def touch(self, key: str, ttl: float | None) -> bool:
        """See `CacheBackend.touch`."""
        check_key(key)
        if ttl is not None and not is_positive(ttl):
            self._frames.remove([key])
            return False
        expires = math.inf if ttl is None else self._now + ttl
        return self._frames.change(
            key, lambda held: None if held is None else msgspec.structs.replace(held, expires=expires)
        )

    def incr(self, key: str, delta: int) -> int:
        """See `CacheBackend.incr`."""
        check_key(key)
        check_delta(delta)
        total = delta

        def add_to(held: Frame | None) -> Frame:
            nonlocal total
            total = delta if held is None else parse_integer(key, held.value) + delta
            return msgspec.structs.replace(held or Frame(b"", 0.0), value=b"%d" % total, created=self._now)

        self._frames.change(key, add_to, counts=True)
        return total

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None,
        metadata: Metadata | None,
    ) -> bool:
        """See `CacheBackend.compare_and_set`."""
        frame, stores = self._frames.make(key, value, ttl, metadata)
        if not expected:
            return bool(self._frames.set({key: frame}, stores=stores))
        if stores and not self._frames.fits(frame):
            return self._frames.refuse(key, frame)
        others = {name: old for name, old in expected.items() if name != key}
        if not self._store_if(key, frame if stores else GONE, expected, others):
            return False
        witnesses = {name: old for name, old in others.items() if name != mark_key(key)}
        if witnesses and not _agree(witnesses, self._frames.look(witnesses)):
            self._take_back(key, frame)
            return False
        self._store.counters.note_sets([key] if stores else [])
        return stores

    # How a fenced write fares against whoever changes a key it expects, at every moment. Ours is: (1) the token of
    # `key` is read, of a place that is held there if need be; (2) the expected keys are read; (3) `cas`.
    #
    # An invalidation of `key` is: (a) write its mark; (b) delete, or set, `key`.
    # - (a) before (2): the new mark is seen, nothing is stored.
    # - (a) after (2), (b) before (3): (b) comes after (1), so the token is void, the place that was held included;
    #   `cas` fails, we look again and see the mark.
    # - (b) after (3): it removes, or overwrites, what we stored.
    # - `delete` looks before it deletes, and lets be what it finds absent. If it looks before (1) makes a place,
    #   then (a), which was earlier, comes before (2).
    # So the mark needs no second look. A key that changes without `key` being written afterwards (a tag's
    # generation, a lease that another took) may change between (2) and (3): it is looked at again after (3), and
    # what was stored is taken back unless somebody wrote over it. Entries under a tag are dead by then anyway, since
    # they say which generation of the tag they were computed under.

    def _store_if(
        self,
        key: str,
        frame: Frame,
        expected: Mapping[str, bytes | None],
        others: Mapping[str, bytes | None],
    ) -> bool:
        """Store the frame while everything is as expected; whether it was."""
        servers = self._store.servers
        here = servers.of(key)
        near = [name for name in others if servers.of(name) is here]
        far = [name for name in others if name not in near]
        while True:
            held = self._frames.hold(key, near, place=bool(others))
            frames = {**held.beside, **self._frames.look(far)}
            if held.frame is not None:
                frames[key] = held.frame
            if not _agree(expected, frames):
                return False
            if (held.token or not others) and self._frames.put(key, frame, held):
                return True

    def _take_back(self, key: str, frame: Frame) -> None:
        self._frames.change(key, lambda held: GONE if held == frame else None)

    # -- generations and leases -------------------------------------------------------------------------------

    def generations(self, names: Sequence[str]) -> dict[str, bytes]:
        """See `CacheBackend.generations`."""
        wanted = {name: generation_key(name) for name in names}
        held = self._frames.look(wanted.values())
        return {
            name: held[key].value if key in held else self._create_generation(key)
            for name, key in wanted.items()
        }

    def bump_generations(self, names: Sequence[str]) -> None:
        """See `CacheBackend.bump_generations`."""
        self._frames.set(
            {generation_key(name): Frame(new_generation(), self._now) for name in names}, stores=True
        )

    def acquire_lease(self, name: str, token: bytes, lease: float) -> bool:
        """See `CacheBackend.acquire_lease`."""
        return self.add(lease_key(name), token, lease, None)

    def release_lease(self, name: str, token: bytes) -> bool:
        """See `CacheBackend.release_lease`."""
        return self._frames.change(
            lease_key(name), lambda held: GONE if held is not None and held.value == token else None
        )

    def _create_generation(self, key: str) -> bytes:
        fresh = new_generation()
        if self.add(key, fresh, None, None):
            return fresh
        # Another caller was first; if the store lost it again at once, our own never-used value only costs misses.
        held = self._frames.look([key]).get(key)
        return fresh if held is None else held.value

    # -- looking over -----------------------------------------------------------------------------------------

    def diagnose(self) -> list[str]:
        """See `CacheBackend.diagnose`."""
        store = self._store
        found = (
            diagnose_server(server, self._deadline, store.max_value_bytes) for server in store.servers.all
        )
        return [line for lines in found for line in lines]


def _agree(expected: Mapping[str, bytes | None], held: Mapping[str, Frame]) -> bool:
    """Whether each key holds just the bytes that are expected of it."""
    return all(
        name not in held if old is None else name in held and held[name].value == old
        for name, old in expected.items()
    )
