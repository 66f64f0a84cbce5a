"""The demo from its first line to its last."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from cachelayer import Cache
from cachelayer.demo import screen
from cachelayer.demo.airports import load_airports, store_airports
from cachelayer.demo.app import make_app
from cachelayer.demo.database import Database, Row
from cachelayer.demo.queries import forget_reports
from cachelayer.demo.report import Report, RushReport, make_report
from cachelayer.demo.sending import Answer, send, send_at_once
from cachelayer.demo.serving import listen, serving
from cachelayer.demo.traffic import Visit, Visitors, to_airport

#: How many visitors come at once in the end.
RUSH: Final = 40


@dataclass(frozen=True, slots=True)
class Run:
    """What came of the visits, and how long the rush took, in seconds."""

    answers: list[Answer]
    rush: float


@dataclass(frozen=True, slots=True)
class Demo:
    """What is asked of the application, once without a cache and once with it.

    Args:
        console: where it is shown.
        visits: sent one after another.
        rush: sent all at once, after the visits.
    """

    console: Console
    visits: Sequence[Visit]
    rush: Sequence[Visit]

    def run_without(self, database: Database) -> Run:
        """Send everything to the application without a cache."""
        with listen(0) as listening, serving(make_app(database, None), listening) as url:
            return Run(self._send(url, "without"), send_at_once(url, self.rush))

    def run_cached(self, url: str, cache: Cache, without: Run) -> Report:
        """Send everything to the application with `cache`, and show how both runs compare."""
        report = make_report(without.answers, self._send(url, "with"), cache.stats())
        cache.reset_stats()
        seconds = send_at_once(url, self.rush)
        function = cache.stats().functions["along_route"]
        screen.show(self.console, report, RushReport(without.rush, seconds, function))
        return report

    def _send(self, url: str, how: str) -> list[Answer]:
        with screen.stage(self.console, f"{len(self.visits):,} requests {how} the cache") as track:
            return list(track(send(url, self.visits), total=len(self.visits)))


def run(console: Console, *, requests: int, seed: int, port: int | None, once: bool) -> Report:
    """Run the demo, and return what came of it; unless `once`, the application keeps running until Ctrl-C.

    Args:
        console: where it is shown.
        requests: how many are sent, in each of the two runs.
        seed: the same seed sends the same requests.
        port: where the application is served; None takes 8000, or a free one where that is taken.
        once: end after the report.

    Raises:
        PortTakenError: `port` cannot be had.
    """
    screen.show_start(console)
    with listen(port) as listening, _database(console) as (database, airports):
        visitors = Visitors(airports, seed)
        demo = Demo(console, visitors.visits(requests), visitors.rush(RUSH))
        without = demo.run_without(database)
        forget_reports(database)
        cache = Cache()
        with serving(make_app(database, cache), listening) as url:
            report = demo.run_cached(url, cache, without)
            if not once:
                screen.show_address(console, url, to_airport(airports[0]["icao"]), demo.rush[0])
                _wait()
            return report


@contextmanager
def _database(console: Console) -> Iterator[tuple[Database, list[Row]]]:
    airports = load_airports()
    with (
        tempfile.TemporaryDirectory(prefix="cachelayer-demo-") as folder,
        closing(Database(Path(folder) / "airports.sqlite")) as database,
    ):
        with screen.stage(console, f"{len(airports):,} airports stored in SQLite") as track:
            store_airports(database, track(airports))
        yield database, airports


def _wait() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
