"""What the demo shows while it runs, and in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from cachelayer.demo.report import Report, RushReport
from cachelayer.demo.tables import counts_table, endpoints_table, summary
from cachelayer.demo.traffic import Visit

Bar = Callable[[int, float], None]


def show_start(console: Console) -> None:
    """Print what this is."""
    console.print(
        "[bold]cachelayer demo[/]: airports of the world, from the package airportsdata, in SQLite and Starlette, "
        "served by uvicorn on this machine\n",
        highlight=False,
    )


class Bars:
    """A progress bar for each thing that takes time, with its own seconds; where there is no terminal, a line each.

    Args:
        console: where they are shown.
    """

    def __init__(self, console: Console) -> None:
        shape = [BarColumn()] if console.is_terminal else []
        text = TextColumn("{task.description}", table_column=Column(width=32))
        seconds = TextColumn("{task.fields[seconds]:.1f} s", justify="right")
        self._progress = Progress(text, *shape, MofNCompleteColumn(), seconds, console=console)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def add(self, text: str, total: int) -> Bar:
        """Add a bar; the function returned advances it by a number of items that took so many seconds."""
        progress, task = self._progress, self._progress.add_task(text, total=total, seconds=0.0)
        taken = 0.0

        def advance(count: int, seconds: float) -> None:
            nonlocal taken
            taken += seconds
            progress.update(task, advance=count, seconds=taken)

        return advance


def show(console: Console, report: Report, rush: RushReport) -> None:
    """Print what came of the run."""
    for part in (endpoints_table(report), counts_table(report), summary(report, rush)):
        console.print()
        console.print(part, highlight=False)


def show_dashboard(console: Console, url: str) -> None:
    """Print where the dashboard is."""
    console.print(f"\nThe dashboard, live from now on: [bold]{url}[/]\n", highlight=False, soft_wrap=True)


def show_address(console: Console, url: str, airport: Visit, trip: Visit) -> None:
    """Print where the application keeps running, and what to try there."""
    console.print(
        f"\nThe application keeps running at [bold]{url}[/] until Ctrl-C, with visitors that the dashboard shows. "
        "Try, and look at Cache-Status:"
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
    yield "why a page is a hit or is not", f"cachelayer explain {url}{airport.url}"
    yield "the routes, on the terminal", f"cachelayer top --api {url}/cache"
