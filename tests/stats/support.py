"""Workers in one process, for tests: caches that share a store of bytes, and a clock that stands still."""

from typing import ClassVar

from cachelayer import Cache, Outcome
from cachelayer.testing import FakeClock, MinimalBackend

ROUTE = "GET /users/{id}"


class SharedStore(MinimalBackend):
    """What other processes would see too."""

    shared: ClassVar[bool] = True

    def __init__(self, *, clock):
        super().__init__(clock=clock)
        self.clock = clock


class Office:
    """Caches over one store, each as if it were another worker's; nobody flushes by himself."""

    def __init__(self, wrap=lambda store: store):
        self.clock = FakeClock()
        self.store = wrap(SharedStore(clock=self.clock))

    def worker(self, **options):
        """Return another one."""
        return Cache(self.store, clock=self.clock, shared_stats=True, stats_interval=3600, **options)


def count(cache, hits=1, misses=0, route=ROUTE, seconds=0.001):
    """Count some requests."""
    counters = cache.routes.counters(route)
    for _ in range(hits):
        counters.record(Outcome.HIT, seconds=seconds, size=10)
    for _ in range(misses):
        counters.record(Outcome.MISS, seconds=0.1)
