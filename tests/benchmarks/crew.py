"""Processes that use one store together, and what they saw: for benchmarks of many processes."""

from __future__ import annotations

import itertools
import random
import statistics
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from cachelayer import Cache, cached
from cachelayer.backends.base import CacheBackend
from cachelayer.backends.redis import RedisBackend
from tests.backends.tiers import Worker
from tests.servers.processes import HOST
from tests.servers.redis import RedisServer

#: Keys that are drawn from, by zipf: the number n is asked for n + 1 times less often than the number 0.
KEYS: Final = 2_000
#: Keys where they are to expire, or to be lost, all at once.
FEW: Final = 200
PROCESSES: Final = 4
MakeBackend = Callable[[], CacheBackend]
_DRAWN: Final = 50_000
_HEAD_START: Final = 0.05  # seconds until all begin, so that all have been told


def draw(seed: int) -> Iterator[int]:
    """Return numbers of keys without end, by zipf."""
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(KEYS)))
    return itertools.cycle(random.Random(seed).choices(range(KEYS), cum_weights=weights, k=_DRAWN))


# -- processes --------------------------------------------------------------------------------------------------


class Station:
    """What one process works with; it is made there.

    Attributes:
        stack: what is closed at the end.
        calls: what can be done, by name; each takes the number of a key.
        caches: the caches behind them, by name.
        made: when (monotonic seconds) a function behind a cache was called: an entry a call.
        extra: what else a benchmark needs there.
    """

    extra: Any

    def __init__(self, equip: Callable[[Station], None]) -> None:
        self.stack = ExitStack()
        self.calls: dict[str, Callable[[int], Any]] = {}
        self.caches: dict[str, Cache] = {}
        self.made: list[float] = []
        equip(self)

    def add(
        self, called: str, backend: CacheBackend, compute: Callable[[int], Any], /, **options: Any
    ) -> None:
        """Add calls of a cached function over the backend.

        Args:
            called: the name of the calls.
            backend: closed at the end.
            compute: the function.
            options: those of `@cached`.
        """
        cache = self.caches[called] = Cache(backend)
        self.stack.callback(cache.close)

        def work(number: int) -> Any:
            self.made.append(time.monotonic())
            return compute(number)

        self.calls[called] = cached(cache=cache, **{"ttl": 600, "name": "row", **options})(work)

    def close(self) -> None:
        """Close what it works with."""
        self.stack.close()


@contextmanager
def crew(size: int, equip: Callable[[Station], None]) -> Iterator[list[Worker]]:
    """Give so many processes, each with a station."""
    with ExitStack() as stack:
        yield [stack.enter_context(Worker(lambda: Station(equip))) for _ in range(size)]


def together(workers: Sequence[Worker], work: Callable[..., Any], *args: Any) -> list[Any]:
    """Let all begin `work(station, number of the worker, when to begin, *args)` at the same time."""
    begin = time.monotonic() + _HEAD_START
    for number, worker in enumerate(workers):
        worker.begin(work, number, begin, *args)
    return [worker.result() for worker in workers]


def wait_for(moment: float) -> None:
    """Wait until that moment of the monotonic clock, which all processes share."""
    time.sleep(max(0.0, moment - time.monotonic()))


# -- what they work with ----------------------------------------------------------------------------------------


def row(number: int) -> dict[str, Any]:
    """Return what most functions return."""
    return {"id": number, "name": "Ada", "active": True, "score": 9.5}


def of_one_key(call: Callable[[int], Any]) -> Callable[[int], Any]:
    """Return the call for one key, whichever is drawn."""
    return lambda number: call(0)


def of_few_keys(call: Callable[[int], Any]) -> Callable[[int], Any]:
    """Return the call for `FEW` keys."""
    return lambda number: call(number % FEW)


def on_redis(server: RedisServer) -> RedisBackend:
    """Return a backend that takes a machine which is busy with other things for no outage."""
    return RedisBackend(server.url, timeout=5)


def cluster_url(ports: Sequence[int]) -> str:
    """Return the URL of a cluster on this host."""
    return "redis+cluster://" + ",".join(f"{HOST}:{port}" for port in ports)


def names_of(station: Station) -> list[str]:
    """Return what can be called there."""
    return list(station.calls)


# -- calls as fast as they go -----------------------------------------------------------------------------------


def prepare(station: Station) -> None:
    """Call everything for every key once."""
    for call in station.calls.values():
        for number in range(KEYS):
            call(number)


