"""HTTP/1.1 as bytes on a socket, read by code that shares nothing with what is tested."""

import socket
from collections.abc import Iterable
from typing import BinaryIO, Final, NamedTuple

#: Seconds in which an answer comes, or never.
PATIENCE: Final = 20.0

Lines = list[tuple[str, str]]


class Message(NamedTuple):
    """A request or a response.

    Attributes:
        start: its first line.
        lines: its fields, as spelled and in order.
        body: its content, without chunks.
        whole: it came to its end.
        interim: the responses with a status of 1xx before it, each by its first line and fields.
    """

    start: str
    lines: Lines
    body: bytes = b""
    whole: bool = True
    interim: tuple[tuple[str, Lines], ...] = ()

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        """The target of a request."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.start.split(" ")[1])

    @property
    def phrase(self) -> str:
        """The reason phrase of a response."""
        return self.start.partition(" ")[2].partition(" ")[2]

    def values(self, name: str) -> list[str]:
        """Return the lines of a field."""
        return [value for field, value in self.lines if field.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the lines of a field, joined, or None."""
        values = self.values(name)
        return ", ".join(values) if values else None


def read_head(stream: BinaryIO) -> tuple[str, Lines] | None:
    """Return the first line and the fields of a message, or None where no message came."""
    text: list[str] = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        text.append(line.decode("latin-1").removesuffix("\n").removesuffix("\r"))
    if not text:
        return None
    pairs = (line.partition(":") for line in text[1:])
    return text[0], [(name, value.strip(" \t")) for name, _, value in pairs]


def read_body(stream: BinaryIO, lines: Lines, *, until_closed: bool) -> tuple[bytes, bool]:
    """Return a message's body, and whether it came to its end."""
    fields = {name.lower(): value for name, value in lines}
    if "transfer-encoding" in fields:
        return _read_chunks(stream)
    if "content-length" in fields:
        length = int(fields["content-length"])
        body = stream.read(length)
        return body, len(body) == length
    return (stream.read(), True) if until_closed else (b"", True)


def _read_chunks(stream: BinaryIO) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while line := stream.readline():
        size = int(line.split(b";")[0], 16)
        if size == 0:
            while stream.readline() not in (b"\r\n", b""):
                pass  # trailers
            return b"".join(parts), True
        part = stream.read(size)
        parts.append(part)
        if len(part) < size or stream.readline() != b"\r\n":
            break
    return b"".join(parts), False


def read_response(stream: BinaryIO, method: str) -> Message:
    """Return the response to a request."""
    interim: list[tuple[str, Lines]] = []
    while (head := read_head(stream)) is not None:
        start, lines = head
        status = int(start.split(" ")[1])
        if status >= 200:
            empty = method == "HEAD" or status in (204, 304)
            body, whole = (b"", True) if empty else read_body(stream, lines, until_closed=True)
            return Message(start, lines, body, whole, tuple(interim))
        interim.append(head)
    raise ConnectionError("the server hung up without an answer")


def request_bytes(method: str, target: str, lines: Iterable[str], body: bytes = b"") -> bytes:
    """Return a request for the host example.org, on a connection of its own."""
    given = [*lines]
    if not any(line.lower().startswith("host:") for line in given):
        given.insert(0, "Host: example.org")
    if body and not any(line.lower().startswith("transfer-encoding:") for line in given):
        given.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *given, "Connection: close", "", ""])
    return head.encode("latin-1") + body


def ask(port: int, method: str, target: str, *lines: str, body: bytes = b"") -> Message:
    """Send a request, and read its response."""
    return converse(port, request_bytes(method, target, lines, body), method)


def converse(port: int, request: bytes, method: str = "GET") -> Message:
    """Send the bytes of a request, and read its response."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return read_response(stream, method)
