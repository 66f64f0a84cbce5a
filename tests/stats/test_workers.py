"""Statistics of several real processes, over each kind of store [observability 4]."""

import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.servers.processes import PATIENCE, wait_until

SCRIPT = Path(__file__).with_name("worker.py")
STORES = ("redis", "memcached", "disk", "directory")


class Worker:
    """A process that counts; a context manager."""

    def __init__(self, place, *, interval=0.2):
        self._command = [sys.executable, str(SCRIPT), *place, str(interval)]

    def __enter__(self):
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()

    def ask(self, line):
        """Have it do something, and return its answer."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        """Let it end in the regular way."""
        self.process.communicate("end\n", timeout=PATIENCE)
        return self.process.returncode

    def get(self, number):
        """Send it a signal, and return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def counts(self):
        """Return how many lookups it knows that all workers have counted: in the window, and in all."""
        window, total = self.ask("requests").split()
        return int(window), int(total)

    def wait_for(self, requests):
        """Wait until it knows of so many."""
        wait_until(lambda: self.counts() == (requests, requests), f"{requests} requests, not {self.counts()}")


@pytest.fixture(params=STORES)
def place(request, tmp_path):
    """Where a worker keeps its entries and shares its statistics: (URL, directory, namespace)."""
    namespace = uuid.uuid4().hex
    if request.param == "directory":
        return "", str(tmp_path / "stats"), namespace
    if request.param == "disk":
        return f"disk://{tmp_path}/cache.db", "", namespace
    server = request.getfixturevalue(f"{request.param}_server")
    return (server.url if request.param == "redis" else f"memcached://127.0.0.1:{server.port}"), "", namespace


def test_four_workers_are_counted_together(place):
    """Each sees what all have counted, to the request [observability 4]."""
    with Worker(place) as one, Worker(place) as two, Worker(place) as three, Worker(place) as four:
        for count, worker in enumerate((one, two, three, four), 1):
            worker.ask(f"call {count * 50}")
        for worker in (one, four):
            worker.wait_for(1000)


def test_counts_outlive_the_workers(place):
    """A worker that begins when all others have ended knows what they counted [observability 4]."""
    for _ in range(2):
        with Worker(place, interval=60) as worker:
            worker.ask("call 10")
            assert worker.end() == 0
    with Worker(place) as worker:
        assert worker.counts() == (40, 40)


def test_a_worker_flushes_on_sigterm(place):
    """What was counted a moment ago is not lost, and the process ends by the signal [observability 4]."""
    with Worker(place, interval=60) as worker:
        worker.ask("call 10")
        assert worker.get(signal.SIGTERM) == -signal.SIGTERM
    with Worker(place) as worker:
        assert worker.counts() == (20, 20)


def test_a_killed_worker_loses_one_interval_at_most(place):
    """What it counted before its last flush stays, and counts once [observability 4]."""
    with Worker(place, interval=0.2) as killed, Worker(place) as other:
        killed.ask("call 25")
        other.wait_for(50)
        assert killed.get(signal.SIGKILL) == -signal.SIGKILL
        assert other.counts() == (50, 50)


def test_a_child_counts_for_itself(place):
    """What the parent counted before the fork is the parent's, and nothing counts twice [observability 4]."""
    with Worker(place, interval=60) as worker:
        worker.ask("call 10")
        assert worker.ask("fork 5") == "ended 0"
        assert worker.ask("fork 5") == "ended 0"
        assert worker.counts() == (40, 40)


def test_invalidations_reach_the_workers_of_a_host(tmp_path):
    """With memory only, what one worker clears is gone in the others, and the log says whom it reached [obs. 4]."""
    place = ("", str(tmp_path / "stats"), "")
    with Worker(place) as one, Worker(place) as two:
        for worker in (one, two):
            worker.ask("call 3")
            assert worker.ask("flush") == worker.ask("peek 2") == "True"
        assert one.ask("clear") == "True"
        wait_until(lambda: two.ask("peek 2") == "False", "the other worker has heard of it")
        wait_until(lambda: one.ask("reached") == "2 of 2", "the log knows of that")


def test_the_directory_is_this_users_own(tmp_path):
    """Nobody else reads it, or writes there [observability 4]."""
    place = ("", str(tmp_path / "stats"), "")
    with Worker(place) as worker:
        worker.ask("call 1")
        worker.ask("flush")
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "stats").iterdir()}
        assert (tmp_path / "stats").stat().st_mode & 0o777 == 0o700
        assert modes == {0o600}
