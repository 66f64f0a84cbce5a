"""The table of routes, and that of functions: what its columns show, and by what they sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from cachelayer.dashboard import figures
from cachelayer.dashboard.charts import shares, spark
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.state import State
from cachelayer.dashboard.words import NAMES, ORDER, explain
from cachelayer.stats.report import Latency, Report, RouteReport

#: Rows to a page: what comes every few seconds stays small, however many routes there are.
PAGE: Final = 50

Value = float | str | None


class Heading(msgspec.Struct, frozen=True):
    """A word over a column by which it can be sorted."""

    sort: str
    title: str
    value: Callable[[RouteReport], Value]


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        headings: the words over it, each of which sorts.
        cell: what it shows.
        style: its cells' classes.
        hint: what the words mean.
        of_functions: whether the table of functions has it, too.
    """

    headings: tuple[Heading, ...]
    cell: Callable[[RouteReport, Report, State], object]
    style: str = "n"
    hint: str = ""
    of_functions: bool = True


def route_table(
    report: Report, rows: Sequence[RouteReport], state: State, *, functions: bool = False
) -> Markup:
    """Return a table of these routes or functions, sorted, and its pager where it is long."""
    columns = [column for column in COLUMNS if column.of_functions or not functions]
    ordered = arranged(rows, state)
    # The pager is the routes'; there are at most as many functions, and they are shown whole up to a page.
    first = 0 if functions else min(state.page - 1, (len(ordered) - 1) // PAGE) * PAGE
    shown = ordered[max(0, first) : first + PAGE]
    head = tag("thead", tag("tr", [_heading(column, state, "-f" if functions else "") for column in columns]))
    body = tag("tbody", [_row(row, columns, report, state) for row in shown])
    name = "Functions" if functions else "Routes"
    table = tag("table", tag("caption", name, class_="away"), head, body, class_="routes")
    return join(tag("div", table, class_="scroll"), _pager(len(ordered), first, state, functions=functions))


def matching(rows: Iterable[RouteReport], state: State) -> list[RouteReport]:
    """Return those that the filter lets through: each of its words must be in the label."""
    words = state.q.lower().split()
    return [row for row in rows if all(word in row.route.lower() for word in words)]


def arranged(rows: Iterable[RouteReport], state: State) -> list[RouteReport]:
    """Return the rows in the order that was asked for; what is unknown comes last in either direction."""
    value = _VALUES[state.sort]
    known: list[tuple[Any, RouteReport]] = []
    unknown: list[RouteReport] = []
    for row in rows:
        key = value(row)
        if key is None or key == "":
            unknown.append(row)
        else:
            known.append((key, row))
    known.sort(key=lambda pair: (pair[0], pair[1].route), reverse=not state.up)
    return [row for _, row in known] + unknown


def name_of(row: RouteReport) -> str:
    """Return a label without the method that another column shows."""
    method, _, rest = row.route.partition(" ")
    return rest if rest and row.methods == (method,) else row.route


def route_link(row: RouteReport, state: State) -> Markup:
    """Return what opens a route's drawer: its name."""
    return tag(
        "a",
        name_of(row),
        href=state.url(route=row.route),
        data_live=True,
        data_open=row.route,
        title=row.route,
    )


def outcome_words(outcomes: dict[str, int]) -> str:
    """Return how often each outcome was, a line each, without those that never were."""
    total = sum(outcomes.values()) or 1
    found = [name for name in ORDER if outcomes.get(name)]
    lines = (
        f"{NAMES[name]}: {figures.count(outcomes[name])} ({figures.percent(outcomes[name] / total)})"
        for name in found
    )
    return "\n".join(lines) or "no requests"


def _heading(column: Column, state: State, suffix: str) -> Markup:
    links = [_sort_link(heading, state, suffix) for heading in column.headings]
    sorted_by = any(heading.sort == state.sort for heading in column.headings)
    order = ("ascending" if state.up else "descending") if sorted_by else None
    return tag(
        "th", *links, scope="col", class_=column.style or None, aria_sort=order, title=column.hint or None
    )


def _sort_link(heading: Heading, state: State, suffix: str) -> Markup:
    active = heading.sort == state.sort
    # The first click shows the largest first, but names from A on.
    up = not state.up if active else heading.sort in {"route", "methods", "reason"}
    title = "Function" if suffix and heading.sort == "route" else heading.title
    link = tag(
        "a",
        title,
        href=state.url(sort=heading.sort, up=up, page=1),
        data_live=True,
        id=f"sort-{heading.sort}{suffix}",
    )
    return tag("span", link, class_="two")


def _row(row: RouteReport, columns: Sequence[Column], report: Report, state: State) -> Markup:
    cells: list[Markup] = []
    for place, column in enumerate(columns):
        name = None if place == 0 else " · ".join(heading.title for heading in column.headings)
        cells.append(tag("td", column.cell(row, report, state), class_=column.style or None, data_name=name))
    opened = row.route == state.route
    return tag("tr", cells, class_="open" if opened else None, data_label=row.route)


def _pager(total: int, first: int, state: State, *, functions: bool) -> Markup | None:
    if total <= PAGE:
        return None
    last = min(total, first + PAGE)
    said = tag("span", f"{first + 1}–{last} of {figures.count(total)}")  # noqa: RUF001 - a dash between numbers
    if functions:
        return tag("div", said, tag("span", "filter to see others"), class_="pager")
    page = first // PAGE + 1
    links = [
        tag("a", word, href=state.url(page=page + step), data_live=True, id=f"page-{word.lower()}")
        for word, step, there in (("Previous", -1, first > 0), ("Next", 1, last < total))
        if there
    ]
    return tag("nav", said, *links, class_="pager", aria_label="Pages of the table")


# -- cells --------------------------------------------------------------------------------------------------------


def _label(row: RouteReport, _: Report, state: State) -> Markup:
    return join(route_link(row, state), tag("span", "paused", class_="badge warn") if row.paused else None)


def _methods(row: RouteReport, *_: object) -> Markup:
    return tag("span", ", ".join(row.methods) or figures.NOTHING, class_="small muted")


def _requests(row: RouteReport, *_: object) -> object:
    if not row.before:
        return figures.count(row.requests)
    change = figures.relative(row.requests / row.before - 1)
    return _two(figures.count(row.requests), change)


def _hit_rate(row: RouteReport, *_: object) -> Markup:
    line = spark([step.hit_rate if step.requests else None for step in row.spark])
    return tag(
        "span",
        line,
        tag("b", figures.percent(figures.rate_of(row))),
        class_="with",
    )


def _coverage(row: RouteReport, *_: object) -> str:
    return figures.percent(row.coverage) if row.requests else figures.NOTHING


def _outcomes(row: RouteReport, *_: object) -> Markup:
    parts = [(name, float(row.outcomes.get(name, 0))) for name in ORDER]
    return shares(parts, outcome_words(row.outcomes))


def _latency(of: Callable[[RouteReport], Latency]) -> Callable[..., object]:
    def cell(row: RouteReport, *_: object) -> object:
        found = of(row)
        return (
            _two(figures.roughly(found.p50), figures.roughly(found.p95)) if found.count else figures.NOTHING
        )

    return cell


def _saved(row: RouteReport, report: Report, _: State) -> str:
    return figures.seconds(row.saved_seconds / report.window * 3600) if row.served else figures.NOTHING


def _entries(row: RouteReport, *_: object) -> object:
    return _two(figures.count(row.entries), figures.size(row.size_bytes))


def _variants(row: RouteReport, *_: object) -> str:
    return figures.NOTHING if row.variants_per_url is None else f"{row.variants_per_url:.1f}"


def _lifetime(row: RouteReport, *_: object) -> object:
    return _two(figures.roughly(row.reuse.ttl), figures.roughly(row.reuse.gap_p50))


def _reason(row: RouteReport, *_: object) -> Markup:
    reason = row.top_reason
    count = row.reasons.get(reason, 0)
    words = tag("span", reason or figures.NOTHING, class_="two small", title=explain(reason) or None)
    return join(words, tag("span", f"{figures.count(count)} ×", class_="two") if count else None)  # noqa: RUF001 - times


def _two(first: object, second: object) -> Markup:
    return join(tag("span", first, class_="two"), tag("span", second, class_="two"))


COLUMNS: Final = (
    Column((Heading("route", "Route", lambda row: name_of(row).lower()),), _label, "route"),
    Column(
        (Heading("methods", "Method", lambda row: row.methods[0] if row.methods else None),),
        _methods,
        "less",
        of_functions=False,
    ),
    Column(
        (Heading("requests", "Requests", lambda row: row.requests),),
        _requests,
        hint="and the change against the window before",
    ),
    Column(
        (Heading("hit_rate", "Hit rate", figures.rate_of),),
        _hit_rate,
        hint="served from the cache, of all but the bypassed",
    ),
    Column(
        (Heading("coverage", "Coverage", lambda row: row.coverage if row.requests else None),),
        _coverage,
        hint="the share that could be cached: neither bypassed nor uncacheable",
    ),
    Column(
        (Heading("errors", "Outcomes", lambda row: row.errors),), _outcomes, "outcomes", "sorts by errors"
    ),
    Column(
        (Heading("hit", "Hit p50·p95", lambda row: row.hit.p95),),
        _latency(lambda row: row.hit),
        hint="time to serve from the cache; sorts by p95",
    ),
    Column(
        (Heading("origin", "Origin p50·p95", lambda row: row.origin.p95),),
        _latency(lambda row: row.origin),
        hint="time in the application; sorts by p95",
    ),
    Column(
        (Heading("saved", "Saved/h", lambda row: row.saved_seconds),),
        _saved,
        hint="computing time that the cache saves in an hour",
    ),
    Column(
        (
            Heading("entries", "Entries", lambda row: row.entries),
            Heading("size", "Size", lambda row: row.size_bytes),
        ),
        _entries,
        "n less",
    ),
    Column(
        (Heading("variants", "Variants", lambda row: row.variants_per_url),),
        _variants,
        "n less",
        "stored variants for each URL",
        of_functions=False,
    ),
    Column(
        (Heading("ttl", "TTL·reuse", lambda row: row.reuse.ttl),),
        _lifetime,
        "n less",
        "for how long entries are fresh, and the median time between two requests of one",
    ),
    Column((Heading("reason", "Not cached", lambda row: row.top_reason),), _reason, "less"),
)

_VALUES: Final = {heading.sort: heading.value for column in COLUMNS for heading in column.headings}
