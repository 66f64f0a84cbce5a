"""What the page says, as HTML: its parts, states and links, without a browser."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from cachelayer.dashboard.markup import tag
from cachelayer.http import Reason
from cachelayer.stats.report import BackendReport, HealthReport, RouteDetail, RouteReport
from tests.dashboard import figures
from tests.dashboard.support import SHELLS, VIEWER, Asker, field, make_dashboard

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """Notes each element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def asker() -> Asker:
    """Someone who may purge."""
    return Asker(make_dashboard())


def page(asker: Asker, query: str = "") -> str:
    """Return the page."""
    response = asker.get("/", query)
    assert response.status == 200
    return response.body.decode()


def labels(text: str) -> list[str]:
    """Return the labels of the rows of both tables, in their order."""
    return re.findall(r'<tr[^>]* data-label="([^"]*)"', text)


@pytest.mark.parametrize("root", ["", "/cache", "/deep/er/cache"])
@pytest.mark.parametrize("shell", SHELLS)
def test_it_lives_under_any_prefix(shell: str, root: str):
    """Every link and file is relative, so that it works wherever it is mounted [observability 7]."""
    asker = SHELLS[shell](make_dashboard(), root=root)
    found = Elements(page(asker, "route=GET+/search")).found
    links = [attrs.get("href") or attrs.get("src") or attrs.get("action") for _, attrs in found]
    assert [link for link in links if link and (link.startswith("/") or "//" in link)] == []
    files = [link for link in links if link and link.startswith("assets/")]
    assert len(set(files)) == 4
    assert {asker.get(f"/{file}").status for file in files} == {200}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_mount_point_itself_leads_to_the_page(shell: str):
    """Without a slash at its end relative links would go astray: it redirects, by a relative link [observability 7]."""
    response = SHELLS[shell](make_dashboard(), root="/deep/my cache").get("")
    assert (response.status, field(response, "Location")) == (307, "my%20cache/")


def test_nothing_is_inline_and_nothing_from_elsewhere(asker: Asker):
    """No style attribute, no handler, no inline script: the policy would refuse them [observability 12]."""
    for name, attrs in Elements(page(asker, "route=GET+/search")).found:
        assert [key for key in attrs if key == "style" or key.startswith("on")] == []
        assert name != "style"
        assert name != "script" or attrs["src"]


@pytest.mark.parametrize("query", ["", "route=" + "%3Cscript%3Ealert(1)%3C/script%3E", "q=%3Cscript%3E%22"])
def test_what_users_named_is_escaped(query: str):
    """A route, key, tag, user, title or parameter that is HTML is shown as text [security: dashboard]."""
    dashboard = make_dashboard(title=EVIL)
    report = figures.make_report()
    evil_row = msgspec.structs.replace(
        report.routes[0], route=f"GET /{EVIL}", top_reason=EVIL, reasons={EVIL: 1}
    )
    dashboard.source.made = msgspec.structs.replace(  # type: ignore[attr-defined]
        report,
        cache=EVIL,
        routes=(evil_row,),
        tags=(msgspec.structs.replace(report.tags[0], tag=EVIL),),
        audit=(msgspec.structs.replace(report.audit[0], what=EVIL, by=EVIL),),
        advice=(msgspec.structs.replace(report.advice[0], route=EVIL, text=EVIL, setting=EVIL),),
        backends=(BackendReport(name=EVIL, kind=EVIL, health=HealthReport(state=EVIL, last_error=EVIL)),),
    )
    text = page(Asker(dashboard), query)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("<script") == 2


def test_lone_surrogates_are_shown_as_escapes(asker: Asker):
    """A label that no encoding knows does not break the page."""
    row = msgspec.structs.replace(figures.make_report().routes[0], route="GET /\udc80")
    asker.dashboard.source.made = figures.make_report(routes=(row,))  # type: ignore[attr-defined]
    assert r"/\udc80" in page(asker)
    assert asker.get("/api/report").status == 200


def test_tiles_have_the_figures_and_their_change(asker: Asker):
    """Each of line 8's tiles is there; the hit rate says how it changed [observability 8]."""
    tiles = page(asker).partition('id="tiles"')[2].partition("</section>")[0]
    names = re.findall(r"<dt>([^<]+)</dt>", tiles)
    assert names == [
        "Hit rate", "Requests", "Time saved", "Calls avoided", "Served from cache", "Errors", "Entries", "Store",
    ]  # fmt: skip
    report = asker.dashboard.source.report(3600.0)
    points = (report.total.hit_rate - report.before.hit_rate) * 100
    assert f"{points:+.1f} pp" in tiles
    assert f"{report.total.hit_rate:.1%}".replace("%", " %") in tiles


