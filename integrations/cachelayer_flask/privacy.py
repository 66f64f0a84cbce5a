"""Whether what a view gives is for one visitor: what it used of the session, and what its fields say."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from flask import Response, has_request_context
from flask.globals import request_ctx
from werkzeug.datastructures import Headers

_PRIVATE = ("private", "no-store")


class Watch:
    """Whether a view has used the session."""

    def __init__(self) -> None:
        self.used_session = False


@contextmanager
def watch_session() -> Generator[Watch]:
    """Note whether the session is used within the block."""
    watch, session = Watch(), _session() if has_request_context() else None
    if session is None:
        yield watch
        return
    before, session.accessed = session.accessed, False
    try:
        yield watch
    finally:
        watch.used_session = session.accessed
        session.accessed = session.accessed or before


def objection_to(value: Any, watch: Watch) -> str | None:
    """Return why what a view gave is for nobody else, or None."""
    if watch.used_session:
        return "it used the session"
    headers = _headers(value)
    if "Set-Cookie" in headers:
        return "it sets a cookie"
    said = ",".join(headers.getlist("Cache-Control")).lower()
    word = next((word for word in _PRIVATE if word in said), None)
    return None if word is None else f"it says Cache-Control: {word}"


def has_session() -> bool:
    """Whether the visitor has a session with something in it."""
    return bool(_session())


def _session() -> Any:
    """Return the session without using it, which it would note; None before it is opened."""
    # What is behind the proxy: Werkzeug's own way to it.
    context: object = cast(Any, request_ctx)._get_current_object()
    held = vars(context)
    return held.get("_session", held.get("session"))  # the older Flasks have it under its own name


def _headers(value: Any) -> Headers:
    """Return the fields of what a view may give: a response, or a tuple that ends with them."""
    parts: tuple[Any, ...] = cast(Any, value) if isinstance(value, tuple) else (value,)
    found = Headers()
    for part in (parts[:1], parts[1:][-1:]):
        for given in part:
            fields = given.headers if isinstance(given, Response) else given
            if isinstance(fields, (Headers, dict)) or (isinstance(fields, list) and given is not value):
                found.extend(cast(Any, fields))
    return found
