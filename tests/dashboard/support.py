"""A dashboard over made-up figures, asked without a server, by ASGI and by WSGI."""

import asyncio
import base64
import json
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import msgspec

from cachelayer import Cache
from cachelayer.dashboard import Basic, Bearer, Dashboard, Request, Response
from cachelayer.dashboard.access import User
from cachelayer.dashboard.actions import Done, Target
from cachelayer.dashboard.sources import Source
from cachelayer.stats.report import Report, RouteDetail
from tests.dashboard import figures

VIEWER = ("eve", "look-but-not-touch")
PURGER = ("alice", "correct horse battery")
TOKEN = "a-token-for-deployments"


@lru_cache
def _shop(window: float) -> Report:
    return figures.make_report(window)


class MadeUp(Source):
    """Figures of a shop; actions are noted, and change nothing."""

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache or Cache(name="shop"))
        self.made: Report | None = None
        self.purged: list[tuple[Target, str, bool]] = []
        self.paused: list[tuple[str, str, bool]] = []
        self.asked = 0

    def report(self, window: float) -> Report:
        """Return the report that a test gave, or one of the shop; each time a later one."""
        self.asked += 1
        made = self.made or _shop(window)
        return msgspec.structs.replace(made, generated_at=figures.NOW + self.asked)

    def detail(self, label: str) -> RouteDetail:
        """Return the detail of a route of the shop."""
        return figures.make_detail(label)

    def purge(self, target: Target, user: User, *, dry_run: bool) -> Done:
        """Note it."""
        self.purged.append((target, user.name, dry_run))
        return Done(count=9120, exact=True, refill_seconds=1660.0, reach="all of them")

    def pause(self, label: str, user: User, *, resume: bool) -> None:
        """Note it."""
        self.paused.append((label, user.name, resume))


def make_dashboard(**options: Any) -> Dashboard:
    """Return a dashboard with made-up figures and two people."""
    auth = [Basic(view=dict([VIEWER]), purge=dict([PURGER])), Bearer(purge={"deploy": TOKEN})]
    dashboard = Dashboard(Cache(name="shop"), **{"auth": auth, **options})
    vars(dashboard)["source"] = MadeUp()
    return dashboard


def basic(person: tuple[str, str]) -> dict[str, str]:
    """Return the credentials' field."""
    return {"authorization": "Basic " + base64.b64encode(":".join(person).encode()).decode()}


class Asker:
    """Asks a dashboard as somebody: through `respond`, and in subclasses through a server's interface."""

    def __init__(self, dashboard: Dashboard, person: tuple[str, str] | None = PURGER, root: str = "") -> None:
        self.dashboard, self.person, self.root = dashboard, person, root

    def get(self, path: str = "/", query: str = "", **headers: str) -> Response:
        """Send GET."""
        return self.send("GET", path, query, headers=headers)

    def post(self, path: str, fields: dict[str, str], token: str | None = "", **headers: str) -> Response:
        """Send a form, with the page's own token unless another or None is given."""
        if token is not None:
            fields = {"csrf_token": token or self.token(), **fields}
        more = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": "http://shop.example",
            **headers,
        }
        return self.send("POST", path, body=urlencode(fields).encode(), headers=more)

    def token(self) -> str:
        """Return the token that a page holds."""
        token: str = json.loads(self.get("/api/session").body)["csrf_token"]
        return token

    def send(self, method: str, path: str, query: str = "", body: bytes = b"", headers: Any = ()) -> Response:
        """Send a request; names of headers have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in dict(headers).items()}
        own = {} if self.person is None else basic(self.person)
        return self.ask(method, path, query, body, {"host": "shop.example", **own, **named})

    def ask(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> Response:
        """Ask the core."""
        return self.dashboard.respond(
            Request(method=method, path=path, query=query, headers=headers, body=body, root=self.root)
        )


class AsgiAsker(Asker):
    """Asks by ASGI."""

    def ask(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> Response:
        """Ask the ASGI application."""
        scope = {
            "type": "http", "method": method, "path": self.root + path, "root_path": self.root,
            "query_string": query.encode(), "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.dashboard.asgi_app(scope, receive, send))
        start, end = sent
        fields = tuple((name.decode().title(), value.decode()) for name, value in start["headers"])
        return Response(status=start["status"], headers=fields, body=end["body"])


class WsgiAsker(Asker):
    """Asks by WSGI."""

    def ask(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> Response:
        """Ask the WSGI application."""
        fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": self.root, "PATH_INFO": path, "QUERY_STRING": query,
            "CONTENT_TYPE": fields.pop("HTTP_CONTENT_TYPE", ""), "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body), **fields,
        }  # fmt: skip
        started: list[Any] = []
        parts = self.dashboard.wsgi_app(environ, lambda *given: started.append(given))  # type: ignore[arg-type,return-value] # as a server's start_response
        status, lines = started[0]
        return Response(
            status=int(status.split()[0]),
            headers=tuple((n.title(), v) for n, v in lines),
            body=b"".join(parts),
        )


SHELLS = {"core": Asker, "asgi": AsgiAsker, "wsgi": WsgiAsker}


def field(response: Response, name: str) -> str:
    """Return a header field of a response, "" where it is absent."""
    return next((value for key, value in response.headers if key.lower() == name.lower()), "")
