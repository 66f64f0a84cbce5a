"""The cache of the middleware that stands around a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cachelayer import Cache
from cachelayer.exchange import PASSED


def cache_around(scope: Mapping[str, Any]) -> Cache | None:
    """Return the cache of the innermost middleware that a request has passed, or None."""
    passed: tuple[Cache, ...] = scope.get(PASSED, ())
    return passed[-1] if passed else None
