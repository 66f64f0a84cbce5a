"""The lists: advice, routes, functions, tags, and the log."""

from __future__ import annotations

from typing import Final

from cachelayer.dashboard import figures
from cachelayer.dashboard.markup import Markup, tag
from cachelayer.dashboard.panels import empty, panel, plain_table, when
from cachelayer.dashboard.state import State
from cachelayer.dashboard.tables import matching, route_table
from cachelayer.stats.report import Advice, AuditEntry, Report, TagReport

MOST_ADVICE: Final = 5
_URGENT: Final = frozenset({"stale_if_error", "cookies"})


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
        "advice",
        "What to do next",
        tag("ul", found, class_="advice"),
        more,
        about="the most worthwhile first",
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
        plain_table(("Tag", "Invalidated", "Entries", "Last"), map(_tag_row, report.tags[:50]), long="Tags"),
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
    rows = map(_audit_row, report.audit[:50])
    return panel(
        "audit",
        "Log",
        plain_table(("When", "What", "Entries", "Reached"), rows, long="Log"),
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
