"""The miss-ratio curve of a memory store: the hit rate that it would have with less room, or with more.

An entry of least recent use goes first, so that what is in a store is also in a larger one, and the hits of any size
follow from how deep in the order of use each lookup finds its entry (Mattson and others, "Evaluation techniques for
storage hierarchies", 1970). No hit is looked at for that: those of a function's shortcut could not be, at their price.

- More room. What is evicted goes on as a ghost: its key's hash and size. Ghosts lie in bands, one for each size, and
  sink from one to the next as others follow. An entry that is stored while it is a ghost would have been a hit in the
  sizes that reach down to its band. Only ghosts are kept whose hash is below a limit, which is lowered when there are
  too many (Waldspurger and others, "Efficient MRC construction with SHARDS", FAST 2015, with its fixed size and its
  correction by the true number of references, which is known here).
- Less room. A hit whose entry is below a place in the order puts it on top, and would not have been one in a store that
  ends there. So now and then two looks are taken at the order, with fewer lookups between them than could sink so deep:
  the entries that have come up from below the place are those hits. The store's own order tells, whoever changes it.

An entry that has expired, was deleted or invalidated is a miss at any size. All numbers are of the store's lookups.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from itertools import accumulate
from time import perf_counter
from typing import Any, Final

import msgspec

from cachelayer.backends.table import HASHES, EntryTable
from cachelayer.backends.table_entries import NEVER, Entry, size_of
from cachelayer.backends.tags import Tag

#: The sizes that are marked in the store, and those that ghosts tell of, as multiples of what it may hold.
BELOW: Final = (0.25, 0.5)
ABOVE: Final = (2.0, 4.0, 8.0)
#: Ghosts that are kept: about 300 KB.
MOST_GHOSTS: Final = 1024
#: Seconds from one pair of looks at the order to the next, in times of what a look takes.
REST: Final = 50.0
#: Entries used from one look of a pair to the other: they are to be between these shares of the least store's.
_LITTLE: Final = 0.25
_MUCH: Final = 0.75
#: Entries that are remembered from one look to the other.
_MOST_REMEMBERED: Final = 1024
#: Pairs of looks below which chance would say more than they do.
_ENOUGH: Final = 8
#: So many stores are an occasion to look.
_OCCASION: Final = 16
#: Entries of the order whose sizes are looked at.
_MOST_SIZES: Final = 512
_SWEEP: Final = 1024


class Ghost(msgspec.Struct, frozen=True):
    """What is known of an entry that was evicted."""

    size: int
    expires: float
    tags: tuple[Tag, ...]

    def lives(self, now: float) -> bool:
        """Whether the entry would still be one."""
        return self.expires > now and all(tag.alive or tag.group.alive for tag in self.tags)


class Band:
    """The ghosts that a store of one size holds, and the next smaller one does not.

    Args:
        scale: that size.
        share: of the store's bounds, what is between the two.
    """

    def __init__(self, scale: float, share: float) -> None:
        self.scale, self.share = scale, share
        self.ghosts: OrderedDict[int, Ghost] = OrderedDict()
        self.size = 0
        #: Estimated stores of what was a ghost here.
        self.found = 0

    def take(self, place: int) -> Ghost | None:
        """Remove and return a ghost, if it is here."""
        ghost = self.ghosts.pop(place, None)
        if ghost is not None:
            self.size -= ghost.size
        return ghost

    def put(self, place: int, ghost: Ghost) -> None:
        """Lay a ghost on top."""
        self.take(place)
        self.ghosts[place] = ghost
        self.size += ghost.size

    def sink(self) -> tuple[int, Ghost]:
        """Remove and return what lies at the bottom."""
        place, ghost = self.ghosts.popitem(last=False)
        self.size -= ghost.size
        return place, ghost

    def keep(self, limit: int, now: float) -> None:
        """Let go of ghosts whose hash is not below `limit`, and of those that would have died."""
        kept = {at: each for at, each in self.ghosts.items() if at & HASHES < limit and each.lives(now)}
        self.ghosts, self.size = OrderedDict(kept), sum(each.size for each in kept.values())


class Look(msgspec.Struct, frozen=True):
    """The order at one moment.

    Attributes:
        entries, evictions, lookups: how many there were.
        step: every so many entries, one is remembered.
        depths: of those by key: how many entries were used after it.
        places: by scale, how many of the latest used entries a store of that size holds.
    """

    entries: int
    evictions: int
    lookups: int
    step: int
    depths: dict[str, int]
    places: dict[float, int]


class Order:
    """Measures, in pairs of looks at a table in order of use, the hits that less room would lose."""

    def __init__(self, table: EntryTable) -> None:
        self._table = table
        #: Occasions from one look of a pair to the other, and since the last look; when to begin another pair.
        self._pace, self._passed, self._next = 4, 0, 0.0
        self.restart()

    def restart(self) -> None:
        """Start again from zero."""
        self._before: Look | None = None
        self._until = lookups_of(self._table)
        #: By scale: pairs that told something, the lookups that they stand for, and the hits lost of these.
        self._pairs = dict.fromkeys(BELOW, 0)
        self._covered, self._lost = dict.fromkeys(BELOW, 0), dict.fromkeys(BELOW, 0.0)

    def interrupt(self) -> None:
        """Leave the pair of looks that is under way: the order is another."""
        self._before = None

    def look_if_due(self) -> None:
        """Take the next look, if it is time."""
        self._passed += 1
        if self._passed >= self._pace and (self._before is not None or perf_counter() >= self._next):
            with self._table.lock:
                self.look()

    def look(self, *, go_on: bool = False) -> None:
        """Look at the order: begin a pair or end one, and `go_on` with another if so."""
        began, before = perf_counter(), self._before
        entries = self._table.entries()
        if before is not None:
            self._compare(before, entries)
        self._before = self._remember(entries) if before is None or go_on else None
        self._passed, now = 0, perf_counter()
        self._next = now + REST * (now - began)

    def lost(self, scale: float) -> float | None:
        """Return the share of lookups that would not have been hits; None where that is not known."""
        if self._pairs[scale] >= _ENOUGH:
            return min(1.0, self._lost[scale] / self._covered[scale])
        return 0.0 if fill_of(self._table) <= scale else None

    def _remember(self, entries: list[Any]) -> Look:
        table, count = self._table, len(entries)
        step = -(-count // _MOST_REMEMBERED) or 1
        depths = {entries[-1 - depth].key: depth for depth in range(0, count, step)}
        return Look(count, table.evictions, lookups_of(table), step, depths, _places(table, entries))

    def _compare(self, before: Look, entries: list[Any]) -> None:
        lookups, depths = lookups_of(self._table), before.depths
        # The least recently used first: those that were not used since are in the order that they were in.
        found = [(at, depths[entry.key]) for at, entry in enumerate(entries) if entry.key in depths]
        unused, floor = 0, before.entries
        while unused < len(found) and found[unused][1] < floor:
            floor = found[unused][1]
            unused += 1
        used = [then for _, then in found[unused:]]
        distinct = len(entries) - (found[unused][0] if unused < len(found) else len(entries) - floor)
        stored = max(0, len(entries) - before.entries + self._table.evictions - before.evictions)
        passed, more = lookups - before.lookups, lookups - self._until
        for scale, place in before.places.items():
            if distinct > place and place < before.entries:
                continue  # What was used twice may have been lost in between.
            if passed > 0:
                # What is used from below, or stored, lets what was above a place sink below it.
                sunk = before.step * sum(then >= place for then in used) + stored
                lost = before.step * sum(then >= max(1, place - sunk // 2) for then in used)
                self._pairs[scale] += 1
                self._covered[scale] += more
                self._lost[scale] += more * min(1.0, lost / passed) if place < before.entries else 0.0
        self._until = lookups
        if distinct > min(before.places.values()) * _MUCH:
            self._pace = max(1, self._pace // 2)
        elif distinct < min(before.places.values()) * _LITTLE:
            self._pace *= 2


class MissRatioCurve:
    """Estimates a table's hit rate at other sizes; all but `read` is called under the table's lock.

    Attributes:
        limit: keys whose hash, by `HASHES`, is below it are sampled.
    """

    def __init__(self, table: EntryTable) -> None:
        self._table = table
        self.limit = HASHES + 1
        self._bands = [Band(scale, scale / 2) for scale in ABOVE]
        self._order = Order(table) if table.is_ordered else None
        self._evicted = self._passed = 0
        with table.lock:
            self.restart()
            table.count_evicted += (self.note_evicted,)
            table.curve = self

    def restart(self) -> None:
        """Start again from zero, with the ghosts that there are."""
        table = self._table
        self._pid = os.getpid()
        self._hits, self._misses, self._sets = table.hit_count, table.misses.value, table.sets
        #: Estimated by those that were sampled.
        self._estimated_sets = 0
        for band in self._bands:
            band.found = 0
        if self._order is not None:
            self._order.restart()

    def note_set(self, key: str, *, is_new: bool) -> None:
        """Take note of an entry that was stored, whose key is sampled; whether it was not there before."""
        weight = (HASHES + 1) // self.limit
        self._estimated_sets += weight
        if is_new:
            place = hash(key)
            for band in self._bands:
                ghost = band.take(place)
                if ghost is not None:
                    band.found += weight if ghost.lives(self._table.clock()) else 0
                    break
        self._passed += weight
        if self._passed >= _OCCASION:
            self._passed = 0
            self.look_if_due()

    def look_if_due(self) -> None:
        """Look at the order of entries, if it is time."""
        if self._order is not None:
            self._order.look_if_due()

    def note_evicted(self, entry: Any) -> None:
        """Take note of an entry that was evicted."""
        place = hash(entry.key)
        if place & HASHES >= self.limit:
            return
        tags = () if entry.__class__ is Entry else entry.tags
        ghost = Ghost(size_of(entry), entry.expires, tags)
        table, share = self._table, self.limit / (HASHES + 1)
        for band in self._bands:
            band.put(place, ghost)
            room = band.share * share
            if band.size <= room * table.max_size and len(band.ghosts) <= room * (table.max_entries or NEVER):
                break
            place, ghost = band.sink()
        self._evicted += 1
        if not self._evicted % _SWEEP or self._is_crowded():
            self._tidy()

    def forget(self, key: str) -> None:
        """Forget a key that was deleted: it would not be in a larger store either."""
        for band in self._bands:
            band.take(hash(key))

    def clear(self) -> None:
        """Forget every key."""
        for band in self._bands:
            band.keep(0, 0.0)
        if self._order is not None:
            self._order.interrupt()

    def read(self) -> dict[str, int]:
        """Return the lookups, as "lookups", and by scale those that would have been hits.

        A scale that nothing is known of is left out; where there was no lookup, all.
        """
        table = self._table
        with table.lock:
            if os.getpid() != self._pid:
                self.restart()  # What was counted is the parent's.
            if self._order is not None:
                self._order.look(go_on=True)
            hits, misses = table.hit_count - self._hits, table.misses.value - self._misses
            lookups = hits + misses
            points = {"lookups": lookups, "1": hits}
            fewer = hits
            for scale in reversed(BELOW):
                lost = self._order.lost(scale) if self._order is not None else None
                if lost is not None:
                    # The chances of two estimates could give the smaller store more.
                    points[f"{scale:g}"] = fewer = max(0, min(fewer, round(hits - lookups * lost)))
            found = accumulate(band.found for band in self._bands)
            # As many as the sampled were of the sampled: which they are in the mean, and are not by chance.
            truth = (table.sets - self._sets) / max(1, self._estimated_sets)
            for band, more in zip(self._bands, found, strict=True):
                points[f"{band.scale:g}"] = hits + min(misses, round(more * truth))
        return points if lookups > 0 else {}

    def _is_crowded(self) -> bool:
        return sum(len(band.ghosts) for band in self._bands) > MOST_GHOSTS

    def _tidy(self) -> None:
        now = self._table.clock()
        for band in self._bands:
            band.keep(self.limit, now)
        if self._is_crowded() and self.limit > 1:
            self.limit //= 2
            for band in self._bands:
                band.keep(self.limit, now)


def start_curve(table: EntryTable) -> MissRatioCurve | None:
    """Begin to estimate a table's curve; None where it has no bound, or one that is watched already."""
    if table.curve is not None or (table.max_size == NEVER and table.max_entries is None):
        return None
    return MissRatioCurve(table)


def lookups_of(table: EntryTable) -> int:
    """Return how many hits and misses a table has counted."""
    return table.hit_count + table.misses.value


def fill_of(table: EntryTable) -> float:
    """Return how much of its room a table uses, by the bound that it is nearer to."""
    return max(table.size / table.max_size, len(table) / (table.max_entries or NEVER))


def _places(table: EntryTable, entries: list[Any]) -> dict[float, int]:
    """Return, by scale, how many of the latest used entries a store of that size holds."""
    places = {scale: int(scale * (table.max_entries or len(entries) / scale)) for scale in BELOW}
    if table.max_size == NEVER or not entries:
        return places
    step = max(1, len(entries) // _MOST_SIZES)
    sums = list(accumulate(size_of(entry) for entry in entries[::-step]))
    share = table.size / max(1, sums[-1])  # what one of the looked at stands for
    for scale in BELOW:
        at = next((at for at, size in enumerate(sums) if size * share > scale * table.max_size), len(entries))
        places[scale] = min(places[scale], at * step)
    return places
