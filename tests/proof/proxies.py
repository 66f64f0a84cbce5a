"""The reverse proxies of `examples/` under real servers, before an origin."""

import re
from pathlib import Path
from typing import Final

from tests.integrations.running import ROOT, Running
from tests.servers.processes import HOST

EXAMPLES: Final = ROOT / "examples"

#: With httptools it refuses unknown methods.
UVICORN: Final = (
    "--app-dir", str(EXAMPLES), "--port", "{port}", "--no-access-log", "--http", "h11", "--no-proxy-headers",
    "--no-date-header", "--no-server-header",
)  # fmt: skip
#: By itself gunicorn refuses methods in small letters.
GUNICORN: Final = (
    "--chdir", str(EXAMPLES), "--bind", "{bind}", "--threads", "4", "--permit-unconventional-http-method",
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


class Proxy(Running):
    """A server process with a caching reverse proxy; a context manager.

    Args:
        kind: "uvicorn" or "gunicorn".
        origin: the port of the origin.
        served: one of `SERVERS` or `TARGETED`.

    Attributes:
        kind: as above.
        port: where it listens.
    """

    def __init__(self, kind: str, origin: int, served: dict[str, tuple[str, ...]] = SERVERS) -> None:
        super().__init__(*served[kind], ORIGIN=f"http://{HOST}:{origin}")
        self.kind = kind

    @property
    def peak(self) -> int:
        """The most memory that one of its processes has ever had, in bytes."""
        assert self._process is not None
        return max(map(_peak, [self._process.pid, *_children(self._process.pid)]))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found, status
    return int(found[1]) * 1024
