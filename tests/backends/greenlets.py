"""What test_gevent.py runs under gevent: fifty greenlets at once over one backend, or one that waits for a server.

Usage: python -m gevent.monkey greenlets.py (crowd | waiting) URL

Prints, as JSON, what they saw.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from gevent.os import fork_gevent

from cachelayer import Cache, cached
from cachelayer.backends import CacheBackend, backend_from_url
from cachelayer.errors import BackendError

CROWD = 50
ROUNDS = 10


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Return what `work` gives for each number of the crowd; an error of one is raised here."""
    greenlets = [gevent.spawn(work, number) for number in range(CROWD)]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def crowd(url: str) -> dict[str, object]:
    """Return what fifty greenlets see that use one backend, and a function that is cached in it."""
    with backend_from_url(url) as backend:
        backend.clear()
        told = {
            "strangers": strangers(backend),
            "counts": sorted(chain.from_iterable(at_once(lambda _: counts(backend)))),
            "adds": [sum(row) for row in zip(*at_once(lambda caller: adds(backend, caller)), strict=True)],
            "crowds_inside": inside(backend),
            "child": child(backend),
        }
    with backend_from_url(url) as backend:
        return told | function(Cache(backend))


def strangers(backend: CacheBackend) -> int:
    """Return how many reads gave something else than what the same greenlet had written."""

    def work(number: int) -> int:
        wrong = 0
        for count in range(ROUNDS):
            own = {f"{number} {count} {part}": b"%d %d %d" % (number, count, part) * 100 for part in range(3)}
            backend.set_many(own)
            wrong += sum(backend.get(key) != value for key, value in own.items())
            wrong += backend.get_many([*own, "missing"]) != own
        return wrong

    return sum(at_once(work))


def counts(backend: CacheBackend) -> list[int]:
    """Return the numbers that one greenlet gets as it counts."""
    return [backend.incr("count") for _ in range(ROUNDS)]


def adds(backend: CacheBackend, caller: int) -> list[bool]:
    """Return which of ten keys one greenlet was first to add."""
    return [backend.add(f"added {number}", b"%d" % caller) for number in range(ROUNDS)]


def inside(backend: CacheBackend) -> list[int]:
    """Return how many greenlets each one saw in the section that a lock guards, itself included."""
    within: list[int] = []

    def work(number: int) -> int:
        lock = backend.lock("section", lease=60)
        assert lock.acquire(timeout=40)
        within.append(number)
        gevent.sleep(0)  # the others' turn
        seen = len(within)
        within.remove(number)
        assert lock.release()
        return seen

    return at_once(work)


def child(backend: CacheBackend) -> list[str | None]:
    """Return what a forked child reads, and what its parent reads of it afterwards."""
    backend.set("parent", b"from the parent")
    reader, writer = os.pipe()
    # Without the watcher of gevent's own os.fork, which now and then misses a child that ends at once.
    process = fork_gevent()
    if process == 0:
        os.write(writer, backend.get("parent") or b"nothing")
        backend.set("child", b"from the child")
        os._exit(0)
    get_original("os", "waitpid")(process, 0)
    told = [os.read(reader, 100), backend.get("child") if backend.shared else b"from the child"]
    os.close(reader)
    os.close(writer)
    return [None if each is None else each.decode() for each in told]


def function(cache: Cache) -> dict[str, object]:
    """Return how often a function that all call at once was computed, and what they got."""
    computed: list[int] = []
    everybody_is_here = Event()

    @cached(cache=cache, name="double", ttl=60, tags=["numbers"])
    def double(number: int) -> int:
        everybody_is_here.wait()
        computed.append(number)
        return 2 * number

    def work(number: int) -> int:
        if number == CROWD - 1:
            everybody_is_here.set()
        return double(21)

    results = at_once(work)
    once = len(computed)
    cache.invalidate_tags("numbers")
    results += at_once(lambda _: double(21))
    return {"results": results, "computed": [once, len(computed)]}


def waiting(url: str) -> dict[str, object]:
    """Return how a call to a server that answers nothing ended, and how often another greenlet had its turn."""
    turns = 0

    def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0.001)

    with backend_from_url(url) as backend:
        other, started, error = gevent.spawn(turn), time.monotonic(), "none"
        try:
            backend.get("key")
        except BackendError as caught:
            error = str(caught)
        seconds = time.monotonic() - started
        other.kill()
    return {"error": error, "turns": turns, "seconds": seconds}


if __name__ == "__main__":
    json.dump({"crowd": crowd, "waiting": waiting}[sys.argv[1]](sys.argv[2]), sys.stdout)
