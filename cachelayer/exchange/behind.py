"""Refreshing a stale response behind the client's back (RFC 5861, section 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cachelayer.events import EventKind
from cachelayer.exchange.exchange import Exchange, Fetched, without_conditions
from cachelayer.flow.background import Spawn
from cachelayer.flow.flights import Flight
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow
from cachelayer.http import Answer, Headers, Plan, StoredResponse, VariantIndex
from cachelayer.http.reuse import STALE

if TYPE_CHECKING:
    from cachelayer.exchange.lookup import Bound

logger = logging.getLogger("cachelayer.http")

#: Asks the application by GET, with these fields in place of the client's conditions and Range; awaited in async code.
Call = Callable[[Headers], Any]

_NOBODY: Final[Mapping[str, Any]] = {}


class Behind(msgspec.Struct):
    """A stale answer that is to be sent, and the exchange that brings a fresh one after it.

    Attributes:
        answer: what the client gets.
        stored: what it is made of.
        index: what is stored under the primary key, if those are variants.
        label: the route.
        seen: how many flights had landed when the store was asked.
    """

    bound: Bound
    plan: Plan
    answer: Answer
    stored: StoredResponse
    index: VariantIndex | None
    label: str
    seen: int

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
        bound, key = self.bound, self.plan.key or ""
        exchange = Exchange(bound, _for_storing(self.plan), perf_counter(), STALE, bound.clock())
        exchange.index, exchange.stale, exchange.is_background = self.index, self.stored, True
        began, failure = perf_counter(), None
        try:
            if not (yield from exchange.lead(flight)) or (yield from self._is_done()):
                yield from _end(exchange)
                return
            failure = yield from self._refresh(exchange, call)
        except GeneratorExit:
            exchange.end(
                _NOBODY
            )  # Nothing can be driven any more: a turn among processes runs out by itself.
            raise
        except Exception as error:  # noqa: BLE001 - whatever the application raises
            failure = error
            logger.warning("a refresh of %s failed: %r", self.label, error)
        except BaseException:
            yield from _end(exchange)
            raise
        yield from _end(exchange)
        seconds = perf_counter() - began
        if failure is None:
            bound.engine.resting.discard(key)
        else:
            bound.engine.resting.add(key)
        bound.counters(self.label).note_refresh(seconds=seconds, failed=failure is not None)
        if bound.tells:
            bound.tell(EventKind.REFRESHED, self.plan, self.label, seconds=seconds)

    def _is_done(self) -> Flow[bool]:
        """Whether somebody has brought a newer response since this one was looked up."""
        bound = self.bound
        if not bound.distributes and bound.flights.landings == self.seen:
            return False
        found, _ = yield from bound.look(self.plan)
        return isinstance(found, StoredResponse) and found.response_time > self.stored.response_time

    @staticmethod
    def _refresh(exchange: Exchange, call: Call) -> Flow[object]:
        """Ask the application and store what it gives; return what shows that it failed, or None."""
        while True:
            fetched = yield from _asked(exchange, call)
            head = fetched.head
            exchange.start(head, fetched.env, fetched.objection)
            if exchange.due is not None:
                yield from exchange.due
            if not exchange.asks_again:
                break
            exchange.ask_again()
        if exchange.is_replaced:
            yield from exchange.replace()
        elif fetched.body is not None:
            exchange.feed(fetched.body)
            yield from exchange.finish()
        return head if head is None or head.status >= 500 else None


def _asked(exchange: Exchange, call: Call) -> Flow[Fetched]:
    token = exchange.enter()
    exchange.outer = None  # Whatever is around had its answer long ago.
    try:
        fetched: Fetched = yield Compute(call, (exchange.conditions or (),), {})
    finally:
        exchange.leave(token)
    return fetched


def _end(exchange: Exchange) -> Flow[None]:
    closing = exchange.end(_NOBODY)
    if closing is not None:
        yield from closing


def _for_storing(plan: Plan) -> Plan:
    """Return the plan of the request that brings a whole response: a GET without conditions and Range."""
    plan = without_conditions(plan)
    if plan.request.method != "HEAD":
        return plan
    return msgspec.structs.replace(plan, request=msgspec.structs.replace(plan.request, method="GET"))
