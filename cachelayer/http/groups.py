"""Cache groups (RFC 9875): responses of one origin that are invalidated together, by a name that the origin gives.

A group is a tag of the library's own. No two origins share one, and no tag that a user would write is one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cachelayer.http.fields import lines
from cachelayer.http.invalidation import is_safe
from cachelayer.http.messages import FieldLines, ResponseHead
from cachelayer.http.structured import sequence, strings

#: More groups than these of one response, and longer names, do not count. The standard asks for 32 of each.
MAX_GROUPS: Final = 128
MAX_NAME_LENGTH: Final = 256
_COMMON_LENGTH: Final = 500


def group_tags(origin: str, fields: FieldLines) -> tuple[str, ...]:
    """Return the tags of the groups that a response belongs to (RFC 9875, section 2).

    Args:
        origin: scheme, host and port, as from `cachelayer.http.uris.Target.origin`.
        fields: of the response.
    """
    return _tags(origin, fields[b"cache-groups"]) if b"cache-groups" in fields else ()


def invalidated_groups(origin: str, method: str, head: ResponseHead) -> tuple[str, ...]:
    """Return the tags of the groups that a response invalidates (RFC 9875, section 3): not that of a safe method.

    Args:
        origin: of the request.
        method: of the request.
        head: the final response, whatever its status: it says so itself.
    """
    if is_safe(method):
        return ()
    values = lines(head.headers, b"cache-group-invalidation")
    return _tags(origin, values) if values else ()


def _tags(origin: str, values: tuple[bytes, ...]) -> tuple[str, ...]:
    value = b", ".join(values)
    # Longer values are not remembered: applications send what they like.
    names = _names_again(value) if len(value) <= _COMMON_LENGTH else _names(value)
    return tuple([f"\0group {origin} {name}" for name in names])


def _names(value: bytes) -> tuple[str, ...]:
    """Return the names in a List of Strings; another type in it makes the field void (RFC 9651, section 1.1)."""
    named = strings(sequence(value)) or ()
    return tuple(dict.fromkeys(name for name in named[:MAX_GROUPS] if len(name) <= MAX_NAME_LENGTH))


_names_again: Final = lru_cache(maxsize=512)(_names)
