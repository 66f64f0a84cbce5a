"""The tables in the file, and whether a file is one of ours.

Each namespace has two spaces, one for entries and one for book-keeping, which are bounded and counted apart. Triggers
keep a space's totals, so that they hold whatever is done to its entries, and nothing ever has to count them. A space's
tick is its clock of use: an entry remembers the tick of its last use.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from cachelayer.errors import ConfigurationError

VERSION: Final = 1
#: "clyr" in the file's header, where SQLite keeps which program a file belongs to.
_APPLICATION: Final = 0x636C7972
#: Bytes that the write-ahead log is cut back to after it had to grow.
_LOG_LIMIT: Final = 64 * 1024 * 1024

#: KiB of pages that a connection keeps in memory at the most.
_PAGE_CACHE: Final = 32 * 1024

_TABLES: Final = (
    """CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, name BLOB NOT NULL, books INTEGER NOT NULL, entries INTEGER NOT NULL DEFAULT 0,
        size INTEGER NOT NULL DEFAULT 0, tick INTEGER NOT NULL DEFAULT 0, UNIQUE (name, books))""",
    # The value last: what comes before it is read without the pages of a large one.
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY, space INTEGER NOT NULL, name BLOB NOT NULL, created REAL NOT NULL, expires REAL,
        used INTEGER NOT NULL, size INTEGER NOT NULL, checksum INTEGER NOT NULL, metadata BLOB, value BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX entries_by_name ON entries (space, name)",
    "CREATE INDEX entries_by_use ON entries (space, used)",
    "CREATE INDEX entries_by_expiry ON entries (expires, space) WHERE expires IS NOT NULL",
    """CREATE TRIGGER entries_inserted AFTER INSERT ON entries BEGIN
        UPDATE spaces SET entries = entries + 1, size = size + new.size, tick = tick + 1 WHERE id = new.space; END""",
    """CREATE TRIGGER entries_updated AFTER UPDATE OF size ON entries
        WHEN new.size != old.size OR new.used != old.used BEGIN
        UPDATE spaces SET size = size + new.size - old.size, tick = tick + 1 WHERE id = new.space; END""",
    """CREATE TRIGGER entries_deleted AFTER DELETE ON entries BEGIN
        UPDATE spaces SET entries = entries - 1, size = size - old.size WHERE id = old.space; END""",
)
_SPACE: Final = "SELECT id FROM spaces WHERE name = ? AND books = ?"


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the connection up, and the file where it is new.

    Raises:
        ConfigurationError: the file is another program's, or a newer version's; it stays as it is.
    """
    if not path.stat().st_size:
        # So that clear() can give pages back. It has to be said before the empty file is looked at.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # In one transaction: another process may be making the tables between two looks.
    connection.execute("BEGIN")
    is_new = _is_new(connection, path)
    connection.execute("COMMIT")
    if is_new:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection, path):  # else another process was first
            _create(connection)
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    # A killed process loses nothing that it has written; a power cut may lose the last writes, but tears none.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Off even where SQLite was built with it: the file is this user's alone, and zeroing what is freed takes time.
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
    # No memory map: a file that is cut short by somebody else would kill the process instead of raising an error.
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE}")


def space_ids(connection: sqlite3.Connection, namespace: str) -> tuple[int, int]:
    """Return the ids of the namespace's spaces, made where they are not there: entries, book-keeping."""
    name = namespace.encode("utf-8", "surrogatepass")
    return _space_id(connection, name, 0), _space_id(connection, name, 1)


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    application = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    if application == _APPLICATION and version <= VERSION:
        return False
    if application == _APPLICATION:
        raise ConfigurationError(
            f"{path} was written by a newer cachelayer (format {version}, this one knows {VERSION}): "
            "upgrade, or name another file"
        )
    if application or version or _number(connection, "SELECT count(*) FROM sqlite_master"):
        raise ConfigurationError(f"{path} is another program's database: name another file")
    return True


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _space_id(connection: sqlite3.Connection, name: bytes, books: int) -> int:
    if connection.execute(_SPACE, (name, books)).fetchone() is None:
        connection.execute("INSERT OR IGNORE INTO spaces (name, books) VALUES (?, ?)", (name, books))
    return int(connection.execute(_SPACE, (name, books)).fetchone()[0])


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
