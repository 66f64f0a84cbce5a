"""Redis goes away in mid-traffic and comes back: no response fails, none takes long, hits return [integrations 22]."""

import itertools
import threading
import time

import pytest

from tests.integrations.running import Running
from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer

#: Seconds that a request may take while the store is away: some operations' deadlines, on a machine that is busy.
LONGEST = 3.0
THREADS = 4


class Traffic:
    """Clients that ask for pages again and again until the block ends."""

    def __init__(self, server, paths):
        self._server, self._paths = server, paths
        self.seen = []
        self.failures = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(THREADS)]

    def _ask(self):
        for path in itertools.cycle(self._paths):
            if self._ended.is_set():
                return
            began = time.monotonic()
            try:
                response, _ = self._server.ask(path)
            except OSError as error:
                self.failures.append(repr(error))
                continue
            status = response.getheader("cache-status") or ""
            self.seen.append((time.monotonic() - began, response.status, "; hit" in status))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count, *, hits=False):
        """Wait until so many more requests (or hits) have been answered; return those answers."""
        start = len(self.seen)
        wait_until(
            lambda: sum(hit or not hits for _, _, hit in self.seen[start:]) >= count, "traffic goes on", 60
        )
        return self.seen[start:]


@pytest.fixture(scope="module")
def counts():
    """A Redis for the application's own use, which stays."""
    with RedisServer() as server:
        server.ask("SET", "go", "1")
        yield server


@pytest.mark.parametrize("kind", ["cold", "view"])
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_a_store_that_goes_away_costs_nobody_a_response(kind, how, counts):
    """Whether it is killed or hangs, pages of the middleware and of views are answered [integrations 22]."""
    command = ("uvicorn", "tests.integrations.starlette.shared:app", "--port", "{port}", "--no-access-log")
    paths = [f"/{kind}/{how}-{number}" for number in range(5)]
    with (
        RedisServer() as store,
        Running(*command, CACHE_URL=store.url, COUNTS_URL=counts.url) as server,
        Traffic(server, paths) as traffic,
    ):
        traffic.wait_for(20, hits=True)
        if how == "killed":
            store.kill()
        else:
            store.pause()
        away = traffic.wait_for(200)
        if how == "killed":
            store.start()
        else:
            store.resume()
        traffic.wait_for(20, hits=True)
    assert traffic.failures == []
    assert {status for _, status, _ in traffic.seen} == {200}
    assert not all(hit for _, _, hit in away)
    assert max(seconds for seconds, _, _ in traffic.seen) < LONGEST
    # Once the breaker is open, nobody waits for the store.
    assert sorted(seconds for seconds, _, _ in away)[len(away) // 2] < LONGEST / 10
