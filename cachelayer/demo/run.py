"""The demo from its first line to its last."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket

from rich.console import Console

from cachelayer import Cache
from cachelayer.demo import screen
from cachelayer.demo.airports import load_airports, make_tables, store_airports
from cachelayer.demo.app import make_app
from cachelayer.demo.board import PATH, traffic, with_dashboard
from cachelayer.demo.comparison import Comparison
from cachelayer.demo.database import Database, Row
from cachelayer.demo.report import Report
from cachelayer.demo.serving import listen, serving
from cachelayer.demo.traffic import Visitors, to_airport


def run(
    console: Console, *, requests: int, seed: int, port: int | None, once: bool, opens: bool = False
) -> Report:
    """Run the demo, and return what came of it.

    Unless `once`, there is a dashboard from the beginning, and the application keeps running, with visitors, until
    Ctrl-C.

    Args:
        console: where it is shown.
        requests: how many are sent, without the cache and with it.
        seed: the same seed sends the same requests.
        port: where the application is served; None takes 8000, or a free one where that is taken.
        once: end after the report.
        opens: open the dashboard in a browser.

    Raises:
        PortTakenError: `port` cannot be had.
    """
    with listen(port) as here:
        screen.show_start(console)
        airports, cache = load_airports(), Cache()
        visitors = Visitors(airports, seed)
        comparison = Comparison(console, cache, visitors.visits(requests), visitors.rush())
        with _applications(console, airports, cache, here, board=not once) as (plain, cached):
            if not once:
                _show_dashboard(console, cached + PATH, opens=opens)
            report = comparison.run(plain, cached)
            if not once:
                airport, trip = to_airport(airports[0]["icao"]), comparison.rush[0]
                with traffic(cached, visitors):
                    _keep_running(lambda: screen.show_address(console, cached, airport, trip))
            return report


def _show_dashboard(console: Console, url: str, *, opens: bool) -> None:
    screen.show_dashboard(console, url)
    if opens:
        webbrowser.open(url)


@contextmanager
def _applications(
    console: Console, airports: Sequence[Row], cache: Cache, here: socket, *, board: bool
) -> Generator[tuple[str, str]]:
    """Serve the application without a cache and with it, each on a database of its own; gives both addresses."""
    with (
        tempfile.TemporaryDirectory(prefix="cachelayer-demo-") as folder,
        closing(Database(plain_file := Path(folder) / "plain.sqlite")) as one,
        closing(Database(cached_file := Path(folder) / "cached.sqlite")) as other,
    ):
        _store(console, one, airports)
        shutil.copyfile(plain_file, cached_file)
        app = make_app(other, cache)
        with (
            listen(0) as there,
            serving(make_app(one, None), there) as plain,
            serving(with_dashboard(app, cache) if board else app, here) as cached,
        ):
            yield plain, cached


def _store(console: Console, database: Database, airports: Sequence[Row]) -> None:
    make_tables(database)
    with screen.Bars(console) as bars:
        advance = bars.add(f"{len(airports):,} airports into SQLite", len(airports))
        for place in range(0, len(airports), 1000):
            start, rows = time.perf_counter(), airports[place : place + 1000]
            store_airports(database, rows)
            advance(len(rows), time.perf_counter() - start)


def _keep_running(show: Callable[[], None]) -> None:
    # Whoever reads the address may stop the demo at once: that is its regular end already.
    try:
        show()
        threading.Event().wait()
    except KeyboardInterrupt:
        return
