"""The facade: a backend with its engine, tags, listeners and statistics; and the process's default."""

from __future__ import annotations

import hashlib
import logging
import os
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Protocol

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import Health, OnError, ResilientBackend, resilient
from cachelayer.backends.url import backend_from_url
from cachelayer.clock import Clock, system_clock
from cachelayer.context import defer
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.events import CacheEvent, EventKind, Listener, Listeners
from cachelayer.flow.compute import Engine
from cachelayer.flow.lookups import TAG
from cachelayer.flows import Flow, arun, run
from cachelayer.forks import ProcessLock
from cachelayer.stats import RouteRegistry, StatsSnapshot
from cachelayer.stats.snapshots import total_of
from cachelayer.values.sealing import Keys, Sealing

logger = logging.getLogger("cachelayer.cache")

#: The environment variable that names the default cache's backend by URL.
URL_VARIABLE: Final = "CACHELAYER_URL"

_LONGEST_TAG: Final = 200


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
        self._on_change: weakref.WeakSet[Any] = weakref.WeakSet()

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
        return run(self._invalidation(tags, soft=soft))

    async def ainvalidate_tags(self, *tags: str, soft: bool = False) -> int:
        """Async twin of `invalidate_tags`."""
        return await arun(self._invalidation(tags, soft=soft))

    def clear(self) -> int:
        """Remove everything in this cache's namespace, and keep what is being computed from being stored.

        Returns:
            The number of entries removed, 0 where the store cannot tell.
        """
        return run(self._clearing())

    async def aclear(self) -> int:
        """Async twin of `clear`."""
        return await arun(self._clearing())

    def close(self) -> None:
        """Close the backend, once it has been told what it missed, if it can be reached."""
        self._store.close()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await self._store.aclose()

    # -- what it tells ----------------------------------------------------------------------------------------

    def stats(self) -> StatsSnapshot:
        """Return what this cache counted: per route, per function, per backend."""
        routes, functions = self.routes.snapshots(), self.functions.snapshots()
        return StatsSnapshot(
            total=total_of((*routes.values(), *functions.values())),
            routes=routes,
            functions=functions,
            backends={self.name: self._backend_stats()},
            backend_errors=self.engine.storage.errors.value,
        )

    def reset_stats(self) -> None:
        """Zero every counter; entries stay."""
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

    def tell_changes(self, bound: Any) -> None:
        """Call `bound.rebind()` whenever listeners are added; held weakly."""
        self._on_change.add(bound)

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

    def _clearing(self) -> Flow[int]:
        if defer(self._clearing):
            return 0
        count = yield from self.engine.invalidate_tags(self.own_tags)
        if not self.namespace:
            count = yield from self.engine.storage.clear()
        return count

    def _evicted(self, entry: Any) -> None:
        self.listeners.emit(CacheEvent(kind=EventKind.EVICTED, key=entry.key))


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


# -- the process's default ----------------------------------------------------------------------------------------


class User(Protocol):
    """What is bound to a cache at its first use: a function, a middleware."""

    def unbind(self) -> None:
        """Be bound anew at the next use. Called with `changing_cache` held, so it takes no other lock."""


#: Guards what the default cache is, what each cache is made of, and who is bound to it.
changing_cache: Final = ProcessLock()
_lock = changing_cache
_default: Cache | None = None
_used = False
#: Puts a new default cache over another store at once; None but in `default_over_another_store`.
_instead: Callable[[Cache], object] | None = None
#: Those that named no cache and are bound to the default.
_followers: weakref.WeakSet[User] = weakref.WeakSet()
#: Those that a change under way has yet to unbind, for a child that is forked in the middle of it.
_unbinding: list[User] = []


def configure(
    backend_or_url: CacheBackend | str | None = None, *, replace: bool = False, **options: Any
) -> Cache:
    """Make the cache that functions and middlewares use when they name none.

    Args:
        backend_or_url: the store; None takes the environment's `CACHELAYER_URL`, else memory.
        replace: allow it although the default cache has been used: those who use it go over to the new one with
            their next call. What is under way ends in the old one.
        options: as `Cache` takes them.

    Raises:
        ConfigurationError: the default cache is in use, or an option cannot work.
    """
    global _default, _used
    with _lock:
        if _used and not replace:
            raise ConfigurationError(
                "the default cache is in use already: call configure() before anything is cached, or pass replace=True"
            )
        made = Cache(backend_or_url or os.environ.get(URL_VARIABLE), **options)
        if _instead is not None:
            _instead(made)
        with _unbound(_followers):
            _default, _used = made, False
        return made


