"""What the memory store's table holds: each entry says by itself whether it lives."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, Final

import msgspec

from cachelayer.backends.tags import Link, Shortcut, Tag

DEAD: Final = -math.inf
NEVER: Final = math.inf


class Entry(msgspec.Struct, gc=False, eq=False):
    """One stored value. `gc=False`: it holds no reference that could lead back to it."""

    key: str
    payload: Any
    expires: float
    created: float


class ObjectEntry(Entry, gc=False, eq=False):
    """An entry that holds a value rather than bytes, or more than bytes.

    Attributes:
        fresh_until: epoch seconds of the soft expiry, at most `expires`.
        load: makes a caller's own value out of `payload`; None where the payload can be given as it is.
        size: what it counts against `max_size_bytes`.
        tags: the groups it belongs to.
        metadata: as in the contract.
        cost: seconds that computing it took.
        link: the shortcut (weakly) and the place in it that leads here.
    """

    fresh_until: float = NEVER
    load: Callable[[Any], Any] | None = None
    size: int = 0
    tags: tuple[Tag, ...] = ()
    metadata: Any = None
    cost: float = 0.0
    link: tuple[weakref.ref[Shortcut], Any] | None = None

    @property
    def is_linked(self) -> bool:
        """Whether a shortcut that is still there leads here."""
        return self.link is not None and self.link[0]() is not None

    @property
    def softened(self) -> bool:
        """Whether a tag of it was invalidated softly: it is stale, and not gone."""
        return not all(tag.alive for tag in self.tags)

    def to_bytes(self) -> bytes:
        """Return the bytes that `get` gives."""
        return self.payload  # type: ignore[no-any-return]


def attach(entry: ObjectEntry, link: Link) -> None:
    """Let `link` lead to `entry`."""
    shortcut, place, watched = link
    entry.link = (shortcut.reference, place)
    shortcut[place] = entry
    for tag in entry.tags[:watched]:
        # Assigned even where there is one: it may be that of a dead shortcut, whose id is free to be used again.
        tag.shortcuts[id(shortcut)] = shortcut.reference


def join_tags(entry: ObjectEntry) -> None:
    """Let the entry be found by its tags."""
    for tag in entry.tags:
        tag.keys.add(entry.key)


def size_of(entry: Any) -> int:
    """Return what an entry counts against `max_size_bytes`."""
    return len(entry.payload) if entry.__class__ is Entry else entry.size


def lives(entry: Any, now: float) -> bool:
    """Whether an entry has neither expired nor been removed or invalidated."""
    if entry.expires <= now:
        return False
    if entry.__class__ is not Entry:
        for tag in entry.tags:
            if not tag.alive and not tag.group.alive:
                return False
    return True


def forget(entry: Any) -> None:
    """Settle the references of an entry that has just left the mapping."""
    if entry.__class__ is Entry:
        entry.expires = DEAD
    else:
        kill(entry)
        for tag in entry.tags:
            tag.keys.discard(entry.key)


def kill(entry: Any) -> None:
    """Mark an entry dead, for those too who hold a reference to it."""
    entry.expires = DEAD
    if entry.__class__ is not Entry:
        entry.fresh_until = DEAD
        if entry.link is not None:
            reference, place = entry.link
            shortcut = reference()
            if shortcut is not None and shortcut.get(place) is entry:
                del shortcut[place]
