"""Runs the tests the ways the product is used.

Usage: python tools/test.py [tree] [wheel] [pythons]

tree     this checkout on this Python, with coverage and its gate
wheel    the built wheel, installed in an environment of its own, tested from outside of the checkout: on the newest
         supported CPython that is found
pythons  this checkout on each further supported CPython that is found

All stages asked for are run, even when one fails; the closing line adds them up.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import servers

ROOT: Final = Path(__file__).resolve().parents[1]
SCRATCH: Final = Path(tempfile.mkdtemp(prefix="cachelayer-test-"))
STAGES: Final = ("tree", "wheel", "pythons")


class Run:
    """One stage: its commands, the reports of its tests, and whether everything went well."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reports: list[Path] = []

    def __call__(self, *command: object, cwd: Path = ROOT, **environment: object) -> None:
        """Run a command, with these variables added to the environment; raise where it fails."""
        words = [str(word) for word in command]
        print(f"[{self.name}] {' '.join(words)}", flush=True)
        added = {name: str(value) for name, value in environment.items()}
        subprocess.run(words, cwd=cwd, env=os.environ | added, check=True)

    def pytest(self, *python: object, cwd: Path = ROOT, **environment: object) -> None:
        """Run the whole suite with the given Python command and keep its report."""
        report = SCRATCH / f"{self.name}.xml"
        self.reports.append(report)
        # By file: the examples of a page build on each other. More at once than there are processors: many tests wait
        # for a server most of the time.
        parallel = (f"--numprocesses={3 * (os.cpu_count() or 2) // 2}", "--dist=loadfile")
        self(*python, "-m", "pytest", *parallel, f"--junitxml={report}", cwd=cwd, **environment)

    def environment(self, directory: Path, python: object, *packages: object) -> Path:
        """Return the Python of a virtual environment with these packages, given as pip arguments."""
        self(ROOT / "tools/venv.sh", directory, python, *packages)
        return directory / "bin/python"


def tree(run: Run) -> None:
    """Test this checkout with coverage."""
    coverage = (sys.executable, "-m", "coverage")
    run(*coverage, "erase")
    run.pytest(*coverage, "run")
    run(*coverage, "combine", "--quiet")
    run(*coverage, "report")


def wheel_on(base: Path) -> Callable[[Run], None]:
    """Return the stage that builds the wheel and tests what it installs, where no checkout can help it out."""

    def stage(run: Run) -> None:
        run(sys.executable, "-m", "build", "--outdir", SCRATCH / "dist")
        built = next((SCRATCH / "dist").glob("*.whl"))
        python = run.environment(SCRATCH / "venv", base, built)
        run(python, "-I", "-c", "import cachelayer", cwd=SCRATCH)  # with nothing but the core's dependencies
        run.environment(SCRATCH / "venv", base, f"{built}[all]", "--group", "test")
        outside = SCRATCH / "outside"
        for name in ("tests", "docs", "examples"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, outside / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "conftest.py", "README.md"):
            shutil.copy(ROOT / name, outside)
        run.pytest(python, cwd=outside, CACHELAYER_WHEEL=built)

    return stage


def on(python: Path, version: str) -> Callable[[Run], None]:
    """Return the stage that tests this checkout on another Python."""

    def stage(run: Run) -> None:
        run.pytest(run.environment(ROOT / ".venvs" / version, python, "-e", ".[all]", "--group", "test"))

    return stage


def supported_pythons() -> list[str]:
    """Return the versions that pyproject.toml declares, such as "3.13"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return re.findall(r":: Python :: (3\.\d+)", "\n".join(project["classifiers"]))


def find_python(version: str) -> Path | None:
    """Return a working CPython of this version: PATH may hold a pyenv shim that stands for nothing."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path.home().glob(f".pyenv/versions/{version}*/bin/python{version}")
    question = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    for candidate in [*([Path(on_path)] if on_path else []), *sorted(pyenv)]:
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        if answer.stdout.split() == ["cpython", version]:
            return candidate
    return None


def chosen_stages(names: list[str], missing: list[str]) -> Iterator[tuple[str, Callable[[Run], None]]]:
    """Yield the stages of these names; note in `missing` the Pythons that are not to be found."""
    own = "{}.{}".format(*sys.version_info)
    found = {own: Path(sys.executable)}
    for version in supported_pythons():
        python = found.get(version) or find_python(version)
        if python is None:
            missing.append(version)
        else:
            found[version] = python
    if "tree" in names:
        yield "tree", tree
    newest = max(found, key=lambda version: int(version.partition(".")[2]))
    if "wheel" in names:
        yield f"wheel-on-{newest}", wheel_on(found[newest])
    for version, python in found.items() if "pythons" in names else ():
        if version not in (own, newest if "wheel" in names else own):
            yield f"python{version}", on(python, version)


def count(reports: list[Path]) -> dict[str, int]:
    """Add up what the pytest reports say."""
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for report in filter(Path.is_file, reports):
        for suite in ElementTree.parse(report).iter("testsuite"):
            for name in totals:
                totals[name] += int(suite.get(name, 0))
    return totals


def main(names: list[str]) -> int:
    """Run the stages, print the closing lines and return the exit code."""
    if not set(names) <= set(STAGES):
        sys.exit(f"the stages are {', '.join(STAGES)}; not {' '.join(names)}")
    servers.install()
    missing: list[str] = []
    broken: list[str] = []
    reports: list[Path] = []
    for name, stage in chosen_stages(names or list(STAGES), missing):
        run = Run(name)
        try:
            stage(run)
        except (OSError, StopIteration, subprocess.CalledProcessError) as problem:
            broken.append(f"FAILED: {name}: {problem}")
        reports += run.reports
    totals = count(reports)
    failed = totals["failures"] + totals["errors"]
    print()
    for version in missing:
        print(f"NOT TESTED: Python {version} was not found; remedy: put it on PATH or in pyenv, run again")
    if absent := servers.missing():
        print(f"NOT TESTED: what needs {', '.join(absent)}; remedy: {servers.remedy(absent)}, run again")
    for line in broken:
        print(line)
    # A stage that broke without a failing test, such as the coverage gate, counts as one failure.
    failed = max(failed, len(broken))
    passed = totals["tests"] - totals["failures"] - totals["errors"] - totals["skipped"]
    print(f"{passed} passed, {failed} failed, {totals['skipped']} skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
