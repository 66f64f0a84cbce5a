"""Tiered backends for tests: over a store that is polled, with a thread or without; and processes that use them."""

import math
import multiprocessing
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from sqlite3 import Connection as Database
from typing import Any, NamedTuple, Self

from cachelayer.backends.base import CacheBackend, CacheEntry
from cachelayer.backends.tiered import TieredBackend
from tests.backends.shared_backend import SQLiteBackend
from tests.servers.processes import PATIENCE, wait_until


class Polled(SQLiteBackend):
    """Tells entries in bulk, so that their lives are known; counts round trips apart from those of the feed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.asked = 0
        super().__init__(*args, **options)

    @contextmanager
    def _connection(self) -> Iterator[Database]:
        self.asked += threading.current_thread().name != "cachelayer-near"
        with super()._connection() as connection:
            yield connection

    def get_entries(self, keys: Iterable[str]) -> dict[str, CacheEntry]:
        """Return them, at the cost of one round trip."""
        wanted, before = list(keys), self.asked
        entries = super().get_entries(wanted)
        self.asked = before + bool(wanted)
        return entries


def still(l2: CacheBackend, **options: Any) -> TieredBackend:
    """Return a tiered backend whose feed has no thread: what it would do, the test does."""
    backend = TieredBackend(l2=l2, feed="poll", **options)
    backend._feed.wake = lambda: None  # type: ignore[method-assign] # it would start the thread
    backend._near.open_up()
    backend._near.valid_until = float("inf")
    return backend


def switched_on(backend: TieredBackend) -> TieredBackend:
    """Return the backend when its feed follows the store."""
    backend._feed.wake()
    wait_until(lambda: is_on(backend), f"the feed follows the store: {backend._feed.problem}")
    return backend


def hits_of(backend: TieredBackend) -> int:
    """Return how many lookups L1 has answered."""
    return backend.tiers.l1.hits or 0


def warm(backend: TieredBackend, key: str) -> None:
    """Read the key until L1 answers."""

    def answered() -> bool:
        before = hits_of(backend)
        backend.get(key)
        return hits_of(backend) > before

    wait_until(answered, f"L1 answers for {key!r}")


def is_on(backend: TieredBackend) -> bool:
    """Whether L1 may answer."""
    return backend._near.is_open and time.monotonic() < backend._near.valid_until


class Worker:
    """A forked process that does what it is told, one call at a time.

    Args:
        make: makes what the calls are given, in the process itself; it is closed at the end.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, make), daemon=True)
        with warnings.catch_warnings():
            # Python warns of forking while threads run: a feed of the parent's, say.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

    def begin(self, call: Callable[..., Any], *args: Any) -> None:
        """Let it run `call(made, *args)`, by the function's name in its module."""
        self._pipe.send((call, args))

    def result(self) -> Any:
        """Return what the call returned."""
        if not self._pipe.poll(PATIENCE):
            raise TimeoutError("a worker does not answer")
        result, trouble = self._pipe.recv()
        assert not trouble, trouble
        return result

    def do(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run `call(made, *args)` there."""
        self.begin(call, *args)
        return self.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        # Told, since the pipe's end is not the last one: processes that were forked later have it too.
        self._pipe.send(None)
        self._pipe.close()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _work(pipe: Connection, make: Callable[[], Any]) -> None:
    made = make()
    for call, args in iter(pipe.recv, None):
        try:
            answer = (call(made, *args), "")
        except Exception as error:  # noqa: BLE001 - the parent raises it
            answer = (None, repr(error))
        pipe.send(answer)
    made.close()


class Seen(NamedTuple):
    """When a change was seen, by the clock that all processes share.

    Attributes:
        stale: when the last read began that got the old answer.
        new: when the first one had ended that got another.
    """

    stale: float
    new: float


def watch(backend: TieredBackend, key: str, old: bytes | None) -> Seen:
    """Read the key until it is another value than `old`."""
    return watch_calls(lambda: backend.get(key), old)


def watch_calls(call: Callable[[], Any], old: Any) -> Seen:
    """Call until the result is another than `old`."""
    stale, deadline = -math.inf, time.monotonic() + PATIENCE
    asked = time.monotonic()
    while call() == old:
        stale = asked
        if asked > deadline:
            raise TimeoutError(f"{old!r} is all that was read")
        time.sleep(0.0005)
        asked = time.monotonic()
    return Seen(stale, time.monotonic())
