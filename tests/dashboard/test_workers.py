"""The dashboard of a real application under real servers, one of them with four workers, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.serving import Visitor, chromium, gunicorn_site, send_requests, url_of, uvicorn_site
from tests.dashboard.support import TOKEN
from tests.integrations.running import Running
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(120)

#: Requests that the shop gets from a client that counts them.
SENT = 400
ROUTE = "GET /products/{slug}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of these tests."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The shop: one worker with memory, or four over one store, a disk."""
    folder: Path = tmp_path_factory.mktemp("store")
    made = uvicorn_site() if request.param == "uvicorn" else gunicorn_site(f"disk://{folder}/cache.db")
    with made:
        yield made


class Api:
    """A script that uses the API."""

    def __init__(self, site: Running) -> None:
        headers = {"authorization": f"Bearer {TOKEN}"}
        self._client = httpx.Client(base_url=f"{url_of(site)}/deep/cache/api", headers=headers, timeout=20)

    def get(self, path: str, **query: str) -> Any:
        """Return the answer to GET."""
        return self._client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, **fields: Any) -> Any:
        """Return the answer to POST."""
        return self._client.post(path, json=fields).raise_for_status().json()

    def requests(self) -> int:
        """Return how many requests were counted in the last hour."""
        return int(self.get("/report")["total"]["requests"])

    def route(self) -> Any:
        """Return the figures of the products' route."""
        return self.get("/route", route=ROUTE)["report"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()


@pytest.fixture
def api(site: Running) -> Iterator[Api]:
    """A script that may purge."""
    with Api(site) as made:
        yield made


def test_every_request_is_counted_once(site: Running, api: Api):
    """What all workers counted is what the client sent; looking at it counts nothing [observability 13]."""
    before = api.requests()
    send_requests(site, SENT)
    wait_until(lambda: api.requests() >= before + SENT, "the workers have flushed")
    assert api.requests() == before + SENT
    assert {row["route"] for row in api.get("/report")["routes"]} == {ROUTE}


def test_the_page_follows(site: Running, browser: Browser):
    """The tile counts on while requests come, without a page load, under a prefix [observability 13]."""
    with Visitor(browser, f"{url_of(site)}/deep/cache/") as visitor:
        page = visitor.open()
        tile = page.locator("#tiles .tile", has_text=re.compile("^Requests")).locator("dd").first
        before = int(tile.inner_text().replace(",", ""))
        send_requests(site, 25)
        expect(tile).to_have_text(f"{before + 25:,}")
        assert visitor.loads == 1


def test_a_purge_reaches_the_application(site: Running, browser: Browser, api: Api):
    """Purged by the page, the next request is a miss; the log says who it was [observability 11]."""
    send_requests(site, 20)
    with Visitor(browser, f"{url_of(site)}/deep/cache/") as visitor:
        page = visitor.open(f"?route={ROUTE}")
        page.click("#drawer-purge")
        page.check("input[value=hard]")
        page.click("#dialog >> text=Preview")
        expect(page.locator("#dialog .preview")).to_contain_text("would be removed")
        page.click("#dialog >> text=Purge now")
        expect(page.locator("#dialog .preview")).to_contain_text("removed")
        page.click("#dialog >> text=Done")
        expect(page.locator("#audit")).to_contain_text(f"route {ROUTE}")
    assert "fwd=uri-miss" in httpx.get(f"{url_of(site)}/products/1").headers["cache-status"]
    wait_until(lambda: api.get("/audit")["audit"], "the purge is in the log")
    entry = next(one for one in api.get("/audit")["audit"] if one["action"] == "purge")
    assert (entry["what"], entry["by"], entry["soft"]) == (f"route {ROUTE}", "alice", False)


def test_a_dry_run_purges_nothing(site: Running, api: Api):
    """It counts, and what is stored stays."""
    send_requests(site, 10)
    found = api.post("/purge", kind="url", value=f"{url_of(site)}/products/1", dry_run=True)
    assert (found["dry_run"], found["count"]) == (True, 1)
    assert "hit" in httpx.get(f"{url_of(site)}/products/1").headers["cache-status"]
    gone = api.post("/purge", kind="url", value=f"{url_of(site)}/products/1", soft=False)
    assert gone["count"] == 1
    assert "hit" not in httpx.get(f"{url_of(site)}/products/1").headers["cache-status"]


def test_a_pause_reaches_all_workers(site: Running, api: Api):
    """While it lasts no worker answers from the cache, and afterwards all do again [observability 11]."""
    send_requests(site, 10)
    api.post("/pause", route=ROUTE)

    def statuses() -> set[str]:
        answers = (httpx.get(f"{url_of(site)}/products/2") for _ in range(12))
        return {answer.headers.get("cache-status", "").partition(";")[2][:4] for answer in answers}

    wait_until(lambda: statuses() == {""}, "all workers have heard of the pause")
    assert api.route()["paused"]
    api.post("/pause", route=ROUTE, action="resume")
    wait_until(lambda: statuses() == {" hit"}, "all workers have heard that it is over")
    assert not api.route()["paused"]
