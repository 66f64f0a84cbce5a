"""May this response be stored (RFC 9111, section 3), and for how long?

The checks below run in the order in which they stand, those of directives and fields where there are any; the first
that objects decides. What passes is stored by the response's own freshness, else by a rule's ttl, else by the default,
else by heuristics.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from cachelayer.http.age import corrected_initial_age
from cachelayer.http.cache_control import INVALID, Directives, Invalid, of_message, parse
from cachelayer.http.conditional import is_etag
from cachelayer.http.cookies import set_cookie_name
from cachelayer.http.fields import index, well_formed
from cachelayer.http.freshness import explicit_lifetime, heuristic_lifetime
from cachelayer.http.guards import guard
from cachelayer.http.messages import FieldLines, Instructions, ResponseHead
from cachelayer.http.plan import Plan
from cachelayer.http.policy import HEADERS_ONLY, Policy
from cachelayer.http.reasons import Reason
from cachelayer.http.rules import DEFAULT_STATUSES, NEVER_BY_RULE, Rule
from cachelayer.http.staleness import windows
from cachelayer.http.targeted import targeted_directives
from cachelayer.http.vary import selecting_fields

#: Statuses whose caching requirements are met here (section 5.2.2.3).
_UNDERSTOOD: Final = frozenset(
    {200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504}
)
_PARTIAL: Final = frozenset({206, 304})
#: Answers about one request, to which a ttl that the application has said does not apply: of the errors of clients it
#: does to those that say what is there.
_FAULTS: Final = NEVER_BY_RULE | (frozenset(range(400, 500)) - {404, 410, 451})
#: Statuses of RFC 9110, section 15.1, that a heuristic may apply to, errors of one request left out.
_HEURISTIC: Final = DEFAULT_STATUSES | {203, 204, 300, 404}


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """A request, and the response head that came for it, with what was read from them once.

    Args:
        plan: of the request.
        rule: the rule for the response, which may be one by route.
        head: the response's status and fields.
        fields: the same fields, to look up in.
        directives: of the field that governs the response.
        targeted: that field is one for this cache (RFC 9213).
        request_time: when the request was sent on, in epoch seconds.
        response_time: when the head came, in epoch seconds.
        said: what the application said about it, or None.
    """

    plan: Plan
    rule: Rule | None
    head: ResponseHead
    fields: FieldLines
    directives: Directives
    targeted: bool
    request_time: float
    response_time: float
    said: Instructions | None = None

    @property
    def partial(self) -> bool:
        """Whether it is a part that was asked for, to be kept with other parts."""
        return self.head.status == 206 and b"range" in self.plan.fields

    @property
    def initial_age(self) -> float:
        """The response's corrected age when it came, in seconds."""
        return corrected_initial_age(self.fields, self.request_time, self.response_time)

    @property
    def shared(self) -> bool:
        """Whether the origin says that the response is for everyone."""
        return self.directives.grants(b"public") or isinstance(self.directives.seconds(b"s-maxage"), int)

    @property
    def no_cache(self) -> bool:
        """Whether it must be validated before each use (section 5.2.2.4); with field names as without."""
        return self.directives.has(b"no-cache")

    @property
    def has_validator(self) -> bool:
        """Whether the origin can be asked if it still holds."""
        return b"last-modified" in self.fields or self.etag is not None

    @property
    def etag(self) -> bytes | None:
        """Its entity tag as sent, if there is one and it can be read."""
        etags = self.fields.get(b"etag", ())
        return etags[0] if len(etags) == 1 and is_etag(etags[0]) else None

    @property
    def authorized(self) -> bool:
        """Whether a request's Authorization is no obstacle (section 3.5)."""
        return self.shared or self.directives.grants(b"must-revalidate")


class Freshness(msgspec.Struct, frozen=True, gc=False):
    """For how many seconds after its arrival a response is fresh, and by whose word."""

    reason: Reason
    seconds: float


def exchange(  # noqa: PLR0917 - all of them, in both places where it is called
    plan: Plan,
    head: ResponseHead,
    route: str | None,
    request_time: float,
    response_time: float,
    said: Instructions | None = None,
) -> Exchange:
    """Read what the decision needs from a response head."""
    policy = plan.policy
    fields = index(head.headers)
    targeted = targeted_directives(fields, policy.targets) if policy.targets else None
    directives = of_message(fields) if targeted is None else targeted
    # Only a rule by route can go before the one that made the key.
    rule = policy.rule_for(plan.request, route) if policy.has_routes else plan.rule
    return Exchange(
        plan, rule, head, fields, directives, targeted is not None, request_time, response_time, said
    )


