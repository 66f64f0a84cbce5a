"""Servers and a browser for the tests of the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx2 as httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.dashboard.support import PURGER
from tests.integrations.running import Running
from tests.servers.processes import HOST, need_program

#: Milliseconds that a page may take for anything.
PATIENCE = 20_000


def uvicorn_site() -> Running:
    """Return the shop under uvicorn, by ASGI: one worker, with memory of its own."""
    return Running("uvicorn", "tests.dashboard.site:asgi", "--port", "{port}")


def gunicorn_site(store: str) -> Running:
    """Return the shop under gunicorn, by WSGI: four workers over one store."""
    words = ("--workers", "4", "--threads", "2", "--bind", "{bind}")
    return Running("gunicorn", "tests.dashboard.site:wsgi", *words, SHOP_STORE=store)


def url_of(site: Running) -> str:
    """Return where it is."""
    return f"http://{HOST}:{site.port}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium; playwright brings none."""
    path = need_program("chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # As root in a container there is no sandbox to be had.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody with a browser: notes what the console says, which must be nothing.

    Args:
        browser: to look with.
        base: of the dashboard, with a slash at its end.
        person: name and password.
        options: of a browser context.
    """

    def __init__(self, browser: Browser, base: str, person: tuple[str, str] = PURGER, **options: Any) -> None:
        credentials: Any = {"username": person[0], "password": person[1]}
        self.base = base
        self.context = browser.new_context(http_credentials=credentials, **options)
        self.context.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.loads = 0
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("load", lambda _: self._count())

    def _note(self, kind: str, words: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(words)

    def _count(self) -> None:
        self.loads += 1

    def open(self, query: str = "") -> Page:
        """Load the page."""
        self.page.goto(self.base + query)
        return self.page

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.context.close()
        if exc[0] is None:
            assert self.complaints == []


def send_requests(site: Running, number: int, slugs: int = 10) -> None:
    """Ask the shop for its products, so many times."""
    with httpx.Client(base_url=url_of(site)) as client:
        for place in range(number):
            client.get(f"/products/{place % slugs}").raise_for_status()
