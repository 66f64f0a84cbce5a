"""The reverse proxies of `examples/` under real servers, before an origin."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from tests.servers.processes import PATIENCE, wait_until

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"

#: With httptools it refuses unknown methods.
UVICORN: Final = (
    "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log", "--http", "h11", "--no-proxy-headers",
    "--no-date-header", "--no-server-header",
)  # fmt: skip
#: By itself gunicorn refuses methods in small letters.
GUNICORN: Final = (
    "--chdir", str(EXAMPLES), "--bind", "127.0.0.1:0", "--threads", "4", "--permit-unconventional-http-method",
)  # fmt: skip
#: How to serve the proxies of the examples, and those of `tests/proof/targeted.py`.
SERVERS: Final = {
    "uvicorn": ("uvicorn", "reverse_proxy_asgi:app", *UVICORN),
    "gunicorn": ("gunicorn", "reverse_proxy_wsgi:app", *GUNICORN),
}
TARGETED: Final = {
    "uvicorn": ("uvicorn", "tests.proof.targeted:asgi", *UVICORN),
    "gunicorn": ("gunicorn", "tests.proof.targeted:wsgi", *GUNICORN),
}

#: What the servers say when they listen, with the port that the system gave them.
_LISTENS: Final = re.compile(r"(?:running on|Listening at:) http://127\.0\.0\.1:(\d+)")


class Proxy:
    """A server process with a caching reverse proxy; a context manager.

    Args:
        kind: "uvicorn" or "gunicorn".
        origin: the port of the origin.
        log: a file for what the server says.
        served: one of `SERVERS` or `TARGETED`.

    Attributes:
        kind: as above.
        port: where it listens.
    """

    port = 0

    def __init__(
        self, kind: str, origin: int, log: Path, served: dict[str, tuple[str, ...]] = SERVERS
    ) -> None:
        self.kind, self._origin, self._log, self._command = kind, origin, log, served[kind]

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "ORIGIN": f"http://127.0.0.1:{self._origin}"},
            )
        try:
            wait_until(self._is_ready, f"{self.kind} starts: {self._log.read_text()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    @property
    def peak(self) -> int:
        """The most memory that one of its processes has ever had, in bytes."""
        return max(map(_peak, [self._process.pid, *_children(self._process.pid)]))

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.kind} ended at once:\n{self.log}")
        found = _LISTENS.search(self.log)
        if found is None:
            return False
        self.port = int(found[1])
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found, status
    return int(found[1]) * 1024
