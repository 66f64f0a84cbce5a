"""What RFC 9111 says of a shared cache, in the simplest code: a list of what the origin has said, and no cleverness.

The model watches a cache from both sides: what clients ask and get, and what the origin is asked and says. It keeps
every response that might be stored, and judges each answer by two rules:

    it never serves what the standard forbids   an answer from the store is one that may be used for this request, now
    it reuses what it may                       the origin is not asked for what is sure to be stored and usable

It also knows what cachelayer promises beyond the standard: cookies and Authorization keep responses from being shared.
Fields are dicts here, with values in the model's own terms, so that nothing has to be parsed: durations and times in
seconds, Cache-Control as a dict, Vary as a tuple.
"""

import dataclasses
from email.utils import formatdate
from typing import Any, Final

Fields = dict[str, Any]

SAFE: Final = ("GET", "HEAD", "OPTIONS", "TRACE")
#: How long a stale response with a validator is sure to be kept, as the middleware's default is.
KEPT: Final = 3600.0
#: A session's cookie; one that may mean anything; one that means nothing.
SESSION, OTHER, ANALYTICS = "sessionid=1", "theme=dark", "_ga=1"


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request, as the client or the cache sends it."""

    method: str
    target: str
    fields: Fields

    @property
    def directives(self) -> Fields:
        """Its Cache-Control."""
        return self.fields.get("cache-control", {})


@dataclasses.dataclass(frozen=True)
class Call:
    """What the origin was asked, and what it said."""

    asked: Asked
    status: int
    fields: Fields
    body: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the client gets: lines by lower-case name."""

    status: int
    lines: dict[str, str]
    body: bytes

    @property
    def cache_status(self) -> str:
        """What the cache says of it."""
        return self.lines.get("cache-status", "")

    @property
    def is_hit(self) -> bool:
        """Whether the cache says that it did not wait for the origin."""
        return "; hit" in self.cache_status


@dataclasses.dataclass
class Stored:
    """A response that may be stored.

    Attributes:
        asked: what it answered.
        status: its status.
        fields: its fields, as the origin last updated them.
        body: its content.
        at: when it came, or was last updated.
        certain: it is sure to be stored.
    """

    asked: Asked
    status: int
    fields: Fields
    body: bytes
    at: float
    certain: bool

    @property
    def directives(self) -> Fields:
        """Its Cache-Control."""
        return self.fields.get("cache-control", {})

    @property
    def has_validator(self) -> bool:
        """Whether the origin can be asked if it still holds."""
        return "etag" in self.fields or "last-modified" in self.fields

    @property
    def has_strong_date_or_tag(self) -> bool:
        """Whether that can be relied on: not on a date within the second before (RFC 9110, section 8.8.2.2)."""
        made = self.fields.get("date", self.at)
        return "etag" in self.fields or made - self.fields.get("last-modified", made) >= 1

    @property
    def shared(self) -> bool:
        """Whether the origin says that it is the same for everyone."""
        return "public" in self.directives or "s-maxage" in self.directives

    @property
    def is_strict(self) -> bool:
        """Whether it must not be used stale (section 4.2.4)."""
        return not {"must-revalidate", "proxy-revalidate", "no-cache"}.isdisjoint(self.directives)

    @property
    def window(self) -> float:
        """How long it may be of use once it is stale (RFC 5861)."""
        windows = [self.directives.get(f"stale-{name}", 0.0) for name in ("while-revalidate", "if-error")]
        return 0.0 if self.is_strict else max(windows)

    @property
    def lifetime(self) -> float | None:
        """Section 4.2.1."""
        for name in ("s-maxage", "max-age"):
            if name in self.directives:
                return self.directives[name]
        if "expires" in self.fields:
            return max(0.0, self.fields["expires"] - self.fields.get("date", self.at))
        return None

    def age(self, now: float) -> float:
        """Section 4.2.3."""
        apparent = max(0.0, self.at - self.fields.get("date", self.at))
        return max(apparent, self.fields.get("age", 0)) + now - self.at

    def left(self, now: float) -> float:
        """For how long it will be fresh, below zero where it is stale."""
        return (self.lifetime or 0.0) - self.age(now)


