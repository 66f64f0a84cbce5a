"""What caches responses: one source for sync and async code, for whole sites and for single views.

    found = look_up(request)               a flow: a response, or an `Open` exchange
    response = call(open, ...)             a flow: the views are asked, as the exchange wants it
    response = open.close(response)        a flow: decided, collected, stored

The order of calls of an exchange is at the top of `cachelayer.exchange`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, cast

from asgiref.sync import ThreadSensitiveContext, iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from cachelayer.control import Control, current, keep_within
from cachelayer.exchange import PASSED, Behind, Caching, Exchange, Fetched
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow, arun, run
from cachelayer.http import Headers, Reason
from cachelayer_django.translation import (
    copy_of,
    env_of,
    head_of,
    instead,
    make_conditional,
    objection_to,
    put_headers,
    request_of,
    response_of,
)

#: Asks the views.
GetResponse = Callable[[HttpRequest], Any]
#: Says something about the response that the views are about to make.
Declare = Callable[[Control, HttpRequest], None]


class Layer:
    """A cache around some views.

    Args:
        choose: returns the options and the cache, which may be others after settings were overridden.
        vary: returns what responses depend on beside the request.
        declare: says what holds for every response of these views.
        amend: changes a response before it is judged; returns why it must not be stored, or None.
        is_of_view: whether it is around a single view, whose pages are then kept by nobody outside.
    """

    def __init__(
        self,
        choose: Callable[[], Caching],
        *,
        vary: Callable[[HttpRequest], bytes],
        declare: Declare | None = None,
        amend: Callable[[HttpRequest, HttpResponseBase], Reason | None] | None = None,
        is_of_view: bool = False,
    ) -> None:
        self.choose, self.vary, self.declare, self.amend = choose, vary, declare, amend
        self.is_of_view = is_of_view

    def serve(self, request: HttpRequest, get_response: GetResponse) -> Flow[HttpResponseBase]:
        """Answer a request from the cache, or have it answered."""
        found = yield from self.look_up(request, get_response)
        if not isinstance(found, Open):
            return found
        try:
            response = yield from found.ask(request, get_response)
            found.may_ask_again = True
            response = yield from found.close(request, response)
            if found.asks_again:
                response = yield from found.call(request, get_response)
                response = yield from found.close(request, response)
        except BaseException as error:
            yield from found.abort(request, error)
            raise
        return response

    def look_up(self, request: HttpRequest, get_response: GetResponse) -> Flow[HttpResponseBase | Open]:
        """Return the answer, or what is to be asked."""
        caching, extra = self.choose(), self.vary(request)
        bound, passed = caching.bind(), _passed(request)
        if (bound.cache, None) in passed or (bound.cache, extra) in passed:
            # What that one lets through was meant to reach the views.
            return Open(self, None)
        if self.is_of_view:
            keep_within(bound.cache)
        asked = request_of(request, extra)
        # asgiref's until Python 3.12, whose inspect knows what Django marks.
        is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        # What REST framework makes is not whole before its own view has finished it, which only that one can; and under
        # WSGI an async view's event loop ends with it.
        behind = _own(request) is request and (not is_async or hasattr(request, "scope"))
        found = (
            bound.find_here(asked, behind=behind)
            if bound.local
            else (yield from bound.find(asked, behind=behind))
        )
        if isinstance(found, Exchange):
            return Open(self, found, extra)
        if isinstance(found, Behind):
            again = copy_of(request)
            vars(again)[PASSED] = [*passed, (bound.cache, extra)]
            call: Any = functools.partial(_afetch if is_async else _fetch, self, found, again, get_response)
            yield from found.begin(call)
            found = found.answer
        return response_of(found)


class Open:
    """One request that the views answer.

    Args:
        layer: what it goes through.
        exchange: None where another cache has it already.
        extra: what the layer tells requests apart by.
    """

    def __init__(self, layer: Layer, exchange: Exchange | None, extra: bytes = b"") -> None:
        self._layer, self._exchange, self._extra = layer, exchange, extra
        self._given: HttpResponse | None = None
        #: Whether somebody is there who can call the views once more.
        self.may_ask_again = False
        #: Whether they have confirmed something else than what is stored, and are to be called without its condition.
        self.asks_again = False

    def ask(self, request: HttpRequest, get_response: GetResponse) -> Flow[HttpResponseBase]:
        """Call the views, unless another request has brought the response meanwhile."""
        exchange = self._exchange
        response: HttpResponseBase
        if exchange is None:
            response = yield Compute(get_response, (request,), {})
            return response
        fencing = exchange.prepare()
        answer = None if fencing is None else (yield from fencing)
        if answer is not None:
            self._given = response_of(answer)
            return self._given
        return (yield from self.call(request, get_response))

    def call(self, request: HttpRequest, get_response: GetResponse) -> Flow[HttpResponseBase]:
        """Call the views; where they fail, what is stored may stand in."""
        exchange = self._exchange
        response: HttpResponseBase
        if exchange is None:
            raise AssertionError("another cache has it")
        conditions = exchange.conditions
        undo = None if conditions is None else make_conditional(request, conditions)
        token, passed = exchange.enter(), _passed(request)
        vars(_own(request))[PASSED] = [*passed, (exchange.bound.cache, self._extra)]
        try:
            _declare(self._layer, request)
            response = yield Compute(get_response, (request,), {})
        except Exception as error:
            rescuing = exchange.rescue(error)
            if rescuing is None:
                raise
            self._given = response_of((yield from rescuing))
            return self._given
        finally:
            exchange.leave(token)
            vars(_own(request))[PASSED] = passed
            if undo is not None:
                undo()
        return response

    def close(self, request: HttpRequest, response: HttpResponseBase) -> Flow[HttpResponseBase]:
        """Judge what the views have made, and see to it that it is stored."""
        exchange = self._exchange
        if exchange is None:
            return response
        if response is self._given:
            yield from self._end(request)
            return response
        if not getattr(response, "is_rendered", True):
            self._close_when_rendered(request, cast(Any, response))
            return response
        return (yield from self._judge(exchange, request, response))

    def abort(self, request: HttpRequest, error: BaseException | None = None) -> Flow[None]:
        """Let go of everything: there is no response."""
        if self._exchange is not None:
            yield from self._end(request, error)

    # -- inside -----------------------------------------------------------------------------------------------

    def _judge(
        self, exchange: Exchange, request: HttpRequest, response: HttpResponseBase
    ) -> Flow[HttpResponseBase]:
        objection = _object(self._layer, request, response)
        headers = exchange.start(head_of(response), env_of(request), objection)
        if exchange.due is not None:
            yield from exchange.due
        if exchange.asks_again and self.may_ask_again:
            exchange.ask_again()
            self.asks_again, self.may_ask_again = True, False
            return response
        if exchange.is_replaced:
            response = instead(response, (yield from exchange.replace()))
            yield from self._end(request)
            return response
        if headers is not None:
            put_headers(response, headers)
        if exchange.collecting and response.streaming:
            self._watch(request, response)
            return response
        if exchange.collecting:
            exchange.feed(cast(HttpResponse, response).content)
            yield from exchange.finish()
        yield from self._end(request)
        return response

    def _end(self, request: HttpRequest, error: BaseException | None = None) -> Flow[None]:
        if self._exchange is not None:
            ending = self._exchange.end(env_of(request), error)
            if ending is not None:
                yield from ending

    def _close_when_rendered(self, request: HttpRequest, response: Any) -> None:
        """Go on once the template is rendered: Django does that in sync code, after the view."""

        def close(rendered: HttpResponseBase) -> HttpResponseBase | None:
            closed = run(self.close(request, rendered))
            return None if closed is rendered else closed

        response.add_post_render_callback(close)
        plain = response.render

        def render() -> HttpResponseBase:
            # Django may pickle it once it is rendered.
            del response.render
            try:
                return cast(HttpResponseBase, plain())
            except BaseException as error:
                run(self._end(request, error))
                raise

        response.render = render
        # It may never be rendered: then it goes, and those who wait for it must not.
        weakref.finalize(response, lambda: run(self._end(request))).atexit = False

    def _watch(self, request: HttpRequest, response: Any) -> None:
        """Collect the body while it streams."""
        parts = response.streaming_content
        response.streaming_content = (
            self._acollect(request, parts) if response.is_async else self._collect(request, parts)
        )
        response._resource_closers.append(lambda: run(self._end(request)))

    def _collect(self, request: HttpRequest, parts: Iterator[bytes]) -> Iterator[bytes]:
        exchange = cast(Exchange, self._exchange)
        try:
            for part in parts:
                due = exchange.take(part)
                if due is not None:
                    run(due)
                yield part
            run(exchange.finish())
        except BaseException as error:
            run(self._end(request, error))
            raise
        run(self._end(request))

    async def _acollect(self, request: HttpRequest, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        exchange = cast(Exchange, self._exchange)
        try:
            async for part in parts:
                due = exchange.take(part)
                if due is not None:
                    await arun(due)
                yield part
            await arun(exchange.finish())
        except BaseException as error:
            await arun(self._end(request, error))
            raise
        await arun(self._end(request))


def _declare(layer: Layer, request: HttpRequest) -> None:
    control = current.get()
    if layer.declare is not None and control is not None:
        layer.declare(control, request)


def _object(layer: Layer, request: HttpRequest, response: HttpResponseBase) -> Reason | None:
    """Amend a response that views have made, and return why it must not be stored, or None."""
    session = getattr(request, "session", None)
    if session is not None and session.accessed:
        # Where the session's middleware is outside of this one, it will only say so later.
        patch_vary_headers(response, ("Cookie",))
    objection = None if layer.amend is None else layer.amend(request, response)
    return objection or objection_to(request)


def _own(request: HttpRequest) -> HttpRequest:
    """Return Django's own request, which Django REST framework wraps into another one."""
    return getattr(request, "_request", request)


