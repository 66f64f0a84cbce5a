"""The disk store's files: where they may be, who may read them, and what happens when they are full, busy or broken."""

# ruff: noqa: D103 - fixtures are named for what they give

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.disk.diagnosis import filesystem_of
from cachelayer.backends.url import backend_from_url
from cachelayer.errors import BackendError, ConfigurationError, OptionTypeError
from cachelayer.testing import FakeClock
from cachelayer.testing.crowds import in_a_child, in_processes, in_threads


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "directory" / "cache.db"


@pytest.fixture
def backend(path: Path) -> Iterator[DiskBackend]:
    with DiskBackend(path) as backend:
        yield backend


def outside(path: Path, *statements: str) -> None:
    """Run statements in a process of its own: files opened and closed in this one would lose its locks."""
    script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nfor s in sys.argv[2:]: c.execute(s)\nc.commit()"
    subprocess.run([sys.executable, "-c", script, str(path), *statements], check=True, timeout=30)


def overwrite(path: Path, start: int, data: bytes) -> None:
    """Write over part of a file, in a process of its own, as a broken disk might."""
    script = (
        "import sys\nf = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); f.write(sys.stdin.buffer.read())"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(start)], input=data, check=True, timeout=30)


# -- permissions -------------------------------------------------------------------------------------------------


def test_files_are_for_their_owner_alone(path: Path):
    """Under umask 000 the directory is 0700, and the database, its log and the log's index are 0600 (28)."""

    def work() -> dict[str, str]:
        os.umask(0)
        with DiskBackend(path) as backend:
            backend.set("key", b"value")
            return {file.name: _mode(file) for file in (path.parent, *path.parent.iterdir())}

    private = dict.fromkeys(("cache.db", "cache.db-wal", "cache.db-shm"), "0o600")
    assert in_a_child(work) == {"directory": "0o700"} | private


def _mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def as_nobody(directory: Path, work: Callable[[], Any]) -> Any:
    """Run work in a child that has no special rights, and to whom the directory belongs."""

    def child() -> Any:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        return work()

    if os.getuid() == 0:
        for file in (directory, *directory.rglob("*")):
            os.chown(file, 65534, 65534)
    return in_a_child(child)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach."""
    directory = Path(tempfile.mkdtemp())
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


@pytest.mark.parametrize("readonly", ["file", "directory"])
def test_what_cannot_be_written_is_refused_at_once(open_directory: Path, readonly: str):
    """A file or directory without write permission is an error that names it, and nothing is changed (28)."""
    file = open_directory / "cache.db"
    with DiskBackend(file) as backend:
        backend.set("key", b"value")
    if readonly == "file":
        file.chmod(0o400)
    else:
        open_directory.chmod(0o500)

    def work() -> str:
        with pytest.raises(ConfigurationError) as caught:
            DiskBackend(file)
        return str(caught.value)

    named = file if readonly == "file" else open_directory
    assert as_nobody(open_directory, work).startswith(f"{named} cannot be ")


def test_a_cache_that_becomes_read_only_is_still_read(open_directory: Path):
    """Where permission to write goes away, writes fail with a clear error and reads go on; diagnose() tells (28)."""
    file = open_directory / "cache.db"
    with DiskBackend(file) as backend:
        backend.set("key", b"value")

    def work() -> tuple[bytes | None, str, list[str]]:
        with DiskBackend(file) as own:
            own.get("key")
            connection = own._pool._idle[0]
            connection.execute("PRAGMA query_only = ON")
            with pytest.raises(BackendError) as caught:
                own.set("key", b"new")
            return own.get("key"), str(caught.value), own.diagnose()

    value, message, troubles = as_nobody(open_directory, work)
    assert value == b"value"
    assert f"disk cache {file}: the file cannot be written" in message
    assert any("the file cannot be written" in trouble for trouble in troubles)


def test_paths_that_cannot_be_are_refused(tmp_path: Path):
    """Each error names the path, and what to do instead (28)."""
    file = tmp_path / "file"
    file.write_text("")
    cases: list[tuple[Any, type[Exception], str]] = [
        (tmp_path, ConfigurationError, "is a directory: name a file in it, such as .*cache.db"),
        (tmp_path / "a" / "b" / "cache.db", ConfigurationError, "/a is no directory: create it"),
        (file / "cache.db", ConfigurationError, "file is no directory: create it"),
        ("", ConfigurationError, "path='': name a file"),
        ("a\0b", ConfigurationError, "name a file"),
        (None, OptionTypeError, "path must be str or a path of str, not NoneType"),
        (b"cache.db", OptionTypeError, "path must be str or a path of str, not bytes"),
    ]
    for path, error, words in cases:
        with pytest.raises(error, match=words):
            DiskBackend(path)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative path counts from where the backend was made (24)."""
    monkeypatch.chdir(tmp_path)
    with DiskBackend("cache.db") as backend:
        backend.set("key", b"value")
        monkeypatch.chdir("/")
        assert in_threads(4, lambda _: backend.get("key")) == [b"value"] * 4
    assert (tmp_path / "cache.db").exists()


