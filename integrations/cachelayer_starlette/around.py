"""The cache of the middleware that stands around a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cachelayer import Cache

#: Where the middleware leaves its cache in the scope: see `cachelayer.asgi`.
_PASSED: Final = "cachelayer.passed"


def cache_around(scope: Mapping[str, Any]) -> Cache | None:
    """Return the cache of the innermost middleware that a request has passed, or None."""
    passed: tuple[Cache, ...] = scope.get(_PASSED, ())
    return passed[-1] if passed else None
