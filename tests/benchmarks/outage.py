"""A server that dies under load and comes back: what callers see meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.backends.tiers import Worker
from tests.benchmarks.crew import Call, Station, call_steadily, prepare, print_table, quantile, wait_for
from tests.servers.processes import Server

#: Seconds since the beginning: when the server dies, when it is started again, and when the calls end.
DIES, COMES_BACK, END = 2.0, 5.0, 10.0
_PAUSE: Final = 0.002
_WINDOW: Final = 0.5
_RECOVERED: Final = 0.95


class Outage(NamedTuple):
    """What happened: the calls of all processes, and (in seconds) when the server died and answered again."""

    calls: list[Call]
    died: float
    back: float


def live_through(workers: Sequence[Worker], name: str, server: Server) -> Outage:
    """Let the processes make calls of that name while the server is killed, and started again."""
    workers[0].do(prepare)
    begin = time.monotonic() + 0.1
    for number, worker in enumerate(workers):
        worker.begin(call_steadily, number, begin, name, END, _PAUSE)
    wait_for(begin + DIES)
    server.kill()
    died = time.monotonic() - begin
    wait_for(begin + COMES_BACK)
    server.start()
    back = time.monotonic() - begin
    return Outage([call for worker in workers for call in worker.result()], died, back)


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
    print_table(f"{title}: dies at {outage.died:.2f} s, answers again at {outage.back:.2f} s", columns, rows)
    print(_summary(outage))


def _summary(outage: Outage) -> str:
    away = [call for call in outage.calls if outage.died < call.at < outage.back]
    first = min((call.at for call in outage.calls if call.hit and call.at > outage.back), default=END)
    good = [
        start
        for start, calls in _windows(outage.calls)
        if start >= outage.back and _hit_rate(calls) >= _RECOVERED
    ]
    errors = {call.error for call in outage.calls if call.error}
    return (
        f"while away {_hit_rate(away):.1%} hits; first hit {first - outage.back:.2f} s after it answers again, "
        f"{_RECOVERED:.0%} from {good[0] - outage.back:.1f} s on; errors: {errors or 'none'}"
        if good
        else f"while away {_hit_rate(away):.1%} hits; not recovered; errors: {errors or 'none'}"
    )


def _windows(calls: Sequence[Call]) -> Iterator[tuple[float, list[Call]]]:
    for number in range(int(END / _WINDOW)):
        start = number * _WINDOW
        inside = [call for call in calls if start <= call.at < start + _WINDOW]
        if inside:
            yield start, inside


def _hit_rate(calls: Sequence[Call]) -> float:
    return sum(call.hit for call in calls) / len(calls) if calls else 0.0


def _state(outage: Outage, start: float) -> str:
    if start + _WINDOW <= outage.died:
        return "up"
    if start >= outage.back:
        return "up again"
    return "away" if start >= outage.died and start + _WINDOW <= outage.back else "changes"
