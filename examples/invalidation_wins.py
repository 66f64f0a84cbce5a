"""What is invalidated while it is computed is not stored: nobody gets the old value afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor

from cachelayer import cached, default_cache

stock = {"pen": 1}
has_read, is_sold = threading.Event(), threading.Event()


@cached(ttl="1h", tags=["article:{article}"])
def in_stock(article: str) -> int:
    """Return how many there are, slowly: they are counted, and the answer takes its time."""
    count = stock[article]
    has_read.set()
    is_sold.wait()
    return count


def sell(article: str) -> None:
    """Sell one, and say so."""
    stock[article] -= 1
    default_cache().invalidate_tags(f"article:{article}")


def main() -> None:
    """Sell a pen while somebody asks how many there are."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(in_stock, "pen")
        has_read.wait()
        sell("pen")
        is_sold.set()
        print("who asked before it was sold:", asked.result())
    print("who asks afterwards:", in_stock("pen"))


if __name__ == "__main__":
    main()
