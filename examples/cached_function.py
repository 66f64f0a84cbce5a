"""`@cached` on a function: calls that mean the same share a result, until it expires or is invalidated."""

from cachelayer import cached, default_cache


@cached(ttl="10m", tags=["primes"])
def primes(limit: int, *, start: int = 2) -> list[int]:
    """Return the prime numbers from `start` up to `limit`."""
    print(f"  computing primes({limit}, start={start})")
    return [n for n in range(start, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]


def main() -> None:
    """Show when the function runs."""
    print("three spellings of one call:")
    primes(20_000)
    primes(limit=20_000)
    primes(20_000, start=2)

    print("a caller changes its result, and nobody else's:")
    primes(20_000).clear()
    print(" ", len(primes(20_000)), "primes")

    print("one call invalidated, then everything with the tag:")
    primes.invalidate(20_000)
    primes(20_000)
    default_cache().invalidate_tags("primes")
    primes(20_000)

    stats = primes.stats()
    print(f"{stats.route}: {stats.requests} calls, hit rate {stats.hit_rate:.0%}")


if __name__ == "__main__":
    main()
