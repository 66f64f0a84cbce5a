"""A run's report on a terminal or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from cachelayer.demo.report import EndpointReport, Report, RushReport, Times
from cachelayer.outcomes import Outcome
from cachelayer.stats import RouteStats

_WITHOUT: Final = "yellow"
_CACHED: Final = "green"
_NONE: Final = "-"


def endpoints_table(report: Report) -> Table:
    """Return the table of what the client measured."""
    table = _table("Each endpoint, as its visitors see it (times in ms)")
    table.add_column("endpoint")
    for header in ("requests", "hit\nrate"):
        table.add_column(header, justify="right")
    for style, header in ((_WITHOUT, "without"), (_CACHED, "with")):
        table.add_column(f"{header}\nmedian", justify="right", style=style)
        table.add_column("cache\np95", justify="right", style=style)
    table.add_column("time\nsaved", justify="right", style="bold")
    for row in report.endpoints:
        table.add_row(*_endpoint_cells(row))
    table.add_section()
    table.add_row(*_endpoint_cells(report.total), style="bold")
    return table


def counts_table(report: Report) -> Table:
    """Return the table of what the cache counted."""
    table = _table("What the cache counted (cache.stats())")
    routes, functions = list(report.routes.values()), list(report.functions.values())
    outcomes = [outcome for outcome in Outcome if any(_count(stats, outcome) for stats in routes + functions)]
    table.add_column("route or function")
    for outcome in outcomes:
        table.add_column(outcome.value.replace("_", " "), justify="right")
    table.add_column("hit\nrate", justify="right")
    table.add_column("not stored: why")
    for group in (routes, functions):
        for stats in group:
            table.add_row(*_count_cells(stats, outcomes))
        table.add_section()
    return table


def summary(report: Report, rush: RushReport) -> RenderableType:
    """Return what it all comes to, in sentences."""
    total = report.total
    same = total.requests - report.different
    return Group(
        f"The {total.requests} requests took {total.without.total:.1f} s without the cache and "
        f"{total.cached.total:.1f} s with it: [bold]{total.saved:.1f} s saved, {_share(total)} of the time[/].",
        f"{same} of {total.requests} answers were the same, byte for byte, with the cache as without it"
        f"{'' if same == total.requests else '[bold red]: this must not be[/]'}.",
        f"A rush: {rush.visitors} visitors ask at once for a trip that nobody had before. Without the cache it is "
        f"computed {rush.visitors} times, in {_ms(rush.without)} ms; with it {rush.computed} time"
        f"{'' if rush.computed == 1 else 's'}, in {_ms(rush.cached)} ms.",
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _endpoint_cells(row: EndpointReport) -> list[str]:
    rate = _NONE if row.hit_rate is None else _percent(row.hit_rate)
    times = chain(_time_cells(row.without), _time_cells(row.cached))
    return [row.endpoint, str(row.requests), rate, *times, f"{row.saved:.2f} s"]


def _time_cells(times: Times) -> tuple[str, str]:
    return _ms(times.median), _ms(times.p95)


def _count_cells(stats: RouteStats, outcomes: Sequence[Outcome]) -> list[str]:
    counts = (_count(stats, outcome) for outcome in outcomes)
    rate = _percent(stats.hit_rate) if stats.requests > stats.bypass else _NONE
    return [stats.route, *(str(count or _NONE) for count in counts), rate, _reasons(stats)]


def _reasons(stats: RouteStats) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in stats.reasons.items())


def _count(stats: RouteStats, outcome: Outcome) -> int:
    found: int = getattr(stats, outcome.value)
    return found


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _share(row: EndpointReport) -> str:
    return _percent(row.saved / row.without.total)
