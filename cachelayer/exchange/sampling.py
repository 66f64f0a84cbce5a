"""A closer look at the few lookups that statistics are made of which take more than counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachelayer.http import Plan, Reason, StoredResponse
from cachelayer.http.age import current_age
from cachelayer.http.cache_status import hit
from cachelayer.http.cookies import request_cookies
from cachelayer.outcomes import Outcome

if TYPE_CHECKING:
    from cachelayer.stats.routes import RouteCounters

_BY_COOKIE = (Reason.COOKIE.value, Reason.SESSION_COOKIE.value)


def sample(  # noqa: PLR0917 - on a hit, and keywords cost
    counters: RouteCounters,
    plan: Plan,
    outcome: Outcome,
    seconds: float,
    reason: str,
    entry: Any,
    now: float,
) -> None:
    """Let the statistics of a route look at one lookup.

    Args:
        counters: of the route.
        plan: of the request.
        outcome: how it ended.
        seconds: what that took.
        reason: why nothing was stored.
        entry: what was served, or will be stored; None where that is nothing.
        now: epoch seconds.
    """
    served = isinstance(entry, StoredResponse) and outcome is not Outcome.MISS
    counters.note_sample(
        outcome,
        key=(plan.key or "").removeprefix("GET "),
        at=now,
        seconds=seconds,
        reason=reason,
        cache_status=_status(plan, entry, now) if served else "",
        age=current_age(entry, now) if served else None,
        headers=_varying(entry) if isinstance(entry, StoredResponse) and not served else None,
        cookies=_unkeyed_cookies(plan) if reason in _BY_COOKIE else (),
    )


def _status(plan: Plan, entry: StoredResponse, now: float) -> str:
    name = plan.policy.status_name
    return "" if name is None else hit(name, int(entry.fresh_until - now))[1].decode()


def _varying(entry: StoredResponse) -> dict[str, str]:
    """Return what the request had in the fields that select the variant."""
    return {name.decode("latin-1"): b", ".join(lines).decode("latin-1") for name, lines in entry.vary}


def _unkeyed_cookies(plan: Plan) -> tuple[str, ...]:
    keyed = None if plan.rule is None else plan.rule.keyed_cookies
    names = dict.fromkeys(name for name, _ in request_cookies(plan.fields.get(b"cookie", ())))
    return tuple(
        name for name in names if name not in (keyed or ()) and not plan.policy.ignored.fullmatch(name)
    )