# -- what may be stored, and used -------------------------------------------------------------------------------


def may_store(call: Call) -> bool:
    """Section 3, what it forbids; and no response with a cookie, or to a session's."""
    stored = _of(call, 0.0)
    directives, request = stored.directives, call.asked
    authorized = stored.shared or "must-revalidate" in directives
    understood = "must-understand" in directives
    return (
        request.method == "GET"
        and call.status not in (206, 304, 416)
        and ("no-store" not in directives or understood)
        and "private" not in directives
        and "no-store" not in request.directives
        and ("authorization" not in request.fields or authorized)
        and "*" not in stored.fields.get("vary", ())
        and "set-cookie" not in stored.fields
        and (request.fields.get("cookie") != SESSION or stored.shared)
    )


def is_worth_storing(call: Call, now: float) -> bool:
    """Whether it is sure to be stored, if it may be: of some use, fresh or not."""
    stored = _of(call, now)
    if stored.lifetime is None and "no-cache" not in stored.directives:
        return False
    useful = stored.left(now) + stored.window > 0
    return stored.has_validator or (useful and "no-cache" not in stored.directives)


def selects(stored: Stored, asked: Asked) -> bool:
    """Section 4.1: the same target, and the same in each field that Vary names."""
    vary = stored.fields.get("vary", ())
    return stored.asked.target == asked.target and all(
        name != "*" and stored.asked.fields.get(name) == asked.fields.get(name) for name in vary
    )


def is_for(stored: Stored, asked: Asked) -> bool:
    """Section 3.5, and what is promised of cookies."""
    authorized = stored.shared or "must-revalidate" in stored.directives
    if "authorization" in asked.fields and not authorized:
        return False
    return stored.shared or asked.fields.get("cookie") != SESSION


def may_serve(stored: Stored, asked: Asked, now: float) -> bool:
    """Section 4: whether it may be used without asking the origin."""
    wanted = asked.directives
    if not (selects(stored, asked) and is_for(stored, asked)):
        return False
    if "no-cache" in wanted or "no-cache" in stored.directives:
        return False
    if "max-age" in wanted and int(stored.age(now)) > wanted["max-age"]:
        return False
    if "min-fresh" in wanted and stored.left(now) < wanted["min-fresh"]:
        return False
    return stored.left(now) > 0 or may_serve_stale(stored, asked, now)


def may_serve_stale(stored: Stored, asked: Asked, now: float) -> bool:
    """Section 4.2.4, and RFC 5861, section 3."""
    if stored.is_strict:
        return False
    if -stored.left(now) < stored.directives.get("stale-while-revalidate", 0):
        return True
    takes = asked.directives.get("max-stale", -1.0)
    return "s-maxage" not in stored.directives and -stored.left(now) <= (takes if takes is not None else 1e9)


def may_serve_instead(stored: Stored, asked: Asked, now: float) -> bool:
    """RFC 5861, section 4: whether it may be used where the origin has failed."""
    within = -stored.left(now) < stored.directives.get("stale-if-error", 0)
    return selects(stored, asked) and is_for(stored, asked) and not stored.is_strict and within


def has_it(stored: Stored, asked: Asked) -> bool:
    """RFC 9110, section 13.2.2: whether the client has this very response, and needs but a 304."""
    if stored.status != 200:
        return False
    if "if-none-match" in asked.fields:
        tags = asked.fields["if-none-match"]
        return "*" in tags or _opaque(stored.fields.get("etag")) in map(_opaque, tags)
    since = asked.fields.get("if-modified-since")
    modified = stored.fields.get("last-modified", stored.fields.get("date", stored.at))
    return since is not None and int(modified) <= int(since)


