"""Frames in the servers: looked at, put, removed, and changed in one step, by one call that must end in time."""

from __future__ import annotations

import builtins
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from cachelayer.backends.arguments import is_positive
from cachelayer.backends.base import Metadata, check_item, check_key
from cachelayer.backends.counting import StoreCounters
from cachelayer.backends.frame import Frame, make_frame
from cachelayer.backends.memcached.items import (
    BOOKS,
    GONE,
    SPLIT,
    WHOLE,
    is_book,
    item_pieces,
    pack_item,
    split_value,
    unpack_item,
    unpack_manifest,
)
from cachelayer.backends.memcached.keys import PhysicalKeys
from cachelayer.backends.memcached.lifetimes import server_expiry
from cachelayer.backends.memcached.servers import DELETED, STORED, Command, Server, Servers
from cachelayer.clock import Clock
from cachelayer.counters import Counter

_logger: Final = logging.getLogger("cachelayer")
#: Commands in one request: their answers must fit into the sockets' buffers, since nobody reads them meanwhile.
_MOST_COMMANDS: Final = 2_000
#: Seconds beyond the call's own time for which a place is held.
_PLACE_MARGIN: Final = 2.0


class Store(msgspec.Struct, frozen=True):
    """What all calls of one backend share."""

    servers: Servers
    keys: PhysicalKeys
    counters: StoreCounters
    clock: Clock
    timeout: float
    max_value_bytes: int
    split: bool
    refusals: Counter


class Held(msgspec.Struct, frozen=True):
    """What one key holds: its living frame, the token of whatever is there, and frames that were read after it."""

    frame: Frame | None
    token: bytes | None
    generation: bytes | None
    beside: Mapping[str, Frame]


