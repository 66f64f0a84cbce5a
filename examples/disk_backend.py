"""A cache that survives its process, without a server: one file that the processes of a machine share."""

import subprocess
import sys
import tempfile
from pathlib import Path

from cachelayer import cached, configure


@cached(ttl="1d", name="primes")
def primes(limit: int) -> list[int]:
    """Return the prime numbers below `limit`."""
    print("  computing")
    return [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]


def answer(path: str) -> None:
    """Answer in a process that lives no longer than that."""
    cache = configure(f"disk://{path}")
    print(len(primes(20_000)), "primes")
    cache.close()


def main() -> None:
    """Start this file twice, one after the other, over one cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.db"
        for which in ("first", "second"):
            print(f"the {which} process:", flush=True)
            subprocess.run([sys.executable, __file__, path], check=True)


if __name__ == "__main__":
    answer(sys.argv[1]) if sys.argv[1:] else main()
