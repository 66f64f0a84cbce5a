"""What a page shows is in its URL: the window, how the table is sorted and filtered, and which drawer is open."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from cachelayer.dashboard.messages import Refusal, Request
from cachelayer.durations import parse_duration
from cachelayer.errors import CacheLayerError

#: Those that the page offers, with how it calls them.
WINDOWS: Final = {"15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d"}
SORTS: Final = (
    "route", "methods", "requests", "hit_rate", "coverage", "errors", "hit", "origin", "saved", "entries", "size",
    "variants", "ttl", "reason",
)  # fmt: skip
_SHORTEST, _LONGEST = 60.0, 32 * 86400.0
_MOST_TEXT: Final = 2000


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown.

    Attributes:
        window: how much time the figures are of: a duration such as "1h".
        sort: the column by which the tables are sorted.
        up: whether the smallest is first.
        q: what a label must contain to be shown, in any case of its letters.
        page: which part of a long table, from 1.
        route: the label whose drawer is open; "" for none.
    """

    window: str = "1h"
    sort: str = "requests"
    up: bool = False
    q: str = ""
    page: int = 1
    route: str = ""

    @property
    def seconds(self) -> float:
        """The window's length."""
        return window_seconds(self.window)

    def url(self, **changes: Any) -> str:
        """Return the link, relative to the page, to what this becomes with `changes`."""
        changed = msgspec.structs.replace(self, **changes)
        pairs = [
            (name, "1" if value is True else str(value))
            for name, value in msgspec.structs.asdict(changed).items()
            if value != getattr(_DEFAULT, name)
        ]
        return "./?" + urlencode(pairs, errors="replace") if pairs else "./"


_DEFAULT: Final = State()


def state_of(request: Request) -> State:
    """Return the state that a request's query describes.

    Raises:
        Refusal: with 400: a parameter makes no sense. What is unknown is ignored.
    """
    given = query_of(request)
    state = State(
        window=given.get("window") or _DEFAULT.window,
        sort=_one_of(given, "sort", SORTS, _DEFAULT.sort),
        up=given.get("up", "") == "1",
        q=_short(given, "q"),
        page=_number(given, "page", _DEFAULT.page, most=100_000),
        route=_short(given, "route"),
    )
    window_seconds(state.window)
    return state


def query_of(request: Request) -> dict[str, str]:
    """Return a query's parameters, or raise Refusal (400)."""
    try:
        return request.parameters
    except ValueError as error:
        raise Refusal(400, f"the query makes no sense: {error}") from error


def window_seconds(text: str) -> float:
    """Return the length of a window, or raise Refusal (400)."""
    meant = f"window={text[:40]!r}: give a duration from 1m to 31d, such as 15m, 1h, 24h or 7d"
    try:
        seconds = parse_duration(float(text) if text.isascii() and text.isdecimal() else text, name="window")
    except (CacheLayerError, ValueError):
        raise Refusal(400, meant) from None
    if seconds is None or not _SHORTEST <= seconds <= _LONGEST:
        raise Refusal(400, meant)
    return seconds


def _one_of(given: dict[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name) or default
    if value not in allowed:
        raise Refusal(400, f"{name}={value[:40]!r}: it is one of {', '.join(allowed)}")
    return value


def _number(given: dict[str, str], name: str, default: int, *, most: int) -> int:
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not 1 <= int(text) <= most:
        raise Refusal(400, f"{name}={text[:40]!r}: it is a number from 1 to {most}")
    return int(text)


def _short(given: dict[str, str], name: str) -> str:
    text = given.get(name, "")
    if len(text) > _MOST_TEXT:
        raise Refusal(400, f"{name} is too long: at most {_MOST_TEXT} characters")
    return text
