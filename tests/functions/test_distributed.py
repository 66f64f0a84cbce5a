"""`lock="distributed"`: of all processes that share a store one computes at a time."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cachelayer import Cache, CacheBackend, cached
from cachelayer.backends.generations import flight_lease
from cachelayer.flow import background
from cachelayer.testing.crowds import in_processes
from tests.backends.shared_backend import SQLiteBackend
from tests.functions.support import COLOURS, World
from tests.servers.processes import wait_until

PROCESSES = 4


@pytest.fixture(params=["sqlite", "disk", "redis", "memcached"])
def make_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], CacheBackend]:
    """Return what makes, in any process, a backend over one store."""
    namespace = tmp_path.name
    match request.param:
        case "sqlite":
            return lambda: SQLiteBackend(tmp_path / "shared.db")
        case "disk":
            from cachelayer.backends.disk import DiskBackend

            return lambda: DiskBackend(tmp_path / "cache")
        case "redis":
            from cachelayer.backends.redis import RedisBackend

            url = request.getfixturevalue("redis_server").url
            return lambda: RedisBackend(url, namespace=namespace)
        case _:
            from cachelayer.backends.memcached import MemcachedBackend

            address = request.getfixturevalue("memcached_server").address
            return lambda: MemcachedBackend(address, namespace=namespace)


class Log:
    """A file that several processes append to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def add(self, word: str) -> None:
        """Append a word."""
        with self.path.open("a") as file:
            file.write(word + "\n")

    def count(self, word: str) -> int:
        """Return how often it was appended."""
        return self.path.read_text().split().count(word)


def in_world(colour: str, backend: CacheBackend, work: Callable[[World, Any], Any], **options: Any) -> Any:
    """Return what `work` gives, called with a world of this colour over `backend`."""
    world = World.__new__(World)
    world.colour, world.store = colour, "shared"
    with backend:
        world.cache = Cache(backend)
        return work(world)


@pytest.mark.parametrize("colour", COLOURS)
def test_one_of_four_processes_computes(colour, make_backend, tmp_path):
    """A cold key that four processes ask for at once is computed by one, and all get its result (30)."""
    log = Log(tmp_path / "log")

    def work(number: int) -> Any:
        def compute() -> list[int]:
            log.add("computed")
            wait_until(lambda: log.count("came") == PROCESSES, "all processes ask")
            return [os.getpid()]

        def use(world: World) -> Any:
            function = world.cached(lock="distributed", name="app.compute")(compute)
            log.add("came")
            return world.run(function()), function.stats().collapsed + function.stats().hit

        return in_world(colour, make_backend(), use)

    results = in_processes(PROCESSES, work)
    assert log.count("computed") == 1
    assert len({value[0] for value, _ in results}) == 1
    assert sum(served for _, served in results) == PROCESSES - 1


def test_a_process_that_dies_is_waited_for_no_longer_than_its_lease(make_backend, tmp_path):
    """The lease of a process that was killed while it computed runs out, and another computes (30)."""
    log = Log(tmp_path / "log")

    def function_of(backend: CacheBackend, compute: Callable[[], Any]) -> Any:
        return cached(cache=Cache(backend), lock="distributed", lock_timeout=1, name="app.compute")(compute)

    child = os.fork()
    if child == 0:

        def die() -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        function_of(make_backend(), die)()
        os._exit(1)
    os.waitpid(child, 0)
    with make_backend() as backend:
        assert backend.acquire_lease(flight_lease("app.compute()"), b"other", 1) is False
        assert function_of(backend, lambda: log.add("computed"))() is None
    assert log.count("computed") == 1


def test_a_holder_whose_lease_ran_out_does_not_overwrite(make_backend):
    """Its result is returned to its caller, and not stored over what the next holder stored (30)."""
    with make_backend() as backend:
        lease = flight_lease("app.compute()")

        def compute() -> str:
            # Its lease runs out, and another process takes its turn.
            held = backend.get("\x00cachelayer:lock:" + lease)
            assert held is not None
            assert backend.release_lease(lease, held) is True
            assert backend.acquire_lease(lease, b"the next one", 30) is True
            return "late"

        function = cached(cache=Cache(backend), lock="distributed", name="app.compute")(compute)
        assert function() == "late"
        assert function.peek() is None
        assert backend.release_lease(lease, b"the next one") is True


def test_an_error_gives_the_turn_back(make_backend):
    """After a computation that raised the next process need not wait (30, 31)."""
    with make_backend() as backend:

        def compute() -> None:
            raise LookupError

        function = cached(cache=Cache(backend), lock="distributed", name="app.compute")(compute)
        with pytest.raises(LookupError):
            function()
        assert backend.acquire_lease(flight_lease("app.compute()"), b"other", 30) is True


def test_a_refresh_is_one_processs_too(make_backend):
    """While another process refreshes a stale result, this one serves it and does not compute (25, 30)."""
    calls = []

    def compute() -> int:
        calls.append(None)
        return len(calls)

    options = {"ttl": 0.05, "stale_while_revalidate": 600, "lock": "distributed", "lock_timeout": 1}
    with make_backend() as backend:
        function = cached(cache=Cache(backend), name="app.compute", **options)(compute)
        assert function() == 1
        wait_until(lambda: function.peek() is None, "the result is stale")
        assert backend.acquire_lease(flight_lease("app.compute()"), b"another process", 600) is True
        assert function() == 1
        other = cached(cache=Cache(backend), name="app.compute", **options)(lambda: "the other's")
        other.refresh()
        assert background.join(20)
        assert len(calls) == 1
        assert function.stats().refreshes == 1
