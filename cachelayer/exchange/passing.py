"""Requests that are let through with a glance at their response, since the last one like it was not to be stored.

This is "hit-for-miss", as Varnish calls it, without the lookup: most dynamic pages are asked for again and again, and
never stored. A response that may be stored after all makes an `Exchange` of its request, late as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cachelayer.control import Control
from cachelayer.exchange.exchange import Exchange
from cachelayer.exchange.labels import DASHBOARD
from cachelayer.exchange.sampling import sample
from cachelayer.http import Headers, Reason, Request, ResponseHead, plan_lookup
from cachelayer.http.cache_status import Forward, forwarded
from cachelayer.http.plan import RELEVANT
from cachelayer.http.reuse import ABSENT
from cachelayer.http.storing import refused_at_once
from cachelayer.outcomes import Outcome

if TYPE_CHECKING:
    from cachelayer.cache import Cache
    from cachelayer.exchange.lookup import Bound

#: Fields of requests with which only a closer look tells what is to be done.
EXAMINED: Final = RELEVANT - {b"host", b"authorization", b"cookie", b"if-none-match", b"if-modified-since"}
#: Longer targets are looked up each time, so that what is remembered stays small.
LONGEST_TARGET: Final = 1024

#: What a request asks for, as a server tells it: of what parts is the shell's.
Target: TypeAlias = tuple[str | bytes, ...]


class Passing(Control, eq=False):
    """The state of one request that is let through.

    Attributes:
        bound: the middleware's ties to the cache.
        request: returns the request, where a closer look is needed.
        began: when it came, by `perf_counter`.
        asked: the same in epoch seconds.
        changes: how much had been invalidated by then.
        reason: why the response is not to be stored, once that is known.
    """

    bound: Bound
    request: Callable[[], Request]
    began: float
    asked: float
    changes: int
    reason: Reason | None = None

    @property
    def cache(self) -> Cache:
        """The cache that the middleware uses."""
        return self.bound.cache

    def start(self, head: ResponseHead | None, env: Mapping[str, Any]) -> Headers | None:
        """Count a response that is not to be stored, and return what to add to its fields; None: `take_up`.

        Args:
            head: its status and fields; None where they are not such as a response can have.
            env: the ASGI scope or WSGI environ, in which the application has named its route by now.
        """
        reason = self.reason
        if reason is None:
            reason = None if head is None or self.said or self.kept_within else _refusal(self.bound, head)
            if reason is None or not self._count(self.bound.caching.label("GET", env), reason):
                return None
            self.reason = reason
        name = self.bound.policy.status_name
        return () if name is None else (forwarded(name, Forward.URI_MISS, False, reason),)

    def _count(self, label: str, reason: Reason) -> bool:
        bound = self.bound
        if label == DASHBOARD or label in bound.paused:
            return False
        counters, seconds = bound.counters(label), perf_counter() - self.began
        if counters.record(Outcome.UNCACHEABLE, seconds=seconds, reason=reason.value):
            plan = plan_lookup(self.request(), bound.policy)
            sample(counters, plan, Outcome.UNCACHEABLE, seconds, reason.value, None, bound.clock())
        return True

    def take_up(self) -> Exchange:
        """Return the request as one that was looked up in vain when it came."""
        bound = self.bound
        plan = plan_lookup(self.request(), bound.policy)
        said = {name: getattr(self, name) for name in Control.__struct_fields__}
        exchange = Exchange(bound, plan, self.began, None if plan.key is None else ABSENT, self.asked, **said)
        exchange.keep_if_unchanged(self.changes)
        self.outer = exchange  # What the application says from now on is said to it too.
        return exchange


def _refusal(bound: Bound, head: ResponseHead) -> Reason | None:
    try:
        return refused_at_once(bound.policy, head)
    except (AttributeError, TypeError, ValueError):
        return None  # Its fields are not even pairs of bytes.
