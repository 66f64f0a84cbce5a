"""Cache-Control and fields like it (RFC 9111, sections 1.2.2, 4.2.1, 5.2 and 5.4).

A member that breaks the grammar still names directives, every token in it one, only with no usable value. So errors
restrict: a damaged `no-store` is honoured, a damaged `max-age` is stale, a damaged `public` grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

import msgspec

from cachelayer.http.fields import is_token, members, tokens
from cachelayer.http.messages import FieldLines

#: "the greatest positive integer it can conveniently represent" (section 1.2.2).
MAX_SECONDS: Final = 2**31

_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)


class Directive(msgspec.Struct, frozen=True, gc=False):
    """One directive: its name in lower case, its argument without quotes, and whether the grammar was kept."""

    name: bytes
    argument: bytes | None = None
    valid: bool = True


class Directives(msgspec.Struct, frozen=True, gc=False):
    """The directives of a message, in order, unknown ones and duplicates included; `names` follow from `items`."""

    items: tuple[Directive, ...] = ()
    names: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "names", frozenset(item.name for item in self.items))

    def has(self, name: bytes) -> bool:
        """Whether a restricting directive is there, in any form, with or without an argument."""
        return name in self.names

    def grants(self, name: bytes) -> bool:
        """Whether a permitting directive is there, well-formed and without an argument."""
        return name in self.names and any(
            item.name == name and item.valid and item.argument is None for item in self.items
        )

    def seconds(self, name: bytes) -> Seconds:
        """Return a delta-seconds argument, None where the directive is absent, or `INVALID`.

        Duplicates that disagree are invalid: section 4.2.1 allows the first or none, and none is the safe one.
        """
        if name not in self.names:
            return None
        found = {
            delta_seconds(item.argument) if item.valid else INVALID
            for item in self.items
            if item.name == name
        }
        return found.pop() if len(found) == 1 else INVALID


class Invalid(msgspec.Struct, frozen=True):
    """The type of `INVALID`: a directive is there, its value is no number of seconds."""


INVALID: Final = Invalid()

Seconds: TypeAlias = int | Invalid | None

NO_DIRECTIVES: Final = Directives()


def delta_seconds(value: bytes | None) -> int | Invalid:
    """Return a number of seconds, at most `MAX_SECONDS` (section 1.2.2)."""
    if value is None or not value.isdigit():
        return INVALID
    digits = value.lstrip(b"0") or b"0"
    # int() refuses thousands of digits, so their number is looked at first.
    return MAX_SECONDS if len(digits) > 10 else min(int(digits), MAX_SECONDS)


def parse(values: tuple[bytes, ...]) -> Directives:
    """Parse the values of all field lines, in order. Never raises."""
    if len(values) == 1 and len(values[0]) <= _COMMON_LENGTH:
        return _parse_again(values)
    return _parse(values) if values else NO_DIRECTIVES


def _parse(values: tuple[bytes, ...]) -> Directives:
    return Directives(tuple(chain.from_iterable(map(_directives, members(values)))))


#: Longer values are not remembered: clients send what they like.
_COMMON_LENGTH: Final = 200
_parse_again: Final = lru_cache(maxsize=512)(_parse)


def _directives(member: bytes) -> Iterator[Directive]:
    name, equals, argument = member.partition(b"=")
    quoted = _QUOTED.fullmatch(argument)
    if not is_token(name) or (equals and not quoted and not is_token(argument)):
        yield from (Directive(token.lower(), None, False) for token in tokens(member))
    elif quoted:
        yield Directive(name.lower(), _ESCAPE.sub(rb"\1", quoted[1]))
    else:
        yield Directive(name.lower(), argument if equals else None)


def of_message(fields: FieldLines) -> Directives:
    """Return what a message's Cache-Control says, or its Pragma where there is no Cache-Control (section 5.4)."""
    directives = parse(fields.get(b"cache-control", ()))
    return directives if directives.items else of_pragma(fields.get(b"pragma", ()))


def of_pragma(values: tuple[bytes, ...]) -> Directives:
    """Return `no-cache` where Pragma says so; its other directives mean nothing."""
    return Directives((Directive(b"no-cache"),)) if parse(values).has(b"no-cache") else NO_DIRECTIVES
