"""The facade: a backend with its engine, tags, listeners and statistics."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import Health, OnError, ResilientBackend, resilient
from cachelayer.backends.table_entries import ObjectEntry
from cachelayer.backends.tiered import TieredBackend
from cachelayer.backends.url import backend_from_url
from cachelayer.changes import changing_cache, unbound
from cachelayer.clock import Clock, system_clock
from cachelayer.context import defer
from cachelayer.control import controls_of
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import BackendError, ConfigurationError, OptionTypeError
from cachelayer.events import CacheEvent, EventKind, Listener, Listeners
from cachelayer.flow.compute import Engine
from cachelayer.flow.lookups import TAG
from cachelayer.flows import Flow, arun, run
from cachelayer.http import Policy
from cachelayer.purging import Purge, Purged, purging
from cachelayer.searches import Searches
from cachelayer.stats import RouteRegistry, StatsSnapshot
from cachelayer.stats.announcing import KEYS, PURGE, TAGS
from cachelayer.stats.histograms import Histogram
from cachelayer.stats.pages import Present
from cachelayer.stats.presence import Inventory, backend_reports, label_of, memory_table, present
from cachelayer.stats.setup import make_recorder, weak_method
from cachelayer.stats.snapshots import total_of
from cachelayer.values.sealing import Keys, Sealing

logger = logging.getLogger("cachelayer.cache")

_LONGEST_TAG: Final = 200
#: What a purge may be by.
PURGED_BY: Final = ("url", "tag", "route", "prefix")


class Cache:
    """A backend with everything that caching functions and responses in it takes.

    Args:
        backend: a `CacheBackend`, or its URL; None makes a memory store of its own.
        namespace: prefix that keeps this cache's keys and tags apart from others' in the same backend.
        default_ttl: lifetime of what names none: seconds, `timedelta`, text like "2h5m"; None for ever.
        clock: returns epoch seconds; None takes the backend's own, or the system's.
        name: how statistics and errors call this cache.
        on_error: what happens where a shared store fails: "open" calls the function or application instead, "raise"
            raises BackendError. None is "open", or what a `ResilientBackend` was told.
        deadline: seconds that one operation of a shared store may take, see `ResilientBackend`.
        secret_keys: keys that sign every entry of a store that holds bytes, as text or bytes of at least 16 bytes: one,
            or several, of which the first signs and all verify. What is not signed by one of them is a miss. None
            signs nothing.
        compress: compress values from 1 KiB in a store that holds bytes, where that saves a tenth.
        shared_stats: write down what was counted, for all workers together, in the store. None: where other processes
            see it.
        stats_dir: a directory of this host, where to write it down instead. Workers with memory of their own tell each
            other there of what they invalidate, too.
        stats_interval: how often that is done.

    Raises:
        ConfigurationError: an option cannot work.
    """

    def __init__(
        self,
        backend: CacheBackend | str | None = None,
        *,
        namespace: str = "",
        default_ttl: Duration = None,
        clock: Clock | None = None,
        name: str = "default",
        on_error: OnError | None = None,
        deadline: Duration = None,
        secret_keys: Keys | None = None,
        compress: bool = True,
        shared_stats: bool | None = None,
        stats_dir: str | os.PathLike[str] | None = None,
        stats_interval: Duration = 5.0,
    ) -> None:
        if not isinstance(namespace, str):
            raise OptionTypeError(f"namespace must be str, not {type(namespace).__name__}")
        self.backend = _make_backend(backend, clock)
        if clock is not None and not callable(clock):
            raise OptionTypeError(f"clock must be a callable that returns epoch seconds, not {clock!r}")
        own: Clock | None = getattr(self.backend, "clock", None)
        if clock is not None and own is not None and own is not clock:
            raise ConfigurationError(
                "clock= is not the backend's own: pass it to the backend, which goes by it too"
            )
        self.clock: Clock = clock or own or system_clock
        self.namespace = namespace
        self.default_ttl = parse_duration(default_ttl, name="default_ttl")
        self.name, self.on_error, self.deadline = name, on_error, deadline
        self.listeners = Listeners()
        self._guard, self._store = _guarded(self.backend, deadline, on_error)
        how = on_error or "open" if self._guard is None else self._guard.on_error
        self.sealing = Sealing(secret_keys, compress=compress)
        self.engine = Engine(self._store, self.clock, self.listeners, on_error=how, sealing=self.sealing)
        self.routes = RouteRegistry()
        self.functions = RouteRegistry()
        #: Every entry carries these: the namespace's own, where clearing the whole store would not do.
        self.own_tags = () if self.engine.storage.local and not namespace else (self.key("all"),)
        #: Labels whose requests and calls go without the cache. Exchanged as a whole, after which all bind anew.
        self.paused: frozenset[str] = frozenset()
        #: By what of their queries URLs differ, where responses have said so.
        self.searches = Searches()
        self._policies: weakref.WeakSet[Policy] = weakref.WeakSet()
        self._on_change: weakref.WeakSet[Any] = weakref.WeakSet()
        table = memory_table(self.backend)
        self._inventory = None if table is None else Inventory(table, self.routes, self.functions)
        #: Writes down what was counted, of all workers: see `cachelayer.stats`.
        self.recorder = make_recorder(
            self,
            self.backend,
            shared_stats=shared_stats,
            stats_dir=stats_dir,
            stats_interval=stats_interval,
            follow=weak_method(self, "_follow"),
        )
        if self.recorder.bulletin is not None:
            storage: Any = self.engine.storage
            storage.announce = self.recorder.announce

    def __repr__(self) -> str:
        return f"<Cache {self.name!r} namespace={self.namespace!r} backend={self.backend!r}>"

    # -- control ----------------------------------------------------------------------------------------------

    def invalidate_tags(self, *tags: str, soft: bool = False) -> int:
        """Kill every entry and every computation under way that carries one of `tags`, in O(1) for each tag.

        Args:
            tags: as they were given to functions, rules and responses.
            soft: entries become stale rather than gone: they are served where `stale_while_revalidate` or
                `stale_if_error` says so, and computed anew otherwise.

        Returns:
            The number of entries, 0 where the store cannot tell. One that has several of the tags counts for each.
        """
        return self._note_tags(tags, run(self._invalidation(tags, soft=soft)), soft=soft)

    async def ainvalidate_tags(self, *tags: str, soft: bool = False) -> int:
        """Async twin of `invalidate_tags`."""
        return self._note_tags(tags, await arun(self._invalidation(tags, soft=soft)), soft=soft)

    def clear(self) -> int:
        """Remove everything in this cache's namespace, and keep what is being computed from being stored.

        Returns:
            The number of entries removed, 0 where the store cannot tell.
        """
        return self._note_clear(run(self._clearing()))

    async def aclear(self) -> int:
        """Async twin of `clear`."""
        return self._note_clear(await arun(self._clearing()))

    def purge(
        self,
        url: str | None = None,
        *,
        tag: str | None = None,
        route: str | None = None,
        prefix: str | None = None,
        soft: bool = False,
        dry_run: bool = False,
    ) -> Purged:
        """Remove responses and results, or make them stale; and keep what is computed from them from being stored.

        Args:
            url: an absolute URL: all that is stored for it, whatever it varies by. Rules of middlewares over this cache
                in this process are heeded, where they leave parts of the query out.
            tag: a group, as it was given to functions, rules and responses.
            route: a label such as "GET /users/{id}", or a function's.
            prefix: what absolute URLs begin with, host and all: "https://example.org/blog/". It takes a store that can
                list its keys, and looks at all of them.
            soft: entries become stale rather than gone: they are served where stale windows say so, confirmed by the
                application where they have a validator, and computed anew otherwise.
            dry_run: purge nothing, only count.

        Raises:
            ConfigurationError: not exactly one of the first four is given, or a URL is not absolute.
            UnsupportedOperationError: the store cannot list its keys.
        """
        purge = Purge(url, tag, route, prefix, soft, dry_run)
        with self.recorder.quietly():
            purged = run(purging(self, purge))
        return self._note_purge(purge, purged)

    async def apurge(
        self,
        url: str | None = None,
        *,
        tag: str | None = None,
        route: str | None = None,
        prefix: str | None = None,
        soft: bool = False,
        dry_run: bool = False,
    ) -> Purged:
        """Async twin of `purge`."""
        purge = Purge(url, tag, route, prefix, soft, dry_run)
        # In memory, which alone has anybody to tell, it runs straight through: nothing else runs meanwhile.
        with self.recorder.quietly():
            purged = await arun(purging(self, purge))
        return self._note_purge(purge, purged)

    # -- pausing ----------------------------------------------------------------------------------------------

    def pause(self, route: str) -> None:
        """Let a route or function go without the cache, in all workers that share statistics, until `resume`.

        Its requests and calls go to the application, and nothing of it is stored; entries stay. Here it is so at once,
        in other workers within their next `stats_interval`.

        Args:
            route: the label that it is counted under.

        Raises:
            BackendError: the store cannot be told.
        """
        self._change_pause(route, paused=True)

    def resume(self, route: str) -> None:
        """Let a paused route or function use the cache again; raises as `pause` does."""
        self._change_pause(route, paused=False)

    def heed_pauses(self, labels: frozenset[str]) -> None:
        """Go without the cache for these labels from now on, and for no others."""
        if labels != self.paused:
            with changing_cache, unbound(self._on_change):
                self.paused = labels

    def _change_pause(self, route: str, *, paused: bool) -> None:
        if not isinstance(route, str):
            raise OptionTypeError(f"route must be str, a label, not {type(route).__name__}")
        try:
            labels = self.recorder.pauses.change(route, paused=paused)
        except ConfigurationError:
            raise
        except Exception as error:  # stores raise what they like
            raise BackendError(f"{route!r} is not {'paused' if paused else 'resumed'}: {error}") from error
        self.heed_pauses(labels)
        self.recorder.audit("pause" if paused else "resume", f"route {route}"[:300])

    # -- from within a view -----------------------------------------------------------------------------------

    def tag(self, *tags: str) -> None:
        """Put the response under way into these groups. Without a middleware over this cache nothing happens.

        Like `ttl` and `no_store` it is called by a view, or by what a view calls, before its response begins.
        """
        for tag in tags:
            if not isinstance(tag, str):
                raise OptionTypeError(f"a tag must be str, not {type(tag).__name__}: {tag!r}")
        for control in controls_of(self):
            control.said, control.tags = True, (*control.tags, *tags)

    def ttl(
        self, ttl: Duration, *, stale_while_revalidate: Duration = None, stale_if_error: Duration = None
    ) -> None:
        """Keep the response under way so long, whatever its own freshness; never where it is private or no-store.

        Args:
            ttl: seconds, `timedelta`, or text like "2h5m"; 0: not at all; None: as its fields or a rule say.
            stale_while_revalidate: how long after that it is served stale while it is refreshed.
            stale_if_error: how long after that it is served stale where the application fails.

        Raises:
            ConfigurationError: a duration is negative or cannot be read.
        """
        seconds = parse_duration(ttl, name="ttl")
        behind = parse_duration(stale_while_revalidate, name="stale_while_revalidate")
        on_error = parse_duration(stale_if_error, name="stale_if_error")
        for control in controls_of(self):
            control.said = True
            control.ttl, control.while_revalidate, control.if_error = seconds, behind, on_error
            control.is_general = False

    def no_store(self) -> None:
        """Keep the response under way out of the cache."""
        for control in controls_of(self):
            control.said = control.no_store = True

    # -- the end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the backend, once it has been told what it missed and what was counted, if it can be reached."""
        self.recorder.close()
        self._store.close()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await asyncio.to_thread(self.recorder.close)
        await self._store.aclose()

    # -- what it tells ----------------------------------------------------------------------------------------

    def stats(self) -> StatsSnapshot:
        """Return what this cache counted: per route, per function, per backend."""
        routes, functions = self.routes.snapshots(), self.functions.snapshots()
        operations, invalidations, _ = self.counted_beside()
        return StatsSnapshot(
            total=total_of((*routes.values(), *functions.values())),
            routes=routes,
            functions=functions,
            backends=self._stats_by_tier(),
            backend_errors=self.engine.storage.errors.value,
            operations=operations,
            invalidations=invalidations,
        )

    def reset_stats(self) -> None:
        """Zero every counter of this process; entries stay, and so does what was written down of them."""
        with self.recorder.resetting():
            self.routes.reset()
            self.functions.reset()
            self.engine.storage.errors.reset()
            self._backend_stats().reset()

    def health(self) -> Health | None:
        """Return how the shared store has been doing; None for one that is this process's own."""
        return None if self._guard is None else self._guard.health()

    def add_listener(self, listener: Listener) -> None:
        """Call `listener` with each `CacheEvent` from now on. Hits of functions then take their longer path."""
        if not callable(listener):
            raise OptionTypeError(f"a listener must be callable, not {type(listener).__name__}")
        self.listeners.add(listener)
        if isinstance(self.backend, InMemoryBackend):
            self.backend.table.on_evicted = self._evicted
        with changing_cache:
            for bound in list(self._on_change):
                bound.rebind()

    # -- for the layers above ---------------------------------------------------------------------------------

    def key(self, key: str) -> str:
        """Return `key` in this cache's namespace. The length makes "a" + ":b" and "a:" + "b" two keys."""
        return f"{len(self.namespace)}:{self.namespace}:{key}" if self.namespace else key

    def tag_names(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tags that an entry of this cache carries: the namespace's own, then `tags`."""
        return (*self.own_tags, *map(self.tag_name, tags))

    def tag_name(self, tag: str) -> str:
        """Return the name under which the store knows a user's tag: a digest of it, where it is long."""
        if len(tag) > _LONGEST_TAG:
            tag = "#" + hashlib.blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return self.key(TAG + tag)

    def url_tag(self, url: str) -> str:
        """Return the store's name of what all entries of a URL carry whose keys say more than the URL."""
        return self.key("url:" + url)

    def route_tag(self, label: str) -> str:
        """Return the store's name of what all responses of a route carry in a shared store."""
        return self.key("route:" + label)

    def function_tag(self, label: str) -> str:
        """Return the store's name of what all results of a function carry."""
        return self.key("function:" + label)

    @property
    def store(self) -> CacheBackend:
        """What the engine asks: the backend, guarded where it is a shared one."""
        return self._store

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those of the middlewares over this cache in this process."""
        return tuple(self._policies)

    def add_policy(self, policy: Policy) -> None:
        """Let purges by URL know of a middleware's rules; held weakly."""
        self._policies.add(policy)

    def tell_changes(self, bound: Any) -> None:
        """Call `bound.rebind()` whenever listeners are added; held weakly."""
        self._on_change.add(bound)

    def counted_beside(self) -> tuple[dict[tuple[str, str], Histogram], dict[str, int], int]:
        """Return what is counted beside lookups, from the beginning: operations, invalidations, errors of the store."""
        storage = self.engine.storage
        operations = {name: Histogram(*sums) for name, sums in storage.timings.read().items()}
        invalidations = {kind: counter.value for kind, counter in self.engine.invalidations.items()}
        return operations, invalidations, storage.errors.total

    def present(self) -> Present:
        """Return how things are now, for reports."""
        errors = self.engine.storage.errors.total
        reports = backend_reports(self.name, self.backend, self._backend_stats, self.health(), errors)
        found = present(
            {"routes": self.routes, "functions": self.functions}, self._inventory, reports, errors
        )
        found.inflight = self.inflight
        return found

    @property
    def inflight(self) -> int:
        """Computations under way in this process."""
        return self.engine.flights.under_way

    def _follow(self, what: str, names: list[str], soft: bool) -> None:
        """Do what another worker announces, who has a memory of its own."""
        storage = self.engine.storage
        if what == PURGE:
            purge = msgspec.json.decode(names[0], type=Purge)
            run(purging(self, purge))
        elif what == TAGS:
            run(storage.invalidate(names, soft=soft))
        elif what == KEYS:
            for key in names:
                run(storage.remove(key))
        else:
            run(storage.clear())

    def _stats_by_tier(self) -> dict[str, CacheStats]:
        stats = {self.name: self._backend_stats()}
        bare = self.backend.inner if isinstance(self.backend, ResilientBackend) else self.backend
        if isinstance(bare, TieredBackend):
            tiers = bare.tiers
            stats |= {f"{self.name}/l1": tiers.l1, f"{self.name}/l2": tiers.l2}
        return stats

    def _backend_stats(self) -> CacheStats:
        """Return what the store counted; all None, which is "unknown", where it cannot be asked now."""
        try:
            return self._store.get_stats()
        except Exception as error:  # noqa: BLE001 - stores raise what they like, and statistics survive it
            self.engine.storage.errors.tick()
            logger.warning("%s gives no statistics: %r", type(self.backend).__name__, error)
            return CacheStats(None, None, None, None, None, None, None, None)

    def _invalidation(self, tags: tuple[str, ...], *, soft: bool) -> Flow[int]:
        for tag in tags:
            if not isinstance(tag, str):
                raise OptionTypeError(f"a tag must be str, not {type(tag).__name__}: {tag!r}")
        return self.engine.invalidate_tags(tuple(map(self.tag_name, tags)), soft=soft)

    def _note_tags(self, tags: tuple[str, ...], count: int, *, soft: bool) -> int:
        self.recorder.note_tags(tags, entries=count)
        what = f"tag {', '.join(tags)}"[:300]
        known = count if self.engine.storage.local else None
        self.recorder.audit("invalidate_tags", what, soft=soft, count=known, exact=known is not None)
        return count

    def _note_clear(self, count: int) -> int:
        self.recorder.audit("clear", count=count or None, exact=bool(count), route="")
        return count

    def _note_purge(self, purge: Purge, purged: Purged) -> Purged:
        if not purge.dry_run:
            self.recorder.announce(PURGE, [msgspec.json.encode(purge).decode()], soft=purge.soft)
            kind, what = next(
                (name, value) for name in PURGED_BY if (value := getattr(purge, name)) is not None
            )
            if kind == "tag":
                self.recorder.note_tags((what,), entries=purged.count or 0)
            self.recorder.audit(
                "purge",
                f"{kind} {what}"[:300],
                soft=purge.soft,
                count=purged.count,
                exact=purged.exact,
                route=what if kind == "route" else None,
            )
        return purged

    def _clearing(self) -> Flow[int]:
        if defer(self._clearing):
            return 0
        count = yield from self.engine.invalidate_tags(self.own_tags, kind="clear")
        if not self.namespace:
            count = yield from self.engine.storage.clear()
        return count

    def _evicted(self, entry: Any) -> None:
        # What was stored as bytes, by `backend.set`, belongs to no route.
        found = label_of(entry) if isinstance(entry, ObjectEntry) else None
        route = "" if found is None else found[1]
        self.listeners.emit(CacheEvent(kind=EventKind.EVICTED, route=route, key=entry.key))


def _make_backend(backend: CacheBackend | str | None, clock: Clock | None) -> CacheBackend:
    if backend is None:
        return InMemoryBackend(clock=clock or system_clock)
    if isinstance(backend, str):
        return backend_from_url(backend)
    if isinstance(backend, CacheBackend):
        return backend
    raise OptionTypeError(
        f"backend must be a CacheBackend, a URL or None, not {type(backend).__name__}: {backend!r}"
    )


def _guarded(
    backend: CacheBackend, deadline: Duration, on_error: OnError | None
) -> tuple[ResilientBackend | None, CacheBackend]:
    """Return the guard of a shared store, which may go away, and what the engine asks."""
    if on_error not in {None, "open", "raise"}:
        raise ConfigurationError(f"on_error={on_error!r}: it is 'open' or 'raise'")
    if not isinstance(backend, ResilientBackend) and not backend.shared:
        return None, backend
    guards: list[ResilientBackend] = []

    def guard(store: CacheBackend) -> CacheBackend:
        guards.append(resilient(store, deadline=deadline, on_error=on_error))
        # The engine has to tell a store that failed from one that has nothing: it fails open by itself.
        return guards[0].view(on_error="raise")

    store = backend.guarded(guard)
    return guards[0], store


@contextmanager
def over_another_store(cache: Cache, backend: CacheBackend) -> Generator[Cache]:
    """Let `cache` be over `backend` until the end of the block, for everybody who holds it or is bound to it.

    Its options stay; its entries, statistics, listeners and clock are others meanwhile.
    """
    names = ("namespace", "default_ttl", "name", "on_error", "deadline")
    other = Cache(backend, **{name: getattr(cache, name) for name in names}, shared_stats=False)
    own = vars(cache).copy()
    _become(cache, vars(other))
    try:
        yield cache
    finally:
        _become(cache, own)


def _become(cache: Cache, state: dict[str, Any]) -> None:
    with changing_cache, unbound(cache._on_change):  # pyright: ignore[reportPrivateUsage] # this module's own
        vars(cache).update(state)
