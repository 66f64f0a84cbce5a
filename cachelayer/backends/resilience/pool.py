"""Threads for calls that may hang: so many and no more, and none that keeps the process from ending."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from cachelayer.errors import BackendError

#: Seconds that a thread without work waits for some.
_IDLE: Final = 10.0

_Job = tuple[Future[Any], Callable[[], Any]]


class HangingPool:
    """Runs calls in threads, and gives up on those that take too long.

    A thread cannot be stopped: one that hangs is lost until its call ends. When all are lost, calls fail at once.
    Unlike those of `concurrent.futures`, the threads are daemons.

    Args:
        size: the number of threads.

    Attributes:
        lost: how many of them hang in a call that was given up on.
    """

    def __init__(self, size: int = 8) -> None:
        self.size = size
        self.renew()

    def renew(self) -> None:
        """Start without threads: those of the parent are not in a forked child."""
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0
        self.lost = 0

    def run(self, call: Callable[..., Any], args: tuple[Any, ...], seconds: float | None) -> Any:
        """Call in a thread; raises TimeoutError after `seconds`, BackendError where all threads are lost."""
        future = self._submit(call, args)
        try:
            return future.result(seconds)
        except TimeoutError as error:
            if future.done():
                raise
            raise TimeoutError(f"no answer within {seconds} s") from error
        finally:
            self._let_go(future)

    async def arun(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Async twin of `run`; cancelling it is giving up."""
        future = self._submit(call, args)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._let_go(future)

    def _submit(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Future[Any]:
        if self.lost >= self.size:
            raise BackendError(f"all {self.size} threads for calls to this store hang")
        future: Future[Any] = Future()
        context = contextvars.copy_context()
        self._jobs.put((future, lambda: context.run(call, *args)))
        with self._lock:
            if not self._idle.acquire(blocking=False) and self._threads < self.size:
                self._threads += 1
                threading.Thread(target=self._work, args=(self._jobs, self._idle), daemon=True).start()
        return future

    def _let_go(self, future: Future[Any]) -> None:
        if future.done() or future.cancel():
            return
        with self._lock:
            self.lost += 1
        future.add_done_callback(self._found)

    def _found(self, future: Future[Any]) -> None:
        with self._lock:
            self.lost -= 1

    def _work(self, jobs: queue.SimpleQueue[_Job], idle: threading.Semaphore) -> None:
        while True:
            try:
                future, call = jobs.get(timeout=_IDLE)
            except queue.Empty:
                if self._retire(idle):
                    return
                continue
            if future.set_running_or_notify_cancel():
                _settle(future, call)
            del future, call
            idle.release()

    def _retire(self, idle: threading.Semaphore) -> bool:
        with self._lock:
            # A job that counts on this thread may be on its way.
            retired = idle.acquire(blocking=False)
            self._threads -= retired
            return retired


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except StopIteration as error:
        # A future, and whoever awaits it, would take it for its own.
        future.set_exception(RuntimeError(repr(error)))
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        future.set_exception(error)
    else:
        future.set_result(result)
