"""What came of a run, as values: the tables show them, the tests check them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from cachelayer.demo.sending import Answer
from cachelayer.stats import RouteStats, StatsSnapshot
from cachelayer.stats.snapshots import total_of

TOTAL: Final = "all"


@dataclass(frozen=True, slots=True)
class Times:
    """What requests took, in seconds: the sum of all, the median, and what 95 % of them took at most."""

    total: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint: what the client measured in both runs, and what the cache counted in the second.

    Attributes:
        endpoint: method and path template.
        requests: how many were sent in each run.
        hit_rate: share of the lookups that were served from the cache; None where nothing was looked up.
        without: the times of the run without the cache.
        cached: the times of the run with the cache: hits, misses and all others.
    """

    endpoint: str
    requests: int
    hit_rate: float | None
    without: Times
    cached: Times

    @property
    def saved(self) -> float:
        """The time that the cache saved, in seconds; below 0 where it cost more than it saved."""
        return self.without.total - self.cached.total


@dataclass(frozen=True, slots=True)
class Report:
    """A run: its endpoints, the line that sums them up, and what the cache counted.

    Attributes:
        endpoints: by the number of their requests, the most first.
        total: all endpoints together.
        routes: the cache's own counts of the endpoints, by requests too.
        functions: the cache's own counts of the cached functions.
        different: answers that were not the same with the cache as without it.
        failed: answers of either run that were errors.
    """

    endpoints: Sequence[EndpointReport]
    total: EndpointReport
    routes: Sequence[RouteStats]
    functions: Sequence[RouteStats]
    different: int
    failed: int

    @property
    def sound(self) -> bool:
        """Whether every answer was right."""
        return not self.different and not self.failed


@dataclass(frozen=True, slots=True)
class RushReport:
    """Many visitors who ask at once for what nobody asked for before.

    Attributes:
        without: seconds until the last of them had an answer, without the cache.
        cached: the same with it.
        function: what the cache counted of the function that all of them need.
    """

    without: float
    cached: float
    function: RouteStats


def make_report(without: Sequence[Answer], cached: Sequence[Answer], stats: StatsSnapshot) -> Report:
    """Compute the report of a run: the answers to the same visits in both runs, and the statistics of the second."""
    asked = Counter(answer.endpoint for answer in without)
    names = sorted(asked, key=lambda name: (-asked[name], name))
    total = total_of(stats.routes.values(), TOTAL)
    pairs = list(zip(without, cached, strict=True))
    return Report(
        endpoints=[_endpoint(name, without, cached, stats.routes.get(name)) for name in names],
        total=_endpoint(TOTAL, without, cached, total),
        routes=_by_requests(stats.routes),
        functions=_by_requests(stats.functions),
        different=sum((one.status, one.body) != (other.status, other.body) for one, other in pairs),
        failed=sum(answer.status >= 400 for pair in pairs for answer in pair),
    )


def _endpoint(
    name: str, without: Iterable[Answer], cached: Iterable[Answer], counted: RouteStats | None
) -> EndpointReport:
    before = [answer for answer in without if name in (answer.endpoint, TOTAL)]
    after = [answer for answer in cached if name in (answer.endpoint, TOTAL)]
    looked_up = counted and counted.requests > counted.bypass
    return EndpointReport(
        endpoint=name,
        requests=len(after),
        hit_rate=counted.hit_rate if counted and looked_up else None,
        without=times_of(before),
        cached=times_of(after),
    )


def _by_requests(counted: Mapping[str, RouteStats]) -> list[RouteStats]:
    return sorted(counted.values(), key=lambda stats: (-stats.requests, stats.route))


def times_of(answers: Iterable[Answer]) -> Times:
    """Sum up what answers took. There must be one at least."""
    seconds = sorted(answer.seconds for answer in answers)
    p95 = seconds[ceil(0.95 * len(seconds)) - 1]
    return Times(sum(seconds), statistics.median(seconds), p95)