class Frames:
    """The frames of one call.

    Args:
        store: what it works on.
        deadline: when it must end, a reading of `time.monotonic`.

    Attributes:
        now: epoch seconds at which the call began.
    """

    def __init__(self, store: Store, deadline: float) -> None:
        self._store, self._deadline = store, deadline
        self.now = store.clock()

    def make(
        self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None
    ) -> tuple[Frame, bool]:
        """Check what is to be written; return its frame, and whether its ttl stores anything."""
        check_item(key, value)
        stores = ttl is None or is_positive(ttl)
        return make_frame(value, self.now, ttl, metadata), stores

    def look(self, keys: Iterable[str]) -> dict[str, Frame]:
        """Return the living frames of `keys`: one round trip for each server, one more where values are split."""
        found: dict[str, Frame] = {}
        for key in (names := list(keys)):
            check_key(key)
        for server, group in self._store.servers.group(names).items():
            physical = {key: self._store.keys.of(key) for key in group}
            held, generation = server.get(self._deadline, physical.values())
            items = {key: held[name] for key, name in physical.items() if name in held}
            found.update(self._living(server, items, generation))
        return found

    def hold(self, key: str, beside: Sequence[str] = (), *, place: bool = False) -> Held:
        """Return what `key` holds, and what the keys `beside` it on its server hold afterwards.

        Args:
            key: what is going to change.
            beside: other keys.
            place: where the key is absent, add an item that reads as a miss, so that there is a token.
        """
        server = self._store.servers.of(key)
        names = {name: self._store.keys.of(name) for name in (key, *beside)}
        patience = math.ceil(self._store.timeout + _PLACE_MARGIN)
        empty = (names[key], pack_item(WHOLE, BOOKS, GONE), patience) if place else None
        held, generation = server.gets(self._deadline, names.values(), empty)
        items = {name: held[physical][0] for name, physical in names.items() if physical in held}
        frames = self._living(server, items, generation)
        token = held.get(names[key], (b"", None))[1]
        return Held(frames.pop(key, None), token, generation, frames)

    def _living(
        self, server: Server, items: Mapping[str, bytes], generation: bytes | None
    ) -> dict[str, Frame]:
        """Return the frames of the items that live, with their values joined."""
        found: dict[str, Frame] = {}
        split: dict[str, Frame] = {}
        for key, data in items.items():
            item = unpack_item(data)
            if item is None:
                self._store.counters.corrupted.tick()
            elif item.lives(generation, self.now):
                (split if item.kind == SPLIT else found)[key] = item.frame
        return {**found, **self._join(server, split)} if split else found

    def _join(self, server: Server, frames: Mapping[str, Frame]) -> dict[str, Frame]:
        manifests = {key: unpack_manifest(frame.value) for key, frame in frames.items()}
        wanted = {
            key: manifest.keys(self._store.keys)
            for key, manifest in manifests.items()
            if manifest is not None
        }
        held, _ = server.get(self._deadline, [part for parts in wanted.values() for part in parts])
        joined: dict[str, Frame] = {}
        for key, parts in wanted.items():
            manifest = manifests[key]
            value = manifest and manifest.join([held.get(part, b"") for part in parts])
            if value is not None:
                joined[key] = msgspec.structs.replace(frames[key], value=value)
        return joined

    def change(
        self, key: str, decide: Callable[[Frame | None], Frame | None], *, counts: bool = False
    ) -> bool:
        """Put what `decide` makes of the living frame in its place, in one step; False where it makes None."""
        while True:
            held = self.hold(key)
            frame = decide(held.frame)
            if frame is None:
                return False
            if self.put(key, frame, held):
                self._store.counters.note_sets([key] if counts else [])
                return True

    def put(self, key: str, frame: Frame, held: Held) -> bool:
        """Store if nobody wrote since `held` was read."""
        server = self._store.servers.of(key)
        # Under the generation that was read with the token: a clear since then means that it came after us.
        generation = BOOKS if is_book(key) else held.generation or server.make_generation(self._deadline)
        kind, small = self._cut(server, frame)
        data, expiry = pack_item(kind, generation, small), server_expiry(frame.expires - self.now)
        return server.put(self._deadline, self._store.keys.of(key), data, expiry, held.token)

    def set(self, frames: Mapping[str, Frame], *, stores: bool) -> int:
        """Store what fits, and remove the old values of the rest; return how many were stored."""
        fitting = {key: frame for key, frame in frames.items() if stores and self.fits(frame)}
        stored: builtins.set[str] = builtins.set()
        for server, keys in self._store.servers.group(fitting).items():
            stored |= self._write(server, {key: fitting[key] for key in keys})
        failed = [key for key in frames if key not in stored]
        if failed:
            self.remove(failed)
        if stores and failed:
            self.refuse(failed[0], frames[failed[0]])
        self._store.counters.note_sets(stored)
        return len(stored)

    def _write(self, server: Server, frames: Mapping[str, Frame]) -> builtins.set[str]:
        """Store frames on their server; return the keys of those that it took."""
        cut = {key: self._cut(server, frame) for key, frame in frames.items()}

        def write(generation: bytes) -> tuple[list[bytes], bytes | None]:
            commands: list[Command] = []
            for key, (kind, frame) in cut.items():
                data = item_pieces(kind, BOOKS if is_book(key) else generation, frame)
                commands.append(_set_command(self._store.keys.of(key), frame.expires - self.now, *data))
            return self._command(server, commands)

        books_only = all(map(is_book, frames))
        used = BOOKS if books_only else server.find_generation(self._deadline)
        answers, present = write(used)
        if not books_only and present != used:
            # Somebody cleared since this process looked last, so what was written is dead: write it again. If that
            # happens once more, it happened during this call: as good as a clear that came right after it.
            answers, _ = write(present or server.make_generation(self._deadline))
        return {key for key, answer in zip(cut, answers, strict=True) if answer == STORED}

    def _cut(self, server: Server, frame: Frame) -> tuple[bytes, Frame]:
        """Return a frame that fits into one item: of a large value the parts are stored, and it is a manifest."""
        if len(frame.value) + len(frame.metadata) <= self._store.max_value_bytes:
            return WHOLE, frame
        manifest, parts = split_value(frame.value, self._store.max_value_bytes)
        ttl = frame.expires - self.now
        names = manifest.keys(self._store.keys)
        self._command(
            server, [_set_command(name, ttl, part) for name, part in zip(names, parts, strict=True)]
        )
        return SPLIT, msgspec.structs.replace(frame, value=manifest.pack())

    def remove(self, keys: Iterable[str]) -> list[str]:
        """Remove the keys; return those under which something lived."""
        removed: list[str] = []
        for key in (names := list(dict.fromkeys(keys))):
            check_key(key)
        for server, group in self._store.servers.group(names).items():
            physical = {key: self._store.keys.of(key) for key in group}
            # Memcached does not tell what had expired by its frame, or was cleared, from what lived.
            held, generation = server.get(self._deadline, physical.values())
            items = {
                key: item for key, name in physical.items() if (item := unpack_item(held.get(name, b"")))
            }
            there = [key for key, name in physical.items() if name in held]
            answers, _ = self._command(server, [(b"delete %b\r\n" % physical[key],) for key in there])
            removed += [
                key
                for key, answer in zip(there, answers, strict=True)
                if answer == DELETED and key in items and items[key].lives(generation, self.now)
            ]
        return removed

    def _command(self, server: Server, commands: Sequence[Command]) -> tuple[list[bytes], bytes | None]:
        """Give commands in as few round trips as can be; return their answers and the generation after them."""
        answers: list[bytes] = []
        generation: bytes | None = None
        for start in range(0, len(commands), _MOST_COMMANDS):
            some, generation = server.command(self._deadline, commands[start : start + _MOST_COMMANDS])
            answers += some
        return answers, generation

    # -- limits -----------------------------------------------------------------------------------------------

    def fits(self, frame: Frame) -> bool:
        """Whether the value is one that is stored."""
        size = len(frame.metadata) if self._store.split else len(frame.value) + len(frame.metadata)
        return size <= self._store.max_value_bytes

    def refuse(self, key: str, frame: Frame) -> bool:
        """Say once that a value is too large."""
        if self._store.refusals.tick() == 0:
            _logger.warning(
                "a value of %d bytes for %.200r is not stored: above the item limit of Memcached (%d bytes here); "
                "use split=True, or memcached -I with max_value_bytes. Further ones are not reported",
                len(frame.value),
                key,
                self._store.max_value_bytes,
            )
        return False


def _set_command(key: bytes, ttl: float, *data: bytes) -> Command:
    return b"set %b 0 %d %d\r\n" % (key, server_expiry(ttl), sum(map(len, data))), *data, b"\r\n"
