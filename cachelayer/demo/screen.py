"""What the demo shows while it runs, and in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cachelayer.demo.report import Report, RushReport
from cachelayer.demo.tables import counts_table, endpoints_table, summary

_COLUMNS: Final = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


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


def show_address(console: Console, url: str, icao: str) -> None:
    """Print where the application keeps running, and what to try there with an airport that many asked for."""
    console.print(f"\nThe application keeps running at [bold]{url}[/] until Ctrl-C. Look at Cache-Status:\n")
    for text, command in _to_try(url, icao):
        console.print(f"[dim]# {text}[/]\n{command}", highlight=False, soft_wrap=True)


def _to_try(url: str, icao: str) -> list[tuple[str, str]]:
    report = f"""-d '{{"icao": "{icao}", "text": "snow"}}'"""
    return [
        ("a hit, with its Age: the visitors asked for it before you", f"curl -i {url}/airports/{icao}"),
        (
            "bypass: a pilot's report; it invalidates that page, so that the next answer is new",
            f"curl -i {url}/reports {report}",
        ),
        (
            "private: uncacheable for all, yet fast, because the function behind it is cached",
            f"curl -i '{url}/my/trip?from={icao}&to=EDDF' -H 'Authorization: Bearer me'",
        ),
        ("what the cache counted", f"curl {url}/stats"),
    ]
