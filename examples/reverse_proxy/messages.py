"""What a reverse proxy passes on, and what of it is its own affair (RFC 9110, section 7.6).

Everything passes as it came: any method, path and query as sent, repeated fields in their order, any final status.
Only what is about one connection is taken out (7.6.1), and Via (7.6.3), Forwarded (RFC 7239) and Date (6.6.1) are
added; Max-Forwards is counted down (7.6.2), and trailers are left out (6.5.1).
"""

import os
import re
import ssl
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import h11  # uvicorn brings it

Fields = list[tuple[bytes, bytes]]

PART = 65536  # bytes read at once
_LONGEST_HEAD = 262144
_NAME = b"reverse-proxy"

#: About one connection, whether Connection names them or not; Trailer, since trailers are left out.
_HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authentication-info",
    b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
#: What the proxy says of its own, in a request.
_REPLACED = {b"host", b"content-length", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
#: Servers refuse to send them.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)


class RefusedError(Exception):
    """The proxy answers by itself, with this status."""

    def __init__(self, status: int, why: str, *fields: tuple[bytes, bytes]) -> None:
        super().__init__(why)
        self.status = status
        self.phrase = HTTPStatus(status).phrase
        self.body = why.encode()
        about = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(self.body))] if why else []
        self.fields = [*fields, *about]


class Client(NamedTuple):
    """Who asks, and how."""

    address: str
    scheme: str
    version: str


class Origin:
    """Where requests go: the server of a URL, and the path that is put before theirs.

    Args:
        url: such as "http://127.0.0.1:9000".
        timeout: how long it may be silent, in seconds.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self.host, self.timeout = parts.hostname or "", timeout
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._authority, self._path = parts.netloc.encode(), parts.path.rstrip("/").encode()

    @classmethod
    def from_environment(cls) -> "Origin":
        """Return the one that ORIGIN and ORIGIN_TIMEOUT name."""
        url = os.environ.get("ORIGIN", "http://127.0.0.1:9000")
        return cls(url, float(os.environ.get("ORIGIN_TIMEOUT", "30")))

    def ask(
        self, method: str, target: bytes, fields: Fields, client: Client, *, body: bool
    ) -> "Conversation":
        """Begin a conversation about a request.

        Args:
            method: as sent.
            target: as sent, the query included.
            fields: as sent.
            client: who sent it.
            body: there is one, of a length that Content-Length tells, or nobody.
        """
        if method == "CONNECT":
            raise RefusedError(501, "this proxy opens no tunnels")
        host = find(fields, b"host") or self._authority
        headers = [
            (b"Host", host),
            *(line for line in _counted_down(method, end_to_end(fields)) if line[0].lower() not in _REPLACED),
            *_told(fields, host, client),
            *_framing(fields, body),
            (b"Connection", b"close"),
        ]
        try:
            request = h11.Request(method=method, target=self._target(target, host), headers=headers)
        except h11.LocalProtocolError as error:
            raise RefusedError(400, f"the request cannot be passed on: {error}") from error
        return Conversation(request)

    def _target(self, target: bytes, host: bytes) -> bytes:
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute:
            target = absolute[2]
            if absolute[1].lower() != host.lower():
                raise RefusedError(400, "the request names two hosts")
        if target == b"*":
            return target
        return self._path + (target if target.startswith(b"/") else b"/" + target)


def find(fields: Fields, name: bytes) -> bytes | None:
    """Return the first line of a field, or None."""
    return next((value for field, value in fields if field.lower() == name), None)


def end_to_end(fields: Fields) -> Fields:
    """Leave out the fields that are about one connection, and those that Connection names."""
    named = b",".join([value for name, value in fields if name.lower() == b"connection"]).lower()
    dropped = _HOP_BY_HOP | {name.strip() for name in named.split(b",")}
    return [(name, value) for name, value in fields if name.lower() not in dropped]


def _counted_down(method: str, fields: Fields) -> Fields:
    left = find(fields, b"max-forwards")
    if method not in ("TRACE", "OPTIONS") or left is None or not left.isdigit() or len(left) > 9:
        return fields
    if int(left) == 0:
        if method == "TRACE":
            raise RefusedError(501, "this proxy reflects nothing")
        raise RefusedError(204, "", (b"Allow", b"GET, HEAD, OPTIONS"))
    return [(n, b"%d" % (int(left) - 1) if n.lower() == b"max-forwards" else v) for n, v in fields]


def _told(fields: Fields, host: bytes, client: Client) -> Fields:
    address = client.address.encode() or b"unknown"
    node = b'"[%b]"' % address if b":" in address else address
    before = [value for name, value in fields if name.lower() == b"x-forwarded-for"]
    proto = client.scheme.encode()
    return [
        (b"X-Forwarded-For", b", ".join([*before, address])),
        (b"X-Forwarded-Host", host),
        (b"X-Forwarded-Proto", proto),
        (b"Forwarded", b'for=%b;host="%b";proto=%b' % (node, host, proto)),
        (b"Via", b"%b %b" % (client.version.encode(), _NAME)),
    ]


def _framing(fields: Fields, body: bool) -> Fields:
    length = find(fields, b"content-length")
    if length is not None and find(fields, b"transfer-encoding") is None:
        return [(b"Content-Length", length)]
    return [(b"Transfer-Encoding", b"chunked")] if body else []


def response_fields(response: h11.Response) -> Fields:
    """Return the fields that the client gets."""
    fields = end_to_end(list(response.headers.raw_items()))
    if response.status_code > 599 or any(_CONTROL.search(value) for _, value in fields):
        raise RefusedError(502, "the origin's answer cannot be passed on")
    if response.status_code in (204, 304):
        # They have no content; with a length, some servers would expect some.
        fields = [line for line in fields if line[0].lower() != b"content-length"]
    if find(fields, b"date") is None:
        fields.append((b"Date", formatdate(usegmt=True).encode()))
    return [*fields, (b"Via", b"%b %b" % (bytes(response.http_version), _NAME))]


class Conversation:
    """One request to the origin and what it answers, without input and output: a driver carries the bytes."""

    def __init__(self, request: h11.Request) -> None:
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        #: The bytes of the request's head.
        self.head = self._send(request)

    def data(self, data: bytes) -> bytes:
        """Return the bytes of a part of the request's body."""
        return self._send(h11.Data(data))

    def end(self) -> bytes:
        """Return the bytes of the request's end."""
        return self._send(h11.EndOfMessage())

    def receive(self, data: bytes) -> None:
        """Take bytes of the origin; none means that it has hung up."""
        self._protocol.receive_data(data)

    def next_event(self) -> Any:
        """Return what the origin says next, or None where more bytes are needed."""
        try:
            event = self._protocol.next_event()
        except h11.RemoteProtocolError as error:
            raise RefusedError(502, f"the origin does not speak HTTP: {error}") from error
        return None if event is h11.NEED_DATA else event

    def _send(self, event: h11.Event) -> bytes:
        try:
            return self._protocol.send(event) or b""
        except h11.LocalProtocolError as error:
            raise RefusedError(400, f"the request cannot be passed on: {error}") from error
