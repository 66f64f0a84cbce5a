"""What the tests of cached functions share: both colours, both kinds of storage, and callers that run meanwhile."""

import asyncio
import functools
import inspect
import itertools
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from cachelayer import Cache, CacheBackend, InMemoryBackend, cached
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.flow import background
from cachelayer.testing import FakeClock, MinimalBackend

COLOURS: Final = ("sync", "async")
STORES: Final = ("memory", "six methods")
#: Stores with a file or a server behind them; `places` says where, and what was made of them is in `opened`.
REAL_STORES: Final = ("disk", "redis")
places: Final[dict[str, Any]] = {}
opened: Final[list[CacheBackend]] = []

#: Seconds after which a test takes what it waits for to be lost.
PATIENCE: Final = 20.0

_names = itertools.count(1)


class SixMethods(MinimalBackend):
    """A user's own backend: six methods, and other processes see what is in it."""

    shared = True


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any], name: str | None = None) -> None:
        self._call = call
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error

    @property
    def ended(self) -> bool:
        """Whether it has returned or raised."""
        return not self._thread.is_alive()

    def result(self) -> Any:
        """Wait for the result; raise what the call raised."""
        self._thread.join(PATIENCE)
        assert self.ended, "the call did not end: a deadlock"
        if self._error is not None:
            raise self._error
        return self._result


class Gate:
    """Holds whoever passes until it is opened; tells when somebody has come."""

    def __init__(self) -> None:
        self._here, self._open = threading.Event(), threading.Event()

    def hold(self) -> None:
        """Wait here."""
        self._here.set()
        assert self._open.wait(PATIENCE), "the gate was never opened"

    def wait_for_somebody(self) -> None:
        """Return when somebody waits here."""
        assert self._here.wait(PATIENCE), "nobody came to the gate"

    def open(self) -> None:
        """Let everybody pass, for good."""
        self._open.set()


class World:
    """A cache of one kind of storage with a fake clock, and functions of one colour.

    Args:
        colour: "sync" or "async".
        store: one of `STORES`, or of `REAL_STORES` within a test that has the fixture `store`.
    """

    def __init__(self, colour: str, store: str) -> None:
        self.colour, self.store = colour, store
        self.clock = FakeClock()
        self.cache = self.cache_over(self.backend())

    def backend(self) -> CacheBackend:
        """Return a new backend of this world's kind, on its clock."""
        return make_store(self.store, self.clock)

    def cache_over(self, backend: CacheBackend, **options: Any) -> Cache:
        """Return a cache over `backend`, on this world's clock."""
        return Cache(backend, clock=self.clock, **options)

    def coloured(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """Return `body` as a function of this world's colour, with the same signature."""
        if isinstance(body, (classmethod, staticmethod)):
            return type(body)(self.coloured(body.__func__))
        if self.colour == "sync" or inspect.iscoroutinefunction(body):
            return body

        @functools.wraps(body)
        async def function(*args: Any, **kwargs: Any) -> Any:
            result = body(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return function

    def cached(self, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        """Return the decorator that caches a function of this world; each has a name of its own."""
        options.setdefault("cache", self.cache)
        options.setdefault("name", f"function {next(_names)}")
        return lambda body: cached(**options)(self.coloured(body))

    def run(self, result: Any) -> Any:
        """Return the result; that of an awaitable by an event loop of its own, in a thread where one runs here."""
        if not inspect.isawaitable(result):
            return result
        if asyncio._get_running_loop() is None:
            return asyncio.run(_awaited(result))
        return Background(lambda: asyncio.run(_awaited(result))).result()

    def background(self, function: Callable[..., Any], *args: Any) -> Background:
        """Call `function` in a thread; an async one in an event loop of that thread."""
        return Background(lambda: self.run(function(*args)))

    def wait_for_waiters(self, count: int) -> None:
        """Return when `count` callers wait for computations under way."""
        until(lambda: waiters(self.cache) == count)


def make_store(store: str, clock: FakeClock) -> CacheBackend:
    """Return a new backend of one kind: of `STORES`, or of `REAL_STORES` in a test that has the fixture `store`."""
    if store not in REAL_STORES:
        return (InMemoryBackend if store == "memory" else SixMethods)(clock=clock)
    name = uuid.uuid4().hex
    if store == "disk":
        backend: CacheBackend = DiskBackend(places["disk"] / name, clock=clock)
    else:
        # It lets go of entries by its own clock, which no test is slow enough to notice; and on a busy machine it may
        # answer late.
        backend = RedisBackend(places["redis"], namespace=name, clock=clock, timeout=PATIENCE)
    opened.append(backend)
    return backend


class Calls:
    """Counts the calls of an origin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def __call__(self) -> int:
        """Count one more; return its number, from 1."""
        with self._lock:
            self.count += 1
            return self.count


def waiters(cache: Cache) -> int:
    """Return how many callers wait for computations of `cache`."""
    flying = list(cache.engine.flights.computing.flying.values())
    return sum(len(flight.waiters) for flight in flying)


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.0005)


async def auntil(condition: Callable[[], bool]) -> None:
    """Async twin of `until`: other tasks run meanwhile."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0)


async def _awaited(result: Any) -> Any:
    return await result


def settled(world: World, function: Callable[[], Any]) -> Any:
    """Return what a call returns at once; what it began in the background has ended by then."""
    if world.colour == "sync":
        result = function()
        assert background.join(20)
        return result

    async def call() -> Any:
        result = await function()
        await background.ajoin()
        return result

    return asyncio.run(call())
