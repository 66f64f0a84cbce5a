"""What every answer has, and how a refusal is said."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from cachelayer.dashboard.markup import Markup
from cachelayer.dashboard.messages import JSON, Refusal, Request, Response, html_response, json_response
from cachelayer.dashboard.page import message, small_page

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: On every answer: it loads nothing from elsewhere, runs nothing written into it, and stands in nobody's frame.
SECURITY: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # With "no-referrer" browsers would hide the Origin of the dashboard's own forms, too.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def into(request: Request) -> Response:
    """Lead a request for the mount point itself to the page, whose links are relative to a slash at the end."""
    last = request.root.rstrip("/").rpartition("/")[2]
    return Response(status=307, headers=(("Location", f"{quote(last)}/" if last else "./"),))


def dialog(request: Request, content: Markup, status: int = 200) -> Response:
    """Return a dialog's content for the script, or a page of it where there is no script."""
    scripted = request.header("x-requested-with") == "dashboard"
    return html_response(content if scripted else small_page("Purge", content), status)


def refusal_response(request: Request, refusal: Refusal) -> Response:
    """Return why a request was refused, as its kind of client reads it."""
    wants_json = request.path.startswith("/api/") or JSON in request.header("accept")
    if wants_json:
        made = json_response({"error": refusal.detail, "status": refusal.status}, refusal.status)
    elif refusal.status in {401, 404}:
        # A stranger learns nothing from it, not even that this is the dashboard.
        plain = ("Content-Type", "text/plain; charset=utf-8")
        made = Response(status=refusal.status, headers=(plain,), body=f"{refusal.detail}\n".encode())
    else:
        made = html_response(message(refusal.status, refusal.detail), refusal.status)
    return made.with_headers(*refusal.headers)


def finished(request: Request, response: Response) -> Response:
    """Return the response with the fields that every one has, and without a body for HEAD."""
    given = {name.lower() for name, _ in response.headers}
    more = [*SECURITY, ("Content-Length", str(len(response.body)))]
    if "cache-control" not in given:
        # It is of a moment and for one user: neither this cache nor any other may keep it.
        more.append(("Cache-Control", "no-store, private"))
    body = b"" if request.method == "HEAD" else response.body
    return msgspec.structs.replace(response, headers=(*response.headers, *more), body=body)
