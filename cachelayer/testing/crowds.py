"""Many callers at once, in threads or in processes."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

T = TypeVar("T")

#: Seconds after which a crowd that has not ended is taken to be in a deadlock.
PATIENCE: Final = 30.0


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Run `work(0)` to `work(count - 1)` in threads that start together; return the results, raise the first error.

    Threads switch every 10 us meanwhile, to bring races out.
    """
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(PATIENCE)
            results[number] = work(number)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError(f"{count} threads did not end within {PATIENCE} s: a deadlock")
    return [results[number] for number in range(count)]


def in_processes(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)` to `work(count - 1)` in forked processes at the same time; return the results (by pickle)."""
    gate_out, gate_in = os.pipe()
    try:
        pipes = [_fork(work, number, gate_out) for number in range(count)]
        os.write(gate_in, b"." * count)  # Each child waits to read one of them.
        return [_result_of(*pipe) for pipe in pipes]
    finally:
        os.close(gate_out)
        os.close(gate_in)


def in_a_child(work: Callable[[], Any]) -> Any:
    """Run `work()` in a forked process and return its result (by pickle)."""
    return in_processes(1, lambda _: work())[0]


def _fork(work: Callable[[int], Any], number: int, gate_out: int) -> tuple[int, int]:
    results_out, results_in = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forking while threads run: how a backend bears just that is what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.read(gate_out, 1)
        _be_the_child(work, number, results_in)
    os.close(results_in)
    return pid, results_out


def _be_the_child(work: Callable[[int], Any], number: int, results_in: int) -> NoReturn:
    try:
        answer = (work(number), "")
    except BaseException:  # noqa: BLE001 - the parent raises it; here it must not reach the test runner
        answer = (None, traceback.format_exc())
    try:
        with os.fdopen(results_in, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)


def _result_of(pid: int, results_out: int) -> Any:
    watchdog = threading.Timer(PATIENCE, os.kill, (pid, 9))
    watchdog.start()
    try:
        with os.fdopen(results_out, "rb") as pipe:
            data = pipe.read()
        os.waitpid(pid, 0)
    finally:
        watchdog.cancel()
        watchdog.join()
    if not data:
        raise TimeoutError(f"a process died or did not end within {PATIENCE} s: a deadlock")
    result, trouble = pickle.loads(data)  # noqa: S301 - from our own child
    if trouble:
        raise AssertionError(f"in a forked process:\n{trouble}")
    return result
