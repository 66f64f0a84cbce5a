"""What the demo shows while it runs, and in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cachelayer.demo.report import Report, RushReport
from cachelayer.demo.tables import counts_table, endpoints_table, summary
from cachelayer.demo.traffic import Visit

_COLUMNS: Final = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def show_start(console: Console) -> None:
    """Print what this is."""
    console.print(
        "[bold]cachelayer demo[/]: airports of the world, from the package airportsdata, in SQLite and Starlette, "
        "served by uvicorn on this machine\n",
        highlight=False,
    )


@contextmanager
def stage(console: Console, text: str) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a function that tracks an iterable with a bar; on a terminal only. A line with the time stays."""
    start = time.perf_counter()
    with Progress(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield lambda items, total=None: progress.track(items, total, description=text)
    console.print(f"{text} [dim]in {time.perf_counter() - start:.1f} s[/]", highlight=False)


def show(console: Console, report: Report, rush: RushReport) -> None:
    """Print what came of the run."""
    for part in (endpoints_table(report), counts_table(report), summary(report, rush)):
        console.print()
        console.print(part, highlight=False)


def show_address(console: Console, url: str, airport: Visit, trip: Visit) -> None:
    """Print where the application keeps running, and what to try there."""
    console.print(
        f"\nThe application keeps running at [bold]{url}[/] until Ctrl-C. Try, and look at Cache-Status:"
    )
    for text, command in _to_try(url, airport, trip):
        console.print(f"[dim]# {text}[/]\n{command}", highlight=False, soft_wrap=True)


def _to_try(url: str, airport: Visit, trip: Visit) -> Iterator[tuple[str, str]]:
    report = json.dumps({"icao": airport.url.rpartition("/")[2], "text": "snow"})
    yield "cached by a rule: a hit with its Age, from the second time on", f"curl -i {url}{airport.url}"
    yield "bypass; and the page above is invalidated by its tag", f"curl -i {url}/reports -d '{report}'"
    yield (
        "private, so uncacheable; but the function behind it is cached",
        f"curl -i '{url}{trip.url}' -H 'Authorization: Bearer me'",
    )
    yield "what the cache counted", f"curl {url}/stats"
