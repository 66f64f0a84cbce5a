"""The page in a real Chromium, over made-up figures: what it looks like is looked at by people, what it does here."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.serving import Visitor, chromium, url_of, uvicorn_site
from tests.dashboard.support import VIEWER

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of these tests."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Where the dashboard is: below a prefix, under uvicorn."""
    with uvicorn_site() as site:
        yield f"{url_of(site)}/made-up/"


@pytest.fixture
def visitor(browser: Browser, base: str) -> Iterator[Visitor]:
    """Somebody who may purge, at a desk. The test fails where the console complains."""
    with Visitor(browser, base) as made:
        yield made


def first_rows(page: Page) -> list[str]:
    """Return the labels of the table of routes."""
    return page.locator("#routes tbody tr").evaluate_all("rows => rows.map(row => row.dataset.label)")


def test_it_loads(visitor: Visitor):
    """All panels are there, the style sheet counts, and the policy has nothing to refuse [observability 13]."""
    page = visitor.open()
    expect(page.locator("#tiles dt")).to_have_count(8)
    expect(page.locator("#routes tbody tr")).to_have_count(15)
    expect(page.locator("#live")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"


def test_it_stays_up_to_date(visitor: Visitor):
    """Newer figures come in place, without loading the page anew [observability 13]."""
    page = visitor.open()
    made = page.locator("#status").get_attribute("data-made")
    expect(page.locator("#status")).not_to_have_attribute("data-made", made or "")
    expect(page.locator("#live-words")).to_contain_text("live")
    assert visitor.loads == 1


def test_it_sorts_in_place(visitor: Visitor):
    """A click on a heading sorts, a second one turns it round, and the URL says so [observability 13]."""
    page = visitor.open()
    page.click("#sort-route")
    expect(page.locator("#routes thead [aria-sort=ascending]")).to_contain_text("Route")
    rising = first_rows(page)
    page.click("#sort-route")
    expect(page.locator("#routes thead [aria-sort=descending]")).to_contain_text("Route")
    assert first_rows(page) == rising[::-1]
    assert "sort=route" in page.url
    assert visitor.loads == 1
    page.go_back()
    expect(page.locator("#routes thead [aria-sort=ascending]")).to_contain_text("Route")


def test_it_filters_while_one_types(visitor: Visitor):
    """The table follows the words, and the field keeps the focus and what was typed [observability 13]."""
    page = visitor.open()
    page.locator("#filter").press_sequentially("products xml")
    expect(page.locator("#routes tbody tr")).to_have_count(1)
    expect(page.locator("#filter")).to_be_focused()
    expect(page.locator("#filter")).to_have_value("products xml")
    page.fill("#filter", "nothing like it")
    expect(page.locator("#routes")).to_contain_text("No route has this in its name")
    page.fill("#filter", "")
    expect(page.locator("#routes tbody tr")).to_have_count(15)


def test_other_windows(visitor: Visitor):
    """The choice is marked, kept in the URL, and in what is opened afterwards."""
    page = visitor.open()
    page.click("text=24 h")
    expect(page.locator("[data-window='24h']")).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-window='1h']")).not_to_have_attribute("aria-current", "true")
    expect(page.locator("#routes a[data-open]").first).to_have_attribute(
        "href", "./?window=24h&route=GET+%2Fproducts%2F%7Bslug%7D"
    )
    page.reload()
    expect(page.locator("[data-window='24h']")).to_have_attribute("aria-current", "true")


def test_it_works_by_keyboard(visitor: Visitor):
    """Skip link, shortcut to the filter, and a drawer that takes, keeps and returns the focus [observability 7]."""
    page = visitor.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    row = page.locator("#routes a[data-open='GET /search']")
    row.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#drawer")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.getElementById('drawer').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    expect(page.locator("#routes a[data-open='GET /search']")).to_be_focused()
    page.locator("#sort-hit_rate").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_focus_survives_an_update(visitor: Visitor):
    """What is exchanged under somebody's finger has the focus again."""
    page = visitor.open()
    page.locator("#sort-saved").focus()
    made = page.locator("#status").get_attribute("data-made")
    expect(page.locator("#status")).not_to_have_attribute("data-made", made or "")
    expect(page.locator("#sort-saved")).to_be_focused()


def test_a_purge_is_previewed_and_done(visitor: Visitor):
    """From the drawer: the form knows the route, says how many entries, and then that it is done [observability 13]."""
    page = visitor.open("?route=GET+/search")
    page.click("#drawer-purge")
    expect(page.locator("#purge-value")).to_have_value("GET /search")
    page.click("#dialog >> text=Preview")
    expect(page.locator("#dialog .preview")).to_contain_text("9,120 entries")
    expect(page.locator("#dialog .preview")).to_contain_text("27.7 min")
    page.click("#dialog >> text=Purge softly")
    expect(page.locator("#dialog .preview")).to_contain_text("now stale")
    page.click("#dialog >> text=Done")
    expect(page.locator("#dialog")).to_be_hidden()
    assert visitor.loads == 1


