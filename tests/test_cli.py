"""The command line."""

import functools
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version

import httpx
import pytest


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m cachelayer`, or `code`, with arguments."""
    start = ["-m", "cachelayer"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *start, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_version():
    """It is that of the distribution."""
    assert run("--version").stdout == f"cachelayer {version('cachelayer')}\n"


def test_commands_are_listed():
    """Help names every command with what it does."""
    assert re.search(r"^  demo +\w+", run("--help").stdout, re.MULTILINE)


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


def test_demo_says_when_its_port_is_taken():
    """One line, before anything runs."""
    with demo() as process:
        port = address_of(process).rpartition(":")[2]
        result = run("demo", "--once", "--port", port)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert f"cannot serve on 127.0.0.1:{port}: " in result.stderr


def test_demo_keeps_serving_until_it_is_stopped():
    """What it says to try works: pages are hits from the second time on, and the counts can be seen."""
    with demo() as process:
        url = address_of(process)
        pages = ("airports/EDDF", "airports/EDDF", "stats")
        first, second, stats = (httpx.get(f"{url}/{page}", trust_env=False) for page in pages)
    assert (first.status_code, second.content) == (200, first.content)
    assert second.headers["cache-status"].startswith("cachelayer; hit; ttl=")
    assert stats.json()["routes"]["GET /airports/{icao}"]["hit"] > 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_well_when_it_is_stopped(stop, tmp_path):
    """Ctrl-C is the regular end, and so is a service manager's stop; no files are left behind."""
    with demo(TMPDIR=str(tmp_path)) as process:
        address_of(process)
        process.send_signal(stop)
        assert (process.wait(20), process.stderr.read()) == (0, "")
    assert list(tmp_path.iterdir()) == []
