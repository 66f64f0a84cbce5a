"""The command `bench`: how fast a store is from here, against this process's memory in the same run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import click
import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.url import mask_password
from cachelayer.cache import Cache
from cachelayer.cli.show import make_console, make_table, print_json
from cachelayer.cli.target import FailureError, Place, failing, takes_json, takes_place
from cachelayer.dashboard.figures import NOTHING, count, seconds, size
from cachelayer.functions import cached

if TYPE_CHECKING:
    from rich.progress import Progress

_BATCH: Final = 20
_TURN: Final = 20

Step = Callable[[int], object]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What one operation took.

    Attributes:
        operation: its name.
        p50, p99: seconds.
        per_second: how many one thread does in a second, by the median.
        ratio: to the same in this process's memory, in the same run; None where that is what was measured.
    """

    operation: str
    p50: float
    p99: float
    per_second: float
    ratio: float | None


@click.command()
@takes_place
@click.option("--rounds", type=click.IntRange(20, 1_000_000), default=500, show_default=True)
@click.option(
    "--size",
    "length",
    type=click.IntRange(0, 10_000_000),
    default=1000,
    show_default=True,
    help="Bytes of a value.",
)
@takes_json
def bench(*, place: Place, rounds: int, length: int, as_json: bool) -> None:
    """Measure what operations, hits and misses take with a store. The entries that it makes live for a minute."""
    if place.api is not None:
        raise FailureError("a store is measured, and no application: name it as --backend")
    url = place.store_url or "memory://"
    with failing(), _cache(url) as cache, _cache("memory://") as memory:
        timings = measure(cache, memory, rounds, length, quiet=as_json)
    if as_json:
        print_json({"store": mask_password(url), "rounds": rounds, "size": length, "timings": timings})
        return
    table = make_table(
        ("operation", ">half", ">99 %", ">a second", ">against memory"),
        title=f"{mask_password(url)}, values of {size(length)}, {rounds:,} rounds",
    )
    for timing in timings:
        ratio = NOTHING if timing.ratio is None else f"{timing.ratio:,.1f} x"
        table.add_row(
            timing.operation, seconds(timing.p50), seconds(timing.p99), count(timing.per_second), ratio
        )
    make_console().print(table)


def measure(cache: Cache, memory: Cache, rounds: int, length: int, *, quiet: bool) -> list[Timing]:
    """Return what each operation takes, in turns with the same in memory, so that both run under the same load."""
    value = secrets.token_bytes(length)
    mine, other = _steps(cache, value), _steps(memory, value)
    is_memory = not cache.backend.shared
    timings: list[Timing] = []
    with _progress(quiet=quiet) as progress:
        for name, step in mine.items():
            task = progress.add_task(name, total=rounds)
            taken, beside = _measured(step, other[name], rounds, partial(progress.advance, task))
            half = _share(taken, 0.5)
            timings.append(
                Timing(
                    operation=name,
                    p50=half,
                    p99=_share(taken, 0.99),
                    per_second=1 / half,
                    ratio=None if is_memory else half / _share(beside, 0.5),
                )
            )
    return timings


@contextmanager
def _cache(url: str) -> Generator[Cache]:
    """Open a cache of nobody else's over a store."""
    namespace = f"bench-{secrets.token_hex(8)}"
    cache = Cache(url, namespace=namespace, on_error="raise", shared_stats=False)
    try:
        yield cache
    finally:
        cache.close()


def _steps(cache: Cache, value: bytes) -> dict[str, Step]:
    """Return what is measured, each a function of the round's number; a later one may need what an earlier one left."""
    backend, key = cache.backend, f"{cache.namespace}:key"
    many = [f"{key}:{number}" for number in range(_BATCH)]

    @cached(cache=cache, ttl=60, name="bench.hit")
    def hit() -> bytes:
        return value

    @cached(cache=cache, ttl=60, name="bench.miss")
    def miss(number: int) -> bytes:
        return value

    _check(backend, key, value)
    backend.set_many(dict.fromkeys(many, value), 60.0)
    hit()
    return {
        "set": lambda number: backend.set(key, value, 60.0),
        "get": lambda number: backend.get(key),
        "get, missing": lambda number: backend.get(f"{key}:missing"),
        f"get_many of {_BATCH}": lambda number: backend.get_many(many),
        "function, hit": lambda number: hit(),
        "function, miss": miss,
        "delete": lambda number: backend.delete(f"{key}:{number}"),
    }


def _check(backend: CacheBackend, key: str, value: bytes) -> None:
    if not backend.set(key, value, 60.0):
        raise FailureError(f"the store takes no entry of {size(len(value))}: see its limits")


def _measured(
    step: Step, other: Step, rounds: int, advance: Callable[[int], object]
) -> tuple[list[float], list[float]]:
    taken: list[float] = []
    beside: list[float] = []
    for start in range(0, rounds, _TURN):
        turn = range(start, min(start + _TURN, rounds))
        taken += (_timed(step, number) for number in turn)
        beside += (_timed(other, number) for number in turn)
        advance(len(turn))
    return taken, beside


def _timed(step: Step, number: int) -> float:
    began = time.perf_counter()
    step(number)
    return time.perf_counter() - began


def _share(taken: list[float], share: float) -> float:
    # A clock may not have ticked meanwhile.
    return max(sorted(taken)[min(len(taken) - 1, int(share * len(taken)))], 1e-9)


def _progress(*, quiet: bool) -> Progress:
    from rich.progress import Progress

    return Progress(console=make_console(errors=True), transient=True, disable=quiet)