def test_charts_have_a_bar_for_each_moment(asker: Asker):
    """Outcomes, latencies and a strip for each busy route, an hour in 60 moments [observability 8]."""
    text = page(asker)
    outcomes = text.partition('id="outcomes"')[2].partition("</section>")[0]
    assert outcomes.count('class="moment"') == 60
    assert 'class="stale_hit"' in outcomes
    latency = text.partition('id="latency"')[2].partition("</section>")[0]
    assert latency.count('class="line ') == 4
    heat = text.partition('id="heat"')[2].partition("</section>")[0]
    assert heat.count('class="strip"') == 12
    assert heat.count('class="heat h') == 12 * 60


def test_long_windows_are_thinned_out(asker: Asker):
    """A week has a thousand buckets, and a chart no more bars than can be told apart."""
    text = page(asker, "window=7d")
    assert text.partition('id="outcomes"')[2].partition("</section>")[0].count('class="moment"') <= 120


def test_the_table_has_every_column(asker: Asker):
    """All of line 9's columns, each sortable [observability 9]."""
    table = page(asker).partition('id="routes"')[2].partition("</thead>")[0]
    sorts = re.findall(r'id="sort-(\w+)"', table)
    assert sorts == [
        "route", "methods", "requests", "hit_rate", "coverage", "errors", "hit", "origin", "saved", "entries", "size",
        "variants", "ttl", "reason",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("sort=requests", lambda row: -row.requests),
        ("sort=requests&up=1", lambda row: row.requests),
        ("sort=hit_rate", lambda row: -row.hit_rate),
        ("sort=saved&up=1", lambda row: row.saved_seconds),
        ("sort=size", lambda row: -row.size_bytes),
    ],
    ids=["requests", "requests up", "hit rate", "saved up", "size"],
)
def test_rows_are_sorted_as_asked(asker: Asker, query: str, key):
    """Also without JavaScript: by a link in each heading [observability 9]."""
    report = asker.dashboard.source.report(3600.0)
    shown = labels(page(asker, query))[: len(report.routes)]
    by_label = {row.route: row for row in report.routes}
    values = [key(by_label[label.replace("&lt;", "<").replace("&gt;", ">")]) for label in shown]
    assert values == sorted(values)


def test_what_is_unknown_comes_last(asker: Asker):
    """A route without a ttl is no shortest and no longest one."""
    for direction in ("", "&up=1"):
        shown = labels(page(asker, f"sort=ttl{direction}"))
        assert "GET /cart" in shown[10:15]


def test_the_filter_takes_words_of_a_label(asker: Asker):
    """All of the words, in any case and order [observability 9]."""
    assert labels(page(asker, "q=PRODUCTS+get")) == [
        "GET /products/{slug}",
        "GET /categories/{id}/products",
        "GET /feeds/products.xml",
    ]
    assert "No route has this in its name" in page(asker, "q=nothing+like+it")


def test_many_routes_come_in_pages(asker: Asker):
    """500 labels are ten pages of 50, whose size does not grow with them."""
    asker.dashboard.source.made = figures.many_routes(500)  # type: ignore[attr-defined]
    text = page(asker)
    assert len([label for label in labels(text) if label.startswith("GET /r/")]) == 50
    assert "1–50 of 500" in text  # noqa: RUF001 - a dash
    assert "GET /r/499" in labels(page(asker, "page=10"))
    assert "GET /r/499" in labels(page(asker, "page=99"))


def test_the_drawer_explains_a_route(asker: Asker):
    """Figures, advice, reasons, times, what splits it, keys, Cache-Status and the latest requests [observability 9]."""
    drawer = page(asker, "route=GET+/search").partition('id="drawer"')[2].partition("</aside>")[0]
    titles = re.findall(r"<h3>([^<]+)</h3>", drawer)
    assert titles == [
        "Figures", "What to do", "Outcomes", "Why it was not cached", "Times", "What splits the cache", "Top keys",
        "Cache-Status as it was sent", "Latest requests",
    ]  # fmt: skip
    assert "causes 71 % of the misses" in drawer
    assert "https://shop.example/search?q=desk&amp;page=1" in drawer
    assert "cachelayer; hit; ttl=" in drawer
    assert Reason.NO_FRESHNESS.explanation[:40] in drawer


def test_a_drawer_without_samples(asker: Asker, monkeypatch: pytest.MonkeyPatch):
    """Before the first sample it says so; where the statistics cannot be asked, too; the figures are there."""
    monkeypatch.setattr(asker.dashboard.source, "detail", lambda label: RouteDetail(route=label))
    assert "None was sampled yet" in page(asker, "route=GET+/cart")
    monkeypatch.setattr(asker.dashboard.source, "detail_or_none", lambda label: None)
    assert "Keys and examples are not to be had now" in page(asker, "route=GET+/cart")


