"""Whether a stored value is served, and whether it is computed anew meanwhile.

    created ........ refresh_ahead ........ ttl ........ stale_while_revalidate ........ stale_if_error
            FRESH                   EARLY        STALE                            SPARE                  GONE

EARLY is served as a hit and refreshed behind it, STALE too but as a stale hit; SPARE is served only where the origin
fails. Without these options all but FRESH and GONE are empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

import msgspec

from cachelayer import chance
from cachelayer.backends.table_entries import NEVER
from cachelayer.clock import Clock

#: Where exp(-x) is no longer worth a thought: one in a million.
SURE: Final = 14.0


class State(Enum):
    """What a stored value is good for now."""

    FRESH = "fresh"
    EARLY = "early"
    STALE = "stale"
    SPARE = "spare"
    GONE = "gone"


class Dated(Protocol):
    """What is asked of a record: epoch seconds, and the seconds that its computation took."""

    @property
    def created(self) -> float:
        """When it was computed."""
        ...

    @property
    def fresh_until(self) -> float:
        """When its ttl ends."""
        ...

    @property
    def cost(self) -> float:
        """Seconds that computing it took."""
        ...

    @property
    def softened(self) -> bool:
        """Whether it was invalidated softly: from then on it is stale."""
        ...


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How one origin's results age. Durations are in seconds.

    Attributes:
        jitter: lifetimes are spread over [ttl, (1 + jitter) * ttl], so that what was stored together does not expire
            together.
        stale_while_revalidate: how long after its ttl a value is served while it is computed anew in the background.
        stale_if_error: how long after its ttl a value is served where computing it anew raises.
        refresh_ahead: the part of its ttl after which a value is computed anew in the background; None for never.
        beta: how eagerly values are computed anew before they expire, at random, the more likely the costlier and
            the older they are (XFetch: Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede
            Prevention", VLDB 2015); 0 for never, 1 is what the paper recommends.
        soft_timeout: how long a caller waits for a computation where a stale value is at hand; None for its end.
        hard_timeout: how long a caller waits for a computation where none is; None for its end.
    """

    jitter: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    refresh_ahead: float | None = None
    beta: float = 0.0
    soft_timeout: float | None = None
    hard_timeout: float | None = None

    @property
    def ages(self) -> bool:
        """Whether there is more to a value's age than fresh and gone."""
        return msgspec.structs.replace(self, jitter=0.0) != PLAIN

    @property
    def last_resort(self) -> float:
        """Seconds, after all others, for which a value is served only where the origin fails or takes too long."""
        return self.stale_if_error - self.stale_while_revalidate

    def times(self, now: float, ttl: float | None) -> tuple[float, float]:
        """Return when a value stored now stops being fresh, and when it is gone; epoch seconds."""
        if ttl is None:
            return NEVER, NEVER
        spread = 1.0 + self.jitter * chance.draw() if self.jitter else 1.0
        fresh_until = now + ttl * spread
        return fresh_until, fresh_until + max(self.stale_while_revalidate, self.stale_if_error)

    def state(self, record: Dated, now: float, draw: Callable[[], float] = chance.draw) -> State:
        """Return what `record` is good for. `draw` gives random numbers from [0, 1)."""
        overdue = now - record.fresh_until
        if record.softened:
            overdue = max(overdue, 0.0)
        if overdue < 0.0:
            return State.EARLY if self._is_due(record, now, draw) else State.FRESH
        if overdue < self.stale_while_revalidate:
            return State.STALE
        return State.SPARE if overdue < self.stale_if_error else State.GONE

    def _is_due(self, record: Dated, now: float, draw: Callable[[], float]) -> bool:
        remaining = record.fresh_until - now
        ahead, life = self.refresh_ahead, record.fresh_until - record.created
        if ahead is not None and now >= record.created + ahead * life:
            return True
        scale = self.beta * record.cost
        # P = exp(-remaining / (beta * cost)); no draw where it is next to nothing.
        return scale > 0.0 and remaining < SURE * scale and draw() < math.exp(-remaining / scale)


#: A value is fresh until its ttl ends, and then gone.
PLAIN: Final = Freshness()


#: Seconds that an origin which failed is left alone, where there is a stale value to serve meanwhile.
REST: Final = 1.0
_MOST_RESTING: Final = 10_000


class Resting:
    """The keys whose origin has failed within the last second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, key: str) -> None:
        """Leave the key's origin alone from now on."""
        if len(self._until) >= _MOST_RESTING:
            self._until.clear()
        self._until[key] = self._clock() + REST

    def discard(self, key: str) -> None:
        """It has worked again."""
        self._until.pop(key, None)

    def has(self, key: str) -> bool:
        """Whether to leave it alone."""
        return bool(self._until) and self._until.get(key, 0.0) > self._clock()