# -- other versions and programs ---------------------------------------------------------------------------------


def test_a_newer_format_is_left_as_it_is(path: Path):
    """A file of a later version is refused with what to do, and no byte of it changes (28)."""
    with DiskBackend(path) as backend:
        backend.set("key", b"value")
    outside(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"newer cachelayer .format 99, this one knows 1.: upgrade"):
        DiskBackend(path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["cache.db"]


def test_another_programs_database_is_left_as_it_is(path: Path):
    """A database that is not ours is neither written nor set aside (28)."""
    path.parent.mkdir()
    outside(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program's database: name another file"):
        DiskBackend(path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["cache.db"]


# -- corruption --------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_set_aside(path: Path, caplog: Any):
    """What was there is kept under another name, it is logged once, and the cache starts anew (28)."""
    path.parent.mkdir()
    path.write_bytes(b"no database at all " * 1000)
    with caplog.at_level(logging.ERROR), DiskBackend(path) as backend:
        assert backend.set("key", b"value") is True
        assert backend.get("key") == b"value"
        aside = path.parent / "cache.db.corrupt-1"
        assert aside.read_bytes() == b"no database at all " * 1000
        assert f"set aside as {aside}" in caplog.text
        assert len(caplog.records) == 1
        assert backend.diagnose() == [
            f"{aside} is a corrupted cache that was set aside: look into it, then delete it"
        ]


def test_files_that_were_set_aside_before_are_kept(path: Path):
    """A second corrupted file gets the next number (28)."""
    path.parent.mkdir()
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        DiskBackend(path).close()
    assert (path.parent / "cache.db.corrupt-1").read_bytes() == b"first" * 1000
    assert (path.parent / "cache.db.corrupt-2").read_bytes() == b"second" * 1000


def test_corruption_under_way_is_survived_by_every_thread(path: Path, caplog: Any):
    """Pages that break while the cache is in use: no call fails, one file is set aside, and all goes on (28)."""
    with DiskBackend(path) as filled:
        filled.set_many({f"key {number}": b"x" * 500 for number in range(2000)})
    overwrite(path, 4096, b"\xa5" * (path.stat().st_size - 4096))
    with caplog.at_level(logging.ERROR), DiskBackend(path) as backend:

        def work(number: int) -> bytes | None:
            backend.get(f"key {number}")
            backend.set(f"new {number}", b"value")
            return backend.get(f"new {number}")

        in_threads(8, work)
        assert in_threads(8, work) == [b"value"] * 8
    assert sorted(found.name for found in path.parent.iterdir()) == ["cache.db", "cache.db.corrupt-1"]
    assert len(caplog.records) == 1


def test_a_file_that_is_cut_short_is_survived(path: Path):
    """A file of which only half is left is set aside when that is found out, and the cache starts anew (28)."""
    with DiskBackend(path) as filled:
        filled.set_many({f"key {number}": b"x" * 500 for number in range(2000)})
    os.truncate(path, path.stat().st_size // 8192 * 4096)
    with DiskBackend(path) as backend:
        for number in range(2000):
            backend.get(f"key {number}")
        assert backend.set("key", b"value") is True
        assert backend.get("key") == b"value"


def test_two_processes_set_a_file_aside_once(path: Path):
    """Of several processes that find the file broken one sets it aside, and all of them share the new one (28)."""
    path.parent.mkdir()
    path.write_bytes(b"no database at all " * 1000)

    def work(number: int) -> None:
        with DiskBackend(path) as own:
            own.set(f"key {number}", b"value")

    in_processes(4, work)
    with DiskBackend(path) as backend:
        assert sorted(backend.keys()) == [f"key {number}" for number in range(4)]
    assert sorted(found.name for found in path.parent.iterdir()) == ["cache.db", "cache.db.corrupt-1"]


def test_a_file_that_somebody_removes_is_made_anew(backend: DiskBackend, path: Path):
    """Processes that go on after the directory was removed meet in a new file soon (28)."""
    backend.set("key", b"value")
    shutil.rmtree(path.parent)
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        backend.set("again", b"value")
    with DiskBackend(path) as other:
        assert other.get("key") is None
        assert backend.set("new", b"value") is True
        assert other.get("new") == b"value"


# -- busy and full -----------------------------------------------------------------------------------------------


def test_a_busy_file_is_waited_for_and_then_an_error(path: Path):
    """A write waits for another program's transaction up to `timeout`, and says so; reads do not wait (28)."""
    with DiskBackend(path, timeout=0.2) as backend:
        backend.set("key", b"value")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(BackendError, match=r"kept it busy for 0\.2 s: raise timeout="):
            backend.set("key", b"new")
        assert 0.2 <= time.monotonic() - started < 10
        assert backend.get("key") == b"value"
        assert backend.get_stats().current_entries == 1
        assert "kept it busy" in backend.diagnose()[0]
        other.execute("ROLLBACK")
        other.close()
        assert backend.set("key", b"new") is True


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of so many bytes, where the user may mount one."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root; see the test with a limit on pages")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def _fill(backend: DiskBackend) -> tuple[dict[str, bytes], str]:
    """Write until that fails; return what was stored, and the error."""
    stored: dict[str, bytes] = {}
    while len(stored) < 10_000:
        key, value = f"key {len(stored)}", b"%d" % len(stored) * 1000
        try:
            backend.set(key, value)
        except BackendError as error:
            return stored, str(error)
        stored[key] = value
    raise AssertionError("the disk is larger than expected")


def test_a_full_disk_is_a_clear_error(tmp_path: Path):
    """On a disk that is really full writes say so, and every completed one stays readable, then and later (28)."""
    with small_disk(tmp_path / "disk", "4M") as disk:
        (disk / "other").write_bytes(b"x" * (1024 * 1024))
        with DiskBackend(disk / "cache.db") as backend:
            stored, message = _fill(backend)
            assert f"disk cache {disk / 'cache.db'}: the disk is full: free some space" in message
            assert len(stored) > 100
            assert backend.get_many(stored) == stored
            assert backend.diagnose()[0].startswith(f"{disk} has 0 bytes left")
        with DiskBackend(disk / "cache.db") as backend:
            assert backend.get_many(stored) == stored
            (disk / "other").unlink()
            assert backend.set("key", b"value") is True
            assert backend.clear() == len(stored) + 1


def test_an_application_starts_on_a_full_disk(tmp_path: Path, caplog: Any):
    """A disk that is full at the start is said once, and the cache works as soon as there is room (28)."""
    with small_disk(tmp_path / "disk", "1M") as disk:
        (disk / "other").write_bytes(b"x" * (1024 * 1024))
        with DiskBackend(disk / "cache.db") as backend:
            assert "the disk is full" in caplog.text
            with pytest.raises(BackendError, match="the disk is full"):
                backend.set("key", b"value")
            (disk / "other").unlink()
            assert backend.set("key", b"value") is True


def test_a_limit_on_pages_is_a_clear_error(backend: DiskBackend):
    """A database that may not grow says that the disk is full, and keeps what it has (28)."""
    connection = backend._pool._idle[0]
    connection.execute("PRAGMA max_page_count = 400").fetchall()
    stored, message = _fill(backend)
    assert "the disk is full: free some space; what was stored before stays readable" in message
    assert len(stored) > 100
    assert backend.get_many(stored) == stored
    connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert backend.set("key", b"value") is True


# -- what free pages come to -------------------------------------------------------------------------------------


def test_clear_gives_the_space_back(path: Path):
    """After clear() the file is small again (17)."""
    with DiskBackend(path) as backend:
        backend.set_many({f"key {number}": b"x" * 10_000 for number in range(500)})
        backend.clear()
    assert path.stat().st_size < 200_000


# -- diagnosis ---------------------------------------------------------------------------------------------------


def test_a_healthy_cache_has_nothing_to_tell(tmp_path: Path):
    """diagnose() is empty where all is well (28)."""
    with DiskBackend(tmp_path / "cache.db", max_size_bytes=1_000_000, clock=FakeClock()) as backend:
        backend.set("key", b"value")
        assert backend.diagnose() == []


def test_diagnosis_tells_of_other_users_and_of_little_room(
    backend: DiskBackend, path: Path, monkeypatch: Any
):
    """A file that others can read, and a disk with less room than the cache may need, are told (28)."""
    path.chmod(0o644)
    usage = shutil.disk_usage(path.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    room, others = backend.diagnose()
    assert room.startswith(f"{path.parent} has 1000 bytes left, and the cache may need {1024**3}")
    assert others == f"{path} is open to other users of this machine: chmod 600 {path}"


def test_diagnosis_checks_the_files_integrity(path: Path):
    """An index that does not fit its table is found although no read stumbles over it (28)."""
    with DiskBackend(path) as backend:
        backend.set_many({str(number): b"value" for number in range(10)})
    other = "UPDATE sqlite_master SET sql = 'CREATE INDEX entries_by_use ON entries (space, size)'"
    outside(path, "PRAGMA writable_schema = ON", f"{other} WHERE name = 'entries_by_use'")
    with DiskBackend(path) as backend:
        assert any("fails its integrity check" in trouble for trouble in backend.diagnose())


def test_a_network_file_system_is_told(backend: DiskBackend, tmp_path: Path, monkeypatch: Any):
    """The longest mounted place that holds the file counts, the last one where there are two (28)."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/export /mnt/with\\040space nfs4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n"
        "x /twice ext4 rw 0 0\ny /twice cifs rw 0 0\n"
    )
    assert filesystem_of(Path("/mnt/with space/cache.db"), mounts) == "nfs4"
    assert filesystem_of(Path("/mnt/with/cache.db"), mounts) == "tmpfs"
    assert filesystem_of(Path("/twice/cache.db"), mounts) == "cifs"
    assert filesystem_of(Path("/mntx/cache.db"), mounts) == "ext4"
    assert filesystem_of(Path("/mnt/cache.db"), tmp_path / "missing") is None
    monkeypatch.setattr("cachelayer.backends.disk.diagnosis.filesystem_of", lambda _: "nfs4")
    assert "on a network file system (nfs4)" in backend.diagnose()[-1]


# -- URLs --------------------------------------------------------------------------------------------------------


def test_a_url_names_the_file_and_the_options(tmp_path: Path):
    """disk:///path with options is the backend of that file (26)."""
    url = f"disk://{tmp_path}/with%20space.db?max_size_bytes=5000&max_entries=7&namespace=n&timeout=1.5"
    with backend_from_url(url) as backend:
        assert isinstance(backend, DiskBackend)
        assert backend.path == tmp_path / "with space.db"
        assert (backend.max_size_bytes, backend.max_entries, backend.namespace) == (5000, 7, "n")
        assert backend.timeout == 1.5
        assert repr(backend) == f"<DiskBackend '{tmp_path}/with space.db' namespace='n'>"
    with backend_from_url(f"disk://{tmp_path}/other.db") as backend:
        assert backend.get_stats().max_size_bytes == 1024**3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("disk://relative", "takes no host, and 'relative' stands .* after three slashes: disk:///var/cache"),
        ("disk://relative/cache.db", "takes no host, and 'relative'"),
        ("disk://user:secret@host/cache.db", "takes no host, and 'host'"),
        ("disk:///", "names no file: the path is absolute, after three slashes"),
        ("disk://", "names no file"),
        ("disk:", "names no file"),
        ("disk:cache.db", "disk:cache.db names no file"),
        ("disk:///tmp/a#b", "written as %23"),
        ("disk:///tmp/cache.db?size=5", "unknown option 'size' in disk:// URL"),
        ("disk:///tmp/cache.db?timeout=soon", "timeout='soon' in disk:// URL is not a number"),
        ("disk:///tmp", "/tmp is a directory: name a file in it"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, words: str):
    """The error shows the right form, and no password (26)."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        backend_from_url(url)
    assert "secret" not in str(caught.value)
