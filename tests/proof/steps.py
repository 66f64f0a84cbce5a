"""What a conformance case is made of: requests, what the origin would answer, and where the client's answer is from.

In field lines, `{now}`, `{now-60}` and `{now+60}` are HTTP dates, and `{path}` is the case's own path. A body is
`answer 1`, `answer 2` and so on unless it is given, counted by the steps; so it shows which answer a client got.
"""

import dataclasses
import re
from email.utils import formatdate
from typing import Final, Literal, Self

#: Where the client's answer comes from: the origin; the store, without asking the origin; the store, after the origin
#: was asked by a conditional request and said 304; the store, and the origin is asked behind the client's back; the
#: store, since what the origin said was an error; or the cache itself, which has nothing and must not ask.
Source = Literal["origin", "store", "confirmed", "store and behind", "store instead", "itself"]


@dataclasses.dataclass(frozen=True)
class Step:
    """One request of a client, and all that is to come of it.

    Attributes:
        method: of the request.
        lines: its fields.
        target: what is appended to the case's path.
        body: its content.
        source: where the answer comes from.
        answer_lines: the fields that the origin would answer with.
        answer_status: its status.
        answer_body: its content; None: one that tells which it is.
        anew: the origin is asked twice: its answer to a condition was none, and it is asked without.
        sent: fields that the origin's request must have, each as `Name: value`, or `Name: *` for any value.
        unsent: names of fields that it must not have.
        status: what the client gets; None: that of the answer which it gets.
        content: the body that the client gets; None: that of the answer.
        of: the step whose answer the client gets from the store; 0: the last one that the origin gave.
        got: lines that the client gets, as in `sent`.
        ungot: names of fields that it does not get.
        age: the least and the most that Age says.
    """

    method: str = "GET"
    lines: tuple[str, ...] = ()
    target: str = ""
    body: bytes = b""
    source: Source = "store"
    answer_lines: tuple[str, ...] = ()
    answer_status: int = 200
    answer_body: bytes | None = None
    anew: bool = False
    sent: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    status: int | None = None
    content: bytes | None = None
    of: int = 0
    got: tuple[str, ...] = ()
    ungot: tuple[str, ...] = ()
    age: tuple[int, int] | None = None

    # -- what the answer is ---------------------------------------------------------------------------------------

    def origin(self, *lines: str, status: int = 200, body: bytes | None = None) -> Self:
        """The client gets what the origin answers."""
        return self._from("origin", lines, status, body)

    def confirmed(self, *lines: str, of: int = 0) -> Self:
        """The origin says 304, and the client gets what is stored."""
        return dataclasses.replace(self._from("confirmed", lines, 304, b""), of=of)

    def behind(self, *lines: str, status: int = 200, body: bytes | None = None) -> Self:
        """The client gets what is stored, and the origin is asked for something newer."""
        return self._from("store and behind", lines, status, body)

    def instead(self, *lines: str, status: int = 500) -> Self:
        """The origin answers by an error, and the client gets what is stored."""
        return self._from("store instead", lines, status, None)

    def stored(self, *, of: int = 0) -> Self:
        """The client gets what is stored, and the origin hears nothing."""
        return dataclasses.replace(self, source="store", of=of)

    def asked_anew(self) -> Self:
        """The origin said 304 to what it was not asked about; so it is asked once more, without a condition."""
        return dataclasses.replace(self, anew=True)

    def nothing(self) -> Self:
        """The client gets 504, and the origin hears nothing."""
        return dataclasses.replace(self, source="itself", status=504)

    def _from(self, source: Source, lines: tuple[str, ...], status: int, body: bytes | None) -> Self:
        return dataclasses.replace(
            self, source=source, answer_lines=lines, answer_status=status, answer_body=body
        )

    # -- what else is looked at -----------------------------------------------------------------------------------

    def hearing(self, *sent: str, without: tuple[str, ...] = ()) -> Self:
        """The origin's request has these fields, and not those."""
        return dataclasses.replace(self, sent=sent, unsent=without)

    def getting(
        self,
        *got: str,
        status: int | None = None,
        content: bytes | None = None,
        without: tuple[str, ...] = (),
        age: tuple[int, int] | None = None,
    ) -> Self:
        """The client gets these fields, and not those."""
        return dataclasses.replace(
            self, got=got, ungot=without, status=status or self.status, content=content, age=age
        )


@dataclasses.dataclass(frozen=True)
class Case:
    """A sentence of a standard, and a conversation in which it shows."""

    section: str
    what: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """What tests are called by."""
        return f"{self.section}: {self.what}"


def case(section: str, what: str, *steps: Step) -> Case:
    """Return a case."""
    return Case(section, what, steps)


def get(*lines: str, target: str = "", method: str = "GET", body: bytes = b"") -> Step:
    """Return the request of a step."""
    return Step(method=method, lines=lines, target=target, body=body)


def head(*lines: str, target: str = "") -> Step:
    """Return a HEAD request."""
    return Step(method="HEAD", lines=lines, target=target)


_DATE: Final = re.compile(r"\{now([+-]\d+)?\}")


def filled(line: str, now: float, path: str) -> str:
    """Return a line with its dates and the case's path."""

    def date(match: re.Match[str]) -> str:
        return formatdate(now + int(match[1] or 0), usegmt=True)

    return _DATE.sub(date, line).replace("{path}", path)
