"""The database: SQLite, a connection for each request."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import current_app, g
from werkzeug.security import generate_password_hash

_TABLES = """
CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, password TEXT NOT NULL);
CREATE TABLE post (
    id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES user (id),
    title TEXT NOT NULL, body TEXT NOT NULL, published INTEGER NOT NULL
);
"""


def database() -> sqlite3.Connection:
    """Return this request's connection."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"])
        g.database.row_factory = sqlite3.Row
    return g.database


def close_database(error: BaseException | None = None) -> None:
    """Close the connection, if there is one."""
    connection = g.pop("database", None)
    if connection is not None:
        connection.close()


def rows(query: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
    """Return the rows that a query gives."""
    return [dict(row) for row in database().execute(query, tuple(values))]


def change(query: str, values: Iterable[Any] = ()) -> int:
    """Do an insert or update, and commit it; return the id of the row that was inserted last."""
    with database() as connection:
        return connection.execute(query, tuple(values)).lastrowid or 0


def init_database() -> bool:
    """Make the tables, and return True, where there are none yet."""
    Path(current_app.config["DATABASE"]).parent.mkdir(parents=True, exist_ok=True)
    if rows("SELECT 1 FROM sqlite_master"):
        return False
    database().executescript(_TABLES)
    return True


def fill() -> None:
    """Put in two people, and something to read."""
    for name in ("ann", "bo"):
        change(
            "INSERT INTO user (name, password) VALUES (?, ?)",
            (name, generate_password_hash(f"{name}'s secret")),
        )
    for number in range(1, 13):
        change(
            "INSERT INTO post (author, title, body, published) VALUES (?, ?, ?, 1)",
            (1 + number % 2, f"Post {number}", f"What there is to say about {number}."),
        )
