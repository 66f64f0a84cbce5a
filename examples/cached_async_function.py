"""`@cached` on an async function: of those who ask at once, one computes and the others wait for its result."""

import asyncio

from cachelayer import cached


def count_primes(limit: int) -> int:
    """Return how many prime numbers are below `limit`."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


@cached(ttl="10m", key="primes:{limit}")
async def primes(limit: int) -> int:
    """Return how many prime numbers are below `limit`, computed in a thread."""
    print("computing")
    return await asyncio.to_thread(count_primes, limit)


async def main() -> None:
    """Let fifty tasks ask at the same time."""
    answers = await asyncio.gather(*(primes(20_000) for _ in range(50)))
    print(f"{len(answers)} answers: {set(answers)}")

    await primes.invalidate(20_000)
    await primes(20_000)

    stats = primes.stats()
    print(f"{stats.miss} misses, {stats.collapsed} collapsed, hit rate {stats.hit_rate:.0%}")


if __name__ == "__main__":
    asyncio.run(main())
