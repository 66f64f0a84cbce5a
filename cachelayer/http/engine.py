"""What a shell calls, in this order: plan, evaluate, then either answer, or admit, forwarded_headers, complete, writes.

plan      = plan_lookup(request, policy)                  plan.key is None: bypass, call the application
entry     = the store's, under plan.key; of a VariantIndex the one under variant_of(entry, plan)
reuse     = evaluate(entry, plan, now)
answer    = answer(entry, plan, reuse, now)               where reuse.answers; else the application, asked to validate
                                                          the entry where reuse.selected; and with its head:
updated   = update(plan, entry, head, ...)                where that is 304: the entry holds, with new fields
answer    = confirmed(...), instead_of_error(...)         what the client then gets, or where the application failed
admission = admit(plan, head, request_time=, response_time=, label=, said=)
headers   = forwarded_headers(plan, reuse, admission)     what the client gets
stored    = complete(admission, body)                     at the end of the body, if admission.store
writes    = writes(plan, stored, entry, max_variants)     what to put into the store
"""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.http import cache_status
from cachelayer.http.age import age_field, current_age, date_value
from cachelayer.http.cache_control import Invalid
from cachelayer.http.cache_status import Forward
from cachelayer.http.conditional import not_modified, not_modified_headers
from cachelayer.http.dates import parse_date
from cachelayer.http.fields import storable
from cachelayer.http.groups import group_tags
from cachelayer.http.messages import (
    Answer,
    Entry,
    FieldLines,
    Headers,
    Instructions,
    ResponseHead,
    StoredResponse,
    Variant,
    VariantIndex,
)
from cachelayer.http.no_vary_search import EVERYTHING, SearchVariance, parse
from cachelayer.http.partial import PartialResponse, is_part, ranged_partial
from cachelayer.http.plan import Plan, plan_lookup
from cachelayer.http.ranges import ranged
from cachelayer.http.reasons import Reason
from cachelayer.http.reuse import FRESH, GATEWAY_TIMEOUT, Reuse, evaluate
from cachelayer.http.rules import Rule
from cachelayer.http.staleness import windows
from cachelayer.http.storing import (
    Exchange,
    Freshness,
    content_length,
    exchange,
    is_stripped,
    may_store,
    refused_at_once,
)
from cachelayer.http.uris import target_of
from cachelayer.http.validation import updated_headers
from cachelayer.http.vary import find_variant, nominate, selecting_fields, variant_key, with_variant
from cachelayer.outcomes import Outcome

__all__ = [
    "Admission", "Update", "Writes", "admit", "answer", "answer_collapsed", "answer_confirmed", "answer_instead",
    "answer_partial",
    "complete", "evaluate", "forwarded_headers", "plan_lookup", "update", "variant_of", "writes",
]  # fmt: skip

_NO_CONTENT: Final = ((b"content-length", b"0"),)


class Admission(msgspec.Struct, frozen=True, gc=False):
    """The decision on a response head.

    Args:
        reason: by whose word it is stored, or why not.
        head: what the client is to get, Cache-Status apart.
        max_body_bytes: how much of the body to collect at most.
        draft: what will be stored, still without its body, or None: not stored.
        content_length: how long the body must be, or None: it is not said.
        bypassed: there was no lookup.
        rule: the rule for the response, or None.
        search: what of the query the response says that it depends on.
    """

    reason: Reason
    head: ResponseHead
    max_body_bytes: int = 0
    draft: StoredResponse | None = None
    content_length: int | None = None
    bypassed: bool = False
    rule: Rule | None = None
    search: SearchVariance = EVERYTHING

    @property
    def store(self) -> bool:
        """Whether the body is to be collected."""
        return self.draft is not None

    @property
    def outcome(self) -> Outcome:
        """The outcome, now that the origin has answered."""
        if self.draft is not None:
            return Outcome.MISS
        return Outcome.BYPASS if self.bypassed else Outcome.UNCACHEABLE


class Writes(msgspec.Struct, frozen=True, gc=False):
    """What to put into the store, in this order, each entry until its `keep_until`, and which keys to delete."""

    entries: tuple[tuple[str, Entry], ...]
    deleted: tuple[str, ...] = ()


def variant_of(index: VariantIndex, plan: Plan) -> str | None:
    """Return the key of the newest variant that the request selects, or None."""
    return None if plan.key is None else find_variant(index, plan.key, plan.request)