def _passed(request: HttpRequest) -> list[tuple[Any, bytes | None]]:
    """Return the caches that a request has passed, with what they told it apart by; None is by nothing."""
    outside: Iterable[Any] = getattr(request, "scope", request.META).get(PASSED, ())
    return [*((cache, None) for cache in outside), *vars(_own(request)).get(PASSED, ())]


# -- behind the client's back ------------------------------------------------------------------------------------


def _fetch(
    layer: Layer, behind: Behind, request: HttpRequest, get_response: GetResponse, conditions: Headers | None
) -> Fetched:
    """Ask the views for what a request was for, whose client has its answer already."""
    if conditions is not None:
        make_conditional(request, conditions)
    _declare(layer, request)
    response: Any = _rendered(get_response(request))
    try:
        objection = _object(layer, request, response)
        body = _Body(behind)
        for part in response.streaming_content if response.streaming else (response.content,):
            body.add(part)
        return Fetched(head_of(response), body.whole, env_of(request), objection)
    finally:
        # It says that a request is over, at which Django closes its connections to databases.
        response.close()


async def _afetch(
    layer: Layer, behind: Behind, request: HttpRequest, get_response: GetResponse, conditions: Headers | None
) -> Fetched:
    if conditions is not None:
        make_conditional(request, conditions)
    _declare(layer, request)
    # The request's own is over by the time that this is done.
    async with ThreadSensitiveContext():
        response: Any = _rendered(await get_response(request))
        try:
            objection = _object(layer, request, response)
            body = _Body(behind)
            if response.streaming:
                async for part in response:
                    body.add(part)
            else:
                body.add(response.content)
            return Fetched(head_of(response), body.whole, env_of(request), objection)
        finally:
            response.close()


def _rendered(response: Any) -> Any:
    return response if getattr(response, "is_rendered", True) else response.render()


class _Body:
    """A body that is collected up to what the cache would take."""

    def __init__(self, behind: Behind) -> None:
        self._most, self._size = behind.bound.policy.max_body_bytes, 0
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Take a part, or drop all of them where they are too many."""
        self._size += len(part)
        if self._size <= self._most:
            self._parts.append(part)

    @property
    def whole(self) -> bytes | None:
        """The body; None where it was too long."""
        return b"".join(self._parts) if self._size <= self._most else None
