"""Keys in several processes: acceptance functions.md 4 (another PYTHONHASHSEED) and 10 (workers agree)."""

import json
import os
import subprocess
import sys

PROGRAM = """
import dataclasses, enum, json, pathlib, sys
from cachelayer import Cache, InMemoryBackend, cached
from cachelayer.testing import MinimalBackend

class Shared(MinimalBackend):
    shared = True

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Point:
    x: int
    tags: set

cache = Cache(Shared())

@cached(cache=cache)
def f(*args, **kwargs): ...

class Service:
    @cached(cache=cache)
    @classmethod
    def load(cls, x): ...

    @cached(cache=cache)
    def method(self, x): ...

    def __cache_key__(self):
        return "service"

words = ["alpha", "beta", "gamma", "delta", "epsilon"]
print(json.dumps([
    f.key_for(set(words)),
    f.key_for(frozenset(words)),
    f.key_for({word: {word, "other"} for word in words}),
    f.key_for({(1, "a"), (2, "b"), None, "x", b"y"}),
    f.key_for(Point(1, set(words)), Colour.RED, pathlib.PurePosixPath("a")),
    f.key_for(a=1, b=set(words), c=Service, d=len),
    f.key_for("x" * 1000, set(words)),
    Service.load.key_for(1),
    Service().method.key_for(1),
]))
"""


def keys(seed):
    """Return the keys that a process with this hash seed makes."""
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_keys_are_the_same_under_another_hash_seed():
    """4: containers, classes, functions and methods have the same keys in every process."""
    first = keys(1)
    assert len(set(first)) == len(first)
    assert first == keys(2)