def answer(entry: Entry | None, plan: Plan, reuse: Reuse, now: float) -> Answer:
    """Return the response that the cache makes by itself; of HEAD it has no body.

    Args:
        entry: what `reuse` is about.
        plan: of the request.
        reuse: what `evaluate` decided; it has `answers`.
        now: epoch seconds.
    """
    name = plan.policy.status_name
    if not isinstance(entry, StoredResponse) or reuse is GATEWAY_TIMEOUT:
        made_by_itself = () if name is None else (cache_status.generated(name, Reason.ONLY_IF_CACHED),)
        return Answer(504, _NO_CONTENT, made_by_itself, b"")
    age = age_field(int(current_age(entry, now)))
    added: Headers = (age,) if name is None else (age, cache_status.hit(name, int(entry.fresh_until - now)))
    if reuse is not FRESH or plan.fields:
        return _selected(entry, plan, added, now)
    body = b"" if plan.request.method == "HEAD" else entry.body
    return Answer(entry.status, entry.headers, added, body, entry.phrase)


def _selected(entry: StoredResponse, plan: Plan, added: Headers, now: float) -> Answer:
    """Return what of a stored response answers the request: all, some ranges, or that the client has it."""
    fields = plan.fields
    if fields and plan.request.method != "POST" and not_modified(fields, entry, now):
        return Answer(304, not_modified_headers(entry), added, b"")
    if plan.request.method == "HEAD":
        return Answer(entry.status, entry.headers, added, b"", entry.phrase)
    if b"range" in fields:
        part = ranged(entry, plan.request.method, fields)
        if part is not None:
            return Answer(part.status, part.headers, added, part.body)
    return Answer(entry.status, entry.headers, added, entry.body, entry.phrase)


def answer_collapsed(entry: StoredResponse, plan: Plan, forward: Forward, now: float) -> Answer:
    """Return the answer to a request that waited for another one's response.

    Args:
        entry: that response.
        plan: of the request that waited.
        forward: why the request would have gone to the origin.
        now: epoch seconds.
    """
    name = plan.policy.status_name
    status = () if name is None else (cache_status.collapsed(name, forward, int(entry.fresh_until - now)),)
    return _selected(entry, plan, (_age(entry, now), *status), now)


def answer_confirmed(
    entry: StoredResponse, plan: Plan, forward: Forward, now: float, head: ResponseHead, *, stored: bool
) -> Answer:
    """Return the answer with a stored response that the origin has just confirmed by 304.

    Args:
        entry: the response with its fields updated.
        plan: of the request.
        forward: why the origin was asked.
        now: epoch seconds.
        head: the 304. Its cookies are for this client, and nobody else.
        stored: it goes on being stored.
    """
    name = plan.policy.status_name
    status = () if name is None else (cache_status.confirmed(name, forward, head.status, stored=stored),)
    cookies = tuple(field for field in head.headers if field[0].lower() == b"set-cookie")
    return _selected(entry, plan, (*cookies, _age(entry, now), *status), now)


def answer_instead(
    entry: StoredResponse, plan: Plan, status: int | None, now: float, *, asked: bool = True
) -> Answer:
    """Return the stale answer in place of a failure of the origin (RFC 5861, section 4).

    Args:
        entry: the stale response.
        plan: of the request.
        status: what the origin answered, None where it raised or was not asked.
        now: epoch seconds.
        asked: the origin was asked; False while it is left alone for having failed.
    """
    name, ttl = plan.policy.status_name, int(entry.fresh_until - now)
    said: Headers = ()
    if name is not None:
        said = (cache_status.stale_instead(name, status, ttl, Reason.STALE_IF_ERROR.value, asked=asked),)
    return _selected(entry, plan, (_age(entry, now), *said), now)


def answer_partial(entry: PartialResponse, plan: Plan, now: float) -> Answer | None:
    """Return the answer to a request for ranges that the parts of a response have, or None (RFC 9111, section 3.4).

    Args:
        entry: the parts, fresh and selected by the request.
        plan: of the request.
        now: epoch seconds.
    """
    part = ranged_partial(entry, plan.request.method, plan.fields)
    if part is None:
        return None
    name, response = plan.policy.status_name, entry.response
    said = () if name is None else (cache_status.hit(name, int(response.fresh_until - now)),)
    return Answer(part.status, part.headers, (_age(response, now), *said), part.body)


