"""The first look: what must be known before the figures are believed, and the figures that matter most."""

from __future__ import annotations

from cachelayer.dashboard import figures
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.panels import meter, notice
from cachelayer.dashboard.words import plural
from cachelayer.stats.report import Report


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
            figures.percent(figures.rate_of(total)),
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
    return join(tag("span", text, class_=style), " vs. before")


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
