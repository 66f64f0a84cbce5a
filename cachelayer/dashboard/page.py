"""The page as a whole: its bar, its parts in their order, and pages that only say something."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from cachelayer.dashboard import figures, graphs, lists
from cachelayer.dashboard.access import Role, User
from cachelayer.dashboard.assets import asset_url
from cachelayer.dashboard.dialogs import purge_form
from cachelayer.dashboard.drawer import drawer
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.panels import moment, notice
from cachelayer.dashboard.state import WINDOWS, State
from cachelayer.dashboard.stores import backends
from cachelayer.dashboard.tiles import notices, tiles
from cachelayer.dashboard.words import plural
from cachelayer.stats.report import Report, RouteDetail

DOCTYPE: Final = "<!doctype html>"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is made of.

    Attributes:
        report: the figures; None where there are none to be had.
        detail: of the route whose drawer is open.
        state: what is shown of them.
        user: who looks.
        token: against forged requests.
        title: how the cache is called.
        interval: seconds between two updates.
    """

    report: Report | None
    detail: RouteDetail | None
    state: State
    user: User
    token: str
    title: str
    interval: float


def whole_page(shown: Shown) -> str:
    """Return the page."""
    body = tag(
        "body",
        tag("a", "Skip to the figures", href="#main", class_="skip"),
        _bar(shown),
        tag("main", parts(shown), id="main", tabindex="-1"),
        tag("dialog", id="dialog", aria_label="Purge"),
        tag("template", purge_form(shown.token), id="purge-form") if shown.user.may(Role.PURGE) else None,
        tag("div", id="tip", role="tooltip", hidden=True),
        data_interval=f"{shown.interval:g}",
    )
    return _document(shown.title, body, script=True)


def parts(shown: Shown) -> Markup:
    """Return what is exchanged while the page is open."""
    report, state = shown.report, shown.state
    if report is None:
        words = notice(
            "bad",
            "There are no figures now.",
            "Making the report failed; the log says why. Requests are served as ever.",
        )
        return join(tag("div", words, id="notices", role="status", data_part=True), _status(shown))
    has_curve = len(report.curve) > 1
    return join(
        _status(shown),
        notices(report),
        tiles(report),
        tag("div", graphs.outcomes_chart(report), graphs.latency_chart(report), class_="pair"),
        tag("div", graphs.heat(report, state), lists.advice(report, state), class_="pair"),
        lists.routes(report, state),
        lists.functions(report, state),
        tag("div", backends(report), graphs.curve(report), class_="pair" if has_curve else None),
        tag("div", lists.audit(report), lists.tags(report), class_="pair even"),
        drawer(report, shown.detail, state, shown.user, shown.token),
        tag("span", id="token", hidden=True, data_part=True, data_token=shown.token),
    )


def small_page(title: str, content: Markup) -> str:
    """Return a page of its own for a form, or for something to say."""
    inside = tag("main", tag("div", content, class_="panel dialog-panel"))
    return _document(title, tag("body", inside), script=False)


def message(status: int, detail: str) -> str:
    """Return a page that says why something was refused."""
    words = tag(
        "div",
        tag("h1", f"{status} {HTTPStatus(status).phrase}"),
        tag("p", detail),
        tag("p", tag("a", "Back to the dashboard", href="./")),
        class_="dialog",
    )
    return small_page(f"{status}", words)


def _document(title: str, body: Markup, *, script: bool) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} · cachelayer"),
        tag("link", rel="icon", href=asset_url("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=asset_url("dashboard.css")),
        tag("script", src=asset_url("theme.js")),
        tag("script", src=asset_url("dashboard.js"), defer=True) if script else None,
    )
    return DOCTYPE + tag("html", head, body, lang="en")


def _bar(shown: Shown) -> Markup:
    state = shown.state
    windows = [
        tag(
            "a",
            words,
            href=state.url(window=name, page=1),
            aria_current="true" if name == state.window else None,
            data_live=True,
            data_window=name,
            id=f"window-{name}",
        )
        for name, words in WINDOWS.items()
    ]
    purge = tag("a", "Purge …", href="purging", class_="button", data_purge="route", id="purge-open")
    content = tag(
        "div",
        tag(
            "h1",
            tag("img", src=asset_url("icon.svg"), alt="", width=24, height=24),
            tag("span", "cachelayer", tag("span", f" / {shown.title}", class_="of")),
            class_="brand",
        ),
        tag("nav", windows, class_="windows", aria_label="Window of time"),
        _filter(state),
        tag("span", class_="grow"),
        tag(
            "span",
            tag("span", class_="dot", id="live-dot"),
            tag("span", "", id="live-words"),
            id="live",
            class_="status",
            hidden=True,
        ),
        tag(
            "button",
            _theme_icon(),
            tag("span", "Change between dark and light", class_="away"),
            class_="button plain",
            id="theme",
            type="button",
            hidden=True,
        ),
        purge if shown.user.may(Role.PURGE) else None,
    )
    return tag("header", content, class_="bar")


def _filter(state: State) -> Markup:
    kept = [
        tag("input", type="hidden", name=name, value=value)
        for name, value in (("window", state.window), ("sort", state.sort), ("up", "1" if state.up else "")) if value
    ]  # fmt: skip
    return tag(
        "form",
        kept,
        tag("label", "Filter routes", for_="filter", class_="away"),
        tag(
            "input",
            type="search",
            name="q",
            id="filter",
            class_="field",
            placeholder="Filter routes",
            value=state.q or None,
            maxlength=200,
            autocomplete="off",
        ),
        tag("noscript", " ", tag("button", "Filter", class_="button")),
        method="get",
        action="./",
        role="search",
        id="filter-form",
    )


def _status(shown: Shown) -> Markup:
    report = shown.report
    if report is None:
        return tag("p", id="status", class_="status", data_part=True)
    workers = len(report.workers)
    words = f"{workers} {plural(workers, 'worker')}"
    if report.scope == "process":
        words = "this worker only: others show where statistics are shared"
    since = join("counted since ", moment(report.since))
    late = f", up to {figures.seconds(report.interval)} late" if report.interval else ""
    return tag(
        "p",
        words,
        " · ",
        since,
        late,
        " · ",
        f"signed in as {shown.user.name}",
        id="status",
        class_="status",
        data_part=True,
        data_made=figures.iso_time(report.generated_at),
    )


def _theme_icon() -> Markup:
    disc = tag("circle", cx=8, cy=8, r=6.25, fill="none", stroke="currentColor", stroke_width=1.5)
    half = tag("path", d="M8 1.75a6.25 6.25 0 0 1 0 12.5z", fill="currentColor")
    return tag("svg", disc, half, viewBox="0 0 16 16", aria_hidden="true")
