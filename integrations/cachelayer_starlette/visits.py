"""One call of a view under `cached_view` that computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cachelayer.exchange import Exchange
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow
from cachelayer.http import Answer, Headers, Reason, ResponseHead
from cachelayer_starlette.answers import Around, collected, head_of, is_streamed, objection_to, put
from cachelayer_starlette.arguments import Call

if TYPE_CHECKING:
    from cachelayer_starlette.views import CachedView


class Visit:
    """One call of a view that computes."""

    def __init__(self, view: CachedView, exchange: Exchange, call: Call) -> None:
        self._view, self._exchange, self._call = view, exchange, call
        self._scope = call.request.scope
        self._streams = False

    def run(self, *, waits: bool) -> Flow[Any]:
        """Return what the view answers, or what another call of it has answered meanwhile."""
        exchange, error = self._exchange, None
        try:
            preparing = exchange.prepare(waits=waits)
            given = None if preparing is None else (yield from preparing)
            if given is not None:
                return (yield from self._revive(given))
            return (yield from self._answered())
        except BaseException as raised:
            error = raised
            raise
        finally:
            if not self._streams:
                closing = exchange.end(self._scope, error)
                if closing is not None:
                    yield from closing

    def _answered(self) -> Flow[Any]:
        exchange, call, view = self._exchange, self._call, self._view
        around = None if call.response is None else Around(call.response, status_of(call.request))
        before = is_modified(call.request), True
        token = exchange.enter()
        try:
            exchange.bound.cache.tag(*view.tags(call))
            result = yield Compute(view.function, call.args, call.kwargs)
        except HTTPException as error:
            return (yield from self._refused(error))
        except Exception as error:  # noqa: BLE001 - whatever a view raises; it is raised again, or made up for
            return (yield from self._rescued(error))
        finally:
            exchange.leave(token)
        objection = view.objection(call.request, before)
        if call.request.method == "HEAD" and objection is None and call.response is not None:
            objection = Reason.HEAD
        if isinstance(result, Response):
            return (yield from self._took_response(result, objection))
        if around is None:
            return result  # What it is good for, the framework will say.
        return (yield from self._took_value(result, around, objection))

    def _refused(self, error: HTTPException) -> Flow[Any]:
        """Note a response that is made outside of the view."""
        if error.status_code >= 500:
            return (yield from self._rescued(error))
        yield from self._start(ResponseHead(error.status_code, ()), Reason.STATUS)
        raise error

    def _rescued(self, error: Exception) -> Flow[Any]:
        rescuing = self._exchange.rescue(error)
        if rescuing is None:
            raise error
        return (yield from self._revive((yield from rescuing)))

    def _took_response(self, response: Response, objection: Reason | None) -> Flow[Any]:
        exchange = self._exchange
        if response.status_code == 304:
            exchange.stale = None  # It was asked by the client's conditions, not by those of the cache.
        objection = objection or objection_to(response)
        if is_streamed(response) and objection is None:
            objection = self._view.note_stream()
        replaced, headers = yield from self._start(head_of(response), objection)
        if replaced is not None:
            return (yield from self._revive(replaced))
        if headers is not None:
            put(response, headers)
        if not exchange.collecting:
            return response
        if is_streamed(response):
            streaming: Any = response
            streaming.body_iterator = collected(
                exchange, streaming.body_iterator, response.charset, self._scope
            )
            self._streams = True
        else:
            exchange.feed(bytes(response.body))
            yield from exchange.finish()
        return response

    def _took_value(self, value: Any, around: Around, objection: Reason | None) -> Flow[Any]:
        exchange = self._exchange
        kept = None if objection is not None else self._view.encoded(value, local=exchange.bound.local)
        codec, data = kept or (0, b"")
        head = around.head(codec)
        if kept is None and objection is None:
            objection = Reason.UNENCODABLE
        replaced, headers = yield from self._start(head, objection)
        if replaced is not None:
            return (yield from self._revive(replaced))
        if headers is not None:
            around.add(headers, head)
        if exchange.collecting:
            exchange.feed(data)
            yield from exchange.finish()
        return value

    def _revive(self, answer: Answer) -> Flow[Any]:
        return self._view.revive(answer, self._call, local=self._exchange.bound.local)

    def _start(
        self, head: ResponseHead, objection: Reason | None
    ) -> Flow[tuple[Answer | None, Headers | None]]:
        exchange = self._exchange
        headers = exchange.start(head, self._scope, objection)
        if exchange.due is not None:
            yield from exchange.due
        return (yield from exchange.replace()) if exchange.is_replaced else None, headers


def status_of(request: Request) -> int:
    """Return the status that the route has for values."""
    return getattr(request.scope.get("route"), "status_code", None) or 200


def is_modified(request: Request) -> bool:
    """Whether the session was changed."""
    return bool(getattr(request.scope.get("session"), "modified", False))
