"""A store of one's own in six methods: a directory of files, under `@cached` and under both middlewares."""

import asyncio
import hashlib
import math
import os
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

import cachelayer.asgi
import cachelayer.wsgi
from cachelayer import Cache, CacheBackend, CacheStats, cached


class DirectoryBackend(CacheBackend):
    """Keeps each value in a file, after eight bytes that say when it expires."""

    def __init__(self, directory: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.directory = Path(directory)
        self.clock = clock

    def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""
        try:
            data = self.path(key).read_bytes()
        except FileNotFoundError:
            return None
        (expires,) = struct.unpack("d", data[:8])
        return data[8:] if self.clock() < expires else None

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Any = None) -> bool:
        """Store the value for `ttl` seconds. This store keeps no metadata."""
        if ttl is not None and ttl <= 0:
            self.delete(key)
            return False
        expires = math.inf if ttl is None else self.clock() + ttl
        with tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as file:
            file.write(struct.pack("d", expires) + value)
        os.replace(
            file.name, self.path(key)
        )  # readers see the old value or the new one, and never half of it
        return True

    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""
        found = self.exists(key)
        self.path(key).unlink(missing_ok=True)
        return found

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return self.get(key) is not None

    def clear(self) -> int:
        """Remove everything; return how many values that were."""
        paths = list(self.directory.iterdir())
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def get_stats(self) -> CacheStats:
        """Return what this store counts: None stands for what it does not know."""
        return CacheStats(None, None, None, None, None, len(list(self.directory.iterdir())), None, None)

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.directory / hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


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
    with tempfile.TemporaryDirectory() as directory:
        cache = Cache(DirectoryBackend(directory))
        show_function(cache)
        asyncio.run(show_asgi(cache))
        show_wsgi(cache)
        print("files:", cache.backend.get_stats().current_entries)


if __name__ == "__main__":
    main()
