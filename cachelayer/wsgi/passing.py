"""Requests that are let through, with a glance at the response."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cachelayer.exchange import OBJECTION, PASSED, Passing, Target
from cachelayer.wsgi.forwarding import Forwarding
from cachelayer.wsgi.messages import head_of, native

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class LetThrough:
    """One request that is let through, with a glance at its response."""

    __slots__ = ("_environ", "_forwarding", "_passing", "_start_response", "_target")

    def __init__(
        self, passing: Passing, environ: WSGIEnvironment, start_response: StartResponse, target: Target
    ) -> None:
        self._passing, self._environ, self._start_response = passing, environ, start_response
        self._target = target
        #: Once it takes a closer look.
        self._forwarding: Forwarding | None = None

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application, and return its iterable, or one in its place where it has to be watched."""
        passing, environ = self._passing, self._environ
        environ[PASSED] = (*environ.get(PASSED, ()), passing.bound.cache)
        token = passing.enter()
        try:
            result = app(environ, self.start)
        except BaseException as error:
            if passing.reason is None:
                self._take_up().end(error)
            raise
        finally:
            passing.leave(token)
        return result if passing.reason is not None else self._take_up().response(result)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Be the application's start_response."""
        added = None
        if self._forwarding is None and OBJECTION not in self._environ:
            added = self._passing.start(head_of(status, headers), self._environ)
        if added is None:
            return self._take_up().start(status, headers, exc_info)
        fields = [*headers, *native(added)] if added else headers
        return (
            self._start_response(status, fields, exc_info)
            if exc_info
            else self._start_response(status, fields)
        )

    def _take_up(self) -> Forwarding:
        if self._forwarding is None:
            exchange = self._passing.take_up()
            self._forwarding = Forwarding(exchange, self._environ, self._start_response, self._target)
        return self._forwarding
