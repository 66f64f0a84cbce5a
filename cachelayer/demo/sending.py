"""Visits become requests over HTTP, and answers with their times."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
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


def send(url: str, visits: Iterable[Visit]) -> Iterator[Answer]:
    """Send one request after another over one connection."""
    with _client(url) as client:
        for visit in visits:
            yield _ask(client, visit)


def send_at_once(url: str, visits: Sequence[Visit]) -> float:
    """Send all requests at the same time, and return the seconds until the last answer has come."""
    with _client(url) as client, ThreadPoolExecutor(len(visits)) as threads:
        start = time.perf_counter()
        list(threads.map(lambda visit: _ask(client, visit), visits))
        return time.perf_counter() - start


def _client(url: str) -> httpx.Client:
    # trust_env: a proxy that the environment names is not for requests to oneself.
    return httpx.Client(base_url=url, timeout=60, trust_env=False)


def _ask(client: httpx.Client, visit: Visit) -> Answer:
    headers = {"authorization": f"Bearer {visit.visitor}"} if visit.visitor else None
    request = client.build_request(visit.method, visit.url, headers=headers, json=visit.body)
    start = time.perf_counter()
    response = client.send(request)
    seconds = time.perf_counter() - start
    return Answer(visit.endpoint, response.status_code, response.content, seconds)