def test_a_drawer_of_a_route_with_next_to_nothing(asker: Asker):
    """No entries, no reasons, no times, nothing before: dashes, and no gaps."""
    row = RouteReport(outcomes=dict.fromkeys(figures.OUTCOMES, 0), route="GET /quiet")
    asker.dashboard.source.made = figures.make_report(routes=(row,))  # type: ignore[attr-defined]
    drawer = page(asker, "route=GET+/quiet").partition('id="drawer"')[2].partition("</aside>")[0]
    assert "nothing to compare with" in drawer
    assert "never" in drawer
    assert "Why it was not cached" not in drawer


def test_what_was_never_looked_up_has_no_hit_rate(asker: Asker):
    """What is only bypassed does not miss: a dash, in the table, a strip and the drawer [observability 9]."""
    drawn = page(asker, "route=POST+/checkout")
    strip = drawn.partition('title="POST /checkout"')[2].partition('class="figure">')[2]
    assert re.findall(r'data-label="POST /checkout">.*?<b>(.*?)</b>', drawn) == ["–"]  # noqa: RUF001 - a dash
    facts = drawn.partition('id="drawer"')[2].partition("<dt>Hit rate</dt>")[2]
    assert facts.startswith("<dd>–<")  # noqa: RUF001 - a dash
    assert "0.0 %" not in strip.partition("<")[0]


def test_a_paused_route_can_be_resumed(asker: Asker):
    """Its drawer offers that instead of a pause."""
    drawer = page(asker, "route=GET+/stores/{city}/opening-hours").partition('id="drawer"')[2]
    assert "Resume caching" in drawer
    assert "Pause caching" not in drawer


def test_a_drawer_of_a_route_that_nobody_knows(asker: Asker):
    """A link from yesterday says that there is nothing, and harms nothing."""
    assert "Nothing is known of this route" in page(asker, "route=GET+/gone")


def test_lists_of_line_ten(asker: Asker):
    """Functions, tags, stores with their tiers, the log and the curve are there [observability 10]."""
    text = page(asker)
    for words in (
        "shop.pricing.price_of", "product:walnut-desk", "shop/l1", "in L1, without I/O 69.4 %", "3 failed, 2 timed out",
        "route GET /search", "3 of 4", "about 300", "four times", "85.2 %",
    ):  # fmt: skip
        assert words in text


def test_an_empty_cache_says_what_to_do(asker: Asker):
    """Before the first request there are words and no broken charts."""
    asker.dashboard.source.made = figures.empty_report()  # type: ignore[attr-defined]
    text = page(asker)
    for words in (
        "Nothing has been counted",
        "No request has come yet",
        "Nothing has been purged",
        "this worker only",
    ):
        assert words in text


def test_a_store_that_is_away_is_said(asker: Asker):
    """The breaker's state is a notice and a tile; shared statistics that are away are one, too [observability 10]."""
    store = BackendReport(
        name="shop",
        kind="RedisBackend",
        shared=True,
        health=HealthReport(state="open", opened_at=figures.NOW),
    )
    asker.dashboard.source.made = figures.make_report(backends=(store,), scope="degraded")  # type: ignore[attr-defined]
    text = page(asker)
    assert "The store shop is away since" in text
    assert "The shared statistics cannot be reached" in text


def test_a_route_with_one_bucket_and_no_times_is_drawn(asker: Asker):
    """The smallest report that there can be."""
    row = RouteReport(outcomes={"bypass": 1}, requests=1, route="<unlabelled>")
    report = figures.make_report(60.0, routes=(row,), functions=())
    asker.dashboard.source.made = report  # type: ignore[attr-defined]
    assert "&lt;unlabelled&gt;" in page(asker)


def test_viewers_are_offered_no_actions():
    """Who may not purge sees no button for it."""
    text = page(Asker(make_dashboard(), VIEWER), "route=GET+/search")
    assert [
        attrs for name, attrs in Elements(text).found if name == "button" and attrs.get("id") != "theme"
    ] == [
        {"class": "button"}  # the filter's, where there is no script
    ]
    assert "data-purge" not in text


def test_markup_escapes_all_but_markup():
    """Text becomes HTML by way of `tag` alone."""
    made = tag("p", "a<b", tag("b", "c"), ["d&", None, 1.5], title='"x"', hidden=True, data_no=None)
    assert made == '<p title="&quot;x&quot;" hidden>a&lt;b<b>c</b>d&amp;1.5</p>'