def _age(entry: StoredResponse, now: float) -> tuple[bytes, bytes]:
    return age_field(int(current_age(entry, now)))


def admit(
    plan: Plan,
    head: ResponseHead,
    *,
    request_time: float,
    response_time: float,
    label: str | None = None,
    said: Instructions | None = None,
) -> Admission:
    """Decide at the start of a response whether it is to be stored.

    Args:
        plan: of the request.
        head: the application's status and fields.
        request_time: when the application was called, in epoch seconds.
        response_time: when it gave the head, in epoch seconds.
        label: the route, where it is known by now.
        said: what the application said about its response, or None.
    """
    if plan.key is None:
        return Admission(plan.reason or Reason.METHOD, head, bypassed=True)
    if said is None and plan.request.method == "GET":
        refused = refused_at_once(plan.policy, head)
        # Of a request for a part, or one not to be stored, that is the reason, unless there is nothing to store anyway.
        if refused is Reason.NO_FRESHNESS or (
            refused is not None and not plan.directives.items and b"range" not in plan.fields
        ):
            return Admission(refused, head)
    case = exchange(plan, head, label, request_time, response_time, said)
    freshness = may_store(case)
    if isinstance(freshness, Reason):
        return Admission(freshness, head, rule=case.rule)
    sent = ResponseHead(head.status, _client_headers(case), head.phrase)
    length = content_length(case.fields)
    draft = _draft(case, sent, freshness, label or "")
    if draft.status == 206 and not is_part(draft, plan.policy.max_body_bytes):
        return Admission(Reason.RANGE, head, rule=case.rule)
    return Admission(
        freshness.reason,
        sent,
        plan.policy.max_body_bytes,
        draft,
        None if isinstance(length, Invalid) else length,
        rule=case.rule,
        search=parse(case.fields),
    )


class Update(msgspec.Struct, frozen=True, gc=False):
    """A stored response that the origin has confirmed: with its fields updated, and whether it may stay stored."""

    response: StoredResponse
    reason: Reason
    stays: bool


def update(
    plan: Plan,
    stored: StoredResponse,
    head: ResponseHead,
    *,
    request_time: float,
    response_time: float,
    said: Instructions | None = None,
) -> Update:
    """Update a stored response by a 304, or by a response to HEAD that fits it (RFC 9111, sections 3.2, 4.3.4, 4.3.5).

    Args:
        plan: of the request.
        stored: what is stored.
        head: the new status and fields.
        request_time: when the application was called, in epoch seconds.
        response_time: when it gave the head, in epoch seconds.
        said: what the application said about its response, or None.
    """
    # Its age is what the confirmation says (section 4.2.3); it is not kept.
    ages = tuple(field for field in head.headers if field[0].lower() == b"age")
    fields = (*updated_headers(stored.headers, head.headers), *ages)
    whole = ResponseHead(stored.status, fields, stored.phrase)
    for_get = plan
    if plan.request.method != "GET":
        for_get = msgspec.structs.replace(plan, request=msgspec.structs.replace(plan.request, method="GET"))
    case = exchange(for_get, whole, stored.label, request_time, response_time, said)
    freshness = may_store(case)
    given = Freshness(Reason.STALE, 0.0) if isinstance(freshness, Reason) else freshness
    draft = _draft(case, whole, given, stored.label)
    tags = tuple(dict.fromkeys((*draft.tags, *stored.tags)))
    # The body goes on being what was selected by all that it varied by, whatever less the confirmation lists.
    names = {name for name, _ in (*draft.vary, *stored.vary)}
    vary = nominate(tuple(sorted(names)), plan.request.headers)
    response = msgspec.structs.replace(draft, body=stored.body, tags=tags, vary=vary)
    return Update(
        response,
        freshness if isinstance(freshness, Reason) else freshness.reason,
        not isinstance(freshness, Reason),
    )


