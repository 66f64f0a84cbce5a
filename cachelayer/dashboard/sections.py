"""The parts of the page below its bar: each a panel with an id, exchanged for a newer one while the page is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from cachelayer.dashboard import charts, figures
from cachelayer.dashboard.charts import Series
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.state import State
from cachelayer.dashboard.tables import matching, name_of, outcome_words, route_table
from cachelayer.dashboard.words import MEANINGS, NAMES, ORDER, plural
from cachelayer.outcomes import Outcome
from cachelayer.stats.report import (
    Advice,
    AuditEntry,
    BackendReport,
    Bucket,
    Latency,
    Report,
    RouteReport,
    TagReport,
)

#: Routes that the heat strips show: those with most requests.
MOST_STRIPS: Final = 12
MOST_ADVICE: Final = 5
#: Moments that a chart shows; more are thinned out by adding neighbours up.
MOST_MOMENTS: Final = 120
T = TypeVar("T")

_URGENT: Final = frozenset({"stale_if_error", "cookies"})


def panel(
    name: str, title: str, *content: object, about: str = "", aside: object = None, flush: bool = False
) -> Markup:
    """Return a panel: its title, a word about it, something at the right, and what it holds."""
    head = tag(
        "header",
        tag("h2", title, id=f"{name}-title"),
        tag("p", about) if about else None,
        tag("span", class_="grow") if aside is not None else None,
        aside,
    )
    body = content if flush else tag("div", *content, class_="inside")
    return tag(
        "section", head, body, id=name, class_="panel", aria_labelledby=f"{name}-title", data_part=True
    )


def notices(report: Report) -> Markup:
    """Return what must be known before the figures are believed."""
    said: list[Markup] = []
    if report.scope == "degraded":
        said.append(
            notice(
                "bad",
                "The shared statistics cannot be reached.",
                "These figures are of this worker alone; requests are served as ever.",
            )
        )
    elif report.scope == "process":
        said.append(
            notice(
                "",
                "Figures of this worker only.",
                "With several workers, share statistics to see all of them together.",
            )
        )
    for backend in report.backends:
        if backend.health is not None and backend.health.state != "closed":
            since = (
                f" since {figures.clock_time(backend.health.opened_at)} UTC"
                if backend.health.opened_at
                else ""
            )
            more = f"Requests go to the application. {backend.health.last_error}".strip()
            said.append(notice("bad", f"The store {backend.name} is away{since}.", more))
    paused = [row.route for row in (*report.routes, *report.functions) if row.paused]
    if paused:
        said.append(
            notice(
                "warn",
                f"{len(paused)} {plural(len(paused), 'route')} paused:",
                ", ".join(paused[:5]) + (" …" if len(paused) > 5 else ""),
            )
        )
    return tag("div", said, id="notices", role="status", data_part=True)


def notice(style: str, title: str, more: str) -> Markup:
    """Return one notice."""
    return tag("div", tag("span", tag("b", title), " ", more), class_=f"notice {style}".strip())


# -- tiles --------------------------------------------------------------------------------------------------------


def tiles(report: Report) -> Markup:
    """Return the figures that matter most, with their change against the period before."""
    total, before = report.total, report.before
    rate = total.hit_rate - before.hit_rate if before.requests and total.requests else None
    busier = total.requests / before.requests - 1 if before.requests else None
    rescued = total.outcomes.get("error_hit", 0)
    content = tag(
        "dl",
        _tile(
            "Hit rate",
            figures.percent(total.hit_rate) if total.requests else figures.NOTHING,
            _change(figures.points(rate), rate),
        ),
        _tile("Requests", figures.count(total.requests), _change(figures.relative(busier), None)),
        _tile(
            "Time saved",
            figures.seconds(total.saved_seconds),
            f"{figures.seconds(total.saved_seconds / report.window * 3600)} an hour",
        ),
        _tile("Calls avoided", figures.count(total.calls_avoided), "by sharing one computation"),
        _tile(
            "Served from cache",
            figures.size(total.bytes_served),
            f"{figures.size(total.bytes_stored)} stored",
        ),
        _tile(
            "Errors",
            figures.count(total.errors),
            f"{figures.count(rescued)} more covered by stale" if rescued else "none covered by stale",
            "down" if total.errors else "",
        ),
        _space(report),
        _health(report),
        class_="tiles",
    )
    return tag(
        "section", tag("h2", "Overview", class_="away"), content, id="tiles", class_="panel", data_part=True
    )


def _tile(name: str, value: object, note: object, style: str = "", *more: object) -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", value, class_=style or None),
        *more,
        tag("dd", note, class_="note"),
        class_="tile",
    )


def _change(text: str, sign: float | None) -> object:
    if not text:
        return "nothing to compare with"
    style = "up" if sign and sign > 0.0005 else "down" if sign and sign < -0.0005 else None
    return join(tag("span", text, class_=style), " against before")


def _space(report: Report) -> Markup:
    limits = [one.max_size_bytes for one in report.backends if one.max_size_bytes and one.tier != "l2"]
    limit, used = sum(limits), report.size_bytes
    share = used / limit if limit and used is not None else None
    note = figures.size(used) + (f" of {figures.size(limit)}" if limit else "")
    bar = None if share is None else meter(share, f"{figures.percent(share)} of the room is used")
    return _tile("Entries", figures.count(report.entries), note, "", bar)


def _health(report: Report) -> Markup:
    away = [one for one in report.backends if one.health is not None and one.health.state != "closed"]
    if away:
        return _tile(
            "Store",
            join(tag("span", class_="dot bad"), "away"),
            f"{away[0].name}: {away[0].health.state if away[0].health else ''}",
            "state",
        )
    errors = report.backend_errors
    kinds = ", ".join(dict.fromkeys(one.kind.removesuffix("Backend") for one in report.backends))
    note = f"{figures.count(errors)} failed {plural(errors, 'operation')}" if errors else kinds or "no store"
    return _tile("Store", join(tag("span", class_="dot"), "well"), note, "state")


def meter(share: float, words: str) -> Markup:
    """Return a bar that is filled up to `share`."""
    width = f"{100 * max(0.0, min(1.0, share)):.1f}"
    full, part = (
        tag("rect", class_="all", width=100, height=4),
        tag("rect", class_="part", width=width, height=4),
    )
    return tag(
        "svg",
        full,
        part,
        class_="meter",
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
    )


# -- charts -------------------------------------------------------------------------------------------------------


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
    tips = [
        f"{_span(part, report)}\n{outcome_words(one)}" for part, one in zip(moments, counted, strict=True)
    ]
    plot = charts.stacked(
        [Series(name, name, [one[name] for one in counted]) for name in names], tips, top=top
    )
    axis = [figures.count(top * share) for share in (1, 0.75, 0.5, 0.25, 0)]
    legend = [
        _key(
            name,
            f"{NAMES[name]} {figures.percent(report.total.outcomes[name] / report.total.requests)}",
            MEANINGS[Outcome(name)],
        )
        for name in names
    ]
    each = report.step * len(moments[0])
    about = f"requests per {_unit(each)}, UTC"
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
        f"{_span(part, report)}\n"
        + "\n".join(f"{name}: {figures.seconds(line[place])}" for _, name, line, _ in lines)
        for place, part in enumerate(moments)
    ]
    plot = charts.lines(
        [Series(name, style, line) for style, name, line, _ in lines], tips, low=low, high=high
    )
    axis = [figures.seconds(low * (high / low) ** share) for share in (1, 0.75, 0.5, 0.25, 0)]
    legend = [
        _key(style, f"{name} {figures.seconds(whole)}", "", wide=True) for style, name, _, whole in lines
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


def _strip(row: RouteReport, report: Report, state: State) -> Markup:
    parts = _chunks(row.spark)
    values: list[float | None] = []
    tips: list[str] = []
    size = max(1, -(-len(row.spark) // MOST_MOMENTS))
    for place, part in enumerate(parts):
        requests = sum(step.requests for step in part)
        rate = sum(step.requests * step.hit_rate for step in part) / requests if requests else None
        at = report.series[place * size].start if place * size < len(report.series) else report.end
        values.append(rate)
        tips.append(
            f"{figures.tick_time(at, report.window)}\n{figures.percent(rate)} of {figures.count(requests)}"
        )
    link = tag(
        "a",
        name_of(row),
        href=state.url(route=row.route),
        data_live=True,
        data_open=row.route,
        title=row.route,
    )
    return join(
        tag("span", link, class_="label"),
        charts.strip(values, tips),
        tag("span", figures.percent(row.hit_rate), class_="figure"),
    )


def _chart(plot: Markup, axis: Sequence[str], report: Report) -> Markup:
    start = report.series[0].start if report.series else report.start
    ticks = [
        figures.tick_time(start + (report.end - start) * share, report.window)
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    return tag(
        "div",
        tag("div", [tag("span", word) for word in axis], class_="ys", aria_hidden="true"),
        tag("div", plot, class_="frame"),
        tag("div", [tag("span", word) for word in ticks], class_="xs", aria_hidden="true"),
        class_="chart",
    )


def _key(style: str, words: str, meaning: str, *, wide: bool = False) -> Markup:
    dashed = " dashed" if style.endswith("p95") else ""
    swatch = tag("span", class_=f"swatch {'wide ' if wide else ''}{style}{dashed}")
    return tag("li", swatch, words, title=meaning or None)


def _moments(report: Report) -> list[Sequence[Bucket]]:
    return _chunks(report.series)


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    """Return the items in at most `MOST_MOMENTS` runs of equal length."""
    size = max(1, -(-len(items) // MOST_MOMENTS))
    return [items[place : place + size] for place in range(0, len(items), size)]


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


def _span(part: Sequence[Bucket], report: Report) -> str:
    return f"{figures.tick_time(part[0].start, report.window)} UTC"


def _unit(length: float) -> str:
    words = {60.0: "minute", 600.0: "10 minutes", 3600.0: "hour", 86400.0: "day"}
    return words.get(length, figures.seconds(length))


def _decades(low: float, high: float) -> tuple[float, float]:
    """Return powers of ten around two values."""
    lower = upper = 1.0
    while lower > low:
        lower /= 10
    while lower * 10 <= low:
        lower *= 10
    upper = lower * 10
    while upper < high:
        upper *= 10
    return lower, upper


def empty(title: str, more: str) -> Markup:
    """Return what stands where there is nothing to show yet."""
    return tag("p", tag("b", title), more, class_="empty")


# -- lists --------------------------------------------------------------------------------------------------------


def advice(report: Report, state: State) -> Markup:
    """Return what to do next."""
    if not report.advice:
        return panel(
            "advice",
            "What to do next",
            empty("Nothing to mend.", "Advice appears when the figures of a route call for it."),
        )
    found = [advice_item(one, state) for one in report.advice[:MOST_ADVICE]]
    left = len(report.advice) - MOST_ADVICE
    more = (
        tag("p", f"and {left} more, in the drawers of their routes", class_="muted small")
        if left > 0
        else None
    )
    return panel(
        "advice", "What to do next", tag("ul", found, class_="advice"), more, about="by what it would save"
    )


def advice_item(one: Advice, state: State | None = None) -> Markup:
    """Return one piece of advice; with its route where `state` says where that leads."""
    where = None
    if state is not None:
        link = tag("a", one.route, href=state.url(route=one.route), data_live=True, data_open=one.route)
        where = tag("span", link, class_="where")
    do = tag("span", tag("code", one.setting), class_="do") if one.setting else None
    return tag(
        "li",
        where,
        tag("span", _with_code(one.text), class_="what"),
        do,
        class_="warn" if one.kind in _URGENT else None,
    )


def _with_code(words: str) -> list[object]:
    """Return text in which what stands between backticks is code."""
    pieces = words.split("`")
    return [tag("code", piece) if place % 2 else piece for place, piece in enumerate(pieces)]


def routes(report: Report, state: State) -> Markup:
    """Return the table of routes."""
    shown = matching(report.routes, state)
    about = (
        f"{figures.count(len(shown))} of {figures.count(len(report.routes))}"
        if state.q
        else figures.count(len(report.routes))
    )
    if not shown:
        nothing = (
            empty("No route has this in its name.", "Change the filter to see others.")
            if state.q
            else empty(
                "No request has come yet.",
                "Put CacheMiddleware around the application, and its routes appear here.",
            )
        )
        return panel("routes", "Routes", nothing, about=about)
    return panel("routes", "Routes", route_table(report, shown, state), about=about, flush=True)


def functions(report: Report, state: State) -> Markup | None:
    """Return the table of cached functions."""
    shown = matching(report.functions, state)
    if not shown:
        return tag("section", id="functions", data_part=True, hidden=True)
    table = route_table(report, shown, state, functions=True)
    return panel("functions", "Functions", table, about=figures.count(len(report.functions)), flush=True)


def tags(report: Report) -> Markup:
    """Return the tags that were invalidated."""
    if not report.tags:
        return panel(
            "tags",
            "Tags",
            empty("No tag has been invalidated.", "cache.invalidate_tags() and purges by tag show here."),
        )
    return panel(
        "tags",
        "Tags",
        _table(("Tag", "Invalidated", "Entries", "Last"), map(_tag_row, report.tags[:20])),
        about="that were invalidated",
        flush=True,
    )


def _tag_row(one: TagReport) -> Markup:
    return tag(
        "tr",
        tag("td", one.tag, class_="route"),
        tag("td", f"{figures.count(one.invalidations)} ×", class_="n"),  # noqa: RUF001 - times
        tag("td", figures.count(one.entries), class_="n"),
        tag("td", when(one.last), class_="n"),
    )


def backends(report: Report) -> Markup:
    """Return the stores, with the split between their tiers, the breaker and the link."""
    rows = map(_backend_row, report.backends)
    table = _table(("Store", "Link", "Hit rate", "Entries", "Size", "Evictions"), rows)
    return panel("backends", "Stores", table, _split(report), flush=True)


def _backend_row(one: BackendReport) -> Markup:
    kind = one.kind.removesuffix("Backend") + (" · shared" if one.shared else " · one a worker")
    return tag(
        "tr",
        tag("td", tag("span", one.name, class_="two"), tag("span", kind, class_="two")),
        tag("td", *_link(one)),
        tag("td", figures.percent(one.hit_rate), class_="n"),
        tag("td", figures.count(one.current_entries), class_="n"),
        tag(
            "td",
            tag("span", figures.size(one.current_size_bytes), class_="two"),
            tag("span", f"of {figures.size(one.max_size_bytes)}", class_="two")
            if one.max_size_bytes
            else None,
            class_="n",
        ),
        tag("td", figures.count(one.evictions), class_="n"),
    )


def _link(one: BackendReport) -> Sequence[Markup]:
    health = one.health
    if health is None:
        return (tag("span", "in the process", class_="badge"),)
    style, word = {"closed": ("good", "well"), "open": ("bad", "away")}.get(
        health.state, ("warn", health.state)
    )
    facts = [
        f"{figures.count(value)} {name}"
        for name, value in (
            ("failed", health.failures),
            ("timed out", health.timeouts),
            ("refused", health.refused),
            ("pending", health.pending),
        )
        if value
    ]
    return tag("span", word, class_=f"badge {style}", title=health.last_error or None), tag(
        "span", ", ".join(facts), class_="two small"
    )


def _split(report: Report) -> Markup | None:
    """Return how the hits of a tiered store are divided between its tiers."""
    near = next((one for one in report.backends if one.tier == "l1"), None)
    far = next((one for one in report.backends if one.tier == "l2"), None)
    if near is None or far is None:
        return None
    parts = [
        ("hit", float(near.hits or 0)),
        ("collapsed", float(far.hits or 0)),
        ("miss", float(far.misses or 0)),
    ]
    total = sum(value for _, value in parts) or 1
    names = ("in L1, without I/O", "in L2", "in neither")
    said = [f"{name} {figures.percent(value / total)}" for name, (_, value) in zip(names, parts, strict=True)]
    legend = [_key(style, words, "") for (style, _), words in zip(parts, said, strict=True)]
    return tag(
        "div",
        tag("div", charts.shares(parts, "\n".join(said)), class_="wideshares"),
        tag("ul", legend, class_="legend"),
        class_="inside",
    )


def audit(report: Report) -> Markup:
    """Return who purged what."""
    if not report.audit:
        return panel(
            "audit",
            "Log",
            empty(
                "Nothing has been purged.",
                "Purges, invalidations and pauses are listed here, with who made them.",
            ),
        )
    rows = map(_audit_row, report.audit[:30])
    return panel(
        "audit",
        "Log",
        _table(("When", "What", "Entries", "Reached"), rows),
        about="purges, invalidations and pauses",
        flush=True,
    )


def _audit_row(one: AuditEntry) -> Markup:
    action = one.action.replace("_", " ") + (", soft" if one.soft else "")
    count = (
        figures.NOTHING if one.count is None else ("" if one.exact else "about ") + figures.count(one.count)
    )
    reached = f"{one.reached} of {one.workers}"
    late = one.reached < one.workers
    return tag(
        "tr",
        tag(
            "td",
            tag("span", when(one.at), class_="two"),
            tag("span", one.by or "the application", class_="two"),
        ),
        tag(
            "td",
            tag("span", action, class_="two"),
            tag("span", one.what or "everything", class_="two", title=one.what),
            class_="route",
        ),
        tag("td", count, class_="n"),
        tag("td", tag("span", reached, class_="badge warn" if late else None), class_="n"),
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


def _times(scale: float) -> str:
    names = {0.5: "half the size", 1.0: "as it is", 2.0: "twice", 4.0: "four times"}
    return names.get(scale, f"{scale:g} times")


def when(at: float) -> Markup:
    """Return a moment, which the script turns into the reader's own time."""
    return tag("time", f"{figures.clock_time(at)} UTC", datetime=figures.iso_time(at))


def _table(heads: Sequence[str], rows: object) -> Markup:
    plain = {"Tag", "Store", "Link", "When", "What"}
    head = tag("tr", [tag("th", word, scope="col", class_=None if word in plain else "n") for word in heads])
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="scroll")
