"""The memory store's table: entries with bounds, expiry, tags and fences, right under threads and after fork.

Rules:
- Reads take no lock: one dict read finds the entry, and the entry itself says whether it lives. Removing an entry
  marks it dead first (`expires = -inf`), which also kills it for whoever still holds a reference to it.
- Writes take the lock. Bounds hold at every moment: room is made before an entry goes in.
- An entry is replaced in place, so a key that is overwritten is at no moment found missing.
- Invalidating a tag marks one object or two; its entries are dead at once and are reclaimed a few with each write.
- A fence is captured before a computation; its result goes in only if nothing touched the key or its tags since.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from cachelayer.backends.computing import Computation, Computing
from cachelayer.backends.expiry import ExpiryQueue
from cachelayer.backends.invalidations import Invalidations, Watch
from cachelayer.backends.policies import EvictionPolicy, make_policy
from cachelayer.backends.table_entries import (
    DEAD,
    NEVER,
    Entry,
    ObjectEntry,
    attach,
    forget,
    join_tags,
    kill,
    lives,
    size_of,
)
from cachelayer.backends.tags import Group, Link, Tag
from cachelayer.clock import Clock
from cachelayer.counters import FREE_THREADED, Counter
from cachelayer.forks import HeldForForks

#: The bits of a key's hash that tell whether it is sampled.
HASHES: Final = 0xFFFF
#: Of so many hits and one, one may take a look at the order of entries.
SELDOM: Final = 31
#: How many entries of invalidated tags each write reclaims.
_RECLAIM: Final = 64
_tables: Final = HeldForForks()


class Fenced(Computation, Protocol):
    """A computation under way, as the table sees it when its result comes in."""

    #: Those it was begun under. If one has died since, its result is not stored.
    tags: tuple[Tag, ...]


class Curve(Protocol):
    """Who estimates the hit rate at other sizes, from a sample of keys; called under the lock."""

    #: Keys whose hash, by `HASHES`, is below it are sampled.
    limit: int

    def note_set(self, key: str, *, is_new: bool) -> None:
        """Take note of an entry that was stored, whose key is sampled."""
        ...

    def look_if_due(self) -> None:
        """Do what is to be done now and then; called without the lock."""
        ...

    def forget(self, key: str) -> None:
        """Forget a key that was deleted."""
        ...

    def clear(self) -> None:
        """Forget every key."""
        ...

    def restart(self) -> None:
        """Start again from zero."""
        ...


class EntryTable:
    """The entries, and everything that must change together with them."""

    def __init__(
        self, *, max_size_bytes: int | None, max_entries: int | None, policy: str, clock: Clock
    ) -> None:
        self.clock = clock
        self.hits, self.misses = Counter(), Counter()
        self._tick_hit: Any = self.hits.tick
        self.sets = self.deletes = self.evictions = 0
        self.size = 0
        self.on_evicted: Callable[[Entry], None] | None = None
        #: Called for each eviction, under the lock: only to count.
        self.count_evicted: tuple[Callable[[Any], object], ...] = ()
        #: None where nobody wants to know.
        self.curve: Curve | None = None
        self.max_entries = max_entries
        #: Whether entries are in the order of their use.
        self.is_ordered = policy == "lru"
        self.max_size = self._max_size = NEVER if max_size_bytes is None else max_size_bytes
        self._max_entries = NEVER if max_entries is None else max_entries
        self._expiry = ExpiryQueue()
        self._tags: weakref.WeakValueDictionary[str, Tag] = weakref.WeakValueDictionary()
        self._groups: weakref.WeakValueDictionary[str, Group] = weakref.WeakValueDictionary()
        self._condemned: deque[Group] = deque()
        self._invalidations = Invalidations()
        self._requeue_at = 1024
        self._last_created = 0.0
        self._shortcut_hits: list[Counter] = []
        self._shortcut_base = 0
        self.lock = threading.RLock()
        self._entries: EvictionPolicy = make_policy(policy, self.lock)
        self.computing = Computing(self.lock)
        self.find: Callable[[str], Any] = self._entries.get
        self.touch: Callable[[str], object] = self._locked_touch if FREE_THREADED else self._entries.touch
        _tables.add(self)

    def __len__(self) -> int:
        return len(self._entries)

    # -- reading ----------------------------------------------------------------------------------------------

    def live(self, key: str) -> Any:
        """Return the entry under `key` if it lives, else None; counts nothing."""
        entry = self.find(key)
        while entry is not None and not lives(entry, self.clock()):
            # Dead, or overwritten since it was found: then another one is there now.
            again = self.find(key)
            if again is entry:
                return None
            entry = again
        return entry

    def reset_counters(self) -> None:
        """Zero the counters; entries and sizes stay."""
        with self.lock:
            self.hits.reset()
            self.misses.reset()
            self._shortcut_base = sum(counter.total for counter in self._shortcut_hits)
            self.sets = self.deletes = self.evictions = 0
            if self.curve is not None:
                self.curve.restart()

    def note_hit(self, key: str) -> None:
        """Count a hit and refresh the key's recency."""
        try:
            self.touch(key)
        except KeyError:
            pass  # It was removed since it was read: the read came first, so it still counts.
        if not self._tick_hit() & SELDOM and self.curve is not None:
            self.curve.look_if_due()

    def snapshot(self) -> list[Any]:
        """Return the living entries."""
        with self.lock:
            self.purge()
            return list(self._entries.values())

    def entries(self) -> list[Any]:
        """Return the entries, those too that are dead and not reclaimed yet; counts and reclaims nothing."""
        with self.lock:
            return list(self._entries.values())

    # -- writing ----------------------------------------------------------------------------------------------

    def put(self, entry: Entry, now: float | None = None) -> bool:
        """Store `entry`, whatever computations are under way: theirs will not overwrite it."""
        with self.lock:
            self.computing.break_off(entry.key)
            return self._insert(entry, self.clock() if now is None else now)

    def remove(self, key: str) -> bool:
        """Remove the key; whether a living entry was there."""
        with self.lock:
            self.computing.break_off(key)
            lived = self.live(key) is not None
            self._discard(key)
            self.deletes += lived
            self._entries.forget(key)
            if self.curve is not None:
                self.curve.forget(key)
            return lived

    def clear(self) -> int:
        """Remove everything; return how many lived. Computations under way will not be stored."""
        with self.lock:
            self.purge()
            entries = list(self._entries.values())
            self.computing.break_all()
            for group in list(self._groups.values()):
                group.keys.clear()
            self._entries.clear()
            if self.curve is not None:
                self.curve.clear()
            self._expiry, self.size = ExpiryQueue(), 0
            for entry in entries:
                kill(entry)
            return len(entries)

    def expire_at(self, key: str, ttl: float | None) -> bool:
        """Give the key a new lifetime of `ttl` seconds (None: for ever); False if it is not there."""
        with self.lock:
            entry = self.live(key)
            if entry is None:
                return False
            now = self.clock()
            self._reclaim(now, _RECLAIM)
            entry.expires = NEVER if ttl is None else now + ttl
            if entry.__class__ is not Entry:
                entry.fresh_until = entry.expires
            if entry.expires != NEVER:
                self._expiry.add(key, entry.expires, now)
            return True

    def created(self, now: float) -> float:
        """Return `now` to the millisecond: entries written within one share its float, 24 bytes each."""
        if not 0.0 <= now - self._last_created < 0.001:
            self._last_created = now
        return self._last_created

    # -- tags and fences --------------------------------------------------------------------------------------

    def tag(self, name: str) -> Tag:
        """Return the living tag called `name`. It is forgotten when no entry, fence or function holds it."""
        with self.lock:
            tag = self._tags.get(name)
            if tag is None:
                group = self._groups.get(name)
                if group is None:
                    group = self._groups[name] = Group()
                tag = self._tags[name] = Tag(name, group)
            return tag

    def invalidate(self, names: Iterable[str], *, soft: bool = False) -> int:
        """Kill every entry and every computation under these tags, in O(1) for each; return how many entries.

        Softly, entries turn stale and are not dead.
        """
        count = 0
        with self.lock:
            for name in names:
                self._invalidations.note(name)
                tag, group = self._tags.pop(name, None), self._groups.get(name)
                if tag is not None:
                    tag.die()
                if group is not None:
                    count += len(group.keys)
                    if not soft:
                        del self._groups[name]
                        self._condemn(group)
        return count

    def watch(self) -> Watch:
        """Begin to watch for tags that are not known yet."""
        with self.lock:
            return self._invalidations.watch()

    def late_tags(self, names: Iterable[str], watch: Watch) -> tuple[Tag, ...] | None:
        """Return the living tags called `names`; None where one was invalidated since the watch began."""
        with self.lock:
            listed = tuple(names)
            return None if self._invalidations.have_met(listed, watch) else tuple(map(self.tag, listed))

    def _condemn(self, group: Group) -> None:
        group.alive = False
        if group.keys:
            self._condemned.append(group)

    def link(self, entry: ObjectEntry, link: Link) -> None:
        """Let `link` lead to `entry` for as long as it lives."""
        with self.lock:
            if not entry.is_linked and self._entries.get(entry.key) is entry and lives(entry, self.clock()):
                attach(entry, link)

    def count_hits_of(self, counter: Counter) -> None:
        """Add to this store's hits those that `counter` counts: hits through a shortcut never come here."""
        with self.lock:
            if counter not in self._shortcut_hits:
                self._shortcut_hits.append(counter)
                self._shortcut_base += counter.total

    @property
    def hit_count(self) -> int:
        """All hits since the last reset, those through shortcuts included."""
        return self.hits.value + sum(counter.total for counter in self._shortcut_hits) - self._shortcut_base

    def commit(self, computation: Fenced, entry: ObjectEntry, link: Link | None = None) -> bool:
        """Store a computation's result unless it was fenced off meanwhile, and let `link` lead to it."""
        with self.lock:
            if computation.broken:
                return False
            for tag in computation.tags:
                if not tag.alive:
                    return False
            if not self._insert(entry, entry.created):
                return False
            self.computing.finish(computation)
            if link is not None:
                attach(entry, link)
            return True

    def count_under(self, name: str) -> int:
        """Return how many living entries carry the tag."""
        return len(self.under(name))

    def under(self, name: str) -> list[Entry]:
        """Return the living entries that carry the tag."""
        with self.lock:
            group = self._groups.get(name)
            found = map(self.live, group.keys) if group else ()
            return [entry for entry in found if entry is not None]

    def discard(self, entry: Entry) -> None:
        """Remove this very entry, if it is still there, without counting a delete."""
        with self.lock:
            if self._entries.get(entry.key) is entry:
                self._drop(entry)

    # -- space ------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Reclaim everything that has expired or was invalidated."""
        with self.lock:
            now = self.clock()
            self._reclaim(now, None)
            gone = [entry for entry in list(self._entries.values()) if entry.expires <= now]
            for entry in gone:
                self._drop(entry)

    def _insert(self, entry: Any, now: float) -> bool:  # noqa: C901 - a step for each thing that may be there
        # Every write comes through here: sizes are looked up in place, since calls cost more than what they do.
        key, entries, expiry = entry.key, self._entries, self._expiry
        if expiry.next_due <= now or self._condemned or expiry.queued > self._requeue_at:
            self._reclaim(now, _RECLAIM)
            expiry = self._expiry
        size = more = len(entry.payload) if entry.__class__ is Entry else entry.size
        evicted, old = None, entries.get(key)
        if old is not None:
            more -= len(old.payload) if old.__class__ is Entry else old.size
            entries.touch(key)
        if self.size + more > self._max_size or (old is None and len(entries) >= self._max_entries):
            if size > self._max_size:
                self._discard(key)
                return False
            evicted = self._make_room(entry, old, more, now)
            if old is not None and old.expires == DEAD:  # It gave its room back.
                old, more = None, size
        # Put in place at once, so that who reads without the lock finds the old entry or the new one.
        entries[key] = entry
        self.size += more
        self.sets += 1
        if old is not None:
            forget(old)
        if entry.__class__ is not Entry:
            join_tags(entry)
        if entry.expires != NEVER:
            expiry.add(key, entry.expires, now)
        curve = self.curve
        if curve is not None and hash(key) & HASHES < curve.limit:
            curve.note_set(key, is_new=old is None)
        if evicted:
            self._tell_evicted(evicted)
        return True

    def _make_room(self, entry: Any, old: Any, more: int, now: float) -> list[Any] | None:
        """Evict until there is room for `more` bytes, which `entry` takes, in the place of `old` if there is one.

        Returns:
            What listeners are to hear of. `old` is dead if it has been removed.
        """
        entries = self._entries
        evicted: list[Any] | None = None if self.on_evicted is None else []
        while self.size + more > self._max_size or (old is None and len(entries) >= self._max_entries):
            if self._condemned:
                self._reclaim_keys(self._take_condemned(_RECLAIM))
                if old is not None and old.expires == DEAD:
                    old, more = None, size_of(entry)
                continue
            victim = entries.evict(entry.key)
            if lives(victim, now):
                self.evictions += 1
                for count in self.count_evicted:
                    count(victim)
                if evicted is not None:
                    evicted.append(victim)
            else:
                # It would not have been a hit in a larger cache either: nothing to learn from.
                entries.forget(victim.key)
            self.size -= size_of(victim)
            forget(victim)
        return evicted

    def _tell_evicted(self, evicted: list[Any]) -> None:
        """Tell the listener, only now that all is in place, since it may use the store."""
        if self.on_evicted is not None:
            for entry in evicted:
                self.on_evicted(entry)

    def _reclaim(self, now: float, most: int | None) -> None:
        if self._expiry.next_due <= now:
            self._reclaim_keys(self._expiry.due(now))
        if self._condemned:
            self._reclaim_keys(self._take_condemned(most))
        if self._expiry.queued > self._requeue_at:
            self._requeue(now)

    def _reclaim_keys(self, keys: Iterable[str]) -> None:
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and self.live(key) is None:
                self._drop(entry)

    def _take_condemned(self, most: int | None) -> list[str]:
        """Take out up to `most` keys of invalidated tags, all of them for None."""
        keys: list[str] = []
        while self._condemned and (most is None or len(keys) < most):
            group = self._condemned[0]
            if group.keys:
                keys.append(group.keys.pop())
            else:
                self._condemned.popleft()
        return keys

    def _requeue(self, now: float) -> None:
        """Forget the queued keys of entries that were overwritten or removed."""
        self._expiry = ExpiryQueue()
        for entry in list(self._entries.values()):
            if entry.expires != NEVER:
                self._expiry.add(entry.key, entry.expires, now)
        self._requeue_at = 2 * len(self._entries) + 1024

    def _discard(self, key: str) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            self._drop(entry)

    def _drop(self, entry: Any) -> None:
        self._entries.pop(entry.key, None)
        self.size -= size_of(entry)
        forget(entry)

    def _locked_touch(self, key: str) -> object:
        with self.lock:
            return self._entries.touch(key)
