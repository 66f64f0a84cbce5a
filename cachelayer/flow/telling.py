"""Telling listeners what happened to a lookup."""

from __future__ import annotations

from cachelayer.events import CacheEvent, EventKind, Listeners
from cachelayer.flow.lookups import Lookup, user_tags


def tell(
    listeners: Listeners, kind: EventKind, lookup: Lookup, *, seconds: float = 0.0, reason: str = ""
) -> None:
    """Tell them, if there are any.

    Args:
        listeners: who is told.
        kind: what happened.
        lookup: to which lookup.
        seconds: what the origin took, where it ran.
        reason: why it happened.
    """
    if listeners:
        route, key, tags = lookup.policy.label, lookup.key, user_tags(lookup.tags)
        event = CacheEvent(kind=kind, route=route, key=key, tags=tags, seconds=seconds, reason=reason)
        listeners.emit(event)
