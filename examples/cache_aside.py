"""Cache-aside by hand: a service that takes any `CacheBackend`, so that another store is another line."""

import json
import os

from cachelayer import CacheBackend, backend_from_url


class Primes:
    """Finds prime numbers, and remembers what it found."""

    def __init__(self, cache: CacheBackend) -> None:
        self.cache = cache

    def below(self, limit: int) -> list[int]:
        """Return the prime numbers below `limit`."""
        key = f"primes:{limit}"
        stored = self.cache.get(key)
        if stored is not None:
            return json.loads(stored)
        found = [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]
        self.cache.set(key, json.dumps(found).encode(), ttl=300)
        return found


def main() -> None:
    """Ask twice for the same: the second time it is in the cache."""
    backend = backend_from_url(os.environ.get("CACHE_URL", "memory://"))  # the one line
    primes = Primes(backend)
    for _ in range(2):
        print(len(primes.below(20_000)), "primes")
    stats = backend.get_stats()
    print(f"{type(backend).__name__}: {stats.hits} hit, {stats.misses} miss")


if __name__ == "__main__":
    main()
