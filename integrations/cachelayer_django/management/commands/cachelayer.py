"""`manage.py cachelayer`: looks at the site's caches, and purges them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cachelayer import StatsSnapshot
from cachelayer.cli.show import plain
from cachelayer.cli.telling import keys_of, tell_cleared, tell_counted, tell_purged
from cachelayer.errors import CacheLayerError
from cachelayer.stats import shared_totals
from cachelayer_django.conf import get_cache, get_caches, purge
from cachelayer_django.stores import our_stores

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
        keys.add_argument("pattern", nargs="?", default="*", help="a glob")
        keys.add_argument("--limit", type=int, default=100, help="how many at most (100); 0 shows all")
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
        totals = _totals()
        if json:
            self._print(_as_json({name: found.to_dict() for name, found in totals.items()}))
            return
        self._print(*tell_counted("cache", [(name, found.total) for name, found in totals.items()]))
        for found in totals.values():
            for store, counted in found.backends.items():
                self._print(f"store of {store}: {counted.to_dict()}")
            if found.backend_errors:
                self._print(f"the store failed {found.backend_errors} times")
        self._note()

    def _routes(self, **_: Any) -> None:
        rows = [
            row for found in _totals().values() for row in (*found.routes.items(), *found.functions.items())
        ]
        self._print(*tell_counted("route", sorted(rows)))
        self._note()

    def _keys(self, *, pattern: str, limit: int, **_: Any) -> None:
        found, more = keys_of(get_cache(), pattern, max(limit, 0))
        self._print(*map(plain, found))
        if more:
            self.stderr.write("there are more: --limit 0 shows all")
        self._note()

    def _purge(self, *, soft: bool, dry_run: bool, **what: Any) -> None:
        wanted = {name: what[name] for name in ("tag", "url", "route", "prefix") if what[name] is not None}
        done = purge(**wanted, soft=soft, dry_run=dry_run)
        for kind, value in wanted.items():
            self._print(tell_purged(done, f"{kind} {value}", soft=soft, dry_run=dry_run))
        self._note()

    def _clear(self, **_: Any) -> None:
        for cache in get_caches():
            self._print(f"{cache.name}: {tell_cleared(cache.clear())}")
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

    def _print(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)

    def _note(self) -> None:
        if not get_cache().backend.shared:
            self.stderr.write(_OWN_MEMORY)


def _totals() -> dict[str, StatsSnapshot]:
    """Return what was counted by each cache's name; of those over `CACHES` only where anything was."""
    totals = {cache: shared_totals(cache) for cache in get_caches()}
    site = get_cache()
    return {cache.name: found for cache, found in totals.items() if cache is site or found.total.requests}


def _named_backends() -> Iterable[tuple[str, Any]]:
    yield "CACHELAYER", get_cache().backend
    for alias, store in our_stores():
        yield f"CACHES[{alias!r}]", store.origin


def _as_json(found: Any) -> str:
    return json.dumps(found, indent=2)
