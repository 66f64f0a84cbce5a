"""Flows that go on behind the caller's back: in a bounded pool of threads, or as a task of the running event loop.

Either has a copy of the caller's context variables.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

import msgspec

from cachelayer.flows import Flow, arun, run

logger = logging.getLogger("cachelayer.flow")

#: Threads that refresh, and refreshes that may wait for one. What comes on top is not begun: its callers go on
#: being served stale values, and ask again.
THREADS: Final = 8
MOST_WAITING: Final = 1000


class Spawn(msgspec.Struct, frozen=True):
    """Begin a flow and do not wait for it; whether it was begun.

    Attributes:
        make: returns the flow; called only where it can be begun.
    """

    make: Callable[[], Flow[Any]]

    def take(self) -> bool:
        """Give it to a thread."""
        return _pool.submit(self.make)

    async def atake(self) -> bool:
        """Make it a task of the running event loop."""
        _keep(asyncio.get_running_loop().create_task(arun(self.make())))
        return True


def join(timeout: float | None = None) -> bool:
    """Wait until the threads have done what they were given; False where `timeout` seconds were not enough."""
    return _pool.join(timeout)


async def ajoin() -> None:
    """Wait until the tasks of this event loop are done."""
    loop = asyncio.get_running_loop()
    while tasks := [task for task in _tasks if task.get_loop() is loop]:
        await asyncio.wait(tasks)


class _Pool:
    """Threads that are started when they are needed, anew in a forked child."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._changed = threading.Condition()
        self._pending = 0

    def submit(self, make: Callable[[], Flow[Any]]) -> bool:
        with self._changed:
            if self._pending >= THREADS + MOST_WAITING:
                return False
            if self._executor is None:
                self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="cachelayer-refresh")
            context = copy_context()
            try:
                done = self._executor.submit(context.run, _run, make)
            except RuntimeError:
                return False  # The interpreter is shutting down.
            self._pending += 1
        done.add_done_callback(self._note_end)
        return True

    def join(self, timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)

    def _note_end(self, done: Future[None]) -> None:
        with self._changed:
            self._pending -= 1
            self._changed.notify_all()
        if (error := done.exception()) is not None:
            logger.error("a refresh in the background failed", exc_info=error)


def _run(make: Callable[[], Flow[Any]]) -> None:
    run(make())


_pool: Final = _Pool()
os.register_at_fork(after_in_child=_pool.renew)

#: The event loop holds its tasks weakly.
_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    _tasks.add(task)
    task.add_done_callback(_drop)


def _drop(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a refresh in the background failed", exc_info=error)
