"""The command `bench`: how fast a store is from here, against this process's memory in the same run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
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
@click.option("--size", "length", type=click.IntRange(0, 10_000_000), default=1000, show_default=True, help="Bytes of a value.")
@takes_json
def bench(*, place: Place, rounds: int, length: int, as_json: bool) -> None:
    """Measure what operations, hits and misses take with a store. Its own entries are removed in the end."""
    if place.api is not None:
        raise FailureError("a store is measured, and no application: name it as --backend")
    url = place.store_url or "memory://"
    with failing(), Cache_over(url) as cache, Cache_over("memory://") as memory:
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
