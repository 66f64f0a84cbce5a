"""The table of node codecs: how values of one type are written into a tree, and which number says so.

A node is a list whose first element is its codec's number. The numbers are part of the format: one is never used again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from cachelayer.errors import EncodingError


class Writing(Protocol):
    """The classes that a tree may hold instances of, beside the types that are in the table: on the way down."""

    def write(self, value: Any, depth: int) -> list[Any]:
        """Return the node of an instance, or raise EncodingError."""
        ...


class Reading(Protocol):
    """The same on the way up."""

    def read(self, parts: list[Any]) -> Any:
        """Return the instance of a node's parts; it may raise anything."""
        ...


#: Makes a node of a value, of the depth it is at, and of the classes that are known.
Writer = Callable[[Any, int, Writing | None], Any]
#: Makes a value of a node without its number, and of the classes that are known. It may raise anything.
Reader = Callable[[list[Any], Reading | None], Any]

WRITERS: Final[dict[type, Writer]] = {}
READERS: Final[dict[int, Reader]] = {}
#: The name of each node codec by its number.
NAMES: Final[dict[int, str]] = {}

#: For the first part of a module's name: what finds the writer of a class in it, so that no library is imported for it.
LIBRARIES: Final[dict[str, Callable[[type], Writer | None]]] = {}


def add_node(number: int, name: str, read: Reader, writers: Mapping[type, Writer] | None = None) -> None:
    """Put one codec into the table."""
    if number in READERS:
        raise ValueError(f"node {number} is {NAMES[number]} already")
    READERS[number], NAMES[number] = read, name
    WRITERS.update(writers or {})


def find_writer(kind: type) -> Writer | None:
    """Return the writer of a type, None where it has none."""
    writer = WRITERS.get(kind)
    if writer is not None:
        return writer
    find = LIBRARIES.get(kind.__module__.partition(".")[0])
    writer = find(kind) if find is not None else None
    if writer is not None:
        WRITERS[kind] = writer
    return writer


def is_from(kind: type, module: str, name: str) -> bool:
    """Whether `kind` is the class of that name in a module that is imported already."""
    return getattr(sys.modules.get(module), name, None) is kind


def refuse(kind: type) -> EncodingError:
    """Return the error for a type that has no codec."""
    return EncodingError(f"{kind.__module__}.{kind.__qualname__} has no safe encoding")
