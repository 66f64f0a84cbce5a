"""The command `cachelayer demo`."""

from __future__ import annotations

import signal
import sys

import click


@click.command()
@click.option("--once", is_flag=True, help="End after the tables.")
@click.option(
    "--requests",
    type=click.IntRange(1, 100_000),
    default=800,
    show_default=True,
    help="Requests in each run.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to serve on.  [default: 8000, or a free one]"
)
@click.option("--open", "opens", is_flag=True, help="Open the dashboard in a browser.")
@click.option("--seed", default=1, show_default=True, help="The same seed sends the same requests.")
def demo(*, once: bool, requests: int, port: int | None, opens: bool, seed: int) -> None:
    """Show a real application with the cache and without it.

    Airports of the world in SQLite, served over HTTP, and asked for by visitors who like some pages more than
    others: first without the cache, then with it. The numbers are those of the run. Unless --once, the dashboard
    is there from the beginning, and visitors keep coming until Ctrl-C.
    """
    from rich.console import Console

    from cachelayer.demo.run import run
    from cachelayer.demo.serving import PortTakenError

    # A server that is told to stop ends as with Ctrl-C, and removes its temporary files.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = run(Console(), requests=requests, seed=seed, port=port, once=once, opens=opens)
    except PortTakenError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if report.sound else 1)
