"""Tags of entries in the memory store, and the shortcuts that are emptied when one dies."""

from __future__ import annotations

import weakref
from typing import Any


class Group:
    """All entries that carry one name, until it is invalidated."""

    __slots__ = ("__weakref__", "alive", "keys")

    def __init__(self) -> None:
        self.alive = True
        self.keys: set[str] = set()


class Tag:
    """The entries of a group that are fresh or stale together.

    Invalidated softly, a name has another tag in the same group: what carries the old one is stale, and goes on to
    live and die with the group.
    """

    __slots__ = ("__weakref__", "alive", "group", "keys", "name", "shortcuts")

    def __init__(self, name: str, group: Group) -> None:
        self.name, self.group = name, group
        #: Whether what carries it is neither stale nor dead.
        self.alive = True
        self.keys = group.keys
        #: Emptied when the tag dies: shortcuts whose users do not look at the tags of what they find.
        self.shortcuts: dict[int, weakref.ref[Shortcut]] = {}

    def die(self) -> None:
        """Let nothing that carries this tag be found without a look at its group."""
        self.alive = False
        for reference in self.shortcuts.values():
            shortcut = reference()
            if shortcut is not None:
                shortcut.clear()


class Shortcut(dict[Any, Any]):
    """A function's own map from bound arguments to entries, so that a hit builds no key."""

    __slots__ = ("__weakref__", "reference")

    def __init__(self) -> None:
        super().__init__()
        #: What entries hold of it, so that it dies with its function.
        self.reference = weakref.ref(self)


#: A shortcut, a place in it, and how many of the entry's tags, from the first, empty the shortcut when they die. The
#: others are for the hit path to look at.
Link = tuple[Shortcut, Any, int]
