"""Requests that the application answers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from cachelayer.exchange import OBJECTION, PASSED, Exchange, Target
from cachelayer.flows import run
from cachelayer.http import Answer
from cachelayer.wsgi.messages import head_of, make_conditional, native, status_line

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")


class Forwarding:
    """One request that the application answers."""

    def __init__(
        self,
        exchange: Exchange,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        target: Target | None,
    ) -> None:
        self.exchange, self._environ, self._start_response = exchange, environ, start_response
        self.started = False
        self._target = target
        self._undo: Callable[[], None] | None = None
        self._again: tuple[WSGIApplication, WSGIEnvironment] | None = None
        self._write: Callable[[bytes], object] = _not_started

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application, and return its iterable, or one in its place where it has to be watched."""
        exchange, environ = self.exchange, self._environ
        environ[PASSED] = (*environ.get(PASSED, ()), exchange.bound.cache)
        try:
            fencing = exchange.prepare()
            answer = None if fencing is None else run(fencing)
            if answer is not None:
                return self._answered(answer)
            conditions = exchange.conditions
            if conditions is not None:
                self._again = app, {**environ, "wsgi.input": io.BytesIO()}
                self._undo = make_conditional(environ, conditions)
            return self._respond(app, environ)
        except BaseException as error:
            rescued = self.rescued(error)
            if rescued is not None:
                return rescued
            self.end(error)
            raise

    def _respond(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        return self.response(self.call(app, environ, self.start))

    def response(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the application gave, or what stands in its place."""
        exchange = self.exchange
        # A generator may call start_response only when it is asked for its first part.
        if not self.started:
            return _Body(self, result)
        if exchange.is_replaced:
            return self.replaced(result)
        if exchange.is_early or (exchange.collecting and not isinstance(result, (list, tuple))):
            return _Body(self, result)
        if exchange.collecting:
            self._take(result)
        self.end()
        return result

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call the application, or what it gave, so that it can speak of the caching of its response."""
        if self.exchange.plan.key is None:
            return function(*args)
        token = self.exchange.enter()
        try:
            return function(*args)
        finally:
            self.exchange.leave(token)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Be the application's start_response."""
        exchange = self.exchange
        if self._write is not _not_started:
            exchange.stale = None  # The server has a head already: nothing can stand in for this one.
        sent = exchange.start(head_of(status, headers), self._environ, self._environ.get(OBJECTION))
        if self._target is not None:
            exchange.bound.note_passing(exchange, self._target)
        if exchange.due is not None:
            run(exchange.due)
        if exchange.is_replaced:
            self.started = True
            return _drop
        fields = headers if sent is None else native(sent)
        # The server is told of an error even if it has the head already: then it raises.
        write = (
            self._start_response(status, fields, exc_info)
            if exc_info
            else self._start_response(status, fields)
        )
        self.started = True
        self._write = write
        return self.write if exchange.collecting else write

    def write(self, data: bytes) -> object:
        """Be the application's write."""
        self.feed(data)
        self.exchange.hold()
        try:
            return self._write(data)
        finally:
            self.exchange.resume()

    def feed(self, data: bytes) -> None:
        """Take a part of the body; what is whole by its Content-Length is stored before this part goes out."""
        due = self.exchange.take(data)
        if due is not None:
            run(due)

    def finish(self) -> None:
        """Note that the application has nothing more to say."""
        run(self.exchange.finish())
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Note that this request is over."""
        closing = self.exchange.end(self._environ, error)
        if closing is not None:
            run(closing)
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def replaced(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Send what is stored in place of the application's response, which nobody reads; or ask once more."""
        close = getattr(result, "close", None)
        if close is not None:
            close()
        if not self.exchange.asks_again or self._again is None:
            return self._answered(run(self.exchange.replace()))
        self.exchange.ask_again()
        self.started = False
        return self._respond(*self._again)

    def rescued(self, error: BaseException) -> list[bytes] | None:
        """Send what is stored where the application raised before its response began; None: nothing can be sent."""
        if not isinstance(error, Exception) or self._write is not _not_started:
            return None
        rescuing = self.exchange.rescue(error)
        return None if rescuing is None else self._answered(run(rescuing))

    def _answered(self, answer: Answer) -> list[bytes]:
        self.end()
        self._start_response(status_line(answer), native(answer.headers))
        return [answer.body] if answer.body else []

    def _take(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self.exchange.feed(part)
        run(self.exchange.finish())


def _not_started(data: bytes) -> object:
    raise AssertionError("write() before start_response()")


def _drop(data: bytes) -> None:
    """Be the write of a response that nobody gets."""


class _Body:
    """The application's iterable on its way to the server: one part out for each part in."""

    def __init__(self, forwarding: Forwarding, result: Iterable[bytes]) -> None:
        self._forwarding, self._result = forwarding, result
        self._parts: Iterator[bytes] = iter(result)
        self._instead: Iterator[bytes] | None = None

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        if self._instead is not None:
            return next(self._instead)
        forwarding = self._forwarding
        forwarding.exchange.resume()
        try:
            # Before its response begins it may still speak of it.
            part = next(self._parts) if forwarding.started else forwarding.call(self._parts.__next__)
        except StopIteration:
            if forwarding.exchange.is_replaced:
                return self._replaced()
            forwarding.finish()
            raise
        except BaseException as error:
            rescued = forwarding.rescued(error)
            if rescued is not None:
                self._instead = iter(rescued)
                return next(self._instead)
            forwarding.end(error)
            raise
        if forwarding.exchange.is_replaced:
            return self._replaced()
        forwarding.feed(part)
        forwarding.exchange.hold()
        return part

    def _replaced(self) -> bytes:
        result, self._result = self._result, ()
        self._result = self._forwarding.replaced(result)
        self._instead = iter(self._result)
        return next(self._instead)

    def close(self) -> None:
        """Close the application's iterable, once; a body that was not asked for to its end is not stored."""
        self._forwarding.end()
        result, self._result = self._result, ()
        close = getattr(result, "close", None)
        if close is not None:
            close()
