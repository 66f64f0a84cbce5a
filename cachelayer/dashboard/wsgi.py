"""The dashboard as a WSGI application (PEP 3333): a shell that reads requests and sends responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachelayer.dashboard.messages import MOST_BODY_BYTES, Request, Response
from cachelayer.exchange.labels import DASHBOARD, ROUTE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class WsgiApp:
    """Answers the requests of a WSGI server with `respond`."""

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self._respond = respond

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        # For a cache's middleware around the application that this is mounted in.
        environ[ROUTE] = DASHBOARD
        response = self._respond(request_of(environ))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", [*response.headers])
        return [response.body]


def request_of(environ: WSGIEnvironment) -> Request:
    """Return the request that an environ stands for."""
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_decoded(environ.get("PATH_INFO", "")),
        query=environ.get("QUERY_STRING", ""),
        headers=_fields(environ),
        body=_body(environ),
        root=_decoded(environ.get("SCRIPT_NAME", "")),
        source=environ,
    )


def _fields(environ: WSGIEnvironment) -> dict[str, str]:
    fields = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return {**fields, "content-type": environ.get("CONTENT_TYPE") or ""}


def _body(environ: WSGIEnvironment) -> bytes:
    """Return the body, cut where it is too long. Without a length there is none: reading on might wait for ever."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    return environ["wsgi.input"].read(min(length, MOST_BODY_BYTES + 1)) if length > 0 else b""


def _decoded(path: str) -> str:
    """Return a path as text: WSGI hands its bytes over as latin-1."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