def call_for(station: Station, worker: int, begin: float, name: str, seconds: float) -> array[float]:
    """Make calls one after another for so long; return what each took, in seconds."""
    call, keys, taken = station.calls[name], draw(worker), array("d")
    wait_for(begin)
    before, end = time.monotonic(), begin + seconds
    while before < end:
        call(next(keys))
        after = time.monotonic()
        taken.append(after - before)
        before = after
    return taken


def work_for(station: Station, worker: int, begin: float, name: str, seconds: float) -> tuple[int, float]:
    """Do `call_for`; return how many calls were made, and the seconds of this process's CPU that they took."""
    wait_for(begin)
    before = time.process_time()
    count = len(call_for(station, worker, begin, name, seconds))
    return count, time.process_time() - before


class Speed(NamedTuple):
    """What a number of processes reached in one round: calls a second in all, and seconds a call."""

    rate: float
    median: float
    p99: float


def measure(
    workers: Sequence[Worker], names: Sequence[str], *, seconds: float, rounds: int
) -> dict[tuple[str, int], list[Speed]]:
    """Let one, two and all processes make calls of each name in turn; return each one's speed in each round."""
    speeds: dict[tuple[str, int], list[Speed]] = {}
    for _ in range(rounds):
        for name, size in itertools.product(names, (1, 2, len(workers))):
            taken = together(workers[:size], call_for, name, seconds)
            speeds.setdefault((name, size), []).append(_speed(taken, seconds))
    return speeds


def show_speeds(title: str, speeds: Mapping[tuple[str, int], list[Speed]]) -> None:
    """Print the medians; ratios are to one process of the same name, and to the first name with as many processes."""
    columns = (
        "case",
        "processes",
        "calls/s",
        "each",
        "to one process",
        "to the first case",
        "median us",
        "p99 us",
    )
    rows = []
    first = next(iter(speeds))[0]
    for (name, size), rounds in speeds.items():
        rate = statistics.median(speed.rate for speed in rounds)
        rows.append((
            name, size, f"{rate:,.0f}", f"{rate / size:,.0f}",
            _ratio(rounds, speeds[name, 1]), _ratio(rounds, speeds[first, size]),
            f"{statistics.median(speed.median for speed in rounds) * 1e6:,.0f}",
            f"{statistics.median(speed.p99 for speed in rounds) * 1e6:,.0f}",
        ))  # fmt: skip
    print_table(title, columns, rows)


def _speed(taken: Sequence[array[float]], seconds: float) -> Speed:
    every = sorted(itertools.chain(*taken))
    return Speed(len(every) / seconds, statistics.median(every), quantile(every, 0.99))


def _ratio(rounds: Sequence[Speed], base: Sequence[Speed]) -> str:
    ratio = statistics.median(one.rate / other.rate for one, other in zip(rounds, base, strict=True))
    return f"{ratio:.2f}"


# -- calls at a steady pace -------------------------------------------------------------------------------------


class Call(NamedTuple):
    """One call: seconds since the beginning when it began, seconds it took, whether the cache answered, its error."""

    at: float
    seconds: float
    hit: bool
    error: str


class Pace(NamedTuple):
    """Which calls, for how many seconds, with what pause between two of them, and in how many threads."""

    name: str
    seconds: float
    pause: float
    threads: int = 1


def call_steadily(station: Station, worker: int, begin: float, pace: Pace) -> list[Call]:
    """Make calls with a pause between them; an exception ends up in the list."""
    call, keys, calls = station.calls[pace.name], draw(worker), list[Call]()
    wait_for(begin)
    while (before := time.monotonic()) < begin + pace.seconds:
        made, error = len(station.made), ""
        try:
            call(next(keys))
        except Exception as raised:  # noqa: BLE001 - what the application would see is what is measured
            error = repr(raised)
        hit = not error and len(station.made) == made
        calls.append(Call(before - begin, time.monotonic() - before, hit, error))
        time.sleep(pace.pause)  # the load's pace, not a wait for anything
    return calls


def call_in_threads(
    station: Station, worker: int, begin: float, pace: Pace
) -> tuple[list[Call], list[float]]:
    """Do `call_steadily` in threads; return all calls, and when the function was called (since the beginning)."""
    station.made.clear()
    calls: list[Call] = []

    def work(number: int) -> None:
        calls.extend(call_steadily(station, worker * pace.threads + number, begin, pace))

    crowd = [threading.Thread(target=work, args=(number,)) for number in range(pace.threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return calls, [moment - begin for moment in station.made]


# -- showing ----------------------------------------------------------------------------------------------------


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return what this share of the values does not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a title."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(str, row))
    print()
    Console(width=130).print(table)
