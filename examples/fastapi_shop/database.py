"""The shop's data, in SQLite."""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE reviews (id INTEGER PRIMARY KEY, book INTEGER NOT NULL REFERENCES books, author TEXT, text TEXT);
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB, is_staff INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people, book INTEGER NOT NULL);
"""
BOOKS = [("Emma", 900), ("Middlemarch", 1400), ("Ulysses", 1600), ("Dracula", 700), ("Persuasion", 800)]
PEOPLE = [("ann", "correct horse", 0), ("bo", "battery staple", 0), ("eve", "shop keeper", 1)]


class Database:
    """One file; a connection for each request.

    Args:
        path: where it is; it is made, with some data, where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            with self.connection() as connection:
                connection.executescript(SCHEMA)
                connection.executemany("INSERT INTO books (title, cents) VALUES (?, ?)", BOOKS)
                for name, password, is_staff in PEOPLE:
                    salt = secrets.token_bytes(16)
                    connection.execute(
                        "INSERT INTO people (name, salt, password, is_staff) VALUES (?, ?, ?, ?)",
                        (name, salt, hashed(password, salt), is_staff),
                    )

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are committed at the end, or rolled back where the block raises."""
        # A dependency and its endpoint may run in two threads of the pool, one after the other.
        connection = sqlite3.connect(self._path, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def hashed(password: str, salt: bytes) -> bytes:
    """Return what is stored of a password."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


def find_person(connection: sqlite3.Connection, name: str, password: str) -> sqlite3.Row | None:
    """Return who has this name and password."""
    person: sqlite3.Row | None = connection.execute("SELECT * FROM people WHERE name = ?", (name,)).fetchone()
    if person is None or not hmac.compare_digest(person["password"], hashed(password, person["salt"])):
        return None
    return person
