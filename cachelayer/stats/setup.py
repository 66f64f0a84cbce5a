"""How a cache's statistics are set up: what is shared, and where."""

from __future__ import annotations

import os
import stat
import weakref
from pathlib import Path
from typing import Final

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.clock import Clock, system_clock
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.stats.announcing import Follow
from cachelayer.stats.recorder import Counted, Recorder
from cachelayer.stats.shelf import Shelf

#: Bytes that the history of a process that shares nothing takes at most.
_ROOM: Final = 32 * 1024 * 1024
_FILE: Final = "statistics.db"


def make_recorder(
    cache: Counted,
    backend: CacheBackend,
    *,
    shared_stats: bool | None,
    stats_dir: str | os.PathLike[str] | None,
    stats_interval: Duration,
    follow: Follow,
) -> Recorder:
    """Return a cache's recorder, which the first lookup starts if it shares what it counts.

    Args:
        cache: what is recorded.
        backend: its store.
        shared_stats: whether to share statistics through the store; None where it is shared, and goes by real time.
        stats_dir: a directory of this host to share them in instead.
        stats_interval: seconds between two flushes.
        follow: does what other workers announce.

    Raises:
        ConfigurationError: the options contradict each other, or the directory is not this user's own.
        OptionTypeError: an option has the wrong type.
    """
    interval = parse_duration(stats_interval, name="stats_interval")
    if not interval:
        raise ConfigurationError(f"stats_interval={stats_interval!r}: it must be above 0 seconds")
    if shared_stats is not None and not isinstance(shared_stats, bool):
        raise OptionTypeError(f"shared_stats must be True, False or None, not {shared_stats!r}")
    name, namespace, clock = cache.name, cache.namespace, cache.clock
    own = None if stats_dir is None else _make_store(stats_dir, clock, shared_stats=shared_stats)
    store = own or _shared_store(cache, backend, shared_stats)
    is_shared = store is not None
    recorder = Recorder(
        cache,
        lambda: Shelf(store or InMemoryBackend(_ROOM, clock=clock), name, namespace),
        shared=is_shared,
        interval=interval,
        follow=follow if is_shared and not backend.shared else None,
        close_store=None if own is None else own.close,
    )
    if is_shared:
        recorder.arm()
    return recorder


def weak_method(owner: object, name: str) -> Follow:
    """Return what calls a method of `owner` for as long as that lives, and does not keep it alive."""
    reference = weakref.ref(owner)

    def call(what: str, names: list[str], soft: bool) -> None:
        found = reference()
        if found is not None:
            getattr(found, name)(what, names, soft)

    return call


def _make_store(
    stats_dir: str | os.PathLike[str], clock: Clock, *, shared_stats: bool | None
) -> CacheBackend:
    if shared_stats is False:
        raise ConfigurationError("stats_dir= is where statistics are shared: leave out shared_stats=False")
    return DiskBackend(_directory(stats_dir) / _FILE, clock=clock)


def _shared_store(cache: Counted, backend: CacheBackend, shared_stats: bool | None) -> CacheBackend | None:
    """Return what of the cache's own store statistics are shared through; None where they are not."""
    if shared_stats and not backend.shared:
        raise ConfigurationError(
            f"{backend!r} is this process's own, and statistics cannot be shared through it: name a directory of "
            f"this host as stats_dir="
        )
    if shared_stats is None and cache.clock is not system_clock:
        return None  # A test's clock: its time stands still, and so would the history.
    if shared_stats is False or not backend.shared:
        return None
    # Past what remembers the invalidations that a store has missed: a page that was not written is written again.
    return backend.inner if isinstance(backend, ResilientBackend) else backend


def _directory(given: str | os.PathLike[str]) -> Path:
    """Return the directory, made for this user alone if it is not there."""
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given):
        raise OptionTypeError(f"stats_dir must be the path of a directory, not {given!r}")
    path = Path(os.path.abspath(given))  # noqa: PTH100 - Path.absolute() keeps "..", which reads badly in messages
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise ConfigurationError(f"stats_dir={str(path)!r} cannot be used: {error}") from error
    # Who can write there can make every worker forget its entries.
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise ConfigurationError(
            f"others can write in stats_dir={str(path)!r}: make it this user's own, with mode 0700"
        )
    return path
