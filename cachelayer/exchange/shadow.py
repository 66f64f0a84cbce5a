"""Watching without serving: what a cache would do to a site, before it does anything (`shadow=True`).

Everything is looked up, and nothing served. Each response is compared with the one that would have been served in its
place: what differs was not safe to share, and the difference names the field, and often the cause.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from cachelayer.errors import ConfigurationError
from cachelayer.http import Headers, Request, ResponseHead, StoredResponse
from cachelayer.http.cookies import request_cookies
from cachelayer.http.fields import lines, storable
from cachelayer.stats.registry import RouteRegistry
from cachelayer.stats.snapshots import RouteStats

#: The newest differences that are kept.
MOST_DIFFERENCES: Final = 100
#: Fields that differ from response to response and matter to nobody.
_EXPECTED: Final = frozenset(
    {b"date", b"age", b"cache-status", b"x-request-id", b"server-timing", b"expires"}
)
#: Answers to a client's own condition or range.
_OF_ONE_CLIENT: Final = frozenset({206, 304, 416})
#: Request fields that may explain a difference.
_CAUSES: Final = (
    b"authorization",
    b"accept-language",
    b"accept",
    b"accept-encoding",
    b"origin",
    b"user-agent",
)


class Difference(msgspec.Struct, frozen=True):
    """A response that is not what would have been served in its place.

    Attributes:
        route: the label of the request.
        what: "status", "body", or the names of the response fields that differ.
        because: request fields and cookies that the cache does not tell apart, and the request had; the likely causes.
    """

    route: str
    what: tuple[str, ...]
    because: tuple[str, ...]


class ShadowReport(msgspec.Struct, frozen=True):
    """What a middleware with `shadow=True` has seen.

    Attributes:
        routes: how the requests of each route would have ended.
        differing: how many responses of each route differ from what would have been served.
        differences: the newest of them.
    """

    routes: Mapping[str, RouteStats]
    differing: Mapping[str, int]
    differences: tuple[Difference, ...]

    def is_safe(self, route: str) -> bool:
        """Whether responses of the route would have been served, and none would have been wrong."""
        found = self.routes.get(route)
        return found is not None and found.served > 0 and not self.differing.get(route)


class Shadow:
    """Counts and compares, apart from the cache's own statistics; bounded."""

    def __init__(self) -> None:
        self.routes = RouteRegistry()
        self._differing: dict[str, int] = {}
        self._newest: deque[Difference] = deque(maxlen=MOST_DIFFERENCES)
        self._lock = threading.Lock()

    @staticmethod
    def report_of(shadow: Shadow | None) -> ShadowReport:
        """Return what was seen so far, or raise ConfigurationError where nothing is watched."""
        if shadow is None:
            raise ConfigurationError(
                "this middleware serves from its cache: pass shadow=True to compare only"
            )
        with shadow._lock:
            return ShadowReport(shadow.routes.snapshots(), dict(shadow._differing), tuple(shadow._newest))

    def note(
        self,
        route: str,
        request: Request,
        twin: StoredResponse,
        head: ResponseHead,
        body: bytes | None,
        *,
        is_longer: bool = False,
    ) -> bool:
        """Compare a response with its stored twin; whether they differ.

        Args:
            route: the label of the request.
            request: the request.
            twin: what would have been served.
            head: what the application answered.
            body: its body; None where it was not collected.
            is_longer: it was not, since it is longer than any that is stored.
        """
        what = _differing(twin, head, twin.body + b"." if is_longer else body)
        if not what:
            return False
        found = Difference(route, what, _causes(request, twin))
        with self._lock:
            route = self.routes.counters(route).route  # bounded as those are
            self._differing[route] = self._differing.get(route, 0) + 1
            self._newest.append(found)
        return True


def _differing(twin: StoredResponse, head: ResponseHead, body: bytes | None) -> tuple[str, ...]:
    if head.status in _OF_ONE_CLIENT and head.status != twin.status:
        return ()  # It confirms what the client has, or is a part of it; there is nothing to compare.
    found: list[str] = []
    if head.status != twin.status:
        found.append("status")
    if body is not None and body != twin.body:
        found.append("body")
    ours, theirs = _comparable(twin.headers), _comparable(head.headers)
    names = sorted({name for name, _ in ours} | {name for name, _ in theirs})
    found += [
        name.decode("latin-1")
        for name in names
        if [value for field, value in ours if field == name]
        != [value for field, value in theirs if field == name]
    ]
    return tuple(found)


def _comparable(headers: Headers) -> list[tuple[bytes, bytes]]:
    fields = ((name.lower(), value) for name, value in storable(headers))
    return [field for field in fields if field[0] not in _EXPECTED]


def _causes(request: Request, twin: StoredResponse) -> tuple[str, ...]:
    keyed = {name for name, _ in twin.vary}
    found = [name.decode() for name in _CAUSES if name not in keyed and lines(request.headers, name)]
    cookies = request_cookies(lines(request.headers, b"cookie"))
    found += [f"cookie {name}" for name, _ in cookies][:20]
    return tuple(found)
