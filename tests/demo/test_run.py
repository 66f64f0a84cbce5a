"""The demo as a whole, over real HTTP."""

import io
import threading

import httpx
import pytest
from rich.console import Console

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware
from cachelayer.demo.airports import load_airports
from cachelayer.demo.board import traffic, with_dashboard
from cachelayer.demo.run import run
from cachelayer.demo.serving import PortTakenError, listen, serving, url_of
from cachelayer.demo.traffic import Visitors

REQUESTS, SEED = 90, 3


@pytest.fixture(scope="module")
def visits():
    """Return what visitors ask for in the run."""
    return Visitors(load_airports(), SEED).visits(REQUESTS)


@pytest.fixture(scope="module")
def shown():
    """Return what the run is shown on."""
    return Console(file=io.StringIO(), width=100)


@pytest.fixture(scope="module")
def report(shown):
    """Return what came of the run."""
    return run(shown, requests=REQUESTS, seed=SEED, port=None, once=True)


@pytest.fixture
def text(report, shown):
    """Return what the run has shown."""
    return shown.file.getvalue()


def hits_of(visits, endpoint):
    """What a cache that keeps every page until a report invalidates it can answer: exactly what there is to expect."""
    kept, hits = set(), 0
    for visit in visits:
        if visit.body is not None:
            kept.discard(f"/airports/{visit.body['icao']}")
        elif visit.endpoint == endpoint:
            hits += visit.url in kept
            kept.add(visit.url)
    return hits


@pytest.mark.parametrize(
    "endpoint", ["GET /airports/{icao}", "GET /search", "GET /countries", "GET /countries/{code}"]
)
def test_hits_are_those_that_the_traffic_implies(report, visits, endpoint):
    """Every page is computed once, and again only after a report on it."""
    (counted,) = [stats for stats in report.routes if stats.route == endpoint]
    asked = sum(visit.endpoint == endpoint for visit in visits)
    hits = hits_of(visits, endpoint)
    assert (counted.hit, counted.miss) == (hits, asked - hits)
    (row,) = [row for row in report.endpoints if row.endpoint == endpoint]
    assert (row.requests, row.hit_rate) == (asked, hits / asked)


def test_private_pages_are_never_hits(report):
    """Each is the visitor's own."""
    (counted,) = [stats for stats in report.routes if stats.route == "GET /my/trip"]
    assert counted.uncacheable == counted.requests > 0
    assert counted.reasons == {"PRIVATE": counted.requests}


def test_changes_bypass_the_cache(report):
    """No report is kept from the database."""
    (counted,) = [stats for stats in report.routes if stats.route == "POST /reports"]
    assert counted.bypass == counted.requests > 0


def test_functions_behind_pages_are_hits_where_pages_are_not(report):
    """A private page is computed for each visitor, but what is in it is not."""
    (counted,) = [stats for stats in report.functions if stats.route == "along_route"]
    assert counted.hit > 0


def test_answers_are_the_same_with_the_cache(report):
    """No visitor gets anything else, or old reports, because of the cache."""
    assert report.sound


def test_the_time_saved_is_that_of_all_endpoints(report):
    """How much that is depends on the machine."""
    assert report.total.saved == pytest.approx(sum(row.saved for row in report.endpoints))


def test_table_has_every_endpoint_and_a_total(report, text, visits):
    """Each line has requests, hit rate, four times and the time saved."""
    lines = [line.split() for line in text.splitlines()]
    for endpoint in {visit.endpoint for visit in visits}:
        assert any(line[:2] == endpoint.split() and len(line) == 10 and line[-1] == "s" for line in lines)
    assert any(line[:2] == ["all", str(REQUESTS)] for line in lines)


def test_rush_is_computed_once(text):
    """Of forty who ask at once, one computes and the others share."""
    assert "1 ran and 39 shared its result" in " ".join(text.split())


def test_nothing_but_text_where_there_is_no_terminal(text):
    """Files and pipes get no colours and no moving bars."""
    assert [character for character in text if not character.isprintable() and character != "\n"] == []


def test_a_taken_port_is_refused_before_anything_runs():
    """Nobody wants to hear of it after the whole run."""
    shown = Console(file=io.StringIO())
    with listen(0) as taken, pytest.raises(PortTakenError, match="choose another port with --port"):
        run(shown, requests=1, seed=1, port=taken.getsockname()[1], once=True)
    assert shown.file.getvalue() == ""


def test_without_a_port_another_one_is_found(monkeypatch):
    """The default port is only a preference."""
    with listen(0) as taken:
        monkeypatch.setattr("cachelayer.demo.serving.DEFAULT_PORT", taken.getsockname()[1])
        with listen(None) as found:
            assert url_of(found) != url_of(taken)


def test_served_application_ends_with_its_block():
    """Nothing keeps serving after the demo."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with listen(0) as listening, serving(app, listening) as url:
        assert httpx.get(url, trust_env=False).status_code == 204
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_the_dashboard_is_outside_of_what_it_shows():
    """Looking at the figures does not change them, and neither does the way to them."""
    cache = Cache()

    async def app(scope, receive, send):
        raise AssertionError("nobody asks for it")

    site = with_dashboard(CacheMiddleware(app, cache=cache), cache)
    with listen(0) as listening, serving(site, listening) as url:
        for path in ("/", "/cache/", "/cache/api/report"):
            answer = httpx.get(url + path, follow_redirects=True, trust_env=False)
            assert answer.status_code == 200
    assert cache.stats().total.requests == 0


def test_the_dashboard_may_be_opened_in_a_browser(monkeypatch):
    """With its address, once it is served."""
    opened = []

    def browser(url):
        opened.append((url, httpx.get(url, trust_env=False).status_code))

    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr("cachelayer.demo.run._keep_running", lambda show: show())  # and not until Ctrl-C
    shown = Console(file=io.StringIO(), width=100)
    run(shown, requests=1, seed=1, port=None, once=False, opens=True)
    ((url, status),) = opened
    assert url in shown.file.getvalue()
    assert (url.endswith("/cache/"), status) == (True, 200)


def test_traffic_ends_with_its_block():
    """And with the server, if that is first."""
    with listen(0) as listening:
        url = url_of(listening)
    with traffic(url, Visitors(load_airports(), SEED)):
        pass
    assert "traffic" not in {thread.name for thread in threading.enumerate()}
