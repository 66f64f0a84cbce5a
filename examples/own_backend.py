"""A store of one's own in six methods: a table of SQLite, under `@cached` and under both middlewares."""

import asyncio
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import httpx

import cachelayer.asgi
import cachelayer.wsgi
from cachelayer import Cache, CacheBackend, CacheStats, cached


class SQLiteBackend(CacheBackend):
    """Keeps values in a table."""

    # The default of `add`, which locks and tags stand on, is atomic within one process: this store is for one.
    shared: ClassVar[bool] = False

    def __init__(self, path: str = ":memory:", clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._run("CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB, expires REAL)")

    def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""
        rows = self._run("SELECT value FROM entries WHERE key = ? AND expires > ?", _blob(key), self._clock())
        return rows[0][0] if rows else None

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Any = None) -> bool:
        """Store the value for `ttl` seconds. This store keeps no metadata."""
        if not isinstance(value, bytes):
            raise TypeError(f"value must be bytes, not {type(value).__name__}")
        if ttl is not None and ttl <= 0:
            self.delete(key)
            return False
        expires = math.inf if ttl is None else self._clock() + ttl
        self._run("DELETE FROM entries WHERE expires <= ?", self._clock())
        self._run("REPLACE INTO entries VALUES (?, ?, ?)", _blob(key), value, expires)
        return True

    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""
        rows = self._run("DELETE FROM entries WHERE key = ? RETURNING expires", _blob(key))
        return bool(rows) and rows[0][0] > self._clock()

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return self.get(key) is not None

    def clear(self) -> int:
        """Remove everything; return how many values there were."""
        now = self._clock()
        return sum(expires > now for (expires,) in self._run("DELETE FROM entries RETURNING expires"))

    def get_stats(self) -> CacheStats:
        """Return what this store counts: None stands for what it does not know."""
        sizes = self._run(
            "SELECT count(*), total(length(value)) FROM entries WHERE expires > ?", self._clock()
        )
        return CacheStats(None, None, None, None, None, *map(int, sizes[0]), max_size_bytes=None)

    def close(self) -> None:
        """Close the database. Optional: a store without connections has nothing to close."""
        self._database.close()

    def _run(self, sql: str, *values: Any) -> list[Any]:
        # One thread at a time.
        with self._lock:
            return self._database.execute(sql, values).fetchall()


def _blob(key: str) -> bytes:
    # Any text, even one that is no valid Unicode; what is no text raises TypeError.
    return str.encode(key, "utf-8", "surrogatepass")


def show_function(cache: Cache) -> None:
    """Use the store under a cached function."""

    @cached(ttl="10m", cache=cache)
    def primes(limit: int) -> list[int]:
        return [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]

    print(primes(30), primes(30))
    print("@cached:", primes.stats().hit, "hit,", primes.stats().miss, "miss")


async def show_asgi(cache: Cache) -> None:
    """Use the store under an ASGI application."""

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello from ASGI"})

    transport = httpx.ASGITransport(cachelayer.asgi.CacheMiddleware(hello, cache=cache))
    async with httpx.AsyncClient(transport=transport, base_url="http://asgi.test") as client:
        for _ in range(2):
            response = await client.get("/")
            print(response.text, "|", response.headers["cache-status"])


def show_wsgi(cache: Cache) -> None:
    """Use the store under a WSGI application."""

    def hello(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Cache-Control", "max-age=60")])
        return [b"hello from WSGI"]

    transport = httpx.WSGITransport(cachelayer.wsgi.CacheMiddleware(hello, cache=cache))
    with httpx.Client(transport=transport, base_url="http://wsgi.test") as client:
        for _ in range(2):
            response = client.get("/")
            print(response.text, "|", response.headers["cache-status"])


def main() -> None:
    """Use one store for all three."""
    with SQLiteBackend() as backend:
        cache = Cache(backend)
        show_function(cache)
        asyncio.run(show_asgi(cache))
        show_wsgi(cache)


if __name__ == "__main__":
    main()
