"""The copies of a shared store's values that this process keeps in memory, and what keeps them from going stale.

Rules:
- A copy is served only until `valid_until`, which a change feed moves on as long as it is sure to have heard of every
  change up to a moment ago. So staleness is bounded though the feed's thread is late, or its link silent.
- A read of the store is announced before it starts (`begin`); what it found goes in (`keep`) only if the key was not
  dropped meanwhile. So an old value that was under way when the key changed never goes in.
- A copy lives no longer than what it is a copy of, and no longer than `longest`.
- When the feed has lost its link (`shut`) every copy is dropped, and none goes in until it follows again (`open_up`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from cachelayer.backends.base import BOOKKEEPING
from cachelayer.backends.generations import generation_key
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.table import EntryTable
from cachelayer.backends.table_entries import Entry, ObjectEntry
from cachelayer.backends.tags import Tag

#: Generations kept beside the entries: some 200 bytes each.
MOST_BOOKS: Final = 10_000
#: The book-keeping keys that are read far more often than they change; leases are for the store alone.
_GENERATIONS: Final = generation_key("")

_monotonic: Final = time.monotonic


class Fill(msgspec.Struct, eq=False):
    """A read of the store under way that may bring a copy.

    Attributes:
        key: what is read.
        since: epoch seconds at which the read began.
        broken: set when the key was dropped since.
        tags: the group that the key is in, as it was then.
    """

    key: str
    since: float
    broken: bool = False
    tags: tuple[Tag, ...] = ()


class Near:
    """Copies in `memory`, an `InMemoryBackend` that nobody else uses.

    Args:
        memory: holds copies of entries, within its bounds.
        longest: seconds that a copy lives at most.
        group_of: the group a key belongs to, where the feed tells of changed groups rather than keys.
    """

    def __init__(
        self, memory: InMemoryBackend, *, longest: float, group_of: Callable[[str], str] | None = None
    ) -> None:
        self.memory = memory
        self.valid_until = -math.inf
        self.is_open = False
        self._longest = longest
        self._group_of = group_of
        self._get = memory.get
        # Generations: apart, so that the memory's counters and sizes are those of entries.
        self._books = EntryTable(
            max_size_bytes=None, max_entries=MOST_BOOKS, policy="lru", clock=memory.clock
        )
        self._tables = (memory.table, self._books)

    # -- reading ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """Return the copy of the key's value; None where there is none that is surely good."""
        if _monotonic() >= self.valid_until:
            return None
        value = self._get(key)
        return self._book(key) if value is None and key.startswith(BOOKKEEPING) else value

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the copies of those keys that have one which is surely good."""
        found: dict[str, bytes] = {}
        if _monotonic() < self.valid_until:
            for key in keys:
                value = self._book(key) if key.startswith(BOOKKEEPING) else self._get(key)
                if value is not None:
                    found[key] = value
        return found

    @property
    def reads(self) -> int:
        """How often a copy was asked for: who sees it unchanged knows that nobody does."""
        table = self.memory.table
        return table.hits.total + table.misses.total + self._books.hits.total

    # -- filling ----------------------------------------------------------------------------------------------

    def begin(self, keys: Iterable[str]) -> list[Fill]:
        """Announce a read of these keys from the store; end it with `keep` or `give_up`."""
        if not self.is_open:
            return []
        fills = [self._fill(key) for key in keys if _is_kept(key)]
        for fill in fills:
            self._table_of(fill.key).computing.add_lone(fill)
        return fills

    def keep(
        self, fills: Iterable[Fill], found: Mapping[str, bytes], lives: Mapping[str, float | None]
    ) -> None:
        """Keep what was found, unless it was dropped since the read began.

        Args:
            fills: what `begin` returned.
            found: values by key.
            lives: seconds that each value has left; None for ever.
        """
        for fill in fills:
            value, left = found.get(fill.key), lives.get(fill.key)
            if value is not None and (left is None or left > 0):
                self._put(fill, value, self._longest if left is None else min(left, self._longest))

    def give_up(self, fills: Iterable[Fill]) -> None:
        """End a read, whatever came of it."""
        for fill in fills:
            self._table_of(fill.key).computing.remove(fill)

    # -- dropping ---------------------------------------------------------------------------------------------

    def drop(self, keys: Iterable[str]) -> None:
        """Drop the copies of these keys, those under way too."""
        for key in keys:
            table = self._table_of(key)
            with table.lock:
                table.computing.break_off(key)
                entry = table.find(key)
                if entry is not None:
                    table.discard(entry)

    def drop_other(self, key: str, value: bytes) -> None:
        """Drop the key's copy, and those under way, unless it is this value, which the store has just told."""
        entry = self._table_of(key).find(key)
        if entry is None or entry.payload != value:
            self.drop((key,))

    def drop_groups(self, names: Iterable[str]) -> None:
        """Drop the copies of every key in these groups, those under way too."""
        names = tuple(names)
        for table in self._tables:
            table.invalidate(names)

    def drop_all(self) -> None:
        """Drop every copy, those under way too."""
        for table in self._tables:
            table.clear()

    # -- for the feed -----------------------------------------------------------------------------------------

    def open_up(self) -> None:
        """Start with nothing: from now on the feed hears of every change."""
        self.drop_all()
        self.is_open = True

    def shut(self) -> None:
        """Drop everything and take nothing: changes may go unheard."""
        self.valid_until, self.is_open = -math.inf, False
        self.drop_all()

    # -- inside -----------------------------------------------------------------------------------------------

    def _table_of(self, key: str) -> EntryTable:
        return self._books if key.startswith(BOOKKEEPING) else self.memory.table

    def _book(self, key: str) -> bytes | None:
        entry = self._books.live(key)
        if entry is None:
            return None
        self._books.note_hit(key)
        payload: bytes = entry.payload
        return payload

    def _fill(self, key: str) -> Fill:
        now = self.memory.clock()
        if self._group_of is None:
            return Fill(key, now)
        # Captured before the read, as a fence is: a group that changes from now on takes the fill with it.
        return Fill(key, now, tags=(self._table_of(key).tag(self._group_of(key)),))

    def _put(self, fill: Fill, value: bytes, seconds: float) -> None:
        table, tags = self._table_of(fill.key), fill.tags
        # From the read's beginning: the store counted what is left at some moment after it.
        expires, created = fill.since + seconds, table.created(fill.since)
        entry = Entry(fill.key, value, expires, created)
        if tags:
            entry = ObjectEntry(fill.key, value, expires, created, expires, size=len(value), tags=tags)
        with table.lock:
            if not fill.broken and all(tag.alive for tag in tags):
                table.put(entry)  # which breaks the fills that overlap this one: theirs may be older
            else:
                # Whoever has been told this value must not be told an older one now, by a copy or by another fill.
                self.drop_other(fill.key, value)


def _is_kept(key: str) -> bool:
    return not key.startswith(BOOKKEEPING) or key.startswith(_GENERATIONS)