def default_cache() -> Cache:
    """Return the process's default cache, made at first use from `CACHELAYER_URL`, or in memory."""
    global _default, _used  # noqa: PLW0603 - the process's one default
    with _lock:
        if _default is None:
            _default = Cache(os.environ.get(URL_VARIABLE) or None)
        _used = True
        return _default


def choose_cache(cache: Cache | None, backend: CacheBackend | str | None) -> Callable[[], Cache]:
    """Return what gives the cache for these two options, at first use.

    Raises:
        ConfigurationError: both are given.
        OptionTypeError: either is of the wrong type.
    """
    if cache is not None and backend is not None:
        raise ConfigurationError("cache= and backend= exclude each other: pass Cache(backend) as cache=")
    if cache is not None:
        if not isinstance(cache, Cache):
            raise OptionTypeError(
                f"cache must be a Cache, not {type(cache).__name__}: pass stores as backend="
            )
        return lambda: cache
    if backend is not None:
        made = cache_over(backend)
        return lambda: made
    return default_cache


_over: weakref.WeakValueDictionary[int, Cache] = weakref.WeakValueDictionary()


def cache_over(backend: CacheBackend | str) -> Cache:
    """Return the cache that all who name this very backend share, so that they count together."""
    if isinstance(backend, str):
        return Cache(backend)
    # The cache keeps the backend alive, also while another one stands in for it: nothing else can have its id.
    made = _over.get(id(backend))
    if made is None:
        made = _over[id(backend)] = Cache(backend)
    return made


# -- changes under way --------------------------------------------------------------------------------------------


def follow_default(user: User, choose: Callable[[], Cache]) -> None:
    """Let `user` be unbound when the default cache is exchanged, if that is what it chose; held weakly."""
    if choose is default_cache:
        _followers.add(user)


@contextmanager
def over_another_store(cache: Cache, backend: CacheBackend) -> Generator[Cache]:
    """Let `cache` be over `backend` until the end of the block, for everybody who holds it or is bound to it.

    Its options stay; its entries, statistics, listeners and clock are others meanwhile.
    """
    names = ("namespace", "default_ttl", "name", "on_error", "deadline")
    other = Cache(backend, **{name: getattr(cache, name) for name in names})
    own = vars(cache).copy()
    _become(cache, vars(other))
    try:
        yield cache
    finally:
        _become(cache, own)


@contextmanager
def default_over_another_store(backend: CacheBackend) -> Generator[Cache]:
    """Let the process's default cache be over `backend` until the end of the block, and a later one's too.

    A default that `configure()` makes in the block is over `backend` at once, and over its own store after the
    block. It stays the default if there was none before the block; else the former one is back.
    """
    global _default, _used, _instead  # noqa: PLW0603 - the process's one default
    with ExitStack() as stack:
        with _lock:
            former, was_used, outer = _default, _used, _instead
            if former is None:
                mine = _default = Cache(backend)
            else:
                mine = stack.enter_context(over_another_store(former, backend))
            _instead = lambda made: stack.enter_context(over_another_store(made, backend))  # noqa: E731
            _used = False
        try:
            yield mine
        finally:
            with _lock, _unbound(_followers):
                _instead = outer
                if former is not None or _default is mine:
                    _default, _used = former, was_used


def _become(cache: Cache, state: dict[str, Any]) -> None:
    with _lock, _unbound(cache._on_change):  # pyright: ignore[reportPrivateUsage] # this module's own
        vars(cache).update(state)


@contextmanager
def _unbound(users: Iterable[User]) -> Generator[None]:
    """Unbind `users` after the block, in a child that is forked meanwhile too."""
    _unbinding[:] = users
    yield
    _unbind()


def _unbind() -> None:
    for user in _unbinding:
        user.unbind()
    _unbinding.clear()


os.register_at_fork(after_in_child=_unbind)
