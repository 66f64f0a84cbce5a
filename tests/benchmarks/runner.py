"""Ratios taken in one run: cases take turns, and the medians of many rounds are compared with a baseline's."""

from __future__ import annotations

import gc
import statistics
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

#: Runs a case `number` times and returns the seconds it took.
Case = Callable[[int], float]


@dataclass(frozen=True)
class Row:
    """What one case took, in seconds a call, and the median of its ratios to the baseline of the same round."""

    name: str
    seconds: float
    ratio: float


def statement(source: str, **scope: Any) -> Case:
    """Return the case of running one statement."""
    return timeit.Timer(source, globals=scope).timeit


def compare(cases: Mapping[str, Case], *, number: int = 20_000, rounds: int = 31) -> list[Row]:
    """Let the cases take turns for so many rounds; the first is the baseline."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case(number // 10 + 1)
    gc.collect()
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case(number) / number)
    base = next(iter(taken.values()))
    return [Row(name, statistics.median(times), _ratio(times, base)) for name, times in taken.items()]


def show(title: str, rows: list[Row], goals: Mapping[str, str] | None = None) -> None:
    """Print the rows, and beside them what the project wants to reach."""
    table = Table("case", "ns a call", "ratio", "goal", title=title, title_justify="left")
    for row in rows:
        table.add_row(
            row.name, f"{row.seconds * 1e9:,.0f}", f"{row.ratio:.2f}", (goals or {}).get(row.name, "")
        )
    print()
    Console(width=100).print(table)


def _ratio(times: list[float], base: list[float]) -> float:
    return statistics.median(time / other for time, other in zip(times, base, strict=True))
