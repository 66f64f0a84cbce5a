"""The database's files: where they may be, who may read them, and how a corrupted one is set aside."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cachelayer.errors import ConfigurationError, OptionTypeError

#: Beside the database itself: what was written last, and the index of that.
_COMPANIONS: Final = ("-wal", "-shm")

#: Device and inode: the same path may name another file later.
Identity = tuple[int, int]


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a database file that can be there.

    Raises:
        ConfigurationError: it is a directory, its directory can neither be used nor made, or access is denied.
        OptionTypeError: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise OptionTypeError(f"path must be str or a path of str, not {type(path).__name__}: {path!r}")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ConfigurationError(f"path={path!r}: name a file, such as /var/cache/app/cache.db")
    # Absolute, so that the application may change its working directory.
    file = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute() keeps "..", which reads badly in messages
    if file.is_dir():
        raise ConfigurationError(f"{file} is a directory: name a file in it, such as {file / 'cache.db'}")
    _check_directory(file.parent)
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        raise ConfigurationError(f"{file} cannot be read and written by this user: change its owner or mode")
    return file


def _check_directory(directory: Path) -> None:
    # Only the last directory is made: a longer path that is not there is misspelt, or its disk is not mounted.
    base = directory if directory.exists() else directory.parent
    if not base.is_dir():
        raise ConfigurationError(f"{base} is no directory: create it, or correct the path")
    if not os.access(base, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(f"{base} cannot be written by this user: change its owner or mode")


def create(path: Path) -> None:
    """Make the file, empty, and its directory, for this user only, whatever the umask; leave one that is there."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        # SQLite gives the companions the mode of the database. The file is never opened here once it is there:
        # closing any descriptor of it would end the locks that this process's connections hold.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass


def identity(path: Path) -> Identity | None:
    """Return which file is at `path` now; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def set_aside(path: Path, corrupted: Identity | None) -> Path | None:
    """Rename the corrupted file and its companions; None where another process has done so already."""
    with _alone(path.parent):
        if corrupted is None or identity(path) != corrupted:
            return None
        away = next(name for name in _names(path) if not name.exists())
        # The database last: a new one must never find the companions of the old.
        for suffix in (*_COMPANIONS, ""):
            try:
                os.rename(f"{path}{suffix}", f"{away}{suffix}")  # noqa: PTH104 - these are no Paths
            except FileNotFoundError:
                pass
        return away


def set_aside_before(path: Path) -> list[Path]:
    """Return the corrupted files that were set aside."""
    return list(itertools.takewhile(Path.exists, _names(path)))


def _names(path: Path) -> Generator[Path]:
    return (path.with_name(f"{path.name}.corrupt-{number}") for number in itertools.count(1))


@contextmanager
def _alone(directory: Path) -> Generator[None]:
    """Keep out other processes that do the same in this directory. A lock on itself leaves no file behind."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
