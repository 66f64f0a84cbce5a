"""Server processes that tests start on free ports, and stop."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import pytest

HOST: Final = "127.0.0.1"
#: Seconds that a server may take to start, and a condition to come true.
PATIENCE: Final = 20.0

#: The programs that tests asked for and did not find; tests/conftest.py reports them.
missing_programs: set[str] = set()


def need_program(name: str) -> str:
    """Return the program's path. Where it is missing, fail in CI; elsewhere skip, and have the summary say so."""
    path = shutil.which(name)
    if path is None:
        missing_programs.add(name)
        told = f"{name} is not installed: apt-get install {name}"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return path


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Ask until the condition holds: for what a server does by itself and tells nobody of."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience} s in vain: {what}")
        time.sleep(0.01)


class Server:
    """One process of a server program, with a folder and a port of its own; a context manager.

    Attributes:
        port: where it listens, on `HOST`; the same after a restart.
        folder: its own temporary folder.
    """

    program: str

    def __init__(self, *options: str) -> None:
        self.options = options
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"test-{self.program}-"))
        self._process: subprocess.Popen[bytes] | None = None

    # -- what a subclass says ---------------------------------------------------------------------------------

    def command(self) -> list[str]:
        """Return the words after the program's name."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    # -- life -------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> Self:
        """Start it and wait until it answers."""
        words = [need_program(self.program), *self.command(), *self.options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: self._has_ended() or self.is_ready(), f"{self.program} starts")
        except TimeoutError:
            self.stop()
            raise
        if self._has_ended():
            raise RuntimeError(f"{self.program} ended at once:\n{self.log}")
        return self

    def stop(self) -> None:
        """End it, if it runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it and start it again on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: it accepts connections, by the kernel, and answers nothing."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            # Its threads go on for a moment; until the last one has stopped, it may answer.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)  # one that is paused would not end
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
