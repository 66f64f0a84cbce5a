"""May this stored response be used for this request, now (RFC 9111, section 4)?"""

from __future__ import annotations

from typing import Final, TypeGuard

import msgspec

from cachelayer.http.age import current_age
from cachelayer.http.cache_control import Directives, Invalid
from cachelayer.http.cache_status import Forward
from cachelayer.http.conditional import not_modified
from cachelayer.http.fields import index
from cachelayer.http.guards import guard
from cachelayer.http.messages import Entry, StoredResponse, VariantIndex
from cachelayer.http.no_vary_search import SearchVariance, parse
from cachelayer.http.plan import Plan
from cachelayer.http.reasons import Reason
from cachelayer.http.staleness import client_takes
from cachelayer.http.vary import matches
from cachelayer.outcomes import Outcome


class Reuse(msgspec.Struct, frozen=True, gc=False):
    """The decision on a stored response.

    Args:
        reason: why.
        forward: why the request goes to the origin, or None: the cache answers.
        outcome: the lookup's outcome if the cache answers. None: what the origin's response will make it.
        refreshes: the origin is to be asked all the same, behind the client's back.
        selected: the stored response would answer if it were fresh: the origin can be asked whether it still holds.
    """

    reason: Reason
    forward: Forward | None = None
    outcome: Outcome | None = None
    refreshes: bool = False
    selected: bool = False

    @property
    def answers(self) -> bool:
        """Whether the cache answers by itself."""
        return self.forward is None


FRESH: Final = Reuse(Reason.FRESH, None, Outcome.HIT)
NOT_MODIFIED: Final = Reuse(Reason.NOT_MODIFIED, None, Outcome.HIT)
GATEWAY_TIMEOUT: Final = Reuse(Reason.ONLY_IF_CACHED, None, Outcome.UNCACHEABLE)
ABSENT: Final = Reuse(Reason.ABSENT, Forward.URI_MISS)
OTHER_VARIANT: Final = Reuse(Reason.VARIANT, Forward.VARY_MISS)
STALE: Final = Reuse(Reason.STALE, Forward.STALE, selected=True)
NO_CACHE: Final = Reuse(Reason.NO_CACHE, Forward.STALE, selected=True)
SHADOWED: Final = Reuse(Reason.SHADOW, Forward.BYPASS)
REFRESHED_BEHIND: Final = Reuse(Reason.STALE_WHILE_REVALIDATE, None, Outcome.STALE_HIT, refreshes=True)
CLIENT_TAKES: Final = Reuse(Reason.REQUEST_MAX_STALE, None, Outcome.STALE_HIT)


def evaluate(entry: Entry | None, plan: Plan, now: float) -> Reuse:
    """Decide whether what was found answers the request.

    Args:
        entry: what the store has, or None; a `VariantIndex` means that none of its variants was selected.
        plan: of the request; one that bypasses is forwarded for its own reason.
        now: epoch seconds.
    """
    if (
        _is_plain(entry, plan)
        and plan.key is not None
        and now < entry.fresh_until
        and plan.request.search is None
    ):
        return FRESH
    if plan.request.search is not None and not _says_the_same(entry, plan.request.search):
        entry = None
    decision = _select(entry, plan, now)
    if decision.forward is not None and plan.directives.items and plan.directives.has(b"only-if-cached"):
        return GATEWAY_TIMEOUT
    return decision


def _says_the_same(entry: Entry | None, search: SearchVariance) -> bool:
    """Whether what was found by a part of the query says itself that the rest does not matter (No-Vary-Search)."""
    return not isinstance(entry, StoredResponse) or parse(index(entry.headers)) == search


def _is_plain(entry: Entry | None, plan: Plan) -> TypeGuard[StoredResponse]:
    """Whether nothing in the request or the response asks for a closer look, as in most hits."""
    return isinstance(entry, StoredResponse) and not (plan.fields or entry.vary or entry.no_cache)


def _select(entry: Entry | None, plan: Plan, now: float) -> Reuse:
    if plan.key is None:
        return Reuse(plan.reason or Reason.METHOD, plan.forward)
    if entry is None:
        return ABSENT
    if isinstance(entry, VariantIndex) or (entry.vary and not matches(entry, plan.request)):
        return OTHER_VARIANT
    if plan.fields:
        # Most requests have none of the fields that matter here.
        refused = guard(
            plan.fields, plan.rule, plan.policy,
            authorized=entry.authorized, shared=entry.shared, explicit=entry.explicit,
        )  # fmt: skip
        if refused is not None:
            return Reuse(refused, Forward.REQUEST)
    if entry.no_cache:
        return NO_CACHE
    if now >= entry.fresh_until:
        return _stale(entry, plan.directives, now)
    if not plan.fields:
        return FRESH
    refused = _refused_by_directives(entry, plan.directives, now)
    if refused is not None:
        return Reuse(refused, Forward.REQUEST, selected=True)
    # To a POST it would be 412, which a cache does not answer (RFC 9110, section 13.2.2).
    is_read = plan.request.method != "POST"
    return NOT_MODIFIED if is_read and not_modified(plan.fields, entry, now) else FRESH


def _stale(stored: StoredResponse, directives: Directives, now: float) -> Reuse:
    """Decide on a stale response. A client that says how old it may be takes no stale one, unless it says that too."""
    if not directives.items:
        return REFRESHED_BEHIND if now < stored.stale_until else STALE
    if directives.has(b"no-cache") or not _young_enough(stored, directives, now):
        return STALE
    if client_takes(stored, directives, now):
        return CLIENT_TAKES
    if now < stored.stale_until and not (directives.has(b"max-age") or directives.has(b"min-fresh")):
        return REFRESHED_BEHIND
    return STALE


def _young_enough(stored: StoredResponse, directives: Directives, now: float) -> bool:
    """Whether max-age and min-fresh, which go with max-stale, leave room for a stale response (section 5.2.1.1)."""
    max_age = directives.seconds(b"max-age")
    if isinstance(max_age, Invalid) or (max_age is not None and current_age(stored, now) > max_age):
        return False
    return not directives.has(b"min-fresh")


def _refused_by_directives(stored: StoredResponse, directives: Directives, now: float) -> Reason | None:
    """Apply the request's own wishes (section 5.2.1); one that cannot be read asks for a new response."""
    if not directives.items:
        return None
    if directives.has(b"no-cache"):
        return Reason.REQUEST_NO_CACHE
    max_age = directives.seconds(b"max-age")
    if isinstance(max_age, Invalid) or (max_age is not None and current_age(stored, now) > max_age):
        return Reason.REQUEST_MAX_AGE
    min_fresh = directives.seconds(b"min-fresh")
    if isinstance(min_fresh, Invalid) or (min_fresh is not None and stored.fresh_until - now < min_fresh):
        return Reason.REQUEST_MIN_FRESH
    return None
