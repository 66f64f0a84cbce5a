"""What a cache tells its listeners: one frozen object an event, through one protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

import msgspec

from cachelayer.outcomes import Outcome

logger = logging.getLogger("cachelayer.events")


class EventKind(StrEnum):
    """What happened."""

    HIT = "hit"
    MISS = "miss"
    STORED = "stored"
    EVICTED = "evicted"
    REFRESHED = "refreshed"
    INVALIDATED = "invalidated"
    FAILED = "failed"


class CacheEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    Attributes:
        kind: what happened. A lookup ends in `hit` (served without a computation of one's own) or `miss`.
        route: the label that it is counted under, or "".
        key: the entry's key, or "".
        tags: the tags invalidated, or those of the entry.
        outcome: how the lookup ended, for `hit` and `miss`.
        seconds: what the origin took, where it ran.
        reason: why a value was not stored, or what failed.
    """

    kind: EventKind
    route: str = ""
    key: str = ""
    tags: tuple[str, ...] = ()
    outcome: Outcome | None = None
    seconds: float = 0.0
    reason: str = ""


#: Called with each event, in the thread or task in which it happened. It must return soon and not block.
Listener = Callable[[CacheEvent], None]


def log_event(event: CacheEvent) -> None:
    """Write an event to the log `cachelayer.events`: a listener, as in `cache.add_listener(log_event)`.

    A failure is a warning, everything else for debugging.
    """
    level = logging.WARNING if event.kind is EventKind.FAILED else logging.DEBUG
    if logger.isEnabledFor(level):
        fields = ((name, getattr(event, name)) for name in event.__struct_fields__ if name != "kind")
        told = " ".join(f"{name}={value!s}" for name, value in fields if value)
        logger.log(level, "%s %s", event.kind, told)


class Listeners:
    """The listeners of one cache. Falsy where there are none, so that nobody makes an event for nobody."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> None:
        """Call `listener` with each event from now on."""
        self._listeners = (*self._listeners, listener)

    def emit(self, event: CacheEvent) -> None:
        """Tell everybody. A listener that raises is logged, and harms nobody else."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", event.kind)
