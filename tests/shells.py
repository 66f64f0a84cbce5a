"""One source for both shells: an origin is written once, and asked through the ASGI or the WSGI middleware."""

import asyncio
import atexit
import io
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

import pytest

from cachelayer import Cache, CacheBackend
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.backends.generations import flight_lease, lease_key
from cachelayer.flow import background
from cachelayer.http.dates import format_date
from cachelayer.outcomes import Outcome
from cachelayer.testing import FakeClock
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware
from tests.functions.support import (
    PATIENCE,
    REAL_STORES,
    Background,
    auntil,
    make_store,
    opened,
    places,
    until,
    waiters,
)
from tests.functions.support import SixMethods as SixMethods  # noqa: PLC0414 - for others, who know it from here

SHELLS: Final = ("asgi", "wsgi")
STORES: Final = ("memory", "six methods")


class Asked(NamedTuple):
    """A request as the origin sees it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes = b""


Condition = Callable[[], bool]


class Reply(NamedTuple):
    """What the origin answers.

    Attributes:
        lines: of fields, such as "Vary: X".
        body: whole or in parts; they may raise, and a condition among them is waited for.
        status: the status.
        when: waited for before the response begins.
    """

    lines: Iterable[str] = ()
    body: bytes | Iterable[bytes | Condition] = b"body"
    status: int = 200
    when: Condition | None = None


class Response(NamedTuple):
    """What the client gets."""

    status: int
    lines: list[tuple[str, str]]
    body: bytes
    error: BaseException | None = None

    def get(self, name: str) -> str | None:
        """Return the lines of a field, joined, or None."""
        values = [value for field, value in self.lines if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def status_field(self) -> str:
        """What Cache-Status says."""
        return self.get("cache-status") or ""

    @property
    def plain(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """All that must be the same for a hit and the miss before it."""
        own = ("age", "cache-status")
        return self.status, [line for line in self.lines if line[0] not in own], self.body


Origin = Callable[[Asked], Reply]


def echo(*lines: str) -> Origin:
    """Return an origin that answers with these fields, and with what it was asked."""
    return lambda asked: Reply(lines, repr(asked).encode("utf-8", "backslashreplace"))


def numbered(*lines: str) -> Origin:
    """Return an origin that answers with these fields, and with how often it was asked before."""
    calls = iter(range(10**9))
    return lambda asked: Reply(lines, str(next(calls)).encode())


def pairs(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return names and values of lines such as "Vary: X"."""
    split = (line.partition(":") for line in lines)
    return [(name, value.removeprefix(" ")) for name, _, value in split]


#: One for all tests: making a loop, and the threads behind it, takes longer than a request.
_of_the_parent: list[asyncio.Runner] = []
_loop = asyncio.Runner()
# Not Runner.close(): at exit no thread can be started any more, which it does.
atexit.register(lambda: _loop.get_loop().close())


def _start_anew() -> None:
    """Use a loop of its own in a forked child: both would wait at the same place of the system."""
    global _loop  # noqa: PLW0603 - the one for all tests
    # Held on to: it is the parent's to close.
    _of_the_parent.append(_loop)
    _loop = asyncio.Runner()


