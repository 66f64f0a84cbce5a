"""Cookies (RFC 6265) as far as a shared cache must know them: names, and values where a rule keys on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import Final

#: Set by scripts of analytics and advertising services; no application's answer depends on them.
ANALYTICS_COOKIES: Final = (
    "_ga", "_ga_*", "_gid", "_gat", "_gat_*", "__utm?", "__utm??", "_gcl_*", "_gac_*", "_fbp", "_fbc", "_hj*", "_pk_*",
    "_clck", "_clsk", "_uetsid", "_uetvid", "__hstc", "__hssc", "__hssrc", "hubspotutk", "ajs_*", "amplitude_*",
    "mp_*_mixpanel", "_dc_gtm_*", "__gads", "__gpi", "_tt_*", "_ttp", "_pin_unauth", "_scid", "_rdt_uuid",
)  # fmt: skip

#: Names that frameworks and people give to what identifies a user.
SESSION_COOKIES: Final = (
    "*sess*", "*sid", "sid*", "*auth*", "*token*", "*jwt*", "*login*", "*logged*", "*remember*", "*user*", "*identity*",
    "*csrf*", "*xsrf*", "*account*", "*credential*", "*secret*", "*.sid", "__host-*",
)  # fmt: skip


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
#: Python's own parser takes white space for the end of a value, and what is between quotes for one, semicolons too.
_VALUE: Final = re.compile(rb'[^\s"][^\s]*|"[^\s"]*"|')


def compile_names(patterns: Iterable[str], *, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile globs over cookie names (or query parameters) into one pattern; no globs match nothing."""
    union = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(union or r"(?!)", re.IGNORECASE if ignore_case else 0)


def request_cookies(values: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield name and value of each cookie in the lines of Cookie. What has no "=" is a name without a value."""
    for value in values:
        for pair in value.split(b";"):
            name, _, content = pair.strip(b" \t").partition(b"=")
            if name or content:
                yield name.rstrip(b" \t").decode("latin-1"), content.strip(b" \t")


def is_plain(name: str, value: bytes) -> bool:
    """Whether all who read a cookie agree on it: its name is a token or empty, and its value of one piece."""
    return _TOKEN.fullmatch(name) is not None and _VALUE.fullmatch(value) is not None


def set_cookie_name(value: bytes) -> str:
    """Return the name in a line of Set-Cookie."""
    return value.partition(b";")[0].partition(b"=")[0].strip(b" \t").decode("latin-1")
