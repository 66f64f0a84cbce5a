"""What is to be done for a request before anything is looked up: bypass the cache, or ask the store for a key."""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.http.bodies import body_part
from cachelayer.http.cache_control import NO_DIRECTIVES, Directives, of_pragma, parse
from cachelayer.http.cache_status import Forward
from cachelayer.http.keys import (
    CREDENTIAL_FIELDS,
    FORWARDING_FIELDS,
    METHOD_FIELDS,
    callable_part,
    extra_parts,
    normalised_host,
    plain_key,
    primary_key,
)
from cachelayer.http.messages import FieldLines, Request
from cachelayer.http.policy import Policy
from cachelayer.http.reasons import Reason
from cachelayer.http.rules import Rule

_METHODS: Final = frozenset({"GET", "HEAD"})
#: Methods whose content can be part of the key.
WITH_CONTENT: Final = frozenset({"QUERY", "POST"})
_PRECONDITIONS: Final = frozenset({b"if-match", b"if-unmodified-since"})
_HOST: Final = b"host"
#: The fields that say something to a cache whatever the rules are.
RELEVANT: Final = (
    frozenset({_HOST, b"authorization", b"cookie", b"cache-control", b"pragma", b"range"})
    | {b"if-none-match", b"if-modified-since", b"if-range", b"content-length", b"transfer-encoding"}
    | {b"upgrade"}
    | _PRECONDITIONS
    | FORWARDING_FIELDS
    | METHOD_FIELDS
    | CREDENTIAL_FIELDS
)
#: Fields that most requests have and that do not matter, as most servers spell them: the quickest way past them.
_USUAL: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"accept-language", b"connection", b"content-type", b"dnt",
        b"origin", b"priority", b"referer", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest",
        b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user", b"te", b"upgrade-insecure-requests", b"user-agent",
        b"via", b"x-forwarded-for", b"x-real-ip", b"x-request-id",
    }
)  # fmt: skip


class Plan(msgspec.Struct, frozen=True):
    """The decision on a request.

    Args:
        request: the request.
        policy: the options it is judged by.
        key: the primary key to look up, or None: bypass.
        reason: why it bypasses, or None.
        rule: the rule that made the key, or None.
        fields: the lines of the fields that matter to a cache, by lower-case name, Host apart. Mostly empty.
        directives: what the request's Cache-Control asks for, empty where that is not trusted.
        url: where the key has more in it than the URL, the key that the URL alone would have: all that is stored for
            one URL is found by it; else None.
    """

    request: Request
    policy: Policy
    key: str | None = None
    reason: Reason | None = None
    rule: Rule | None = None
    fields: FieldLines = {}
    directives: Directives = NO_DIRECTIVES
    url: str | None = None

    @property
    def forward(self) -> Forward | None:
        """Why the request goes to the origin without a lookup, in the words of Cache-Status."""
        if self.key is not None:
            return None
        return Forward.METHOD if self.reason is Reason.METHOD else Forward.BYPASS


def plan_lookup(request: Request, policy: Policy) -> Plan:
    """Decide whether a request is looked up, and under which key. Never raises, whatever the request."""
    if request.method not in _METHODS and request.content is None:
        return Plan(request, policy, reason=Reason.METHOD)
    fields, hosts = _relevant(request)
    plain = not fields and not policy.rule_list and request.original is None and request.content is None
    if plain and len(hosts) == 1:
        # Most requests: nothing in them matters but what they ask for.
        key = plain_key(request.scheme, hosts[0], request.path, request.query)
        return Plan(request, policy, key, Reason.MALFORMED_REQUEST if key is None else None)
    rule = policy.rule_for(request) if policy.rule_list else None
    reason = _bypass_by_fields(fields, request) if fields else None
    if rule is not None and reason is None:
        reason = _bypass_by_rule(rule, request)
    if reason is not None:
        return Plan(request, policy, reason=reason, rule=rule, fields=fields)
    return _keyed(request, policy, rule, fields, hosts)


