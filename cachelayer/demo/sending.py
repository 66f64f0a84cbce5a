"""Visits become requests over HTTP, and answers with their times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from cachelayer.demo.traffic import Visit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a visit, and how long that took, in seconds, as the client sees it."""

    endpoint: str
    status: int
    body: bytes
    seconds: float


class Client:
    """Sends visits to one application, and keeps the answers.

    Args:
        url: where the application is.
    """

    def __init__(self, url: str) -> None:
        # trust_env: a proxy that the environment names is not for requests to oneself.
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.answers: list[Answer] = []

    def send(self, visit: Visit) -> float:
        """Send a request over the connection of the one before, and return the seconds that it took."""
        self.answers.append(self._ask(visit))
        return self.answers[-1].seconds

    def rush(self, visits: Sequence[Visit]) -> float:
        """Send requests all at the same time, and return the seconds until the last answer has come."""
        with ThreadPoolExecutor(len(visits)) as threads:
            start = time.perf_counter()
            list(threads.map(self._ask, visits))
            return time.perf_counter() - start

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _ask(self, visit: Visit) -> Answer:
        headers = {"authorization": f"Bearer {visit.visitor}"} if visit.visitor else None
        request = self._http.build_request(visit.method, visit.url, headers=headers, json=visit.body)
        start = time.perf_counter()
        response = self._http.send(request)
        seconds = time.perf_counter() - start
        return Answer(visit.endpoint, response.status_code, response.content, seconds)