def may_store(case: Exchange) -> Freshness | Reason:
    """Return the freshness to store a response with, or the reason not to. Never raises, whatever the response."""
    freshness = _objection(case) or _freshness(case)
    if isinstance(freshness, Reason):
        return freshness
    refused = guard(
        case.plan.fields, case.plan.rule, case.plan.policy,
        authorized=case.authorized, shared=case.shared, explicit=freshness.reason is Reason.EXPLICIT,
    )  # fmt: skip
    if refused is not None:
        return refused
    if not _well_formed(case.head):
        return Reason.MALFORMED_RESPONSE
    return freshness if freshness.seconds > 0 or _worth_keeping(case, freshness) else Reason.STALE


def refused_at_once(policy: Policy, head: ResponseHead) -> Reason | None:
    """Return the reason that most responses to GET have not to be stored, told without a closer look; or None.

    That is how most dynamic pages are: nothing in their fields lets them be stored, or their Cache-Control forbids it.
    """
    names = [name.lower() for name, _ in head.headers]
    required = policy.required
    if required and required.isdisjoint(names):
        return Reason.NO_FRESHNESS
    if policy.rule_list or policy.targets or head.status != 200 or head.trailers:
        return None
    if names.count(b"cache-control") != 1:
        return None
    value = head.headers[names.index(b"cache-control")][1]
    return _forbidden(value) if len(value) <= _COMMON_LENGTH else None


_COMMON_LENGTH: Final = 200


@lru_cache(maxsize=512)
def _forbidden(cache_control: bytes) -> Reason | None:
    """Return the reason not to store a response that a Cache-Control gives by itself, or None."""
    names = parse((cache_control,)).names
    if b"must-understand" in names:
        return None
    if b"no-store" in names:
        return Reason.NO_STORE
    return Reason.PRIVATE if b"private" in names else None


def _worth_keeping(case: Exchange, freshness: Freshness) -> bool:
    """Whether a response that is stale on arrival can be of use: validated, or within a stale window."""
    if freshness.reason is not Reason.EXPLICIT or (case.said is not None and case.said.ttl == 0):
        return False
    if case.has_validator and case.plan.policy.kept_seconds:
        return True
    stale = windows(case.directives, case.rule, case.said)
    return max(stale.while_revalidate, stale.if_error) > -freshness.seconds


def _objection(case: Exchange) -> Reason | None:
    for check in _CHECKS:
        if objection := check(case):
            return objection
    if case.directives.items:
        for check in _DIRECTIVE_CHECKS:
            if objection := check(case):
                return objection
    for name, check in _FIELD_CHECKS:
        if name in case.fields and (objection := check(case)):
            return objection
    return None


def _well_formed(head: ResponseHead) -> bool:
    return well_formed(((b"phrase", head.phrase), *head.headers) if head.phrase else head.headers)


def _method(case: Exchange) -> Reason | None:
    request = case.plan.request
    return None if request.method == "GET" or request.content is not None else Reason.HEAD


def _rule(case: Exchange) -> Reason | None:
    return Reason.DISABLED if case.rule is not None and not case.rule.enabled else None


def _range(case: Exchange) -> Reason | None:
    """A part is no answer to others, and some applications give one with status 200."""
    return Reason.RANGE if b"range" in case.plan.fields and not case.partial else None


def _said_no_store(case: Exchange) -> Reason | None:
    return Reason.VIEW if case.said is not None and case.said.no_store else None


def _request_no_store(case: Exchange) -> Reason | None:
    """Section 5.2.1.5."""
    return Reason.REQUEST_NO_STORE if case.plan.directives.has(b"no-store") else None


def _trailers(case: Exchange) -> Reason | None:
    """They are not stored, and without them it would be another response."""
    return Reason.TRAILERS if case.head.trailers else None


def _status(case: Exchange) -> Reason | None:
    """Section 3: the status is final; parts and confirmations are not answers."""
    status = case.head.status
    final = 200 <= status <= 599 and (status not in _PARTIAL or case.partial)
    return None if final else Reason.STATUS


def _no_store(case: Exchange) -> Reason | None:
    """Section 5.2.2.5, and 5.2.2.3: who understands the status ignores a no-store beside must-understand."""
    understood = case.directives.has(b"must-understand") and case.head.status in _UNDERSTOOD
    return Reason.NO_STORE if case.directives.has(b"no-store") and not understood else None


def _private(case: Exchange) -> Reason | None:
    """Section 5.2.2.7; with field names as without, since caches often treat both alike, and this one does."""
    return Reason.PRIVATE if case.directives.has(b"private") else None


