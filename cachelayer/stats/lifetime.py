"""The ends and the forks of a process, as far as statistics are concerned.

At the interpreter's exit every recorder says its last word. Where a signal would end the process without that, it is
said by the recorders' threads first, since what the signal has interrupted may hold any lock; a handler that is there
already is called, and decides what happens. Before a fork the recorders' threads end: a child of a process with threads
may find any lock taken for ever, and Python warns of it.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from types import FrameType
from typing import Any, Final, Protocol

#: Seconds in which all recorders together may say their last words.
_PATIENCE: Final = 2.0


class Living(Protocol):
    """A recorder."""

    def ring(self) -> None:
        """Flush soon, and wait for nothing."""
        ...

    def say_goodbye(self, patience: float) -> None:
        """Have the thread say the last word, and wait so long for that."""
        ...

    def close(self) -> None:
        """Say the last word."""
        ...

    def before_fork(self) -> None:
        """End the thread."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Be another worker."""
        ...


_living: weakref.WeakSet[Any] = weakref.WeakSet()
_former: Any = None


def add(recorder: Living) -> None:
    """Let a recorder know of this process's end and its forks; held weakly."""
    _living.add(recorder)


def watch_signals() -> None:
    """Take note of SIGTERM too, where this is the thread that may ask for that, and nobody ignores it."""
    global _former  # noqa: PLW0603 - a process has one handler
    if threading.current_thread() is not threading.main_thread():
        return
    now = signal.getsignal(signal.SIGTERM)
    if now is _on_signal or now is None or now == signal.SIG_IGN:
        return
    try:
        signal.signal(signal.SIGTERM, _on_signal)
    except ValueError:
        return  # Not the main thread of the main interpreter.
    _former = now


def _on_signal(number: int, frame: FrameType | None) -> None:
    recorders: list[Living] = list(_living)
    if callable(_former):
        for recorder in recorders:
            recorder.ring()
        _former(number, frame)
        return
    until = time.monotonic() + _PATIENCE
    for recorder in recorders:
        recorder.say_goodbye(max(0.0, until - time.monotonic()))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _at_exit() -> None:
    until = time.monotonic() + _PATIENCE
    for recorder in list(_living):
        if time.monotonic() > until:
            return
        recorder.close()


def _before_fork() -> None:
    for recorder in list(_living):
        recorder.before_fork()


def _after_fork_in_parent() -> None:
    for recorder in list(_living):
        recorder.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for recorder in list(_living):
        recorder.after_fork_in_child()


atexit.register(_at_exit)
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
