"""The drawer of one route: why it is as it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cachelayer.dashboard import figures
from cachelayer.dashboard.access import Role, User
from cachelayer.dashboard.lists import advice_item
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.panels import empty, meter, when
from cachelayer.dashboard.state import State
from cachelayer.dashboard.words import MEANINGS, NAMES, ORDER, explain
from cachelayer.outcomes import Outcome
from cachelayer.stats.report import Example, KeyCount, Report, RouteDetail, RouteReport, Split

MOST_EXAMPLES = 5
MOST_TAIL = 20


def drawer(report: Report, detail: RouteDetail | None, state: State, user: User, token: str) -> Markup:
    """Return the open drawer; an empty place for it where none is open."""
    if not state.route:
        return tag("aside", id="drawer", data_part=True, hidden=True)
    rows = (*report.routes, *report.functions)
    row = next((one for one in rows if one.route == state.route), None)
    head = _head(state, row, user, token)
    if row is None:
        content = empty("Nothing is known of this route.", "It had no request since the statistics began.")
    else:
        content = join(*_sections(row, detail, report))
    return tag(
        "aside",
        head,
        content,
        id="drawer",
        class_="drawer",
        role="dialog",
        aria_labelledby="drawer-title",
        tabindex="-1",
        data_part=True,
        data_label=state.route,
    )


def _head(state: State, row: RouteReport | None, user: User, token: str) -> Markup:
    close = tag(
        "a",
        "Close",
        href=state.url(route=""),
        class_="button plain",
        data_live=True,
        data_close=True,
        id="drawer-close",
    )
    title = tag(
        "h2",
        state.route,
        " ",
        tag("span", "paused", class_="badge warn") if row and row.paused else None,
        id="drawer-title",
    )
    return tag("header", title, close, _actions(state, row, token) if user.may(Role.PURGE) else None)


def _actions(state: State, row: RouteReport | None, token: str) -> Markup:
    purge = tag(
        "a", "Purge …", href="purging?" + state.url().partition("?")[2], class_="button",
        data_purge="route", data_value=state.route, id="drawer-purge",
    )  # fmt: skip
    if row is None:
        return tag("div", purge, class_="actions")
    action, words = ("resume", "Resume caching") if row.paused else ("pause", "Pause caching")
    form = tag(
        "form",
        tag("input", type="hidden", name="csrf_token", value=token),
        tag("input", type="hidden", name="route", value=state.route),
        tag("input", type="hidden", name="back", value=state.url()),
        tag("button", words, class_="button", name="action", value=action, id="drawer-pause"),
        method="post",
        action="pause",
        data_action=True,
    )
    return tag("div", purge, form, class_="actions")


def _sections(row: RouteReport, detail: RouteDetail | None, report: Report) -> Iterable[Markup | None]:
    yield _facts(row, report)
    yield _advice(row)
    yield _outcomes(row)
    yield _reasons(row)
    yield _times(row)
    if detail is None:
        yield empty("Keys and examples are not to be had now.", "The statistics store does not answer.")
        return
    yield _splits(detail.splits)
    yield _keys(detail.keys)
    yield _statuses(detail.examples)
    yield _tail(detail.examples)


def _section(title: str, *content: object, about: str = "") -> Markup:
    return tag(
        "section", tag("h3", title), tag("p", about, class_="muted small") if about else None, *content
    )


def _facts(row: RouteReport, report: Report) -> Markup:
    reuse = row.reuse
    saved = figures.seconds(row.saved_seconds / report.window * 3600)
    facts = [
        ("Hit rate", figures.percent(figures.rate_of(row)), _before(row)),
        ("Requests", figures.count(row.requests), f"{figures.percent(row.coverage)} could be cached"),
        ("Saved an hour", saved, f"{figures.size(row.bytes_served)} served"),
        ("Entries", figures.count(row.entries), figures.size(row.size_bytes)),
        ("Fresh for", figures.roughly(reuse.ttl), f"asked again after {figures.roughly(reuse.gap_p50)}"),
        ("Age at hit", figures.roughly(reuse.age_p50), f"p95 {figures.roughly(reuse.age_p95)}"),
        ("Changes after", figures.roughly(reuse.change_p50), f"{figures.percent(reuse.unchanged)} unchanged"),
        (
            "Variants",
            figures.NOTHING if row.variants_per_url is None else f"{row.variants_per_url:.1f}",
            "for each URL",
        ),
        ("Last purge", when(row.last_purge) if row.last_purge else "never", _evictions(row)),
    ]
    return _section("Figures", tag("dl", [_fact(*fact) for fact in facts], class_="facts"))


def _before(row: RouteReport) -> str:
    if row.hit_rate_before is None or not row.requests:
        return "nothing to compare with"
    return f"{figures.points(row.hit_rate - row.hit_rate_before)} vs. before"


def _evictions(row: RouteReport) -> str:
    return "" if row.evictions is None else f"{figures.count(row.evictions)} evicted"


def _fact(name: str, value: object, note: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value, tag("span", note, class_="note")))


def _advice(row: RouteReport) -> Markup | None:
    if not row.advice:
        return None
    return _section("What to do", tag("ul", [advice_item(one) for one in row.advice], class_="advice"))


def _outcomes(row: RouteReport) -> Markup:
    shown = {NAMES[name]: row.outcomes[name] for name in ORDER if row.outcomes.get(name)}
    meanings = {NAMES[name]: MEANINGS[Outcome(name)] for name in ORDER}
    styles = {NAMES[name]: name for name in ORDER}
    return _section("Outcomes", _bars(shown, meanings, styles))


def _reasons(row: RouteReport) -> Markup | None:
    if not row.reasons:
        return None
    meanings = {reason: explain(reason) for reason in row.reasons}
    return _section("Why it was not cached", _bars(row.reasons, meanings, {}, aloud=True))


def _bars(
    counts: Mapping[str, int], meanings: Mapping[str, str], styles: Mapping[str, str], *, aloud: bool = False
) -> Markup:
    """Return a bar for each count; what it means is said below it, or where somebody points at it."""
    total = sum(counts.values()) or 1
    lines: list[object] = []
    for name, count in counts.items():
        meaning = meanings.get(name)
        lines += [
            tag("span", name, title=meaning or None),
            meter(count / total, f"{name}: {figures.percent(count / total)}", styles.get(name, "")),
            tag("span", f"{figures.count(count)} · {figures.percent(count / total)}", class_="n"),
            tag("span", meaning, class_="meaning") if aloud and meaning else None,
        ]
    return tag("div", lines, class_="bars")


def _times(row: RouteReport) -> Markup:
    head = tag(
        "tr",
        [
            tag("th", word, scope="col", class_="n" if word else None)
            for word in ("", "p50", "p95", "p99", "timed")
        ],
    )
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            [tag("td", figures.roughly(value), class_="n") for value in (one.p50, one.p95, one.p99)],
            tag("td", figures.count(one.count), class_="n"),
        )
        for name, one in (("from the cache", row.hit), ("origin", row.origin))
    ]
    return _section("Times", tag("table", tag("thead", head), tag("tbody", rows)))


def _splits(splits: Iterable[Split]) -> Markup | None:
    rows = [
        tag(
            "tr",
            tag("td", f"{one.kind} ", tag("code", one.name)),
            tag("td", figures.percent(one.share), class_="n"),
            tag("td", figures.count(one.distinct), class_="n"),
        )
        for one in splits
    ]
    if not rows:
        return None
    head = tag(
        "tr",
        tag("th", "Part of the key", scope="col"),
        tag("th", "of the misses", scope="col", class_="n"),
        tag("th", "values", scope="col", class_="n"),
    )
    return _section("What splits the cache", tag("table", tag("thead", head), tag("tbody", rows)))


def _keys(keys: Iterable[KeyCount]) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", one.key, class_="key"),
            tag("td", figures.count(one.count), class_="n"),
            tag("td", figures.percent(one.share), class_="n"),
        )
        for one in keys
    ]
    if not rows:
        return _section("Top keys", tag("p", "None was sampled yet.", class_="muted small"))
    return _section(
        "Top keys",
        tag("table", tag("tbody", rows)),
        about="estimated from a bounded sample; values are never kept",
    )


def _statuses(examples: Iterable[Example]) -> Markup | None:
    seen = list(dict.fromkeys(one.cache_status for one in examples if one.cache_status))[:MOST_EXAMPLES]
    if not seen:
        return None
    return _section(
        "Cache-Status as it was sent", tag("ul", [tag("li", line) for line in seen], class_="quote")
    )


def _tail(examples: Iterable[Example]) -> Markup | None:
    lines = [_example(one) for one in list(examples)[:MOST_TAIL]]
    if not lines:
        return None
    return _section("Latest requests", tag("ul", lines, class_="tail"), about="a sample, as they come")


def _example(one: Example) -> Markup:
    name = one.outcome if one.outcome in NAMES else "bypass"
    said = tag(
        "span", tag("span", class_=f"swatch {name}"), NAMES.get(one.outcome, one.outcome), class_="what"
    )
    key = tag("span", one.key, class_="key", title=one.reason or one.key)
    return tag("li", when(one.at), said, key, tag("span", figures.seconds(one.seconds)))