def _no_cache(case: Exchange) -> Reason | None:
    """Section 5.2.2.4: without a validator, what must be validated before each use is of none."""
    useless = case.no_cache and not (case.has_validator and case.plan.policy.kept_seconds)
    return Reason.NO_CACHE if useless else None


def _must_understand(case: Exchange) -> Reason | None:
    """Section 5.2.2.3."""
    unknown = case.directives.has(b"must-understand") and case.head.status not in _UNDERSTOOD
    return Reason.MUST_UNDERSTAND if unknown else None


def _vary_star(case: Exchange) -> Reason | None:
    """Section 4.1: `*` is never matched, so there is no use in storing."""
    return Reason.VARY_STAR if selecting_fields(case.fields) is None else None


def _set_cookie(case: Exchange) -> Reason | None:
    """Section 7.3: a cookie is meant for one client."""
    cookies = case.fields[b"set-cookie"]
    if case.plan.policy.store_set_cookie and case.shared:
        return None
    kept = [cookie for cookie in cookies if not is_stripped(case.rule, cookie)]
    return Reason.SET_COOKIE if kept else None


def _event_stream(case: Exchange) -> Reason | None:
    for value in case.fields[b"content-type"]:
        if value[:17].lower() == b"text/event-stream":
            return Reason.EVENT_STREAM
    return None


def _length(case: Exchange) -> Reason | None:
    length = content_length(case.fields)
    if isinstance(length, Invalid):
        return Reason.MALFORMED_RESPONSE
    return Reason.TOO_LARGE if length is not None and length > case.plan.policy.max_body_bytes else None


_Check: TypeAlias = Callable[[Exchange], Reason | None]
_CHECKS: Final[tuple[_Check, ...]] = (
    _method,
    _rule,
    _said_no_store,
    _request_no_store,
    _range,
    _trailers,
    _status,
)
_DIRECTIVE_CHECKS: Final[tuple[_Check, ...]] = (_no_store, _private, _no_cache, _must_understand)
_FIELD_CHECKS: Final[tuple[tuple[bytes, _Check], ...]] = (
    (b"vary", _vary_star),
    (b"set-cookie", _set_cookie),
    (b"content-type", _event_stream),
    (b"content-length", _length),
)


def _freshness(case: Exchange) -> Freshness | Reason:
    policy, rule, status = case.plan.policy, case.rule, case.head.status
    said = case.said
    # It may have been said before the view failed, or found fault with this one request.
    if said is not None and said.ttl is not None and status not in _FAULTS:
        if not said.is_general:
            return Freshness(Reason.EXPLICIT, said.ttl)
        if status in DEFAULT_STATUSES:
            return Freshness(Reason.EXPLICIT if case.shared else Reason.RULE, said.ttl)
    overridden = rule is not None and rule.override and status in rule.ttls
    fields, received = case.fields, case.response_time
    explicit = explicit_lifetime(case.directives, fields, received, targeted=case.targeted)
    if explicit is not None and not overridden:
        return Freshness(Reason.EXPLICIT, explicit - case.initial_age)
    if case.no_cache:
        return Freshness(Reason.EXPLICIT, 0.0)
    # A ttl given here counts from here: a slow origin does not use it up.
    if (ttl := policy.ttl_for(rule, status)) is not None:
        return Freshness(Reason.RULE if rule is not None and status in rule.ttls else Reason.DEFAULT, ttl)
    if policy.heuristic_freshness and status in _HEURISTIC and rule is not HEADERS_ONLY:
        lifetime = heuristic_lifetime(fields, received)
        if lifetime is not None:
            return Freshness(Reason.HEURISTIC, lifetime - case.initial_age)
    return Reason.NO_FRESHNESS if policy.ttl_for(rule, 200) is None else Reason.STATUS


def is_stripped(rule: Rule | None, cookie: bytes) -> bool:
    """Whether the rule removes this Set-Cookie line from the stored response."""
    return rule is not None and rule.stripped.fullmatch(set_cookie_name(cookie)) is not None


def content_length(fields: FieldLines) -> int | Invalid | None:
    """Return Content-Length, None where it is absent, `Invalid` where lines disagree or are no number."""
    values = fields.get(b"content-length")
    if not values:
        return None
    value = values[0]
    agreed = len(values) == 1 or set(values) == {value}
    # Twenty digits are more than any body has, and int() refuses thousands of them.
    return int(value) if agreed and value.isdigit() and len(value) <= 20 else INVALID