def _draft(case: Exchange, sent: ResponseHead, freshness: Freshness, label: str) -> StoredResponse:
    fields, request = case.fields, case.plan.request
    fresh_until = case.response_time + freshness.seconds
    stale = windows(case.directives, case.rule, case.said)
    kept = case.plan.policy.kept_seconds if case.has_validator else 0.0
    tags = () if case.rule is None else case.rule.tags_of(request.path)
    if b"cache-groups" in fields:
        target = target_of(request)
        tags += () if target is None else group_tags(target.origin, fields)
    return StoredResponse(
        status=sent.status,
        headers=_kept(sent.headers, case.rule),
        body=b"",
        request_time=case.request_time,
        response_time=case.response_time,
        initial_age=case.initial_age,
        fresh_until=fresh_until,
        vary=nominate(selecting_fields(fields) or (), request.headers),
        label=label,
        tags=tags if case.said is None else tuple(dict.fromkeys((*tags, *case.said.tags))),
        authorized=case.authorized,
        shared=case.shared,
        explicit=freshness.reason is Reason.EXPLICIT,
        no_cache=case.no_cache,
        must_revalidate=any(map(case.directives.has, _REVALIDATING)),
        etag=case.etag,
        last_modified=_modification_date(fields, case.response_time),
        phrase=sent.phrase,
        stale_until=fresh_until + stale.while_revalidate if stale.while_revalidate else 0.0,
        error_until=fresh_until + stale.if_error if stale.if_error else 0.0,
        kept_until=max(fresh_until, case.response_time) + kept if kept else 0.0,
    )


_REVALIDATING: Final = (b"must-revalidate", b"proxy-revalidate", b"s-maxage")


def _kept(headers: Headers, rule: Rule | None) -> Headers:
    return tuple(
        (name, value)
        for name, value in storable(headers)
        if name.lower() != b"set-cookie" or not is_stripped(rule, value)
    )


def _modification_date(fields: FieldLines, received: float) -> float | None:
    """RFC 9111, section 4.3.2: where there is no Last-Modified, Date or the time of receipt."""
    modified = fields.get(b"last-modified", ())
    return parse_date(modified[0], received) if modified else date_value(fields, received)


def _client_headers(case: Exchange) -> Headers:
    """Add what the rule's `client_ttl` says to clients, where the response itself does not speak to them."""
    headers, rule = case.head.headers, case.rule
    if rule is None or rule.client_seconds is None:
        return headers
    speaks = (b"cache-control", b"expires")
    if rule.override:
        headers = tuple(field for field in headers if field[0].lower() not in speaks)
    elif any(name.lower() in speaks for name, _ in headers):
        return headers
    # What is kept apart here by more than the URL would be mixed up by a shared cache that knows only the URL.
    scope = b"private, " if rule.keyed_cookies or rule.key or rule.vary_names else b""
    return (*headers, (b"cache-control", b"%bmax-age=%d" % (scope, rule.client_seconds)))


def forwarded_headers(plan: Plan, reuse: Reuse, admission: Admission) -> Headers:
    """Return the fields of the origin's response for the client: with Cache-Status where there was a lookup."""
    name = plan.policy.status_name
    if name is None or plan.key is None or reuse.forward is None:
        return admission.head.headers
    stored = admission.draft is not None
    added = cache_status.forwarded(name, reuse.forward, stored, None if stored else admission.reason)
    return (*admission.head.headers, added)


def complete(admission: Admission, body: bytes) -> StoredResponse | Reason:
    """Return the response to store, now that its body has come to its regular end, or the reason not to store it."""
    if admission.draft is None:
        return admission.reason
    if len(body) > admission.max_body_bytes:
        return Reason.TOO_LARGE
    # RFC 9111, section 3.3: what is shorter than it says is incomplete; what is longer is no better.
    if admission.content_length not in (None, len(body)):
        return Reason.INCOMPLETE
    return msgspec.structs.replace(admission.draft, body=body)


def writes(plan: Plan, stored: StoredResponse, current: Entry | None, max_variants: int) -> Writes:
    """Return what to write for a response to be stored.

    Args:
        plan: of the request that caused it.
        stored: the response.
        current: what is under the primary key now.
        max_variants: how many variants one URL may have.
    """
    key = plan.key or ""
    if not stored.vary:
        # It answers every request of this URL, and is newer than all variants.
        older = current.variants if isinstance(current, VariantIndex) else ()
        return Writes(((key, stored),), tuple(variant.key for variant in older))
    variant = Variant(
        tuple(name for name, _ in stored.vary), variant_key(key, stored.vary), stored.keep_until
    )
    index, dropped = with_variant(current, variant, max_variants)
    return Writes(((variant.key, stored), (key, index)), dropped)
