"""Threads, forks and ends: acceptance observability.md 4."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from cachelayer import Cache, cached
from cachelayer.stats import make_report, shared_totals
from cachelayer.testing import FakeClock
from tests.servers.processes import PATIENCE, wait_until
from tests.stats.support import Office, SharedStore, count

NAME = "cachelayer-statistics"


def threads():
    """Return the threads that write down statistics."""
    return {thread for thread in threading.enumerate() if thread.name == NAME}


@pytest.fixture
def before():
    """The threads that were there before; afterwards, those of the test are gone."""
    gc.collect()
    found = threads()
    yield found
    gc.collect()
    wait_until(lambda: threads() <= found, "threads end")


def test_the_first_lookup_starts_the_thread(before):
    """Making a cache does not, nor does decorating [observability 4]."""
    cache = Office().worker()
    double = cached(cache=cache, name="double")(lambda number: 2 * number)
    assert threads() <= before
    double(1)
    assert len(threads() - before) == 1
    count(cache)
    assert len(threads() - before) == 1
    cache.close()


def test_the_thread_ends_with_its_cache(before):
    """Nobody else holds the cache [observability 4]."""
    cache = Office().worker()
    count(cache)
    reference = weakref.ref(cache)
    del cache
    gc.collect()
    assert reference() is None
    wait_until(lambda: threads() <= before, "the thread ends")


def test_the_thread_flushes_by_itself(before):
    """Every few seconds, here more often [observability 4]."""
    office = Office()
    worker = Cache(office.store, clock=office.clock, shared_stats=True, stats_interval=0.01)
    count(worker, 5)
    other = office.worker()
    wait_until(lambda: shared_totals(other).total.requests == 5, "the other knows of it")
    worker.close()
    other.close()


def test_closing_says_the_last_word_and_ends_the_thread(before):
    """What was counted a moment ago is written down [observability 4]."""
    office = Office()
    worker, other = office.worker(), office.worker()
    count(worker, 3)
    worker.recorder.close()
    assert threads() <= before
    count(worker, 3)
    assert shared_totals(other).total.requests == 3
    other.recorder.close()


def test_a_fork_finds_no_thread_and_the_next_lookup_starts_one(before):
    """In the parent as in the child, which counts for itself [observability 4]."""
    worker = Office().worker()
    count(worker, 3)
    parent = worker.recorder.id
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        is_clean = not threads() and worker.recorder.id != parent
        count(worker, 2)
        counted = worker.recorder.flush() and worker.recorder.page().batches[-1].counts
        told = f"{is_clean} {len(threads())} {counted.routes['GET /users/{id}'].hit}"
        os.write(writing, told.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"True 1 2"
    assert worker.recorder.id == parent
    assert threads() <= before
    count(worker)
    assert len(threads() - before) == 1
    worker.recorder.close()
    for descriptor in (reading, writing):
        os.close(descriptor)


@pytest.mark.parametrize("what", ["hit", "miss", "flow hit"])
def test_any_lookup_of_a_function_wakes_it_after_a_fork(before, what):
    """A hit by the shortcut does within 64 [observability 4]."""
    from cachelayer import InMemoryBackend

    cache = Cache(InMemoryBackend(clock=FakeClock()))
    double = cached(cache=cache, ttl=600, name="double")(lambda number: 2 * number)
    double(1)
    double(1)
    make_report(cache)
    cache.recorder.before_fork()
    cache.recorder.after_fork_in_parent()
    assert threads() <= before
    for number in range(64):
        double(1 if what == "hit" else number + 2 if what == "miss" else (1.0, 1)[number % 2])
    assert len(threads() - before) == 1
    cache.close()


SCRIPT = """
import signal, sys, threading
from cachelayer import Cache, Outcome

def handler(number, frame):
    print("handled", flush=True)

if sys.argv[1] == "handler":
    signal.signal(signal.SIGTERM, handler)
elif sys.argv[1] == "ignored":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
cache = Cache("disk://" + sys.argv[2], stats_interval=3600)
count = lambda: cache.routes.counters("GET /").record(Outcome.HIT, seconds=1.0)
if sys.argv[1] == "thread":
    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
else:
    count()
print("ready", flush=True)
for line in sys.stdin:
    print(line.strip(), flush=True)
"""


@pytest.mark.parametrize(
    ("kind", "told", "status"),
    [
        ("default", "", -signal.SIGTERM),
        ("handler", "handled", 0),
        ("ignored", "", 0),
        ("thread", "", -signal.SIGTERM),
    ],
)
def test_a_signals_handler_goes_on_as_before(tmp_path, kind, told, status):
    """Ours comes first, and then what there was: a handler, being ignored, or the end [observability 4]."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, kind, str(tmp_path / "cache.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    if told:
        assert process.stdout.readline() == f"{told}\n"
    out, _ = process.communicate("still here\n" if status == 0 else None, timeout=PATIENCE)
    assert (out, process.returncode) == ("still here\n" if status == 0 else "", status)
    reader = Cache(f"disk://{tmp_path}/cache.db", stats_interval=3600)
    known = shared_totals(reader).total.requests
    reader.close()
    # Where it was begun by another thread than the main one, nobody can ask for signals.
    assert known == (0 if kind == "thread" else 1)


HANGING = """
import atexit, threading
asked = set()
atexit.register(lambda: print(len(asked)))  # the first is called last
from cachelayer import Cache, Outcome
from cachelayer.stats import lifetime
from cachelayer.testing import MinimalBackend

lifetime._PATIENCE = 0.3

class Hanging(MinimalBackend):
    shared = True
    def get(self, key):
        asked.add(self)
        threading.Event().wait(0.2)
        return None

caches = [Cache(Hanging(), name=str(number), stats_interval=3600) for number in range(20)]
for cache in caches:
    cache.routes.counters("GET /").record(Outcome.HIT, seconds=1.0)
"""


def test_a_store_that_hangs_holds_up_no_exit():
    """When the patience is over, no further cache begins with its last words [observability 4]."""
    command = [sys.executable, "-c", HANGING]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == ""
    assert 1 <= int(done.stdout) <= 2


def test_a_store_that_fails_is_told_of_and_harms_nobody(before, caplog):
    """Lookups go on, and so does the thread [observability 4]."""

    class Broken(SharedStore):
        def get(self, key):
            raise OSError("broken")

    clock = FakeClock()
    worker = Cache(Broken(clock=clock), clock=clock, shared_stats=True, stats_interval=0.01)
    double = cached(cache=worker, name="double")(lambda number: 2 * number)
    wait_until(lambda: double(1) == 2 and worker.recorder.trouble, "it is noticed")
    assert len(threads() - before) == 1
    assert make_report(worker).scope == "degraded"
    assert len([record for record in caplog.records if "not shared until" in record.message]) == 1
    worker.close()
