"""Replays cache traces, one request after another, and prints hit rates: `make bench TRACES=folder`."""

from __future__ import annotations

import gzip
import lzma
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from cachelayer.backends.memory import InMemoryBackend

FOLDER = os.environ.get("CACHELAYER_TRACES", "")
SHARES = (0.001, 0.01, 0.1)
#: Requests of a trace that are replayed at most.
MOST = 1_000_000


def _open(path: Path) -> IO[bytes]:
    return lzma.open(path) if path.suffix == ".xz" else gzip.open(path)


def _requests(path: Path) -> Iterator[str]:
    """Yield the keys of a trace: 32-bit integers (.xz), or one decimal number a line (.gz)."""
    with _open(path) as file:
        if path.suffix == ".gz":
            yield from (line.decode().strip() for line in file)
        else:
            while record := file.read(4):
                yield record.hex()


def _traces() -> list[Path]:
    return sorted(Path(FOLDER).glob("*.trace.*")) if FOLDER else []


@pytest.mark.parametrize("path", _traces(), ids=lambda path: path.name)
def bench_trace(path: Path) -> None:
    """The hit rate and cost of the memory store's policies on one trace."""
    keys = [key for key, _ in zip(_requests(path), range(MOST), strict=False)]
    unique = len(set(keys))
    print(f"\n{path.name}: {len(keys):,} requests, {unique:,} keys")
    for share in SHARES:
        store = InMemoryBackend(max_entries=max(1, int(unique * share)))
        started = time.perf_counter()
        for key in keys:
            if store.get(key) is None:
                store.set(key, b"")
        each = (time.perf_counter() - started) / len(keys) * 1e9
        print(
            f"  lru, room for {share:.1%}: hit rate {store.get_stats().hit_rate:.2%}, {each:,.0f} ns a request"
        )
