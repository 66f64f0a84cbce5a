"""The default store: this process's memory, bounded in bytes and entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult

from cachelayer.backends.arguments import check_bound, is_positive, matcher
from cachelayer.backends.base import (
    BOOKKEEPING,
    CacheEntry,
    CacheStats,
    Metadata,
    check_delta,
    check_item,
    check_key,
    parse_integer,
)
from cachelayer.backends.direct import DirectBackend
from cachelayer.backends.generations import lease_key
from cachelayer.backends.metadata import copy_metadata
from cachelayer.backends.table import SELDOM, EntryTable
from cachelayer.backends.table_entries import DEAD, NEVER, Entry, ObjectEntry
from cachelayer.backends.url import query_options
from cachelayer.clock import Clock, system_clock
from cachelayer.errors import BackendClosedError, ConfigurationError, OptionTypeError

#: Book-keeping keys (generations, leases) kept; dropping a generation costs misses, never a wrong answer.
_MOST_BOOKS: Final = 100_000
#: No book-keeping key is as large: comparing with it costs half of `startswith`.
_NO_BOOK: Final = chr(ord(BOOKKEEPING[0]) + 1)


class InMemoryBackend(DirectBackend):
    """Keeps entries in this process, thread-safe, and evicts by policy when a bound is reached.

    Each process has its own: with several workers each caches, and forgets, by itself.

    Args:
        max_size_bytes: bound on the sum of `len(value)`; None for no bound.
        max_entries: bound on the number of entries; None for no bound.
        policy: which entry goes first when a bound is reached: "lru", the least recently used; "arc", which weighs
            recency against frequency by itself; "s3fifo", for large caches of which much is wanted only once.
        clock: returns epoch seconds; tests pass a fake one.

    Raises:
        ConfigurationError: a bound is not above 0, or the policy is unknown.
    """

    shared = False

    def __init__(
        self,
        max_size_bytes: int | None = 100 * 1024 * 1024,
        max_entries: int | None = None,
        policy: str = "lru",
        *,
        clock: Clock = system_clock,
    ) -> None:
        if not callable(clock):
            raise OptionTypeError(f"clock must be a callable that returns epoch seconds, not {clock!r}")
        self.clock = clock
        self.max_size_bytes = check_bound("max_size_bytes", max_size_bytes)
        self.table = EntryTable(
            max_size_bytes=self.max_size_bytes,
            max_entries=check_bound("max_entries", max_entries),
            policy=policy,
            clock=clock,
        )
        # What every read needs, one step away rather than two or three.
        self._find, self._touch = self.table.find, self.table.touch
        self._tick_hit: Any = self.table.hits.tick
        self._tick_miss = self.table.misses.tick
        # Generations and leases: apart, so that no count, key listing or clear() shows them.
        self._books = EntryTable(max_size_bytes=None, max_entries=_MOST_BOOKS, policy="lru", clock=clock)
        self._closed = False

    def __repr__(self) -> str:
        return f"<InMemoryBackend entries={len(self.table)} size_bytes={self.table.size}>"

    # -- the six ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""
        if key.__class__ is not str:
            check_key(key)
        entry = self._find(key)
        if entry is not None:
            expires = entry.expires
            # A look at the clock costs as much as finding the entry did.
            if entry.__class__ is not Entry or (expires != NEVER and expires <= self.clock()):
                entry = self.table.live(key)
        if entry is None:
            if key < _NO_BOOK and key.startswith(BOOKKEEPING):
                return self._book(key)
            self._tick_miss()
            return None
        try:
            self._touch(key)
        except KeyError:
            pass  # Evicted since it was found: the read came first.
        if not self._tick_hit() & SELDOM and self.table.curve is not None:
            self.table.curve.look_if_due()
        return entry.payload if entry.__class__ is Entry else _bytes_of(entry)

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store `value`; False (and nothing under `key`) where ttl is 0 or less or the value is too large."""
        if self._closed:
            self._check_open()
        if key.__class__ is not str or value.__class__ is not bytes:
            check_item(key, value)
        kept = None if metadata is None else copy_metadata(metadata)
        if ttl is not None and not is_positive(ttl):
            self._remove(key)
            return False
        now = self.clock()
        expires = NEVER if ttl is None else now + ttl
        if kept is None and key > _NO_BOOK:
            table = self.table
            return table.put(Entry(key, value, expires, table.created(now)), now)
        return self._put(self._entry(key, value, now, expires, kept), now)

    def delete(self, key: str) -> bool:
        """Remove the key; True if it was there."""
        self._check_open()
        check_key(key)
        return self._remove(key)

    def exists(self, key: str) -> bool:
        """Whether the key is there, without touching counters or recency."""
        self._check_open()
        check_key(key)
        return self._table_of(key).live(key) is not None

    def clear(self) -> int:
        """Remove every entry; return how many."""
        self._check_open()
        return self.table.clear()

    def get_stats(self) -> CacheStats:
        """Return exact counters and sizes."""
        table = self.table
        with table.lock:
            table.purge()
            return CacheStats(
                hits=table.hit_count,
                misses=table.misses.value,
                sets=table.sets,
                deletes=table.deletes,
                evictions=table.evictions,
                current_entries=len(table),
                current_size_bytes=table.size,
                max_size_bytes=self.max_size_bytes or 0,
                on_reset=table.reset_counters,
            )

    # -- further abilities ------------------------------------------------------------------------------------

    def keys(self, pattern: str | None = None) -> list[str]:
        """Return the living keys that match the glob, with `policy="lru"` in order of recency."""
        self._check_open()
        matches = matcher(pattern)
        return [entry.key for entry in self.table.snapshot() if matches(entry.key)]

    def get_entry(self, key: str) -> CacheEntry | None:
        """Return value, times, size and metadata, without touching counters or recency."""
        self._check_open()
        check_key(key)
        entry = self._table_of(key).live(key)
        # Read once: it turns to -inf when the entry is removed meanwhile.
        expires = DEAD if entry is None else entry.expires
        if entry is None or expires == DEAD:
            return None
        value = _bytes_of(entry)
        return CacheEntry(
            key=key,
            value=value,
            created_at=entry.created,
            expires_at=None if expires == NEVER else expires,
            size_bytes=len(value),
            metadata=copy_metadata(getattr(entry, "metadata", None)),
            clock=self.clock,
        )

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        """Store only if the key is absent or expired, atomically."""
        with self.table.lock:
            return not self.exists(key) and self.set(key, value, ttl, metadata)

    def touch(self, key: str, ttl: float | None) -> bool:
        """Give the key a new ttl; False if it is not there."""
        self._check_open()
        check_key(key)
        if ttl is not None and not is_positive(ttl):
            self._remove(key)
            return False
        return self._table_of(key).expire_at(key, ttl)

    def incr(self, key: str, delta: int = 1) -> int:
        """Add `delta` to a decimal integer, keeping its ttl; a missing key starts at `delta`."""
        self._check_open()
        check_key(key)
        check_delta(delta)
        with self.table.lock:
            entry, now = self._table_of(key).live(key), self.clock()
            if entry is None:
                self._put(self._entry(key, b"%d" % delta, now, NEVER, None), now)
                return delta
            total = parse_integer(key, _bytes_of(entry)) + delta
            metadata = getattr(entry, "metadata", None)
            # The very same expiry: a ttl computed anew would drift by the time that each call takes.
            self._put(self._entry(key, b"%d" % total, now, entry.expires, metadata), now)
            return total

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        """Store `value` only if every key in `expected` holds just these bytes now, atomically."""
        for name in expected:
            check_key(name)
        with self.table.lock:
            if any(self._peek(name) != old for name, old in expected.items()):
                return False
            return self.set(key, value, ttl, metadata)

    def release_lease(self, name: str, token: bytes) -> bool:
        """Give the lease back if `token` still holds it, atomically."""
        with self.table.lock:
            return self._peek(lease_key(name)) == token and self._remove(lease_key(name))

    def close(self) -> None:
        """Drop everything; a closed store raises BackendClosedError when used."""
        if not self._closed:
            self._closed = True
            self._find = self._find_closed
            self.table.clear()
            self._books.clear()

    # -- inside -----------------------------------------------------------------------------------------------

    def _table_of(self, key: str) -> EntryTable:
        return self._books if key.startswith(BOOKKEEPING) else self.table

    def _put(self, entry: Entry, now: float) -> bool:
        if not entry.key.startswith(BOOKKEEPING):
            return self.table.put(entry, now)
        with self.table.lock:  # so that compare_and_set looks at generations and stores in one step
            return self._books.put(entry, now)

    def _remove(self, key: str) -> bool:
        if not key.startswith(BOOKKEEPING):
            return self.table.remove(key)
        with self.table.lock:
            return self._books.remove(key)

    def _book(self, key: str) -> bytes | None:
        entry = self._books.live(key)
        if entry is None:
            return None
        self._books.note_hit(key)
        return _bytes_of(entry)

    def _entry(self, key: str, value: bytes, now: float, expires: float, metadata: Metadata | None) -> Entry:
        created = self.table.created(now)
        if metadata is None:
            return Entry(key, value, expires, created)
        return ObjectEntry(
            key, value, expires, created, fresh_until=expires, size=len(value), metadata=metadata
        )

    def _peek(self, name: str) -> bytes | None:
        entry = self._table_of(name).live(name)
        return None if entry is None else _bytes_of(entry)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendClosedError("this InMemoryBackend is closed: make a new one")

    def _find_closed(self, key: str) -> Any:
        self._check_open()


def _bytes_of(entry: Any) -> bytes:
    return entry.payload if entry.__class__ is Entry else entry.to_bytes()  # type: ignore[no-any-return]


def from_url(parts: SplitResult) -> InMemoryBackend:
    """Make a memory backend of a `memory://` URL."""
    if parts.netloc or parts.path not in ("", "/"):
        raise ConfigurationError("memory:// takes no host or path, only options: memory://?max_entries=1000")
    return InMemoryBackend(**query_options(parts, {"max_size_bytes": int, "max_entries": int, "policy": str}))
