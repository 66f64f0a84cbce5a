"""Requests that the application answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from cachelayer.asgi.messages import conditional, head_of, objection_in, send_answer
from cachelayer.asgi.types import ASGIApp, Drive, Message, Receive, Scope, Send
from cachelayer.exchange import PASSED, Exchange, Target
from cachelayer.exchange.turn import STALLED
from cachelayer.flows import Flow, arun
from cachelayer.http import Reason

T = TypeVar("T")
#: Messages by which the server takes the body from somewhere else.
_BODY_ELSEWHERE: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


class Forwarding:
    """One request that the application answers."""

    __slots__ = (
        "_drive",
        "_exchange",
        "_gone",
        "_has_body",
        "_receive",
        "_scope",
        "_send",
        "_started",
        "_stepping",
        "_target",
        "_waits",
        "_watching",
    )

    def __init__(  # noqa: PLR0917 - made for each miss
        self,
        exchange: Exchange,
        drive: Drive,
        scope: Scope,
        receive: Receive,
        send: Send,
        waits: bool,
        target: Target | None,
    ) -> None:
        self._exchange, self._drive, self._waits = exchange, drive, waits
        self._scope, self._receive, self._send = scope, receive, send
        self._gone = self._has_body = self._started = False
        self._target = target
        self._stepping: asyncio.Future[None] | None = None
        self._watching: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp) -> None:
        """Call the application between the two ends of the exchange."""
        exchange, scope = self._exchange, self._scope
        scope[PASSED] = (*scope.get(PASSED, ()), exchange.bound.cache)
        try:
            if exchange.plan.key is not None:
                await self._ask(app)
            elif exchange.may_change:
                fencing = exchange.prepare()
                if fencing is not None:
                    await self._drive(fencing)
                await app(scope, self._receive, self.send)
            else:
                await app(scope, self._receive, self._send)
        except BaseException as error:
            await self.end(error)
            raise
        await self.end(None)

    def is_late(self, *, gone: bool, has_body: bool) -> None:
        """Take note of what happened before."""
        self._gone, self._has_body = gone, has_body

    async def _ask(self, app: ASGIApp) -> None:
        exchange, scope = self._exchange, self._scope
        fencing = exchange.prepare(waits=self._waits or not exchange.bound.local)
        if fencing is not None:
            answer = await self._wait(fencing)
            if answer is not None:
                await send_answer(answer, self._send)
                return
        asked: list[tuple[bytes, bytes]] = scope["headers"]
        conditions = exchange.conditions
        again: Scope | None = None
        if conditions is not None:
            again = dict(scope)
            # In place, since those around look into this very scope for what the application puts there.
            scope["headers"] = conditional(asked, conditions)
        token = exchange.enter()
        try:
            await app(scope, self.receive, self.send)
            if exchange.asks_again and again is not None:
                exchange.ask_again()
                self._started = self._has_body = False
                await app(again, Emptied(self.receive).receive, self.send)
                scope.update(again)
        except Exception as error:
            rescuing = None if self._started or self._gone else exchange.rescue(error)
            if rescuing is None:
                raise
            await send_answer(await self._wait(rescuing), self._send)
        finally:
            exchange.leave(token)
            scope["headers"] = asked

    async def _wait(self, flow: Flow[T]) -> T:
        """Drive a flow that may wait."""
        return await (arun(flow) if self._waits else self._drive(flow))

    async def end(self, error: BaseException | None) -> None:
        """Note that this request is over; that a client has gone is no error of the application's."""
        if self._stepping is not None:
            await self._stepping
        closing = self._exchange.end(self._scope, None if self._gone else error)
        if closing is not None:
            await self._wait(closing)

    async def receive(self) -> Message:
        """Receive for the application, and note that the client has gone: what then comes may be cut short."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        elif message.get("body") and self._exchange.plan.request.content is None:
            # HTTP/2 needs no Content-Length, so that nothing announced it. The answer may depend on it.
            self._has_body = True
            self._exchange.give_up(Reason.BODY)
        return message

    async def send(self, message: Message) -> None:
        """Send for the application. A whole response is stored before its last message goes out."""
        kind, exchange = message["type"], self._exchange
        if kind == "http.response.start":
            message = self._start(message)
            if exchange.due is not None:
                await self._wait(exchange.due)
            if exchange.is_replaced:
                if not exchange.asks_again:
                    await send_answer(await self._wait(exchange.replace()), self._send)
                return
        elif exchange.is_replaced:
            return
        elif exchange.collecting:
            await self._collect(kind, message)
        if self._waits and exchange.collecting and exchange.leads:
            self._watch()
        try:
            await self._send(message)
        except BaseException:
            self._gone = True
            raise
        finally:
            if self._watching is not None:
                self._watching.cancel()
                self._watching = None

    def _watch(self) -> None:
        """See to it that a client which does not read holds up nobody but itself."""
        self._watching = asyncio.get_running_loop().call_later(STALLED, self._step_aside)

    def _step_aside(self) -> None:
        exchange = self._exchange
        due = exchange.step_aside()
        if due is not None:
            self._stepping = asyncio.ensure_future(self._wait(due))
        elif exchange.collecting and exchange.leads:
            self._watch()

    def _start(self, message: Message) -> Message:
        self._started = True
        given: Iterable[Any] = message.get("headers", ())
        if given.__class__ is not list and isinstance(given, Iterator):
            message = {**message, "headers": list(given)}
        objection = Reason.BODY if self._has_body else objection_in(self._scope)
        exchange = self._exchange
        headers = exchange.start(head_of(message), self._scope, objection)
        if self._target is not None:
            exchange.bound.note_passing(exchange, self._target)
        return message if headers is None else {**message, "headers": [*headers]}

    async def _collect(self, kind: str, message: Message) -> None:
        exchange = self._exchange
        if kind == "http.response.body":
            exchange.feed(message.get("body") or b"")
            if not exchange.collecting and exchange.due is not None:
                # Too long: others need not wait for the rest of it.
                await self._wait(exchange.due)
            if not message.get("more_body", False):
                if self._gone:
                    exchange.give_up(Reason.INCOMPLETE)
                await self._drive(exchange.finish())
        elif kind in _BODY_ELSEWHERE:
            exchange.give_up(Reason.SENT_AS_FILE)


class Emptied:
    """What an application receives that is asked once more for a request without a body."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._asked = receive, False

    async def receive(self) -> Message:
        """Give the empty body, and then what comes from the server."""
        while self._asked:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}
