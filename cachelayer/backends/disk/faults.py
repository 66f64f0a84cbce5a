"""What SQLite's errors mean to the store, and how they are told to the caller."""

from __future__ import annotations

import shutil
import sqlite3
from enum import Enum
from pathlib import Path
from typing import Final

from cachelayer.errors import BackendError

#: Bytes that a disk must have left for an I/O error not to be its fault.
_ROOM: Final = 1 << 16


class Fault(Enum):
    """What is to be done about an error."""

    BUSY = "another connection writes: wait, and try again"
    CORRUPT = "the file is no database of ours any more: set it aside, and start anew"
    OTHER = "tell the caller"


_FAULTS: Final = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    # A connection that is to read an old state while the file is recovered: it passes like a lock.
    sqlite3.SQLITE_PROTOCOL: Fault.BUSY,
    sqlite3.SQLITE_CORRUPT: Fault.CORRUPT,
    sqlite3.SQLITE_NOTADB: Fault.CORRUPT,
}

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space; what was stored before stays readable",
    sqlite3.SQLITE_READONLY: "the file cannot be written: give this user write access to it and its directory",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that its directory exists, and who may use it",
    sqlite3.SQLITE_PERM: "access is denied: check who may use the file and its directory",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write: see the system's log",
}


def fault_of(error: sqlite3.Error) -> Fault:
    """Return what is to be done about `error`."""
    # A file that was emptied under its users is a valid database, without our tables.
    if str(error).startswith("no such table"):
        return Fault.CORRUPT
    return _FAULTS.get(_code(error), Fault.OTHER)


def told(error: sqlite3.Error, path: Path, timeout: float) -> BackendError:
    """Return the error that the caller gets for `error`."""
    if fault_of(error) is Fault.BUSY:
        why = f"others kept it busy for {timeout} s: raise timeout=, or write less at once"
    else:
        why = _REMEDIES.get(_blamed(error, path), "SQLite failed")
    return BackendError(f"disk cache {path}: {why} ({error})")


def _blamed(error: sqlite3.Error, path: Path) -> int:
    code = _code(error)
    return sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR and _is_full(path.parent) else code


def _code(error: sqlite3.Error) -> int:
    # An error of the sqlite3 module itself has no code; the upper bytes of the others say more than is needed.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < _ROOM
    except OSError:
        return False
