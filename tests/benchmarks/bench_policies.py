"""Replays cache traces through the memory store with each policy: `make bench TRACES=folder`."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.policies import POLICIES
from tests.benchmarks.runner import compare
from tests.benchmarks.traces import TraceError, find_traces, read_trace

FOLDER = os.environ.get("CACHELAYER_TRACES", "")
#: The first is what the others are compared with.
NAMES = ("lru", *sorted(set(POLICIES) - {"lru"}))
#: Room in the store, as a part of a trace's different keys.
SHARES = (0.001, 0.01, 0.1)
#: Requests of a trace that are replayed at most.
MOST = 1_000_000
ROUNDS = 3
#: Points of hit rate up to which two policies are as good as each other.
TIE = 0.05


class Replay:
    """One trace through one policy: reads each key, and stores it where it is missing."""

    def __init__(self, keys: list[str], room: int, policy: str) -> None:
        self.keys, self.room, self.policy = keys, room, policy
        self.hit_rate = 0.0

    def __call__(self, count: int) -> float:
        """Replay the first `count` requests through a new store; return the seconds it took."""
        store = InMemoryBackend(max_size_bytes=None, max_entries=self.room, policy=self.policy)
        started = time.perf_counter()
        for key in self.keys[:count]:
            if store.get(key) is None:
                store.set(key, b"")
        taken = time.perf_counter() - started
        self.hit_rate = store.get_stats().hit_rate * 100
        return taken


@dataclass(frozen=True)
class Outcome:
    """Percent of hits that one policy had, points of them above LRU, and its time a request as a ratio to LRU's."""

    hit_rate: float
    points: float
    cost: float


def replay(keys: list[str], room: int) -> dict[str, Outcome]:
    """Return how each policy did on a trace, with room for so many entries."""
    replays = {name: Replay(keys, room, name) for name in NAMES}
    rows = compare(replays, number=len(keys), rounds=ROUNDS)
    base = replays[NAMES[0]].hit_rate
    rates = {name: case.hit_rate for name, case in replays.items()}
    return {row.name: Outcome(rates[row.name], rates[row.name] - base, row.ratio) for row in rows}


def show_trace(title: str, rooms: list[int], results: list[Mapping[str, Outcome]]) -> None:
    """Print a line for each size of the store."""
    table = Table("room", *NAMES, title=title, title_justify="left")
    for share, room, outcomes in zip(SHARES, rooms, results, strict=True):
        table.add_row(f"{share:.1%}: {room:,}", *(_cell(name, outcomes[name]) for name in NAMES))
    print()
    Console(width=100).print(table)


def _cell(name: str, outcome: Outcome) -> str:
    if name == NAMES[0]:
        return f"{outcome.hit_rate:.2f} %"
    return f"{outcome.hit_rate:.2f} % {outcome.points:+.2f} cost {outcome.cost:.2f}"


def show_summary(outcomes: list[Mapping[str, Outcome]]) -> None:
    """Print what the policies are worth over all traces and sizes."""
    table = Table("policy", "average", "worst", "wins", "losses", "cost")
    for name in NAMES[1:]:
        points = [outcome[name].points for outcome in outcomes]
        cost = statistics.median(outcome[name].cost for outcome in outcomes)
        wins, losses = sum(point > TIE for point in points), sum(point < -TIE for point in points)
        table.add_row(
            name,
            f"{statistics.mean(points):+.2f}",
            f"{min(points):+.2f}",
            str(wins),
            str(losses),
            f"{cost:.2f} x",
        )
    print(f"\npoints of hit rate over LRU, {len(outcomes)} pairs of trace and room")
    Console(width=100).print(table)


def bench_policies() -> None:
    """Hit rates and cost of every policy on every trace of the folder."""
    if not FOLDER:
        pytest.skip("no traces to replay: make bench TRACES=folder")
    try:
        traces = {path.name: read_trace(path, MOST) for path in find_traces(Path(FOLDER))}
    except TraceError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    outcomes: list[Mapping[str, Outcome]] = []
    for name, keys in traces.items():
        unique = len(set(keys))
        rooms = [max(int(unique * share), 1) for share in SHARES]
        results: list[Mapping[str, Outcome]] = [replay(keys, room) for room in rooms]
        show_trace(f"{name}: {len(keys):,} requests, {unique:,} keys", rooms, results)
        outcomes += results
    show_summary(outcomes)
