"""The command `cachelayer doctor`: looks a store over, and the middlewares around an application."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import click
import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.url import backend_from_url, mask_password, mask_passwords
from cachelayer.cache import Cache
from cachelayer.context import DISABLED_VARIABLE
from cachelayer.default import URL_VARIABLE
from cachelayer.doctor.order import Layer, findings, layers_of, load
from cachelayer.errors import BackendError, CacheLayerError

_ROUNDS: Final = 20
_VALUE: Final = bytes(1024)
_NOT_SHARED: Final = (
    "each worker process has a cache of its own here: with several, an invalidation reaches one of them, and each "
    "computes by itself; take a shared store where that matters"
)
_DISABLED: Final = f"caching is off in this environment: ${DISABLED_VARIABLE} is set"


class Findings(msgspec.Struct):
    """What was found.

    Attributes:
        store: its URL, or what it is.
        seconds: the median of each operation, by name.
        layers: what is around the application, the outermost first; empty where none was named.
        troubles: what is wrong, a sentence each.
    """

    store: str
    seconds: dict[str, float] = {}
    layers: list[str] = []
    troubles: list[str] = []


@click.command()
@click.argument("url", required=False)
@click.option("--backend", metavar="URL", help="The store; the same as the argument.")
@click.option("--app", metavar="MODULE:APP", help="Look at the middlewares around this application, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def doctor(*, url: str | None, backend: str | None, app: str | None, as_json: bool) -> None:
    """Look over the store at URL, or at $CACHELAYER_URL: is it there, is it set up for a cache, how fast is it?

    With --app also: do the middlewares around it stand in a good order? Without a URL the store is then the
    application's own. Writes, reads and removes a few small entries. Exits with 1 where something is wrong, and with 2
    where the application cannot be imported.
    """
    layers = [] if app is None else _layers(app)
    own = next((layer.cache for layer in layers if layer.cache is not None), None)
    given = url or backend
    found = _of_cache(own) if own is not None and given is None else _of_url(given)
    found.layers = [layer.name for layer in layers]
    if layers:
        found.troubles += findings(layers)
    if os.environ.get(DISABLED_VARIABLE, "").lower() in {"1", "true", "yes", "on"}:
        found.troubles.append(_DISABLED)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        _print(found)
    sys.exit(1 if found.troubles else 0)


def _layers(app: str) -> list[Layer]:
    try:
        return layers_of(load(app))
    except CacheLayerError as error:
        raise click.UsageError(mask_passwords(str(error))) from error


def _of_url(given: str | None) -> Findings:
    url = given or os.environ.get(URL_VARIABLE) or "memory://"
    found = Findings(mask_password(url))
    try:
        with backend_from_url(url) as backend:
            examine(backend, found)
    except CacheLayerError as error:
        found.troubles = [mask_passwords(str(error))]
    return found


def _of_cache(cache: Cache) -> Findings:
    found = Findings(f"{type(cache.backend).__name__} of the application's cache {cache.name!r}")
    examine(cache.backend, found)
    return found


def examine(backend: CacheBackend, found: Findings) -> None:
    """Measure a few operations, and look for what is wrong with a store."""
    try:
        found.troubles = backend.diagnose()
        found.seconds = _measure(backend)
    except CacheLayerError as error:
        # A store that cannot be reached has said so already.
        found.troubles = found.troubles or [mask_passwords(str(error))]
    if not backend.shared:
        found.troubles.append(_NOT_SHARED)


def _print(found: Findings) -> None:
    click.echo(f"store: {found.store}")
    for name, seconds in found.seconds.items():
        click.echo(f"{name}: {seconds * 1e6:,.0f} us")
    if found.layers:
        click.echo(f"from outside in: {', '.join(found.layers)}")
    for trouble in found.troubles:
        click.secho(f"- {trouble}", fg="yellow")
    count = len(found.troubles)
    click.secho(f"{count} found" if count else "all is well", fg="red" if count else "green")


def _measure(backend: CacheBackend) -> dict[str, float]:
    """Return the median seconds of each operation, with 1 kB."""
    key = f"doctor:{secrets.token_hex(8)}"
    if not backend.set(key, _VALUE, 60.0):
        raise BackendError("it takes no entry of 1 kB: see its limits and its log")
    try:
        return {
            "write": _median(lambda: backend.set(key, _VALUE, 60.0)),
            "hit": _median(lambda: backend.get(key)),
            "miss": _median(lambda: backend.get(key + " missing")),
        }
    finally:
        backend.delete(key)


def _median(call: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return median(taken)
