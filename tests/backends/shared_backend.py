"""A store that processes share, with every ability, namespaces and checksums: it needs all of the contract suite."""

# ruff: noqa: D102 - the methods are the contract's

import json
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cachelayer.backends.base import (
    BOOKKEEPING,
    CacheBackend,
    CacheEntry,
    CacheStats,
    check_delta,
    check_item,
    check_key,
    parse_integer,
)
from cachelayer.backends.generations import lease_key
from cachelayer.backends.metadata import encode_metadata
from cachelayer.errors import BackendClosedError

_TABLE = "CREATE TABLE items (space, name, value, created, expires, metadata, PRIMARY KEY (space, name))"


class SQLiteBackend(CacheBackend):
    def __init__(self, path: Path, *, namespace: str = "", clock: Callable[[], float] = time.time) -> None:
        self.path, self.namespace, self.clock = path, namespace, clock
        self.round_trips = 0
        self._stats = CacheStats(evictions=None, max_size_bytes=None)
        self._stats_lock = threading.Lock()
        self._open = True
        with self._connection() as connection:
            connection.execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            warnings.warn(f"unclosed {type(self).__name__}", ResourceWarning, source=self, stacklevel=1)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A transaction on a connection of its own: nothing is shared between threads or over a fork."""
        if not self._open:
            raise BackendClosedError("closed")
        self.round_trips += 1
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _row(self, connection: sqlite3.Connection, key: str) -> tuple[bytes, float, float | None, Any] | None:
        query = "SELECT value, created, expires, metadata FROM items WHERE space = ? AND name = ?"
        row = connection.execute(query, (self.namespace, _name(key))).fetchone()
        if row is None or (row[2] is not None and row[2] <= self.clock()):
            return None
        checksum, value = row[0][:4], row[0][4:]
        return None if checksum != _checksum(value) else (value, *row[1:])

    def _write(
        self,
        connection: sqlite3.Connection,
        key: str,
        value: bytes,
        ttl: float | None,
        metadata: Mapping[str, Any] | None,
    ) -> bool:
        now = self.clock()
        place = (self.namespace, _name(key))
        if ttl is not None and ttl <= 0:
            connection.execute("DELETE FROM items WHERE space = ? AND name = ?", place)
            return False
        connection.execute("DELETE FROM items WHERE expires <= ?", (now,))
        kept = None if metadata is None else encode_metadata(metadata).decode()
        row = (*place, _checksum(value) + value, now, None if ttl is None else now + ttl, kept)
        connection.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?)", row)
        self._count(sets=not key.startswith(BOOKKEEPING))
        return True

    def _count(self, **steps: int) -> None:
        with self._stats_lock:
            for name, step in steps.items():
                setattr(self._stats, name, getattr(self._stats, name) + step)

    def get(self, key: str) -> bytes | None:
        check_key(key)
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        if not wanted:
            return {}
        with self._connection() as connection:
            rows = {key: self._row(connection, key) for key in wanted}
        counted = [rows[key] is not None for key in wanted if not key.startswith(BOOKKEEPING)]
        self._count(hits=counted.count(True), misses=counted.count(False))
        return {key: row[0] for key, row in rows.items() if row is not None}

    def set(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        check_item(key, value)
        if metadata is not None:
            encode_metadata(metadata)
        with self._connection() as connection:
            return self._write(connection, key, value, ttl, metadata)

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        for key, value in items.items():
            check_item(key, value)
        if not items:
            return 0
        with self._connection() as connection:
            return sum(self._write(connection, key, value, ttl, None) for key, value in items.items())

    def delete(self, key: str) -> bool:
        check_key(key)
        with self._connection() as connection:
            found = self._row(connection, key) is not None
            self._write(connection, key, b"", 0, None)
        self._count(deletes=found and not key.startswith(BOOKKEEPING))
        return found

    def exists(self, key: str) -> bool:
        check_key(key)
        with self._connection() as connection:
            return self._row(connection, key) is not None

    def clear(self) -> int:
        with self._connection() as connection:
            names = self._names(connection)
            connection.execute("DELETE FROM items WHERE space = ?", (self.namespace,))
            return len(names)

    def _names(self, connection: sqlite3.Connection) -> list[str]:
        query = "SELECT name FROM items WHERE space = ? AND coalesce(expires > ?, 1)"
        rows = connection.execute(query, (self.namespace, self.clock())).fetchall()
        names = [row[0].decode("utf-8", "surrogatepass") for row in rows]
        return [name for name in names if not name.startswith(BOOKKEEPING)]

    def get_stats(self) -> CacheStats:
        with self._connection() as connection:
            names = self._names(connection)
            sizes = [len(row[0]) for name in names if (row := self._row(connection, name)) is not None]
        with self._stats_lock:
            now = self._stats
            return CacheStats(
                now.hits, now.misses, now.sets, now.deletes, None, len(sizes), sum(sizes), None, self._reset
            )

    def _reset(self) -> None:
        with self._stats_lock:
            self._stats = CacheStats(evictions=None, max_size_bytes=None)

    def keys(self, pattern: str | None = None) -> list[str]:
        with self._connection() as connection:
            return [name for name in self._names(connection) if pattern is None or fnmatchcase(name, pattern)]

    def get_entry(self, key: str) -> CacheEntry | None:
        check_key(key)
        return self.get_entries([key]).get(key)

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        wanted = list(keys)
        if not wanted:
            return {}
        with self._connection() as connection:
            rows = {key: self._row(connection, key) for key in wanted}
        return {key: self._entry(key, *row) for key, row in rows.items() if row is not None}

    def _entry(
        self, key: str, value: bytes, created: float, expires: float | None, metadata: Any
    ) -> CacheEntry:
        kept = None if metadata is None else json.loads(metadata)
        return CacheEntry(key, value, created, expires, len(value), kept, clock=self.clock)

    def add(
        self, key: str, value: bytes, ttl: float | None = None, metadata: Mapping[str, Any] | None = None
    ) -> bool:
        return self.compare_and_set(key, value, {key: None}, ttl, metadata)

    def incr(self, key: str, delta: int = 1) -> int:
        check_key(key)
        check_delta(delta)
        with self._connection() as connection:
            value, _, expires, _ = self._row(connection, key) or (b"0", 0.0, None, None)
            total = parse_integer(key, value) + delta
            ttl = None if expires is None else expires - self.clock()
            self._write(connection, key, b"%d" % total, ttl, None)
            return total

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        check_item(key, value)
        with self._connection() as connection:
            for name, old in expected.items():
                row = self._row(connection, name)
                if (None if row is None else row[0]) != old:
                    return False
            return self._write(connection, key, value, ttl, metadata)

    def release_lease(self, name: str, token: bytes) -> bool:
        key = lease_key(name)
        with self._connection() as connection:
            row = self._row(connection, key)
            held = row is not None and row[0] == token
            if held:
                self._write(connection, key, b"", 0, None)
            return held

    def close(self) -> None:
        self._open = False


def _name(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _checksum(value: bytes) -> bytes:
    return zlib.crc32(value).to_bytes(4, "big")
