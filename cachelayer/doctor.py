"""The command `cachelayer doctor`: looks a store over."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import click

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.url import backend_from_url, mask_password
from cachelayer.cache import URL_VARIABLE
from cachelayer.errors import BackendError, CacheLayerError

_ROUNDS: Final = 20
_VALUE: Final = bytes(1024)
_NOT_SHARED: Final = (
    "each worker process has a cache of its own here: with several, an invalidation reaches one of them, and each "
    "computes by itself; take a shared store where that matters"
)


@click.command()
@click.argument("url", required=False)
def doctor(url: str | None) -> None:
    """Look over the store at URL, or at $CACHELAYER_URL: is it there, is it set up for a cache, how fast is it?

    Writes, reads and removes a few small entries. Exits with 1 where something is wrong.
    """
    url = url or os.environ.get(URL_VARIABLE) or "memory://"
    click.echo(f"store: {mask_password(url)}")
    try:
        with backend_from_url(url) as backend:
            troubles = examine(backend)
    except CacheLayerError as error:
        troubles = [str(error)]
    for trouble in troubles:
        click.echo(f"- {trouble}")
    click.echo(f"{len(troubles)} found" if troubles else "all is well")
    sys.exit(1 if troubles else 0)


def examine(backend: CacheBackend) -> list[str]:
    """Measure a few operations, print what they took, and return what is wrong with the store, a sentence each."""
    troubles = backend.diagnose()
    try:
        for name, seconds in _measure(backend).items():
            click.echo(f"{name}: {seconds * 1e6:,.0f} us")
    except CacheLayerError as error:
        # A store that cannot be reached has said so already.
        troubles = troubles or [str(error)]
    return troubles if backend.shared else [*troubles, _NOT_SHARED]


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
