"""Reading and writing entries over one connection: the statements, each used by one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar, TypeVarTuple
from zlib import crc32

from cachelayer.backends.base import BOOKKEEPING
from cachelayer.backends.disk.pool import Connection

#: id, value, checksum, metadata, created, expires (None: never), used; times are epoch seconds.
Row = tuple[int, bytes, int, bytes | None, float, float | None, int]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_COLUMNS: Final = "id, value, checksum, metadata, created, expires, used"
FIND: Final = f"SELECT {_COLUMNS} FROM entries WHERE space = ? AND name = ?"  # noqa: S608 - our own columns
_EXPIRY: Final = "SELECT expires FROM entries WHERE space = ? AND name = ?"
_INSERT: Final = (
    "INSERT INTO entries (space, name, value, checksum, metadata, created, expires, size, used)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT tick FROM spaces WHERE id = ?))"
    " ON CONFLICT (space, name) DO UPDATE SET value = excluded.value, checksum = excluded.checksum,"
    " metadata = excluded.metadata, created = excluded.created, expires = excluded.expires,"
    " size = excluded.size"
)
# Without the order of use an entry that is overwritten stays where it is in that index: fewer pages are written.
_INSERT_AS_USED: Final = f"{_INSERT}, used = excluded.used"
_ADD: Final = f"{_INSERT_AS_USED} WHERE expires <= ?"
_TOUCH: Final = (
    "UPDATE entries SET expires = ? WHERE space = ? AND name = ? AND (expires IS NULL OR expires > ?)"
)
_DELETE: Final = "DELETE FROM entries WHERE space = ? AND name = ? RETURNING expires"
_DELETE_DAMAGED: Final = "DELETE FROM entries WHERE id = ? AND checksum = ?"
_CLEAR: Final = "DELETE FROM entries WHERE space = ?"
_TOTALS: Final = "SELECT entries, size, tick FROM spaces WHERE id = ?"
_EXPIRED: Final = "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE expires <= ? AND space = ?"
_RECLAIM: Final = (
    "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)"
)
_OLDEST: Final = "SELECT id, size FROM entries WHERE space = ? ORDER BY used LIMIT ?"
_EVICT: Final = "DELETE FROM entries WHERE id = ?"
_USE: Final = "UPDATE entries SET used = ? WHERE id = ? AND space = ?"
_TICK: Final = "UPDATE spaces SET tick = tick + ? WHERE id = ?"
_PAGE: Final = (
    "SELECT id, name FROM entries WHERE space = ? AND id > ? AND (expires IS NULL OR expires > ?)"
    " ORDER BY id LIMIT ?"
)

#: Names that one statement asks for; fewer are filled up, so that there are few statements to prepare.
_ASKED: Final = (8, 32, 128)
#: Entries that one statement looks at to find some to evict.
_LOOKED_AT: Final = 32


class Item(NamedTuple):
    """What is to be written, in the order of the statement that does it; `books`: which of the two spaces."""

    books: bool
    name: bytes
    value: bytes
    checksum: int
    metadata: bytes | None
    created: float
    expires: float | None
    size: int


class Totals(NamedTuple):
    """What is in a space, and its clock of use."""

    entries: int
    size: int
    tick: int


def name_of(key: str) -> bytes:
    """Return a key as it is in the file."""
    return key.encode("utf-8", "surrogatepass")


def key_of(name: bytes) -> str:
    """Return the key of a name."""
    return name.decode("utf-8", "surrogatepass")


def is_book(key: str) -> bool:
    """Whether the key belongs to the library, and thus to the namespace's second space."""
    return key.startswith(BOOKKEEPING)


def checksum(value: bytes, metadata: bytes | None) -> int:
    """Return what tells whether value and metadata are as they were."""
    return crc32(value) if metadata is None else crc32(value, crc32(metadata))


def is_whole(row: Row) -> bool:
    """Whether the row is as it was written; another program may have put anything there."""
    value, metadata = row[1], row[3]
    try:
        found = crc32(value) if metadata is None else crc32(value, crc32(metadata))
    except TypeError:
        return False
    return found == row[2]


# -- transactions -----------------------------------------------------------------------------------------------


