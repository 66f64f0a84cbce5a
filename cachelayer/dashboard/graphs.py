"""The charts: outcomes, latencies and hit rates over time, and hit rates over the store's size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from cachelayer.dashboard import charts, figures
from cachelayer.dashboard.charts import Moments, Series
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.panels import empty, legend_key, panel, tick
from cachelayer.dashboard.state import State
from cachelayer.dashboard.tables import outcome_words, route_link
from cachelayer.dashboard.words import MEANINGS, NAMES, ORDER
from cachelayer.outcomes import Outcome
from cachelayer.stats.report import Bucket, Latency, Report, RouteReport

#: Routes that the heat strips show: those with most requests.
MOST_STRIPS: Final = 12
#: Moments that a chart shows; more are thinned out by adding neighbours up.
MOST_MOMENTS: Final = 120
T = TypeVar("T")


def outcomes_chart(report: Report) -> Markup:
    """Return how lookups ended, over time."""
    if not report.total.requests:
        return panel(
            "outcomes",
            "Outcomes over time",
            empty(
                "Nothing has been counted in this window.",
                "As soon as a request or a cached call comes, it shows here.",
            ),
        )
    moments = _moments(report)
    names = [name for name in ORDER if report.total.outcomes.get(name)]
    counted = [_added(part) for part in moments]
    top = charts.nice_top(max(sum(one.values()) for one in counted))
    layers = [Series(name, name, [one[name] for one in counted]) for name in names]
    plot = charts.stacked(layers, _along(report, map(outcome_words, counted)), top=top)
    axis = [figures.count(top * share) for share in (1, 0.75, 0.5, 0.25, 0)]
    legend = [
        legend_key(
            name,
            f"{NAMES[name]} {figures.percent(report.total.outcomes[name] / report.total.requests)}",
            MEANINGS[Outcome(name)],
        )
        for name in names
    ]
    each = report.step * len(moments[0])
    about = join(f"requests per {_unit(each)}", tag("span", ", UTC", class_="zone"))
    return panel(
        "outcomes",
        "Outcomes over time",
        _chart(plot, axis, report),
        tag("ul", legend, class_="legend"),
        about=about,
    )


def latency_chart(report: Report) -> Markup:
    """Return what serving from the cache takes, against what the origin does."""
    moments = _moments(report)
    lines = [
        ("hit", "hit p50", [_median(part, "hit", "p50") for part in moments], report.total.hit.p50),
        ("hit-p95", "hit p95", [_median(part, "hit", "p95") for part in moments], report.total.hit.p95),
        (
            "origin",
            "origin p50",
            [_median(part, "origin", "p50") for part in moments],
            report.total.origin.p50,
        ),
        (
            "origin-p95",
            "origin p95",
            [_median(part, "origin", "p95") for part in moments],
            report.total.origin.p95,
        ),
    ]
    values = [value for _, _, line, _ in lines for value in line if value]
    title = "Hit against origin"
    if not values:
        return panel("latency", title, empty("No times yet.", "They come with the first requests."))
    low, high = _decades(min(values), max(values))
    tips = [
        "\n".join(f"{name}: {figures.roughly(line[place])}" for _, name, line, _ in lines)
        for place in range(len(moments))
    ]
    series = [Series(name, style, line) for style, name, line, _ in lines]
    plot = charts.lines(series, _along(report, tips), low=low, high=high)
    axis = [
        figures.seconds(10.0**power)
        for power in range(round(math.log10(high)), round(math.log10(low)) - 1, -1)
    ]
    legend = [
        legend_key(style, f"{name} {figures.roughly(whole)}", "", wide=True)
        for style, name, _, whole in lines
    ]
    return panel(
        "latency",
        title,
        _chart(plot, axis, report),
        tag("ul", legend, class_="legend"),
        about="seconds, logarithmic",
    )


def heat(report: Report, state: State) -> Markup:
    """Return the hit rate of the busiest routes over time, a strip each."""
    rows = [row for row in (*report.routes, *report.functions) if row.requests]
    rows = sorted(rows, key=lambda row: -row.requests)[:MOST_STRIPS]
    if not rows:
        return panel(
            "heat", "Hit rate by route", empty("No route yet.", "The busiest appear here, a strip each.")
        )
    content = [_strip(row, report, state) for row in rows]
    steps = [tag("rect", class_=f"h{step}", x=step * 12, y=0, width=11, height=8) for step in range(9)]
    scale = tag(
        "span", "0 %", tag("svg", steps, viewBox="0 0 108 8", aria_hidden="true"), "100 %", class_="scale"
    )
    return panel(
        "heat",
        "Hit rate by route",
        tag("div", content, class_="heats"),
        about="the busiest, over time",
        aside=scale,
    )


def curve(report: Report) -> Markup:
    """Return the hit rate that other sizes would give."""
    points = sorted((one.scale, one.hit_rate) for one in report.curve if one.scale > 0)
    if len(points) < 2:
        return tag("section", id="curve", data_part=True, hidden=True)
    plot = charts.curve(points, 1.0)
    axis = [figures.percent(share) for share in (1, 0.75, 0.5, 0.25, 0)]
    chosen = [(scale, rate) for scale, rate in points if scale in (0.5, 1.0, 2.0, 4.0)]
    facts = [tag("div", tag("dt", _times(scale)), tag("dd", figures.percent(rate))) for scale, rate in chosen]
    scales = [tag("span", f"{scale:g} ×") for scale, _ in points]  # noqa: RUF001 - times
    drawn = tag(
        "div",
        tag("div", [tag("span", word) for word in axis], class_="ys", aria_hidden="true"),
        tag("div", plot, class_="frame"),
        tag("div", scales, class_="xs", aria_hidden="true"),
        class_="chart",
    )
    return panel(
        "curve",
        "What more room would give",
        drawn,
        tag("dl", facts, class_="facts four"),
        about="the store's hit rate by its size, estimated",
    )


def _strip(row: RouteReport, report: Report, state: State) -> Markup:
    values: list[float | None] = []
    tips: list[str] = []
    for part in _chunks(row.spark):
        requests = sum(step.requests for step in part)
        rate = sum(step.requests * step.hit_rate for step in part) / requests if requests else None
        values.append(rate)
        tips.append(f"{figures.percent(rate)} of {figures.count(requests)}")
    return join(
        tag("span", route_link(row, state), class_="label"),
        charts.strip(values, _along(report, tips)),
        tag("span", figures.percent(figures.rate_of(row)), class_="figure"),
    )


def _chart(plot: Markup, axis: Sequence[str], report: Report) -> Markup:
    start = report.series[0].start if report.series else report.start
    ticks = [tick(start + (report.end - start) * share, report.window) for share in (0, 0.25, 0.5, 0.75, 1)]
    return tag(
        "div",
        tag("div", [tag("span", word) for word in axis], class_="ys", aria_hidden="true"),
        tag("div", plot, class_="frame"),
        tag("div", ticks, class_="xs", aria_hidden="true"),
        class_="chart",
    )


def _along(report: Report, tips: Iterable[str]) -> Moments:
    start = report.series[0].start if report.series else report.start
    return Moments(start, report.step * _run(len(report.series)), report.window, list(tips))


def _moments(report: Report) -> list[Sequence[Bucket]]:
    return _chunks(report.series)


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    """Return the items in at most `MOST_MOMENTS` runs of equal length."""
    size = _run(len(items))
    return [items[place : place + size] for place in range(0, len(items), size)]


def _run(count: int) -> int:
    return max(1, -(-count // MOST_MOMENTS))


def _added(part: Sequence[Bucket]) -> dict[str, int]:
    return {name: sum(bucket.outcomes.get(name, 0) for bucket in part) for name in ORDER}


def _median(part: Sequence[Bucket], which: str, name: str) -> float | None:
    """Return the middle of what the buckets say, which is as good as a line of a few pixels can show."""
    found = sorted(
        value for bucket in part if (value := getattr(_latency_of(bucket, which), name)) is not None
    )
    return found[len(found) // 2] if found else None


def _latency_of(bucket: Bucket, which: str) -> Latency:
    return bucket.hit if which == "hit" else bucket.origin


def _unit(length: float) -> str:
    words = {60.0: "minute", 600.0: "10 minutes", 3600.0: "hour", 86400.0: "day"}
    return words.get(length, figures.roughly(length))


def _decades(low: float, high: float) -> tuple[float, float]:
    """Return the powers of ten around two values, two at least apart."""
    lower, upper = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return 10.0**lower, 10.0 ** max(upper, lower + 2)


def _times(scale: float) -> str:
    names = {0.5: "half the size", 1.0: "as it is", 2.0: "twice", 4.0: "four times"}
    return names.get(scale, f"{scale:g} times")
