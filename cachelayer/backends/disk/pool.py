"""Connections to the file: each is lent to one thread at a time, and none outlives a fork.

SQLite must not be carried over a fork: the child would share locks with its parent that the system does not know of,
and either of them might remove the log that the other still writes. So all connections are closed before a fork, and
both sides open their own when they need them.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

from cachelayer.backends.disk import files
from cachelayer.backends.disk.faults import Fault, fault_of, told
from cachelayer.backends.disk.schema import prepare, space_ids
from cachelayer.chance import uniform
from cachelayer.errors import BackendClosedError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("cachelayer.backends.disk")

#: Seconds between two looks at whether the path still names the file that is open.
_LOOK_EVERY: Final = 1.0
#: Seconds that a fork waits for operations of other threads.
_FORK_PATIENCE: Final = 1.0
_FIRST_PAUSE: Final = 0.0001
_LONGEST_PAUSE: Final = 0.01
#: Corrupted files that one call sets aside before it gives up.
_MOST_CORRUPT: Final = 2


class Connection(sqlite3.Connection):
    """A connection that knows which state of the pool it belongs to, and its namespace's spaces.

    Attributes:
        epoch: that of the pool when it was opened: one of an earlier epoch is open on a file that is no more.
        spaces: the ids of the space of entries and of that of book-keeping.
        reader: for single reads: making a cursor takes as long as the rest of what Python does there.
    """

    epoch: int
    spaces: tuple[int, int]
    reader: sqlite3.Cursor


class Pool:
    """Opens connections, lends them, and deals with what goes wrong.

    Args:
        path: of the file.
        namespace: whose spaces the connections are for.
        timeout: seconds that an operation waits for other writers.
    """

    def __init__(self, path: Path, namespace: str, timeout: float) -> None:
        self.path, self.namespace, self.timeout = path, namespace, timeout
        self.closed = False
        self._epoch = 0
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._identity: files.Identity | None = None
        self._look_at = 0.0
        _pools.add(self)

    def run(self, work: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Return what `work(connection, *args)` returns; it is called again where that helps.

        Raises:
            BackendError: SQLite failed.
            BackendClosedError: the pool is closed.
        """
        epoch = self._epoch
        try:
            return self.once(work, *args)
        except sqlite3.Error as error:
            trouble = error
        return self._again(trouble, epoch, work, *args)

    def once(self, work: Callable[[Connection, *Ts], T], *args: *Ts) -> T:
        """Do the same without a second try, and with SQLite's own errors."""
        connection = self._take()
        try:
            return work(connection, *args)
        except BaseException:
            _roll_back(connection)
            raise
        finally:
            # Given back first, looked at afterwards: whoever closes the pool meanwhile finds it there.
            self._idle.append(connection)
            if connection.epoch != self._epoch:
                self._sweep()

    def first(self, query: str, books: bool, name: bytes) -> Any:
        """Return the first row of a query for a space and a name: `run`, as short as can be, for single reads."""
        epoch = self._epoch
        try:
            connection = self._take()
            try:
                return connection.reader.execute(query, (connection.spaces[books], name)).fetchone()
            finally:
                self._idle.append(connection)
                if connection.epoch != self._epoch:
                    self._sweep()
        except sqlite3.Error as error:
            trouble = error
        return self._again(trouble, epoch, _first, query, books, name)

    def close(self) -> None:
        """Close all connections; those that are lent out, when they come back."""
        self.closed = True
        self._renew()

    @property
    def is_open(self) -> bool:
        """Whether there are connections."""
        return bool(self._open)

    # -- trouble ----------------------------------------------------------------------------------------------

    def _again(
        self,
        error: sqlite3.Error,
        epoch: int,
        work: Callable[[Connection, *Ts], T],
        *args: *Ts,
    ) -> T:
        deadline, pause, corrupted = time.monotonic() + self.timeout, _FIRST_PAUSE, 0
        while True:
            fault = fault_of(error)
            if fault is Fault.CORRUPT and corrupted < _MOST_CORRUPT:
                corrupted += 1
                self._set_aside(error, epoch)
            elif fault is Fault.BUSY and time.monotonic() < deadline:
                # Shorter than SQLite's own pauses, which begin at a millisecond: a write takes a twentieth of that.
                time.sleep(pause * uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                raise told(error, self.path, self.timeout) from error
            epoch = self._epoch
            try:
                return self.once(work, *args)
            except sqlite3.Error as next_error:
                error = next_error

    def _set_aside(self, error: sqlite3.Error, epoch: int) -> None:
        with _fork.opening:
            if epoch != self._epoch:
                return  # Another thread has done so already, and this error was that file's.
            try:
                away = files.set_aside(self.path, self._identity)
            except OSError as failed:
                raise told(error, self.path, self.timeout) from failed
            self._renew()
        if away is not None:
            logger.error(
                "%s was corrupted (%s): set aside as %s; the cache starts anew", self.path, error, away
            )

    # -- lending ----------------------------------------------------------------------------------------------

    def _take(self) -> Connection:
        if time.monotonic() >= self._look_at:
            self._look()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect()
            if connection.epoch == self._epoch:
                return connection
            self._drop(connection)

    def _look(self) -> None:
        """Leave a file that was removed, or set aside by another process."""
        self._look_at = time.monotonic() + _LOOK_EVERY
        if self._open and files.identity(self.path) != self._identity:
            self._renew()

    def _connect(self) -> Connection:
        with _fork.opening:
            if self.closed:
                raise BackendClosedError(f"the disk cache {self.path} is closed: make a new one")
            try:
                files.create(self.path)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
            self._identity = files.identity(self.path)
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False, factory=Connection
            )
            try:
                # Text, which only another program would store, as bytes: the checksum then tells it apart.
                connection.text_factory = bytes
                prepare(connection, self.path)
                connection.spaces = space_ids(connection, self.namespace)
                connection.reader = connection.cursor()
            except BaseException:
                connection.close()
                raise
            connection.epoch = self._epoch
            self._open.add(connection)
            return connection

    def _renew(self) -> None:
        """Begin a new epoch: connections of the earlier ones are closed."""
        self._epoch += 1
        self._sweep()

    def _sweep(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()

    # -- forks ------------------------------------------------------------------------------------------------

    def leave(self, deadline: float) -> None:
        """Close all connections, waiting for those that are lent out until `deadline` (monotonic seconds)."""
        self._sweep()
        while self._open and time.monotonic() < deadline:
            time.sleep(_FIRST_PAUSE)
            self._sweep()

    def forget(self) -> None:
        """Be as new in a child. What is still open belongs to the parent: it is kept, never used or closed."""
        for connection in self._open:
            # One reference more than there is, so that not even the interpreter's end closes it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._open, self._idle, self._identity = set(), [], None
        self._epoch += 1


class _Fork:
    """Keeps forks and the opening of connections apart."""

    def __init__(self) -> None:
        self.opening = threading.RLock()
        os.register_at_fork(
            before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child
        )

    def _before(self) -> None:
        self.opening.acquire()
        deadline = time.monotonic() + _FORK_PATIENCE
        for pool in list(_pools):
            pool.leave(deadline)

    def _in_parent(self) -> None:
        self.opening.release()

    def _in_child(self) -> None:
        self.opening = threading.RLock()
        for pool in list(_pools):
            pool.forget()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_fork: Final = _Fork()


def _first(connection: Connection, query: str, books: bool, name: bytes) -> Any:
    return connection.execute(query, (connection.spaces[books], name)).fetchone()


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself, as it does when the disk is full.
