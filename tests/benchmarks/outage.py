"""A server that dies under load and comes back: what callers see meanwhile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from tests.backends.tiers import Worker
from tests.benchmarks.crew import Call, Pace, Station, call_steadily, prepare, print_table, quantile, wait_for
from tests.servers.processes import Server, wait_until

#: Seconds since the beginning: when the server dies, and when it is started again.
_DIES, _COMES_BACK = 2.0, 4.0
_PAUSE: Final = 0.002
_WINDOW: Final = 0.5
_RECOVERED: Final = 0.95


class Case(NamedTuple):
    """Which server dies, and how it is seen what happens.

    Attributes:
        server: it is killed, and started again.
        seconds: how long calls are made.
        is_whole: whether the store, with that server, is of use.
        is_replaced: whether it is of use without; None where that cannot be.
    """

    server: Server
    seconds: float
    is_whole: Callable[[], bool]
    is_replaced: Callable[[], bool] | None = None


class Outage(NamedTuple):
    """What happened: the calls of all processes, and in seconds since the beginning what became of the store.

    Attributes:
        calls: of all processes.
        died: when the server was dead.
        replaced: when the store was of use without it; None if it never was.
        back: when the server was started, and the store was of use.
    """

    calls: list[Call]
    died: float
    replaced: float | None
    back: float


def live_through(workers: Sequence[Worker], name: str, case: Case) -> Outage:
    """Let the processes make calls of that name while the server is killed, and started again."""
    workers[0].do(prepare)
    begin = time.monotonic() + 0.1
    for number, worker in enumerate(workers):
        worker.begin(call_steadily, number, begin, Pace(name, case.seconds, _PAUSE))
    wait_for(begin + _DIES)
    case.server.kill()
    died = time.monotonic() - begin
    replaced = case.is_replaced and _first(case.is_replaced, begin + _COMES_BACK)
    wait_for(begin + _COMES_BACK)
    case.server.start()
    wait_until(case.is_whole, "the store is of use again")
    back = time.monotonic() - begin
    calls = [call for worker in workers for call in worker.result()]
    return Outage(calls, died, replaced and replaced - begin, back)


def _first(is_replaced: Callable[[], bool], until: float) -> float | None:
    """Return the moment when that was so; None where it did not come until then."""
    while time.monotonic() < until:
        if is_replaced():
            return time.monotonic()
        time.sleep(0.02)  # between two looks
    return None


def health_of(station: Station, name: str) -> str:
    """Return how the cache has fared in this process."""
    health = station.caches[name].health()
    return f"{health.failures} failures, {health.refused} refused" if health is not None else ""


def show_outage(title: str, outage: Outage) -> None:
    """Print what callers saw, by windows, and when the cache was of use again."""
    rows = []
    for start, calls in _windows(outage.calls):
        taken = sorted(call.seconds * 1e3 for call in calls)
        rows.append((
            f"{start:.1f}", _state(outage, start), len(calls), f"{_hit_rate(calls):.1%}",
            sum(bool(call.error) for call in calls),
            *(f"{each:.2f}" for each in (quantile(taken, 0.5), quantile(taken, 0.99), taken[-1])),
        ))  # fmt: skip
    columns = ("from s", "server", "calls", "hits", "errors", "median ms", "p99 ms", "max ms")
    print_table(title, columns, rows)
    replaced = f"of use without it at {outage.replaced:.2f} s, " if outage.replaced else ""
    print(
        f"the server dies at {outage.died:.2f} s; the store is {replaced}whole again at {outage.back:.2f} s"
    )
    print(_summary(outage))


def _summary(outage: Outage) -> str:
    up = outage.replaced or outage.back
    away = [call for call in outage.calls if outage.died < call.at < up]
    errors = {call.error for call in outage.calls if call.error}
    first = min((call.at for call in outage.calls if call.hit and call.at > up), default=None)
    good = (
        start for start, calls in _windows(outage.calls) if start >= up and _hit_rate(calls) >= _RECOVERED
    )
    return (
        f"hits while away: {_hit_rate(away):.1%}; since the store is of use: first hit after {_since(up, first)}, "
        f"{_RECOVERED:.0%} hits after {_since(up, next(good, None))}; exceptions: {errors or 'none'}"
    )


def _since(up: float, moment: float | None) -> str:
    return "the end" if moment is None else f"{moment - up:.1f} s"


def _windows(calls: Sequence[Call]) -> Iterator[tuple[float, list[Call]]]:
    ordered = sorted(calls)
    for number, inside in itertools.groupby(ordered, lambda call: int(call.at / _WINDOW)):
        yield number * _WINDOW, list(inside)


def _hit_rate(calls: Sequence[Call]) -> float:
    return sum(call.hit for call in calls) / len(calls) if calls else 0.0


def _state(outage: Outage, start: float) -> str:
    if start + _WINDOW <= outage.died:
        return "up"
    if start >= outage.back:
        return "up again"
    return "away" if start >= outage.died and start + _WINDOW <= outage.back else "changes"