def _keyed(
    request: Request, policy: Policy, rule: Rule | None, fields: FieldLines, hosts: tuple[bytes, ...]
) -> Plan:
    host = normalised_host(request.scheme, hosts[0]) if len(hosts) == 1 else None
    if host is None or not request.path.startswith(b"/"):
        return Plan(request, policy, reason=Reason.MALFORMED_REQUEST, rule=rule, fields=fields)
    extra: tuple[bytes, ...] = ()
    if fields or rule is not None:
        extra = extra_parts(request.headers, fields, rule, trusted_forwarding=policy.trusted_forwarding)
    if request.original is not None:
        extra += (b"original", request.original)
    if request.content is not None:
        extra += body_part(request, request.content)
    if rule is not None and rule.key is not None:
        made = _called(rule, request)
        if isinstance(made, Reason):
            return Plan(request, policy, reason=made, rule=rule, fields=fields)
        extra += made
    key = primary_key(request, host, rule, extra)
    directives = _directives(fields, policy) if fields else NO_DIRECTIVES
    url = primary_key(request, host, rule) if extra else None
    return Plan(request, policy, key, None, rule, fields, directives, url)


def _relevant(request: Request) -> tuple[FieldLines, tuple[bytes, ...]]:
    """Return the lines of the fields that matter, and apart from them those of Host."""
    if request.relevant is not None:
        return request.relevant, (request.host or b"",)
    fields: dict[bytes, tuple[bytes, ...]] = {}
    for field, value in request.headers:
        if field in _USUAL:
            continue
        # To an application behind CGI or WSGI "_" and "-" are one.
        name = field.lower().replace(b"_", b"-")
        if name in RELEVANT:
            fields[name] = (*fields[name], value) if name in fields else (value,)
    return fields, fields.pop(_HOST, None) or (request.host or b"",)


def needs_content(request: Request, policy: Policy) -> bool:
    """Whether a request is only looked up with its content in the key: QUERY, and POST where a rule names it."""
    if request.method not in WITH_CONTENT:
        return False
    if request.method == "QUERY":
        return True
    rule = policy.rule_for(request)
    return rule is not None and "POST" in rule.methods


def as_get(plan: Plan, request: Request) -> Plan:
    """Return how a GET would be looked up that has all that a request has but its content."""
    told = request.relevant
    asked = Request(
        "GET",
        request.scheme,
        request.path,
        request.query,
        tuple(line for line in request.headers if line[0].lower() not in _OF_CONTENT),
        request.host,
        request.original,
        None if told is None else {name: lines for name, lines in told.items() if name not in _OF_CONTENT},
        search=request.search,
    )
    return plan_lookup(asked, plan.policy)


_OF_CONTENT: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"content-type", b"content-encoding"}
)


def _bypass_by_fields(fields: FieldLines, request: Request) -> Reason | None:
    if not _PRECONDITIONS.isdisjoint(fields):
        return Reason.PRECONDITION
    if any(b"websocket" in protocol.lower() for protocol in fields.get(b"upgrade", ())):
        return Reason.UPGRADE
    return Reason.BODY if request.content is None and _has_body(fields) else None


def _has_body(fields: FieldLines) -> bool:
    # An application that reads the body of a GET answers by what the key does not know.
    lengths = fields.get(b"content-length", ())
    return b"transfer-encoding" in fields or any(
        length.strip(b" \t") not in (b"", b"0") for length in lengths
    )


def _bypass_by_rule(rule: Rule, request: Request) -> Reason | None:
    if not rule.enabled:
        return Reason.DISABLED
    try:
        return Reason.PREDICATE if rule.bypass is not None and rule.bypass(request) else None
    # The application's own answer matters more than a mistake in what was to speed it up.
    except Exception:  # noqa: BLE001 - whatever a user's function raises
        return Reason.RULE_ERROR


def _called(rule: Rule, request: Request) -> tuple[bytes, ...] | Reason:
    try:
        made = None if rule.key is None else rule.key(request)
        return Reason.PREDICATE if made is None else callable_part(made)
    except Exception:  # noqa: BLE001 - as above
        return Reason.RULE_ERROR


def _directives(fields: FieldLines, policy: Policy) -> Directives:
    if not policy.trust_request_directives:
        return NO_DIRECTIVES
    asked = parse(fields[b"cache-control"]) if b"cache-control" in fields else NO_DIRECTIVES
    return asked if asked.items or b"pragma" not in fields else of_pragma(fields[b"pragma"])
