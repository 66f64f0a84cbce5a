"""`flask cachelayer ...`: what an application's cache holds and counts, and the means to purge it."""

from __future__ import annotations

import json
from typing import Final

import click
from flask import current_app
from flask.cli import AppGroup

from cachelayer import Cache, CacheLayerError, StatsSnapshot
from cachelayer.cli.show import plain
from cachelayer.cli.telling import keys_of, tell_cleared, tell_counted, tell_purged
from cachelayer.stats import shared_totals

group: Final = AppGroup("cachelayer", help="Look into the cache, and purge it.")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@group.command()
@_as_json
def stats(*, as_json: bool) -> None:
    """Show what the cache and its store counted."""
    snapshot = _counted()
    if as_json:
        click.echo(json.dumps(snapshot.to_dict(), indent=2))
        return
    _print(*tell_counted("", [("all", snapshot.total)]))
    for name, store in snapshot.backends.items():
        figures = ", ".join(f"{key} {value}" for key, value in store.to_dict().items() if value is not None)
        click.echo(f"{name}: {figures}")


@group.command()
@_as_json
def routes(*, as_json: bool) -> None:
    """Show the outcomes of each route and function."""
    snapshot = _counted()
    counted = {**snapshot.routes, **snapshot.functions}
    if as_json:
        click.echo(json.dumps({label: one.to_dict() for label, one in counted.items()}, indent=2))
        return
    _print(*tell_counted("route", sorted(counted.items())))


@group.command()
@click.argument("pattern", default="*")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="0 shows all.")
def keys(pattern: str, *, limit: int) -> None:
    """List the keys that match a glob PATTERN."""
    try:
        found, more = keys_of(_cache(), pattern, limit)
    except CacheLayerError as error:
        raise click.ClickException(str(error)) from error
    _print(*map(plain, found))
    if more:
        click.echo("there are more: --limit 0 shows all", err=True)


@group.command()
@click.option("--url", help="An absolute URL, with all that is stored for it.")
@click.option("--tag", help="A tag of functions, rules or responses.")
@click.option("--route", help='A label, such as "GET /users/<int:id>".')
@click.option("--prefix", help="What absolute URLs begin with.")
@click.option("--soft", is_flag=True, help="Make stale rather than remove.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def purge(*, soft: bool, dry_run: bool, **what: str | None) -> None:
    """Remove what is stored of one URL, tag, route or prefix."""
    given = [f"{name} {value}" for name, value in what.items() if value is not None]
    try:
        purged = _cache().purge(soft=soft, dry_run=dry_run, **what)
    except CacheLayerError as error:
        raise click.UsageError(str(error)) from error
    _print(tell_purged(purged, given[0], soft=soft, dry_run=dry_run))


@group.command()
@click.confirmation_option(prompt="Remove everything that is cached?")
def clear() -> None:
    """Remove everything."""
    _print(tell_cleared(_cache().clear()))


def _print(*lines: str) -> None:
    for line in lines:
        click.echo(line)


def _cache() -> Cache:
    """Return the application's cache, and say so where a server's is another one."""
    cache: Cache = current_app.extensions["cachelayer"]
    if not cache.backend.shared:
        click.echo(
            "Each process has a store of its own in memory: this is the command's, and no server's. "
            "CACHELAYER_BACKEND names a shared one.",
            err=True,
        )
    return cache


def _counted() -> StatsSnapshot:
    """Return what all workers have counted that share statistics."""
    cache: Cache = current_app.extensions["cachelayer"]
    if not cache.recorder.shared:
        click.echo(
            "Each process counts for itself: this is the command, and no server. CACHELAYER_BACKEND names a shared "
            "store, or CACHELAYER_STATS_DIR a directory, in which workers add up what they count.",
            err=True,
        )
    return shared_totals(cache)
