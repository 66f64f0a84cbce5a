"""The backend: the contract's operations, each one transaction."""

# ruff: noqa: D102 - what the methods do is said by the contract

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, TypeVarTuple

import msgspec

from cachelayer.backends.arguments import check_bound, is_positive, matcher
from cachelayer.backends.base import (
    BOOKKEEPING,
    CacheBackend,
    CacheEntry,
    CacheStats,
    Metadata,
    check_delta,
    check_item,
    check_key,
    parse_integer,
)
from cachelayer.backends.counting import StoreCounters
from cachelayer.backends.disk import rows
from cachelayer.backends.disk.diagnosis import diagnose
from cachelayer.backends.disk.files import checked_path
from cachelayer.backends.disk.pool import Connection, Pool, logger
from cachelayer.backends.disk.recency import Recency
from cachelayer.backends.disk.rows import Item, Row
from cachelayer.backends.generations import lease_key
from cachelayer.backends.metadata import encode_metadata
from cachelayer.clock import Clock, system_clock
from cachelayer.durations import parse_duration
from cachelayer.errors import BackendError, ConfigurationError, OptionTypeError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Book-keeping keys (generations, leases) kept; dropping a generation costs misses, never a wrong answer.
_MOST_BOOKS: Final = 100_000
#: Bytes that SQLite takes in one value, with room for the rest of its row.
_LARGEST: Final = 999_000_000
#: Expired entries that a write removes, every so many writes; and those that one look at the statistics removes.
_RECLAIMED, _RECLAIM_EVERY, _RECLAIMED_BY_STATS = 64, 8, 1000
#: Room that an eviction makes beyond what is needed: the 128th part of the entries, up to so many.
_MOST_EXTRA: Final = 32
#: Keys that a scan reads at a time.
_PAGE: Final = 500


