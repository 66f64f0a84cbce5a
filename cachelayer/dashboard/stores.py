"""The stores: the split between their tiers, the breaker and the link."""

from __future__ import annotations

from collections.abc import Sequence

from cachelayer.dashboard import charts, figures
from cachelayer.dashboard.markup import Markup, tag
from cachelayer.dashboard.panels import legend_key, panel, plain_table
from cachelayer.stats.report import BackendReport, Report


def backends(report: Report) -> Markup:
    """Return the stores, with the split between their tiers, the breaker and the link."""
    rows = map(_backend_row, report.backends)
    table = plain_table(("Store", "Link", "Hit rate", "Entries", "Size", "Evictions"), rows)
    return panel("backends", "Stores", table, _split(report), flush=True)


def _backend_row(one: BackendReport) -> Markup:
    kind = one.kind.removesuffix("Backend") + (" · shared" if one.shared else " · one a worker")
    return tag(
        "tr",
        tag("td", tag("span", one.name, class_="two"), tag("span", kind, class_="two")),
        tag("td", *_link(one)),
        tag("td", figures.percent(one.hit_rate if one.hits or one.misses else None), class_="n"),
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
    legend = [legend_key(style, words, "") for (style, _), words in zip(parts, said, strict=True)]
    return tag(
        "div",
        tag("div", charts.shares(parts, "\n".join(said)), class_="wideshares"),
        tag("ul", legend, class_="legend"),
        class_="inside",
    )
