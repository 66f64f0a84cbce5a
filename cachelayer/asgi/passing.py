"""Requests that are let through, with a glance at the response."""

from __future__ import annotations

from cachelayer.asgi.forwarding import Forwarding
from cachelayer.asgi.messages import READABLE, head_of, objection_in
from cachelayer.asgi.types import ASGIApp, Drive, Message, Receive, Scope, Send
from cachelayer.exchange import PASSED, Passing, Target
from cachelayer.http import Headers


class LetThrough:
    """One request that is let through, with a glance at its response."""

    __slots__ = (
        "_drive",
        "_forwarding",
        "_gone",
        "_has_body",
        "_passing",
        "_receive",
        "_scope",
        "_send",
        "_target",
        "_waits",
    )

    def __init__(  # noqa: PLR0917 - made for each of them
        self,
        passing: Passing,
        drive: Drive,
        scope: Scope,
        receive: Receive,
        send: Send,
        waits: bool,
        target: Target,
    ) -> None:
        self._passing, self._drive, self._waits, self._target = passing, drive, waits, target
        self._scope, self._receive, self._send = scope, receive, send
        self._gone = self._has_body = False
        #: Once it takes a closer look.
        self._forwarding: Forwarding | None = None

    async def run(self, app: ASGIApp) -> None:
        """Call the application."""
        passing, scope = self._passing, self._scope
        scope[PASSED] = (*scope.get(PASSED, ()), passing.bound.cache)
        token = passing.enter()
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            await self._end(error)
            raise
        else:
            await self._end(None)
        finally:
            passing.leave(token)

    async def receive(self) -> Message:
        """Receive for the application."""
        if self._forwarding is not None:
            return await self._forwarding.receive()
        message = await self._receive()
        self._gone = self._gone or message["type"] == "http.disconnect"
        self._has_body = self._has_body or bool(message.get("body"))
        return message

    async def send(self, message: Message) -> None:
        """Send for the application."""
        if self._forwarding is None and message["type"] == "http.response.start":
            added = self._added(message)
            if added is not None:
                message = {**message, "headers": [*message["headers"], *added]} if added else message
            else:
                self._take_up()
        if self._forwarding is not None:
            await self._forwarding.send(message)
            return
        try:
            await self._send(message)
        except BaseException:
            self._gone = True
            raise

    def _added(self, message: Message) -> Headers | None:
        """Return what is added to the fields of a response that is let through; None: it needs a closer look."""
        if self._has_body or message.get("headers").__class__ not in READABLE:
            return None
        if "session" in self._scope and objection_in(self._scope) is not None:
            return None
        return self._passing.start(head_of(message), self._scope)

    def _take_up(self) -> Forwarding:
        exchange = self._passing.take_up()
        forwarding = Forwarding(
            exchange, self._drive, self._scope, self._receive, self._send, self._waits, self._target
        )
        forwarding.is_late(gone=self._gone, has_body=self._has_body)
        self._forwarding = forwarding
        return forwarding

    async def _end(self, error: BaseException | None) -> None:
        if self._passing.reason is None or self._forwarding is not None:
            await (self._forwarding or self._take_up()).end(error)
