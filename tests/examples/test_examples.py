"""Every example runs, and shows what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

MISS, HIT = "cachelayer; fwd=uri-miss; stored", "cachelayer; hit; ttl=..."

#: What each prints, the remaining lifetime of hits left out.
SHOWN = {
    "memory_backend": """
        b'hello world'
        temp is there: True
        temp is there: False
        hit rate 1.00, utilization 0.00%
    """,
    "cache_aside": """
        2262 primes
        2262 primes
        InMemoryBackend: 1 hit, 1 miss
    """,
    "cached_function": """
        three spellings of one call:
        computing primes(20000, start=2)
        a caller changes its result, and nobody else's:
        2262 primes
        one call invalidated, then everything with the tag:
        computing primes(20000, start=2)
        computing primes(20000, start=2)
        __main__.primes: 7 calls, hit rate 57%
    """,
    "cached_async_function": """
        computing
        50 answers: {2262}
        computing
        2 misses, 49 collapsed, hit rate 96%
    """,
    "stale_while_revalidate": """
        at first: 20
        a minute later, at once: 20
        and once it is computed: 21
        hours later, when the service is away: 21
        1 hit, 1 stale, 1 in spite of an error, 1 miss
    """,
    "vary_by_language": """
        computing
        hello Ann
        computing
        hei Ann
        hello Ann
        hei Ann
    """,
    "invalidation_wins": """
        who asked before it was sold: 1
        who asks afterwards: 0
    """,
    "after_the_transaction": """
        asking the database
        Ann
        a transaction that is committed:
        asking the database
        Bo
        one that is rolled back:
        a user needs a name
        Bo
    """,
    "cached_batch": """
        one query for [1, 2]
        {1: 'pen', 2: 'paper'}
        one query for [3, 99]
        {1: 'pen', 2: 'paper', 3: 'ink'}
        one query for [2]
        {3: 'ink', 2: 'paper', 1: 'pen'}
    """,
    "cached_generator": """
        computing
        half-way, which stores nothing: 2
        computing
        to its end: 2 3 5 7 11 13 17 19
        again: 2 3 5 7 11 13 17 19
    """,
    "disk_backend": """
        the first process:
        computing
        2262 primes
        the second process:
        2262 primes
    """,
    "one_of_many_processes": """
        4 answers: {'report of 2024'}
        computed by: 1
    """,
    "starlette_app": f"""
        2262 primes | {MISS}
        2262 primes | {HIT}
        GET /primes/{{limit}} | hit rate 0.5
    """,
    "fastapi_app": f"""
        two bottles | {MISS}
        two bottles | {HIT}
        three bottles | {MISS}
        GET /notes/{{name}} | hit 1 | miss 2 | bypass 0
        PUT /notes/{{name}} | hit 0 | miss 0 | bypass 1
    """,
    "litestar_app": f"""
        {{'pen': 3}} | {MISS}
        {{'pen': 3}} | {HIT}
        {{'pen': 4}} | {MISS}
        GET /prices/{{article}} | hit 1 | miss 2 | bypass 0
        PUT /prices/{{article}} | hit 0 | miss 0 | bypass 1
    """,
    "quart_app": f"""
        /primes/20000 200 | {MISS}
        /primes/20000 200 | {HIT}
        /nothing 404 | cachelayer; fwd=uri-miss; detail=NO-FRESHNESS
        GET /primes/<int:limit> | hit 1 | miss 1 | uncacheable 0
        <unmatched> | hit 0 | miss 0 | uncacheable 1
    """,
    "flask_app": f"""
        /primes/20000 | {MISS}
        /primes/20000 | {HIT}
        /count/20000 | {MISS}
        /count/20000 | {HIT}
        GET /count/<int:limit> | hit rate 50%
        GET /primes/<int:limit> | hit rate 50%
        __main__.primes | hit rate 50%
    """,
    "bottle_app": f"""
        two bottles | {MISS}
        two bottles | {HIT}
        milk | {MISS}
        milk | {HIT}
        three bottles
        GET /notes/<name> | hit 1 | miss 2 | bypass 0
        GET /list | hit 1 | miss 1 | bypass 0
        PUT /notes/<name> | hit 0 | miss 0 | bypass 1
    """,
    "falcon_app": f"""
        two bottles | {MISS}
        two bottles | {HIT}
        three bottles
        GET /notes/{{name}} | hit 1 | miss 2 | bypass 0
        PUT /notes/{{name}} | hit 0 | miss 0 | bypass 1
    """,
    "django_app": f"""
        2262 primes | {MISS}
        2262 primes | {HIT}
        GET /primes/<int:limit> | hit rate 0.5
    """,
    "reverse_proxy_asgi": f"""
        /news | request 1 | {MISS}
        /news | request 1 | {HIT}
        /cart | request 2 | cachelayer; fwd=uri-miss; detail=NO-STORE
        /cart | request 3 | cachelayer; fwd=uri-miss; detail=NO-STORE
    """,
    "reverse_proxy_wsgi": f"""
        /news | request 1 | {MISS}
        /news | request 1 | {HIT}
        /cart | request 2 | cachelayer; fwd=uri-miss; detail=NO-STORE
        /cart | request 3 | cachelayer; fwd=uri-miss; detail=NO-STORE
    """,
    "own_backend": f"""
        [2, 3, 5, 7, 11, 13, 17, 19, 23, 29] [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
        @cached: 1 hit, 1 miss
        hello from ASGI | {MISS}
        hello from ASGI | {HIT}
        hello from WSGI | {MISS}
        hello from WSGI | {HIT}
    """,
}


def shown_by(name: str, **environment: str) -> list[str]:
    """Run an example, in which warnings are errors; return the lines that it prints."""
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"]
    environment = {**os.environ, **environment}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (process.returncode, process.stderr) == (0, "")
    return [re.sub(r"ttl=\d+", "ttl=...", line.strip()) for line in process.stdout.splitlines()]


@pytest.mark.parametrize("name", SHOWN)
def test_example_shows_what_it_is_for(name):
    """It runs, and its output is the one that its idea implies."""
    assert shown_by(name) == [line.strip() for line in SHOWN[name].strip().splitlines()]


def test_every_example_is_tested():
    """A new file needs a line here."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SHOWN)


def test_every_example_is_in_the_readme():
    """Each is listed, in one line."""
    listed = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(SHOWN)


def test_cache_aside_takes_another_store_by_its_url():
    """The service knows nothing of the store: one too small for its values just never hits."""
    assert (
        shown_by("cache_aside", CACHE_URL="memory://?max_size_bytes=10")[-1]
        == "InMemoryBackend: 0 hit, 2 miss"
    )
