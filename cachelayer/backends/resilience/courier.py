"""Who brings a store what it has missed while nobody asks it anything: a process may idle after its invalidation."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cachelayer.backends.resilience.core import Core


class Courier:
    """A thread that lives as long as something is pending, and tries whenever the breaker lets it.

    Args:
        core: whose store; held weakly.
        pause: seconds between two tries at least.
    """

    def __init__(self, core: Core, pause: float) -> None:
        self._core, self._pause = weakref.ref(core), pause
        self.start_anew()

    def start_anew(self) -> None:
        """Go on in a forked child, where the thread is not."""
        self._lock = threading.Lock()
        self._is_under_way = False

    def call(self) -> None:
        """See to it that somebody is under way."""
        if self._is_under_way:
            return
        with self._lock:
            if not self._is_under_way:
                self._is_under_way = True
                self._set_out()

    def _set_out(self) -> None:
        try:
            threading.Thread(target=self._deliver, name="cachelayer-replay", daemon=True).start()
        except RuntimeError:
            self._is_under_way = False  # The process ends, or has no threads left: the next caller delivers.

    def _deliver(self) -> None:
        while self._wait():
            self._try()

    def _try(self) -> None:
        core = self._core()
        if core is not None:
            core.catch_up()

    def _wait(self) -> bool:
        """Sleep until a try makes sense; False where there is nothing to do any more."""
        core = self._core()
        with self._lock:
            if core is None or core.closed or not core.pending.count:
                self._is_under_way = False
                return False
        seconds = max(self._pause, core.breaker.wait)
        del core  # so that a store which nobody uses any more is not kept
        time.sleep(seconds)
        return True
