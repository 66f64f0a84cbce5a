"""From WSGI to the engine and back."""

from __future__ import annotations

import functools
import io
import operator
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from cachelayer.exchange import EXAMINED, Behind, Exchange, Target
from cachelayer.http import Answer, Headers, Request, ResponseHead
from cachelayer.http.bodies import MAX_CONTENT_BYTES
from cachelayer.http.messages import FieldLines
from cachelayer.http.plan import RELEVANT
from cachelayer.http.target import request_path
from cachelayer.http.validation import CONDITIONS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Fields:
    """The fields of an environ, made when somebody looks at them: for most hits nobody does."""

    __slots__ = ("_environ",)

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def keep(self) -> None:
        """Stay as they are now: applications change the environ that they are given, as they may."""
        self._environ = dict(self._environ)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._environ.items():
            if (key.startswith("HTTP_") or key in _UNPREFIXED) and isinstance(value, str):
                yield _field_name(key), value.encode("latin-1", "backslashreplace")


def keep_fields(found: Exchange | Behind) -> None:
    """Keep the fields of a request whose response may be stored: what selects it is what the client has sent."""
    fields = found.plan.request.headers
    if isinstance(fields, _Fields):
        fields.keep()


#: The two fields that CGI, and WSGI after it, give other names.
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def environ_key(field: bytes) -> str:
    """Return where an environ has a field, but for the two that have other names."""
    return "HTTP_" + field.decode("latin-1").upper().replace("-", "_")


#: Where those fields stand that matter to a cache, but for Host, which every request has.
_RELEVANT: Final = {
    key: name
    for name in RELEVANT - {b"host"}
    for key in (environ_key(name), environ_key(name).removeprefix("HTTP_"))
    if key.startswith("HTTP_") or key in _UNPREFIXED
}
#: A server that has checked who it is may keep the Authorization field to itself.
_REMOTE_USER: Final = "REMOTE_USER"
_RELEVANT_KEYS: Final = frozenset({*_RELEVANT, _REMOTE_USER})
_NOTHING: Final[FieldLines] = {}


def request_of(environ: WSGIEnvironment) -> Request:
    """Return the request that an environ stands for; where it breaks PEP 3333, one that no cache answers."""
    try:
        sent: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        given: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        path, original = request_path(sent.partition("?")[0].encode("latin-1"), given.encode("latin-1"))
        return Request(
            environ["REQUEST_METHOD"],
            environ["wsgi.url_scheme"],
            path,
            environ.get("QUERY_STRING", "").encode("latin-1"),
            _Fields(environ),
            environ["HTTP_HOST"].encode("latin-1") if "HTTP_HOST" in environ else _server(environ),
            original,
            _NOTHING if _RELEVANT_KEYS.isdisjoint(environ) else _relevant(environ),
        )
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):
        return Request(str(environ.get("REQUEST_METHOD")), "http", b"", b"", ())


#: Content-Length is empty where some servers give it for want of one.
_EXAMINED: Final = frozenset(map(environ_key, EXAMINED - {b"content-length"}))
_TARGET: Final = operator.itemgetter(
    "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"
)


def target_of(environ: WSGIEnvironment) -> Target | None:
    """Return what a GET asks for, as far as it is told from others that are let through; None: look closer."""
    if environ.get("REQUEST_METHOD") != "GET" or environ.get("CONTENT_LENGTH"):
        return None
    if not _EXAMINED.isdisjoint(environ):
        return None
    try:
        sent: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        return (*_TARGET(environ), sent)
    except KeyError:
        return None


def with_content(request: Request, environ: WSGIEnvironment) -> Request:
    """Return the request with its body, if that is not too long for the key; the application reads it all the same."""
    given = environ.get("CONTENT_LENGTH") or "0"
    length = int(given) if given.isdecimal() and len(given) <= 10 else MAX_CONTENT_BYTES + 1
    if length > MAX_CONTENT_BYTES or "HTTP_TRANSFER_ENCODING" in environ:
        return request
    content = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(content)
    # Shorter than announced: the application will say what it thinks of it.
    return msgspec.structs.replace(request, content=content) if len(content) == length else request


def _relevant(environ: WSGIEnvironment) -> FieldLines:
    fields: dict[bytes, tuple[bytes, ...]] = {}
    for key in _RELEVANT_KEYS & environ.keys():
        value, name = environ[key].encode("latin-1"), _RELEVANT.get(key, b"authorization")
        if key == _REMOTE_USER and not value:
            continue
        # Some servers give a Content-Length of "" where there is none.
        if value or key not in _UNPREFIXED:
            fields[name] = (*fields.get(name, ()), value)
    return fields


def _field_name(key: str) -> bytes:
    # Latin-1 has no capital of "µ": what a server made of it is not even that.
    return key.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1", "backslashreplace")


def _server(environ: WSGIEnvironment) -> bytes:
    """Return the server's own name, for requests without Host."""
    name: str = environ["SERVER_NAME"]
    return (
        (f"[{name}]" if ":" in name else name).encode("latin-1")
        + b":"
        + str(environ["SERVER_PORT"]).encode("latin-1")
    )


def head_of(status: str, headers: list[tuple[str, str]]) -> ResponseHead | None:
    """Return the head that an application starts a response with; None where it is not as PEP 3333 says."""
    try:
        fields = tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
        code = int(status[:3])
        phrase = b"" if status == _STATUS_LINES.get(code) else status[4:].encode("latin-1")
    except (AttributeError, TypeError, ValueError):
        return None  # The server will say what it thinks of it.
    return ResponseHead(code, fields, phrase)


_STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def status_line(answer: Answer) -> str:
    """Return the status with its reason phrase."""
    if answer.phrase:
        return f"{answer.status} {answer.phrase.decode('latin-1')}"
    return _STATUS_LINES.get(answer.status) or f"{answer.status} "


def native(headers: Headers) -> list[tuple[str, str]]:
    """Return fields as WSGI has them."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


@functools.lru_cache(maxsize=4096)
def native_line(line: tuple[bytes, bytes]) -> tuple[str, str]:
    """Do as `native` does, for lines that come again and again, such as Age and Cache-Status."""
    return line[0].decode("latin-1"), line[1].decode("latin-1")


#: The fields of entries in this process's memory, made once for each entry; by identity, with what has it.
_natives: dict[int, tuple[Headers, list[tuple[str, str]]]] = {}
_MOST_NATIVES: Final = 1000
#: Longer ones are made anew each time, so that what is remembered stays small.
_LONGEST_NATIVE: Final = 4096


def native_again(headers: Headers) -> list[tuple[str, str]]:
    """Do as `native` does, for the fields of an entry, which is served again and again."""
    known = _natives.get(id(headers))
    if known is not None and known[0] is headers:
        return known[1]
    if len(_natives) >= _MOST_NATIVES:
        _natives.clear()
    made = native(headers)
    if sum(len(name) + len(value) for name, value in headers) <= _LONGEST_NATIVE:
        _natives[id(headers)] = (headers, made)
    return made


_CONDITIONS: Final = frozenset(map(environ_key, CONDITIONS))


def make_conditional(environ: WSGIEnvironment, conditions: Headers) -> Callable[[], None]:
    """Put fields in place of the request's own conditions; return what undoes it."""
    own = {key: environ.pop(key) for key in _CONDITIONS & environ.keys()}
    environ.update((environ_key(name), value.decode("latin-1")) for name, value in conditions)

    def undo() -> None:
        for key in _CONDITIONS & environ.keys():
            del environ[key]
        environ.update(own)

    return undo
