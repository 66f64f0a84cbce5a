"""What one process does for a cache's statistics: collects what was counted, writes it down, and hears from others.

Nothing here is on the way of a lookup. A thread wakes up every few seconds; it is started by the first lookup, ends
before a fork, and is started anew by the first lookup after it, in the parent as in the child.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from cachelayer.clock import Clock
from cachelayer.context import acting
from cachelayer.errors import BackendClosedError
from cachelayer.stats import lifetime
from cachelayer.stats.announcing import Bulletin
from cachelayer.stats.histograms import Histogram
from cachelayer.stats.pages import (
    MINUTES,
    Batch,
    Counts,
    Events,
    Noted,
    Present,
    TagCount,
    WorkerPage,
)
from cachelayer.stats.pausing import Pauses
from cachelayer.stats.registry import RouteRegistry
from cachelayer.stats.report import AuditEntry
from cachelayer.stats.sharing import Sharing
from cachelayer.stats.shelf import Shelf
from cachelayer.stats.snapshots import RouteStats, difference, is_empty

logger = logging.getLogger("cachelayer.stats")

#: Seconds between two flushes, and between two takings-over.
INTERVAL: Final = 5.0
PACE: Final = 60.0
#: Batches that wait for a store that is away; what comes on top goes into the last one.
_MOST_BATCHES: Final = 720
#: Seconds after which a page is written though nothing was counted.
_SIGN_OF_LIFE: Final = 20.0


class Counted(Protocol):
    """What is recorded: a cache."""

    name: str
    namespace: str
    clock: Clock
    routes: RouteRegistry
    functions: RouteRegistry

    def counted_beside(self) -> tuple[Mapping[tuple[str, str], Histogram], Mapping[str, int], int]:
        """Return what else was counted since the beginning: operations, invalidations, errors."""
        ...

    def present(self) -> Present:
        """Return how things are now."""
        ...

    def heed_pauses(self, labels: frozenset[str]) -> None:
        """Go without the cache for these labels from now on, and for no others."""
        ...


class Recorder:
    """Collects what one cache counts in this process.

    Args:
        cache: what is recorded; held weakly, but for its counters.
        make_shelf: returns where it is written; called again in a forked child.
        shared: whether other processes write there too.
        interval: seconds between two flushes.
        follow: does what other workers have announced; None where nothing is announced.
        close_store: closes what is written into, if that is nobody else's.
    """

    def __init__(
        self,
        cache: Counted,
        make_shelf: Callable[[], Shelf],
        *,
        shared: bool,
        interval: float = INTERVAL,
        follow: Callable[[str, list[str], bool], object] | None = None,
        close_store: Callable[[], object] | None = None,
    ) -> None:
        self._cache = weakref.ref(cache)
        self._registries = {"routes": cache.routes, "functions": cache.functions}
        self.clock, self.shared, self.interval = cache.clock, shared, interval
        self._make_shelf, self._follow, self._close_store = make_shelf, follow, close_store
        #: Whether what is counted next was counted just now.
        self._is_recent = shared
        self._begin()
        lifetime.add(self)

    def _begin(self) -> None:
        shelf = self._make_shelf()
        self.sharing = Sharing(shelf, self.clock, interval=self.interval, pace=max(PACE, 2 * self.interval))
        self.id = f"{os.getpid():x}-{secrets.token_hex(6)}"
        self.pid, self.host = os.getpid(), socket.gethostname()
        self.started = self.clock()
        #: Why the store could not be asked the last time; "" where it could.
        self.trouble = ""
        self._is_begun = self.is_closed = self.is_leaving = False
        self._last: dict[tuple[str, str], RouteStats] = {}
        self._last_beside: tuple[Mapping[tuple[str, str], Histogram], Mapping[str, int], int] = ({}, {}, 0)
        self._batches: list[Batch] = []
        self._open: Batch | None = None
        self._number = self._taken = 0
        self._written_at = -math.inf
        self._events, self._noting = Events(), threading.Lock()
        self._flushing = threading.RLock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self.pauses = Pauses(shelf)
        self.bulletin = None if self._follow is None else Bulletin(shelf, self.id, self._follow, self.ring)

    # -- life -------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Be started by the next lookup."""
        for registry in self._registries.values():
            registry.wake_with(self.start)

    def start(self) -> None:
        """Record from now on, in a thread; harmless where that is so already."""
        lifetime.watch_signals()
        with self._noting:
            if self.is_closed or (self._thread is not None and self._thread.is_alive()):
                return
            self._is_begun, self.is_leaving = True, False
            # Of its own, so that one that was ended in the middle of a flush does not go on.
            bell = self._bell = threading.Event()
            thread = threading.Thread(
                target=_keep_flushing,
                args=(weakref.ref(self, lambda _: bell.set()), bell, self.interval),
                name="cachelayer-statistics",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                return  # The interpreter is shutting down: what is left is flushed at its exit.
            self._thread = thread

    def begin(self) -> None:
        """Record from now on, if that has not begun yet: history of what is not shared begins with the first report."""
        if self._thread is None:
            self.start()

    def watch(self) -> None:
        """Keep history from the next lookup on, also of what is not shared: somebody is going to look at it."""
        if not self.shared and not self._is_recent:
            self.flush()  # what was counted until now is in no window
            self.arm()

    def stop(self, patience: float = 1.0) -> None:
        """End the thread; the next lookup starts it again, once `arm` was called."""
        thread, self._thread = self._thread, None
        self._bell.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)

    def say_goodbye(self, patience: float = 1.0) -> None:
        """Have the thread write that this process counts no more, and wait for that so long: for a signal's handler."""
        if self._is_begun:
            self.is_leaving = True
            self.stop(patience)

    def tick(self, bell: threading.Event) -> bool:
        """Do what the thread does each time; whether it goes on."""
        bell.clear()
        if self.is_leaving:
            self.flush(ended=True)
            return False
        if bell is not self._bell or self.is_closed or self._thread is None:
            return False
        self.flush()
        return not self.is_closed

    def ring(self) -> None:
        """Have the thread flush now; waits for nothing."""
        self._bell.set()

    def close(self) -> None:
        """Say the last word and record no more. A store of the statistics' own is closed; the cache's is not."""
        if self._is_begun and not self.is_closed:
            self.flush(ended=True)
        self.is_closed = True
        self.stop()
        if self._close_store is not None:
            self._close_store()

    # -- flushing ---------------------------------------------------------------------------------------------

    def flush(self, *, ended: bool = False, patience: float = -1) -> bool:
        """Write down what was counted since the last time; whether the store took it.

        Nothing is raised, and nothing lost: what could not be written is written the next time.

        Args:
            ended: whether this process counts no more.
            patience: seconds to wait for a flush that is under way; -1 is as long as it takes.
        """
        if not self._flushing.acquire(timeout=patience):
            return False
        try:
            self._is_begun = True
            self._collect()
            talked = self.bulletin is not None and self.bulletin.talk()
            self._heed_pauses()
            self._share(ended=ended, talked=talked)
        except BackendClosedError:
            self.is_closed = True
            return False
        except Exception as error:  # noqa: BLE001 - stores raise what they like, and statistics harm nobody
            self._note_trouble(repr(error))
            return False
        else:
            self._note_trouble("")
            return True
        finally:
            self._flushing.release()

    def _heed_pauses(self) -> None:
        """Pause and resume what other workers have."""
        cache = self._cache()
        if self.shared and cache is not None:
            cache.heed_pauses(self.pauses.read())

    def _note_trouble(self, trouble: str) -> None:
        if trouble and not self.trouble:
            logger.warning("statistics are not shared until the store is back: %s", trouble)
        elif self.trouble and not trouble:
            logger.warning("statistics are shared again")
        self.trouble = trouble

    def _collect(self) -> None:
        """Put what was counted since the last time into the open batch."""
        counts = Counts(routes=self._counted("routes"), functions=self._counted("functions"))
        self._count_beside(counts)
        with self._noting:
            events, self._events = self._events, Events()
        # The first time it may not be known when that was: it is in the total, and in no window.
        minute = MINUTES.step_of(self.clock()) if self._is_recent else 0
        self._is_recent = True
        if counts.is_empty and events.is_empty:
            return
        batch = self._open
        if batch is None or (batch.minute < minute and len(self._batches) < _MOST_BATCHES):
            if batch is not None:
                self._batches.append(batch)
            self._number += 1
            self._open = Batch(self._number, minute, counts, events)
        else:
            batch.counts.add(counts)
            batch.events.add(events)

    def _counted(self, kind: str) -> dict[str, RouteStats]:
        found: dict[str, RouteStats] = {}
        for label, now in self._registries[kind].snapshots().items():
            more = difference(now, self._last.get((kind, label)))
            if not is_empty(more):
                self._last[kind, label], found[label] = now, more
        return found

    def _count_beside(self, counts: Counts) -> None:
        cache = self._cache()
        if cache is None:
            return
        operations, invalidations, errors = now = cache.counted_beside()
        before = self._last_beside
        for name, histogram in operations.items():
            more = _since(histogram, before[0].get(name))
            if more.buckets:
                counts.operations[":".join(name)] = more
        for kind, count in invalidations.items():
            if count > before[1].get(kind, 0):
                counts.invalidations[kind] = count - before[1].get(kind, 0)
        counts.errors = max(0, errors - before[2])
        self._last_beside = now

    def rebase(self) -> None:
        """Take the counters as they are for the beginning: they were reset, or are another process's too."""
        with self._flushing:
            for kind, registry in self._registries.items():
                for label, now in registry.snapshots().items():
                    self._last[kind, label] = now
            cache = self._cache()
            if cache is not None:
                self._last_beside = cache.counted_beside()

    @contextmanager
    def resetting(self) -> Generator[None]:
        """Collect what was counted before the block, which resets the counters."""
        with self._flushing:
            if self._is_begun:
                self._collect()
            try:
                yield
            finally:
                self.rebase()

    def _share(self, *, ended: bool, talked: bool) -> None:
        if not (self._open is not None or talked or ended or self._is_late()):
            return
        self._written_at = -math.inf  # until it is done
        head = self.sharing.enter(self.id, self._taken)
        self._forget(head.workers.get(self.id, 0))
        if self._open is not None and len(self._batches) < _MOST_BATCHES:
            # From now on nobody knows whether it was written: it does not change any more.
            self._open.events.number(0 if self.bulletin is None else self.bulletin.last_sent)
            self._batches.append(self._open)
            self._open = None
        self.sharing.write(self._page(self._batches, ended=ended))
        self._written_at = time.monotonic()
        if ended or self.sharing.is_due(head):
            self.sharing.take_over()

    def _is_late(self) -> bool:
        return time.monotonic() - self._written_at > max(_SIGN_OF_LIFE, 4 * self.interval)

    def _forget(self, taken: int) -> None:
        """Forget the batches that were taken over."""
        self._taken = max(self._taken, taken)
        self._batches = [batch for batch in self._batches if batch.number > self._taken]

    def page(self) -> WorkerPage:
        """Return this worker's page as it is now."""
        return self._page([*self._batches, *(() if self._open is None else (self._open,))], ended=False)

    def _page(self, batches: list[Batch], *, ended: bool) -> WorkerPage:
        cache = self._cache()
        return WorkerPage(
            id=self.id,
            host=self.host,
            pid=self.pid,
            started=self.started,
            seen=self.clock(),
            batches=batches,
            present=Present() if cache is None else cache.present(),
            heard=0 if self.bulletin is None else self.bulletin.heard,
            ended=ended,
        )

    def announce(self, what: str, names: list[str], soft: bool = False) -> None:
        """Let the other workers do the same, where each has a memory of its own; see `announcing`."""
        if self.bulletin is not None:
            self.bulletin.announce(what, names, soft=soft)

    @contextmanager
    def quietly(self) -> Generator[None]:
        """Announce nothing of what this thread does in the block."""
        if self.bulletin is None:
            yield
        else:
            with self.bulletin.quietly():
                yield

    # -- what happens beside lookups --------------------------------------------------------------------------

    def audit(
        self,
        action: str,
        what: str = "",
        *,
        soft: bool = False,
        count: int | None = None,
        exact: bool = True,
        by: str = "",
        route: str | None = None,
    ) -> None:
        """Log a purge, an invalidation, a pause: it is in every worker's reports.

        Args:
            action: "purge", "invalidate_tags", "clear", "pause" or "resume".
            what: of what, such as "route GET /"; "" for all.
            soft: whether entries became stale and were not removed.
            count: how many entries; None where unknown.
            exact: whether that is exact.
            by: who; "" takes whom `cachelayer.context.acting` names.
            route: the label that was purged; "" where it was the whole cache; None where it was neither.
        """
        now = self.clock()
        entry = AuditEntry(
            at=now,
            action=action,
            what=what,
            soft=soft,
            count=count,
            exact=exact,
            by=by or acting.get(),
            worker=self.id,
        )
        with self._noting:
            self._events.add(Events(audit=[Noted(entry)]))
            if route is not None:
                self._events.purged[route] = now

    def note_tags(self, tags: tuple[str, ...], *, entries: int) -> None:
        """Take note of tags that were invalidated, and of how many entries that killed, as far as it is known."""
        now = self.clock()
        share = entries // len(tags) if tags else 0
        with self._noting:
            self._events.add(Events(tags={tag: TagCount(1, now, share) for tag in tags}))

    # -- forks ------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """End the thread, so that the child is not made of a process with threads."""
        if self._thread is not None:
            self.stop(patience=0.1)

    def after_fork_in_parent(self) -> None:
        """Go on with the next lookup."""
        if self._is_begun and not self.is_closed:
            self.arm()

    def after_fork_in_child(self) -> None:
        """Be another worker: what was counted until now is the parent's."""
        is_begun, is_closed = self._is_begun, self.is_closed
        self._begin()
        self._is_begun, self.is_closed, self._is_recent = is_begun, is_closed, True
        self.rebase()
        if is_begun and not is_closed:
            self.arm()


def _since(now: Histogram, before: Histogram | None) -> Histogram:
    if before is None or now.sum < before.sum:
        return now
    had = before.buckets
    more = {place: count - had.get(place, 0) for place, count in now.buckets.items()}
    return Histogram({place: count for place, count in more.items() if count > 0}, now.sum - before.sum)


def _keep_flushing(reference: weakref.ref[Recorder], bell: threading.Event, interval: float) -> None:
    """Flush every `interval` seconds, and when the bell rings, for as long as there is a recorder."""
    while True:
        bell.wait(interval)
        recorder = reference()
        if recorder is None or not recorder.tick(bell):
            return
        del recorder
