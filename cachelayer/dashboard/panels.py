"""What the parts of the page are made of: panels, notices, meters, legends, small tables."""

from __future__ import annotations

from collections.abc import Sequence

from cachelayer.dashboard import figures
from cachelayer.dashboard.markup import Markup, tag


def panel(
    name: str, title: str, *content: object, about: object = "", aside: object = None, flush: bool = False
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


def notice(style: str, title: str, more: str) -> Markup:
    """Return one notice."""
    return tag("div", tag("span", tag("b", title), " ", more), class_=f"notice {style}".strip())


def empty(title: str, more: str) -> Markup:
    """Return what stands where there is nothing to show yet."""
    return tag("p", tag("b", title), more, class_="empty")


def meter(share: float, words: str, style: str = "") -> Markup:
    """Return a bar that is filled up to `share`, in the colour of an outcome where `style` names one."""
    width = f"{100 * max(0.0, min(1.0, share)):.1f}"
    full, part = (
        tag("rect", class_="all", width=100, height=4),
        tag("rect", class_=f"part {style}".strip(), width=width, height=4),
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


def when(at: float) -> Markup:
    """Return a moment, which the script turns into the reader's own time."""
    return tag("time", f"{figures.clock_time(at)} UTC", datetime=figures.iso_time(at))


def moment(at: float) -> Markup:
    """Return a moment with its date."""
    iso = figures.iso_time(at)
    return tag("time", iso.replace("T", " ").replace("Z", " UTC"), datetime=iso)


def tick(at: float, span: float) -> Markup:
    """Return a moment on the axis of a chart of `span` seconds, which the script turns into the reader's own time."""
    return tag("time", figures.tick_time(at, span), datetime=figures.iso_time(at), data_span=f"{span:g}")


def legend_key(style: str, words: str, meaning: str, *, wide: bool = False) -> Markup:
    """Return one line of a legend: a patch of the colour, and what it stands for."""
    dashed = " dashed" if style.endswith("p95") else ""
    swatch = tag("span", class_=f"swatch {'wide ' if wide else ''}{style}{dashed}")
    return tag("li", swatch, words, title=meaning or None)


def plain_table(heads: Sequence[str], rows: object, *, long: str = "") -> Markup:
    """Return a small table; figures stand at the right. A `long` one, which that names, scrolls by itself."""
    plain = {"Tag", "Store", "Link", "When", "What"}
    head = tag("tr", [tag("th", word, scope="col", class_=None if word in plain else "n") for word in heads])
    table = tag("table", tag("thead", head), tag("tbody", rows))
    if not long:
        return tag("div", table, class_="scroll")
    return tag("div", table, class_="scroll long", tabindex="0", role="region", aria_label=long)
