"""Change feeds: how a process hears that something in the shared store has changed.

A feed runs in a daemon thread of its own, whatever the colour of those who use the backend. It starts with the first
read of the store, and anew in a forked child. A fork waits while the thread is at work with the store: a lock that the
thread held, the store's own or one of a library below it, would be held for ever in the child.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final

from cachelayer.backends.tiered.near import Near
from cachelayer.errors import BackendError
from cachelayer.flows import Flow
from cachelayer.forks import ProcessLock

logger = logging.getLogger("cachelayer.backends.tiered")

#: Seconds to wait before a lost link is tried again: grows from the first to the last.
_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
#: Seconds that closing, or a fork, waits for the thread, which may be in a call to a store that hangs.
_PATIENCE: Final = 2.0


class ChangeFeed(ABC):
    """Keeps `near` coherent, from a thread of its own.

    Attributes:
        near: the copies.
        problem: why the store's changes are not followed now, in a sentence that says what to do; "" where they are.
    """

    #: Whether each write is announced, at the cost of another call.
    announces: ClassVar[bool] = False
    #: Seconds after which a change is surely heard of, or no copy is served any more.
    bound: float

    def __init__(self, near: Near) -> None:
        self.near = near
        self.problem = ""
        self._lock = ProcessLock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._held = False
        #: Held by the thread while it is at work with the store.
        self.busy = threading.Lock()
        _forks.add(self)

    # -- what a subclass gives --------------------------------------------------------------------------------

    @abstractmethod
    def follow(self) -> None:
        """Follow the store's changes until `self.is_over`; raise when the link is lost."""

    def announce(self, keys: Iterable[str] | None) -> Flow[None]:
        """Tell other processes that these keys (None: all) have been changed in the store."""
        return
        yield

    def owe(self, keys: Iterable[str] | None) -> None:  # noqa: B027 - a server that tells by itself is owed nothing
        """Have it announced later that these keys (None: all) may have been changed: the write failed half-way."""

    @abstractmethod
    def interrupt(self) -> None:
        """Wake `follow`, which is to look at `self.is_over`."""

    @abstractmethod
    def forsake(self) -> None:
        """Let go, in a forked child, of what the parent's thread works with."""

    # -- life -------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Note that changes are heard of from now on: copies may be taken."""
        self.problem = ""
        self.near.open_up()

    @property
    def is_over(self) -> bool:
        """Whether it was closed."""
        return self._ended.is_set()

    def wake(self) -> None:
        """Note that the store is read: follow its changes from now on, if that was not so."""
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """End the thread; nothing is served from memory any more."""
        with self._lock:
            self._ended.set()
            thread = self._thread
        self.interrupt()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)
        self.near.shut()

    def pause(self, seconds: float) -> None:
        """Wait, unless it is closed."""
        self._ended.wait(seconds)

    def start_anew(self) -> None:
        """Forget the thread, in a forked child, and what it kept coherent."""
        self._thread = None
        self.busy, self._held = threading.Lock(), False
        if not self._ended.is_set():
            self._ended = threading.Event()
        self.forsake()
        self.near.shut()

    def hold(self, patience: float) -> None:
        """Keep the thread, for a fork, from work with the store; give up after so many seconds."""
        self._held = self.busy.acquire(timeout=patience)

    def let_go(self) -> None:
        """Let the thread go on after a fork."""
        if self._held:
            self._held = False
            self.busy.release()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self.is_over:
                thread = threading.Thread(target=self._run, name="cachelayer-near", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        failures = 0
        while not self.is_over:
            try:
                self.follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, changes are not heard of: that is dealt with here
                failures = failures + 1 if self.problem else 0
                self._lost(error)
            finally:
                self.near.shut()
            self.pause(_PAUSES[min(failures, len(_PAUSES) - 1)])

    def _lost(self, error: Exception) -> None:
        if self.is_over:
            return
        told = str(error) if isinstance(error, BackendError) else f"{type(error).__name__}: {error}"
        if not self.problem:
            logger.warning("memory is not used until the shared store's changes can be followed: %s", told)
        self.problem = f"memory is not used, because the shared store's changes cannot be followed: {told}"


class _Forks:
    """Lets feeds and forks wait for each other. One thread forks at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._feeds: weakref.WeakSet[ChangeFeed] = weakref.WeakSet()
        self._held: list[ChangeFeed] = []
        os.register_at_fork(
            before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
        )

    def add(self, feed: ChangeFeed) -> None:
        with self._lock:
            self._feeds.add(feed)

    def _before(self) -> None:
        self._lock.acquire()
        self._held = list(self._feeds)
        deadline = time.monotonic() + _PATIENCE
        for feed in self._held:
            feed.hold(max(0.0, deadline - time.monotonic()))

    def _after_in_parent(self) -> None:
        for feed in self._held:
            feed.let_go()
        self._held = []
        self._lock.release()

    def _after_in_child(self) -> None:
        for feed in self._held:
            feed.start_anew()
        self._held = []
        self._lock.release()


_forks = _Forks()