class DiskBackend(CacheBackend):
    """Keeps entries in one SQLite file, which processes of one machine share, and which outlives them.

    Evicts, approximately, the least recently used. A write that has returned survives the death of the process at any
    moment. The async methods hop to a thread, as each operation may wait for the disk.

    Args:
        path: of the file. Its directory is made, for this user only, if no more than that is missing.
        namespace: backends with different ones share a file and see nothing of each other.
        max_size_bytes: bound on the sum of `len(value)` in the namespace; None for no bound.
        max_entries: bound on the number of entries in the namespace; None for no bound.
        timeout: seconds that an operation waits while other writers keep the file busy.
        clock: returns epoch seconds; tests pass a fake one.

    Raises:
        ConfigurationError: an option cannot work, the file cannot be used, or it is not one of ours.
        OptionTypeError: an option has the wrong type.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        namespace: str = "",
        max_size_bytes: int | None = 1024**3,
        max_entries: int | None = None,
        timeout: float = 5.0,
        clock: Clock = system_clock,
    ) -> None:
        if not isinstance(namespace, str):
            raise OptionTypeError(f"namespace must be str, not {type(namespace).__name__}: {namespace!r}")
        if not callable(clock):
            raise OptionTypeError(f"clock must be a callable that returns epoch seconds, not {clock!r}")
        self.clock, self.namespace = clock, namespace
        self.max_size_bytes = check_bound("max_size_bytes", max_size_bytes)
        self.max_entries = check_bound("max_entries", max_entries)
        self.timeout = seconds = _seconds(timeout)
        self.path = checked_path(path)
        self.counters = StoreCounters()
        self._recency = Recency(self.max_entries, self.max_size_bytes), Recency(_MOST_BOOKS, None)
        self._writes = itertools.count(1)
        self._largest = min(_LARGEST, self.max_size_bytes or _LARGEST)
        self._pool = Pool(self.path, namespace, seconds)
        self._run, self._first = self._pool.run, self._pool.first
        self._try_at_start()

    def __repr__(self) -> str:
        return f"<DiskBackend {str(self.path)!r} namespace={self.namespace!r}>"

    def _try_at_start(self) -> None:
        try:
            self._run(self._learn)
        except BackendError as error:
            # What passes, such as a full disk, must not keep the application from starting.
            logger.warning("%s; tried again when the cache is used", error)

    # -- the six ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        if key.__class__ is not str:
            check_key(key)
        books = key.startswith(BOOKKEEPING)
        row: Row | None = self._first(rows.FIND, books, key.encode("utf-8", "surrogatepass"))
        if row is None or (row[5] is not None and row[5] <= self.clock()) or not self._is_whole(row):
            if not books:
                self.counters.misses.tick()
            return None
        recency = self._recency[books]
        if not recency.edge <= row[6] <= recency.horizon:
            self._note_use(row, books)
        if not books:
            self.counters.hits.tick()
        return row[1]

    def set(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        check_item(key, value)
        item = self._item(key, value, ttl, metadata)
        if item is None:
            self._write(rows.delete, key, self.clock())
            return False
        self._count_evictions(self._write(self._store, [item]))
        self.counters.note_sets((key,))
        return True

    def delete(self, key: str) -> bool:
        check_key(key)
        return bool(self.delete_many((key,)))

    def exists(self, key: str) -> bool:
        check_key(key)
        found = self._run(rows.expiry, key)
        return found is not None and (found[0] is None or found[0] > self.clock())

    def clear(self) -> int:
        count = self._write(rows.clear, self.clock())
        self._try(rows.shrink)
        return count

    def get_stats(self) -> CacheStats:
        entries, size = self._run(self._measure, self.clock())
        return self.counters.snapshot(
            evictions=self.counters.evictions.value,
            current_entries=entries,
            current_size_bytes=size,
            max_size_bytes=self.max_size_bytes or 0,
        )

    # -- bulk -------------------------------------------------------------------------------------------------

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        found = self._find_many(wanted)
        for key in wanted:
            self.counters.note_read(key, found=key in found)
        for key, row in found.items():
            self._note_use(row, rows.is_book(key))
        return {key: row[1] for key, row in found.items()}

    def set_many(self, items: Mapping[str, bytes], ttl: float | None = None) -> int:
        for key, value in items.items():
            check_item(key, value)
        made = {key: self._item(key, value, ttl, None) for key, value in items.items()}
        kept = [item for item in made.values() if item is not None]
        refused = [key for key, item in made.items() if item is None]
        if made:
            self._count_evictions(self._write(self._store_and_remove, kept, refused))
            self.counters.note_sets(key for key, item in made.items() if item is not None)
        return len(kept)

    def delete_many(self, keys: Iterable[str]) -> int:
        wanted = list(keys)
        for key in wanted:
            check_key(key)
        gone = self._write(rows.delete_many, wanted, self.clock()) if wanted else []
        self.counters.note_deletes(gone)
        return len(gone)

    def keys(self, pattern: str | None = None) -> list[str]:
        return list(self.scan(pattern))

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        matches, after = matcher(pattern), 0
        while True:
            page, end = self._run(rows.page, after, self.clock(), _PAGE)
            yield from filter(matches, page)
            if end is None:
                return
            after = end

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        matches, after = matcher(pattern), 0
        while True:
            page, end = await asyncio.to_thread(self._run, rows.page, after, self.clock(), _PAGE)
            for key in filter(matches, page):
                yield key
            if end is None:
                return
            after = end

    # -- further abilities ------------------------------------------------------------------------------------

    def get_entry(self, key: str) -> CacheEntry | None:
        check_key(key)
        row = self._run(rows.find, key)
        return self._entry(key, row) if row is not None and self._is_alive(row) else None

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        return {key: self._entry(key, row) for key, row in self._find_many(list(keys)).items()}

    def add(self, key: str, value: bytes, ttl: float | None = None, metadata: Metadata | None = None) -> bool:
        check_item(key, value)
        item = self._item(key, value, ttl, metadata)
        if item is None:
            return False
        evicted = self._write(self._add, item)
        if evicted is None:
            return False
        self._count_evictions(evicted)
        self.counters.note_sets((key,))
        return True

    def touch(self, key: str, ttl: float | None) -> bool:
        check_key(key)
        now = self.clock()
        if ttl is not None and not is_positive(ttl):
            self._write(rows.delete, key, now)
            return False
        return self._write(rows.touch, key, None if ttl is None else now + ttl, now)

    def incr(self, key: str, delta: int = 1) -> int:
        check_key(key)
        check_delta(delta)
        total, evicted = self._write(self._incr, key, delta)
        self._count_evictions(evicted)
        self.counters.note_sets((key,))
        return total

    def compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None = None,
        metadata: Metadata | None = None,
    ) -> bool:
        check_item(key, value)
        for name in expected:
            check_key(name)
        evicted = self._write(self._compare_and_set, key, self._item(key, value, ttl, metadata), expected)
        if evicted is None:
            return False
        self._count_evictions(evicted)
        self.counters.note_sets((key,))
        return True

    def release_lease(self, name: str, token: bytes) -> bool:
        return self._write(self._release, lease_key(name), token)

    # -- life cycle -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file. Closing twice is fine; use after close raises."""
        self._pool.close()

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)  # missing where an option was refused
        if pool is not None and pool.is_open:
            warnings.warn(
                f"{self!r} was never closed: call close()", ResourceWarning, source=self, stacklevel=2
            )
            pool.close()

    def diagnose(self) -> list[str]:
        return diagnose(self._pool, self.max_size_bytes, self.counters.corrupted.value)

    # -- within a transaction ---------------------------------------------------------------------------------

    def _store(self, connection: Connection, items: Sequence[Item]) -> int:
        """Write the items and keep within the bounds; return how many entries were evicted."""
        books = {item.books for item in items}
        for one in books:
            # What was used before these are written is older than they are.
            if self._recency[one].is_due(len(items), sum(item.size for item in items)):
                rows.use(connection, connection.spaces[one], self._recency[one].take())
        rows.put(connection, items, used=any(self._recency[one].kept for one in books))
        return sum(self._make_room(connection, one) for one in books)

    def _store_and_remove(self, connection: Connection, items: Sequence[Item], refused: Sequence[str]) -> int:
        rows.delete_many(connection, refused, 0.0)
        return self._store(connection, items)

    def _add(self, connection: Connection, item: Item) -> int | None:
        return self._make_room(connection, item.books) if rows.add(connection, item) else None

    def _incr(self, connection: Connection, key: str, delta: int) -> tuple[int, int]:
        row = self._living(connection, key)
        total = delta if row is None else parse_integer(key, row[1]) + delta
        value = b"%d" % total
        # The very same expiry: a ttl computed anew would drift by the time that each call takes.
        metadata, expires = (None, None) if row is None else (row[3], row[5])
        item = self._make_item(key, value, metadata, self.clock(), expires)
        return total, self._store(connection, [item])

    def _compare_and_set(
        self, connection: Connection, key: str, item: Item | None, expected: Mapping[str, bytes | None]
    ) -> int | None:
        for name, old in expected.items():
            row = self._living(connection, name)
            if (None if row is None else row[1]) != old:
                return None
        if item is None:
            rows.delete(connection, key, 0.0)
            return None
        return self._store(connection, [item])

    def _release(self, connection: Connection, key: str, token: bytes) -> bool:
        row = self._living(connection, key)
        return row is not None and row[1] == token and rows.delete(connection, key, 0.0)

    def _living(self, connection: Connection, key: str) -> Row | None:
        row = rows.find(connection, key)
        alive = row is not None and (row[5] is None or row[5] > self.clock()) and rows.is_whole(row)
        return row if alive else None

    def _make_room(self, connection: Connection, books: bool) -> int:
        """Keep within the bounds; return how many entries were evicted, book-keeping left out."""
        space, recency = connection.spaces[books], self._recency[books]
        now = rows.totals(connection, space)
        recency.learn(now)
        fits = recency.excess(now) == (0, 0)
        if not fits or next(self._writes) % _RECLAIM_EVERY == 0:
            rows.reclaim(connection, self.clock(), _RECLAIMED)
        if fits:
            return 0
        rows.use(connection, space, recency.take())
        now = rows.totals(connection, space)
        too_many, too_large = recency.excess(now)
        # A few more at once: neighbours in the order of use share pages.
        extra = min(now.entries // 128, _MOST_EXTRA) if too_many else 0
        evicted = rows.evict(connection, space, too_many + extra, too_large)
        return 0 if books else evicted

    def _learn(self, connection: Connection) -> None:
        for recency, now in zip(self._recency, rows.totals_of_both(connection), strict=True):
            recency.learn(now)

    def _measure(self, connection: Connection, now: float) -> tuple[int, int]:
        """Return how many entries are alive, and their size."""
        try:
            rows.reclaim(connection, now, _RECLAIMED_BY_STATS)
        except sqlite3.OperationalError as error:
            logger.debug("nothing reclaimed from %s: %s", self.path, error)  # what remains is left out below
        space = connection.spaces[0]
        dead, wasted = rows.expired(connection, space, now)
        entries, size, _ = rows.totals(connection, space)
        return entries - dead, size - wasted

    # -- inside -----------------------------------------------------------------------------------------------

    def _write(self, work: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        return self._run(rows.write, work, *args)

    def _try(self, work: Callable[[Connection, *Ts], object], *args: *Ts) -> None:
        """Do what may be left undone, without waiting for others."""
        try:
            self._pool.once(work, *args)
        except sqlite3.Error as error:
            logger.debug("left undone in %s: %s", self.path, error)

    def _find_many(self, keys: Sequence[str]) -> dict[str, Row]:
        for key in keys:
            check_key(key)
        found = self._run(rows.find_many, list(dict.fromkeys(keys))) if keys else {}
        return {key: row for key, row in found.items() if self._is_alive(row)}

    def _is_alive(self, row: Row) -> bool:
        return (row[5] is None or row[5] > self.clock()) and self._is_whole(row)

    def _is_whole(self, row: Row) -> bool:
        if rows.is_whole(row):
            return True
        self.counters.corrupted.tick()
        logger.warning("a damaged entry was dropped from %s", self.path)
        # So that it is missing to every method.
        self._try(rows.write, rows.delete_damaged, row)
        return False

    def _note_use(self, row: Row, books: bool) -> None:
        recency = self._recency[books]
        if row[6] > recency.horizon:
            self._run(self._learn)
        elif row[6] < recency.edge and recency.note(row[0]):
            self._try(rows.write, _use, books, recency.take())

    def _item(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> Item | None:
        """Return what is to be written; None where ttl is 0 or less or the value too large."""
        kept = None if metadata is None else encode_metadata(metadata)
        if (ttl is not None and not is_positive(ttl)) or len(value) > self._largest:
            return None
        now = self.clock()
        return self._make_item(key, value, kept, now, None if ttl is None else now + ttl)

    def _make_item(
        self, key: str, value: bytes, metadata: bytes | None, now: float, expires: float | None
    ) -> Item:
        check = rows.checksum(value, metadata)
        return Item(rows.is_book(key), rows.name_of(key), value, check, metadata, now, expires, len(value))

    def _entry(self, key: str, row: Row) -> CacheEntry:
        _, value, _, metadata, created, expires, _ = row
        kept = None if metadata is None else msgspec.json.decode(metadata, type=dict[str, object])
        return CacheEntry(key, value, created, expires, len(value), kept, self.clock)

    def _count_evictions(self, count: int) -> None:
        for _ in range(count):
            self.counters.evictions.tick()


def _use(connection: Connection, books: bool, ids: Sequence[int]) -> None:
    rows.use(connection, connection.spaces[books], ids)


def _seconds(timeout: float) -> float:
    seconds = parse_duration(timeout, name="timeout")
    if not seconds:
        raise ConfigurationError(f"timeout={timeout!r}: give seconds above 0")
    return seconds