def write(connection: Connection, work: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
    """Do `work` as one transaction, alone among all processes; the pool rolls back what raises."""
    connection.execute("BEGIN IMMEDIATE")
    result = work(connection, *args)
    connection.execute("COMMIT")
    return result


# -- reading ----------------------------------------------------------------------------------------------------


def find(connection: Connection, key: str) -> Row | None:
    """Return the entry, expired or damaged though it may be."""
    row: Row | None = connection.execute(FIND, (connection.spaces[is_book(key)], name_of(key))).fetchone()
    return row


def find_many(connection: Connection, keys: Sequence[str]) -> dict[str, Row]:
    """Return those entries that are there, as they are at one moment."""
    names: tuple[list[bytes], list[bytes]] = [], []
    for key in keys:
        names[is_book(key)].append(name_of(key))
    connection.execute("BEGIN")
    rows = {
        key_of(row[-1]): row[:-1]
        for space, asked in zip(connection.spaces, names, strict=True)
        for row in _ask(connection, space, asked)
    }
    connection.execute("COMMIT")
    return rows


def _ask(connection: Connection, space: int, names: Sequence[bytes]) -> Iterator[Any]:
    for start in range(0, len(names), _ASKED[-1]):
        part = names[start : start + _ASKED[-1]]
        width = next(width for width in _ASKED if width >= len(part))
        query = f"SELECT {_COLUMNS}, name FROM entries WHERE space = ? AND name IN ({'?, ' * (width - 1)}?)"  # noqa: S608 - nothing but question marks
        yield from connection.execute(query, (space, *part, *(None,) * (width - len(part))))


def expiry(connection: Connection, key: str) -> tuple[float | None] | None:
    """Return when the key expires, in a tuple; None where there is none."""
    row: tuple[float | None] | None = connection.execute(
        _EXPIRY, (connection.spaces[is_book(key)], name_of(key))
    ).fetchone()
    return row


def totals_of_both(connection: Connection) -> list[Totals]:
    """Return what is in the namespace: entries, book-keeping."""
    return [totals(connection, space) for space in connection.spaces]


def page(connection: Connection, after: int, now: float, limit: int) -> tuple[list[str], int | None]:
    """Return living keys of a page, which begins after the id `after`, and the id it ends at; None at the end."""
    rows = connection.execute(_PAGE, (connection.spaces[0], after, now, limit)).fetchall()
    return [key_of(name) for _, name in rows], rows[-1][0] if len(rows) == limit else None


def totals(connection: Connection, space: int) -> Totals:
    """Return what is in the space, expired entries that were not reclaimed yet included."""
    return Totals(*connection.execute(_TOTALS, (space,)).fetchone())


def expired(connection: Connection, space: int, now: float) -> tuple[int, int]:
    """Return how many entries have expired and were not reclaimed yet, and their size in bytes."""
    count, size = connection.execute(_EXPIRED, (now, space)).fetchone()
    return count, size


# -- writing ----------------------------------------------------------------------------------------------------


def put(connection: Connection, items: Sequence[Item], *, used: bool) -> None:
    """Write the items, over what is there; `used`: whether what is written over counts as used."""
    query = _INSERT_AS_USED if used else _INSERT
    if len(items) == 1:
        connection.execute(query, _placed(connection, items[0]))
    else:
        connection.executemany(query, [_placed(connection, item) for item in items])


def add(connection: Connection, item: Item) -> bool:
    """Write the item where there is none alive; whether it was written."""
    return connection.execute(_ADD, (*_placed(connection, item), item.created)).rowcount == 1


def _placed(connection: Connection, item: Item) -> tuple[object, ...]:
    space = connection.spaces[item[0]]
    return space, *item[1:], space


def touch(connection: Connection, key: str, expires: float | None, now: float) -> bool:
    """Give a living entry another expiry; False where there is none."""
    place = (connection.spaces[is_book(key)], name_of(key))
    return connection.execute(_TOUCH, (expires, *place, now)).rowcount == 1


def delete(connection: Connection, key: str, now: float) -> bool:
    """Remove the entry; whether it was alive."""
    gone = connection.execute(_DELETE, (connection.spaces[is_book(key)], name_of(key))).fetchall()
    return bool(gone) and (gone[0][0] is None or gone[0][0] > now)


def delete_many(connection: Connection, keys: Iterable[str], now: float) -> list[str]:
    """Remove the entries; return the keys of those that were alive."""
    return [key for key in keys if delete(connection, key, now)]


def delete_damaged(connection: Connection, row: Row) -> None:
    """Remove a damaged entry, unless it was overwritten since."""
    connection.execute(_DELETE_DAMAGED, (row[0], row[2]))


def clear(connection: Connection, now: float) -> int:
    """Remove the namespace's entries; return how many were alive."""
    space = connection.spaces[0]
    dead, _ = expired(connection, space, now)
    return connection.execute(_CLEAR, (space,)).rowcount - dead


def shrink(connection: Connection) -> None:
    """Give pages that are free back to the disk, some 100 MB at a time: others wait meanwhile."""
    # Not execute(), which takes the first step of such a statement alone: one page.
    connection.executescript("PRAGMA incremental_vacuum(25000)")


def reclaim(connection: Connection, now: float, limit: int) -> int:
    """Remove so many expired entries of all namespaces, the longest expired first; return how many."""
    return connection.execute(_RECLAIM, (now, limit)).rowcount


def use(connection: Connection, space: int, ids: Sequence[int]) -> None:
    """Make the entries the most recently used of their space, in this order."""
    tick = totals(connection, space).tick
    connection.executemany(_USE, [(tick + step, row, space) for step, row in enumerate(ids)])
    connection.execute(_TICK, (len(ids), space))


def evict(connection: Connection, space: int, entries: int, size: int) -> int:
    """Remove the least recently used until so many entries and bytes are freed; return how many."""
    count = 0
    while entries > 0 or size > 0:
        oldest = connection.execute(_OLDEST, (space, max(1, min(entries, _LOOKED_AT)))).fetchall()
        if not oldest:
            break
        for row, freed in oldest:
            if entries <= 0 and size <= 0:
                break
            connection.execute(_EVICT, (row,))
            entries, size, count = entries - 1, size - freed, count + 1
    return count
