"""`@cached` on a generator: the first run yields as it goes, the next ones yield the items again."""

from collections.abc import Iterator

from cachelayer import cached


@cached(ttl="10m")
def primes(limit: int) -> Iterator[int]:
    """Yield the prime numbers below `limit`."""
    print("  computing")
    for number in range(2, limit):
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number


def main() -> None:
    """Run it half-way, to its end, and again."""
    print("half-way, which stores nothing:", next(primes(20)))
    print("to its end:", *primes(20))
    print("again:", *primes(20))


if __name__ == "__main__":
    main()
