"""Caches of an application over a store of the test's own, and caching switched off, for the time of a test.

Everything in the process sees it: it is for tests that run one after another.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.null import NullBackend
from cachelayer.cache import Cache, over_another_store
from cachelayer.default import cache_over, default_over_another_store
from cachelayer.errors import OptionTypeError
from cachelayer.testing.clock import FakeClock


@contextmanager
def isolated_cache(
    cache: Cache | CacheBackend | None = None, *, backend: CacheBackend | None = None
) -> Generator[Cache]:
    """Let a cache of the application be over a store of the test's own until the end of the `with` block.

    Functions and middlewares that use it are with it, also those that were called before. Its entries and statistics
    are as new in the block; afterwards they are what they were before it.

    Args:
        cache: which one: None for the process's default, a `Cache`, or the backend that functions or middlewares
            name as `backend=`.
        backend: the store meanwhile; None makes one in memory with a `FakeClock`, which starts at the present time
            and is the block's `cache.clock`.

    Raises:
        OptionTypeError: `cache` is none of these.
    """
    if backend is None:
        # Whole seconds, as in the Date of a response.
        backend = InMemoryBackend(clock=FakeClock(float(int(time.time()))))
    with _over(cache, backend) as isolated:
        yield isolated


@contextmanager
def caching_disabled(cache: Cache | CacheBackend | None = None) -> Generator[None]:
    """Switch a cache of the application off until the end of the `with` block.

    Its functions and applications are called each time and nothing is stored; their calls count as `bypass`.

    Args:
        cache: as `isolated_cache` takes it.

    Raises:
        OptionTypeError: `cache` is none of these.
    """
    with _over(cache, NullBackend()):
        yield


def _over(cache: object, backend: CacheBackend) -> AbstractContextManager[Cache]:
    if cache is None:
        return default_over_another_store(backend)
    if isinstance(cache, CacheBackend):
        cache = cache_over(cache)
    if not isinstance(cache, Cache):
        raise OptionTypeError(f"cache must be a Cache, a CacheBackend or None, not {type(cache).__name__}")
    return over_another_store(cache, backend)