os.register_at_fork(after_in_child=_start_anew)


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, in a thread of its own where an event loop runs here already."""
    if asyncio._get_running_loop() is None and not _loop.get_loop().is_running():
        return _loop.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Site:
    """An origin behind one of the middlewares, over one kind of store, on a clock that stands still.

    Args:
        shell: "asgi" or "wsgi".
        store: "memory" or "six methods"; "disk" or "redis" in a test that has them from a fixture.
        origin: what answers.
        route: the label or path template that the origin names, or None.
        backend: the store, if not one of the kind, and its clock.
        clock: that of `backend`.
        namespace: of the cache.
        name_route: the middleware's `route=`.
        options: of the middleware.
    """

    def __init__(
        self,
        shell: str,
        store: str,
        origin: Origin,
        *,
        route: str | None = "/x",
        backend: CacheBackend | None = None,
        clock: FakeClock | None = None,
        namespace: str = "",
        name_route: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        self.shell = shell
        self.calls = 0
        self._lock = threading.Lock()
        self._asked_for: set[str] = set()
        self.store = backend or make_store(store, self.clock)
        # A busy machine is no failing server.
        deadline = PATIENCE if store in REAL_STORES else None
        self.cache = Cache(self.store, clock=self.clock, namespace=namespace, deadline=deadline)
        self._origin, self._name, self._content = origin, route, b""
        middleware: Any = AsgiMiddleware if shell == "asgi" else WsgiMiddleware
        app = self._asgi if shell == "asgi" else self._wsgi
        self.middleware = middleware(app, cache=self.cache, route=name_route, **options)

    # -- the client -------------------------------------------------------------------------------------------

    def get(
        self,
        target: str = "/a",
        *lines: str,
        method: str = "GET",
        scheme: str = "http",
        content: bytes | None = None,
    ) -> Response:
        """Send a request and read the whole response; with content it says how long that is."""
        self._content = content or b""
        if content is not None:
            lines = (*lines, f"Content-Length: {len(content)}")
        asked = self._asked(target, lines, method, scheme)
        return run_async(self._send_asgi(*asked)) if self.shell == "asgi" else self._send_wsgi(*asked)

    def settled(self, target: str = "/a", *lines: str, method: str = "GET") -> Response:
        """Do as `get` does; what it began in the background has ended by then."""
        asked = self._asked(target, lines, method, "http")
        if self.shell == "asgi":
            return run_async(self._until_settled(asked))
        response = self._send_wsgi(*asked)
        self.settle()
        return response

    async def _until_settled(self, asked: Any) -> Response:
        response = await self._send_asgi(*asked)
        await asyncio.wait_for(background.ajoin(), PATIENCE)
        return response

    def settle(self) -> None:
        """Wait until what was begun in the background has ended."""
        if self.shell == "asgi":
            run_async(asyncio.wait_for(background.ajoin(), PATIENCE))
        else:
            assert background.join(PATIENCE)

    def crowd(self, *requests: tuple[str, ...], method: str = "GET") -> list[Response]:
        """Send requests at the same time, each a target and field lines: in tasks, or each in a thread of its own."""
        # As if something had been stored before: else they wait for a second only, which a slow machine takes.
        self.middleware._caching.bind().stores = True
        asked = [self._asked(target, lines, method, "http") for target, *lines in requests]
        if self.shell == "asgi":
            return run_async(self._together(asked))
        threads = [Background(lambda one=one: self._send_wsgi(*one)) for one in asked]
        return [thread.result() for thread in threads]

    async def _together(self, asked: list[Any]) -> list[Response]:
        return await asyncio.wait_for(asyncio.gather(*(self._send_asgi(*one) for one in asked)), PATIENCE)

    @property
    def waiting(self) -> int:
        """How many requests wait for another's response."""
        return waiters(self.cache)

    def is_clear(self) -> bool:
        """Whether nothing is noted as under way, here and in the store."""
        left = self.cache.engine.flights.computing.under_way
        return not left and not any(map(self.is_leased, list(self._asked_for)))

    def is_leased(self, key: str) -> bool:
        """Whether a process has the turn to bring what is under a key of the engine."""
        shared = self.store.shared and hasattr(self.store, "get")
        return shared and self.store.get(lease_key(flight_lease(self.cache.key(key)))) is not None

    def _asked(
        self, target: str, lines: Iterable[str], method: str, scheme: str
    ) -> tuple[str, str, str, str, list[tuple[str, str]]]:
        path, _, query = target.partition("?")
        headers = pairs(lines)
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", "example.org"))
        self._asked_for.add(f"GET {scheme}://example.org{target}")
        return method, scheme, path, query, headers

    def counts(self, label: str = "GET /x") -> dict[str, int]:
        """Return the outcomes counted under a label, without those that are 0."""
        found = self.middleware.stats().routes.get(label)
        return {} if found is None else {one.value: n for one in Outcome if (n := getattr(found, one.value))}

    def reasons(self, label: str = "GET /x") -> dict[str, int]:
        """Return the reasons counted under a label."""
        return dict(self.middleware.stats().routes[label].reasons)

    def date(self, offset: float = 0.0) -> str:
        """Return an HTTP-date some seconds from now."""
        return format_date(self.clock() + offset).decode()

    # -- ASGI -------------------------------------------------------------------------------------------------

    async def _send_asgi(
        self, method: str, scheme: str, path: str, query: str, headers: list[tuple[str, str]]
    ) -> Response:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 5000),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": self._content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        error = None
        try:
            await self.middleware(scope, receive, send)
        except Exception as raised:  # noqa: BLE001 - as a server does
            error = raised
        start = sent[0] if sent else {"status": 500, "headers": []}
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Response(start["status"], lines, body, error)

    async def _asgi(self, scope: Any, receive: Any, send: Any) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            field, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[field] = f"{headers[field]},{text}" if field in headers else text
        with self._lock:
            self.calls += 1
        if self._name is not None:
            scope["cachelayer.route"] = self._name
        content = (await receive())["body"] if "content-length" in headers else b""
        asked = Asked(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, content
        )
        reply = self._origin(asked)
        if reply.when is not None:
            await auntil(reply.when)
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs(reply.lines)]
        await send({"type": "http.response.start", "status": reply.status, "headers": lines})
        if isinstance(reply.body, bytes):
            await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else reply.body})
            return
        for part in reply.body:
            if callable(part):
                await auntil(part)
            else:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    # -- WSGI -------------------------------------------------------------------------------------------------

    def _send_wsgi(
        self, method: str, scheme: str, path: str, query: str, headers: list[tuple[str, str]]
    ) -> Response:
        environ: dict[str, Any] = {
            "wsgi.input": io.BytesIO(self._content),
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": f"{path}?{query}" if query else path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": scheme,
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else "HTTP_" + key
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        started: list[Any] = []
        body: list[bytes] = []

        def start_response(status: str, lines: Any, exc_info: Any = None) -> Any:
            started[:] = [int(status[:3]), [(name, value) for name, value in lines]]
            return body.append

        error = None
        try:
            result = self.middleware(environ, start_response)
            try:
                body.extend(result)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except Exception as raised:  # noqa: BLE001 - as a server does
            error = raised
        status, lines = started or (500, [])
        return Response(status, lines, b"".join(body), error)

    def _wsgi(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        headers = {
            key.removeprefix("HTTP_").replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith("HTTP_") or key in ("CONTENT_LENGTH", "CONTENT_TYPE")
        }
        with self._lock:
            self.calls += 1
        if self._name is not None:
            environ["cachelayer.route"] = self._name
        content = (
            environ["wsgi.input"].read(int(headers["content-length"])) if "content-length" in headers else b""
        )
        asked = Asked(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], headers, content
        )
        reply = self._origin(asked)
        if reply.when is not None:
            until(reply.when)
        start_response(f"{reply.status} Whatever", pairs(reply.lines))
        if isinstance(reply.body, bytes):
            return [b"" if asked.method == "HEAD" else reply.body]
        return _parts(reply.body)


def _parts(body: Iterable[bytes | Condition]) -> Iterator[bytes]:
    for part in body:
        if callable(part):
            until(part)
        else:
            yield part


@pytest.fixture(params=STORES)
def store(request):
    """The kind of store."""
    return request.param


def open_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the kind of store that a parametrized fixture names, of `STORES` or `REAL_STORES`; close it in the end."""
    if request.param == "disk":
        places["disk"] = request.getfixturevalue("tmp_path")
    if request.param == "redis":
        places["redis"] = request.getfixturevalue("redis_server").url
    yield request.param
    while opened:
        opened.pop().close()


@pytest.fixture(params=STORES + REAL_STORES)
def any_store(request):
    """Every kind of store, those with a file or a server behind them too."""
    yield from open_store(request)


@pytest.fixture(params=SHELLS)
def site(request, store):
    """Make a site of one shell and one store: `site(origin, **options)`. In the end nothing may be under way in it."""
    yield from _sites(request.param, store)


@pytest.fixture(params=SHELLS)
def any_site(request, any_store):
    """Make what `site` makes, over every kind of store."""
    yield from _sites(request.param, any_store)


def _sites(shell: str, store: str) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(origin: Origin, **options: Any) -> Site:
        made.append(Site(shell, store, origin, **options))
        return made[-1]

    yield make
    for one in made:
        one.settle()
        computing = one.cache.engine.flights.computing
        assert not computing.under_way, f"noted as under way: {[*computing.flying, *computing.lone]}"
        assert one.is_clear(), "a turn was not given back"
