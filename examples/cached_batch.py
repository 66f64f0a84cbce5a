"""`@cached.batch`: a function of many items is called with those that are missing, and each item has its own entry."""

from cachelayer import cached

ARTICLES = {1: "pen", 2: "paper", 3: "ink", 4: "card"}


@cached.batch(ttl="10m")
def titles(numbers: list[int]) -> dict[int, str]:
    """Return the titles of the articles that there are."""
    print(f"  one query for {numbers}")
    return {number: ARTICLES[number] for number in numbers if number in ARTICLES}


def main() -> None:
    """Ask for several at a time."""
    print(titles([1, 2]))
    print(titles([1, 2, 3, 99]))

    titles.invalidate(2)
    print(titles([3, 2, 1]))


if __name__ == "__main__":
    main()
