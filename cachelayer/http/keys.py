"""The primary key of a request (RFC 9111, section 2): what it asks for, with nothing of it lost and nothing confused.

A key reads `GET https://host/path?query`. Where that would not be all, not be short, or not be plain text, its start
is followed by `#` and a digest over all parts with their lengths. No plain key has a `#`, so the kinds never meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes

from cachelayer.http.cookies import is_plain, request_cookies
from cachelayer.http.fields import joined
from cachelayer.http.messages import FieldLines, Request, RequestHeaders
from cachelayer.http.rules import Rule
from cachelayer.http.vary import nominate

_HOST: Final = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._~%-]*?)\.?(?::([0-9]*))?")
_DEFAULT_PORTS: Final = {"http": b"80", "https": b"443"}
_PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b"#?"))
_NOT_PLAIN: Final = re.compile(r"[^!-~]")
#: How many characters of a URL a key tells.
PLAIN_LENGTH: Final = 200
#: A name in the DNS has at most 253 characters; a port adds six.
_LONGEST_HOST: Final = 300

#: Applications may take scheme, host or path from these, so a response may depend on them though it says nothing.
FORWARDING_FIELDS: Final = frozenset(
    {b"x-forwarded-host", b"x-original-url", b"x-rewrite-url", b"forwarded", b"x-original-host", b"x-host"}
    | {b"x-forwarded-proto", b"x-forwarded-scheme", b"x-forwarded-port", b"x-forwarded-prefix"}
)
#: And the method from these.
METHOD_FIELDS: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
#: By these applications, and proxies before them, tell who asks, as by Authorization, which alone the standard guards.
CREDENTIAL_FIELDS: Final = frozenset(
    {
        b"x-api-key",
        b"api-key",
        b"apikey",
        b"x-api-token",
        b"x-auth-token",
        b"x-access-token",
        b"x-session-token",
    }
    | {
        b"remote-user",
        b"x-remote-user",
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-forwarded-access-token",
    }
    | {b"x-auth-request-user", b"x-auth-request-email", b"x-auth-request-access-token", b"x-amzn-oidc-data"}
    | {
        b"cf-access-jwt-assertion",
        b"x-goog-iap-jwt-assertion",
        b"x-ms-client-principal",
        b"x-ms-client-principal-id",
    }
)


def normalised_host(scheme: str, host: bytes) -> str | None:
    """Return an authority in lower case without the default port and a trailing dot, or None where it is no host."""
    return _normalised_host(scheme, host) if len(host) <= _LONGEST_HOST else None


@lru_cache(maxsize=1024)
def _normalised_host(scheme: str, host: bytes) -> str | None:
    match = _HOST.fullmatch(host.strip(b" \t").lower())
    if match is None:
        return None
    name, port = match.groups()
    kept = b"" if port in (None, b"", _DEFAULT_PORTS.get(scheme)) else b":" + port
    return (name + kept).decode("ascii")


def plain_key(scheme: str, host: bytes, path: bytes, query: bytes) -> str | None:
    """Return the key of a request in which nothing else matters; None where it is malformed."""
    # Not only how many are remembered is bounded, but also how long they are.
    make = _plain_key_again if len(host) + len(path) + len(query) <= PLAIN_LENGTH else _plain_key
    return make(scheme, host, path, query)


def _plain_key(scheme: str, host: bytes, path: bytes, query: bytes) -> str | None:
    name = normalised_host(scheme, host)
    return None if name is None or not path.startswith(b"/") else _key(scheme, name, path, query, ())


_plain_key_again: Final = lru_cache(maxsize=4096)(_plain_key)


def primary_key(request: Request, host: str, rule: Rule | None, extra: tuple[bytes, ...] = ()) -> str:
    """Return the key of what a GET or HEAD request asks for.

    Args:
        request: the request.
        host: from `normalised_host`.
        rule: the matching rule, whose query options count here.
        extra: further parts that tell requests apart.
    """
    query = request.query if rule is None else _keyed_query(request.query, rule)
    return _key(request.scheme, host, request.path, query, extra)


def _key(scheme: str, host: str, path: bytes, query: bytes, extra: tuple[bytes, ...]) -> str:
    target = path + b"?" + query if query else path
    readable = f"GET {scheme}://{host}{target.decode('latin-1')}"
    # Of a plain target, the bytes that may stand in one taken away, at most the "?" before the query is left.
    if (
        not extra
        and target.translate(None, _PLAIN) == (b"?" if query else b"")
        and len(readable) <= PLAIN_LENGTH
    ):
        return readable
    parts = (scheme.encode(), host.encode(), path, query, *extra)
    return f"GET {_NOT_PLAIN.sub('.', readable[4:PLAIN_LENGTH])}#{sha256(joined(parts)).hexdigest()}"


_KEYED: Final = METHOD_FIELDS | CREDENTIAL_FIELDS
_KEYED_ALL: Final = _KEYED | FORWARDING_FIELDS


def extra_parts(
    headers: RequestHeaders, fields: FieldLines, rule: Rule | None, *, trusted_forwarding: bool
) -> tuple[bytes, ...]:
    """Return the parts of the key beyond the URL: credentials, forwarding fields, and what a rule names."""
    if not fields and (rule is None or not (rule.vary_names or rule.keyed_cookies)):
        return ()
    unkeyed = _KEYED if trusted_forwarding else _KEYED_ALL
    parts = [
        part for name in sorted(unkeyed & fields.keys()) for part in _counted(b"field", name, fields[name])
    ]
    if rule is not None:
        parts.extend(_rule_parts(headers, fields, rule))
    return tuple(parts)


def _rule_parts(headers: RequestHeaders, fields: FieldLines, rule: Rule) -> Iterator[bytes]:
    for name, values in nominate(rule.vary_names, headers):
        yield from _counted(b"vary", name, values)
    if rule.keyed_cookies:
        sent = fields.get(b"cookie", ())
        cookies = tuple(request_cookies(sent))
        # Frameworks strip other white space than the standard does, and some find more cookies in a value: what they
        # take for a name may be one that counts.
        if not all(is_plain(name, value) for name, value in cookies):
            yield from _counted(b"cookies", b"", sent)
        for cookie in sorted(rule.keyed_cookies):
            values = tuple(value for name, value in cookies if name == cookie)
            yield from _counted(b"cookie", cookie.encode(), values)


def _counted(kind: bytes, name: bytes, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (kind, name, b"%d" % len(values), *values)


def callable_part(made: object) -> tuple[bytes, ...]:
    """Return the key part for what a rule's `key` gave.

    Raises:
        TypeError: it is neither str nor bytes.
    """
    if isinstance(made, str):
        return (b"key-str", made.encode("utf-8", "surrogatepass"))
    if isinstance(made, bytes):
        return (b"key-bytes", made)
    raise TypeError(f"key must return str, bytes or None, not {type(made).__name__}")


def _keyed_query(query: bytes, rule: Rule) -> bytes:
    if not query or not (rule.dropped_query or rule.kept_query or rule.sort_query):
        return query
    kept = [parameter for parameter in query.split(b"&") if _is_keyed(parameter, rule)]
    if rule.sort_query:
        # The order of parameters of one name stays: it may mean something.
        kept.sort(key=_parameter_name)
    return b"&".join(kept)


def _is_keyed(parameter: bytes, rule: Rule) -> bool:
    # Some applications take ";" for "&": behind it may stand a parameter that counts.
    if b";" in parameter:
        return True
    name = _parameter_name(parameter)
    if rule.kept_query:
        return rule.kept_query.fullmatch(name) is not None
    return rule.dropped_query is None or rule.dropped_query.fullmatch(name) is None


def _parameter_name(parameter: bytes) -> str:
    # As the application will read it: `%75tm_source` is utm_source.
    name = parameter.partition(b"=")[0].replace(b"+", b" ")
    return unquote_to_bytes(name).decode("utf-8", "surrogateescape")
