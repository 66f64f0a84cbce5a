"""One application without the cache and with it, asked for the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cachelayer import Cache
from cachelayer.demo import screen
from cachelayer.demo.report import Report, RushReport, make_report
from cachelayer.demo.sending import Client
from cachelayer.demo.traffic import Visit

#: How many requests one application gets before it is the other's turn: both then run under the same conditions.
TURN: Final = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both applications are asked for.

    Args:
        console: where it is shown.
        cache: the cache of one of them.
        visits: sent one after another.
        rush: sent all at once, after the visits.
    """

    console: Console
    cache: Cache
    visits: Sequence[Visit]
    rush: Sequence[Visit]

    def run(self, plain: str, cached: str) -> Report:
        """Ask the applications at these addresses, and show how they compare."""
        with closing(Client(plain)) as one, closing(Client(cached)) as other:
            self._send(one, other)
            report = make_report(one.answers, other.answers, self.cache.stats())
            rush = self._rush(one, other)
        screen.show(self.console, report, rush)
        return report

    def _send(self, one: Client, other: Client) -> None:
        count = len(self.visits)
        with screen.Bars(self.console) as bars:
            lanes = [
                (one, bars.add(f"{count:,} requests without the cache", count)),
                (other, bars.add(f"{count:,} requests with the cache", count)),
            ]
            for turn in self._turns():
                for client, advance in lanes:
                    for visit in turn:
                        advance(1, client.send(visit))

    def _turns(self) -> Iterator[Sequence[Visit]]:
        return (self.visits[place : place + TURN] for place in range(0, len(self.visits), TURN))

    def _rush(self, one: Client, other: Client) -> RushReport:
        self.cache.reset_stats()
        seconds = one.rush(self.rush), other.rush(self.rush)
        return RushReport(*seconds, self.cache.stats().functions["along_route"])
