"""The commands `stats`, `routes` and `top`: what was counted, of all workers that share statistics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from cachelayer.cli.show import make_console, make_table, plain, print_json
from cachelayer.cli.target import Place, takes_json, takes_place
from cachelayer.dashboard.figures import count, iso_time, percent, points, rate_of, roughly, seconds, size
from cachelayer.stats.report import Report, RouteReport

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_takes_window = click.option(
    "--window", default="1h", show_default=True, help="Of which time, such as 15m, 1h, 24h, 7d."
)
_SORTS: Final[dict[str, Callable[[RouteReport], Any]]] = {
    "requests": lambda row: -row.requests,
    "hit": lambda row: row.hit_rate,
    "saved": lambda row: -row.saved_seconds,
    "origin": lambda row: -(row.origin.p95 or 0.0),
    "errors": lambda row: -row.errors,
    "route": lambda row: row.route,
}


@click.command()
@takes_place
@_takes_window
@takes_json
def stats(*, place: Place, window: str, as_json: bool) -> None:
    """Show what the cache did: requests, hit rate, latencies, stores, advice."""
    with place.figures() as figures:
        report = figures.report(window)
    if as_json:
        print_json(report)
        return
    console = make_console()
    console.print(_summary(report))
    console.print(_backends(report))
    for advice in report.advice[:5]:
        console.print(f"advice: {plain(advice.text)} ({plain(advice.setting)})", style="yellow")


@click.command()
@takes_place
@_takes_window
@takes_json
@click.option("--sort", type=click.Choice(list(_SORTS)), default="requests", show_default=True)
@click.option("--filter", "word", default="", help="Only labels with this in them.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="Rows; 0 shows all.")
def routes(*, place: Place, window: str, as_json: bool, sort: str, word: str, limit: int) -> None:
    """Show a row for each route and function. Exits with 1 where there is none."""
    with place.figures() as figures:
        report = figures.report(window)
    rows = _sorted(report, sort, word)[: limit or None]
    if as_json:
        print_json(rows)
    else:
        console = make_console()
        console.print(_routes(rows, console.width))
    if not rows:
        raise SystemExit(1)


@click.command()
@takes_place
@_takes_window
@click.option("--sort", type=click.Choice(list(_SORTS)), default="requests", show_default=True)
@click.option("--interval", type=click.FloatRange(0.2), default=2.0, show_default=True, help="In seconds.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows.")
@click.option("--once", is_flag=True, help="Show it once and end.")
def top(*, place: Place, window: str, sort: str, interval: float, limit: int, once: bool) -> None:
    """Show the busiest routes, live, until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live

    console = make_console()
    with place.figures() as figures:

        def picture() -> RenderableType:
            report = figures.report(window)
            return Group(_summary(report), "", _routes(_sorted(report, sort, "")[:limit], console.width))

        if once or not console.is_terminal:
            console.print(picture())
            return
        try:
            with Live(picture(), console=console, screen=True, auto_refresh=False) as live:
                while True:
                    time.sleep(interval)
                    live.update(picture(), refresh=True)
        except KeyboardInterrupt:
            return


def _sorted(report: Report, sort: str, word: str) -> list[RouteReport]:
    rows = [row for row in (*report.routes, *report.functions) if word.lower() in row.route.lower()]
    return sorted(rows, key=_SORTS[sort])


def _summary(report: Report) -> Table:
    total, before = report.total, report.before
    change = total.hit_rate - before.hit_rate if before.requests else None
    others = len(report.workers)
    table = make_table(("", ""), title=f"cache {plain(report.cache)}, {seconds(report.window)}")
    table.show_header = False
    lines = {
        "requests": count(total.requests),
        "hit rate": f"{percent(rate_of(total))} {points(change)}".rstrip(),
        "coverage": percent(total.coverage),
        "time saved": seconds(total.saved_seconds),
        "calls avoided": count(total.calls_avoided),
        "errors": count(total.errors),
        "hit": f"{roughly(total.hit.p50)}, 95 % below {roughly(total.hit.p95)}",
        "origin": f"{roughly(total.origin.p50)}, 95 % below {roughly(total.origin.p95)}",
        "served": size(total.bytes_served),
        "entries": f"{count(report.entries)}, {size(report.size_bytes)}",
        "under way": count(report.inflight),
        "workers": f"{count(others)}, since {iso_time(report.since)}",
        "outcomes": ", ".join(f"{name} {count(number)}" for name, number in total.outcomes.items() if number)
        or "none",
        "not stored": ", ".join(f"{plain(name)} {count(number)}" for name, number in total.reasons.items())
        or "none",
    }
    for name, text in lines.items():
        table.add_row(name, text)
    return table


def _backends(report: Report) -> Table:
    table = make_table(
        ("store", "kind", ">hits", ">misses", ">entries", ">size", ">full", ">errors", "state")
    )
    for store in report.backends:
        state = "up" if store.health is None or store.health.state == "closed" else "away"
        table.add_row(
            plain(store.name),
            store.kind,
            count(store.hits),
            count(store.misses),
            count(store.current_entries),
            size(store.current_size_bytes),
            percent(store.utilization),
            count(store.errors),
            state,
        )
    return table


def _routes(rows: list[RouteReport], width: int) -> Table:
    columns = _COLUMNS if width >= _WIDE else {name: _COLUMNS[name] for name in _NARROW}
    table = make_table(("route", *columns))
    for row in rows:
        rate = rate_of(row)
        style = "" if rate is None else "green" if rate >= 0.8 else "yellow" if rate >= 0.4 else "red"
        label = plain(row.route) + (" (paused)" if row.paused else "")
        table.add_row(label, *(tell(row) for tell in columns.values()), style=style)
    return table


_COLUMNS: Final[dict[str, Callable[[RouteReport], str]]] = {
    ">requests": lambda row: count(row.requests),
    ">hit rate": lambda row: percent(rate_of(row)),
    ">coverage": lambda row: percent(row.coverage),
    ">hit 95 %": lambda row: roughly(row.hit.p95),
    ">origin 95 %": lambda row: roughly(row.origin.p95),
    ">saved": lambda row: seconds(row.saved_seconds),
    ">entries": lambda row: count(row.entries),
    ">errors": lambda row: count(row.errors),
    "why not stored": lambda row: plain(row.top_reason),
}
#: Characters that a terminal has to have for all columns; a narrower one gets these.
_WIDE: Final = 120
_NARROW: Final = (">requests", ">hit rate", ">origin 95 %", ">saved")
