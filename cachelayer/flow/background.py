"""Flows that go on behind the caller's back: in a bounded pool of threads, or as a task of the running event loop.

Either has a copy of the caller's context variables. Each leads a flight, which ends with it, however it ends.
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

from cachelayer.flow.flights import Flight
from cachelayer.flows import Flow, arun, run

logger = logging.getLogger("cachelayer.flow")

#: Threads that refresh, and refreshes that may wait for one. What comes on top is not begun: its callers go on
#: being served stale values, and ask again.
THREADS: Final = 8
MOST_WAITING: Final = 1000

#: Computations that somebody waits for with a time limit: none of them waits for a thread. What comes on top is
#: computed by its caller, without the limit.
MOST_TIMED: Final = 100

#: The same for tasks, which cost less than threads.
MOST_TIMED_TASKS: Final = 10_000


class Spawn(msgspec.Struct, frozen=True):
    """Begin a flow and do not wait for it; whether it was begun.

    Attributes:
        make: returns the flow; called only where it can be begun.
        flight: what it leads.
        drop: called where it has ended without landing the flight: cancelled before it began, for one.
        timed: whether somebody waits for it.
    """

    make: Callable[[], Flow[Any]]
    flight: Flight
    drop: Callable[[Flight], object]
    timed: bool = False

    def take(self) -> bool:
        """Give it to a thread."""
        return (_timed if self.timed else _refreshing).submit(self)

    async def atake(self) -> bool:
        """Make it a task of the running event loop."""
        if len(_tasks) >= (MOST_TIMED_TASKS if self.timed else THREADS + MOST_WAITING):
            sweep()
            return False
        loop = asyncio.get_running_loop()
        task = loop.create_task(arun(self.make()))
        # A loop may be closed with it pending: that is nobody's mistake, since nobody knows of this task.
        task._log_destroy_pending = False  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] # asyncio's own way
        self.flight.loop = loop
        _tasks[task] = self
        task.add_done_callback(_note_end)
        return True

    def end(self) -> None:
        """See to it that nobody waits for what has ended."""
        if self.flight.landing is None:
            self.drop(self.flight)


def join(timeout: float | None = None) -> bool:
    """Wait until the threads have done what they were given; False where `timeout` seconds were not enough."""
    return _timed.join(timeout) and _refreshing.join(timeout)


async def ajoin() -> None:
    """Wait until the tasks of this event loop are done."""
    loop = asyncio.get_running_loop()
    while tasks := [task for task in list(_tasks) if task.get_loop() is loop]:
        await asyncio.wait(tasks)


def sweep() -> None:
    """End the tasks whose event loop was closed: they will not go on."""
    for task in list(_tasks):
        if task.get_loop().is_closed():
            spawned = _tasks.pop(task, None)
            try:
                coroutine: Any = task.get_coro()
                coroutine.close()
            except Exception as error:  # noqa: BLE001 - the origin may raise what it likes where it is told to end
                logger.warning("a refresh in the background did not end with its event loop: %r", error)
            finally:
                if spawned is not None:
                    spawned.end()


class _Pool:
    """Threads that are started when they are needed, anew in a forked child.

    Args:
        threads: the most of them.
        most: returns how many flows may be under way, those that wait for a thread included.
    """

    def __init__(self, threads: int, most: Callable[[], int]) -> None:
        self._threads, self._most = threads, most
        self.renew()

    def renew(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._changed = threading.Condition()
        self._pending = 0

    def submit(self, spawn: Spawn) -> bool:
        with self._changed:
            if self._pending >= self._most():
                return False
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="cachelayer-refresh")
            context = copy_context()
            try:
                done = self._executor.submit(context.run, _run, spawn)
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


def _run(spawn: Spawn) -> None:
    try:
        run(spawn.make())
    finally:
        spawn.end()


_refreshing: Final = _Pool(THREADS, lambda: THREADS + MOST_WAITING)
_timed: Final = _Pool(MOST_TIMED, lambda: MOST_TIMED)

#: The event loop holds its tasks weakly.
_tasks: dict[asyncio.Task[Any], Spawn] = {}


def _note_end(task: asyncio.Task[Any]) -> None:
    spawned = _tasks.pop(task, None)
    if spawned is not None:
        spawned.end()
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a refresh in the background failed", exc_info=error)


def _start_anew() -> None:
    """Forget, in a forked child, what goes on in the parent."""
    _refreshing.renew()
    _timed.renew()
    # Held on to: the end of a task would run what waits for it, which is the parent's to do.
    _of_the_parent.extend(_tasks)
    _tasks.clear()


_of_the_parent: list[asyncio.Task[Any]] = []
os.register_at_fork(after_in_child=_start_anew)
