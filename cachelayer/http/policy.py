"""All that a middleware is told about caching, as one frozen value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

import msgspec

from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import OptionTypeError
from cachelayer.http import checks
from cachelayer.http.cache_status import cache_name
from cachelayer.http.cookies import ANALYTICS_COOKIES, SESSION_COOKIES, compile_names
from cachelayer.http.messages import Request
from cachelayer.http.patterns import ambiguous, unreserved_decoded
from cachelayer.http.rules import DEFAULT_STATUSES, Rule

#: The fields that can give a response a freshness of its own, or say why it must not be stored.
_EXPLICIT: Final = frozenset({b"cache-control", b"expires", b"pragma"})
DEFAULT_MAX_BODY_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True, eq=False)
class Policy:
    """The caching options of one middleware.

    Args:
        default_ttl: how long a response without freshness of its own is fresh, in seconds; None: it is not stored.
        rules: the first that matches counts.
        cache_status: the cache's name in Cache-Status; None adds the field to nothing.
        ignore_cookies: request cookies that no response depends on, with globs.
        session_cookies: names of cookies that identify a user, with globs, in any case.
        store_set_cookie: store a response with Set-Cookie if it says `public` or `s-maxage`.
        trusted_forwarding: X-Forwarded-Host and the like come from a proxy that overwrites them, and need not be
            part of the key.
        trust_request_directives: clients may bypass the cache with Cache-Control and Pragma.
        targeted: fields for this cache that override Cache-Control, such as "CDN-Cache-Control" (RFC 9213).
        max_body_bytes: larger bodies are passed on and not stored.
        heuristic_freshness: a response with Last-Modified, and nothing else, is fresh for a tenth of its age.
        keep_stale: how long a stale response with a validator is kept, for the origin to confirm it.
        collapse: of requests that miss at the same time one goes to the application, and the others wait for it.
        collapse_timeout: how long they wait at most, before they go on by themselves.
        shadow: serve nothing from the cache, but look everything up and compare (see `cachelayer.exchange.shadow`).

    Raises:
        ConfigurationError: a value cannot work.
        OptionTypeError: a value has the wrong type.
    """

    default_ttl: Duration = None
    rules: Iterable[Rule] = ()
    cache_status: str | None = "cachelayer"
    ignore_cookies: Iterable[str] = ANALYTICS_COOKIES
    session_cookies: Iterable[str] = SESSION_COOKIES
    store_set_cookie: bool = False
    trusted_forwarding: bool = False
    trust_request_directives: bool = True
    targeted: Iterable[str] = ()
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    heuristic_freshness: bool = False
    keep_stale: Duration = 3600.0
    collapse: bool = True
    collapse_timeout: Duration = 30.0
    shadow: bool = False

    default_seconds: float | None = field(init=False, repr=False, compare=False)
    kept_seconds: float = field(init=False, repr=False, compare=False)
    patience: float | None = field(init=False, repr=False, compare=False)
    rule_list: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    has_patterns: bool = field(init=False, repr=False, compare=False)
    isolating: bool = field(init=False, repr=False, compare=False)
    has_routes: bool = field(init=False, repr=False, compare=False)
    status_name: str | None = field(init=False, repr=False, compare=False)
    ignored: re.Pattern[str] = field(init=False, repr=False, compare=False)
    session: re.Pattern[str] = field(init=False, repr=False, compare=False)
    targets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    #: The fields without one of which no response is stored; empty where rules or defaults may give a ttl.
    required: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for flag in (
            "store_set_cookie",
            "trusted_forwarding",
            "trust_request_directives",
            "heuristic_freshness",
            "collapse",
            "shadow",
        ):
            checks.flag(getattr(self, flag), name=flag)
        checks.count(self.max_body_bytes, name="max_body_bytes")
        session = checks.names(self.session_cookies, name="session_cookies")
        rules, targets = _rules(self.rules), checks.field_names(self.targeted, name="targeted")
        silent = (
            self.default_ttl is None and not self.heuristic_freshness and not any(rule.ttls for rule in rules)
        )
        compiled: dict[str, object] = {
            "default_seconds": parse_duration(self.default_ttl, name="default_ttl"),
            "kept_seconds": parse_duration(self.keep_stale, name="keep_stale") or 0.0,
            "patience": parse_duration(self.collapse_timeout, name="collapse_timeout"),
            "rule_list": rules,
            "has_patterns": any(rule.pattern is not None for rule in rules),
            "isolating": any(rule.isolating for rule in rules),
            "has_routes": any(rule.route is not None for rule in rules),
            "status_name": None if self.cache_status is None else cache_name(self.cache_status),
            "ignored": compile_names(checks.names(self.ignore_cookies, name="ignore_cookies")),
            "session": compile_names(session, ignore_case=True),
            "targets": targets,
            "required": _EXPLICIT.union(targets) if silent else frozenset[bytes](),
        }
        for name, value in compiled.items():
            object.__setattr__(self, name, value)

    def rule_for(self, request: Request, route: str | None = None) -> Rule | None:
        """Return the first rule that matches, or None. Rules by route need the label in `route`."""
        if not self.rule_list:
            return None
        # An ambiguous path may be any page, one that a rule keeps out of the cache or from other users too. So it is
        # judged by the headers of its response only, or not cached at all.
        if self.has_patterns and (ambiguous(request.path) or ambiguous(request.original or b"")):
            return NOTHING if self.isolating else HEADERS_ONLY
        if b"%" in request.path:
            request = msgspec.structs.replace(request, path=unreserved_decoded(request.path))
        return next((rule for rule in self.rule_list if rule.matches(request, route)), None)

    def ttl_for(self, rule: Rule | None, status: int) -> float | None:
        """Return the ttl in seconds that a rule, or else the default, gives to a status."""
        if rule is HEADERS_ONLY:
            return None
        if rule is not None and status in rule.ttls:
            return rule.ttls[status]
        return self.default_seconds if status in DEFAULT_STATUSES else None


#: The rule that gives nothing.
HEADERS_ONLY: Final = Rule()
#: The rule that lets nothing be cached.
NOTHING: Final = Rule(enabled=False)


def _rules(value: object) -> tuple[Rule, ...]:
    if isinstance(value, Rule) or not isinstance(value, Iterable):
        raise OptionTypeError(f"rules must be a tuple of Rule, not {value!r}; for one rule write (rule,)")
    found = tuple(cast("Iterable[object]", value))
    for item in found:
        if not isinstance(item, Rule):
            raise OptionTypeError(f"rules holds {item!r}; make it a cachelayer Rule(path=..., ttl=...)")
    return cast("tuple[Rule, ...]", found)
