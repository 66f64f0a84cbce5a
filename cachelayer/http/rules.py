"""Rules: the caching options of one path pattern, method or route. They are checked where they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from types import MappingProxyType
from typing import Final, cast

from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.http import checks
from cachelayer.http.cookies import compile_names
from cachelayer.http.messages import Request
from cachelayer.http.patterns import compile_path, parameters

#: Statuses that a ttl of a rule or a default applies to, unless a rule names others.
DEFAULT_STATUSES: Final = frozenset({200, 301, 308, 410})

#: What one client's odd request or a passing failure can cause must not be served to all by a rule.
NEVER_BY_RULE: Final = frozenset(
    {206, 304, 400, 401, 405, 407, 413, 414, 416, 417, 429, 431, *range(500, 600)}
)

_CACHEABLE_METHODS: Final = ("GET", "HEAD", "QUERY")
#: By rule alone: that a POST changes nothing, as GraphQL's queries do, is known to nobody else.
_BY_RULE: Final = (*_CACHEABLE_METHODS, "POST")

#: Options that shape the key, which is made before the route is known.
_BEFORE_ROUTING: Final = ("ignore_query", "only_query", "sort_query", "vary", "cookies", "key", "bypass")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The options of the responses that match. Of several rules the first that matches counts.

    Args:
        path: "/static/*" or "/users/{id}", matched on the raw path (see `cachelayer.http.patterns`).
        methods: of GET, HEAD and QUERY; and POST, for requests that only ask, as those of GraphQL do: their content is
            part of the key. Without POST here no POST is looked up.
        route: a label such as "GET /users/{id}". It is known only when the response starts, so such a rule cannot
            also shape the key.
        ttl: how long a response without freshness of its own is fresh: seconds, `timedelta`, or "2h5m".
        client_ttl: how long clients may keep it, counted from when it was made, where it does not say so itself.
        override: the rule's ttl replaces the response's own freshness, never private, no-store or no-cache.
        stale_while_revalidate: how long after that it is served stale while it is refreshed, if it says nothing itself.
        stale_if_error: how long after that it is served stale where the application fails, likewise.
        status: ttl per status, for those named beside 200, 301, 308 and 410: `{404: 10}`.
        ignore_query: parameters that are not part of the key, with globs: ("utm_*",).
        only_query: the only parameters that are part of the key.
        sort_query: parameters in any order share an entry.
        vary: request fields that are part of the key.
        cookies: the cookies that the response depends on. They are part of the key; others, session cookies apart,
            no longer prevent caching. None: nothing is known about cookies.
        strip_cookies: cookies that are removed from the stored response, with globs; others prevent storing.
        tags: groups for invalidation, with parameters of the path: ("user:{id}",).
        key: gives a further part of the key for a request; None means that the request is not cached.
        bypass: tells which requests are not looked up.
        min_uses: how many requests there must be for a response, in this process, before it is stored.
        collapse: of requests that miss at the same time one goes to the application; None: as the middleware says.
        enabled: False: not looked up, not stored.

    Raises:
        ConfigurationError: a value cannot work.
        OptionTypeError: a value has the wrong type.
    """

    path: str | None = None
    methods: Iterable[str] = _CACHEABLE_METHODS
    route: str | None = None
    ttl: Duration = None
    client_ttl: Duration = None
    override: bool = False
    stale_while_revalidate: Duration = None
    stale_if_error: Duration = None
    status: Mapping[int, Duration] = field(default_factory=dict[int, Duration])
    ignore_query: Iterable[str] = ()
    only_query: Iterable[str] | None = None
    sort_query: bool = False
    vary: Iterable[str] = ()
    cookies: Iterable[str] | None = None
    strip_cookies: Iterable[str] = ()
    tags: Iterable[str] = ()
    key: Callable[[Request], str | bytes | None] | None = None
    bypass: Callable[[Request], bool] | None = None
    min_uses: int = 0
    collapse: bool | None = None
    enabled: bool = True

    pattern: re.Pattern[bytes] | None = field(init=False, repr=False, compare=False)
    client_seconds: float | None = field(init=False, repr=False, compare=False)
    revalidate_seconds: float | None = field(init=False, repr=False, compare=False)
    error_seconds: float | None = field(init=False, repr=False, compare=False)
    ttls: Mapping[int, float] = field(init=False, repr=False, compare=False)
    vary_names: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    keyed_cookies: frozenset[str] | None = field(init=False, repr=False, compare=False)
    stripped: re.Pattern[str] = field(init=False, repr=False, compare=False)
    dropped_query: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    kept_query: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    tag_templates: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for flag in ("override", "sort_query", "enabled"):
            checks.flag(getattr(self, flag), name=flag)
        if self.collapse is not None:
            checks.flag(self.collapse, name="collapse")
        checks.count(self.min_uses, name="min_uses")
        for function in ("key", "bypass"):
            checks.function(getattr(self, function), name=function)
        for name, value in self._compiled().items():
            object.__setattr__(self, name, value)
        self._check_together()

    def _compiled(self) -> dict[str, object]:
        pattern = None if self.path is None else compile_path(self.path)
        cookies = None if self.cookies is None else frozenset(checks.names(self.cookies, name="cookies"))
        ignore = checks.names(self.ignore_query, name="ignore_query")
        only = None if self.only_query is None else checks.names(self.only_query, name="only_query")
        return {
            "methods": _methods(self.methods),
            "pattern": pattern,
            "client_seconds": parse_duration(self.client_ttl, name="client_ttl"),
            "revalidate_seconds": parse_duration(self.stale_while_revalidate, name="stale_while_revalidate"),
            "error_seconds": parse_duration(self.stale_if_error, name="stale_if_error"),
            "ttls": MappingProxyType(_ttls(self.ttl, self.status)),
            "vary_names": checks.field_names(self.vary, name="vary"),
            "keyed_cookies": cookies,
            "stripped": compile_names(checks.names(self.strip_cookies, name="strip_cookies")),
            "dropped_query": compile_names(ignore) if ignore else None,
            "kept_query": None if only is None else compile_names(only),
            "tag_templates": _templates(self.tags, pattern),
        }

    def _check_together(self) -> None:
        if self.dropped_query and self.kept_query:
            raise ConfigurationError("ignore_query and only_query exclude each other; keep one of them")
        if self.override and not self.ttls:
            raise ConfigurationError(
                "override=True needs a ttl to put in place of the response's own; add ttl="
            )
        if self.route is None:
            return
        if not isinstance(self.route, str):
            raise OptionTypeError(f'route must be a label like "GET /users/{{id}}", not {self.route!r}')
        default = Rule()
        for name in _BEFORE_ROUTING:
            if getattr(self, name) != getattr(default, name):
                raise ConfigurationError(
                    f"{name}= cannot go with route=: the key is made before the route is known; give path= instead"
                )

    @property
    def isolating(self) -> bool:
        """Whether it keeps responses apart, or out of the cache, that would be shared without it."""
        return bool(
            not self.enabled or self.vary_names or self.key or self.bypass or self.keyed_cookies is not None
        )

    def matches(self, request: Request, route: str | None) -> bool:
        """Whether the rule is for this request. A rule by route is for none while `route` is None."""
        return (
            request.method in self.methods
            and (self.pattern is None or self.pattern.fullmatch(request.path) is not None)
            and (self.route is None or self.route == route)
        )

    def tags_of(self, path: bytes) -> tuple[str, ...]:
        """Return the rule's tags for a raw path."""
        if not self.tag_templates:
            return ()
        values = {} if self.pattern is None else parameters(self.pattern, path)
        return tuple(template.format_map(values) for template in self.tag_templates)


