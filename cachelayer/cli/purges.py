"""The commands `purge` and `clear`: remove entries, or make them stale."""

from __future__ import annotations

import click
import msgspec

from cachelayer.backends.url import mask_password
from cachelayer.cli.show import print_json
from cachelayer.cli.target import Place, checked_target, takes_json, takes_place
from cachelayer.cli.telling import tell_cleared, tell_purged
from cachelayer.dashboard.actions import KINDS
from cachelayer.dashboard.figures import seconds


@click.command()
@takes_place
@click.option("--url", help="An absolute URL, with all that is stored for it.")
@click.option("--tag", help="A tag of functions, rules or responses.")
@click.option("--route", help='A label, such as "GET /users/{id}".')
@click.option("--prefix", help="What absolute URLs begin with.")
@click.option("--soft", is_flag=True, help="Make stale, rather than remove.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@takes_json
def purge(*, place: Place, soft: bool, dry_run: bool, as_json: bool, **what: str | None) -> None:
    """Remove what is stored of one URL, tag, route or prefix."""
    given = [(kind, value) for kind in KINDS if (value := what[kind]) is not None]
    if len(given) != 1:
        raise click.UsageError("give exactly one of --url, --tag, --route and --prefix")
    target = checked_target(*given[0], soft=soft)
    with place.figures() as figures:
        done = figures.purge(target, dry_run=dry_run)
    if as_json:
        print_json({**msgspec.to_builtins(target), "dry_run": dry_run, **msgspec.to_builtins(done)})
        return
    click.echo(tell_purged(done, target.words, soft=soft, dry_run=dry_run))
    if done.refill_seconds:
        click.echo(f"computing them again takes about {seconds(done.refill_seconds)}")
    if not dry_run:
        click.echo(done.reach)


@click.command()
@takes_place
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes_json
def clear(*, place: Place, yes: bool, as_json: bool) -> None:
    """Remove everything in the cache's namespace. Exits with 1 where that is not confirmed."""
    with place.cache() as cache:
        if not yes:
            space = f"in the namespace {place.namespace!r} of" if place.namespace else "in"
            url = mask_password(place.store_url)
            click.confirm(f"Remove everything {space} {url}?", abort=True, err=True)
        count = cache.clear()
    if as_json:
        print_json({"count": count or None})
    else:
        click.echo(tell_cleared(count))
