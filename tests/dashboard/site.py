"""A small shop for browsers: what it answers is cached, and dashboards are mounted below some prefixes.

`/made-up` shows made-up figures, `/deep/cache` those of the shop itself, whose store is named by the environment.
"""

import os
from typing import Any

from cachelayer import Cache, Rule
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.dashboard import Basic, Bearer, Dashboard
from cachelayer.stats.report import Report
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.dashboard.support import PURGER, TOKEN, VIEWER, MadeUp, make_dashboard

RULES = [Rule(path="/products/*", ttl="1h", tags=["products"])]

PEOPLE = Basic(view=dict([VIEWER]), purge=dict([PURGER]))


class Late(MadeUp):
    """Figures that are to be had from the third time on."""

    def report_or_none(self, window: float) -> Report | None:
        """Return a report, but not at first."""
        self.asked += 1
        return None if self.asked < 3 else self.report(window)


late = make_dashboard(interval=0.2)
vars(late)["source"] = Late()

cache = Cache(os.environ.get("SHOP_STORE") or None, name="shop", stats_interval=0.2)
mounts = {
    "/without": late,
    "/made-up": make_dashboard(interval=0.5),
    "/deep/cache": Dashboard(cache, auth=[PEOPLE, Bearer(purge={"deploy": TOKEN})], interval=0.2),
}


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """Answer any path below /products."""
    scope["cachelayer.route"] = "/products/{slug}" if scope["path"].startswith("/products/") else "/other"
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def shop_by_wsgi(environ: Any, start_response: Any) -> Any:
    """Answer any path below /products."""
    path = environ["PATH_INFO"]
    environ["cachelayer.route"] = "/products/{slug}" if path.startswith("/products/") else "/other"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [path.encode()]


cached_shop = AsgiMiddleware(shop, cache=cache, rules=RULES)
cached_shop_by_wsgi = WsgiMiddleware(shop_by_wsgi, cache=cache, rules=RULES)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """The shop, with the dashboards mounted as frameworks do."""
    path = scope.get("path", "")
    for prefix, dashboard in mounts.items():
        if path == prefix or path.startswith(prefix + "/"):
            await dashboard.asgi_app({**scope, "root_path": prefix}, receive, send)
            return
    if path == "/ready":
        await shop(scope, receive, send)  # past the cache: who waits for the server is not counted
    elif scope["type"] == "http":
        await cached_shop(scope, receive, send)


def wsgi(environ: Any, start_response: Any) -> Any:
    """The shop, with the dashboards mounted as frameworks do."""
    path = environ["PATH_INFO"]
    for prefix, dashboard in mounts.items():
        if path == prefix or path.startswith(prefix + "/"):
            below = {**environ, "SCRIPT_NAME": prefix, "PATH_INFO": path[len(prefix) :]}
            return dashboard.wsgi_app(below, start_response)
    answer = shop_by_wsgi if path == "/ready" else cached_shop_by_wsgi
    return answer(environ, start_response)
