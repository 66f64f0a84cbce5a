"""Runs test suites of frameworks with the middleware around every application that they make, and without it.

Usage: python tools/transparency/run.py [suite[:tests] ...], such as flask or fastapi:tests/test_include_route.py

Each suite comes with its source distribution, which pip downloads into a temporary folder; so do its own requirements.
Nothing may differ between the two runs, test by test. Exits with 1 where something does.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from comparing import compared, outcomes
from suites import COMMON, SUITES, Suite


def main() -> int:
    """Run the suites that the command line names; return the exit status."""
    names = sys.argv[1:] or list(SUITES)
    if unknown := {name.partition(":")[0] for name in names} - set(SUITES):
        print(f"there is no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="transparency-") as folder:
        alike = [is_alike(name, Path(folder) / str(number)) for number, name in enumerate(names)]
        return int(not all(alike))


def is_alike(name: str, folder: Path) -> bool:
    """Run one suite, or the part of it that is named, both ways; whether nothing differs."""
    print(f"{name}:", flush=True)
    framework, _, part = name.partition(":")
    suite = SUITES[framework]
    python = environment(suite, folder)
    source, tests = unpacked(suite, python, folder), part or suite.tests
    without = outcomes(python, source, tests, folder / "without.xml", wrapped=False)
    within = outcomes(python, source, tests, folder / "with.xml", wrapped=True, collapse=suite.collapse)
    return not compared(without, within) and "passed" in within.values()


def environment(suite: Suite, folder: Path) -> Path:
    """Return the Python of an environment with the framework and all that its tests need."""
    call(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    call(python, "-m", "pip", "install", "-q", suite.release, *COMMON, *suite.needs)
    return python


def unpacked(suite: Suite, python: Path, folder: Path) -> Path:
    """Return the folder of the suite's source distribution."""
    bare = re.sub(r"\[.*\]", "", suite.release)
    call(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, bare)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def call(*command: object) -> None:
    """Run a command, or raise."""
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    sys.exit(main())
