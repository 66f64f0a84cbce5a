"""A WSGI server that does what a test says."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from cachelayer import Cache
from cachelayer.wsgi import CacheMiddleware

FRESH = ("Cache-Control", "max-age=60")


def environ(path: str = "/a", **more: Any) -> dict[str, Any]:
    """Return the environ of a GET request."""
    made: dict[str, Any] = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_HOST": "example.org",
        "wsgi.input": BytesIO(),
        **more,
    }
    setup_testing_defaults(made)
    return made


class Body:
    """An iterable of parts that counts how often it is closed."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> "Body":
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Count."""
        self.closed += 1


class Server:
    """Sends requests to an application behind the middleware; the standard library's validator stands on both sides."""

    def __init__(self, app: Any, *, validate: bool = True, **options: Any) -> None:
        options.setdefault("cache", Cache())
        self.middleware = CacheMiddleware(validator(app) if validate else app, **options)
        self._app = validator(self.middleware) if validate else self.middleware
        self.started: list[Any] = []
        self.written: list[bytes] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Be the server's start_response."""
        self.started.append((status, headers, exc_info))
        return self.written.append

    def ask(self, asked: dict[str, Any] | None = None) -> Any:
        """Call the application; return its iterable."""
        self.started, self.written = [], []
        return self._app(asked or environ(), self.start)

    def send(self, asked: dict[str, Any] | None = None) -> bytes:
        """Send a request and read the whole body."""
        result = self.ask(asked)
        try:
            parts = list(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        return b"".join([*self.written, *parts])

    def field(self, name: str) -> str | None:
        """Return the last line of a field in the last response."""
        return next((value for field, value in reversed(self.started[-1][1]) if field.lower() == name), None)

    @property
    def is_hit(self) -> bool:
        """Whether the cache gave the last response."""
        return "; hit" in (self.field("cache-status") or "")

    @property
    def outcomes(self) -> dict[str, int]:
        """All outcomes counted, without those that are 0."""
        total = self.middleware.stats().total
        return {
            name: n
            for name in ("hit", "miss", "uncacheable", "bypass", "error")
            if (n := getattr(total, name))
        }
