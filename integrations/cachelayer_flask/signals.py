"""Blinker signals for what happens in an application's cache, sent where `CACHELAYER_SIGNALS` is True.

Each is sent with the application as the sender, and with `event`, a `cachelayer.events.CacheEvent`. A receiver runs in
the request, or thread, in which it happened: it must return soon.
"""

from __future__ import annotations

import weakref
from typing import Final

from blinker import NamedSignal, Namespace
from flask import Flask

from cachelayer.events import CacheEvent, EventKind, Listener

_signals: Final = Namespace()

cache_hit: Final[NamedSignal] = _signals.signal("cachelayer-hit")
cache_miss: Final[NamedSignal] = _signals.signal("cachelayer-miss")
cache_stored: Final[NamedSignal] = _signals.signal("cachelayer-stored")
cache_evicted: Final[NamedSignal] = _signals.signal("cachelayer-evicted")
cache_refreshed: Final[NamedSignal] = _signals.signal("cachelayer-refreshed")
cache_invalidated: Final[NamedSignal] = _signals.signal("cachelayer-invalidated")
cache_failed: Final[NamedSignal] = _signals.signal("cachelayer-failed")

_BY_KIND: Final = {
    EventKind.HIT: cache_hit,
    EventKind.MISS: cache_miss,
    EventKind.STORED: cache_stored,
    EventKind.EVICTED: cache_evicted,
    EventKind.REFRESHED: cache_refreshed,
    EventKind.INVALIDATED: cache_invalidated,
    EventKind.FAILED: cache_failed,
}


def listener_of(app: Flask) -> Listener:
    """Return what sends the signals of an application, which it does not keep alive."""
    sender = weakref.ref(app)

    def send(event: CacheEvent) -> None:
        signal = _BY_KIND.get(event.kind)
        if signal is not None:
            signal.send(sender(), event=event)

    return send
