"""A SQLite file and its connections."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Database:
    """A SQLite file. Each caller at a time has a connection of its own; idle ones are used again.

    Args:
        path: the file; it is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Return what a query finds."""
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(sql, values)]

    def row(self, sql: str, **values: Any) -> Row | None:
        """Return the first row that a query finds, or None."""
        return next(iter(self.rows(sql, **values)), None)

    def change(self, sql: str, rows: Iterable[Row] = ({},)) -> None:
        """Run a statement once for each of `rows`, in one transaction."""
        with self._connection() as connection, connection:
            connection.executemany(sql, rows)

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(self._path, check_same_thread=False)
            connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            self._idle.append(connection)
