"""Writing responses into the store: whole ones, variants with their index, and parts that are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from cachelayer.events import EventKind
from cachelayer.flow.flights import Flight
from cachelayer.flow.records import Draft, stored_of
from cachelayer.flow.responses import RESPONSES
from cachelayer.flows import Flow
from cachelayer.http import Kept, PartialResponse, Plan, StoredResponse, VariantIndex, writes
from cachelayer.http.partial import combine, completed, of_206

if TYPE_CHECKING:
    from cachelayer.exchange.lookup import Bound

#: How many variants of one URL are kept.
MOST_VARIANTS: Final = 50
#: How often an index is written anew that others have written at the same time.
_MOST_TRIES: Final = 3


class Keeper(msgspec.Struct, eq=False):
    """Stores one response, as far as its fence allows.

    Attributes:
        bound: the middleware's ties to the cache.
        plan: of the request.
        flight: the fence, for the primary key.
        label: the route.
        seconds: what the application took.
        written: the keys written so far, the newest first.
    """

    bound: Bound
    plan: Plan
    flight: Flight
    label: str
    seconds: float
    written: tuple[str, ...] = ()

    def late_tags(self, made: StoredResponse) -> tuple[str, ...]:
        """Return the tags of a response that could not be known before the application was called."""
        known = {*self.bound.expected_tags(self.plan)}
        return tuple(name for name in self._tags(made) if name not in known)

    def keep(self, made: StoredResponse, index: VariantIndex | None) -> Flow[None]:
        """Store a response.

        Args:
            made: the response.
            index: what was stored under its primary key when it was asked for, if those are variants.
        """
        bound, plan = self.bound, self.plan
        if made.status == 206:
            yield from self._keep_part(made)
            return
        # Other variants may have been stored since this request came.
        current: Kept | None = (yield from bound.read(plan, plan.key or "")) if made.vary else index
        todo = writes(plan, made, None if isinstance(current, PartialResponse) else current, MOST_VARIANTS)
        for place, (name, entry) in enumerate(todo.entries, 1):
            key = bound.cache.key(name)
            # The last one makes the others reachable, and stands under the key that the flight is for.
            fence = self.flight if place == len(todo.entries) else _fork(self.flight, key)
            if not (yield from self._write(key, entry, made, fence)):
                return
        if made.vary and not bound.local:
            yield from self._stay_listed(made, todo.entries[0][0])
        self.flight.vouched = True
        if bound.tells:
            bound.tell(EventKind.STORED, plan, self.label, seconds=self.seconds)
        for name in todo.deleted:
            yield from bound.storage.remove(bound.cache.key(name))

    def _keep_part(self, made: StoredResponse) -> Flow[None]:
        """Store a part together with those that are there, as the whole once nothing is missing."""
        bound, key = self.bound, self.plan.key or ""
        part = None if made.vary else of_206(made, self.plan.policy.max_body_bytes)
        if part is None:
            return
        current: Kept | None = yield from bound.read(self.plan, key)
        if isinstance(current, (StoredResponse, VariantIndex)):
            return
        # With one that has tags which this one has not, it would outlive their invalidation.
        fits = current is not None and set(current.response.tags) <= set(made.tags)
        parts = combine(current, part) if current is not None and fits else part
        yield from self._write(bound.cache.key(key), completed(parts) or parts, made, self.flight)

    def _stay_listed(self, made: StoredResponse, variant: str) -> Flow[None]:
        """See to it that a variant is in the index, though others that were stored at the same time wrote it too."""
        bound, key = self.bound, self.plan.key or ""
        for _ in range(_MOST_TRIES):
            current: Kept | None = yield from bound.read(self.plan, key)
            if not isinstance(current, VariantIndex) or any(one.key == variant for one in current.variants):
                return
            index = writes(self.plan, made, current, MOST_VARIANTS).entries[-1][1]
            if not (yield from self._write(bound.cache.key(key), index, made, self.flight)):
                return

    def _write(self, key: str, entry: Kept, made: StoredResponse, fence: Flight) -> Flow[bool]:
        record = yield from self.bound.storage.write(self._draft(key, entry, made), RESPONSES, fence)
        if record is None:
            return False
        self.written = (key, *self.written)
        self.bound.stores = True
        if not isinstance(entry, VariantIndex):
            self.bound.counters(self.label).note_store(stored_of(record))
        return True

    def _tags(self, made: StoredResponse) -> tuple[str, ...]:
        """Return the store's names of all tags that a response has."""
        bound = self.bound
        names = bound.cache.tag_names(made.tags)
        if self.plan.url is not None:
            names = (*names, bound.cache.url_tag(self.plan.url))
        return names if bound.local else (*names, bound.cache.route_tag(made.label))

    def _draft(self, key: str, entry: Kept, made: StoredResponse) -> Draft:
        fresh = entry.fresh_until if isinstance(entry, StoredResponse) else entry.keep_until
        tags = self._tags(made)
        return Draft(key, entry, fresh, entry.keep_until, made.response_time, self.seconds, tags, made.label)


def _fork(flight: Flight, key: str) -> Flight:
    """Return the same fence for another key."""
    fork = Flight(key)
    fork.broken, fork.tags, fork.fence = flight.broken, flight.tags, flight.fence
    return fork
