"""Refreshing a stale response behind the client's back (RFC 5861, section 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cachelayer.events import EventKind
from cachelayer.exchange.exchange import Exchange, Fetched
from cachelayer.flow.background import Spawn
from cachelayer.flow.compute import LONGEST_TURN
from cachelayer.flow.flights import Flight
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow
from cachelayer.http import Answer, Headers, Plan, StoredResponse, VariantIndex
from cachelayer.http.reuse import STALE

if TYPE_CHECKING:
    from cachelayer.exchange.lookup import Bound

logger = logging.getLogger("cachelayer.http")

#: Asks the application again, with these fields in place of the client's conditions; in async code it is awaited.
Call = Callable[[Headers | None], Any]

_NOBODY: Final[Mapping[str, Any]] = {}


class Behind(msgspec.Struct):
    """A stale answer that is to be sent, and the exchange that brings a fresh one after it.

    Attributes:
        answer: what the client gets.
    """

    bound: Bound
    plan: Plan
    answer: Answer
    stored: StoredResponse
    index: VariantIndex | None
    label: str

    def begin(self, call: Call) -> Flow[None]:
        """Have the application asked in the background, unless somebody does that already, or it has just failed.

        Args:
            call: returns what it `Fetched`; called in a thread by sync code, awaited in a task by async code.
        """
        bound, key = self.bound, self.plan.key or ""
        if bound.engine.resting.has(key):
            return
        flight, leads = bound.engine.enter(bound.cache.key(key))
        if not leads:
            return
        try:
            begun = yield Spawn(lambda: self._refreshing(call, flight), flight, bound.flights.abandon)
        except BaseException:
            bound.flights.abandon(flight)
            raise
        if not begun:
            bound.flights.abandon(flight)

    def _refreshing(self, call: Call, flight: Flight) -> Flow[None]:
        bound, storage = self.bound, self.bound.storage
        if bound.distributes and not (
            yield from storage.acquire(flight, bound.policy.patience or LONGEST_TURN)
        ):
            return  # Another process does it.
        exchange = Exchange(bound, self.plan, perf_counter(), STALE, bound.clock())
        exchange.index, exchange.stale, exchange.is_background = self.index, self.stored, True
        began, env, failure = perf_counter(), _NOBODY, None
        try:
            yield from exchange.lead(flight)
            token = exchange.enter()
            try:
                fetched: Fetched = yield Compute(call, (exchange.conditions,), {})
            finally:
                exchange.leave(token)
            env = fetched.env
            failure = yield from self._take(exchange, fetched)
        except Exception as error:  # noqa: BLE001 - whatever the application raises
            failure = error
            logger.warning("a refresh of %s failed: %r", self.label, error)
        finally:
            closing = exchange.end(env, failure if isinstance(failure, Exception) else None)
        if closing is not None:
            yield from closing
        seconds = perf_counter() - began
        if failure is None:
            bound.engine.resting.discard(self.plan.key or "")
        else:
            bound.engine.resting.add(self.plan.key or "")
        bound.counters(self.label).note_refresh(seconds=seconds, failed=failure is not None)
        if bound.tells:
            bound.tell(EventKind.REFRESHED, self.plan, self.label, seconds=seconds)

    def _take(self, exchange: Exchange, fetched: Fetched) -> Flow[object]:
        """Store what was fetched; return what shows that the application failed, or None."""
        head = fetched.head
        exchange.start(head, fetched.env, fetched.objection)
        if exchange.due is not None:
            yield from exchange.due
        if exchange.is_replaced:
            yield from exchange.replace()
        elif fetched.body is not None:
            exchange.feed(fetched.body)
            yield from exchange.finish()
        return head if head is None or head.status >= 500 else None
