"""Very many routes and keys through one application: what stays bounded, in figures.

python -m tests.dashboard.soak 1000000      the full one: 10,000 routes, a million keys
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from cachelayer import Cache, InMemoryBackend, Rule
from cachelayer.dashboard import Bearer, Dashboard, Request
from cachelayer.wsgi import CacheMiddleware

ROUTES = 10_000
ENTRIES = 5_000
TOKEN = "a-token-for-the-soak"


def application(environ: Any, start_response: Any) -> Any:
    """Answer any path; the first part of it is the route."""
    environ["cachelayer.route"] = f"/r{environ['PATH_INFO'].split('/')[1]}/{{key}}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 200]


def ask(app: Any, route: int, key: int) -> None:
    """Send one request."""
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": f"/{route}/{key}", "QUERY_STRING": f"v={key}",
        "SERVER_NAME": "shop.example", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "shop.example",
    }  # fmt: skip
    parts = app(environ, lambda *_: lambda _: None)
    for _ in parts:
        pass
    if hasattr(parts, "close"):
        parts.close()


def memory() -> int:
    """Return the bytes that this process holds."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) * 1024


def get(dashboard: Dashboard, path: str, query: str = "") -> tuple[int, float]:
    """Return the size of an answer, and the seconds that it took."""
    began = time.perf_counter()
    response = dashboard.respond(
        Request(method="GET", path=path, query=query, headers={"authorization": f"Bearer {TOKEN}"})
    )
    assert response.status == 200
    return len(response.body), time.perf_counter() - began


def soak(keys: int) -> dict[str, Any]:
    """Send `keys` requests for as many keys of 10,000 routes; return figures at half of it and at the end."""
    cache = Cache(InMemoryBackend(max_entries=ENTRIES), name="soak")
    app = CacheMiddleware(application, cache=cache, rules=[Rule(path="/*", ttl="1h")])
    dashboard = Dashboard(cache, auth=Bearer(view=TOKEN), interval=2)
    found: dict[str, Any] = {"keys": keys, "routes": ROUTES}
    for name, first, last in (("half", 0, keys // 2), ("end", keys // 2, keys)):
        began = time.perf_counter()
        for key in range(first, last):
            ask(app, key % ROUTES, key)
        seconds = time.perf_counter() - began
        page, page_seconds = get(dashboard, "/")
        report, report_seconds = get(dashboard, "/api/report")
        get(dashboard, "/", "sort=route&page=11&q=r1")
        found[name] = {
            "labels": len(cache.stats().routes),
            "requests": cache.stats().total.requests,
            "entries": cache.backend.get_stats().current_entries,
            "page_bytes": page,
            "page_seconds": round(page_seconds, 3),
            "report_bytes": report,
            "report_seconds": round(report_seconds, 3),
            "memory_bytes": memory(),
            "seconds": round(seconds, 1),
        }
    cache.close()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(soak(int(sys.argv[1])), indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)
