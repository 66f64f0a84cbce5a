"""From what a view returns to the engine, and back."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from cachelayer.exchange import Exchange
from cachelayer.flows import arun
from cachelayer.http import Answer, Headers, Reason, ResponseHead

#: In place of a field: what is stored is no body but a value, which the framework makes one of on every hit.
VALUE: Final = b"cachelayer-value"

#: Fields by which what stands around a view, such as its dependencies, has a say in how it is cached.
_DECIDING: Final = frozenset({b"cache-control", b"expires", b"pragma", b"vary", b"cdn-cache-control"})
_SET_COOKIE: Final = b"set-cookie"

Lines = Iterable[tuple[bytes, bytes]]


# -- responses ------------------------------------------------------------------------------------------------------


def head_of(response: Response) -> ResponseHead:
    """Return the head of a response."""
    return ResponseHead(response.status_code, tuple(response.raw_headers))


def objection_to(response: Response) -> Reason | None:
    """Return why a response cannot be stored: its body is not in it, or it says what only values say."""
    if is_streamed(response):
        return None
    if type(response).__call__ is not Response.__call__ or not hasattr(response, "body"):
        return Reason.SENT_AS_FILE
    return Reason.MALFORMED_RESPONSE if any(name == VALUE for name, _ in response.raw_headers) else None


def is_streamed(response: Response) -> bool:
    """Whether the body comes in parts."""
    return isinstance(response, StreamingResponse) and type(response).__call__ is StreamingResponse.__call__


def is_stream(annotation: object) -> bool:
    """Whether an annotation says that what is returned is streamed."""
    return isinstance(annotation, type) and issubclass(annotation, StreamingResponse)


def put(response: Response, headers: Lines) -> None:
    """Give a response these fields, in place of its own."""
    # In place: the response's own view of them goes on being one.
    response.raw_headers[:] = headers


def response_of(answer: Answer) -> Response:
    """Return a whole answer of the cache as a response."""
    response = Response(answer.body, answer.status)
    put(response, [line for line in answer.headers if line[0] != VALUE])
    return response


async def collected(
    exchange: Exchange, parts: AsyncIterable[str | bytes | memoryview], charset: str, env: Any
) -> AsyncIterator[bytes]:
    """Yield the parts of a body, and store it once it is through."""
    error: BaseException | None = None
    try:
        async for part in parts:
            data = part.encode(charset) if isinstance(part, str) else bytes(part)
            exchange.feed(data)
            yield data
        # What ends the body is still to be sent.
        await arun(exchange.finish())
    except BaseException as raised:
        error = raised
        raise
    finally:
        closing = exchange.end(env, error)
        if closing is not None:
            await arun(closing)


# -- values ---------------------------------------------------------------------------------------------------------


class Around:
    """The response to which FastAPI adds what a view returns, as it was when the view was called.

    Args:
        response: dependencies have given it fields already, and do so on every hit too.
        status: the status of the route.
    """

    def __init__(self, response: Response, status: int) -> None:
        self._response, self._status = response, status
        self._before = tuple(response.raw_headers)

    def head(self, codec: int) -> ResponseHead:
        """Return the head of a value: what the view itself has said, and what decides about storing."""
        before = list(self._before)
        lines: list[tuple[bytes, bytes]] = []
        for line in self._response.raw_headers:
            if line in before and line[0] not in _DECIDING:
                before.remove(line)
            else:
                lines.append(line)
        status: int | None = self._response.status_code
        return ResponseHead(status or self._status, (*lines, (VALUE, b"%d" % codec)))

    def add(self, headers: Headers, head: ResponseHead) -> None:
        """Add what the engine says to the client beside the fields of `head`."""
        known = set(head.headers)
        self._response.raw_headers.extend(line for line in headers if line not in known)

    def restore(self, answer: Answer) -> None:
        """Give the response what the view said when it was called."""
        lines = [line for line in answer.headers if line[0] != VALUE]
        said = {name for name, _ in lines if name != _SET_COOKIE}
        put(self._response, [line for line in self._response.raw_headers if line[0] not in said] + lines)
        if answer.status != self._status:
            self._response.status_code = answer.status


def codec_of(answer: Answer) -> int | None:
    """Return the codec of the value that an answer holds; None where it holds a body, or none."""
    if answer.status == 304:
        return None
    return next((int(value) for name, value in answer.headers if name == VALUE), None)
