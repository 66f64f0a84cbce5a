"""Serving stale responses (RFC 9111, section 4.2.4, and RFC 5861): for how long, and whether at all."""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.http.cache_control import Directives, Invalid
from cachelayer.http.messages import Instructions, StoredResponse
from cachelayer.http.rules import Rule


class Windows(msgspec.Struct, frozen=True, gc=False):
    """For how many seconds after its freshness a response is used stale."""

    while_revalidate: float = 0.0
    if_error: float = 0.0


NO_WINDOWS: Final = Windows()
_SILENT: Final = Instructions()


def windows(directives: Directives, rule: Rule | None, said: Instructions | None = None) -> Windows:
    """Return the stale windows of a response.

    What the application said comes first, then the response's directives, then the rule. must-revalidate,
    proxy-revalidate and no-cache forbid both; s-maxage, which implies proxy-revalidate (section 5.2.2.10), leaves it
    those that it gives itself.

    Args:
        directives: of the field that governs the response.
        rule: the rule for the response, or None.
        said: what the application said, or None.
    """
    if is_strict(directives):
        return NO_WINDOWS
    adding = None if directives.has(b"s-maxage") else rule
    own = said or _SILENT
    return Windows(
        _first(
            own.while_revalidate,
            directives.seconds(b"stale-while-revalidate"),
            None if adding is None else adding.revalidate_seconds,
        ),
        _first(
            own.if_error,
            directives.seconds(b"stale-if-error"),
            None if adding is None else adding.error_seconds,
        ),
    )


def is_strict(directives: Directives) -> bool:
    """Whether a response must not be used stale at all."""
    return bool(directives.items) and any(
        directives.has(name) for name in (b"must-revalidate", b"proxy-revalidate", b"no-cache")
    )


def _first(*stated: float | Invalid | None) -> float:
    """Return the first that is stated; 0 where that cannot be read."""
    first = next((each for each in stated if each is not None), 0.0)
    return 0.0 if isinstance(first, Invalid) else float(first)


def client_takes(stored: StoredResponse, directives: Directives, now: float) -> bool:
    """Whether the request's max-stale allows a response that is stale (section 5.2.1.2)."""
    if stored.must_revalidate or not directives.has(b"max-stale"):
        return False
    most = directives.seconds(b"max-stale")
    if isinstance(most, Invalid):
        # Without an argument the client takes any age; with one that cannot be read, none.
        return directives.grants(b"max-stale")
    return most is not None and now - stored.fresh_until <= most
