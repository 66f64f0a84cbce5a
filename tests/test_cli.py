"""The command line."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version

import httpx
import pytest
from click.testing import CliRunner

from cachelayer.cli import make_group
from tests.servers.processes import wait_until


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m cachelayer`, or `code`, with arguments."""
    start = ["-m", "cachelayer"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *start, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_version():
    """It is that of the distribution."""
    assert run("--version").stdout == f"cachelayer {version('cachelayer')}\n"


#: Acceptance, word for word.
COMMANDS = "stats routes top keys get purge clear explain bench doctor demo".split()  # noqa: SIM905 - as it is written


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_listed(command, listed):
    """Help names every command with what it does [observability 14]."""
    assert re.search(rf"^  {command} +[A-Z]\w+", listed, re.MULTILINE)


@pytest.fixture(scope="module")
def listed():
    """Return what help lists."""
    return run("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_takes_no_store(command):
    """It is there for those who have none yet [observability 14]."""
    result = CliRunner().invoke(make_group(), [command, "--help"])
    assert (result.exit_code, result.stdout.partition(" ")[0]) == (0, "Usage:")


def test_a_whole_command_line(tmp_path):
    """As a shell runs it: the output is JSON and nothing else [observability 14]."""
    result = run("stats", "--backend", f"disk://{tmp_path}/cache.db", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["total"]["requests"] == 0


def test_a_store_that_is_away_is_one_line():
    """No traceback, no warning beside it, no password [observability 14]."""
    result = run("stats", "--backend", "redis://:secret@127.0.0.1:9/0")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "secret" not in result.stderr


def test_an_unknown_command_is_refused():
    """A mistake in the command line exits with 2."""
    result = run("demonstrate")
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such command 'demonstrate'" in result.stderr


@pytest.mark.parametrize("missing", ["click", "rich", "uvicorn", "starlette", "httpx", "airportsdata"])
def test_a_missing_package_is_one_line(missing):
    """Who installed the library without the command line is told what to install, without a traceback."""
    code = f"import sys; sys.modules['{missing}'] = None; from cachelayer.cli import main; main()"
    result = run("demo", "--once", code=code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("pip install 'cachelayer[cli]'\n")


def test_other_import_errors_are_shown():
    """A mistake of our own is not taken for a package that is missing."""
    code = (
        "import sys; sys.modules['cachelayer.demo.command'] = None; from cachelayer.cli import main; main()"
    )
    result = run("demo", "--once", code=code)
    assert "ModuleNotFoundError: import of cachelayer.demo.command" in result.stderr


def test_demo_once_ends_after_the_report():
    """`cachelayer demo --once` is a command that ends well, and says nothing on the error output."""
    result = run("demo", "--once", "--requests", "40")
    assert (result.returncode, result.stderr) == (0, "")
    assert "40 of 40 answers were the same with the cache as without it" in " ".join(result.stdout.split())
    assert "keeps running" not in result.stdout


@pytest.mark.parametrize(
    "arguments", [("--requests", "0"), ("--port", "70000"), ("--seed", "x"), ("--port", "0")], ids=" ".join
)
def test_demo_refuses_what_cannot_work(arguments):
    """The message names the option."""
    result = run("demo", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"Invalid value for '{arguments[0]}'" in result.stderr


@contextmanager
def demo(**environment: str):
    """Run the demo without --once."""
    command = [sys.executable, "-m", "cachelayer", "demo", "--requests", "20"]
    environment = {**os.environ, **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Tests that run in a shell's background inherit that SIGINT is ignored.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, **pipes, text=True, env=environment, preexec_fn=heed) as process:  # noqa: PLW1509
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=20)


def address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that the demo says it keeps running at."""
    for line in process.stdout or ():
        if found := re.search(r"keeps running at (http://[\d.:]+)", line):
            return found[1]
    raise AssertionError("the demo ended without an address")


def test_demo_says_when_its_port_is_taken(running):
    """One line, before anything runs."""
    port = running[1].rpartition(":")[2]
    result = run("demo", "--once", "--port", port)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert f"cannot serve on 127.0.0.1:{port}: " in result.stderr


@pytest.fixture(scope="module")
def running():
    """Return what the demo printed up to its application's address, and that."""
    with demo() as process:
        printed: list[str] = []
        for line in process.stdout or ():
            printed.append(line)
            if found := re.search(r"keeps running at (http://[\d.:]+)", line):
                yield "".join(printed), found[1]
                return


def test_demo_keeps_serving_until_it_is_stopped(running):
    """What it says to try works: pages are hits from the second time on, and the counts can be seen."""
    pages = ("airports/EDDF", "airports/EDDF", "stats")
    first, second, stats = (httpx.get(f"{running[1]}/{page}", trust_env=False) for page in pages)
    assert (first.status_code, second.content) == (200, first.content)
    assert second.headers["cache-status"].startswith("cachelayer; hit; ttl=")
    assert stats.json()["routes"]["GET /airports/{icao}"]["hit"] > 0


def test_demo_opens_on_the_dashboard_with_traffic(running):
    """Its address leads to the dashboard, where requests keep coming in that nobody sends by hand."""
    url = running[1]
    page = httpx.get(f"{url}/", follow_redirects=True, trust_env=False)

    def requests():
        return httpx.get(f"{url}/cache/api/report", trust_env=False).json()["total"]["requests"]

    before = requests()
    wait_until(lambda: requests() > before, "visitors come")
    assert (page.status_code, page.url.path) == (200, "/cache/")
    assert "airports" in page.text


def test_demo_shows_the_dashboard_from_the_beginning(running):
    """Before the comparison, which it shows live."""
    printed, url = running
    assert 0 < printed.index(f"{url}/cache/") < printed.index("without the cache")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_well_when_it_is_stopped(stop, tmp_path):
    """Ctrl-C is the regular end, and so is a service manager's stop; no files are left behind."""
    with demo(TMPDIR=str(tmp_path)) as process:
        address_of(process)
        process.send_signal(stop)
        assert (process.wait(20), process.stderr.read()) == (0, "")
    assert list(tmp_path.iterdir()) == []
