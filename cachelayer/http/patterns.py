"""Path patterns of rules, matched on the raw path.

`*` and `{name}` stand for characters of one segment, and a last segment `*` for the rest of the path. A raw path that
an application may read as another path (encoded delimiters and dots, dot segments, path parameters) is `ambiguous`,
and no pattern is tried on it: so `/static/*.css` or `/static/*` can never take in `/profile;x.css` or
`/static/..%2fprofile`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from cachelayer.errors import ConfigurationError, OptionTypeError

_AMBIGUOUS: Final = re.compile(
    rb"%(?:25)*(?:[01][0-9a-f]|23|2e|2f|3b|3f|5c|7f)|[;\\\x00-\x20\x7f]|/\.\.?(?:/|\Z)", re.IGNORECASE
)
#: Most paths are made of these, and need no closer look if no dot follows a slash.
_HARMLESS: Final = bytes(set(range(0x21, 0x7F)) - set(b"%;\\"))
_PART: Final = re.compile(r"\{([^{}]*)\}|(\*)|([^*{}]+)|(.)", re.DOTALL)
_SEGMENT: Final = "[^/]"
_ENCODED: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~"


def ambiguous(path: bytes) -> bool:
    """Whether an application might take this raw path for another one."""
    if b"/." not in path and not path.translate(None, _HARMLESS):
        return False
    return _AMBIGUOUS.search(path) is not None


def unreserved_decoded(path: bytes) -> bytes:
    """Return a raw path with encoded letters, digits, "-" and "_" as they are (RFC 3986, section 6.2.2.2)."""
    return _ENCODED.sub(_decode_unreserved, path)


def _decode_unreserved(match: re.Match[bytes]) -> bytes:
    byte = unquote_to_bytes(match[0])
    return byte if byte in _UNRESERVED else match[0]


def compile_path(pattern: object) -> re.Pattern[bytes]:
    """Compile the pattern of a rule's `path`.

    Raises:
        ConfigurationError: it does not start with "/", or has braces without a name, or `**`.
        OptionTypeError: it is no str.
    """
    if not isinstance(pattern, str):
        raise OptionTypeError(f'path must be a str like "/static/*" or "/users/{{id}}", not {pattern!r}')
    if not pattern.startswith("/"):
        raise ConfigurationError(f'path={pattern!r} must start with "/"; for every path give "/*"')
    if "**" in pattern:
        raise ConfigurationError(
            f'path={pattern!r}: "**" is not known; a "*" that ends the pattern takes all the rest'
        )
    body, rest = (pattern[:-1], ".*") if pattern.endswith("/*") else (pattern, "")
    source = "".join(_translate(pattern, match) for match in _PART.finditer(body)) + rest
    try:
        return re.compile(source.encode(), re.DOTALL)
    except re.error as error:
        raise ConfigurationError(
            f"path={pattern!r} names a parameter twice; give each its own name"
        ) from error


def _translate(pattern: str, match: re.Match[str]) -> str:
    name, star, text, stray = match.groups()
    if star:
        return f"{_SEGMENT}*"
    if text:
        return re.escape(text)
    if stray or not name.isidentifier() or not name.isascii():
        raise ConfigurationError(f'path={pattern!r}: braces hold a name, as in "/users/{{id}}"')
    return f"(?P<{name}>{_SEGMENT}+)"


def parameters(compiled: re.Pattern[bytes], path: bytes) -> dict[str, str]:
    """Return the values of a template's parameters in `path`, percent-decoded; bytes that are no UTF-8 are escaped."""
    match = compiled.fullmatch(path)
    found = match.groupdict() if match else {}
    return {
        name: unquote_to_bytes(value).decode("utf-8", "backslashreplace") for name, value in found.items()
    }
