"""A store of one's own in six methods: a directory of files, under `@cached` and under both middlewares."""

import asyncio
import hashlib
import os
import struct
import tempfile
import time
from pathlib import Path

import httpx

import cachelayer.asgi
import cachelayer.wsgi
from cachelayer import CacheBackend, CacheStats, cached


class DirectoryBackend(CacheBackend):
    """Keeps each value in a file, after eight bytes that say when it expires."""

    def __init__(self, directory: str | Path, *, clock=time.time) -> None:
        self.directory = Path(directory)
        self.clock = clock
        self.hits = self.misses = 0

    def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        value = self._read(self._path(key))
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata=None) -> bool:
        """Store the value; metadata is not kept."""
        if ttl is not None and ttl <= 0:
            self.delete(key)
            return False
        expires = float("inf") if ttl is None else self.clock() + ttl
        with tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as file:
            file.write(struct.pack("d", expires) + value)
        os.replace(file.name, self._path(key))  # a reader sees the old value or the new one
        return True

    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""
        path = self._path(key)
        found = self._read(path) is not None
        path.unlink(missing_ok=True)
        return found

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return self._read(self._path(key)) is not None

    def clear(self) -> int:
        """Remove everything; return how many."""
        removed = 0
        for path in self.directory.iterdir():
            removed += self._read(path) is not None
            path.unlink(missing_ok=True)
        return removed

    def get_stats(self) -> CacheStats:
        """Return the counters; None is what this store does not know."""
        return CacheStats(self.hits, self.misses, sets=None, deletes=None, evictions=None, current_entries=None)

    def _path(self, key: str) -> Path:
        return self.directory / hashlib.sha256(key.encode()).hexdigest()

    def _read(self, path: Path) -> bytes | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        (expires,) = struct.unpack("d", data[:8])
        return data[8:] if self.clock() < expires else None
