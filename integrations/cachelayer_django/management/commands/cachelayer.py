"""`manage.py cachelayer`: looks at the site's caches, and purges them."""

from __future__ import annotations

import itertools
import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cachelayer import StatsSnapshot
from cachelayer.errors import CacheLayerError
from cachelayer.stats import RouteStats, shared_totals
from cachelayer_django.conf import get_cache, get_caches, purge
from cachelayer_django.stores import our_stores

_COLUMNS: Final = ("requests", "hit rate", "hit", "miss", "uncacheable", "bypass", "error")
_OWN_MEMORY: Final = (
    "note: the cache is in each process's own memory, and this command's is empty: what a worker has, only that worker "
    "can tell or purge; take a shared store, such as redis://"
)


class Command(BaseCommand):
    """See `BaseCommand`."""

    help = "Looks at the site's cache, and purges it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the subcommands."""
        commands = parser.add_subparsers(
            dest="what", required=True, metavar="stats|routes|keys|purge|clear|doctor"
        )
        stats = commands.add_parser("stats", help="what was counted, in all")
        stats.add_argument("--json", action="store_true", help="everything, as JSON")
        commands.add_parser("routes", help="what was counted, by route and function")
        keys = commands.add_parser("keys", help="the keys in the store")
        keys.add_argument("pattern", nargs="?", help="a glob")
        keys.add_argument("--limit", type=int, default=100, help="how many at most (100)")
        purging = commands.add_parser("purge", help="responses and results")
        one = purging.add_mutually_exclusive_group(required=True)
        one.add_argument("--tag", help="of functions, rules, responses and fragments")
        one.add_argument("--url", help="absolute, with all that is stored for it")
        one.add_argument("--route", help='a label, such as "GET /users/<int:id>/"')
        one.add_argument("--prefix", help="of absolute URLs; takes a store that can list its keys")
        purging.add_argument("--soft", action="store_true", help="make stale, rather than remove")
        purging.add_argument("--dry-run", action="store_true", help="only count")
        commands.add_parser("clear", help="everything in the site's cache; not those of CACHES")
        commands.add_parser("doctor", help="is anything wrong with the stores?")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        """Run a subcommand."""
        try:
            getattr(self, f"_{what}")(**options)
        except (CacheLayerError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    # -- the subcommands --------------------------------------------------------------------------------------

    def _stats(self, *, json: bool, **_: Any) -> None:
        totals = {cache.name: shared_totals(cache) for cache in get_caches()}
        if json:
            self._print(_as_json({name: found.to_dict() for name, found in totals.items()}))
            return
        for name, found in totals.items():
            self._table(("cache", *_COLUMNS), [(name, *_row(found.total))])
            for store, counted in found.backends.items():
                self._print(f"store of {store}: {counted.to_dict()}")
            if found.backend_errors:
                self._print(f"the store failed {found.backend_errors} times")
        self._note()

    def _routes(self, **_: Any) -> None:
        rows = [row for cache in get_caches() for row in _rows(shared_totals(cache))]
        self._table(("route", *_COLUMNS), rows)
        self._note()

    def _keys(self, *, pattern: str | None, limit: int, **_: Any) -> None:
        found = list(itertools.islice(get_cache().store.scan(pattern), limit + 1))
        for key in found[:limit]:
            self._print(key)
        if len(found) > limit:
            self._print(f"and more: --limit {limit}")
        self._note()

    def _purge(self, *, soft: bool, dry_run: bool, **what: Any) -> None:
        wanted = {name: what[name] for name in ("tag", "url", "route", "prefix") if what[name] is not None}
        done = purge(**wanted, soft=soft, dry_run=dry_run)
        verb = "would purge" if done.dry_run else "purged"
        count = (
            "what there is: the store cannot tell how much" if done.count is None else f"{done.count} entries"
        )
        self._print(f"{verb} {count}{'' if done.exact or done.count is None else ', more or less'}")
        self._note()

    def _clear(self, **_: Any) -> None:
        for cache in get_caches():
            self._print(f"{cache.name}: removed {cache.clear()} entries")
        self._note()

    def _doctor(self, **_: Any) -> None:
        troubles: list[str] = []
        for name, backend in _named_backends():
            found = backend.diagnose()
            self._print(f"{name}: {type(backend).__name__}, {'shared' if backend.shared else 'in memory'}")
            troubles += [f"{name}: {trouble}" for trouble in found]
        for trouble in troubles:
            self._print(f"- {trouble}")
        self._print(f"{len(troubles)} found" if troubles else "all is well")
        self._note()
        if troubles:
            raise CommandError("something is wrong with the stores")

    # -- printing ---------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        self.stdout.write(text)

    def _note(self) -> None:
        if not get_cache().backend.shared:
            self.stderr.write(_OWN_MEMORY)

    def _table(self, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        table = [head, *rows]
        first = max(len(row[0]) for row in table)
        for name, *figures in table:
            self._print(f"{name:<{first}}  " + "  ".join(f"{figure:>11}" for figure in figures))


def _named_backends() -> Iterable[tuple[str, Any]]:
    yield "CACHELAYER", get_cache().backend
    for alias, store in our_stores():
        yield f"CACHES[{alias!r}]", store.origin


def _rows(found: StatsSnapshot) -> Iterable[tuple[str, ...]]:
    for label, counted in sorted((*found.routes.items(), *found.functions.items())):
        yield label, *_row(counted)


def _row(counted: RouteStats) -> tuple[str, ...]:
    figures = (counted.hit, counted.miss, counted.uncacheable, counted.bypass, counted.error)
    return str(counted.requests), f"{counted.hit_rate:.0%}", *map(str, figures)


def _as_json(found: Any) -> str:
    return json.dumps(found, indent=2)
