"""The dashboard beside the application, and traffic for it to show."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from cachelayer import Cache
from cachelayer.dashboard import Dashboard, Request, Role, User
from cachelayer.demo.sending import Client
from cachelayer.demo.traffic import Visitors

#: Where the dashboard is, below the application.
PATH: Final = "/cache/"
#: Seconds between two requests.
_PAUSE: Final = 0.05
_BATCH: Final = 100


def with_dashboard(app: ASGIApp, cache: Cache) -> ASGIApp:
    """Return the application with the dashboard of its cache below it; it is what `/` leads to."""
    # Outside the cache's middleware, so that looking at the figures does not change them.
    dashboard = Dashboard(cache, auth=_anybody, secret_key=secrets.token_bytes(32), title="airports")
    dashboard.source  # noqa: B018 - history begins with it, and not when somebody first looks
    return Starlette(
        routes=[
            Route("/", _to_dashboard),
            Mount(PATH, dashboard.asgi_app),
            Mount("/", app),
        ]
    )


def _to_dashboard(request: HttpRequest) -> Response:
    del request
    return RedirectResponse(PATH)


def _anybody(request: Request) -> User:
    """Let everybody in who can reach this machine's own address: there is nothing but airports."""
    del request
    return User("visitor of the demo", frozenset(Role))


@contextmanager
def traffic(url: str, visitors: Visitors) -> Generator[None]:
    """Keep asking the application at this address while in the block."""
    enough = threading.Event()
    thread = threading.Thread(target=_ask, args=(url, visitors, enough), name="traffic")
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _ask(url: str, visitors: Visitors, enough: threading.Event) -> None:
    with closing(Client(url)) as client:
        while not enough.is_set():
            for visit in visitors.visits(_BATCH):
                if enough.wait(_PAUSE):
                    return
                try:
                    client.send(visit)
                except httpx.HTTPError:
                    return  # The server has ended.
            client.answers.clear()