def _opaque(tag: str | None) -> str | None:
    return None if tag is None else tag.removeprefix("W/")


def _of(call: Call, now: float, *, certain: bool = False) -> Stored:
    return Stored(call.asked, call.status, call.fields, call.body, now, certain)


# -- the model --------------------------------------------------------------------------------------------------


class Model:
    """A cache, watched.

    Args:
        own: fields of which the server before the cache sends its own.
    """

    def __init__(self, own: frozenset[str] = frozenset()) -> None:
        self.stored: list[Stored] = []
        self._own = own

    def judge(self, asked: Asked, now: float, calls: list[Call], answer: Answer) -> None:
        """Judge an answer, and learn from what the origin said.

        Args:
            asked: what the client asked.
            now: when; no time passes meanwhile.
            calls: what the origin was asked for it, and said.
            answer: what the client got.
        """
        if asked.method not in ("GET", "HEAD"):
            [call] = calls
            self._passes(call, answer)
            self._invalidate(call)
        elif answer.is_hit:
            self._judge_hit(asked, now, calls, answer)
        elif not calls:
            assert answer.status == 504, f"neither the store nor the origin: {answer}"
            assert "only-if-cached" in asked.directives
            assert not self._must_serve(asked, now), "504, though it is stored"
        else:
            assert len(calls) == 1, f"the origin was asked {len(calls)} times"
            self._judge_miss(asked, now, calls[0], answer)

    # -- answers of the cache ---------------------------------------------------------------------------------

    def _judge_hit(self, asked: Asked, now: float, calls: list[Call], answer: Answer) -> None:
        usable = [one for one in self.stored if may_serve(one, asked, now)]
        one = self._find(usable, asked, now, answer)
        if calls:
            assert one.left(now) <= 0, "what is fresh was refreshed"
            assert len(calls) == 1, "it was refreshed more than once"
            self._learn(asked, now, calls[0], self._validated(calls[0], asked))

    def _find(self, usable: list[Stored], asked: Asked, now: float, answer: Answer) -> Stored:
        """Return the response that this is, of those that may be used."""
        named = [
            one
            for one in usable
            if answer.status == 416 or str(one.fields["x-id"]) == answer.lines.get("x-id")
        ]
        assert named, f"used what must not be: {answer}, of {self.stored}"
        objections = []
        for one in named:
            try:
                self._check_content(one, asked, now, answer)
            except AssertionError as objection:
                objections.append(objection)
            else:
                return one
        raise objections[-1]

    def _check_content(self, one: Stored, asked: Asked, now: float, answer: Answer) -> None:
        """The answer is this response, or what the client's condition and range make of it."""
        assert abs(int(answer.lines["age"]) - int(one.age(now))) <= 1, f"Age is {one.age(now)}: {answer}"
        if has_it(one, asked):
            assert (answer.status, answer.body) == (304, b"")
            assert answer.lines.get("etag") == one.fields.get("etag")
            return
        if answer.status in (206, 416) and one.status == 200:
            self._check_part(one, asked, answer)
            return
        assert answer.status == one.status
        assert answer.body == (b"" if asked.method == "HEAD" else one.body)
        self._check_lines({name: value for name, value in one.fields.items() if name != "age"}, answer)

    def _check_part(self, one: Stored, asked: Asked, answer: Answer) -> None:
        assert asked.method == "GET"
        first, last = asked.fields["range"]
        if "if-range" in asked.fields:
            assert asked.fields["if-range"] == one.fields.get("etag")
            assert not asked.fields["if-range"].startswith("W/")
        whole = len(one.body)
        start, stop = (first, min(last + 1, whole)) if first is not None else (max(0, whole - last), whole)
        if start >= whole:
            assert (answer.status, answer.lines["content-range"]) == (416, f"bytes */{whole}")
        else:
            assert answer.lines["content-range"] == f"bytes {start}-{stop - 1}/{whole}"
            assert (answer.status, answer.body) == (206, one.body[start:stop])

    # -- answers of the origin --------------------------------------------------------------------------------

    def _judge_miss(self, asked: Asked, now: float, call: Call, answer: Answer) -> None:
        missed = self._must_serve(asked, now)
        assert missed is None, f"the origin was asked, though this is stored: {missed}"
        sure = self._selected(asked, now)
        if sure is not None and asked.method == "GET" and sure.has_strong_date_or_tag:
            assert self._asks_about(call.asked, sure), f"asked anew, though this is stored: {sure}"
        validated = self._validated(call, asked) if "fwd-status=304" in answer.cache_status else []
        if not validated and call.status >= 500 and answer.lines.get("x-id") != str(call.fields["x-id"]):
            instead = [one for one in self.stored if may_serve_instead(one, asked, now)]
            self._find(instead, asked, now, answer)
            return
        if call.status >= 500 and sure is not None and not asked.directives:
            assert not may_serve_instead(sure, asked, now), f"an error, though this is stored: {sure}"
        if not validated:
            self._passes(call, answer)
        updated = self._learn(asked, now, call, validated)
        if updated:
            self._find(updated, asked, now, answer)

    def _passes(self, call: Call, answer: Answer) -> None:
        """The client gets what the origin said."""
        assert (answer.status, answer.body) == (call.status, call.body)
        self._check_lines(call.fields, answer)

    def _check_lines(self, fields: Fields, answer: Answer) -> None:
        for name, line in rendered(fields):
            assert name in self._own or answer.lines.get(name) == line, f"{name} is {line}: {answer}"

    @staticmethod
    def _asks_about(asked: Asked, one: Stored) -> bool:
        if "etag" in one.fields:
            return asked.fields.get("if-none-match") == (one.fields["etag"],)
        return one.has_validator and asked.fields.get("if-modified-since") == int(one.fields["last-modified"])

    def _validated(self, call: Call, asked: Asked) -> list[Stored]:
        """Return what a 304 may be about, where the cache asked on its own account (section 4.3.4)."""
        if call.status != 304 or call.asked.method != "GET":
            return []
        candidates = [one for one in self.stored if selects(one, asked) and is_for(one, asked)]
        return [one for one in candidates if self._asks_about(call.asked, one)]

    # -- what is sure to be stored ------------------------------------------------------------------------------

    def _selected(self, asked: Asked, now: float) -> Stored | None:
        """Return the newest response that is sure to be stored and would answer the request, fresh or not."""
        sure = [one for one in self.stored if one.certain and selects(one, asked)]
        if not sure or not is_for(sure[-1], asked):
            return None
        one = sure[-1]
        # What nobody can confirm is kept for as long as it may be used without.
        stale = KEPT if one.has_validator else one.window
        return one if now < one.at + max(one.left(one.at), 0.0) + stale else None

    def _must_serve(self, asked: Asked, now: float) -> Stored | None:
        """Return what is sure to be stored, and no reason to ask the origin."""
        one = self._selected(asked, now)
        if one is None or not may_serve(one, asked, now):
            return None
        # Ages are told in whole seconds, and a cache may look closer.
        if one.age(now) > asked.directives.get("max-age", one.age(now)):
            return None
        if one.left(now) > 0:
            return one
        wanted = asked.directives
        # Beside max-age and min-fresh the client has told what it takes.
        picky = not {"max-age", "min-fresh"}.isdisjoint(wanted)
        return None if picky else one

    # -- learning -------------------------------------------------------------------------------------------------

    def _learn(self, asked: Asked, now: float, call: Call, validated: list[Stored]) -> list[Stored]:
        """Take note of what the origin said; return what it confirmed, updated."""
        if validated:
            # Of several with the same validator one is stored, or all are updated.
            sure = validated[-1] if len(validated) == 1 else None
            return [self._freshen(one, asked, now, call, certain=one is sure) for one in validated]
        if call.asked.method == "HEAD":
            self._compare(asked, now, call)
        elif may_store(call):
            self._store(asked, now, call)
        return []

    def _store(self, asked: Asked, now: float, call: Call) -> None:
        new = _of(call, now, certain=is_worth_storing(call, now))
        if new.certain:
            self._displace(new)
        if "range" in asked.fields:
            # A whole that was sent in answer to a request for a part may be kept, and need not be.
            new.certain = False
        self.stored.append(new)

    def _displace(self, new: Stored) -> None:
        """What a newer response takes the place of is not sure to be stored any longer."""
        for one in self.stored:
            if one.asked.target == new.asked.target and (
                not new.fields.get("vary") or not one.fields.get("vary") or selects(one, new.asked)
            ):
                one.certain = False

    def _freshen(self, one: Stored, asked: Asked, now: float, call: Call, *, certain: bool) -> Stored:
        """Sections 3.2 and 4.3.4: what a response is after the origin has confirmed it."""
        fields = {
            **one.fields,
            **{name: value for name, value in call.fields.items() if name != "set-cookie"},
        }
        for name in ("age", "date"):
            # These are about the message: without them, it is new now.
            if name not in call.fields:
                fields.pop(name, None)
        made = Call(dataclasses.replace(asked, method="GET"), one.status, fields, one.body)
        updated = _of(made, now, certain=certain and one.certain and is_worth_storing(made, now))
        if "no-store" in asked.directives:
            return updated  # and what is stored stays as it is
        self.stored.remove(one)
        if may_store(made):
            self._displace(updated)
            self.stored.append(updated)
        elif may_store(dataclasses.replace(made, asked=Asked("GET", asked.target, {}))):
            # It is this client's request that keeps it out: what was stored before may stay.
            self.stored.append(one)
        if not may_store(made) or not updated.certain:
            self._forget(asked)
        return updated

    def _compare(self, asked: Asked, now: float, call: Call) -> None:
        """Section 4.3.5: a cache may learn from HEAD, or not."""
        if call.status != 200:
            return
        for one in [one for one in self.stored if selects(one, asked) and is_for(one, asked)]:
            said = [name for name in ("etag", "last-modified") if name in call.fields]
            if one.status != 200 or not said:
                continue
            if any(call.fields[name] != one.fields.get(name) for name in said):
                self._forget(asked)
                continue
            self._freshen(one, asked, now, call, certain="range" not in asked.fields)
            one.certain = False
            self.stored.insert(0, one)

    def _forget(self, asked: Asked) -> None:
        for one in self.stored:
            if one.asked.target == asked.target:
                one.certain = False

    def _invalidate(self, call: Call) -> None:
        """Section 4.4."""
        if call.asked.method in SAFE or not 200 <= call.status <= 399:
            return
        outdated = {call.asked.target, call.fields.get("location")}
        self.stored = [one for one in self.stored if one.asked.target not in outdated]


# -- fields as lines --------------------------------------------------------------------------------------------


def rendered(fields: Fields) -> list[tuple[str, str]]:
    """Return fields as they are sent."""
    return [(name, _rendered(name, value)) for name, value in fields.items()]


def _rendered(name: str, value: Any) -> str:
    if name == "cache-control":
        return ", ".join(key if argument is None else f"{key}={argument}" for key, argument in value.items())
    if name in ("expires", "date", "last-modified", "if-modified-since"):
        return formatdate(value, usegmt=True)
    if name == "range":
        first, last = value
        return f"bytes=-{last}" if first is None else f"bytes={first}-{last}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def read_directives(line: str) -> Fields:
    """Return a line of Cache-Control in the model's terms."""
    members = (member.strip().partition("=") for member in line.split(","))
    return {name: int(value) if value else None for name, _, value in members}
