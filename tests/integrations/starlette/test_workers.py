"""Several workers on one Redis: a key that nobody has is computed once among them all [integrations 8]."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integrations.running import Running
from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer

CROWD = 40


@pytest.fixture(scope="module")
def stores():
    """A Redis for the cache, and one to count in."""
    with RedisServer() as cache, RedisServer() as counts:
        yield cache, counts


@pytest.fixture(scope="module")
def server(stores):
    """Four workers of uvicorn."""
    cache, counts = stores
    command = ("uvicorn", "tests.integrations.starlette.shared:app", "--workers", "4", "--port", "{port}")
    with Running(*command, "--no-access-log", CACHE_URL=cache.url, COUNTS_URL=counts.url) as running:
        # Until each of them has come up: the kernel deals out connections to those that listen.
        seen = Counter()
        wait_until(
            lambda: seen.update([running.ask("/ready")[0].getheader("x-worker")]) or len(seen) == 4, "workers"
        )
        yield running


@pytest.mark.parametrize("kind", ["cold", "view"])
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_a_cold_key_is_computed_once_among_all_workers(server, stores, kind, key):
    """Forty come at once to four processes, and the application is called once [integrations 8]."""
    counts, path = stores[1], f"/{kind}/{key}"
    counts.ask("DEL", "go")
    with ThreadPoolExecutor(CROWD) as crowd:
        asked = [crowd.submit(server.ask, path) for _ in range(CROWD)]
        wait_until(lambda: int(counts.ask("GET", "came:" + path) or 0) == CROWD, "all have come")
        counts.ask("SET", "go", "1")
        answers = [one.result() for one in asked]
    assert {body for _, body in answers} == {b"1"}
    assert int(counts.ask("GET", "calls:" + path)) == 1
    assert len({response.getheader("x-worker") for response, _ in answers}) > 1
    statuses = Counter(
        response.getheader("cache-status").split("; ", 1)[1].split("=")[0] for response, _ in answers
    )
    assert sum(statuses.values()) == CROWD
    assert sum("stored" in response.getheader("cache-status") for response, _ in answers) == 1
