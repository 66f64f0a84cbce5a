"""What the dashboard is asked and what it answers, whatever server is around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

#: The longest body that any of its actions needs; a shell reads no further.
MOST_BODY_BYTES: Final = 64 * 1024
MOST_FIELDS: Final = 50

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        method: such as "GET".
        path: below the place where the dashboard is mounted, percent-decoded: "" or "/..." .
        query: the raw query, without its question mark.
        headers: fields by lower-case name; lines of one name are joined by ", ", as WSGI servers do.
        body: as it was sent, `MOST_BODY_BYTES` and one byte more at the most.
        root: the prefix under which the dashboard is mounted, "" or "/..." .
        source: what the server or framework gave: the ASGI scope, WSGI environ, or a framework's request.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    root: str = ""
    source: Any = None

    def header(self, name: str) -> str:
        """Return a field's value, "" where it is absent."""
        return self.headers.get(name, "")

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, the last of each name.

        Raises:
            ValueError: there are absurdly many.
        """
        return _fields(self.query)

    def form(self) -> dict[str, str]:
        """Return the fields of a body that is a form or a JSON object, the last of each name.

        Raises:
            ValueError: the body is neither.
        """
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            return _fields(self.body.decode())
        if kind == JSON:
            return _object(self.body)
        raise ValueError(f"the body must be {JSON} or application/x-www-form-urlencoded")


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One response: status, fields, and a body that is there as a whole."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *more: tuple[str, str]) -> Response:
        """Return the same with further fields."""
        return msgspec.structs.replace(self, headers=(*self.headers, *more))


class Refusal(Exception):  # noqa: N818 - it is an answer, and no error
    """A request that is answered with a status and a sentence that says what to do about it.

    Attributes:
        status: of the answer.
        headers: further fields.
    """

    def __init__(self, status: int, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def html_response(body: str, status: int = 200) -> Response:
    """Return a page or a part of one."""
    return Response(
        status=status, headers=(("Content-Type", HTML),), body=body.encode("utf-8", "backslashreplace")
    )


def json_response(data: Any, status: int = 200) -> Response:
    """Return plain values as JSON."""
    # ASCII only, so that no lone surrogate in a label can fail.
    return Response(status=status, headers=(("Content-Type", JSON),), body=json.dumps(data).encode())


def _fields(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace"))


def _object(body: bytes) -> dict[str, str]:
    try:
        found = msgspec.json.decode(body, type=dict[str, str | int | float | bool | None])
    except msgspec.MsgspecError as error:
        raise ValueError(f"it must be a JSON object of text, numbers and truth values: {error}") from error
    return {name: _text(value) for name, value in found.items() if value is not None}


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
