"""Fields that target one kind of cache, such as CDN-Cache-Control (RFC 9213): Dictionaries of RFC 9651."""

from __future__ import annotations

import re
from typing import Final

from cachelayer.http.cache_control import Directive, Directives
from cachelayer.http.messages import FieldLines

_KEY: Final = rb"[a-z*][a-z0-9_.*-]*"
_BARE: Final = (
    rb"-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15}"
    rb'|"(?:[ !#-\[\]-~]|\\["\\])*"'
    rb"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
    rb"|:[A-Za-z0-9+/=]*:|\?[01]|@-?[0-9]{1,15}"
)
_PARAMETERS: Final = rb"(?:; *" + _KEY + rb"(?:=(?:" + _BARE + rb"))?)*"
_INNER_LIST: Final = rb"\( *(?:(?:" + _BARE + rb")" + _PARAMETERS + rb"(?: +|(?=\))))*\)"
_MEMBER: Final = re.compile(
    rb"(?P<key>"
    + _KEY
    + rb")(?:=(?:(?P<bare>"
    + _BARE
    + rb")|(?P<inner>"
    + _INNER_LIST
    + rb")))?"
    + _PARAMETERS
)
_COMMA: Final = re.compile(rb"[ \t]*,[ \t]*")


def targeted_directives(fields: FieldLines, targets: tuple[bytes, ...]) -> Directives | None:
    """Return the directives of the first field of `targets` that is valid and not empty, or None (section 2.2)."""
    for name in targets:
        directives = parse_dictionary(b", ".join(fields.get(name, ())))
        if directives is not None and directives.items:
            return directives
    return None


def parse_dictionary(value: bytes) -> Directives | None:
    """Parse a Dictionary of directives; None where it breaks the syntax anywhere, which voids the whole field."""
    value = value.strip(b" ")
    found: dict[bytes, Directive] = {}
    position = 0
    while position < len(value):
        member = _MEMBER.match(value, position)
        if member is None:
            return None
        # A key that comes again replaces the value of the first (RFC 9651, section 4.2.2).
        found[member["key"]] = _directive(member)
        position = member.end()
        if position < len(value):
            comma = _COMMA.match(value, position)
            if comma is None or comma.end() == len(value):
                return None
            position = comma.end()
    return Directives(tuple(directive for directive in found.values() if directive.argument != b"?0"))


def _directive(member: re.Match[bytes]) -> Directive:
    if member["inner"] is not None:
        return Directive(member["key"], None, False)
    bare: bytes | None = member["bare"]
    # No value and true are the same Boolean; a quoted argument is a String, which is no number of seconds.
    return Directive(member["key"], None if bare in (None, b"?1") else bare)
