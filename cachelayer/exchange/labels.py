"""The labels that requests are counted under: routes, never URLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

#: Where the ASGI scope and the WSGI environ say which caches a request has passed already.
PASSED: Final = "cachelayer.passed"
#: Where an application names its route, in the ASGI scope and in the WSGI environ.
ROUTE: Final = "cachelayer.route"
#: Where a WSGI environ says why the response must not be stored: a Reason, from who knows what its fields do not show.
OBJECTION: Final = "cachelayer.objection"
#: The labels of requests whose application names no route, and of those that matched none.
UNLABELLED: Final = "<unlabelled>"
UNMATCHED: Final = "<unmatched>"
#: The label of the dashboard's own requests, which are not counted: who looks does not change what is seen.
DASHBOARD: Final = "<dashboard>"

#: Methods that stand in a label. Any other is a client's invention, and there is no end of those.
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
_LONGEST_LABEL: Final = 300

#: Given the ASGI scope or WSGI environ, returns the label or path template of a request's route, or None.
Route = Callable[[Any], str | None]


@lru_cache(maxsize=1024)
def make_label(method: str, named: str) -> str:
    """Return the label of a route that is named by a label ("GET /a/{id}") or by its path template ("/a/{id}")."""
    label = named
    if named.startswith("/"):
        label = f"{method if method in _METHODS else 'OTHER'} {named}"
    return label.encode("utf-8", "backslashreplace").decode()[:_LONGEST_LABEL] or UNLABELLED