def _methods(value: object) -> tuple[str, ...]:
    found = checks.names(value, name="methods")
    for method in found:
        if method not in _BY_RULE:
            raise ConfigurationError(
                f"methods holds {method!r}: only {', '.join(_BY_RULE)} are cached; leave it out"
            )
    return found


def _ttls(ttl: Duration, status: object) -> dict[int, float]:
    if not isinstance(status, Mapping):
        raise OptionTypeError(f"status must map statuses to ttls, like {{404: 10}}, not {status!r}")
    seconds = parse_duration(ttl, name="ttl")
    found = {} if seconds is None else dict.fromkeys(DEFAULT_STATUSES, seconds)
    for code, duration in cast("Mapping[object, Duration]", status).items():
        found[_status(code)] = _required(duration, f"status[{code}]")
    return found


def _status(code: object) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise OptionTypeError(
            f"status holds {code!r}, which is no status code; write it as a number, like 404"
        )
    if not 200 <= code <= 599 or code in NEVER_BY_RULE:
        raise ConfigurationError(
            f"status holds {code}, which no rule can store; let the response say so by Cache-Control"
        )
    return code


def _required(duration: Duration, name: str) -> float:
    seconds = parse_duration(duration, name=name)
    if seconds is None:
        raise ConfigurationError(f"{name} needs a ttl, not None; leave the status out to not store it")
    return seconds


def _templates(tags: object, pattern: re.Pattern[bytes] | None) -> tuple[str, ...]:
    found = checks.names(tags, name="tags")
    known = set(pattern.groupindex) if pattern else set[str]()
    for template in found:
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise ConfigurationError(
                f"tags holds {template!r}: {error}; braces hold a name of the path"
            ) from error
        for _, name, spec, conversion in parts:
            if name is not None and (name not in known or spec or conversion):
                raise ConfigurationError(
                    f"tags holds {template!r}, but path has no parameter {name!r}; it has {sorted(known)}"
                )
    return found
