"""Web servers that tests start: each in a process of its own, on a free port."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.servers.processes import HOST, PATIENCE, free_port, wait_until

ROOT = Path(__file__).parents[2]


class Running:
    """A web server; a context manager.

    Args:
        command: the words after `python -m`; "{port}" is the port, and "{bind}" the address with it.
        environment: variables that its application reads.

    Attributes:
        port: where it listens.
    """

    def __init__(self, *command: str, **environment: str) -> None:
        self.port = free_port()
        self._command = [word.format(port=self.port, bind=f"{HOST}:{self.port}") for word in command]
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="test-web-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}"}
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **paths, **self._environment},
            )
        try:
            wait_until(lambda: self._has_ended() or self._answers(), " ".join(self._command))
            assert not self._has_ended(), "the server has ended at once"
        except BaseException as error:
            error.add_note(self.log)
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log_file.read_text(errors="replace")

    @property
    def _log_file(self) -> Path:
        return Path(self._folder.name) / "log"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the response to one request, over a connection of its own, and its body."""
        connection = self.connect()
        try:
            connection.request(
                method, path, headers={name.replace("_", "-"): headers[name] for name in headers}
            )
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to it."""
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _answers(self) -> bool:
        try:
            return self.ask("/ready")[0].status < 500
        except (OSError, http.client.HTTPException):
            return False
