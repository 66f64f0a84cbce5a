"""Memory in front of a shared store."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from cachelayer.backends.base import (
    BOOKKEEPING,
    CacheBackend,
    CacheEntry,
    CacheStats,
    Metadata,
    check_delta,
    check_item,
    check_key,
)
from cachelayer.backends.connected import ConnectedBackend
from cachelayer.backends.generations import generation_key
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.operate import Operate
from cachelayer.backends.tiered.choice import FeedName, Pace, check_l2, make_feed
from cachelayer.clock import system_clock
from cachelayer.errors import OptionTypeError, UnsupportedOperationError
from cachelayer.flows import Flow, arun, run

#: Bytes that L1 holds where none was given.
DEFAULT_SIZE: Final = 64 * 1024 * 1024
#: Seconds that a copy lives where the store does not tell how long the value itself will.
_LIFE_UNTOLD: Final = 1.0

#: Values by key, and the seconds that each has left; None for ever.
Reading = tuple[dict[str, bytes], dict[str, float | None]]


class Tiers(msgspec.Struct, frozen=True):
    """What each tier did. A lookup that found nothing in L1 is a miss of L1 and goes on to L2."""

    l1: CacheStats
    l2: CacheStats


class TieredBackend(ConnectedBackend):
    """Keeps copies of what was read from a shared store in this process's memory: a hit there does no I/O.

    Writes, deletions, locks and everything else go to the shared store, which alone is the truth; a read from it
    brings a copy. Copies are dropped when the entry changes, whichever process changed it:

    - Over Redis (`feed="tracking"`) the server itself tells of every key that changes, expires or is evicted, whoever
      wrote it. A copy is stale for as long as the message travels: a few milliseconds. Where the link falls silent
      copies are served for at most twice `heartbeat`; where it breaks they are dropped at once.
    - Over any other store (`feed="poll"`) each process asks every `poll_interval` seconds what was changed through
      tiered backends, by groups of keys. A copy is stale for at most twice `poll_interval`, 0.08 s by default. What is
      written past the tiered backends is not heard of: there `l1_ttl` is the bound. A write drops a group's copies,
      a sixty-fourth of all, in every process.

    Without a link memory is not used, and every read goes to the shared store; when it is back, memory starts empty.
    A copy never outlives the entry (by the hosts' clocks), nor `l1_ttl`; over a store without `get_entry`, which tells
    no lifetimes, it lives for a second. Over one with `get_entry` but no `get_entries` of its own, what is read in bulk
    brings no copies. Within this process, who reads after a write has returned never sees what was there before.

    All processes that share a store must use the same kind of feed.

    Args:
        l1: memory of this backend's own; None for one of 64 MiB. It is closed with this backend.
        l2: the shared store. It is closed with this backend.
        feed: "tracking", "poll", or "auto": tracking where `l2` is a `RedisBackend`, else polling.
        l1_ttl: seconds that a copy is served at most.
        poll_interval: seconds between two polls.
        heartbeat: seconds between two signs of life of a tracked server.

    Raises:
        ConfigurationError: `l2` is not shared, or a number cannot work.
        OptionTypeError: `l1` is no `InMemoryBackend`, or `l2` no `CacheBackend`.
    """

    _of: TieredBackend | None = None  # what `guarded` made this from

    def __init__(
        self,
        l1: InMemoryBackend | None = None,
        l2: CacheBackend | None = None,
        *,
        feed: FeedName = "auto",
        l1_ttl: float = 60.0,
        poll_interval: float = 0.04,
        heartbeat: float = 0.5,
    ) -> None:
        self.l2 = check_l2(l2)
        self.clock = getattr(self.l2, "clock", system_clock)
        self.l1 = InMemoryBackend(DEFAULT_SIZE, clock=self.clock) if l1 is None else l1
        if not isinstance(self.l1, InMemoryBackend):
            raise OptionTypeError(
                f"l1 must be an InMemoryBackend, not {type(l1).__name__}: hits there do no I/O"
            )
        self._feed = make_feed(feed, self.l1, self.l2, Pace(l1_ttl, poll_interval, heartbeat))
        super().__init__()
        self._near = self._feed.near
        self._copy = self._near.get
        self._copies = self._near.get_many
        self._tells_lives = type(self.l2).get_entries is not CacheBackend.get_entries
        self._tells_a_life = type(self.l2).get_entry is not CacheBackend.get_entry
        if self.l2.timeout is not None:
            # A write and its announcement, or an entry and its generations, are two calls.
            self.timeout = self.l2.timeout * (2 if self._feed.announces or not self._tells_lives else 1)

    def __repr__(self) -> str:
        return f"<TieredBackend l1={self.l1!r} l2={self.l2!r}>"

    def guarded(self, guard: Callable[[CacheBackend], CacheBackend]) -> CacheBackend:
        """Return this backend with `guard` around the shared store: a hit in memory has nothing that could go away."""
        # A copy, which shares all but that: this one is the caller's, who may use it elsewhere with other options.
        made = copy.copy(self)
        made.l2, made._of, made._opened_by = guard(self.l2), self, None
        made.tells_when_away = made.l2.tells_when_away
        return made

    # -- hits, by hand ----------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""
        value = self._copy(key)
        return value if value is not None else run(self._get(key))

    async def aget(self, key: str) -> bytes | None:
        """Async twin of `get`."""
        value = self._copy(key)
        return value if value is not None else await arun(self._get(key))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that are there."""
        wanted = _distinct(keys)
        found = self._copies(wanted)
        return found if len(found) == len(wanted) else run(self._complete(wanted, found))

    async def aget_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Async twin of `get_many`."""
        wanted = _distinct(keys)
        found = self._copies(wanted)
        return found if len(found) == len(wanted) else await arun(self._complete(wanted, found))

    # -- flows ------------------------------------------------------------------------------------------------

    def flow(self, operation: str, *args: Any) -> Flow[Any]:
        """See `TwofoldBackend.flow`. What is not said otherwise here is the shared store's."""
        self.check_open()
        own: Any = getattr(self, f"_{operation}", None)
        return self._pass_on(operation, *args) if own is None else own(*args)

    def _pass_on(self, operation: str, *args: Any) -> Flow[Any]:
        return (yield Operate(self.l2, operation, args))

    def _get(self, key: str) -> Flow[bytes | None]:
        self.check_open()
        check_key(key)
        return (yield from self._fetch([key])).get(key)

    def _complete(self, wanted: list[str], found: dict[str, bytes]) -> Flow[dict[str, bytes]]:
        self.check_open()
        return found | (yield from self._fetch([key for key in wanted if key not in found]))

    def _set(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> Flow[bool]:
        check_item(key, value)
        stored: bool = yield from self._change([key], "set", key, value, ttl, metadata)
        self.counters.note_sets([key] if stored else ())
        return stored

    def _set_many(self, items: Mapping[str, bytes], ttl: float | None) -> Flow[int]:
        for key, value in items.items():
            check_item(key, value)
        stored: int = yield from self._change(list(items), "set_many", items, ttl)
        self.counters.note_sets(_some(items, stored))
        return stored

    def _delete(self, key: str) -> Flow[bool]:
        check_key(key)
        removed: bool = yield from self._change([key], "delete", key)
        self.counters.note_deletes([key] if removed else ())
        return removed

    def _delete_many(self, keys: list[str]) -> Flow[int]:
        for key in keys:
            check_key(key)
        removed: int = yield from self._change(keys, "delete_many", keys)
        self.counters.note_deletes(_some(keys, removed))
        return removed

    def _clear(self) -> Flow[int]:
        count: int = yield from self._change(None, "clear")
        return count

    def _add(self, key: str, value: bytes, ttl: float | None, metadata: Metadata | None) -> Flow[bool]:
        check_item(key, value)
        added: bool = yield from self._change([key], "add", key, value, ttl, metadata)
        self.counters.note_sets([key] if added else ())
        return added

    def _touch(self, key: str, ttl: float | None) -> Flow[bool]:
        check_key(key)
        touched: bool = yield from self._change([key], "touch", key, ttl)
        return touched

    def _incr(self, key: str, delta: int) -> Flow[int]:
        check_key(key)
        check_delta(delta)
        total: int = yield from self._change([key], "incr", key, delta)
        self.counters.note_sets([key])
        return total

    def _compare_and_set(
        self,
        key: str,
        value: bytes,
        expected: Mapping[str, bytes | None],
        ttl: float | None,
        metadata: Metadata | None,
    ) -> Flow[bool]:
        check_item(key, value)
        stored: bool = yield from self._change([key], "compare_and_set", key, value, expected, ttl, metadata)
        if not stored:
            # What the caller expected may have been a copy that is out of date: its next read asks the store.
            self._near.drop(expected)
        self.counters.note_sets([key] if stored else ())
        return stored

    def _generations(self, names: list[str]) -> Flow[dict[str, bytes]]:
        told: dict[str, bytes] = yield Operate(self.l2, "generations", (names,))
        for name, generation in told.items():
            self._near.drop_other(generation_key(name), generation)
        return told

    def _bump_generations(self, names: list[str]) -> Flow[None]:
        yield from self._change([generation_key(name) for name in names], "bump_generations", names)

    def _diagnose(self) -> Flow[list[str]]:
        found: list[str] = yield Operate(self.l2, "diagnose", ())
        return [*found, self._feed.problem] if self._feed.problem else found

    # -- statistics -------------------------------------------------------------------------------------------

    def _get_stats(self) -> Flow[CacheStats]:
        below: CacheStats = yield Operate(self.l2, "get_stats", ())
        stats = self._stats_of_l2(below)
        stats.hits = (stats.hits or 0) + (self.l1.get_stats().hits or 0)
        stats.on_reset = self._reset
        return stats

    @property
    def tiers(self) -> Tiers:
        """What each tier did: lookups that L1 answered, and those that went on to L2. Book-keeping is left out."""
        self.check_open()
        return Tiers(
            self.l1.get_stats(), self._stats_of_l2(CacheStats(None, None, None, None, None, None, None, None))
        )

    def _stats_of_l2(self, sizes: CacheStats) -> CacheStats:
        return self.counters.snapshot(
            evictions=sizes.evictions,
            current_entries=sizes.current_entries,
            current_size_bytes=sizes.current_size_bytes,
            max_size_bytes=sizes.max_size_bytes,
        )

    def _reset(self) -> None:
        self.counters.reset()
        self.l1.get_stats().reset()

    # -- life -------------------------------------------------------------------------------------------------

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        """Iterate over the shared store's keys."""
        self.check_open()
        yield from self.l2.scan(pattern)

    def _disconnect(self) -> None:
        self._mark_closed()
        self._feed.close()
        self.l1.close()
        self.l2.close()

    async def _adisconnect(self) -> None:
        self._mark_closed()
        await asyncio.to_thread(self._feed.close)
        self.l1.close()
        await self.l2.aclose()

    def _mark_closed(self) -> None:
        if self._of is not None:
            self._of._closed = True

    # -- inside -----------------------------------------------------------------------------------------------

    def _fetch(self, keys: list[str]) -> Flow[dict[str, bytes]]:
        """Read from the shared store, and keep copies."""
        if not keys:
            return {}
        self._feed.wake()
        fills = self._near.begin(keys)
        try:
            found, lives = yield from self._read(keys)
            self._near.keep(fills, found, lives)
        finally:
            self._near.give_up(fills)
        for key in keys:
            self.counters.note_read(key, found=key in found)
        return found

    def _read(self, keys: list[str]) -> Flow[Reading]:
        """Read from the shared store; tell how long each value has left to live, as far as it says."""
        named = [key for key in keys if not key.startswith(BOOKKEEPING)]
        try:
            if self._tells_lives:
                return (yield from self._read_entries(keys))
            if self._tells_a_life and len(named) == 1:
                return (yield from self._read_entry(named, [key for key in keys if key not in named]))
        except UnsupportedOperationError:  # by what it wraps
            self._tells_lives = self._tells_a_life = False
        found: dict[str, bytes] = yield Operate(self.l2, "get_many", (keys,))
        untold = 0.0 if self._tells_a_life else _LIFE_UNTOLD
        return found, {key: None if key.startswith(BOOKKEEPING) else untold for key in found}

    def _read_entry(self, named: list[str], books: list[str]) -> Flow[Reading]:
        found, lives = yield from self._read_entries(named)
        if books:
            found |= yield Operate(self.l2, "get_many", (books,))
        return found, dict.fromkeys(books) | lives

    def _read_entries(self, keys: list[str]) -> Flow[Reading]:
        entries: dict[str, CacheEntry] = yield Operate(self.l2, "get_entries", (keys,))
        found = {key: entry.value for key, entry in entries.items()}
        return found, {key: entry.ttl_remaining for key, entry in entries.items()}

    def _change(self, keys: list[str] | None, operation: str, *args: Any) -> Flow[Any]:
        """Change keys (None: all) in the shared store; once that is done nobody here sees what was there before.

        A read that began earlier brings no copy: it may have found the old value. If the store fails, the change may
        have been made or not, or may yet be.
        """
        try:
            result = yield Operate(self.l2, operation, args)
        except BaseException:
            self._feed.owe(keys)
            raise
        finally:
            self._drop(keys)
        yield from self._feed.announce(keys)
        return result

    def _drop(self, keys: list[str] | None) -> None:
        if keys is None:
            self._near.drop_all()
        else:
            self._near.drop(keys)


def _distinct(keys: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(keys))
    for key in wanted:
        if key.__class__ is not str:
            check_key(key)
    return wanted


def _some(keys: Iterable[str], count: int) -> Iterator[str]:
    """Yield as many entries' keys as a store counted: which ones, its number does not tell."""
    return islice((key for key in keys if not key.startswith(BOOKKEEPING)), count)
