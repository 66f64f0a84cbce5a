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
_CAPTION: Final = (
    "As the client sees them: one request after another, in turns of 50.\n"
    "Without the cache: the same application less its middleware and @cached."
)


def endpoints_table(report: Report) -> Table:
    """Return the table of what the client measured."""
    table = _table(f"The same {report.total.requests:,} requests without the cache and with it (times in ms)")
    table.caption = _CAPTION
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
    groups = (report.routes, report.functions)
    outcomes = [outcome for outcome in Outcome if any(_count(stats, outcome) for stats in chain(*groups))]
    table.add_column("route or function")
    for outcome in outcomes:
        table.add_column(outcome.value.replace("_", " "), justify="right")
    table.add_column("hit\nrate", justify="right")
    table.add_column("not stored: why")
    for group in groups:
        for stats in group:
            table.add_row(*_count_cells(stats, outcomes))
        table.add_section()
    return table


def summary(report: Report, rush: RushReport) -> RenderableType:
    """Return what it all comes to, in sentences."""
    return Group(_saved(report.total), _compared(report), _rushed(rush))


def _saved(total: EndpointReport) -> str:
    return (
        f"The {total.requests:,} requests took {total.without.total:.1f} s without the cache and "
        f"{total.cached.total:.1f} s with it: [bold]{total.saved:.1f} s saved[/], "
        f"{_percent(total.saved / total.without.total)} of the time."
    )


def _compared(report: Report) -> str:
    requests = report.total.requests
    same = (
        f"{requests - report.different:,} of {requests:,} answers were the same with the cache as without it"
    )
    wrong = f" [bold red]{report.different} differ, {report.failed} are errors: this must not be.[/]"
    return f"{same}, byte for byte.{'' if report.sound else wrong}"


def _rushed(rush: RushReport) -> str:
    function = rush.function
    return (
        f"A rush: {function.requests} visitors ask at once for a trip that nobody asked for before. Without the cache "
        f"{function.route} ran {function.requests} times, and the last visitor waited {_ms(rush.without)} ms; "
        f"with it, {function.miss} ran and {function.served} shared its result: {_ms(rush.cached)} ms."
    )


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 0, 0, 1),
        caption_justify="left",
        caption_style="dim",
    )


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
