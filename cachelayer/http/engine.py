"""What a shell calls, in this order: plan, evaluate, then either answer, or admit, forwarded_headers, complete, writes.

plan      = plan_lookup(request, policy)                  plan.key is None: bypass, call the application
entry     = the store's, under plan.key; of a VariantIndex the one under variant_of(entry, plan)
reuse     = evaluate(entry, plan, now)
answer    = answer(entry, plan, reuse, now)               where reuse.answers; else the application, and with its head:
admission = admit(plan, head, request_time=, response_time=, label=)
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
from cachelayer.http.conditional import is_etag, not_modified_headers
from cachelayer.http.dates import parse_date
from cachelayer.http.fields import storable
from cachelayer.http.messages import (
    Answer,
    Entry,
    FieldLines,
    Headers,
    ResponseHead,
    StoredResponse,
    Variant,
    VariantIndex,
)
from cachelayer.http.plan import Plan, plan_lookup
from cachelayer.http.reasons import Reason
from cachelayer.http.reuse import GATEWAY_TIMEOUT, NOT_MODIFIED, Reuse, evaluate
from cachelayer.http.rules import Rule
from cachelayer.http.storing import Exchange, Freshness, content_length, exchange, is_stripped, may_store
from cachelayer.http.vary import find_variant, nominate, selecting_fields, variant_key, with_variant
from cachelayer.outcomes import Outcome

__all__ = [
    "Admission", "Writes", "admit", "answer", "complete", "evaluate", "forwarded_headers", "plan_lookup", "variant_of",
    "writes",
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
    """

    reason: Reason
    head: ResponseHead
    max_body_bytes: int = 0
    draft: StoredResponse | None = None
    content_length: int | None = None
    bypassed: bool = False

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
    if reuse is NOT_MODIFIED:
        return Answer(304, not_modified_headers(entry), added, b"")
    body = b"" if plan.request.method == "HEAD" else entry.body
    return Answer(entry.status, entry.headers, added, body, entry.phrase)


def admit(
    plan: Plan, head: ResponseHead, *, request_time: float, response_time: float, label: str | None = None
) -> Admission:
    """Decide at the start of a response whether it is to be stored.

    Args:
        plan: of the request.
        head: the application's status and fields.
        request_time: when the application was called, in epoch seconds.
        response_time: when it gave the head, in epoch seconds.
        label: the route, where it is known by now.
    """
    if plan.key is None:
        return Admission(plan.reason or Reason.METHOD, head, bypassed=True)
    required = plan.policy.required
    if (
        required
        and required.isdisjoint([name.lower() for name, _ in head.headers])
        and plan.request.method == "GET"
    ):
        # Most dynamic pages: nothing about them needs a closer look.
        return Admission(Reason.NO_FRESHNESS, head)
    case = exchange(plan, head, label, request_time, response_time)
    freshness = may_store(case)
    if isinstance(freshness, Reason):
        return Admission(freshness, head)
    sent = ResponseHead(head.status, _client_headers(case), head.phrase)
    length = content_length(case.fields)
    return Admission(
        freshness.reason,
        sent,
        plan.policy.max_body_bytes,
        _draft(case, sent, freshness, label or ""),
        None if isinstance(length, Invalid) else length,
    )


def _draft(case: Exchange, sent: ResponseHead, freshness: Freshness, label: str) -> StoredResponse:
    fields, request = case.fields, case.plan.request
    etags = fields.get(b"etag", ())
    return StoredResponse(
        status=sent.status,
        headers=_kept(sent.headers, case.rule),
        body=b"",
        request_time=case.request_time,
        response_time=case.response_time,
        initial_age=case.initial_age,
        fresh_until=case.response_time + freshness.seconds,
        vary=nominate(selecting_fields(fields) or (), request.headers),
        label=label,
        tags=() if case.rule is None else case.rule.tags_of(request.path),
        authorized=case.authorized,
        shared=case.shared,
        explicit=freshness.reason is Reason.EXPLICIT,
        must_revalidate=case.directives.has(b"must-revalidate") or case.directives.has(b"proxy-revalidate"),
        etag=etags[0] if len(etags) == 1 and is_etag(etags[0]) else None,
        last_modified=_modification_date(fields, case.response_time),
        phrase=sent.phrase,
    )


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
