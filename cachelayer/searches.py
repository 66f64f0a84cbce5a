"""What of their queries URLs depend on, where their responses have said so by No-Vary-Search."""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.http import Request
from cachelayer.http.no_vary_search import EVERYTHING, SearchVariance, canonical_query
from cachelayer.http.uris import target_of

#: How many paths are remembered; with more, all are forgotten, and learnt again from the next response of each.
MOST_PATHS: Final = 10_000
_LONGEST_PATH: Final = 500


class Searches:
    """For each path the variance that its newest response had. Falsy while there is none.

    Each process learns it by itself, from the first response that it gets: until then a query counts as it is.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        #: By origin and path. Lookups ask by it alone if there is any.
        self.known: dict[tuple[str, bytes], SearchVariance] = {}

    def __bool__(self) -> bool:
        return bool(self.known)

    def note(self, request: Request, variance: SearchVariance) -> None:
        """Remember what the newest response to requests like this one says."""
        place = target_of(request) if variance != EVERYTHING or self.known else None
        if place is None:
            return
        if variance == EVERYTHING:
            self.known.pop((place.origin, place.path), None)
        elif len(request.path) <= _LONGEST_PATH:
            if len(self.known) >= MOST_PATHS:
                self.known.clear()
            self.known[place.origin, place.path] = variance

    def canonical(self, request: Request) -> Request:
        """Return the request with the query that all equivalent ones have: it is only for the key."""
        place = target_of(request) if request.query else None
        variance = None if place is None else self.known.get((place.origin, place.path))
        query = None if variance is None else canonical_query(request.query, variance)
        if query is None or query == request.query:
            return request
        return msgspec.structs.replace(request, query=query, search=variance)
