"""What is wrong with a file, for those who look after it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from cachelayer.backends.disk import files
from cachelayer.backends.disk.pool import Connection, Pool
from cachelayer.backends.disk.rows import totals, write
from cachelayer.errors import BackendError

#: File systems whose locks and shared memory reach no further than one machine, or not even that.
_REMOTE: Final = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"),
    *("fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
}
_MOUNTS: Final = Path("/proc/mounts")
#: Bytes that should be free on the disk at the least.
_LEAST_FREE: Final = 64 * 1024 * 1024


def diagnose(pool: Pool, max_size_bytes: int | None, corrupted: int) -> list[str]:
    """Return what is wrong, a sentence each that says what to do.

    Args:
        pool: connections to the file.
        max_size_bytes: how large the values may become.
        corrupted: how many damaged values this process has met.
    """
    path = pool.path
    try:
        damage, size = pool.run(_examine)
        troubles = _write_trouble(pool)
    except BackendError as error:
        return [str(error), *_surroundings(path)]
    if damage:
        troubles.append(f"{path} fails its integrity check ({damage}): delete it, and the cache starts anew")
    if corrupted:
        troubles.append(f"{corrupted} damaged values were found in {path}: check the disk")
    free, needed = shutil.disk_usage(path.parent).free, max(_LEAST_FREE, (max_size_bytes or 0) - size)
    if free < needed:
        troubles.append(
            f"{path.parent} has {free} bytes left, and the cache may need {needed}: free some, or lower max_size_bytes="
        )
    return troubles + _surroundings(path)


def _examine(connection: Connection) -> tuple[str, int]:
    first = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    text = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
    size = sum(totals(connection, space).size for space in connection.spaces)
    return "" if text == "ok" else text, size


def _write_trouble(pool: Pool) -> list[str]:
    try:
        pool.run(write, _begin)
    except BackendError as error:
        return [str(error)]
    return []


def _begin(connection: Connection) -> None:
    # Something that has to be written, and changes nothing.
    connection.execute("UPDATE spaces SET tick = tick + 1 WHERE id = ?", (connection.spaces[0],))


def _surroundings(path: Path) -> list[str]:
    troubles = [
        f"{found} is a corrupted cache that was set aside: look into it, then delete it"
        for found in files.set_aside_before(path)
    ]
    kind = filesystem_of(path)
    if kind in _REMOTE:
        troubles.append(
            f"{path} is on a network file system ({kind}), where SQLite's locks do not hold: use a local disk"
        )
    if path.exists() and path.stat().st_mode & 0o077:
        troubles.append(f"{path} is open to other users of this machine: chmod 600 {path}")
    return troubles


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the file system that holds `path`; None where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    # The octal escapes in it are for space, tab, newline and backslash.
    places = ((os.fsencode(line.split()[1]).decode("unicode_escape"), line.split()[2]) for line in lines)
    real = os.path.realpath(path)
    holding = [
        (place, kind) for place, kind in places if real == place or real.startswith(place.rstrip("/") + "/")
    ]
    # The last mount of the longest place is on top of the others.
    return max(reversed(holding), key=lambda found: len(found[0]), default=("", None))[1]
