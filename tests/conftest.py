"""What every test runs under."""

import gc
import os

import pytest
from hypothesis import settings

from tests.servers.fixtures import memcached_pair, memcached_server, redis_nodes, redis_server, sentinels
from tests.servers.processes import missing_programs

__all__ = ["memcached_pair", "memcached_server", "redis_nodes", "redis_server", "sentinels"]

# No deadlines: a slow machine is no failure. In CI the same examples each time: only a change may fail.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True, scope="module")
def _swept() -> None:
    """Keep what is there by now, thousands of tests among it, out of each later look for garbage: some look often."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what could not be tested."""
    if missing_programs:
        names = " ".join(sorted(missing_programs))
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"what needs {names}; remedy: apt-get install {names}, run again")
