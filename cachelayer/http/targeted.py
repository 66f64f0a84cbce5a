"""Fields that target one kind of cache, such as CDN-Cache-Control (RFC 9213): Dictionaries of RFC 9651."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cachelayer.http.cache_control import Directive, Directives
from cachelayer.http.messages import FieldLines
from cachelayer.http.structured import dictionary


def targeted_directives(fields: FieldLines, targets: tuple[bytes, ...]) -> Directives | None:
    """Return the directives of the first field of `targets` that is valid and not empty, or None (section 2.2)."""
    for name in targets:
        if name in fields:
            directives = parse_dictionary(b", ".join(fields[name]))
            if directives is not None and directives.items:
                return directives
    return None


def parse_dictionary(value: bytes) -> Directives | None:
    """Parse a Dictionary of directives; None where it breaks the syntax anywhere, which voids the whole field."""
    return _parse_again(value) if len(value) <= _COMMON_LENGTH else _parse(value)


def _parse(value: bytes) -> Directives | None:
    members = dictionary(value)
    if members is None:
        return None
    said = ((key.encode(), member) for key, member in members.items() if member is not False)
    return Directives(tuple(_directive(name, member) for name, member in said))


#: Longer values are not remembered: applications send what they like.
_COMMON_LENGTH: Final = 200
_parse_again: Final = lru_cache(maxsize=512)(_parse)


def _directive(name: bytes, member: object) -> Directive:
    # No value and true are the same Boolean; other types than these have no meaning in a directive.
    if member is True:
        return Directive(name)
    return Directive(name, b"%d" % member) if isinstance(member, int) else Directive(name, None, False)
