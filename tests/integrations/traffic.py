"""Clients that ask a web server for pages while a test does something to what is behind it."""

import http.client
import itertools
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple, Self

from tests.integrations.running import Running
from tests.servers.processes import wait_until


class Seen(NamedTuple):
    """One response: the seconds that it took, its status, and whether it was a hit."""

    seconds: float
    status: int
    hit: bool


class Traffic:
    """Asks for pages again and again until the block ends.

    Attributes:
        seen: every response.
        failures: every request that got none.
    """

    def __init__(self, server: Running, paths: Iterable[str], threads: int = 4) -> None:
        self._server, self._paths = server, list(paths)
        self.seen: list[Seen] = []
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int, *, hits: bool = False) -> list[Seen]:
        """Wait until so many more requests, or hits, have been answered; return those answers."""
        start = len(self.seen)

        def is_enough() -> bool:
            return sum(one.hit or not hits for one in self.seen[start:]) >= count

        wait_until(is_enough, "traffic goes on", 60)
        return self.seen[start:]

    def _ask(self) -> None:
        for path in itertools.cycle(self._paths):
            if self._ended.is_set():
                return
            began = time.monotonic()
            try:
                response, _ = self._server.ask(path)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            hit = "; hit" in (response.getheader("cache-status") or "")
            self.seen.append(Seen(time.monotonic() - began, response.status, hit))
