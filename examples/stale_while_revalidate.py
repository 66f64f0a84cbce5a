"""Nobody waits for a slow function once it has been called: what is stale is served while it is computed anew."""

import time

from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.testing import FakeClock

clock = FakeClock()  # so that this example need not wait for a minute to pass
cache = Cache(InMemoryBackend(clock=clock))
readings = {"Oslo": 20}


@cached(cache=cache, ttl="1m", stale_while_revalidate="1h", stale_if_error="1d")
def temperature(city: str) -> int:
    """Return the temperature, of a slow service that is sometimes away."""
    if city not in readings:
        raise ConnectionError("the service does not answer")
    return readings[city]


def wait_for_refreshes(count: int) -> None:
    """Wait until so many computations in the background are done."""
    while temperature.stats().refreshes < count:
        time.sleep(0.001)


def main() -> None:
    """Let time pass."""
    print("at first:", temperature("Oslo"))

    readings["Oslo"] = 21
    clock.advance(61)
    print("a minute later, at once:", temperature("Oslo"))
    wait_for_refreshes(1)
    print("and once it is computed:", temperature("Oslo"))

    readings.clear()
    clock.advance(7200)
    print("hours later, when the service is away:", temperature("Oslo"))

    stats = temperature.stats()
    print(
        f"{stats.hit} hit, {stats.stale_hit} stale, {stats.error_hit} in spite of an error, {stats.miss} miss"
    )


if __name__ == "__main__":
    main()
