"""A process that counts, for test_workers.py: it does what it is told, a line at a time, and answers each with a line.

Usage: python worker.py URL STATS_DIR NAMESPACE INTERVAL

    call N      call a cached function N times with different arguments, and N times with the same
    requests    print how many lookups all workers together have counted, by a report
    flush       flush now
    clear       remove everything
    peek N      print whether the result for N is stored
    fork N      call it N times in a forked child, which then ends in the regular way
    end         end in the regular way
"""

import os
import sys

from cachelayer import Cache, cached
from cachelayer.stats import make_report, shared_totals

url, directory, namespace, interval = sys.argv[1:5]
cache = Cache(url or None, namespace=namespace, stats_dir=directory or None, stats_interval=float(interval))


@cached(cache=cache, ttl=600, name="double")
def double(number):
    """Return the double."""
    return 2 * number


def call(count):
    """Call the function."""
    for number in range(count):
        double(number)
        double(0)
    return "called"


def fork(count):
    """Call it in a child."""
    child = os.fork()
    if child == 0:
        call(count)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    return f"ended {os.waitstatus_to_exitcode(status)}"


def answer(words):
    """Do what a line says, and return what to print."""
    match words:
        case ["call", count]:
            return call(int(count))
        case ["requests"]:
            report = make_report(cache)
            return f"{sum(each.requests for each in report.functions)} {shared_totals(cache).total.requests}"
        case ["flush"]:
            return cache.recorder.flush()
        case ["clear"]:
            return cache.clear() >= 0
        case ["peek", number]:
            return double.peek(int(number)) is not None
        case ["fork", count]:
            return fork(int(count))
        case ["reached"]:
            entry = make_report(cache).audit[0]
            return f"{entry.reached} of {entry.workers}"


for line in sys.stdin:
    if line.strip() == "end":
        break
    sys.stdout.write(f"{answer(line.split())}\n")
    sys.stdout.flush()
