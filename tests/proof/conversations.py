"""Random conversations: what clients may ask and origins say, and the model of `tests/proof/model.py` between them."""

import dataclasses
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from tests.proof.model import (
    ANALYTICS,
    OTHER,
    SESSION,
    Answer,
    Asked,
    Call,
    Fields,
    Model,
    read_directives,
    rendered,
)


class Say(NamedTuple):
    """What the origin would say to a request.

    Attributes:
        status: where it does not confirm what is asked about.
        fields: in the model's terms; the times among them relative to now.
        changes: there is a new version by now.
    """

    status: int
    fields: Fields
    changes: bool


class Habits(NamedTuple):
    """What an origin always does, or never.

    Attributes:
        clock: it sends Date.
        tag: how it names versions: "strong", "weak", or None, not at all.
        modified: it says when they were made.
    """

    clock: bool
    tag: str | None
    modified: bool


class Turn(NamedTuple):
    """One request, some time after the one before."""

    wait: float
    asked: Asked
    say: Say


# -- what there is to choose from -------------------------------------------------------------------------------


def _often(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Return the usual value seven times of ten."""
    return st.sampled_from([usual] * (7 * len(others)) + [*others] * 3)


def _directives(*lines: str) -> list[Fields]:
    """Return Cache-Control in the model's terms."""
    return [read_directives(line) for line in lines]


def _named(chosen: dict[str, Any]) -> Fields:
    return {name.replace("_", "-"): value for name, value in chosen.items() if value is not None}


_targets = _often("/a", "/b", "/a?q=1")
_request_fields = st.fixed_dictionaries(
    {
        "x_a": _often(None, "1", "2"),
        "authorization": st.sampled_from([None] * 9 + ["Basic eDp5"]),
        "cookie": st.sampled_from([None] * 9 + [SESSION, OTHER, ANALYTICS]),
        "cache_control": _often(
            None,
            *_directives("no-cache", "no-store", "no-store, no-cache", "max-age=0", "max-age=45", "min-fresh=25"),
            *_directives("max-stale", "max-stale=45", "max-age=100, max-stale", "only-if-cached", "x-unknown=1"),
        ),
        "if_none_match": _often(None, ("*",), ('"v1"',), ('"v2"',), ('W/"v1"', '"v3"')),
        "if_modified_since": st.sampled_from([None] * 9 + [-5000.0, 0.0]),
        "range": _often(None, (0, 3), (4, 999), (None, 5), (900, 999)),
    }
).map(_named)  # fmt: skip


def _asked(method: str, target: str, fields: Fields, *, plain: bool) -> Asked:
    return Asked(method, target, fields if method in ("GET", "HEAD") and not plain else {})


_methods = st.sampled_from(["GET"] * 20 + ["HEAD"] * 4 + ["POST", "DELETE", "BREW", "OPTIONS"])
_requests = st.builds(_asked, _methods, _targets, _request_fields, plain=st.booleans())

_response_fields = st.fixed_dictionaries(
    {
        "cache_control": st.sampled_from(
            [
                None,
                *_directives("max-age=60", "max-age=600", "s-maxage=60", "max-age=60, public") * 2,
                *_directives("max-age=0", "max-age=0, s-maxage=600", "max-age=600, s-maxage=0", "public"),
                *_directives("max-age=60, stale-while-revalidate=300", "max-age=60, stale-if-error=300") * 3,
                *_directives("max-age=0, stale-while-revalidate=100, stale-if-error=1000"),
                *_directives("s-maxage=60, stale-while-revalidate=300, stale-if-error=300"),
                *_directives("max-age=60, must-revalidate", "max-age=600, proxy-revalidate"),
                *_directives("max-age=60, must-revalidate, stale-if-error=300, stale-while-revalidate=300"),
                *_directives("no-cache", "max-age=600, no-cache", "no-cache, stale-if-error=300"),
                *_directives("no-store", "max-age=600, private", "max-age=600, no-store, must-understand"),
            ]
        ),
        "vary": _often(None, ("x-a",), ("x-a",), ("x-a", "x-b"), ("*",)),
        "age": _often(None, 0, 30, 1000),
        "expires": _often(None, -100.0, 100.0),
        "date": _often(0.0, -50.0, 50.0),
        "set_cookie": st.sampled_from([None] * 15 + ["seen=1"]),
        "location": _often(None, "/a", "/b"),
    }
).map(_named)  # fmt: skip
says = st.builds(
    Say,
    _often(200, 404, 500, 503, 301, 204),
    _response_fields,
    _often(False, True),
)
habits = st.builds(Habits, st.booleans(), st.sampled_from(["strong", "strong", "weak", None]), st.booleans())
#: After two seconds an origin that has failed is asked again.
turns = st.builds(Turn, st.sampled_from([2.0, 2.0, 2.0, 20.0, 70.0, 200.0, 1000.0]), _requests, says)


# -- an origin, a client, and the model between -----------------------------------------------------------------

#: The fields that the model knows of a request; proxies add others.
_KNOWN: Final = frozenset(
    {"x-a", "x-b", "authorization", "cookie", "cache-control", "range", "if-none-match", "if-modified-since"}
)


class Conversation:
    """An origin that says what a turn has, and tells the truth about what has changed; and the model that listens.

    Args:
        habits: of the origin.
        own: fields of which the server before the cache sends its own.
        prefix: of all targets.
    """

    def __init__(self, habits: Habits, own: frozenset[str] = frozenset(), prefix: str = "") -> None:
        self._habits, self._prefix = habits, prefix
        self.model = Model(own)
        self.calls: list[Call] = []
        self._versions: dict[str, tuple[int, float]] = {}
        self._ids = iter(range(1, 10**9))

    # -- what differs between a site in this process and a server ---------------------------------------------------

    def now(self) -> float:
        """Return the time."""
        raise NotImplementedError

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    def send(self, asked: Asked, lines: list[str]) -> Answer:
        """Send a request, and wait until all has ended that it began."""
        raise NotImplementedError

    # -- a turn -----------------------------------------------------------------------------------------------------

    def take(self, turn: Turn) -> None:
        """Take one turn, and judge what comes of it."""
        self.wait(turn.wait)
        self._say, self.calls = turn.say, []
        asked = self._here_and_now(turn.asked)
        if turn.say.changes:
            self._versions[asked.target] = (self._version(asked.target)[0] + 1, self.now() - 10)
        now = self.now()
        answer = self.send(asked, [f"{name}: {value}" for name, value in rendered(asked.fields)])
        self.model.judge(asked, now, self.calls, answer)

    def _here_and_now(self, asked: Asked) -> Asked:
        fields = dict(asked.fields)
        if "if-modified-since" in fields:
            fields["if-modified-since"] += int(self.now())
        return dataclasses.replace(asked, target=self._prefix + asked.target, fields=fields)

    def _version(self, target: str) -> tuple[int, float]:
        return self._versions.setdefault(target, (1, self.now() - 1000))

    # -- the origin -------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[int, list[str], bytes]:
        """Return status, lines and body of the origin's answer to a request, its fields by lower-case name."""
        asked = Asked(method, target, dict(_understood(headers.items())))
        version, made = self._version(asked.target)
        status, fields = self._say.status, self._fields(version, made)
        if status == 200 and asked.method in ("GET", "HEAD") and self._has_it(asked, version, made):
            status = 304
        empty = asked.method == "HEAD" or status in (204, 304)
        body = f"{asked.target} version {version} for {asked.fields.get('x-a')}, at length".encode()
        call = Call(asked, status, fields, b"" if empty else body)
        self.calls.append(call)
        return status, [f"{name}: {value}" for name, value in rendered(fields)], call.body

    def _fields(self, version: int, made: float) -> Fields:
        fields = dict(self._say.fields)
        if not self._habits.clock:
            del fields["date"]
        for name in ("expires", "date"):
            if name in fields:
                fields[name] = float(int(self.now() + fields[name]))
        if "location" in fields:
            fields["location"] = self._prefix + fields["location"]
        if self._say.status == 200 and self._habits.tag is not None:
            fields["etag"] = f'{"W/" if self._habits.tag == "weak" else ""}"v{version}"'
        if self._say.status == 200 and self._habits.modified:
            fields["last-modified"] = float(int(made))
        return {**fields, "x-id": next(self._ids)}

    def _has_it(self, asked: Asked, version: int, made: float) -> bool:
        if "if-none-match" in asked.fields:
            tags = [tag.removeprefix("W/") for tag in asked.fields["if-none-match"]]
            return self._habits.tag is not None and (f'"v{version}"' in tags or "*" in tags)
        return self._habits.modified and asked.fields.get("if-modified-since", -1.0) >= int(made)


def _understood(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, Any]]:
    """Yield the fields of a request in the model's terms."""
    for name, value in headers:
        if name == "if-none-match":
            yield name, tuple(tag.strip() for tag in value.split(","))
        elif name == "if-modified-since":
            yield name, parsedate_to_datetime(value).timestamp()
        elif name == "cache-control":
            yield name, read_directives(value)
        elif name in _KNOWN:
            yield name, value