def test_a_mistake_in_the_form_is_said(browser: Browser, base: str):
    """What the server refuses is shown in the dialog, and focus is on what closes it."""
    visitor = Visitor(browser, base)
    page = visitor.open()
    page.click("#purge-open")
    page.check("input[value=url]")
    expect(page.locator("#purge-value")).to_have_attribute(
        "placeholder", "https://example.org/users/7?full=1"
    )
    page.fill("#purge-value", "/relative")
    page.click("#dialog >> text=Preview")
    expect(page.locator("#dialog [role=alert]")).to_contain_text("begins with http:// or https://")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    visitor.context.close()


def test_a_viewer_is_refused(browser: Browser, base: str):
    """No button, and a request made by hand gets 403 [observability 13]."""
    visitor = Visitor(browser, base, VIEWER)
    page = visitor.open("?route=GET+/search")
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("[data-purge]")).to_have_count(0)
    status = page.evaluate(
        """() => fetch("purge", {method: "POST", body: new URLSearchParams({
            kind: "route", value: "GET /search", step: "purge",
            csrf_token: document.getElementById("token").dataset.token
        })}).then(answer => answer.status)"""
    )
    assert status == 403
    visitor.context.close()


def test_without_javascript(browser: Browser, base: str):
    """A table, sorted by links and filtered by a form; a drawer; a purge with its preview [observability 7]."""
    with Visitor(browser, base, java_script_enabled=False) as visitor:
        page = visitor.open()
        expect(page.locator("#routes tbody tr")).to_have_count(15)
        page.click("#sort-route")
        expect(page.locator("#routes thead [aria-sort=ascending]")).to_contain_text("Route")
        page.fill("#filter", "search")
        page.click("#filter-form button")
        expect(page.locator("#routes tbody tr")).to_have_count(1)
        page.click("#routes a[data-open]")
        expect(page.locator("#drawer h2")).to_have_text("GET /search ")
        page.click("#drawer-purge")
        page.click("text=Preview")
        expect(page.locator(".preview")).to_contain_text("9,120 entries")
        page.click("text=Purge softly")
        expect(page.locator(".preview")).to_contain_text("now stale")


def test_a_server_that_is_away_is_said(browser: Browser, base: str):
    """The figures stay and are marked as old; when it is back, they go on [observability 7]."""
    visitor = Visitor(browser, base)
    page = visitor.open()
    page.route("**/live*", lambda route: route.abort())
    expect(page.locator("#offline")).to_contain_text("the server cannot be reached")
    expect(page.locator("body.stale")).to_have_count(1)
    expect(page.locator("#tiles dt")).to_have_count(8)
    page.unroute("**/live*")
    expect(page.locator("#offline")).to_have_count(0)
    expect(page.locator("body.stale")).to_have_count(0)
    visitor.context.close()


def test_figures_that_come_later_fill_the_page(browser: Browser, base: str):
    """A page that was loaded while there were none has all its panels as soon as there are."""
    with Visitor(browser, base.replace("made-up", "without")) as visitor:
        page = visitor.open()
        expect(page.locator("#notices")).to_contain_text("There are no figures now")
        expect(page.locator("#tiles dt")).to_have_count(8)
        expect(page.locator("#routes tbody tr")).to_have_count(15)
        assert visitor.loads == 1


def test_times_are_the_readers_own(browser: Browser, base: str):
    """On the axes, under the pointer and in the log alike; without JavaScript all are UTC, and say so."""
    with Visitor(browser, base, timezone_id="Asia/Tokyo", locale="en-GB") as visitor:
        page = visitor.open()
        expect(page.locator("#outcomes .xs time").first).to_have_text("22:25")
        expect(page.locator("#outcomes .zone")).to_be_hidden()
        page.locator("#outcomes .moment .target").nth(1).hover()
        expect(page.locator("#tip")).to_contain_text("22:26\n")
        page.locator("#heat .heat").first.hover()
        expect(page.locator("#tip")).to_contain_text("22:25\n")
    with Visitor(browser, base, java_script_enabled=False, timezone_id="Asia/Tokyo") as visitor:
        page = visitor.open()
        expect(page.locator("#outcomes .xs time").first).to_have_text("13:25")
        expect(page.locator("#outcomes header")).to_contain_text("UTC")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Browser, base: str, scheme: str):
    """As the system says, until the button says otherwise; that is remembered [observability 7]."""
    with Visitor(browser, base, color_scheme=scheme) as visitor:
        page = visitor.open()
        own = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        other = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert own != other
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == other


@pytest.mark.parametrize("query", ["", "?route=GET+/search"], ids=["page", "drawer"])
def test_no_width_makes_the_page_scroll_sideways(visitor: Visitor, query: str):
    """From a small phone to a desk, only a table's own frame scrolls [observability 7]."""
    page = visitor.open(query)
    for width in (320, 390, 820, 1180, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("document.getElementById('drawer').scrollWidth") <= width
