"""A primary that dies, and a replica that takes over."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import pytest
import redis

from cachelayer.backends.redis import RedisBackend
from cachelayer.errors import BackendError
from cachelayer.testing.colours import COLOURS, Colour, in_colour
from tests.servers.processes import HOST, free_port, wait_until
from tests.servers.redis import RedisServer, Sentinels


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Sync or async."""
    colour: Colour = request.param
    return colour


def url_of(sentinels: Sentinels) -> str:
    """Return the URL that names the sentinels."""
    return f"redis+sentinel://{sentinels.hosts}/{sentinels.name}"


class Load:
    """Callers that read and write all the time, and what came of it."""

    def __init__(self, backend: RedisBackend) -> None:
        self.backend = backend
        self.ended = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,)) for work in (self._sync, self._async)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(20)

    def wait_for_success(self) -> None:
        """Wait until callers of both colours succeed again."""
        before = Counter(self.outcomes)
        for colour in COLOURS:
            wait_until(lambda: self.outcomes[colour] > before[colour] + 5, f"{colour} callers succeed")  # noqa: B023

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.wrong.append(error)

    def _sync(self) -> None:
        while not self.ended.wait(0.002):
            try:
                self.backend.set("sync", b"value")
                self.backend.get("sync")
                self.outcomes["sync"] += 1
            except BackendError:
                self.outcomes["sync failed"] += 1

    def _async(self) -> None:
        asyncio.run(self._callers())

    async def _callers(self) -> None:
        await asyncio.gather(*(self._caller(number) for number in range(4)))

    async def _caller(self, number: int) -> None:
        while not self.ended.is_set():
            await asyncio.sleep(0.002)
            try:
                await self.backend.aset(f"async {number}", b"value")
                await self.backend.aget(f"async {number}")
                self.outcomes["async"] += 1
            except BackendError:
                self.outcomes["async failed"] += 1


def test_failover_under_load(sentinels: Sentinels):
    """When the primary dies, callers of both colours see BackendErrors at most, and go on with the replica (22)."""
    with RedisBackend(url_of(sentinels), timeout=1) as backend, Load(backend) as load:
        load.wait_for_success()
        sentinels.primary.kill()
        sentinels.wait_for_failover()
        load.wait_for_success()
        assert load.wrong == []
        assert sentinels.replica.ask("EXISTS", "cl::sync", "cl::async 0") == 2
    assert load.wrong == []


def test_a_primary_that_was_demoted_is_left(sentinels: Sentinels, colour: Colour):
    """A primary that is made a replica while it lives takes no writes: the new one is used (22)."""
    with RedisBackend(url_of(sentinels), timeout=2) as backend, in_colour(backend, colour) as ops:
        ops.set("key", b"old")
        wait_until(lambda: sentinels.replica.ask("EXISTS", "cl::key"), "the replica has it")
        sentinels.sentinels[0].ask("SENTINEL", "FAILOVER", sentinels.name)
        sentinels.wait_for_failover()
        # Until then the old primary takes writes, which it loses.
        wait_until(lambda: _is_replica(sentinels.primary), "the old primary is demoted")
        wait_until(lambda: _stored(ops), "the new primary is used")
        assert sentinels.replica.ask("GET", "cl::key").endswith(b"new")


def _is_replica(server: RedisServer) -> bool:
    try:
        return server.ask("INFO")["role"] == "slave"
    except redis.ConnectionError:  # it drops its clients as it is demoted
        return False


def _stored(ops) -> bool:
    try:
        return ops.set("key", b"new")
    except BackendError:
        return False


def test_one_sentinel_that_answers_is_enough(calm_sentinels: Sentinels, colour: Colour):
    """Sentinels that are gone are passed over."""
    hosts = f"{HOST}:{free_port()},{HOST}:{calm_sentinels.sentinels[2].port}"
    url = f"redis+sentinel://{hosts}/{calm_sentinels.name}?db=2"
    with RedisBackend(url, namespace=colour, timeout=2) as backend, in_colour(backend, colour) as ops:
        assert ops.set("key", b"value")
    assert "db2" in calm_sentinels.primary.ask("INFO", "keyspace")


def test_an_unknown_name_is_an_error_that_says_so(calm_sentinels: Sentinels, colour: Colour):
    """A name that no sentinel knows is a BackendError with that name."""
    url = f"redis+sentinel://{calm_sentinels.hosts}/nosuch"
    with (
        RedisBackend(url, timeout=2) as backend,
        in_colour(backend, colour) as ops,
        pytest.raises(BackendError, match="nosuch"),
    ):
        ops.get("key")
