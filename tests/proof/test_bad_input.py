"""Whatever bytes messages are made of: nothing is raised into the server, and the application is heard."""

from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cachelayer import Cache, InMemoryBackend
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.flow import background
from cachelayer.testing import FakeClock
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.shells import STORES, SixMethods, run_async

Fields = list[tuple[bytes, bytes]]

_NAMES = (
    "Cache-Control", "Pragma", "Expires", "Date", "Age", "Vary", "ETag", "Last-Modified", "Content-Length",
    "Connection", "Set-Cookie", "Content-Type", "Content-Encoding", "Content-Range", "Location",
    "Content-Location", "Warning", "CDN-Cache-Control", "Cache-Status", "Cache-Groups",
    "Cache-Group-Invalidation", "No-Vary-Search", "Access-Control-Allow-Origin", "Transfer-Encoding",
    "Trailer",
)  # fmt: skip
_REQUEST_NAMES = (
    "Cache-Control", "Pragma", "Host", "Authorization", "Cookie", "If-None-Match", "If-Modified-Since",
    "If-Range", "Range", "If-Match", "If-Unmodified-Since", "Accept-Encoding", "X-Forwarded-Host", "Forwarded",
    "Content-Length", "X-A", "X-HTTP-Method-Override",
)  # fmt: skip
#: What fields are made of, sound and broken.
_PIECES = (
    b"max-age=", b"s-maxage=", b"stale-while-revalidate=", b"stale-if-error=", b"no-cache", b"public",
    b"no-store", b"private", b"must-understand", b"max-stale", b"only-if-cached", b"60", b"-1", b"9" * 5000,
    b"0", b"1.5", b'"', b'"v1"', b"W/", b"*", b",", b";", b"=", b" ", b"\t", b"\\", b"(", b")", b"bytes=",
    b"bytes ", b"0-1", b"-", b"/", b"x-a", b"params", b"except", b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"GMT", b"http://", b"//", b"example.org",
    b"[", b"]", b"%", b"%zz", b"..", b"#", b"?", b"@", b":", b":99999999", b"a=1", b"\r\n", b"\n", b"\0",
    b"\xff", "é".encode(),
)  # fmt: skip

_values = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=6).map(b"".join),
    st.binary(max_size=12),
    st.just(b"max-age=60"),
)


def _fields(names: tuple[str, ...]) -> st.SearchStrategy[Fields]:
    known = st.sampled_from([name.encode() for name in names])
    return st.lists(st.tuples(st.one_of(known, known, known, st.binary(max_size=6)), _values), max_size=5)


class Exchange(NamedTuple):
    """A request, and what the application answers if it is asked."""

    method: str
    path: bytes
    query: bytes
    fields: Fields
    status: int
    answer_fields: Fields
    body: bytes


_exchanges = st.builds(
    Exchange,
    st.sampled_from(["GET"] * 6 + ["HEAD", "POST", "get", "", "\0", "QUERY"]),
    st.one_of(st.just(b"/a"), st.just(b"/a"), st.binary(max_size=8)),
    st.one_of(st.just(b""), st.just(b"a=1&b=%zz"), st.binary(max_size=8)),
    _fields(_REQUEST_NAMES),
    st.sampled_from([200] * 8 + [204, 206, 304, 404, 500, 599, 99, 600, 1000]),
    _fields(_NAMES),
    st.binary(max_size=20),
)


class Told(NamedTuple):
    """What the server was told, and whether the application was asked."""

    status: int
    fields: Fields
    body: bytes
    asked: bool


class AsgiSite:
    """An application that answers as an exchange says, behind the ASGI middleware."""

    def __init__(self, cache: Cache) -> None:
        self.middleware = AsgiMiddleware(
            self._app, cache=cache, targeted=("CDN-Cache-Control",), default_ttl=60
        )
        self._asked = False

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        said, self._asked = self._exchange, True
        await send(
            {"type": "http.response.start", "status": said.status, "headers": list(said.answer_fields)}
        )
        await send({"type": "http.response.body", "body": said.body})

    def take(self, exchange: Exchange) -> Told:
        """Send the request, and return what came."""
        self._exchange, self._asked = exchange, False
        scope = {
            "type": "http", "method": exchange.method, "scheme": "http", "path": exchange.path.decode("latin-1"),
            "raw_path": exchange.path, "query_string": exchange.query, "root_path": "", "http_version": "1.1",
            "headers": list(exchange.fields), "server": ("127.0.0.1", 80), "client": None,
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def run() -> None:
            await self.middleware(scope, receive, send)
            await background.ajoin()

        run_async(run())
        start, *rest = sent
        assert [message["type"] for message in sent] == ["http.response.start"] + [
            "http.response.body"
        ] * len(rest)
        assert [message.get("more_body", False) for message in rest] == [True] * (len(rest) - 1) + [False]
        body = b"".join(message.get("body", b"") for message in rest)
        return Told(start["status"], list(start["headers"]), body, self._asked)


class WsgiSite:
    """The same behind the WSGI middleware, where text is of Latin-1."""

    def __init__(self, cache: Cache) -> None:
        self.middleware = WsgiMiddleware(
            self._app, cache=cache, targeted=("CDN-Cache-Control",), default_ttl=60
        )
        self._asked = False

    def _app(self, environ: Any, start_response: Any) -> list[bytes]:
        said, self._asked = self._exchange, True
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in said.answer_fields]
        start_response(f"{said.status} Whatever", fields)
        return [said.body]

    def take(self, exchange: Exchange) -> Told:
        """Send the request, and return what came."""
        self._exchange, self._asked = exchange, False
        environ = {
            "REQUEST_METHOD": exchange.method, "SCRIPT_NAME": "", "PATH_INFO": exchange.path.decode("latin-1"),
            "QUERY_STRING": exchange.query.decode("latin-1"), "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        }  # fmt: skip
        for name, value in exchange.fields:
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            environ[key.removeprefix("HTTP_") if key == "HTTP_CONTENT_LENGTH" else key] = value.decode(
                "latin-1"
            )
        started: list[Any] = []
        written: list[bytes] = []

        def start_response(status: str, fields: Any, exc_info: Any = None) -> Any:
            started.append(
                (status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields])
            )
            return written.append

        result = self.middleware(environ, start_response)
        written.extend(result)
        if hasattr(result, "close"):
            result.close()
        assert background.join(20)
        [(status, fields)] = started
        return Told(int(status.split(" ")[0]), fields, b"".join(written), self._asked)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("site", [AsgiSite, WsgiSite], ids=["asgi", "wsgi"])
@settings(max_examples=200)
@given(exchanges=st.lists(_exchanges, min_size=1, max_size=4))
@example(
    exchanges=[Exchange("QUERY", b"/a", b"", [(b"\xb5", b"its capital is not of Latin-1")], 200, [], b"")]
)
def test_no_bytes_are_a_reason_to_fail(site, store, exchanges):
    """What is first asked for is answered by the application, as it answered; afterwards too, or from the store."""
    clock = FakeClock()
    backend = InMemoryBackend(clock=clock) if store == "memory" else SixMethods(clock=clock)
    served = site(Cache(backend, clock=clock))
    for number, exchange in enumerate(exchanges):
        told = served.take(exchange)
        clock.advance(20.0)
        if number == 0 and told.asked:
            assert (told.status, told.body) == (exchange.status, exchange.body)
            assert told.fields[: len(exchange.answer_fields)] == exchange.answer_fields
        assert all(isinstance(name, bytes) and isinstance(value, bytes) for name, value in told.fields)
